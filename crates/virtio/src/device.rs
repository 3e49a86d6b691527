//! The contract between a virtio device and its transport.

use std::sync::Arc;

use vmm_sys_util::eventfd::EventFd;

use crate::Queue;

/// What a virtio device is (virtio 1.2, chapter 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceType {
    /// A disk (5.2).
    Block,
    /// A source of random bytes (5.4).
    Entropy,
    /// A controller for SCSI devices (5.6).
    Scsi,
}

impl DeviceType {
    /// The virtio device id.
    pub fn id(self) -> u16 {
        match self {
            Self::Block => 2,
            Self::Entropy => 4,
            Self::Scsi => 8,
        }
    }
}

/// A virtio device as its transport sees it.
///
/// The transport owns the device, negotiates features and sets queues up; the device sees neither addresses of
/// registers nor interrupts. Its calls come one at a time. [`VirtioDevice::activate`] and
/// [`VirtioDevice::deactivate`] alternate, beginning with the former; [`VirtioDevice::pause`] and
/// [`VirtioDevice::resume`] may come at any time and as often as they like.
///
/// Threads that a device needs are started when it is made and wait: later the process may not start any.
pub trait VirtioDevice: Send {
    /// What it is called in the log: `vioblk0`.
    fn name(&self) -> &str;

    /// What it is.
    fn device_type(&self) -> DeviceType;

    /// The features of its own that it offers: bits 0 to 23 and 50 to 63 (virtio 1.2, 2.2). What concerns the
    /// ring and the transport is added by those.
    fn features(&self) -> u64;

    /// The greatest number of descriptors of each of its queues: powers of two up to 32768.
    fn queue_sizes(&self) -> &[u16];

    /// The device's configuration (virtio 1.2, 2.5), empty if there is none. Its length never changes.
    fn config(&self) -> &[u8];

    /// The driver has accepted `features` and is ready: work may begin. `queues` are those that it enabled, in
    /// the order of their numbers; some or all may be missing.
    fn activate(&mut self, features: u64, queues: Vec<Queue>);

    /// The driver, or the machine's reset line, resets the device. On return no queue and no guest memory is
    /// touched any more. Requests that were begun have been completed, the others are forgotten. Does nothing
    /// if the device is not active.
    fn deactivate(&mut self);

    /// The event that wakes the device's own thread for a queue; writing it is what a notification of the
    /// driver does. `None` if the device has no such thread: [`VirtioDevice::notify`] is called then.
    fn doorbell(&self, queue: u16) -> Option<Arc<EventFd>>;

    /// The driver notifies a queue without [`VirtioDevice::doorbell`]: serve it now, briefly. A processor of the
    /// guest waits.
    fn notify(&mut self, queue: u16);

    /// As [`Lifecycle::pause`](crate::Lifecycle::pause).
    fn pause(&mut self);

    /// As [`Lifecycle::resume`](crate::Lifecycle::resume).
    fn resume(&mut self);
}
