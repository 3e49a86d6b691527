//! viornd: random bytes for the guest (virtio 1.2, 5.4).

mod device;

pub use device::Rng;
