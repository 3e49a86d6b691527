//! Direct boot: a kernel from a file into guest memory, and what it has to be told.
//!
//! Two kinds of kernel are known. A Linux *bzImage* is entered in 64-bit mode with the zero page (Linux,
//! `Documentation/arch/x86/boot.rst`); an *ELF* kernel that carries a PVH note is entered in 32-bit mode with
//! the start information (Xen, `docs/misc/pvh.pandoc`). Either file may be hostile: every length and address in it
//! is checked before anything is read, and only the guest's memory is written, by reading the file straight
//! into it.
//!
//! Below 1 MiB lie the command line, the zero page or the start information, and the ACPI tables, where
//! [`layout`](crate::layout) says; kernels lie above.

mod elf;
mod error;
mod image;
mod initrd;
mod linux;
mod memory_map;
mod pvh;

use std::fs::File;

use virtio::GuestRam;
use vm_memory::{Bytes, GuestAddress};

use crate::layout::CMDLINE;
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
pub fn load(
    memory: &GuestRam,
    kernel: &File,
    initrd: Option<&File>,
    cmdline: &str,
    rsdp: GuestAddress,
) -> Result<BootEntry, BootError> {
    let loader = Loader {
        memory,
        ram: LowRam::of(memory)?,
        kernel: Image::new("kernel", kernel)?,
        initrd: initrd.map(|file| Image::new("initial RAM disk", file)).transpose()?,
        cmdline,
        rsdp,
    };
    match Format::of(&loader.kernel)? {
        Format::Linux => linux::load(&loader),
        Format::Elf => pvh::load(&loader),
    }
}

/// Whether this file is one of the kernels that [`load`] knows.
///
/// # Errors
/// [`BootError::NotAKernel`] says what it is instead; or it can not be read.
pub(crate) fn check(kernel: &File) -> Result<(), BootError> {
    Format::of(&Image::new("kernel", kernel)?).map(|_| ())
}

/// All that a load needs to know.
struct Loader<'a> {
    memory: &'a GuestRam,
    ram: LowRam,
    kernel: Image<'a>,
    initrd: Option<Image<'a>>,
    cmdline: &'a str,
    rsdp: GuestAddress,
}

impl Loader<'_> {
    /// Writes the command line with its NUL, if the kernel takes that many bytes.
    fn write_cmdline(&self, limit: usize) -> Result<(), BootError> {
        if self.cmdline.len() > limit {
            return Err(BootError::CmdlineTooLong { len: self.cmdline.len(), limit });
        }
        if self.cmdline.contains('\0') {
            return Err(BootError::CmdlineNul);
        }
        let mut text = self.cmdline.as_bytes().to_vec();
        text.push(0);
        self.memory.write_slice(&text, GuestAddress(CMDLINE)).map_err(BootError::Memory)
    }
}

/// The kernels that are known, by how their files begin.
#[derive(Debug, PartialEq, Eq)]
enum Format {
    Linux,
    Elf,
}

impl Format {
    fn of(kernel: &Image<'_>) -> Result<Self, BootError> {
        if kernel.starts_with(0, elf::MAGIC)? {
            Ok(Self::Elf)
        } else if kernel.starts_with(linux::MAGIC_AT, linux::MAGIC)? {
            Ok(Self::Linux)
        } else {
            Err(BootError::not_a_kernel(&kernel.beginning()?))
        }
    }
}

#[cfg(test)]
#[path = "boot_test.rs"]
mod tests;
