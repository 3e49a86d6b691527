//! The two buses of the machine, ports and memory: devices found by address.
//!
//! A look-up is a binary search in a sorted table under a read lock that is gone before the device is asked,
//! so that processors get in one another's way only at the same device. The guest may move the ranges of PCI
//! functions anywhere: where ranges overlap the fixed one wins, then the one of the lower slot and function, and the
//! other is hidden as a whole until one of them moves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use proto::ResetCause;

use crate::pci::PciAddress;
use crate::sync::lock;

/// A device on a bus: a range of addresses that it answers for.
///
/// It is given offsets from the start of its range, never addresses. Every guest access is valid input:
/// `data` has 1 to 8 bytes, any alignment, and lies within the range (the bus cuts off what reaches beyond
/// it). What makes no sense reads as all ones, and writes are ignored.
pub trait BusDevice: Send {
    /// Reads `data.len()` bytes at `offset`. `data` is all ones before.
    fn read(&mut self, offset: u64, data: &mut [u8]);

    /// Writes `data` at `offset`. What the write asks of the machine is returned; it is done after the bus
    /// and the device are unlocked.
    fn write(&mut self, offset: u64, data: &[u8]) -> BusAction;
}

/// What a machine has to do after a write of the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub enum BusAction {
    /// Nothing.
    #[default]
    None,
    /// Reset the machine, and what asks for it.
    Reset(ResetCause),
    /// Switch the machine off.
    PowerOff,
    /// The PCI function there asks for something.
    Pci(PciAddress, virtio::pci::Action),
}

/// What answers for a range: a device behind its own lock.
pub(crate) trait Target: Send + Sync {
    /// As [`BusDevice::read`].
    fn read(&self, offset: u64, data: &mut [u8]);
    /// As [`BusDevice::write`].
    fn write(&self, offset: u64, data: &[u8]) -> BusAction;
}

impl<T: BusDevice> Target for Mutex<T> {
    fn read(&self, offset: u64, data: &mut [u8]) {
        lock(self).read(offset, data);
    }

    fn write(&self, offset: u64, data: &[u8]) -> BusAction {
        lock(self).write(offset, data)
    }
}

/// What answers where nobody does.
struct Nobody;

impl Target for Nobody {
    fn read(&self, _: u64, _: &mut [u8]) {}

    fn write(&self, _: u64, _: &[u8]) -> BusAction {
        BusAction::None
    }
}

/// A range of addresses and what answers for it.
#[derive(Clone)]
pub(crate) struct Claim {
    first: u64,
    last: u64,
    target: Arc<dyn Target>,
}

impl Claim {
    /// `None` if the range is empty or reaches beyond the last address.
    pub fn new(first: u64, len: u64, target: Arc<dyn Target>) -> Option<Self> {
        let last = first.checked_add(len.checked_sub(1)?)?;
        Some(Self { first, last, target })
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// One address space.
#[derive(Default)]
pub(crate) struct Bus {
    map: RwLock<Map>,
}

#[derive(Default)]
struct Map {
    /// Those that never move.
    fixed: Vec<Claim>,
    /// Those of PCI functions.
    functions: BTreeMap<PciAddress, Vec<Claim>>,
    /// What is found: ascending, without overlaps.
    sorted: Vec<Claim>,
}

impl Bus {
    /// Adds a device that does not move.
    pub fn add(&self, (first, len): (u64, u64), target: Arc<dyn Target>) {
        self.change(|map| map.fixed.extend(Claim::new(first, len, target)));
    }

    /// Keeps a range free of PCI functions: there answers somebody who is not on this bus, or nobody.
    pub fn reserve(&self, range: (u64, u64)) {
        self.add(range, Arc::new(Nobody));
    }

    /// Replaces the ranges of a function.
    pub fn set_function(&self, address: PciAddress, claims: Vec<Claim>) {
        self.change(|map| {
            map.functions.insert(address, claims);
        });
    }

    /// Whether what is found at `first` is the range that begins there and belongs to the function: that it is not
    /// hidden.
    pub fn shows(&self, address: PciAddress, first: u64) -> bool {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = map.functions.get(&address) else { return false };
        let shown = map.sorted.binary_search_by_key(&first, |claim| claim.first);
        let shown = shown.ok().and_then(|at| map.sorted.get(at));
        shown.is_some_and(|shown| own.iter().any(|claim| Arc::ptr_eq(&claim.target, &shown.target)))
    }

    fn change(&self, change: impl FnOnce(&mut Map)) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut map);
        map.sort();
    }

    /// Reads at `address`. Where nobody answers, all ones.
    pub fn read(&self, address: u64, data: &mut [u8]) {
        data.fill(0xFF);
        let Some(found) = self.find(address) else { return };
        let len = found.room(address, data.len());
        if let Some(data) = data.get_mut(..len) {
            found.target.read(found.offset(address), data);
        }
    }

    /// Writes at `address`. Where nobody listens, nothing.
    pub fn write(&self, address: u64, data: &[u8]) -> BusAction {
        let Some(found) = self.find(address) else { return BusAction::None };
        let len = found.room(address, data.len());
        data.get(..len).map_or(BusAction::None, |data| found.target.write(found.offset(address), data))
    }

    fn find(&self, address: u64) -> Option<Claim> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let after = map.sorted.partition_point(|claim| claim.first <= address);
        map.sorted.get(after.checked_sub(1)?).filter(|claim| address <= claim.last).cloned()
    }
}

impl Claim {
    fn offset(&self, address: u64) -> u64 {
        address.saturating_sub(self.first)
    }

    /// How many of `len` bytes at `address` are in the range.
    fn room(&self, address: u64, len: usize) -> usize {
        let beyond_first = usize::try_from(self.last.saturating_sub(address)).unwrap_or(usize::MAX);
        len.min(beyond_first.saturating_add(1))
    }
}

impl Map {
    /// Lays the claims out by rank; one that overlaps a higher one is left out.
    fn sort(&mut self) {
        self.sorted.clear();
        for claim in self.fixed.iter().chain(self.functions.values().flatten()) {
            let at = self.sorted.partition_point(|other| other.first < claim.first);
            let neighbours = [at.checked_sub(1), Some(at)].into_iter().flatten();
            if !neighbours.filter_map(|n| self.sorted.get(n)).any(|other| other.overlaps(claim)) {
                self.sorted.insert(at, claim.clone());
            }
        }
    }
}

#[cfg(test)]
#[path = "bus_test.rs"]
mod tests;
