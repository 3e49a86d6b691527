//! MSI-X (PCI Local Bus Specification 3.0, section 6.8.2): the table of vectors, their masks and pending bits.
//!
//! The guest sets vectors up from its processors while workers raise them, so the table has a lock. A vector is
//!
//! ```text
//!   masked ──── unmasked by the guest ───> unrouted ──── the bus has routed it ───> live
//!      ^                                      ^                                       │
//!      └── masked ────────────────────────────┴── address or data changed ────────────┘
//! ```
//!
//! and raising it writes its event only when it is live, otherwise sets its pending bit. Pending vectors are
//! raised when they become live.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

use super::{MsixVector, number, read_image};

/// The capability's id.
pub(super) const CAPABILITY_ID: u8 = 0x11;
/// The size of a table entry in bytes.
pub(super) const ENTRY_SIZE: u64 = 16;

/// Bits of the message control register.
pub(super) const CONTROL_FUNCTION_MASK: u16 = 1 << 14;
pub(super) const CONTROL_ENABLE: u16 = 1 << 15;

/// The vectors of one function.
#[derive(Debug)]
pub(super) struct Msix {
    events: Vec<Arc<EventFd>>,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    enabled: bool,
    /// Masks all of them, besides their own masks.
    masked: bool,
    /// The function may write to memory, which is what a message is.
    master: bool,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    address: u64,
    data: u32,
    masked: bool,
    pending: bool,
    live: bool,
}

/// Entries are masked after reset.
impl Default for Entry {
    fn default() -> Self {
        Self { address: 0, data: 0, masked: true, pending: false, live: false }
    }
}

impl Msix {
    pub(super) fn new(vectors: u16) -> io::Result<Self> {
        let event = |_| EventFd::new(EFD_CLOEXEC | EFD_NONBLOCK).map(Arc::new);
        let entries = vec![Entry::default(); vectors.into()];
        let table = Mutex::new(Table { enabled: false, masked: false, master: false, entries });
        Ok(Self { events: (0..vectors).map(event).collect::<io::Result<_>>()?, table })
    }

    pub(super) fn events(&self) -> &[Arc<EventFd>] {
        &self.events
    }

    /// Raises a vector, now or when it may be. Does nothing if there is no such vector or MSI-X is off.
    pub(super) fn raise(&self, vector: u16) {
        let mut table = self.lock();
        if !table.enabled {
            return;
        }
        if let Some((entry, event)) = table.entries.iter_mut().zip(&self.events).nth(vector.into()) {
            entry.pending = true;
            entry.deliver(event);
        }
    }

    /// The bus has routed these vectors: those that are still the same become live.
    pub(super) fn routed(&self, vectors: &[Option<MsixVector>]) {
        let mut table = self.lock();
        let on = table.is_on();
        for ((entry, event), routed) in table.entries.iter_mut().zip(&self.events).zip(vectors) {
            entry.live = routed.is_some() && *routed == entry.vector(on);
            entry.deliver(event);
        }
    }

    pub(super) fn vectors(&self) -> Vec<Option<MsixVector>> {
        let table = self.lock();
        let on = table.is_on();
        table.entries.iter().map(|entry| entry.vector(on)).collect()
    }

    /// The guest wrote the message control register, or the one that says whether the function is a bus `master`.
    /// `true` if vectors have changed. As long as it is no master, what is due stays pending.
    pub(super) fn set_control(&self, control: u16, master: bool) -> bool {
        let mut table = self.lock();
        let before = table.is_on();
        table.enabled = control & CONTROL_ENABLE != 0;
        table.masked = control & CONTROL_FUNCTION_MASK != 0;
        table.master = master;
        let changed = before != table.is_on();
        if changed {
            table.entries.iter_mut().for_each(|entry| entry.live = false);
        }
        changed
    }

    pub(super) fn read_table(&self, offset: u64, data: &mut [u8]) {
        let image: Vec<u8> = self.lock().entries.iter().flat_map(Entry::bytes).collect();
        read_image(&image, offset, data);
    }

    /// The guest writes one or two doublewords of an entry; other widths are not allowed to it (6.8.2) and do
    /// nothing. `true` if vectors have changed.
    pub(super) fn write_table(&self, offset: u64, data: &[u8]) -> bool {
        let width = data.len();
        let aligned = offset.checked_rem(4) == Some(0);
        let (Some(value), true, 4 | 8) = (number(data), aligned, width) else { return false };
        let (low, high) = halves(value);
        let mut table = self.lock();
        let mut changed = table.write(offset, low);
        if width == 8 {
            changed |= table.write(offset.saturating_add(4), high);
        }
        changed
    }

    pub(super) fn read_pending(&self, offset: u64, data: &mut [u8]) {
        let table = self.lock();
        let words = table.entries.chunks(64).map(|entries| {
            entries.iter().rev().fold(0u64, |word, entry| word.wrapping_shl(1) | u64::from(entry.pending))
        });
        let image: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        read_image(&image, offset, data);
    }

    pub(super) fn reset(&self) {
        let mut table = self.lock();
        table.enabled = false;
        table.masked = false;
        table.master = false;
        table.entries.fill(Entry::default());
        // What was signalled to nobody must not be the next driver's first interrupt.
        for event in &self.events {
            let _ = event.read();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn is_on(&self) -> bool {
        self.enabled && !self.masked && self.master
    }

    /// Writes one doubleword. `true` if an entry has changed.
    fn write(&mut self, offset: u64, value: u32) -> bool {
        let index = offset.checked_div(ENTRY_SIZE).and_then(|index| usize::try_from(index).ok());
        let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) else { return false };
        let before = (entry.address, entry.data, entry.masked);
        let (low, high) = halves(entry.address);
        match offset.checked_rem(ENTRY_SIZE) {
            Some(0) => entry.address = join(value & !3, high),
            Some(4) => entry.address = join(low, value),
            Some(8) => entry.data = value,
            _ => entry.masked = value & 1 != 0,
        }
        let changed = before != (entry.address, entry.data, entry.masked);
        entry.live &= !changed;
        changed
    }
}

impl Entry {
    /// Where it points, unless it is masked, or all of them are: not `on`.
    fn vector(&self, on: bool) -> Option<MsixVector> {
        (on && !self.masked).then_some(MsixVector { address: self.address, data: self.data })
    }

    /// Writes the event if the vector is due and live.
    fn deliver(&mut self, event: &EventFd) {
        if self.pending && self.live {
            self.pending = false;
            // It fails when the counter is full: then the interrupt is on its way already.
            let _ = event.write(1);
        }
    }

    fn bytes(&self) -> impl Iterator<Item = u8> + use<> {
        let (low, high) = halves(self.address);
        [low, high, self.data, u32::from(self.masked)].into_iter().flat_map(u32::to_le_bytes)
    }
}

fn halves(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

fn join(low: u32, high: u32) -> u64 {
    u64::from(high).wrapping_shl(32) | u64::from(low)
}

#[cfg(test)]
#[path = "msix_test.rs"]
mod tests;
