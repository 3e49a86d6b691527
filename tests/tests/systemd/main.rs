//! The Debian package on a host with systemd, from its installation to its purge.

#[cfg(test)]
mod life;
#[cfg(test)]
mod site;
