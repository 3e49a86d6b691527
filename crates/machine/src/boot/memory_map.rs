//! What the kernel is told about memory, and where in it there is room.

use virtio::GuestRam;
use vm_memory::{Address, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};

use super::BootError;
use crate::layout::{BASE_RAM_END, EXTENDED_RAM_START, LOW_RAM_END};

/// A range of the memory map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: u64,
    pub(super) size: u64,
    pub(super) kind: Kind,
}

/// What a range is, with the numbers that ACPI gives them (ACPI 6.5, table 15.4). Linux's zero page and PVH use
/// the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Kind {
    Ram = 1,
    Reserved = 2,
}

/// The memory map: the regions of guest memory, with the hole below 1 MiB kept from the kernel.
pub(super) fn memory_map(memory: &GuestRam) -> Vec<Range> {
    let mut map = Vec::new();
    let mut add = |start: u64, end: u64, kind| {
        if start < end {
            map.push(Range { start, size: end.saturating_sub(start), kind });
        }
    };
    for region in memory.iter() {
        let (start, end) = bounds(region);
        add(start, end.min(BASE_RAM_END), Kind::Ram);
        add(start.max(BASE_RAM_END), end.min(EXTENDED_RAM_START), Kind::Reserved);
        add(start.max(EXTENDED_RAM_START), end, Kind::Ram);
    }
    map
}

/// The first address of a region, and the one after its last.
fn bounds(region: &impl GuestMemoryRegion) -> (u64, u64) {
    (region.start_addr().raw_value(), region.last_addr().raw_value().saturating_add(1))
}

/// The memory into which kernels are loaded: what goes on without a hole from 1 MiB, up to the PCI window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LowRam {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl LowRam {
    pub(super) fn of(memory: &GuestRam) -> Result<Self, BootError> {
        let region = memory.find_region(GuestAddress(EXTENDED_RAM_START)).ok_or(BootError::NoMemory)?;
        Ok(Self { start: EXTENDED_RAM_START, end: bounds(region).1.min(LOW_RAM_END) })
    }

    /// The address after a range of `size` bytes at `start`, if all of it is here.
    pub(super) fn claim(&self, name: &'static str, start: u64, size: u64) -> Result<u64, BootError> {
        let end = start.saturating_add(size);
        if start < self.start || end > self.end {
            return Err(BootError::NoRoom { name, start, end, ram_start: self.start, ram_end: self.end });
        }
        Ok(end)
    }
}
