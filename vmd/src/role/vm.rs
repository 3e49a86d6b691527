//! What a vm does: set a machine up, then run it. It opens nothing.

use libc::*;
use privsep::sandbox::{Rule, allow, allow_if, arg};

use super::calls::{LIBRARY, LOOP, THREADS, TIGHTEN};
use super::kvm;

/// From its confinement on.
pub const TABLES: &[&[Rule]] = &[
    kvm::PROCESSOR,
    LIBRARY,
    LOOP,
    THREADS,
    TIGHTEN,
    SETUP,
    kvm::SETUP,
    kvm::INTERRUPTS,
    kvm::MEMORY,
    kvm::PIN,
    kvm::RESET,
    kvm::PAUSE,
    RESET,
    OWNER_ONLY,
    CLOCK,
    DISK_ONLY,
    DRIVE_ONLY,
];

/// The owner's thread as soon as the guest may run. It loads the kernel anew, or shows the
/// firmware anew, when the guest resets itself.
pub const OWNER: &[&[Rule]] =
    &[LIBRARY, LOOP, OWNER_ONLY, CLOCK, RESET, kvm::INTERRUPTS, kvm::MEMORY, kvm::RESET, kvm::PAUSE];

/// The thread of a processor, which also acts for the devices that the guest touches. The call that it makes all
/// the time comes first.
pub const VCPU: &[&[Rule]] = &[kvm::PROCESSOR, LIBRARY, kvm::INTERRUPTS, kvm::MEMORY, CLOCK];

/// The thread of a disk.
pub const DISK: &[&[Rule]] = &[LIBRARY, LOOP, DISK_ONLY, kvm::PIN];

/// The thread of the CD-ROM drive.
pub const DRIVE: &[&[Rule]] = &[LIBRARY, LOOP, DRIVE_ONLY];

const SETUP: &[Rule] = &[
    allow(SYS_timerfd_create, "the timer of the guest's clock"),
    allow(SYS_sysinfo, "is the host large enough?"),
    allow(SYS_memfd_create, "the guest's memory"),
    allow(SYS_ftruncate, "size of the guest's memory"),
    allow_if(
        SYS_fcntl,
        &[arg(1).one_of(&[F_ADD_SEALS.cast_unsigned()])],
        "fix the size of the guest's memory",
    ),
    allow(SYS_rt_sigaction, "the signal that calls a processor back"),
    allow(SYS_signalfd4, "being told to end"),
    allow(SYS_listen, "whoever connects is told by the kernel that it is this process that listens"),
    allow(SYS_io_uring_setup, "the ring of a disk"),
    allow(SYS_io_uring_register, "the image of a ring, and what the ring may do"),
];

const RESET: &[Rule] = &[
    allow(SYS_fallocate, "empty the guest's memory"),
    allow(SYS_statx, "size of kernel, initial RAM disk and a disc that is put in"),
    allow(SYS_fstat, "size of kernel, initial RAM disk and a disc that is put in"),
    allow(SYS_lseek, "read kernel and initial RAM disk; size of a disc that is a device"),
    allow(SYS_pread64, "read kernel and initial RAM disk"),
];

const CLOCK: &[Rule] = &[allow(SYS_timerfd_settime, "the interrupts of the guest's clock")];

const OWNER_ONLY: &[Rule] = &[
    allow(SYS_accept4, "a later daemon finds the process again"),
    allow(SYS_fdatasync, "disks are on stable storage before the process ends"),
];

/// Also what keeps the variables of UEFI firmware does, in a thread of its own.
const DISK_ONLY: &[Rule] = &[
    allow(SYS_io_uring_enter, "requests to the disk, and their ends"),
    allow(SYS_pread64, "read, where there is no io_uring"),
    allow(SYS_pwrite64, "write, where there is no io_uring; variables of the firmware"),
    allow(SYS_fdatasync, "flush, where there is no io_uring; variables of the firmware"),
    allow(SYS_fallocate, "discard and write zeroes, where there is no io_uring"),
];

const DRIVE_ONLY: &[Rule] = &[allow(SYS_pread64, "read the disc")];
