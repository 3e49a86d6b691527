use virtio::GuestRam;
use vm_memory::Bytes;

use super::*;
use crate::boot::elf_test::ElfFile;
use crate::boot::image::Image;
use crate::boot::memory_map::LowRam;

const MIB: u64 = 1 << 20;
const LOAD_AT: u32 = 0x20_0000;
const HEADER_AT: u32 = 0x40;
const CODE: [u8; 0x200] = [0xf4; 0x200];

fn ram() -> GuestRam {
    GuestRam::from_ranges(&[(GuestAddress(0), (32 * MIB) as usize)]).unwrap()
}

/// A header with these flags, and what follows it.
fn header(flags: u32, addresses: &[u32]) -> Vec<u8> {
    let sum = 0u32.wrapping_sub(0x1bad_b002).wrapping_sub(flags);
    [0x1bad_b002, flags, sum].iter().chain(addresses).flat_map(|word| word.to_le_bytes()).collect()
}

/// A file that is no ELF file: code with a header in it.
fn flat(flags: u32, addresses: [u32; 5]) -> Vec<u8> {
    let mut file = CODE.to_vec();
    let header = header(flags, &addresses);
    file[HEADER_AT as usize..][..header.len()].copy_from_slice(&header);
    file
}

/// Addresses of a kernel that begins 0x20 bytes into its file, with zeroes behind it.
const GOOD: [u32; 5] = [LOAD_AT + 0x20, LOAD_AT, LOAD_AT + 0x100, LOAD_AT + 0x1000, LOAD_AT + 0x80];

fn elf(bits32: bool) -> ElfFile {
    ElfFile {
        bits32,
        entry: LOAD_AT.into(),
        programs: vec![(1, 0x400, 0xc020_0000, LOAD_AT.into(), 0x200, 0x1000)],
        content: vec![(0x400, CODE.to_vec()), (0x404, header(3, &[]))],
        ..ElfFile::default()
    }
}

fn load_with(memory: &GuestRam, kernel: Vec<u8>, initrd: Option<Vec<u8>>) -> Result<BootEntry, BootError> {
    Loader {
        memory,
        ram: LowRam::of(memory).unwrap(),
        kernel: Image::of_bytes("kernel", kernel),
        kernel_name: "my unix",
        initrd: initrd.map(|bytes| Image::of_bytes("initial RAM disk", bytes)),
        initrd_name: "ramdisk.fs",
        cmdline: "console=com1",
        boot_mac: None,
        rsdp: GuestAddress(0xe_0000),
    }
    .load()
}

fn error(kernel: Vec<u8>) -> String {
    load_with(&ram(), kernel, None).unwrap_err().to_string()
}

fn bytes(memory: &GuestRam, address: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    memory.read_slice(&mut bytes, GuestAddress(address)).unwrap();
    bytes
}

fn word(memory: &GuestRam, address: u32) -> u32 {
    memory.read_obj(GuestAddress(address.into())).unwrap()
}

fn text(memory: &GuestRam, address: u32) -> String {
    let bytes = bytes(memory, address.into(), 64);
    String::from_utf8(bytes.split(|byte| *byte == 0).next().unwrap().to_vec()).unwrap()
}

#[test]
fn a_flat_kernel_is_loaded_where_its_header_says() {
    let memory = ram();
    let entry = load_with(&memory, flat(0x1_0003, GOOD), None).unwrap();
    assert_eq!((entry.protocol, entry.address.0), (Protocol::Multiboot, u64::from(LOAD_AT) + 0x80));
    assert_eq!(word(&memory, LOAD_AT + 0x20), 0x1bad_b002, "the header is where it says");
    assert_eq!(bytes(&memory, LOAD_AT.into(), 0x20), [0xf4; 0x20]);
    assert_eq!(bytes(&memory, u64::from(LOAD_AT) + 0xff, 2), [0xf4, 0]);
    let [a, b, _, _, e] = GOOD;
    load_with(&memory, flat(0x1_0003, [a, b, 0, 0, e]), None).unwrap();
    assert_eq!(
        bytes(&memory, u64::from(LOAD_AT) + 0x1df, 2),
        [0xf4, 0],
        "without an end, to that of the file"
    );
}

#[test]
fn elf_kernels_of_both_classes_are_loaded() {
    for bits32 in [false, true] {
        let memory = ram();
        let entry = load_with(&memory, elf(bits32).bytes(), None).unwrap();
        assert_eq!((entry.protocol, entry.address.0), (Protocol::Multiboot, LOAD_AT.into()));
        assert_eq!(word(&memory, LOAD_AT + 4), 0x1bad_b002);
        let mut high = elf(bits32);
        high.entry = 0xc020_0010;
        assert_eq!(load_with(&memory, high.bytes(), None).unwrap().address.0, u64::from(LOAD_AT) + 0x10);
    }
}

#[test]
fn the_addresses_of_the_header_come_before_those_of_an_elf_file() {
    let memory = ram();
    let mut file = elf(false);
    let at = LOAD_AT + 0x10_0000;
    file.content[1].1 = header(0x1_0000, &[at + 4, at, 0, 0, at + 0x40]);
    assert_eq!(load_with(&memory, file.bytes(), None).unwrap().address.0, u64::from(at) + 0x40);
    assert_eq!(word(&memory, at + 4), 0x1bad_b002);
    assert_eq!(word(&memory, LOAD_AT + 4), 0);
}

