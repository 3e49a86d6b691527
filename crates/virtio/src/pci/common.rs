//! The common configuration structure (virtio 1.2, 4.1.4.3): features, status, and the queues' addresses.

use virtio_bindings::virtio_config::{
    VIRTIO_CONFIG_S_DRIVER_OK, VIRTIO_CONFIG_S_FEATURES_OK, VIRTIO_CONFIG_S_NEEDS_RESET, VIRTIO_F_VERSION_1,
};
use virtio_bindings::virtio_ring::{VIRTIO_RING_F_EVENT_IDX, VIRTIO_RING_F_INDIRECT_DESC};
use virtio_queue::QueueState;

use super::interrupt::PciInterrupt;
use super::{number, read_image};

/// The size of the structure in bytes.
pub(super) const SIZE: u64 = 60;

const FEATURES_OK: u8 = VIRTIO_CONFIG_S_FEATURES_OK as u8;
const DRIVER_OK: u8 = VIRTIO_CONFIG_S_DRIVER_OK as u8;
const NEEDS_RESET: u8 = VIRTIO_CONFIG_S_NEEDS_RESET as u8;

/// What every device here offers besides its own features.
const OFFERED: u64 =
    1 << VIRTIO_F_VERSION_1 | 1 << VIRTIO_RING_F_EVENT_IDX | 1 << VIRTIO_RING_F_INDIRECT_DESC;
/// What a driver has to accept: there is no legacy interface.
const REQUIRED: u64 = 1 << VIRTIO_F_VERSION_1;
const EVENT_IDX: u64 = 1 << VIRTIO_RING_F_EVENT_IDX;

/// The registers of the structure.
#[derive(Debug)]
pub(super) struct Common {
    offered: u64,
    accepted: u64,
    device_feature_select: u32,
    driver_feature_select: u32,
    status: u8,
    queue_select: u16,
    queues: Vec<QueueSetup>,
}

/// What a driver writes for one queue.
#[derive(Clone, Copy, Debug)]
struct QueueSetup {
    max_size: u16,
    size: u16,
    enabled: bool,
    /// Descriptor table, available ring ("driver area"), used ring ("device area").
    descriptors: u64,
    available: u64,
    used: u64,
}

/// What a write asks of the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Nothing.
    None,
    /// DRIVER_OK was set: the device begins.
    Start,
    /// Zero was written to the status.
    Reset,
}

impl Common {
    /// The registers of a device with features of its own and queues of these sizes.
    pub(super) fn new(features: u64, queue_sizes: &[u16]) -> Self {
        Self {
            offered: features | OFFERED,
            accepted: 0,
            device_feature_select: 0,
            driver_feature_select: 0,
            status: 0,
            queue_select: 0,
            queues: queue_sizes.iter().map(|&size| QueueSetup::new(size)).collect(),
        }
    }

    /// The features that were negotiated.
    pub(super) fn features(&self) -> u64 {
        self.accepted
    }

    /// The queues that the driver enabled, with their numbers.
    pub(super) fn enabled_queues(&self) -> impl Iterator<Item = (u16, QueueState)> {
        let event_idx = self.accepted & EVENT_IDX != 0;
        let queues = (0u16..).zip(&self.queues).filter(|(_, queue)| queue.enabled);
        queues.map(move |(index, queue)| (index, queue.state(event_idx)))
    }

    /// As after power-on, but for what the driver selects by writing anyway.
    pub(super) fn reset(&mut self) {
        self.accepted = 0;
        self.device_feature_select = 0;
        self.driver_feature_select = 0;
        self.status = 0;
        self.queue_select = 0;
        for queue in &mut self.queues {
            *queue = QueueSetup::new(queue.max_size);
        }
    }

    /// A guest's read, of any width at any offset.
    pub(super) fn read(&self, interrupt: &PciInterrupt, offset: u64, data: &mut [u8]) {
        let selected = self.selected().copied().unwrap_or(QueueSetup::new(0));
        let needs_reset = if interrupt.is_reset_needed() { NEEDS_RESET } else { 0 };
        let mut image = Vec::with_capacity(64);
        image.extend(self.device_feature_select.to_le_bytes());
        image.extend(feature_word(self.offered, self.device_feature_select).to_le_bytes());
        image.extend(self.driver_feature_select.to_le_bytes());
        image.extend(feature_word(self.accepted, self.driver_feature_select).to_le_bytes());
        image.extend(interrupt.config_vector().to_le_bytes());
        image.extend(u16::try_from(self.queues.len()).unwrap_or(u16::MAX).to_le_bytes());
        // The generation counts changes of the device's configuration, and no device here changes its own.
        image.extend([self.status | needs_reset, 0]);
        image.extend(self.queue_select.to_le_bytes());
        image.extend(selected.size.to_le_bytes());
        image.extend(interrupt.queue_vector(self.queue_select).to_le_bytes());
        image.extend(u16::from(selected.enabled).to_le_bytes());
        // A queue's doorbell is found by its number.
        image.extend(self.queue_select.to_le_bytes());
        image.extend(selected.descriptors.to_le_bytes());
        image.extend(selected.available.to_le_bytes());
        image.extend(selected.used.to_le_bytes());
        // No data in notifications, no reset of a single queue.
        image.extend([0; 4]);
        read_image(&image, offset, data);
    }

