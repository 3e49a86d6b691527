//! OpenBSD's kernels, ELF files of 32 or 64 bits, as its second-stage boot loader starts them (boot(8);
//! `sys/lib/libsa/loadfile_elf.c`, `sys/arch/amd64/stand/libsa/exec_i386.c`, `sys/arch/amd64/include/biosvar.h`).
//!
//! Both classes begin in 32-bit protected mode without paging, and with what a function has that is called with
//! eight arguments. Segments go to their physical address within 256 MiB, the symbols behind the last of them;
//! a segment that asks for it gets random bytes, with which the kernel seeds its random numbers and its stack
//! protection. In low memory lie, as under OpenBSD's own vmd, the boot arguments, the stack, and the
//! descriptor table (see [`layout`](crate::layout)).

mod arguments;
mod symbols;

use rustix::rand::{GetRandomFlags, getrandom};
use vm_memory::{Bytes, GuestAddress};

use super::elf::{Elf, Program};
use super::image::Image;
use super::{BootEntry, BootError, Loader, Protocol};

/// `PT_OPENBSD_RANDOMIZE`: a segment that is filled with random bytes.
const PT_RANDOMIZE: u32 = 0x65a3_dbe6;
/// The other segment types of OpenBSD's own: `MUTABLE`, `WXNEEDED`, `NOBTCFI`, `SYSCALLS`, `BOOTDATA`.
const PT_OTHERS: [u32; 5] = [0x65a3_dbe5, 0x65a3_dbe7, 0x65a3_dbe8, 0x65a3_dbe9, 0x65a4_1be6];
/// `ELFOSABI_OPENBSD`.
const ABI: u8 = 12;
/// `PT_NOTE` with this name and type: a program of OpenBSD's.
const NOTE_NAME: &[u8; 8] = b"OpenBSD\0";
const NOTE_TYPE: u32 = 1;
/// Addresses of the kernel count within 256 MiB: some files have the virtual ones (`LOADADDR` of boot(8)).
const ADDRESS_MASK: u64 = 0xfff_ffff;
/// More random bytes than any kernel wants: 8 for each of its functions.
const MAX_RANDOM: u64 = 16 << 20;

/// Whether the file is marked as one of OpenBSD's: by a segment type, by the number of the system, or by a note.
/// Kernels have at least the first since 5.3 (2013).
pub(super) fn is_kernel(elf: &Elf, kernel: &Image<'_>) -> Result<bool, BootError> {
    let marked = |program: &Program| program.kind == PT_RANDOMIZE || PT_OTHERS.contains(&program.kind);
    if elf.abi == ABI || elf.programs.iter().any(marked) {
        return Ok(true);
    }
    Ok(elf.note(kernel, NOTE_NAME, NOTE_TYPE)?.is_some())
}

/// Loads the kernel, its random bytes and its symbols, and writes what it is told.
pub(super) fn load(loader: &Loader<'_>, elf: &Elf) -> Result<BootEntry, BootError> {
    if loader.initrd.is_some() {
        return bad("takes no initial RAM disk: it has its own in it");
    }
    let howto = arguments::howto(loader.cmdline)?;
    let segments = elf.segments(&loader.kernel, loader.ram, place)?;
    let entry = place(elf.entry);
    if !segments.hold(entry) {
        return bad(format!("has its entry at {entry:#x}, outside of what it loads"));
    }
    segments.load(&loader.kernel, loader.memory)?;
    for program in elf.programs.iter().filter(|program| program.kind == PT_RANDOMIZE) {
        fill(loader, program)?;
    }
    let end = symbols::load(loader, elf, segments.end())?;
    if end > ADDRESS_MASK {
        return bad(format!("reaches up to {end:#x}, beyond the 256 MiB that it can have"));
    }
    let stack = arguments::write(loader, howto, end)?;
    Ok(BootEntry { protocol: Protocol::OpenBsd, address: GuestAddress(entry), params: stack })
}

fn place(address: u64) -> u64 {
    address & ADDRESS_MASK
}

/// Fills a segment with random bytes.
fn fill(loader: &Loader<'_>, program: &Program) -> Result<(), BootError> {
    if program.file_size > MAX_RANDOM {
        return bad(format!("wants {} random bytes", program.file_size));
    }
    let start = place(program.address);
    let end = loader.ram.claim("kernel", start, program.file_size)?;
    let mut bytes = [0; 4096];
    let mut at = start;
    while at < end {
        let rest = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(bytes.len());
        let piece = bytes.get_mut(..rest).unwrap_or_default();
        let got = match getrandom(&mut *piece, GetRandomFlags::empty()) {
            Err(rustix::io::Errno::INTR) => continue,
            result => result.map_err(|errno| BootError::Random(errno.into()))?,
        };
        let piece = bytes.get(..got).unwrap_or_default();
        loader.memory.write_slice(piece, GuestAddress(at)).map_err(BootError::Memory)?;
        at = at.saturating_add(got as u64);
    }
    Ok(())
}

fn bad<T>(what: impl Into<String>) -> Result<T, BootError> {
    Err(BootError::BadOpenBsd(what.into()))
}

#[cfg(test)]
#[path = "openbsd_test.rs"]
mod tests;