#[test]
fn a_kernel_is_told_everything() {
    let memory = ram();
    let entry = load_with(&memory, flat(0x1_0003, GOOD), Some(vec![7; 5000])).unwrap();
    let info = entry.params.0 as u32;
    let field = |offset: u32| word(&memory, info + offset);
    assert_eq!(field(0), 0b10_0100_1101, "memory, command line, modules, memory map, name of the loader");
    assert_eq!((field(4), field(8)), (640, 31 * 1024));
    assert_eq!(memory.read_obj::<u16>(GuestAddress(0x413)).unwrap(), 640, "as firmware leaves it");
    assert_eq!(text(&memory, field(16)), "myunix console=com1");
    assert_eq!(text(&memory, field(64)), "vmd");
    let (count, module) = (field(20), field(24));
    let (start, end) = (word(&memory, module), word(&memory, module + 4));
    assert_eq!((count, start, end), (1, LOAD_AT + 0x1000, LOAD_AT + 0x1000 + 5000));
    assert_eq!(bytes(&memory, start.into(), 5000), [7; 5000]);
    assert_eq!(text(&memory, word(&memory, module + 8)), "ramdisk.fs");
    let (len, map) = (field(44), field(48));
    let ranges: Vec<_> = (0..len / 24)
        .map(|index| {
            std::array::from_fn::<u32, 6, _>(|part| word(&memory, map + 24 * index + 4 * part as u32))
        })
        .collect();
    assert_eq!(
        ranges,
        [
            [20, 0, 0, 0xa_0000, 0, 1],
            [20, 0xa_0000, 0, 0x6_0000, 0, 2],
            [20, MIB as u32, 0, 31 * MIB as u32, 0, 1]
        ]
    );
}

#[test]
fn without_a_module_there_is_an_empty_list() {
    let memory = ram();
    let entry = load_with(&memory, flat(0x1_0003, GOOD), None).unwrap();
    assert_eq!(memory.read_obj::<u32>(GuestAddress(entry.params.0 + 20)).unwrap(), 0);
}

#[test]
fn a_header_is_found_where_it_may_be_and_nowhere_else() {
    let at = |offset: usize| {
        let mut file = vec![0; 0x4000];
        // The kernel begins with its header, so that it is good wherever that is.
        let header = header(0x1_0000, &[LOAD_AT, LOAD_AT, 0, 0, LOAD_AT + 0x40]);
        file[offset..][..header.len()].copy_from_slice(&header);
        load_with(&ram(), file, None).is_ok()
    };
    assert!(at(0) && at(4) && at(8192 - 32));
    assert!(!at(2) && !at(8192 - 28) && !at(8192), "unaligned, or not all of it in the first 8 KiB");
    let mut wrong = flat(0x1_0003, GOOD);
    wrong[HEADER_AT as usize + 8] ^= 1;
    assert!(error(wrong).starts_with("neither a kernel nor a BIOS:"), "its sum is wrong");
}

#[test]
fn what_can_not_be_met_is_refused_in_words() {
    let [a, b, c, d, e] = GOOD;
    let cases: [(u32, [u32; 5], &str); 10] = [
        (0x1_0004, GOOD, "wants a video mode, and the machine has no display"),
        (0x1_0010, GOOD, "wants what nobody knows: flags 0x10"),
        (3, GOOD, "is no ELF file, and its header does not say where"),
        (0x1_0003, [b - 1, b, c, d, e], "has its header below its own start"),
        (0x1_0003, [b + HEADER_AT + 1, b, c, d, e], "closer to the start of the file than"),
        (0x1_0003, [a, b, b - 1, d, e], "ends below its start"),
        (0x1_0003, [a, b, c, d, d], "has its entry at 0x201000, outside of what it loads"),
        (0x1_0003, [a, b, c + 0x1000, d, e], "is truncated"),
        (0x1_0003, [a, b, c, u32::MAX, e], "wants memory from 0x200000 to 0xffffffff,"),
        (0x1_0003, [0x8020, 0x8000, 0x8100, 0, 0x8080], "wants memory from 0x8000 to 0x8100,"),
    ];
    for (flags, addresses, message) in cases {
        let text = error(flat(flags, addresses));
        assert!(text.contains(message), "{text}");
    }
    assert!(load_with(&ram(), flat(0x8000_0000 | 0x1_0003, GOOD), None).is_ok(), "what may be ignored is");
    let mut outside = elf(false);
    outside.entry = 0x10;
    assert!(error(outside.bytes()).contains("has its entry at 0x10, outside"));
}

#[test]
fn a_module_that_does_not_fit_is_refused_with_both_sizes() {
    let text = load_with(&ram(), flat(0x1_0003, GOOD), Some(vec![1; 31 << 20])).unwrap_err().to_string();
    assert!(text.contains("it has 32505856 bytes, and 31453184 are free"), "{text}");
    assert!(matches!(load_with(&ram(), flat(0x1_0003, GOOD), Some(vec![])), Err(BootError::InitrdEmpty)));
}
