//! vmd as a whole with the small guests of `guests/`, on a real `/dev/kvm`: what a user and a guest see.

#[cfg(test)]
mod check;
#[cfg(test)]
mod console;
#[cfg(test)]
mod devices;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod firmware;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod life;
#[cfg(test)]
mod log;
#[cfg(test)]
mod manage;
#[cfg(test)]
mod many;
#[cfg(test)]
mod session;
#[cfg(test)]
mod support;
#[cfg(test)]
mod survival;
