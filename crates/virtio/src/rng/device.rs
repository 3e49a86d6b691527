//! The entropy device.

use std::sync::Arc;

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use vmm_sys_util::eventfd::EventFd;

use crate::rate_limit::RateLimit;
use crate::{Chain, DeviceType, GuestRam, Queue, VirtioDevice};

/// The most bytes that one request gets. A driver takes what it gets and asks again (virtio 1.2, 5.4.6.2).
const MAX_BYTES: usize = 1024;

/// The size of the one queue.
const QUEUE_SIZE: u16 = 16;

/// The host's random numbers, for the guest.
///
/// It has no thread: the processor that notifies it serves the queue. A full queue is 16 KiB, some ten
/// microseconds; a second processor that keeps adding requests meanwhile only keeps the first of them busy.
#[derive(Default)]
pub struct Rng {
    queue: Option<Queue>,
    paused: bool,
    log: RateLimit,
}

impl Rng {
    /// An entropy device.
    pub fn new() -> Self {
        Self::default()
    }

    fn serve(&mut self) {
        if self.paused {
            return;
        }
        let Some(queue) = &mut self.queue else { return };
        loop {
            queue.disarm();
            while let Some(chain) = queue.pop() {
                let written = fill(queue.memory(), &chain, &mut self.log);
                queue.complete(chain.head(), written);
            }
            if !queue.arm() {
                break;
            }
        }
        queue.notify();
    }
}

/// Fills the chain's writable part with random bytes, as far as it goes; gives the number of them.
fn fill(memory: &GuestRam, chain: &Chain, log: &mut RateLimit) -> u32 {
    let mut bytes = [0; MAX_BYTES];
    let len = usize::try_from(chain.writable().len()).unwrap_or(usize::MAX).min(MAX_BYTES);
    let Some(bytes) = bytes.get_mut(..len) else { return 0 };
    if let Err(error) = random(bytes) {
        if let Some(more) = log.allow() {
            tracing::error!("viornd: no random bytes from the host: {error} ({more} more errors before)");
        }
        return 0;
    }
    match chain.writable().write(memory, 0, bytes) {
        Ok(()) => u32::try_from(len).unwrap_or(0),
        Err(_) => 0,
    }
}

fn random(mut bytes: &mut [u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match getrandom(&mut *bytes, GetRandomFlags::empty()) {
            Ok(count) => bytes = bytes.get_mut(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl VirtioDevice for Rng {
    fn name(&self) -> &str {
        "viornd"
    }

    fn device_type(&self) -> DeviceType {
        DeviceType::Entropy
    }

    fn features(&self) -> u64 {
        0
    }

    fn queue_sizes(&self) -> &[u16] {
        &[QUEUE_SIZE]
    }

    fn config(&self) -> &[u8] {
        &[]
    }

    fn activate(&mut self, _features: u64, queues: Vec<Queue>) {
        self.queue = queues.into_iter().next();
    }

    fn deactivate(&mut self) {
        self.queue = None;
    }

    fn doorbell(&self, _queue: u16) -> Option<Arc<EventFd>> {
        None
    }

    fn notify(&mut self, _queue: u16) {
        self.serve();
    }

    fn pause(&mut self) {
        self.paused = true;
    }

    fn resume(&mut self) {
        self.paused = false;
        self.serve();
    }
}

#[cfg(test)]
#[path = "device_test.rs"]
mod tests;
