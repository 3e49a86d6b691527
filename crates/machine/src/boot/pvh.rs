//! ELF kernels with a PVH entry (Xen, `docs/misc/pvh.pandoc` and `public/arch-x86/hvm/start_info.h`).

use linux_loader::loader::elf::start_info::{hvm_memmap_table_entry, hvm_modlist_entry, hvm_start_info};
use proto::VmSpec;
use vm_memory::{ByteValued, Bytes, GuestAddress, GuestMemoryError};

use super::elf::{self, Elf};
use super::image::Image;
use super::initrd::{self, Placed};
use super::memory_map::{Range, memory_map};
use super::{BootEntry, BootError, Loader, Protocol};
use crate::layout::{CMDLINE, START_INFO};

/// What the start information begins with: `xEn3`, the E with its highest bit set.
const START_MAGIC: u32 = 0x336e_c578;
/// The first version with a memory map.
const START_VERSION: u32 = 1;
/// `XEN_ELFNOTE_PHYS32_ENTRY`: the address of the 32-bit entry.
const PHYS32_ENTRY: u32 = 18;
const NOTE_NAME: &[u8; 4] = b"Xen\0";
/// The list of modules and the memory map lie behind the start information, on its page.
const MODULES: GuestAddress = GuestAddress(START_INFO + 0x40);
const MEMORY_MAP: GuestAddress = GuestAddress(START_INFO + 0x80);

/// Loads an ELF kernel that has its entry at `entry`, and writes the start information.
pub(super) fn load(loader: &Loader<'_>, elf: &Elf, entry: u32) -> Result<BootEntry, BootError> {
    let segments = elf.segments(&loader.kernel, loader.ram, |address| address)?;
    if !segments.hold(entry.into()) {
        return elf::bad(format!("has its PVH entry at {entry:#x}, outside of what it loads"));
    }
    segments.load(&loader.kernel, loader.memory)?;
    let initrd = initrd::load(loader, segments.end(), u64::MAX)?;
    loader.write_cmdline(VmSpec::MAX_CMDLINE)?;
    write_start_info(loader, initrd).map_err(BootError::Memory)?;
    let address = GuestAddress(entry.into());
    Ok(BootEntry { protocol: Protocol::Pvh, address, params: GuestAddress(START_INFO) })
}

/// The address in the PVH note, if there is one.
pub(super) fn entry(elf: &Elf, kernel: &Image<'_>) -> Result<Option<u32>, BootError> {
    let value = elf.note(kernel, NOTE_NAME, PHYS32_ENTRY)?;
    // Some kernels write the address as 64 bits. It is below 4 GiB all the same.
    Ok(value.and_then(|value| value.first_chunk().copied().map(u32::from_le_bytes)))
}

fn write_start_info(loader: &Loader<'_>, initrd: Option<Placed>) -> Result<(), GuestMemoryError> {
    let map = memory_map(loader.memory);
    let info = hvm_start_info {
        magic: START_MAGIC,
        version: START_VERSION,
        nr_modules: initrd.is_some().into(),
        modlist_paddr: if initrd.is_some() { MODULES.0 } else { 0 },
        cmdline_paddr: CMDLINE,
        rsdp_paddr: loader.rsdp.0,
        memmap_paddr: MEMORY_MAP.0,
        memmap_entries: u32::try_from(map.len()).unwrap_or(0),
        ..Default::default()
    };
    if let Some(Placed { address, size }) = initrd {
        let module = hvm_modlist_entry { paddr: address, size, ..Default::default() };
        loader.memory.write_obj(module, MODULES)?;
    }
    let entries: Vec<u8> = map.iter().flat_map(|range| map_entry(range).as_slice().to_vec()).collect();
    loader.memory.write_slice(&entries, MEMORY_MAP)?;
    loader.memory.write_obj(info, GuestAddress(START_INFO))
}

fn map_entry(range: &Range) -> hvm_memmap_table_entry {
    hvm_memmap_table_entry { addr: range.start, size: range.size, type_: range.kind as u32, reserved: 0 }
}
