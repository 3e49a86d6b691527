//! Executing the own binary again, in a process that shares nothing but one channel.

#![allow(unsafe_code)] // clone, execveat and the fixed number of the inherited descriptor

mod child;

pub use child::SPAWN_FLAGS;

use std::ffi::{CString, NulError};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, waitid};

/// Where a spawned process finds its channel.
const CHANNEL: RawFd = 3;

/// The lowest descriptor that [`spawn`] itself uses: above all those that it gives to the child, so that
/// putting one in its place can not overwrite another.
const ABOVE_INHERITED: RawFd = 8;

/// The program that is running, held open. It can be executed again where no file system is left.
#[derive(Debug)]
pub struct Executable {
    binary: OwnedFd,
    /// Standard input and output of the child.
    null: OwnedFd,
}

impl Executable {
    /// Opens the running program. Call it before the root directory changes.
    ///
    /// # Errors
    /// Those of opening `/proc/self/exe` and `/dev/null`.
    pub fn open() -> io::Result<Self> {
        Self::at(Path::new("/proc/self/exe"))
    }

    /// Opens another program, one that can be started with [`spawn`] because it looks for [`inherited_channel`].
    ///
    /// # Errors
    /// Those of opening `program` and `/dev/null`.
    pub fn at(program: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let binary = rustix::fs::open(program, flags, Mode::empty())?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        Ok(Self { binary: above_inherited(binary.as_fd())?, null: above_inherited(null.as_fd())? })
    }
}

/// Starts this program again, as a process that is called `title` and finds `args` behind it.
///
/// The new process has `/dev/null` as standard input and output, this process's standard error, `channel` as
/// [`inherited_channel`], and no other descriptor. Its environment is empty, no signal is blocked or ignored, and it
/// leads a session of its own, so that a terminal's interrupt reaches only this process. Identity, root
/// directory, capabilities and seccomp filter are those of this process: to give them up is its own first act.
///
/// # Errors
/// `EINVAL` for a NUL in a string, and those of `clone(2)` and `execveat(2)`.
pub fn spawn(exe: &Executable, title: &str, args: &[&str], channel: OwnedFd) -> io::Result<Child> {
    let channel = above_inherited(channel.as_fd())?;
    let argv =
        [title].iter().chain(args).map(|arg| CString::new(*arg)).collect::<Result<Vec<_>, NulError>>()?;
    let plan = child::Plan::new(exe.binary.as_fd(), exe.null.as_fd(), channel.as_fd(), &argv);
    plan.start()
}

fn above_inherited(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(fcntl_dupfd_cloexec(fd, ABOVE_INHERITED)?)
}

/// The channel's descriptor, in a process made by [`spawn`]. It can be taken once.
///
/// # Errors
/// `EBADF` if there is none: the process was not made by [`spawn`], or it was taken before.
pub fn inherited_channel() -> io::Result<OwnedFd> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(rustix::io::Errno::BADF.into());
    }
    // SAFETY: the number is looked at only for this call; the kernel says if nothing is open there.
    let channel = unsafe { BorrowedFd::borrow_raw(CHANNEL) };
    fcntl_setfd(channel, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, `spawn` put it there for this process, and `TAKEN` sees to one owner.
    Ok(unsafe { OwnedFd::from_raw_fd(CHANNEL) })
}

/// Closes all descriptors but the three standard ones: what a careless starter of the daemon left open must
/// not reach its processes. Only to be called as the first act of `main`, before anything is opened.
///
/// # Errors
/// Those of `close_range(2)`.
pub fn close_stray_descriptors() -> io::Result<()> {
    // SAFETY: as the first act of the program nothing owns a descriptor above 2.
    match unsafe { libc::close_range(3, libc::c_uint::MAX, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A process made by [`spawn`]. Dropping it leaves the process alone; a dead one stays a zombie until waited for.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Child {
    /// Its process id, its own as long as it has not been waited for.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// `ESRCH` if it has been waited for, `EPERM` if it runs as somebody else.
    pub fn kill(&self, signal: Signal) -> io::Result<()> {
        Ok(rustix::process::pidfd_send_signal(&self.pidfd, signal)?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// `ECHILD` if it has been waited for.
    pub fn wait(&self) -> io::Result<Exit> {
        loop {
            if let Some(exit) = self.wait_with(WaitIdOptions::EXITED)? {
                return Ok(exit);
            }
        }
    }

    /// Its end, or `None` if it still runs. Its descriptor becomes readable at that moment.
    ///
    /// # Errors
    /// `ECHILD` if it has been waited for.
    pub fn try_wait(&self) -> io::Result<Option<Exit>> {
        self.wait_with(WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
    }

    fn wait_with(&self, options: WaitIdOptions) -> io::Result<Option<Exit>> {
        let id = || WaitId::PidFd(self.pidfd.as_fd());
        let status = rustix::io::retry_on_intr(|| waitid(id(), options))?;
        Ok(status.as_ref().and_then(Exit::of))
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl AsRawFd for Child {
    fn as_raw_fd(&self) -> RawFd {
        self.pidfd.as_raw_fd()
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this exit status.
    Status(i32),
    /// By the signal with this number.
    Signal(i32),
}

impl Exit {
    fn of(status: &WaitIdStatus) -> Option<Self> {
        let exited = status.exit_status().map(Self::Status);
        exited.or_else(|| status.terminating_signal().map(Self::Signal))
    }

    /// Whether it ended by itself and well.
    pub fn is_success(self) -> bool {
        self == Self::Status(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exited with status {status}"),
            Self::Signal(libc::SIGSYS) => f.write_str(
                "was killed by the kernel for a system call that its seccomp filter forbids (its number is in the \
                 audit log, in a record of type 1326)",
            ),
            Self::Signal(signal) => write!(f, "was killed by signal {signal}"),
        }
    }
}
