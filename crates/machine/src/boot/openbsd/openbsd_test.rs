use std::io::Write;

use virtio::GuestRam;
use vm_memory::GuestMemoryBackend;

use super::*;
use crate::boot::elf_test::ElfFile;
use crate::boot::image::Image;
use crate::boot::memory_map::LowRam;

const MIB: u64 = 1 << 20;
const TEXT_AT: u64 = 16 * MIB;
const DATA_AT: u64 = TEXT_AT + 0x2000;
const RANDOM_AT: u64 = DATA_AT + 0x100;
/// Where the last segment ends: not at a multiple of a word.
const END: u64 = DATA_AT + 0x1003;
const PT_LOAD: u32 = 1;

const SYMBOLS: [u8; 48] = [0x51; 48];
const STRINGS: &[u8] = b"\0start\0cold\0";
const NAMES: &[u8] = b"\0.text\0.symtab\0.strtab\0.shstrtab\0.SUNW_ctf\0";
const TYPES: [u8; 5] = [0xcf, 0xf1, 2, 0, 9];

/// A kernel as OpenBSD's linker script makes them: text, data with the random bytes in it, and symbols.
fn kernel(bits32: bool) -> ElfFile {
    ElfFile {
        bits32,
        entry: TEXT_AT + 0x10,
        programs: vec![
            (PT_LOAD, 0x1000, 0xffff_ffff_8100_0000, TEXT_AT, 0x800, 0x800),
            (PT_LOAD, 0x1800, 0xffff_ffff_8100_2000, DATA_AT, 0x200, 0x1003),
            (PT_RANDOMIZE, 0x1900, 0xffff_ffff_8100_2100, RANDOM_AT, 0x80, 0x80),
        ],
        sections: vec![
            (0, 0, 0, 0),
            (1, 1, 0x1000, 0x800),
            (7, 2, 0x2000, 48),
            (15, 3, 0x2100, STRINGS.len() as u64),
            (23, 3, 0x2200, NAMES.len() as u64),
            (33, 1, 0x2300, TYPES.len() as u64),
        ],
        names: 4,
        content: vec![
            (0x1000, vec![0xf4; 0xa00]),
            (0x2000, SYMBOLS.to_vec()),
            (0x2100, STRINGS.to_vec()),
            (0x2200, NAMES.to_vec()),
            (0x2300, TYPES.to_vec()),
        ],
        ..ElfFile::default()
    }
}

fn ram() -> GuestRam {
    GuestRam::from_ranges(&[(GuestAddress(0), (32 * MIB) as usize)]).unwrap()
}

