//! What a Multiboot kernel is told (Multiboot Specification, 3.3): one page with the information, the memory map, the
//! list of modules and the strings. One word of what firmware leaves is there besides: the size of base memory, without
//! which Xen finds no room for the code with which it starts processors.

use vm_memory::{Bytes, GuestAddress, GuestMemoryError};
use zerocopy::{Immutable, IntoBytes};

use crate::boot::initrd::Placed;
use crate::boot::memory_map::{Range, memory_map};
use crate::boot::{BootError, Loader};
use crate::layout::{BASE_RAM_END, BIOS_BASE_MEMORY, CMDLINE, MULTIBOOT_INFO};

/// Which of the fields are there: sizes of memory, command line, modules, memory map, name of the loader.
const HAS_MEMORY: u32 = 1 << 0;
const HAS_CMDLINE: u32 = 1 << 2;
const HAS_MODULES: u32 = 1 << 3;
const HAS_MAP: u32 = 1 << 6;
const HAS_LOADER_NAME: u32 = 1 << 9;

/// The parts of the page.
const MODULES: u32 = MULTIBOOT_INFO as u32 + 0x100;
const LOADER_NAME: u32 = MULTIBOOT_INFO as u32 + 0x140;
const MODULE_NAME: u32 = MULTIBOOT_INFO as u32 + 0x200;
const MAP: u32 = MULTIBOOT_INFO as u32 + 0x400;
/// The longest name in bytes; file systems allow 255.
const MAX_NAME: usize = 0x1ff;
/// What the loader calls itself.
const NAME: &[u8] = b"vmd\0";

/// The information, up to the name of the loader. What follows it is about display and power, and not there.
#[derive(Clone, Copy, Debug, Default, IntoBytes, Immutable)]
#[repr(C)]
struct Info {
    flags: u32,
    lower: u32,
    upper: u32,
    boot_device: u32,
    cmdline: u32,
    module_count: u32,
    modules: u32,
    symbols: [u32; 4],
    map_size: u32,
    map: u32,
    drives_size: u32,
    drives: u32,
    config_table: u32,
    loader_name: u32,
    apm_table: u32,
    display: [u32; 11],
}

/// An entry of the list of modules.
#[derive(Clone, Copy, Debug, IntoBytes, Immutable)]
#[repr(C)]
struct Module {
    start: u32,
    end: u32,
    name: u32,
    reserved: u32,
}

/// An entry of the memory map. The size does not count itself.
#[derive(Clone, Copy, Debug, IntoBytes, Immutable)]
#[repr(C)]
struct MapEntry {
    size: u32,
    start: [u32; 2],
    len: [u32; 2],
    kind: u32,
}

/// Writes the information and says where it is.
pub(super) fn write(loader: &Loader<'_>, module: Option<Placed>) -> Result<GuestAddress, BootError> {
    write_all(loader, module).map_err(BootError::Memory)?;
    Ok(GuestAddress(MULTIBOOT_INFO))
}

fn write_all(loader: &Loader<'_>, module: Option<Placed>) -> Result<(), GuestMemoryError> {
    let write = |bytes: &[u8], at: u32| loader.memory.write_slice(bytes, GuestAddress(at.into()));
    let map: Vec<_> = memory_map(loader.memory).iter().map(entry).collect();
    if let Some(placed) = module {
        write(&name(loader.initrd_name), MODULE_NAME)?;
        let end = placed.address.saturating_add(placed.size);
        let module = Module { start: low(placed.address), end: low(end), name: MODULE_NAME, reserved: 0 };
        write(module.as_bytes(), MODULES)?;
    }
    write(NAME, LOADER_NAME)?;
    write(map.as_slice().as_bytes(), MAP)?;
    let info = Info {
        flags: HAS_MEMORY | HAS_CMDLINE | HAS_MODULES | HAS_MAP | HAS_LOADER_NAME,
        lower: kib(BASE_RAM_END),
        upper: kib(loader.ram.end.saturating_sub(loader.ram.start)),
        cmdline: low(CMDLINE),
        module_count: module.is_some().into(),
        modules: MODULES,
        map_size: low(size_of_val(map.as_slice()) as u64),
        map: MAP,
        loader_name: LOADER_NAME,
        ..Info::default()
    };
    loader.memory.write_obj((BASE_RAM_END / 1024) as u16, GuestAddress(BIOS_BASE_MEMORY))?;
    write(info.as_bytes(), low(MULTIBOOT_INFO))
}

/// The name of a module with its NUL.
fn name(name: &str) -> Vec<u8> {
    name.bytes().filter(|byte| *byte != 0).take(MAX_NAME).chain([0]).collect()
}

/// The name of the kernel as one word, with the space behind it.
pub(super) fn first_word(name: &str) -> String {
    let visible = name.chars().filter(|c| !c.is_whitespace() && !c.is_control());
    // A character has at most 4 bytes.
    visible.take(MAX_NAME / 4).chain([' ']).collect()
}

fn entry(range: &Range) -> MapEntry {
    let size = low((size_of::<MapEntry>() as u64).saturating_sub(4));
    let halves = |value: u64| [low(value & 0xffff_ffff), low(value >> 32)];
    MapEntry { size, start: halves(range.start), len: halves(range.size), kind: range.kind as u32 }
}

fn kib(bytes: u64) -> u32 {
    low(bytes / 1024)
}

/// An address or a size below 4 GiB, as 32 bits.
fn low(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
