//! A split virtqueue (virtio 1.2, 2.7) as a device uses it.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use virtio_bindings::virtio_ring::VRING_AVAIL_F_NO_INTERRUPT;
use virtio_queue::{Error, QueueOwnedT, QueueState, QueueT};
use vm_memory::{Bytes, GuestAddress};

use crate::{Chain, GuestRam, Interrupt};

/// One enabled queue.
///
/// A device takes chains with [`Queue::pop`], gives each back with [`Queue::complete`], and says when it has given
/// back enough to tell the driver: [`Queue::notify`]. Before it waits it calls [`Queue::arm`] until that
/// says that there is nothing more.
///
/// When the driver breaks the ring, the queue has the device marked as in need of a reset and is empty from
/// then on.
pub struct Queue {
    index: u16,
    ring: virtio_queue::Queue,
    memory: GuestRam,
    interrupt: Arc<dyn Interrupt>,
    /// Something was given back since the driver was last told.
    used: bool,
    broken: bool,
}

impl Queue {
    /// A queue as the driver has set it up.
    ///
    /// # Errors
    /// The size is no power of two or too large, or the rings are misaligned or not in the guest's memory.
    pub(crate) fn new(
        index: u16,
        state: QueueState,
        memory: GuestRam,
        interrupt: Arc<dyn Interrupt>,
    ) -> Result<Self, Error> {
        let ring = virtio_queue::Queue::try_from(state)?;
        if !ring.is_valid(&memory) {
            return Err(Error::QueueNotReady);
        }
        Ok(Self { index, ring, memory, interrupt, used: false, broken: false })
    }

    /// Its number in the device.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// The most chains that can be under way.
    pub fn size(&self) -> u16 {
        self.ring.size()
    }

    /// The memory that its chains lie in.
    pub fn memory(&self) -> &GuestRam {
        &self.memory
    }

    /// The next chain. Chains that make no sense are given back unused on the way.
    ///
    /// `None` if there is none now, which does not say that there will be a notification: see [`Queue::arm`].
    pub fn pop(&mut self) -> Option<Chain> {
        // Bounded, since a driver can add bad chains as quickly as they are found.
        for _ in 0..self.size() {
            match self.next()? {
                Ok(chain) => return Some(chain),
                Err(head) => self.complete(head, 0),
            }
        }
        None
    }

    fn next(&mut self) -> Option<Result<Chain, u16>> {
        if self.broken {
            return None;
        }
        // Nothing in a ring is longer than the ring, whatever an indirect table says (2.7.5.3.1).
        let max = self.ring.size();
        match self.ring.iter(&self.memory) {
            Ok(mut heads) => heads.next().map(|chain| Chain::copy_from(chain, max)),
            Err(error) => {
                self.fail(&error);
                None
            }
        }
    }

    /// Gives a chain back, with the number of bytes from the start of its writable part that were written.
    pub fn complete(&mut self, head: u16, written: u32) {
        if self.broken {
            return;
        }
        self.used = true;
        if let Err(error) = self.ring.add_used(&self.memory, head, written) {
            self.fail(&error);
        }
    }

    /// Interrupts the driver for what was given back since the last time, unless it does not want to be.
    pub fn notify(&mut self) {
        if !std::mem::take(&mut self.used) || self.broken {
            return;
        }
        match self.wants_interrupt() {
            Ok(true) => self.interrupt.queue(self.index),
            Ok(false) => {}
            Err(error) => self.fail(&error),
        }
    }

    /// Whether the driver wants an interrupt for what was used: by its event index if negotiated, else by its
    /// flag (2.7.7).
    fn wants_interrupt(&mut self) -> Result<bool, Error> {
        if self.ring.event_idx_enabled() {
            return self.ring.needs_notification(&self.memory);
        }
        // The flag must be read after the used index was written, or an interrupt could be missed by both sides.
        fence(Ordering::SeqCst);
        let flags = self.memory.load(GuestAddress(self.ring.avail_ring()), Ordering::Relaxed);
        let flags = u16::from_le(flags.map_err(Error::GuestMemory)?);
        Ok(u32::from(flags) & VRING_AVAIL_F_NO_INTERRUPT == 0)
    }

    /// Asks the driver to notify the device about the next chain. `true` if there are chains already, which the
    /// driver will not notify about.
    pub fn arm(&mut self) -> bool {
        if self.broken {
            return false;
        }
        self.ring.enable_notification(&self.memory).unwrap_or_else(|error| {
            self.fail(&error);
            false
        })
    }

    /// Tells the driver that notifications are not needed for now.
    pub fn disarm(&mut self) {
        if self.broken {
            return;
        }
        if let Err(error) = self.ring.disable_notification(&self.memory) {
            self.fail(&error);
        }
    }

    /// The driver broke the ring: nothing in it can be trusted, so the queue stops (2.1.2).
    fn fail(&mut self, error: &Error) {
        self.broken = true;
        self.interrupt.needs_reset(&format_args!("queue {}: {error}", self.index));
    }
}

#[cfg(test)]
#[path = "queue_test.rs"]
mod tests;
