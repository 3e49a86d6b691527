//! Hostile kernels. The targets in `fuzz/` and the tests of the suite run the same functions: each takes any bytes for
//! a file of one kind, loads it, and fails loudly if that has done more than it may.
//!
//! A fuzzer would spend its time on finding the few bytes by which a kind is recognised: they are put in for it.

use std::cell::LazyCell;

use virtio::GuestRam;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend};

use super::image::Image;
use super::memory_map::LowRam;
use super::{Loader, elf, gzip, linux};
use crate::layout::{ACPI_END, ACPI_START, EXTENDED_RAM_START, LOADED_GDT};

/// The guest's memory: little, so that it can be too little.
const MEMORY_SIZE: usize = 6 << 20;
/// What is in the first and in the last word of the area that no kernel may be loaded to.
const CANARY: u64 = 0x6b65_6570_206f_7574;
const CANARIES: [u64; 2] = [ACPI_START, ACPI_END - 8];
/// Where the ACPI tables are said to be.
const RSDP: GuestAddress = GuestAddress(ACPI_START);

thread_local! {
    static MEMORY: LazyCell<Option<GuestRam>> =
        LazyCell::new(|| GuestRam::from_ranges(&[(GuestAddress(0), MEMORY_SIZE)]).ok());
}

/// A Linux bzImage.
pub fn bzimage(bytes: &[u8]) {
    load(with(bytes, linux::MAGIC_AT, linux::MAGIC));
}

/// An ELF file, of which the bytes decide what else it is.
pub fn elf(bytes: &[u8]) {
    load(with(bytes, 0, elf::MAGIC));
}

/// An ELF file of OpenBSD's, by the number of the system.
pub fn openbsd(bytes: &[u8]) {
    // EI_OSABI is 12.
    load(with(&with(bytes, 0, elf::MAGIC), 7, &[12]));
}

/// A Multiboot kernel that is no ELF file: the first byte says where its header is, in words.
pub fn multiboot(bytes: &[u8]) {
    let at = 4 * u64::from(bytes.first().copied().unwrap_or_default());
    let bytes = with(bytes, at, &0x1bad_b002u32.to_le_bytes());
    let at = usize::try_from(at).unwrap_or_default();
    let flags = bytes.get(at.saturating_add(4)..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    let sum = 0u32.wrapping_sub(0x1bad_b002).wrapping_sub(u32::from_le_bytes(flags));
    load(with(&bytes, at.saturating_add(8) as u64, &sum.to_le_bytes()));
}

/// A file packed with gzip.
pub fn gzip(bytes: &[u8]) {
    // The method is 8, or nothing is unpacked.
    load(with(bytes, 0, b"\x1f\x8b\x08"));
}

/// The bytes with others in their place.
fn with<const N: usize>(bytes: &[u8], at: u64, others: &[u8; N]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let place = bytes.get_mut(usize::try_from(at).unwrap_or(usize::MAX)..).unwrap_or_default();
    place.iter_mut().zip(others).for_each(|(to, from)| *to = *from);
    bytes
}

/// Loads a kernel. Every other one has a RAM disk with it, or a command line.
fn load(kernel: Vec<u8>) {
    MEMORY.with(|memory| {
        let Some(memory) = &**memory else { return };
        let len = kernel.len();
        for canary in CANARIES {
            let _ = memory.write_obj(CANARY, GuestAddress(canary));
        }
        check(memory, Image::of_bytes("kernel", kernel), len.is_multiple_of(2), len.is_multiple_of(3));
        for canary in CANARIES {
            assert_eq!(memory.read_obj::<u64>(GuestAddress(canary)).ok(), Some(CANARY), "at {canary:#x}");
        }
    });
}

fn check(memory: &GuestRam, kernel: Image<'_>, initrd: bool, cmdline: bool) {
    let Ok(ram) = LowRam::of(memory) else { return };
    let Ok(kernel) = gzip::unpacked(kernel, ram) else { return };
    let loader = Loader {
        memory,
        ram,
        kernel,
        kernel_name: "kernel",
        initrd: initrd.then(|| Image::of_bytes("initial RAM disk", vec![1; 5000])),
        initrd_name: "disk",
        cmdline: if cmdline { "-s" } else { "" },
        boot_mac: cmdline.then_some([2, 0, 0, 0, 0, 1]),
        rsdp: RSDP,
    };
    let Ok(entry) = loader.load() else { return };
    let address = entry.address.0;
    assert!(
        address >= EXTENDED_RAM_START && memory.address_in_range(entry.address),
        "begins at {address:#x}"
    );
    assert!(entry.params.0 < LOADED_GDT, "is told something at {:#x}", entry.params.0);
}
