//! The guest's RAM.
//!
//! One memfd backs it, so that it can be handed to another process: the part below 4 GiB first, the rest
//! after it. Nothing is allocated before the guest touches it. Huge pages are asked for (the host's
//! `shmem_enabled` decides), a core dump leaves it out, and its size is sealed.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::sync::Arc;

use proto::{MemorySize, format_scaled};
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use rustix::mm::Advice;
use virtio::GuestRam;
use vm_memory::{FileOffset, GuestAddress, GuestMemoryBackend, GuestMemoryRegion, GuestRegionMmap};

use crate::layout::ram_ranges;

/// The guest's RAM.
pub(crate) struct Memory {
    ram: GuestRam,
    file: Arc<File>,
    size: MemorySize,
}

/// Why there is no RAM for the guest.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// More than the machine has.
    #[error(
        "the virtual machine wants {} of memory and this host has {}; lower its memory",
        format_scaled(*.wanted),
        format_scaled(*.host)
    )]
    Host {
        /// What was asked for, in bytes.
        wanted: u64,
        /// All memory of the host, in bytes.
        host: u64,
    },
    /// The host refused.
    #[error("can not {act} {} of guest memory", format_scaled(*.size))]
    Refused {
        /// What was tried.
        act: &'static str,
        /// Of how much, in bytes.
        size: u64,
        /// The host's answer.
        source: io::Error,
    },
}

impl Memory {
    /// Reserves RAM of this size.
    ///
    /// # Errors
    /// The host has not that much, or refuses.
    pub fn new(size: MemorySize) -> Result<Self, MemoryError> {
        let host = rustix::system::sysinfo();
        let host = host.totalram.saturating_mul(host.mem_unit.into());
        if size.bytes() > host {
            return Err(MemoryError::Host { wanted: size.bytes(), host });
        }
        let refused = |act, source| MemoryError::Refused { act, size: size.bytes(), source };
        let file = Arc::new(sealed_file(size).map_err(|source| refused("reserve", source))?);
        let ram = map(&file, size).map_err(|source| refused("map", source))?;
        advise(&ram);
        Ok(Self { ram, file, size })
    }

    /// The RAM at its addresses.
    pub fn ram(&self) -> &GuestRam {
        &self.ram
    }

    /// Gives all of it back to the host: it reads as zeroes afterwards. For a reset; no processor runs.
    ///
    /// # Errors
    /// The host refuses.
    pub fn clear(&self) -> Result<(), MemoryError> {
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let size = self.size.bytes();
        rustix::fs::fallocate(&self.file, hole, 0, size).map_err(|errno| MemoryError::Refused {
            act: "clear",
            size,
            source: errno.into(),
        })
    }
}

/// A memfd whose size can not change any more: nobody it is handed to can pull it away from under us.
fn sealed_file(size: MemorySize) -> io::Result<File> {
    let fd = rustix::fs::memfd_create("guest-memory", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    rustix::fs::ftruncate(&fd, size.bytes())?;
    rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(File::from(fd))
}

fn map(file: &Arc<File>, size: MemorySize) -> io::Result<GuestRam> {
    let mut offset = 0u64;
    let mut regions = Vec::new();
    for range in ram_ranges(size) {
        let place = FileOffset::from_arc(file.clone(), offset);
        let len = usize::try_from(range.len).map_err(io::Error::other)?;
        regions.push(
            GuestRegionMmap::from_range(GuestAddress(range.start), len, Some(place))
                .map_err(io::Error::other)?,
        );
        offset = offset.saturating_add(range.len);
    }
    GuestRam::from_regions(regions).map_err(io::Error::other)
}

/// Hints only: a kernel without huge pages, or one that does not know the flag, works as well.
fn advise(ram: &GuestRam) {
    for region in ram.iter() {
        for advice in [Advice::LinuxHugepage, Advice::LinuxDontDump] {
            let len = usize::try_from(region.len()).unwrap_or(0);
            // SAFETY: the range is the region's whole mapping, and neither hint changes what is in it.
            let _ = unsafe { rustix::mm::madvise(region.as_ptr().cast(), len, advice) };
        }
    }
}

#[cfg(test)]
mod tests {
    use vm_memory::Bytes;

    use super::*;

    fn memory(bytes: u64) -> Memory {
        Memory::new(MemorySize::from_bytes(bytes).unwrap()).unwrap()
    }

    #[test]
    fn what_does_not_fit_below_the_window_goes_above_4_gib() {
        let memory = memory((3 << 30) + (5 << 20));
        let ranges: Vec<_> = memory.ram().iter().map(|r| (r.start_addr().0, r.len())).collect();
        assert_eq!(ranges, [(0, 3 << 30), (4 << 30, 5 << 20)]);
        memory.ram().write_obj(0x55u8, GuestAddress((4 << 30) + 17)).unwrap();
        assert_eq!(memory.ram().read_obj::<u8>(GuestAddress(17)).unwrap(), 0, "they do not share bytes");
    }

    #[test]
    fn clearing_leaves_zeroes() {
        let memory = memory(2 << 20);
        let last = GuestAddress((2 << 20) - 1);
        memory.ram().write_obj(0x55u8, last).unwrap();
        memory.clear().unwrap();
        assert_eq!(memory.ram().read_obj::<u8>(last).unwrap(), 0);
        memory.ram().write_obj(0x66u8, last).unwrap();
        assert_eq!(memory.ram().read_obj::<u8>(last).unwrap(), 0x66);
    }

    #[test]
    fn nobody_can_change_the_size() {
        let memory = memory(1 << 20);
        assert!(rustix::fs::ftruncate(&memory.file, 0).is_err());
        assert!(rustix::fs::ftruncate(&memory.file, 2 << 20).is_err());
    }

    #[test]
    fn more_than_the_host_has_is_refused_in_words() {
        let Err(error) = Memory::new(MemorySize::MAX) else { panic!("8 TiB of memory were given") };
        assert!(
            error.to_string().starts_with("the virtual machine wants 8.0T of memory and this host has"),
            "{error}"
        );
    }
}
