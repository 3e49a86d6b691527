//! Memory that a machine sees besides its RAM, or instead of a part of it: firmware, flash, shadow RAM.
//!
//! A window is one of KVM's memory slots. Those that are there from the start cost nothing; each one that is
//! shown or hidden later costs the wait for all processors, which can be milliseconds.

#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use kvm_bindings::{KVM_MEM_READONLY, kvm_userspace_memory_region};
use kvm_ioctls::VmFd;
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, MmapRegion};

use crate::{Error, Vm};

/// A range of the guest's addresses and the memory that is found there.
#[derive(Clone, Debug)]
pub struct Window {
    /// The first address, a multiple of 4 KiB. No other window and no RAM that the machine shows may be in the range.
    pub address: u64,
    /// The length in bytes, a multiple of 4 KiB, not 0.
    pub len: u64,
    /// What is found there.
    pub shows: Shown,
    /// Whether the guest can write to it. If not, its writes arrive as [`Exit::Write`](crate::Exit::Write).
    pub writable: bool,
}

/// What a window shows.
#[derive(Clone, Debug)]
pub enum Shown {
    /// The machine's own RAM from this address on.
    Ram(GuestAddress),
    /// This memory from this offset in bytes on. The machine keeps it as long as the window is there. Like RAM it
    /// may change at any time if the guest can write to it, so it is accessed through volatile slices only.
    Memory(Arc<MmapRegion>, u64),
}

impl Window {
    /// Where the bytes are in this process; `None` if the memory ends before the window does.
    fn host_address(&self, ram: &GuestMemoryMmap<()>) -> Option<u64> {
        let (start, first, end) = match &self.shows {
            Shown::Ram(address) => {
                let region = ram.find_region(*address)?;
                let first = address.0.checked_sub(region.start_addr().0)?;
                (region.as_ptr() as u64, first, region.len())
            }
            Shown::Memory(memory, first) => (memory.as_ptr() as u64, *first, memory.size() as u64),
        };
        first.checked_add(self.len).filter(|last| *last <= end)?;
        start.checked_add(first)
    }

    fn flags(&self) -> u32 {
        if self.writable { 0 } else { KVM_MEM_READONLY }
    }
}

/// The slots of a machine.
pub(crate) struct Slots {
    /// The slots of RAM come first, and stay.
    first: u32,
    windows: Mutex<BTreeMap<u64, Open>>,
}

/// A window that KVM knows, with its slot.
struct Open {
    slot: u32,
    window: Window,
}

/// The parts of `range` that are not in `hole`, in ascending order.
fn without(range: Range<u64>, hole: &Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let below = range.start..range.end.min(hole.start);
    let above = range.start.max(hole.end)..range.end;
    [below, above].into_iter().filter(|part| part.start < part.end)
}

impl Slots {
    /// Has the machine show its RAM, but for the addresses in `hole`.
    pub fn show_ram(fd: &VmFd, ram: &GuestMemoryMmap<()>, hole: &Range<u64>) -> Result<Self, Error> {
        let mut first = 0;
        for region in ram.iter() {
            let start = region.start_addr().0;
            for part in without(start..start.saturating_add(region.len()), hole) {
                let slot = kvm_userspace_memory_region {
                    slot: first,
                    flags: 0,
                    guest_phys_addr: part.start,
                    memory_size: part.end.saturating_sub(part.start),
                    userspace_addr: (region.as_ptr() as u64).saturating_add(part.start.saturating_sub(start)),
                };
                // SAFETY: the range is within a mapping of guest memory, which the machine keeps as long as itself and
                // each of its processors, and which nobody uses other than as memory that the guest changes.
                unsafe { fd.set_user_memory_region(slot) }.map_err(Error::of("give a machine its memory"))?;
                first = first.saturating_add(1);
            }
        }
        Ok(Self { first, windows: Mutex::default() })
    }

