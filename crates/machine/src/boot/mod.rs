//! Direct boot: a kernel from a file into guest memory, and what it has to be told.
//!
//! | kind of kernel | recognised by | is entered in | is told by |
//! |---|---|---|---|
//! | Linux *bzImage* | `HdrS` at 0x202 | 64-bit mode | the zero page (Linux, `Documentation/arch/x86/boot.rst`) |
//! | ELF with a *PVH* note | the note | 32-bit mode | the start information (Xen, `docs/misc/pvh.pandoc`) |
//! | *OpenBSD*, ELF | a segment or a note of its own | 32-bit mode | boot arguments and stack (`openbsd`) |
//! | *Multiboot* | its header in the first 8 KiB | 32-bit mode | the Multiboot information (`multiboot`) |
//!
//! A file that fits more than one row is taken for the first: many kernels have several entries, and the upper ones
//! tell more. ELF files are of 32 or of 64 bits. Any of them may be packed with gzip.
//!
//! The files may be hostile: every length and address in them is checked before anything is read, and only the
//! guest's memory is written, by reading the file straight into it unless it has to be unpacked.
//!
//! Below 1 MiB lie the command line, what the kernel is told, and the ACPI tables, where
//! [`layout`](crate::layout) says; kernels lie above.

mod elf;
#[cfg(test)]
mod elf_test;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod gzip;
mod image;
mod initrd;
mod linux;
mod memory_map;
mod multiboot;
mod openbsd;
mod pvh;

use std::fs::File;

use virtio::GuestRam;
use vm_memory::{Bytes, GuestAddress};

use crate::layout::CMDLINE;
use elf::Elf;
pub use error::BootError;
use image::Image;
use memory_map::LowRam;

/// The state in which the first processor begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// 64-bit mode, paging on with the first memory mapped one to one, the address of the zero page in RSI,
    /// interrupts off (boot.rst, "64-bit Boot Protocol").
    Linux64,
    /// 32-bit protected mode, paging off, flat segments, the address of the start information in EBX,
    /// interrupts off (pvh.pandoc).
    Pvh,
    /// 32-bit protected mode as boot(8) leaves it, paging off, flat segments, the address of the stack with the
    /// arguments in ESP, interrupts off (`openbsd`).
    OpenBsd,
    /// 32-bit protected mode, paging off, flat segments, 0x2BADB002 in EAX, the address of the information in EBX,
    /// interrupts off (Multiboot Specification, 3.2).
    Multiboot,
}

/// The files that are loaded, and what is said to the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The kernel.
    pub kernel: &'a File,
    /// The name of its file, which a Multiboot kernel is told.
    pub kernel_name: &'a str,
    /// Its initial RAM disk. A Multiboot kernel has it as its only module.
    pub initrd: Option<&'a File>,
    /// The name of the initial RAM disk, which a Multiboot kernel is told.
    pub initrd_name: &'a str,
    /// The command line.
    pub cmdline: &'a str,
    /// The address of the network card that the system is to be installed over, which an OpenBSD kernel is told.
    pub boot_mac: Option<[u8; 6]>,
}

/// How to enter what was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootEntry {
    /// The state to begin in.
    pub protocol: Protocol,
    /// The address of the first instruction.
    pub address: GuestAddress,
    /// The address of what the kernel is told, for the register that `protocol` names.
    pub params: GuestAddress,
}

/// Loads a kernel, and an initial RAM disk if there is one, into memory that is all zeroes (as a new machine's
/// is, and a reset one's).
///
/// `rsdp` is where the ACPI tables begin. The files' positions are moved; nothing but `statx`, `pread`, `lseek`
/// and `read` is called on them, so that a load can be repeated in a sandbox.
///
/// # Errors
/// [`BootError`]: a file can not be read or is not what it says, or memory is too small for it. Memory may then
/// be half filled.
pub fn load(memory: &GuestRam, source: Source<'_>, rsdp: GuestAddress) -> Result<BootEntry, BootError> {
    let kernel = Image::new("kernel", source.kernel)?;
    let initrd = source.initrd.map(|file| Image::new("initial RAM disk", file)).transpose()?;
    let ram = LowRam::of(memory)?;
    let Source { kernel_name, initrd_name, cmdline, boot_mac, .. } = source;
    let kernel = gzip::unpacked(kernel, ram)?;
    Loader { memory, ram, kernel, kernel_name, initrd, initrd_name, cmdline, boot_mac, rsdp }.load()
}

/// Whether this file is one of the kernels that [`load`] knows.
///
/// # Errors
/// [`BootError::NotAKernel`] says what it is instead; or it can not be read.
pub(crate) fn check(kernel: &File) -> Result<(), BootError> {
    let kernel = Image::new("kernel", kernel)?;
    // What is packed is found out when it is unpacked: firmware never is.
    let known = gzip::is_packed(&kernel)?
        || kernel.starts_with(0, elf::MAGIC)?
        || kernel.starts_with(linux::MAGIC_AT, linux::MAGIC)?
        || multiboot::Header::find(&kernel)?.is_some();
    if known { Ok(()) } else { Err(BootError::not_a_kernel(&kernel.beginning()?)) }
}

/// All that a load needs to know.
struct Loader<'a> {
    memory: &'a GuestRam,
    ram: LowRam,
    kernel: Image<'a>,
    kernel_name: &'a str,
    initrd: Option<Image<'a>>,
    initrd_name: &'a str,
    cmdline: &'a str,
    boot_mac: Option<[u8; 6]>,
    rsdp: GuestAddress,
}

impl Loader<'_> {
    fn load(&self) -> Result<BootEntry, BootError> {
        if self.kernel.starts_with(0, elf::MAGIC)? {
            return self.load_elf(&Elf::parse(&self.kernel)?);
        }
        if self.kernel.starts_with(linux::MAGIC_AT, linux::MAGIC)? {
            return linux::load(self);
        }
        match multiboot::Header::find(&self.kernel)? {
            Some(header) => multiboot::load(self, &header, None),
            None => Err(BootError::not_a_kernel(&self.kernel.beginning()?)),
        }
    }

    fn load_elf(&self, elf: &Elf) -> Result<BootEntry, BootError> {
        if let Some(entry) = pvh::entry(elf, &self.kernel)? {
            return pvh::load(self, elf, entry);
        }
        if openbsd::is_kernel(elf, &self.kernel)? {
            return openbsd::load(self, elf);
        }
        match multiboot::Header::find(&self.kernel)? {
            Some(header) => multiboot::load(self, &header, Some(elf)),
            None => elf::bad("has neither a PVH note nor a Multiboot header, and is not OpenBSD's"),
        }
    }

    /// Writes the command line with its NUL, if the kernel takes that many bytes.
    fn write_cmdline(&self, limit: usize) -> Result<(), BootError> {
        self.write_cmdline_behind("", limit)
    }

    /// The same with something in front that does not count.
    fn write_cmdline_behind(&self, front: &str, limit: usize) -> Result<(), BootError> {
        if self.cmdline.len() > limit {
            return Err(BootError::CmdlineTooLong { len: self.cmdline.len(), limit });
        }
        if self.cmdline.contains('\0') {
            return Err(BootError::CmdlineNul);
        }
        let mut text = [front, self.cmdline].concat().into_bytes();
        text.push(0);
        self.memory.write_slice(&text, GuestAddress(CMDLINE)).map_err(BootError::Memory)
    }
}

#[cfg(test)]
#[path = "boot_test.rs"]
mod tests;
