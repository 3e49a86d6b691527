//! ELF kernels with a PVH entry (Xen, `docs/misc/pvh.pandoc` and `public/arch-x86/hvm/start_info.h`).

use linux_loader::loader::elf::start_info::{hvm_memmap_table_entry, hvm_modlist_entry, hvm_start_info};
use proto::VmSpec;
use vm_memory::{ByteValued, Bytes, GuestAddress, GuestMemoryError};

use super::initrd::{self, Placed};
use super::memory_map::{Range, memory_map};
use super::{BootEntry, BootError, Loader, Protocol, elf};
use crate::layout::{CMDLINE, START_INFO};

/// What the start information begins with: `xEn3`, the E with its highest bit set.
const START_MAGIC: u32 = 0x336e_c578;
/// The first version with a memory map.
const START_VERSION: u32 = 1;
/// The list of modules and the memory map lie behind the start information, on its page.
const MODULES: GuestAddress = GuestAddress(START_INFO + 0x40);
const MEMORY_MAP: GuestAddress = GuestAddress(START_INFO + 0x80);

/// Loads an ELF kernel and writes the start information.
pub(super) fn load(loader: &Loader<'_>) -> Result<BootEntry, BootError> {
    let kernel = elf::parse(&loader.kernel, loader.ram)?;
    for segment in &kernel.segments {
        let address = GuestAddress(segment.address);
        loader.kernel.copy_to(loader.memory, segment.offset, segment.file_size, address)?;
    }
    let initrd = initrd::load(loader, kernel.end, u64::MAX)?;
    loader.write_cmdline(VmSpec::MAX_CMDLINE)?;
    write_start_info(loader, initrd).map_err(BootError::Memory)?;
    let address = GuestAddress(kernel.entry.into());
    Ok(BootEntry { protocol: Protocol::Pvh, address, params: GuestAddress(START_INFO) })
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
