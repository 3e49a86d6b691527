//! The block device, as its transport sees it.

use std::fs::File;
use std::io;
use std::sync::Arc;

use disk::{BlockBackend, RawImage, SECTOR, Syncer};
use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_FLUSH, VIRTIO_BLK_F_SEG_MAX,
    VIRTIO_BLK_F_WRITE_ZEROES,
};
use vmm_sys_util::eventfd::EventFd;

use super::request::{MAX_DISCARD_SECTORS, MAX_ZEROES_SECTORS};
use super::worker::Worker;
use crate::{DeviceType, Queue, ThreadHook, VirtioDevice};

/// The size of the one queue, and so the most requests under way.
const QUEUE_SIZE: u16 = 256;

/// The most descriptors for data in a request: those of a full queue but for header and status.
const MAX_SEGMENTS: u32 = QUEUE_SIZE as u32 - 2;

const FLUSH: u64 = 1 << VIRTIO_BLK_F_FLUSH;
const FEATURES: u64 = FLUSH
    | 1 << VIRTIO_BLK_F_SEG_MAX
    | 1 << VIRTIO_BLK_F_BLK_SIZE
    | 1 << VIRTIO_BLK_F_DISCARD
    | 1 << VIRTIO_BLK_F_WRITE_ZEROES;

/// A disk with a thread of its own, `vioblk0` and so on, which is also its serial number.
pub struct Blk {
    name: String,
    config: Vec<u8>,
    worker: Worker,
    syncer: Syncer,
}

impl Blk {
    /// The disk number `index` of its machine, over an image that is open for reading and writing and locked.
    /// Starts its thread, which calls `hook` first.
    ///
    /// # Errors
    /// The file is no image or an empty one, or the host gives no thread or no events.
    pub fn new(index: usize, image: File, hook: &ThreadHook) -> io::Result<Self> {
        let image = RawImage::from_fd(image).map_err(io::Error::other)?;
        Self::with_backend(index, image.backend(QUEUE_SIZE), image.syncer(), hook)
    }

    /// The same over any engine of an image.
    pub(super) fn with_backend(
        index: usize,
        backend: Box<dyn BlockBackend>,
        syncer: Syncer,
        hook: &ThreadHook,
    ) -> io::Result<Self> {
        let config = config(backend.capacity());
        let name = format!("vioblk{index}");
        let worker = Worker::spawn(name.clone(), backend, hook)?;
        Ok(Self { name, config, worker, syncer })
    }

    /// A handle that makes the image durable, to be used after the device was paused for the last time: what
    /// the guest has written is in the host's cache until then.
    pub fn syncer(&self) -> Syncer {
        self.syncer.clone()
    }
}

/// `struct virtio_blk_config` (5.2.4), as far as the features say that it means something.
fn config(capacity: u64) -> Vec<u8> {
    let mut config = Vec::with_capacity(60);
    config.extend(capacity.checked_div(SECTOR).unwrap_or(0).to_le_bytes());
    config.extend([0; 4]); // no limit on the size of a segment
    config.extend(MAX_SEGMENTS.to_le_bytes());
    config.extend([0; 4]); // no geometry
    config.extend((SECTOR as u32).to_le_bytes());
    config.extend([0; 8]); // no topology
    config.extend([0; 4]); // no switch for the cache, one queue
    config.extend(MAX_DISCARD_SECTORS.to_le_bytes());
    config.extend(1u32.to_le_bytes()); // one segment
    config.extend(1u32.to_le_bytes()); // aligned to one sector
    config.extend(MAX_ZEROES_SECTORS.to_le_bytes());
    config.extend(1u32.to_le_bytes()); // one segment
    config.extend([1, 0, 0, 0]); // writing zeroes may give space back
    config
}

impl VirtioDevice for Blk {
    fn name(&self) -> &str {
        &self.name
    }

    fn device_type(&self) -> DeviceType {
        DeviceType::Block
    }

    fn features(&self) -> u64 {
        FEATURES
    }

    fn queue_sizes(&self) -> &[u16] {
        &[QUEUE_SIZE]
    }

    fn config(&self) -> &[u8] {
        &self.config
    }

    fn activate(&mut self, features: u64, queues: Vec<Queue>) {
        // A driver that knows no flush takes a completed write to be durable (5.2.6.2).
        let write_through = features & FLUSH == 0;
        if let Some(queue) = queues.into_iter().next() {
            self.worker.activate(queue, write_through);
        }
    }

    fn deactivate(&mut self) {
        self.worker.deactivate();
    }

    fn doorbell(&self, _queue: u16) -> Option<Arc<EventFd>> {
        Some(self.worker.doorbell().clone())
    }

    /// Never called: the queue has a doorbell.
    fn notify(&mut self, _queue: u16) {}

    fn pause(&mut self) {
        self.worker.pause();
    }

    fn resume(&mut self) {
        self.worker.resume();
    }
}

#[cfg(test)]
#[path = "device_test.rs"]
mod tests;
