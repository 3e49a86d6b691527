//! How a queue tells its driver something.

use std::fmt::Display;

/// The ways in which a device gets its driver's attention, from any thread. Whether and how an interrupt results
/// is up to the transport.
pub trait Interrupt: Send + Sync {
    /// Buffers of queue number `queue` were used (virtio 1.2, 2.3).
    fn queue(&self, queue: u16);

    /// The device's configuration has changed.
    fn config(&self);

    /// The driver has done something to a queue that the device cannot recover from: it sees
    /// DEVICE_NEEDS_RESET (virtio 1.2, 2.1.2) until it resets the device. `why` is for the log.
    fn needs_reset(&self, why: &dyn Display);
}