    fn show(&self, fd: &VmFd, ram: &GuestMemoryMmap<()>, window: Window) -> Result<(), Error> {
        const CALL: &str = "show a machine more memory";
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let short = || Error::Call { call: CALL, source: io::ErrorKind::InvalidInput.into() };
        let userspace_addr = window.host_address(ram).ok_or_else(short)?;
        let taken = |slot: &u32| windows.values().any(|open| open.slot == *slot);
        let slot = (self.first..).find(|slot| !taken(slot)).ok_or_else(short)?;
        let region = kvm_userspace_memory_region {
            slot,
            flags: window.flags(),
            guest_phys_addr: window.address,
            memory_size: window.len,
            userspace_addr,
        };
        // SAFETY: `host_address` has checked that the range is within the mapping. The machine keeps RAM as long as
        // itself, and `windows` any other memory until KVM has forgotten it. Nobody uses either other than as memory
        // that the guest changes.
        unsafe { fd.set_user_memory_region(region) }.map_err(Error::of(CALL))?;
        windows.insert(window.address, Open { slot, window });
        Ok(())
    }

    fn hide(&self, fd: &VmFd, address: u64) -> Result<(), Error> {
        const CALL: &str = "hide memory of a machine";
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = windows.get(&address) else {
            return Err(Error::Call { call: CALL, source: io::ErrorKind::NotFound.into() });
        };
        // A size of 0 means: forget it (KVM's api.rst, KVM_SET_USER_MEMORY_REGION).
        let region = kvm_userspace_memory_region {
            slot: open.slot,
            guest_phys_addr: open.window.address,
            ..Default::default()
        };
        // SAFETY: the slot is forgotten, no memory is named.
        unsafe { fd.set_user_memory_region(region) }.map_err(Error::of(CALL))?;
        // No processor has it any more when the call has returned.
        windows.remove(&address);
        Ok(())
    }
}

/// System call: `ioctl(KVM_SET_USER_MEMORY_REGION)`, from any thread of the machine.
impl Vm {
    /// Shows the guest this memory. A processor that accesses the range meanwhile finds the old or the new state.
    ///
    /// # Errors
    /// The range is taken, or not fit for a window, or KVM refuses for another reason.
    pub fn show(&self, window: Window) -> Result<(), Error> {
        self.inner.slots.show(&self.inner.fd, &self.inner.memory, window)
    }

    /// Hides the window at this address again: reads and writes there become exits. A processor can not execute
    /// code there then.
    ///
    /// # Errors
    /// There is no window that begins at this address, or KVM refuses.
    pub fn hide(&self, address: u64) -> Result<(), Error> {
        self.inner.slots.hide(&self.inner.fd, address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(range: Range<u64>, hole: Range<u64>) -> Vec<(u64, u64)> {
        without(range, &hole).map(|part| (part.start, part.end)).collect()
    }

    #[test]
    fn a_hole_leaves_what_is_below_and_above_it() {
        assert_eq!(parts(0..100, 20..40), [(0, 20), (40, 100)]);
        assert_eq!(parts(0..100, 0..0), [(0, 100)], "no hole");
        assert_eq!(parts(0..30, 20..40), [(0, 20)]);
        assert_eq!(parts(30..100, 20..40), [(40, 100)]);
        assert_eq!(parts(20..40, 20..40), []);
        assert_eq!(parts(50..100, 20..40), [(50, 100)]);
    }

    #[test]
    fn a_window_is_within_its_memory() {
        let ram = GuestMemoryMmap::from_ranges(&[(GuestAddress(0x1000), 0x4000)]).unwrap();
        let memory = Arc::new(MmapRegion::new(0x2000).unwrap());
        let place = |shows: Shown, len| Window { address: 0, len, shows, writable: true }.host_address(&ram);
        assert!(place(Shown::Ram(GuestAddress(0x2000)), 0x3000).is_some());
        assert!(place(Shown::Ram(GuestAddress(0x2000)), 0x4000).is_none());
        assert!(place(Shown::Ram(GuestAddress(0)), 0x1000).is_none());
        assert_eq!(
            place(Shown::Memory(memory.clone(), 0x1000), 0x1000),
            Some(memory.as_ptr() as u64 + 0x1000)
        );
        for (first, len) in [(0x1000, 0x2000), (u64::MAX, 1), (1, u64::MAX)] {
            assert_eq!(place(Shown::Memory(memory.clone(), first), len), None, "{first:#x} {len:#x}");
        }
    }
}
