//! vioblk: a disk (virtio 1.2, 5.2).
//!
//! * `device`: what the transport sees: features and configuration;
//! * `worker`: the disk's thread, what it waits for and what it is told;
//! * `service`: the queue and the disk, requests under way between them;
//! * `request`: what a driver asks for, checked.

mod device;
mod request;
mod service;
mod worker;

pub use device::Blk;
