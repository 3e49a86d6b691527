//! The header in a Multiboot kernel (Multiboot Specification, 3.1).

use zerocopy::{FromBytes, KnownLayout};

use super::bad;
use crate::boot::BootError;
use crate::boot::image::Image;

const MAGIC: u32 = 0x1bad_b002;
/// The header lies in the first 8 KiB, at a multiple of 4.
const SEARCHED: usize = 8192;
const ALIGN: usize = 4;

/// Modules lie on pages. Here they always do.
const MODULES_ON_PAGES: u32 = 1 << 0;
/// Memory is described. Here it always is.
const MEMORY: u32 = 1 << 1;
/// A video mode is set up and described.
const VIDEO: u32 = 1 << 2;
/// What is wanted in the lower half must be given, what is in the upper half can be ignored.
const MUST: u32 = 0xffff;
/// The header has addresses.
const HAS_ADDRESSES: u32 = 1 << 16;

/// A header as it is in the file.
#[derive(Clone, Copy, Debug, FromBytes, KnownLayout)]
#[repr(C)]
struct Raw {
    magic: u32,
    flags: u32,
    checksum: u32,
}

/// Where a kernel is to be loaded that has no headers of another format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, KnownLayout)]
#[repr(C)]
pub(in crate::boot) struct Addresses {
    /// Where the header comes to lie, by which everything else is found.
    pub(super) header: u32,
    /// Where that which is in the file begins.
    pub(super) load: u32,
    /// Where it ends; 0: with the file.
    pub(super) load_end: u32,
    /// Where the zeroes behind it end; 0: there are none.
    pub(super) bss_end: u32,
    /// The first instruction.
    pub(super) entry: u32,
}

/// A header that was found.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::boot) struct Header {
    /// Its offset in the file.
    pub(super) offset: u64,
    pub(super) addresses: Option<Addresses>,
    flags: u32,
}

impl Header {
    /// Looks for a header in the file.
    pub(in crate::boot) fn find(kernel: &Image<'_>) -> Result<Option<Self>, BootError> {
        let bytes = kernel.first(SEARCHED)?;
        Ok((0..bytes.len()).step_by(ALIGN).find_map(|offset| Self::at(&bytes, offset)))
    }

    fn at(bytes: &[u8], offset: usize) -> Option<Self> {
        let (raw, rest) = Raw::read_from_prefix(bytes.get(offset..)?).ok()?;
        if raw.magic != MAGIC || raw.magic.wrapping_add(raw.flags).wrapping_add(raw.checksum) != 0 {
            return None;
        }
        let addresses = match raw.flags & HAS_ADDRESSES {
            0 => None,
            _ => Some(Addresses::read_from_prefix(rest).ok()?.0),
        };
        Some(Self { offset: offset as u64, addresses, flags: raw.flags })
    }

    /// Whether the kernel wants nothing that there is not.
    pub(super) fn check_requirements(&self) -> Result<(), BootError> {
        match self.flags & MUST & !(MODULES_ON_PAGES | MEMORY) {
            0 => Ok(()),
            VIDEO => bad("wants a video mode, and the machine has no display"),
            others => bad(format!("wants what nobody knows: flags {others:#x}")),
        }
    }
}
