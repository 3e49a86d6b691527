//! virtio 1.2 devices on PCI: queues, the transport, and the devices, one folder each.
//!
//! Nothing here knows KVM, the bus addresses of anything, or how an interrupt reaches a processor. The guest
//! is hostile: its memory is touched through volatile slices only, whatever it sizes is bounded, and no input
//! of its reaches a panic.
//!
//! A device implements [`VirtioDevice`] and is put behind a transport: [`pci::VirtioPci`], which is the
//! [`pci::PciFunction`] that a machine's bus sees.
//!
//! # Order of locks
//!
//! The machine's lock of a function, then the lock of its interrupt status, then either the lock inside its MSI-X
//! table or whatever its pin takes. A worker takes all but the first.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

pub mod blk;
mod chain;
mod device;
mod interrupt;
mod lifecycle;
pub mod pci;
mod queue;
mod rate_limit;
pub mod rng;
mod thread;

pub use chain::{Area, BadAddress, Chain};
pub use device::{DeviceType, VirtioDevice};
pub use interrupt::Interrupt;
pub use lifecycle::Lifecycle;
pub use queue::Queue;
pub use thread::{ThreadHook, ThreadKind};

#[cfg(test)]
mod lifecycle_test;
#[cfg(test)]
mod test_util;

/// Guest memory as every part of the machine sees it.
pub type GuestRam = vm_memory::GuestMemoryMmap<()>;