    /// A guest's write. Only the widths that the registers have do anything (4.1.3.1); addresses of 64 bits may
    /// also be written in halves.
    pub(super) fn write(&mut self, interrupt: &PciInterrupt, offset: u64, data: &[u8]) -> Command {
        // A value has no more bytes than its register, so none is lost below.
        let Some(value) = number(data) else { return Command::None };
        match (offset, data.len()) {
            (0, 4) => self.device_feature_select = value as u32,
            (8, 4) => self.driver_feature_select = value as u32,
            (12, 4) => self.accept(value as u32),
            (16, 2) => interrupt.set_config_vector(value as u16),
            (20, 1) => return self.set_status(value as u8),
            (22, 2) => self.queue_select = value as u16,
            (26, 2) => interrupt.set_queue_vector(self.queue_select, value as u16),
            (offset, width) => self.set_up_queue(offset, width, value),
        }
        Command::None
    }

    /// The driver accepts 32 features, which it may until it has said that it is done (3.1.1).
    fn accept(&mut self, word: u32) {
        let shift = match self.driver_feature_select {
            0 => 0,
            1 => 32,
            _ => return,
        };
        if self.status & FEATURES_OK == 0 {
            let mask = u64::from(u32::MAX).wrapping_shl(shift);
            self.accepted = (self.accepted & !mask) | u64::from(word).wrapping_shl(shift);
        }
    }

    /// The driver sets bits of the status, or resets the device. It cannot clear single bits (2.1.1).
    fn set_status(&mut self, status: u8) -> Command {
        if status == 0 {
            return Command::Reset;
        }
        let before = self.status;
        self.status |= status & !(FEATURES_OK | DRIVER_OK | NEEDS_RESET);
        if status & FEATURES_OK != 0 && self.features_fit() {
            self.status |= FEATURES_OK;
        }
        if status & DRIVER_OK != 0 && self.status & FEATURES_OK != 0 {
            self.status |= DRIVER_OK;
        }
        if (self.status & !before) & DRIVER_OK != 0 { Command::Start } else { Command::None }
    }

    /// A subset of what is offered that the device can work with: else FEATURES_OK stays clear (2.2.2, 6.2).
    fn features_fit(&self) -> bool {
        self.accepted & !self.offered == 0 && self.accepted & REQUIRED == REQUIRED
    }

    /// Writes a register of the selected queue, while that may still be set up. What makes no sense together is
    /// found when the device starts.
    fn set_up_queue(&mut self, offset: u64, width: usize, value: u64) {
        let started = self.status & DRIVER_OK != 0;
        let Some(queue) = self.queues.get_mut(usize::from(self.queue_select)) else { return };
        if started || queue.enabled {
            return;
        }
        match (offset, width) {
            (24, 2) => queue.size = value as u16,
            (28, 2) => queue.enabled = value == 1,
            (32..40, _) => set_address(&mut queue.descriptors, offset, width, value),
            (40..48, _) => set_address(&mut queue.available, offset, width, value),
            (48..56, _) => set_address(&mut queue.used, offset, width, value),
            _ => {}
        }
    }

    fn selected(&self) -> Option<&QueueSetup> {
        self.queues.get(usize::from(self.queue_select))
    }
}

impl QueueSetup {
    fn new(max_size: u16) -> Self {
        Self { max_size, size: max_size, enabled: false, descriptors: 0, available: 0, used: 0 }
    }

    fn state(&self, event_idx_enabled: bool) -> QueueState {
        QueueState {
            max_size: self.max_size,
            next_avail: 0,
            next_used: 0,
            event_idx_enabled,
            size: self.size,
            ready: self.enabled,
            desc_table: self.descriptors,
            avail_ring: self.available,
            used_ring: self.used,
        }
    }
}

/// Features 0 to 31 or 32 to 63; there are no others.
fn feature_word(features: u64, select: u32) -> u32 {
    match select {
        0 => features as u32,
        1 => features.wrapping_shr(32) as u32,
        _ => 0,
    }
}

/// Writes an aligned address register of 64 bits, or a half of it.
fn set_address(address: &mut u64, offset: u64, width: usize, value: u64) {
    const LOW: u64 = 0xffff_ffff;
    match (offset & 7, width) {
        (0, 8) => *address = value,
        (0, 4) => *address = (*address & !LOW) | value,
        (4, 4) => *address = (*address & LOW) | value.wrapping_shl(32),
        _ => {}
    }
}

#[cfg(test)]
#[path = "common_test.rs"]
mod tests;
