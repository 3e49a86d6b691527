//! Tests in the lab: the lab itself, and vmd with Debian guests.
//!
//! They share one lab host, see [`vmd_tests::Lab::shared`].

#[cfg(test)]
mod bios;
#[cfg(test)]
mod cdrom;
#[cfg(test)]
mod debian;
#[cfg(test)]
mod host;
#[cfg(test)]
mod loaders;
#[cfg(test)]
mod uefi;
