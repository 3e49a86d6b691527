use std::fs::File;
use std::io::Write;

use linux_loader::loader::bootparam::{boot_params, setup_header};
use linux_loader::loader::elf::start_info::{hvm_memmap_table_entry, hvm_modlist_entry, hvm_start_info};
use proptest::prelude::*;
use vm_memory::{ByteValued, GuestMemoryBackend};

use super::*;
use crate::layout::{BOOT_PARAMS, START_INFO};

const MIB: u64 = 1 << 20;
const RSDP: GuestAddress = GuestAddress(0xe_0000);
/// Where the test kernels lie, and what is in them.
const LINUX_AT: u64 = 16 * MIB;
const ELF_AT: u64 = 2 * MIB;
const CODE: [u8; 1024] = [0xf4; 1024];

fn ram(mib: u64) -> GuestRam {
    GuestRam::from_ranges(&[(GuestAddress(0), (mib * MIB) as usize)]).unwrap()
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn load_kernel(memory: &GuestRam, kernel: &[u8]) -> Result<BootEntry, BootError> {
    load(memory, &file(kernel), None, "console=ttyS0", RSDP)
}

/// The error as the user sees it.
fn error(kernel: &[u8]) -> String {
    load_kernel(&ram(64), kernel).unwrap_err().to_string()
}

fn bytes(memory: &GuestRam, address: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    memory.read_slice(&mut bytes, GuestAddress(address)).unwrap();
    bytes
}

fn linux_header() -> setup_header {
    setup_header {
        setup_sects: 1,
        syssize: CODE.len() as u32 / 16,
        boot_flag: 0xaa55,
        header: u32::from_le_bytes(*b"HdrS"),
        version: 0x020f,
        loadflags: 1,
        xloadflags: 1,
        initrd_addr_max: 0x7fff_ffff,
        cmdline_size: 2047,
        pref_address: LINUX_AT,
        init_size: MIB as u32,
        relocatable_kernel: 1,
        ..Default::default()
    }
}

fn linux_image(header: setup_header) -> Vec<u8> {
    let mut image = vec![0; 1024];
    image[0x1f1..0x1f1 + size_of::<setup_header>()].copy_from_slice(header.as_slice());
    image.extend(CODE);
    image
}

fn linux_with(change: impl FnOnce(&mut setup_header)) -> Vec<u8> {
    let mut header = linux_header();
    change(&mut header);
    linux_image(header)
}

/// Program headers of an ELF test image: type, offset, address, size in the file, size in memory.
type Segments<'a> = &'a [(u32, u64, u64, u64, u64)];

const NOTE: [u8; 20] = [4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0, b'X', b'e', b'n', 0, 0x10, 0, 0x20, 0];
const NOTE_AT: u64 = 0x400;
const CODE_AT: u64 = 0x800;
const GOOD: Segments<'static> = &[(4, NOTE_AT, 0, 20, 20), (1, CODE_AT, ELF_AT, 1024, 8192)];

fn elf_image(segments: Segments<'_>) -> Vec<u8> {
    let mut image = vec![0; CODE_AT as usize];
    image[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    image[16] = 2;
    image[18] = 62;
    image[32] = 64;
    image[54] = 56;
    image[56] = segments.len() as u8;
    for (index, (kind, offset, address, file_size, memory_size)) in segments.iter().enumerate() {
        let at = 64 + index * 56;
        image[at..at + 4].copy_from_slice(&kind.to_le_bytes());
        for (field, value) in [(8, offset), (24, address), (32, file_size), (40, memory_size)] {
            image[at + field..at + field + 8].copy_from_slice(&value.to_le_bytes());
        }
    }
    image[NOTE_AT as usize..][..20].copy_from_slice(&NOTE);
    image.extend(CODE);
    image
}

#[test]
fn linux_is_loaded_where_it_prefers_and_told_everything() {
    let memory = ram(64);
    let initrd = file(&[7; 5000]);
    let kernel = file(&linux_image(linux_header()));
    let entry = load(&memory, &kernel, Some(&initrd), "console=ttyS0", RSDP).unwrap();
    assert_eq!(
        entry,
        BootEntry {
            protocol: Protocol::Linux64,
            address: GuestAddress(LINUX_AT + 0x200),
            params: GuestAddress(BOOT_PARAMS),
        }
    );
    assert_eq!(bytes(&memory, LINUX_AT, CODE.len()), CODE);
    let params: boot_params = memory.read_obj(entry.params).unwrap();
    let (header, table) = (params.hdr, params.e820_table);
    assert_eq!({ header.type_of_loader }, 0xff);
    assert_eq!({ params.acpi_rsdp_addr }, RSDP.0);
    assert_eq!(bytes(&memory, u64::from(header.cmd_line_ptr), 14), b"console=ttyS0\0");
    let initrd_at = 64 * MIB - 8192;
    assert_eq!(({ header.ramdisk_image }, { header.ramdisk_size }), (initrd_at as u32, 5000));
    assert_eq!(bytes(&memory, initrd_at, 5000), [7; 5000]);
    let map: Vec<_> =
        table[..usize::from(params.e820_entries)].iter().map(|e| (e.addr, e.size, e.r#type)).collect();
    assert_eq!(map, [(0, 0xa_0000, 1), (0xa_0000, 0x6_0000, 2), (MIB, 63 * MIB, 1)]);
}

#[test]
fn elf_is_loaded_by_physical_address_and_told_everything() {
    let memory = ram(64);
    let (kernel, initrd) = (file(&elf_image(GOOD)), file(&[9; 10]));
    let entry = load(&memory, &kernel, Some(&initrd), "a b", RSDP).unwrap();
    let expected = BootEntry {
        protocol: Protocol::Pvh,
        address: GuestAddress(ELF_AT + 0x10),
        params: GuestAddress(START_INFO),
    };
    assert_eq!(entry, expected);
    assert_eq!(bytes(&memory, ELF_AT, 1024), CODE);
    let info: hvm_start_info = memory.read_obj(entry.params).unwrap();
    assert_eq!((info.magic, info.version, info.rsdp_paddr), (0x336e_c578, 1, RSDP.0));
    assert_eq!(bytes(&memory, info.cmdline_paddr, 4), b"a b\0");
    let module: hvm_modlist_entry = memory.read_obj(GuestAddress(info.modlist_paddr)).unwrap();
    assert_eq!((info.nr_modules, module.paddr, module.size), (1, 64 * MIB - 4096, 10));
    assert_eq!(bytes(&memory, module.paddr, 10), [9; 10]);
    let map: Vec<_> = (0..u64::from(info.memmap_entries))
        .map(|i| memory.read_obj::<hvm_memmap_table_entry>(GuestAddress(info.memmap_paddr + 24 * i)).unwrap())
        .map(|e| (e.addr, e.size, e.type_))
        .collect();
    assert_eq!(map, [(0, 0xa_0000, 1), (0xa_0000, 0x6_0000, 2), (MIB, 63 * MIB, 1)]);
}

#[test]
fn a_load_can_be_repeated_with_the_same_files() {
    let kernel = file(&elf_image(GOOD));
    let first = load(&ram(64), &kernel, None, "", RSDP).unwrap();
    let memory = ram(64);
    assert_eq!(load(&memory, &kernel, None, "", RSDP).unwrap(), first);
    assert_eq!(bytes(&memory, ELF_AT, 1024), CODE);
}

#[test]
fn memory_above_4_gib_is_in_the_map_and_takes_no_kernel() {
    let high = 1 << 32;
    let memory = GuestRam::from_ranges(&[
        (GuestAddress(0), (32 * MIB) as usize),
        (GuestAddress(high), (16 * MIB) as usize),
    ])
    .unwrap();
    let entry = load_kernel(&memory, &linux_image(linux_header())).unwrap();
    let params: boot_params = memory.read_obj(entry.params).unwrap();
    let table = params.e820_table;
    assert_eq!((params.e820_entries, { table[3].addr }, { table[3].size }), (4, high, 16 * MIB));
    let far = linux_with(|header| header.pref_address = high);
    assert!(matches!(load_kernel(&memory, &far), Err(BootError::NoRoom { .. })));
}

#[test]
fn a_file_that_is_no_kernel_is_shown_to_the_user() {
    assert_eq!(
        error(b"#!/bin/sh\n"),
        "neither a kernel nor a BIOS: it starts with 23 21 2f 62 69 6e 2f 73; vmd boots Linux bzImage files, 64-bit ELF \
         files with a PVH note, and PC firmware of at most 4 MiB"
    );
    assert!(error(b"").starts_with("neither a kernel nor a BIOS: it starts with nothing, it is empty;"));
    assert!(error(b"\x1f\x8b\x08\0\0\0\0\0").contains("1f 8b 08 00 00 00 00 00 (gzip)"));
    assert!(error(b"QFI\xfb").contains("(a qcow2 disk image)"));
}

#[test]
fn linux_headers_that_can_not_be_met_are_refused() {
    type Change = fn(&mut setup_header);
    let cases: [(Change, &str); 9] = [
        (|h| h.version = 0x0209, "speaks boot protocol 2.09;"),
        (|h| h.loadflags = 0, "is a zImage, loaded below 1 MiB;"),
        (|h| h.xloadflags = 0, "has no 64-bit entry;"),
        (|h| h.syssize = 4, "says that it has 64 bytes;"),
        (|h| h.syssize = 65, "the kernel is truncated: it has 2048 bytes and its headers speak of 2064;"),
        (|h| h.setup_sects = 0, "is truncated: it has 2048 bytes and its headers speak of 3584;"),
        (
            |h| h.init_size = u32::MAX,
            "wants memory from 0x1000000 to 0x100ffffff, and the guest has from 0x100000 to",
        ),
        (|h| h.pref_address = 0x8000, "wants memory from 0x8000 to 0x108000,"),
        (|h| h.pref_address = u64::MAX, "wants memory from 0xffffffffffffffff to 0xffffffffffffffff,"),
    ];
    for (change, message) in cases {
        let text = error(&linux_with(change));
        assert!(text.contains(message), "{text}");
    }
    assert!(
        error(&linux_image(linux_header())[..0x210]).contains("the kernel is truncated: it has 528 bytes")
    );
}

#[test]
fn elf_headers_that_can_not_be_met_are_refused() {
    let note = GOOD[0];
    let code = GOOD[1];
    let cases: [(Segments<'_>, &str); 8] = [
        (&[code], "has no PVH note;"),
        (&[note], "has its PVH entry at 0x200010, outside of what it loads;"),
        (
            &[note, (1, CODE_AT, ELF_AT, 1024, 512)],
            "has a segment that is larger in the file than in memory;",
        ),
        (&[note, (1, CODE_AT, ELF_AT, 1025, 8192)], "the kernel is truncated"),
        (&[note, (1, u64::MAX, ELF_AT, 1024, 8192)], "the kernel is truncated"),
        (&[note, (1, CODE_AT, 0x9_0000, 1024, 1024)], "wants memory from 0x90000 to 0x90400,"),
        (&[note, (1, CODE_AT, ELF_AT, 1024, u64::MAX)], "wants memory from 0x200000 to 0xffffffffffffffff,"),
        (&[note, code, (1, CODE_AT, ELF_AT + 8191, 1, 1)], "has segments that lie over one another;"),
    ];
    for (segments, message) in cases {
        let text = error(&elf_image(segments));
        assert!(text.contains(message), "{text}");
    }
    let mut many = elf_image(GOOD);
    many[56] = 65;
    assert!(error(&many).contains("has 65 program headers;"));
    assert!(error(&elf_image(&[(4, 0, 0, 1 << 20, 0), code])).contains("has 1048576 bytes of notes;"));
    let mut arm = elf_image(GOOD);
    arm[18] = 183;
    assert!(error(&arm).contains("is not for 64-bit x86;"));
}

#[test]
fn notes_are_walked_over_to_the_right_one() {
    let other = [5, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, b'O', b't', b'h', b'e', 0, 0, 0, 0, 1, 0, 0, 0];
    let mut image = elf_image(&[(4, NOTE_AT, 0, 44, 44), GOOD[1]]);
    image[NOTE_AT as usize..][..24].copy_from_slice(&other);
    image[NOTE_AT as usize + 24..][..20].copy_from_slice(&NOTE);
    assert_eq!(load_kernel(&ram(64), &image).unwrap().address, GuestAddress(ELF_AT + 0x10));
}

#[test]
fn an_initial_ram_disk_lies_below_the_kernels_limit_and_behind_the_kernel() {
    let memory = ram(64);
    let kernel = file(&linux_with(|header| header.initrd_addr_max = (32 * MIB - 1) as u32));
    let load = |size| load(&memory, &kernel, Some(&file(&vec![1; size])), "", RSDP);
    let params: boot_params = memory.read_obj(load(4096).unwrap().params).unwrap();
    assert_eq!({ params.hdr.ramdisk_image }, (32 * MIB - 4096) as u32);
    // The kernel takes 1 MiB from 16 MiB on.
    assert!(load((15 * MIB) as usize).is_ok());
    let text = load((15 * MIB + 1) as usize).unwrap_err().to_string();
    assert!(text.contains("it has 15728641 bytes, and 15728640 are free behind the kernel"), "{text}");
    assert!(matches!(load(0), Err(BootError::InitrdEmpty)));
}

#[test]
fn the_command_line_is_as_long_as_the_kernel_takes() {
    let kernel = file(&linux_with(|header| header.cmdline_size = 255));
    let load = |cmdline: &str| load(&ram(64), &kernel, None, cmdline, RSDP);
    assert!(load(&"x".repeat(255)).is_ok());
    let text = load(&"x".repeat(256)).unwrap_err().to_string();
    assert_eq!(text, "the command line has 256 bytes, and this kernel takes 255");
    assert!(matches!(load("a\0b"), Err(BootError::CmdlineNul)));
}

#[test]
fn a_machine_with_hardly_any_memory_is_refused() {
    assert!(matches!(load_kernel(&ram(1), &elf_image(GOOD)), Err(BootError::NoMemory)));
}

/// Loads whatever the file is: the result may be an error, and what is entered is in memory.
fn load_hostile(kernel: &[u8]) {
    let memory = ram(32);
    if let Ok(entry) = load_kernel(&memory, kernel) {
        assert!(entry.address.0 >= MIB && memory.address_in_range(entry.address), "{entry:?}");
    }
}

fn mutated(image: Vec<u8>, range: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((range, any::<u8>()), 1..12);
    (changes, 0..image.len() + 1).prop_map(move |(changes, len)| {
        let mut image = image.clone();
        for (at, byte) in changes {
            image[at] = byte;
        }
        // Every other image is cut off somewhere.
        if len % 2 == 0 {
            image.truncate(len);
        }
        image
    })
}

proptest! {
    #[test]
    fn a_mutated_linux_header_is_refused_or_harmless(
        image in mutated(linux_image(linux_header()), 0x1f1..0x26c)
    ) {
        load_hostile(&image);
    }

    #[test]
    fn a_mutated_elf_header_is_refused_or_harmless(image in mutated(elf_image(GOOD), 4..64 + 2 * 56)) {
        load_hostile(&image);
    }

    #[test]
    fn mutated_notes_are_refused_or_harmless(image in mutated(elf_image(GOOD), 0x400..0x414)) {
        load_hostile(&image);
    }
}
