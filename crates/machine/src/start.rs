//! From a loaded kernel to the state in which the first processor starts.

use hv::StartState;
use virtio::GuestRam;
use vm_memory::{Bytes, GuestAddress, GuestMemoryError};

use crate::boot::{BootEntry, Protocol};
use crate::layout::{GDT, LOADED_GDT, PAGE_TABLES};

const PAGE: u64 = 4096;
const PRESENT: u64 = 1;
const WRITABLE: u64 = 2;
/// In the last but one level: a page of 2 MiB instead of a table.
const LARGE: u64 = 1 << 7;
const LARGE_PAGE: u64 = 2 << 20;
/// Page directories, each for 1 GiB: all below 4 GiB.
const DIRECTORIES: u64 = 4;
const ENTRIES: u64 = 512;

/// Two empty descriptors, then flat 64-bit code and flat data (boot.rst, "64-bit Boot Protocol": selectors
/// 0x10 and 0x18).
const DESCRIPTORS: [u64; 4] = [0, 0, 0x00AF_9B00_0000_FFFF, 0x00CF_9300_0000_FFFF];

/// An empty descriptor, flat 32-bit code, flat data, flat 64-bit code: what OpenBSD's boot loader has, selectors 8
/// and 0x10.
const LOADED_DESCRIPTORS: [u64; 4] = [0, 0x00CF_9B00_0000_FFFF, 0x00CF_9300_0000_FFFF, 0x00AF_9B00_0000_FFFF];

/// What a Multiboot kernel has in EAX (Multiboot Specification, 3.2).
const MULTIBOOT_MAGIC: u32 = 0x2BAD_B002;

/// Writes what the protocol needs besides the kernel, and says how the first processor starts.
///
/// # Errors
/// The machine has too little memory for it.
pub(crate) fn prepare(ram: &GuestRam, entry: BootEntry) -> Result<StartState, GuestMemoryError> {
    let [rip, params] = [entry.address, entry.params].map(|address| address.0 as u32);
    Ok(match entry.protocol {
        Protocol::Pvh => StartState::Protected { rip, rbx: params },
        Protocol::OpenBsd => loaded(ram, rip, [0, 0, params])?,
        Protocol::Multiboot => loaded(ram, rip, [MULTIBOOT_MAGIC, params, 0])?,
        Protocol::Linux64 => {
            write_words(ram, GDT, DESCRIPTORS)?;
            write_page_tables(ram)?;
            StartState::Long { rip: entry.address.0, rsi: entry.params.0, cr3: PAGE_TABLES, gdt: GDT }
        }
    })
}

/// The state that a boot loader leaves, with EAX, EBX and ESP.
fn loaded(ram: &GuestRam, rip: u32, [rax, rbx, rsp]: [u32; 3]) -> Result<StartState, GuestMemoryError> {
    write_words(ram, LOADED_GDT, LOADED_DESCRIPTORS)?;
    Ok(StartState::Loaded { rip, rax, rbx, rsp, gdt: LOADED_GDT as u32 })
}

/// Maps the first 4 GiB one to one: the root, one table of directories, the directories.
fn write_page_tables(ram: &GuestRam) -> Result<(), GuestMemoryError> {
    let pointers = PAGE_TABLES.saturating_add(PAGE);
    let directories = pointers.saturating_add(PAGE);
    let table = |address: u64| address | PRESENT | WRITABLE;
    write_words(ram, PAGE_TABLES, [table(pointers)])?;
    write_words(
        ram,
        pointers,
        (0..DIRECTORIES).map(|n| table(directories.saturating_add(n.saturating_mul(PAGE)))),
    )?;
    let pages = (0..DIRECTORIES.saturating_mul(ENTRIES)).map(|n| n.saturating_mul(LARGE_PAGE));
    write_words(ram, directories, pages.map(|page| table(page) | LARGE))
}

fn write_words(
    ram: &GuestRam,
    at: u64,
    words: impl IntoIterator<Item = u64>,
) -> Result<(), GuestMemoryError> {
    let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    ram.write_slice(&bytes, GuestAddress(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ram() -> GuestRam {
        GuestRam::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap()
    }

    fn word(ram: &GuestRam, address: u64) -> u64 {
        ram.read_obj(GuestAddress(address)).unwrap()
    }

    /// Where the tables lead an address to, as the processor walks them.
    fn walk(ram: &GuestRam, address: u64) -> u64 {
        let table = |entry: u64| {
            assert_eq!(entry & 0x83, 3, "{entry:#x}");
            entry & !0xFFF
        };
        let root = table(word(ram, PAGE_TABLES + (address >> 39) % 512 * 8));
        let directory = table(word(ram, root + (address >> 30) % 512 * 8));
        let page = word(ram, directory + (address >> 21) % 512 * 8);
        assert_eq!(page & 0xFFF, 0x83);
        (page & !0xFFF) + address % LARGE_PAGE
    }

    #[test]
    fn the_first_four_gib_are_mapped_one_to_one() {
        let ram = ram();
        let (address, params) = (GuestAddress(0x100_0200), GuestAddress(0x7000));
        let state = prepare(&ram, BootEntry { protocol: Protocol::Linux64, address, params }).unwrap();
        assert_eq!(state, StartState::Long { rip: 0x100_0200, rsi: 0x7000, cr3: PAGE_TABLES, gdt: GDT });
        for address in [0, 0x1234, 0x4000_0000, 0xFEE0_0020, 0xFFFF_FFFF] {
            assert_eq!(walk(&ram, address), address);
        }
        assert_eq!(word(&ram, PAGE_TABLES + 8), 0, "and nothing else");
        assert_eq!(word(&ram, GDT + 0x10), DESCRIPTORS[2]);
    }

    #[test]
    fn kernels_of_boot_loaders_find_their_table_and_registers() {
        let ram = ram();
        let (address, params) = (GuestAddress(0x20_0000), GuestAddress(0x6000));
        let prepare = |protocol| prepare(&ram, BootEntry { protocol, address, params }).unwrap();
        let (rip, gdt) = (0x20_0000, 0x1_0000);
        let stack = StartState::Loaded { rip, rax: 0, rbx: 0, rsp: 0x6000, gdt };
        assert_eq!(prepare(Protocol::OpenBsd), stack);
        let registers = StartState::Loaded { rip, rax: 0x2BAD_B002, rbx: 0x6000, rsp: 0, gdt };
        assert_eq!(prepare(Protocol::Multiboot), registers);
        assert_eq!(word(&ram, 0x1_0008), LOADED_DESCRIPTORS[1]);
    }

    #[test]
    fn too_little_memory_is_an_error() {
        let ram = GuestRam::from_ranges(&[(GuestAddress(0), 0x8000)]).unwrap();
        let entry =
            BootEntry { protocol: Protocol::Linux64, address: GuestAddress(0), params: GuestAddress(0) };
        assert!(prepare(&ram, entry).is_err());
    }
}
