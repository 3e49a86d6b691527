//! Why a kernel can not be started.

use std::io;

/// Why a kernel can not be started.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The file could not be read.
    #[error("cannot read the {name}")]
    Read {
        /// Which of the files.
        name: &'static str,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The file is no kind of kernel.
    #[error(
        "neither a kernel nor a BIOS: it starts with {0}; vmd boots Linux bzImage files, ELF files with a PVH note, \
         OpenBSD's kernels and Multiboot kernels, and PC firmware of at most 4 MiB"
    )]
    NotAKernel(String),
    /// The file is shorter than its headers say.
    #[error("the {name} is truncated: it has {len} bytes and its headers speak of {needed}; copy it again")]
    Truncated {
        /// Which of the files.
        name: &'static str,
        /// Its length in bytes.
        len: u64,
        /// The length in bytes that it should have at least.
        needed: u64,
    },
    /// A Linux kernel that can not be entered in 64-bit mode.
    #[error("this Linux kernel {0}; vmd needs a 64-bit bzImage with boot protocol 2.12 or newer (Linux 3.8)")]
    OldLinux(String),
    /// An ELF file that is not such a kernel.
    #[error(
        "this ELF file {0}; vmd needs an x86 kernel with a PVH note (Linux: CONFIG_PVH) or a Multiboot header, or one \
         of OpenBSD's"
    )]
    BadElf(String),
    /// An OpenBSD kernel that can not be started, or not so.
    #[error("this OpenBSD kernel {0}")]
    BadOpenBsd(String),
    /// A Multiboot kernel that can not be started.
    #[error("this Multiboot kernel {0}")]
    BadMultiboot(String),
    /// A packed file is damaged.
    #[error("cannot unpack the kernel, a gzip file; copy it again")]
    Unpack(#[source] io::Error),
    /// A packed file has more in it than could be loaded.
    #[error(
        "the kernel is a gzip file, and what is packed in it has more than the {limit} bytes that the guest has \
         below 4 GiB or that any kernel has; give the machine more memory if the file is right"
    )]
    UnpackedTooLarge {
        /// The most bytes that are unpacked.
        limit: u64,
    },
    /// There are no random bytes for the kernel.
    #[error("the host gives no random bytes for the kernel")]
    Random(#[source] io::Error),
    /// A header asks for memory that is not there, or that the loader itself uses.
    #[error(
        "the {name} wants memory from {start:#x} to {end:#x}, and the guest has from {ram_start:#x} to \
         {ram_end:#x} for it; give the machine more memory if the file is right"
    )]
    NoRoom {
        /// What does not fit.
        name: &'static str,
        /// Its first address.
        start: u64,
        /// The address after its last.
        end: u64,
        /// The first address that can be used.
        ram_start: u64,
        /// The address after the last that can be used.
        ram_end: u64,
    },
    /// The initial RAM disk does not fit between the kernel and the end of memory.
    #[error(
        "no room for the initial RAM disk: it has {len} bytes, and {free} are free behind the kernel; \
         give the machine more memory"
    )]
    InitrdTooLarge {
        /// Its length in bytes.
        len: u64,
        /// The bytes that are free.
        free: u64,
    },
    /// The initial RAM disk is empty.
    #[error("the initial RAM disk is empty")]
    InitrdEmpty,
    /// The machine has less than the 2 MiB that any kernel needs.
    #[error("the machine has no memory above 1 MiB; give it more")]
    NoMemory,
    /// The command line is longer than the kernel takes.
    #[error("the command line has {len} bytes, and this kernel takes {limit}")]
    CmdlineTooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest that the kernel takes, in bytes.
        limit: usize,
    },
    /// The command line has a NUL in it.
    #[error("the command line contains a NUL character")]
    CmdlineNul,
    /// Guest memory could not be written: a fault of ours.
    #[error("cannot write guest memory")]
    Memory(#[source] vm_memory::GuestMemoryError),
}

impl BootError {
    /// [`BootError::NotAKernel`] with the file's first bytes in hexadecimal, and what they look like.
    pub(super) fn not_a_kernel(beginning: &[u8]) -> Self {
        let hex: Vec<_> = beginning.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = match beginning {
            [] => "nothing, it is empty".to_owned(),
            [b'Q', b'F', b'I', 0xfb, ..] => format!("{} (a qcow2 disk image)", hex.join(" ")),
            _ => hex.join(" "),
        };
        Self::NotAKernel(text)
    }
}
