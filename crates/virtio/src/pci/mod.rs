//! What the machine's PCI bus sees of a function, what a function sees of the bus, and the virtio transport
//! that is built on it (virtio 1.2, section 4.1).
//!
//! * `config_space`: the header and the list of capabilities;
//! * `msix`: the MSI-X table, with masks and pending bits;
//! * `common`: the common configuration structure, through which a driver sets a device up;
//! * `isr`: the interrupt status, and the pin that follows it;
//! * `interrupt`: how a device's interrupts find their vectors;
//! * `transport`: what binds these to a device.

mod common;
mod config_space;
mod function;
mod interrupt;
mod isr;
mod msix;
mod transport;

pub use config_space::{ConfigSpace, Identity, command, register};
pub use function::{Action, Bar, BarKind, Doorbell, MsixVector, PciFunction, Pin};
pub use isr::InterruptStatus;
pub use transport::VirtioPci;

/// Copies what a guest reads from `offset` of a run of registers. What lies behind their end reads as zero.
fn read_image(image: &[u8], offset: u64, data: &mut [u8]) {
    data.fill(0);
    let source = usize::try_from(offset).ok().and_then(|offset| image.get(offset..)).unwrap_or_default();
    for (to, from) in data.iter_mut().zip(source) {
        *to = *from;
    }
}

/// A guest's write as a number, little endian; `None` if it is wider than 8 bytes.
fn number(data: &[u8]) -> Option<u64> {
    let mut bytes = [0; 8];
    bytes.get_mut(..data.len())?.copy_from_slice(data);
    Some(u64::from_le_bytes(bytes))
}
