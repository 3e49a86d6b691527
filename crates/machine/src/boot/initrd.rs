//! Where the initial RAM disk goes, or the first module.

use vm_memory::GuestAddress;

use super::image::Image;
use super::{BootError, Loader};

const PAGE_MASK: u64 = !0xfff;

/// A loaded initial RAM disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Its first address, on a page.
    pub(super) address: u64,
    /// Its size in bytes.
    pub(super) size: u64,
}

/// Loads the initial RAM disk, if there is one, as high as it can be: a kernel takes the memory behind itself
/// before it has looked at anything. It lies above `floor` and ends at or below `ceiling`.
pub(super) fn load(loader: &Loader<'_>, floor: u64, ceiling: u64) -> Result<Option<Placed>, BootError> {
    let Some(initrd) = &loader.initrd else { return Ok(None) };
    let size = initrd.len();
    if size == 0 {
        return Err(BootError::InitrdEmpty);
    }
    let end = loader.ram.end.min(ceiling);
    let address = end.checked_sub(size).map(|start| start & PAGE_MASK).filter(|start| *start >= floor);
    let Some(address) = address else {
        return Err(BootError::InitrdTooLarge { len: size, free: end.saturating_sub(floor) });
    };
    put(loader, initrd, address)
}

/// Loads it on the first page behind `end`, where kernels look that can not reach all of the memory yet.
pub(super) fn load_behind(loader: &Loader<'_>, end: u64) -> Result<Option<Placed>, BootError> {
    let Some(initrd) = &loader.initrd else { return Ok(None) };
    let address = end.max(loader.ram.start).saturating_add(!PAGE_MASK) & PAGE_MASK;
    let free = loader.ram.end.saturating_sub(address);
    match initrd.len() {
        0 => Err(BootError::InitrdEmpty),
        len if len > free => Err(BootError::InitrdTooLarge { len, free }),
        _ => put(loader, initrd, address),
    }
}

fn put(loader: &Loader<'_>, initrd: &Image<'_>, address: u64) -> Result<Option<Placed>, BootError> {
    let size = initrd.len();
    initrd.copy_to(loader.memory, 0, size, GuestAddress(address))?;
    Ok(Some(Placed { address, size }))
}