fn load_with(
    memory: &GuestRam,
    kernel: Vec<u8>,
    change: impl FnOnce(&mut Loader<'_>),
) -> Result<BootEntry, BootError> {
    let mut loader = Loader {
        memory,
        ram: LowRam::of(memory).unwrap(),
        kernel: Image::of_bytes("kernel", kernel),
        kernel_name: "bsd",
        initrd: None,
        initrd_name: "",
        cmdline: "",
        boot_mac: None,
        rsdp: GuestAddress(0xe_0000),
    };
    change(&mut loader);
    loader.load()
}

fn load_file(memory: &GuestRam, file: &ElfFile) -> Result<BootEntry, BootError> {
    load_with(memory, file.bytes(), |_| {})
}

fn error(change: impl FnOnce(&mut ElfFile)) -> String {
    let mut file = kernel(false);
    change(&mut file);
    load_file(&ram(), &file).unwrap_err().to_string()
}

fn bytes(memory: &GuestRam, address: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    memory.read_slice(&mut bytes, GuestAddress(address)).unwrap();
    bytes
}

fn word(memory: &GuestRam, address: u64) -> u32 {
    memory.read_obj(GuestAddress(address)).unwrap()
}

fn words<const N: usize>(memory: &GuestRam, address: u64) -> [u32; N] {
    std::array::from_fn(|index| word(memory, address + 4 * index as u64))
}

#[test]
fn both_classes_are_loaded_and_begin_with_the_arguments_on_their_stack() {
    for (bits32, end) in [(false, 0x1_0030_0000), (true, 0x1_0030_0000)] {
        let memory = ram();
        let entry = load_file(&memory, &kernel(bits32)).unwrap();
        assert_eq!((entry.protocol, entry.address.0), (Protocol::OpenBsd, TEXT_AT + 0x10));
        assert_eq!(entry.params.0, 0xffdc, "nine words below the top of the page");
        assert_eq!(bytes(&memory, TEXT_AT, 0x800), vec![0xf4; 0x800]);
        let [_, howto, device, version, end_of_image, extended, base, size, arguments] =
            words::<9>(&memory, 0xffdc);
        assert_eq!((howto, device, version, extended, base), (0, 0xa000_0004, 0x0e, 0, 0));
        assert_eq!(arguments, 0x2000);
        assert!(u64::from(end_of_image) > END && u64::from(end_of_image) < end);
        assert_eq!(word(&memory, 0x2000 + u64::from(size) - 4), 0xffff_ffff, "the last record");
    }
}

#[test]
fn the_records_tell_of_memory_and_console() {
    let memory = ram();
    load_file(&memory, &kernel(false)).unwrap();
    let map_size = 12 + 4 * 20;
    assert_eq!(words(&memory, 0x2000), [0, map_size, map_size]);
    let range = |index: u64| {
        let at = 0x2000 + 12 + 20 * index;
        let start: u64 = memory.read_obj(GuestAddress(at)).unwrap();
        let size: u64 = memory.read_obj(GuestAddress(at + 8)).unwrap();
        (start, size, word(&memory, at + 16))
    };
    assert_eq!(range(0), (0, 0xa_0000, 1));
    assert_eq!(range(1), (0xa_0000, 0x6_0000, 2));
    assert_eq!(range(2), (MIB, 31 * MIB, 1));
    assert_eq!(range(3), (0, 0, 0));
    let console = 0x2000 + u64::from(map_size);
    assert_eq!(words(&memory, console), [5, 44, 44, 0x800, 115_200, 0x3f8, 0, 0, 0, 0, 0, 0xffff_ffff]);
}

#[test]
fn an_installation_over_the_network_is_told_the_card() {
    let memory = ram();
    let mac = [0xfe, 0xe1, 0xbb, 1, 2, 3];
    load_with(&memory, kernel(false).bytes(), |loader| loader.boot_mac = Some(mac)).unwrap();
    let at = 0x2000 + 92 + 44;
    assert_eq!(words(&memory, at), [7, 20, 20]);
    assert_eq!(bytes(&memory, at + 12, 6), mac);
    assert_eq!(word(&memory, at + 20), 0xffff_ffff);
}

#[test]
fn the_random_segment_is_filled_each_time_anew() {
    let random = || {
        let memory = ram();
        load_file(&memory, &kernel(false)).unwrap();
        assert_eq!(bytes(&memory, RANDOM_AT + 0x80, 4), [0xf4; 4], "no more than it has");
        bytes(&memory, RANDOM_AT, 0x80)
    };
    let (first, second) = (random(), random());
    assert_ne!(first, second);
    for random in [first, second] {
        assert!(random.iter().filter(|byte| **byte == 0xf4).count() < 64, "{random:x?}");
    }
}

#[test]
fn symbols_lie_behind_the_kernel_as_its_debugger_looks_for_them() {
    let memory = ram();
    load_file(&memory, &kernel(false)).unwrap();
    let start = END.next_multiple_of(8);
    assert_eq!(bytes(&memory, start, 5), b"\x7fELF\x02");
    let header: [u64; 2] = [32, 40].map(|at| memory.read_obj(GuestAddress(start + at)).unwrap());
    assert_eq!(header, [0, 64], "no program headers, section headers right behind");
    let section = |index: u64, field: u64| -> u64 {
        memory.read_obj(GuestAddress(start + 64 + 64 * index + field)).unwrap()
    };
    let (flags, offset) = (8, 24);
    assert_eq!([section(1, flags), section(1, offset)], [0, 0x1000], "text is not loaded again");
    for (index, content) in [(2, &SYMBOLS[..]), (3, STRINGS), (4, NAMES), (5, &TYPES)] {
        assert_eq!(section(index, flags), 2, "section {index} is in memory");
        let at = section(index, offset);
        assert_eq!(at % 8, 0);
        assert_eq!(bytes(&memory, start + at, content.len()), content);
    }
    let end = start + section(5, offset) + 8;
    assert_eq!(u64::from(word(&memory, 0xffec)), end, "the end is behind the last, which is rounded up");
}

#[test]
fn the_symbols_of_32_bits_are_rounded_to_4_bytes() {
    let memory = ram();
    load_file(&memory, &kernel(true)).unwrap();
    let start = END.next_multiple_of(4);
    assert_eq!(bytes(&memory, start, 5), b"\x7fELF\x01");
    assert_eq!(words(&memory, start + 28), [0, 52], "no program headers, section headers right behind");
    let [_, _, flags, _, offset, size] = words::<6>(&memory, start + 52 + 40 * 3);
    assert_eq!((flags, u64::from(size)), (2, STRINGS.len() as u64));
    assert_eq!(u64::from(offset), 52 + 6 * 40 + 48);
    assert_eq!(bytes(&memory, start + u64::from(offset), STRINGS.len()), STRINGS);
}

#[test]
fn a_kernel_without_symbols_ends_where_its_segments_end() {
    let memory = ram();
    let mut file = kernel(false);
    file.sections.clear();
    load_file(&memory, &file).unwrap();
    assert_eq!(u64::from(word(&memory, 0xffec)), END.next_multiple_of(8));
    assert_eq!(bytes(&memory, END, 64), [0; 64]);
}

#[test]
fn virtual_addresses_count_within_256_mib() {
    let memory = ram();
    let mut file = kernel(true);
    file.entry = 0xd100_0010;
    for program in &mut file.programs {
        program.3 |= 0xd000_0000;
    }
    assert_eq!(load_file(&memory, &file).unwrap().address.0, TEXT_AT + 0x10);
}

#[test]
fn any_mark_of_openbsd_is_one_and_a_pvh_note_comes_first() {
    let plain = || {
        let mut file = kernel(false);
        file.programs.pop();
        file
    };
    let protocol = |file: &ElfFile| load_file(&ram(), file).map(|entry| entry.protocol).ok();
    assert_eq!(protocol(&plain()), None);
    let mut abi = plain();
    abi.abi = 12;
    assert_eq!(protocol(&abi), Some(Protocol::OpenBsd));
    let mut segment = plain();
    segment.programs.push((0x65a4_1be6, 0, 0, 0, 0, 0));
    assert_eq!(protocol(&segment), Some(Protocol::OpenBsd));
    let mut note = plain();
    note.programs.push((4, 0x2400, 0, 0, 24, 24));
    note.content.push((0x2400, b"\x08\0\0\0\x04\0\0\0\x01\0\0\0OpenBSD\0\0\0\0\0".to_vec()));
    assert_eq!(protocol(&note), Some(Protocol::OpenBsd));
    let mut pvh = kernel(false);
    pvh.programs.push((4, 0x2400, 0, 0, 20, 20));
    pvh.content.push((0x2400, b"\x04\0\0\0\x04\0\0\0\x12\0\0\0Xen\0\x10\0\0\x01".to_vec()));
    assert_eq!(protocol(&pvh), Some(Protocol::Pvh));
}

#[test]
fn flags_are_those_of_boot() {
    let memory = ram();
    load_with(&memory, kernel(false).bytes(), |loader| loader.cmdline = " -s -dc ").unwrap();
    assert_eq!(word(&memory, 0xffe0), 0x442);
    let refused = |cmdline| {
        load_with(&memory, kernel(false).bytes(), |loader| loader.cmdline = cmdline).unwrap_err().to_string()
    };
    assert!(refused("-sx").contains("this OpenBSD kernel knows no flag -x, only -a"));
    assert!(refused("root=/dev/sda").contains("takes no \"root=/dev/sda\" on its command line"));
}

#[test]
fn what_can_not_be_met_is_refused_in_words() {
    assert!(error(|file| file.entry = 0x20).contains("has its entry at 0x20, outside of what it loads"));
    assert!(error(|file| file.programs[2].4 = 1 << 30).contains("wants 1073741824 random bytes"));
    assert!(error(|file| file.programs[2].3 = 0).contains("wants memory from 0x0 to 0x80,"));
    assert!(error(|file| file.programs[1].5 = 1 << 30).contains("wants memory from 0x1002000 to"));
    assert!(error(|file| file.programs[1].4 = 1 << 20).contains("larger in the file than in memory"));
    assert!(error(|file| file.sections[2].2 = u64::MAX).contains("is truncated"));
    assert!(error(|file| file.sections[2].3 = 1 << 40).contains("is truncated"));
    assert!(error(|file| file.sections[4].3 = 1 << 20).contains("has 1048576 bytes of section names"));
    assert!(error(|file| file.sections.resize(257, (0, 0, 0, 0))).contains("has 257 sections"));
    let initrd = |loader: &mut Loader<'_>| loader.initrd = Some(Image::of_bytes("", vec![1]));
    let text = load_with(&ram(), kernel(false).bytes(), initrd).unwrap_err().to_string();
    assert!(text.contains("takes no initial RAM disk"), "{text}");
}

#[test]
fn symbols_that_do_not_fit_behind_the_kernel_are_refused() {
    let memory = GuestRam::from_ranges(&[(GuestAddress(0), (END + 0x201) as usize)]).unwrap();
    let text = load_file(&memory, &kernel(false)).unwrap_err().to_string();
    assert!(text.contains("the symbol table wants memory from 0x1003208 to"), "{text}");
}

#[test]
fn a_packed_kernel_is_the_same_kernel() {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(&kernel(false).bytes()).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&packer.finish().unwrap()).unwrap();
    let memory = ram();
    let source = crate::boot::Source {
        kernel: &file,
        kernel_name: "",
        initrd: None,
        initrd_name: "",
        cmdline: "",
        boot_mac: None,
    };
    for _ in 0..2 {
        let entry = crate::boot::load(&memory, source, GuestAddress(0xe_0000)).unwrap();
        assert_eq!((entry.protocol, entry.address.0), (Protocol::OpenBsd, TEXT_AT + 0x10));
        assert!(memory.address_in_range(entry.address));
        assert_eq!(bytes(&memory, TEXT_AT, 0x800), vec![0xf4; 0x800]);
    }
}
