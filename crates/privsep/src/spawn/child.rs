//! The few steps between `clone` and `execveat`.
//!
//! The child borrows the parent's memory (`CLONE_VM`) while the parent's thread stands still (`CLONE_VFORK`):
//! nothing is copied, and the child tells of an error by writing it down. It therefore only makes system calls on
//! what was prepared: it allocates nothing, takes no lock, and never returns into Rust code that is not here. All
//! signals are blocked before, so that no handler runs in the borrowed memory.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::process::Pid;

use super::{CHANNEL, Child};
use crate::event::signal_set;

const CLONE_FLAGS: c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;

/// The flags with which [`spawn`](super::spawn) calls `clone(2)`, for the filter of a process that does.
pub const SPAWN_FLAGS: u32 = CLONE_FLAGS.cast_unsigned();

/// Where the binary is kept while everything above is closed; closed itself by the execution.
const BINARY: RawFd = CHANNEL + 1;

/// The child's stack in units of 16 bytes, the alignment that the ABI wants: 64 KiB for a handful of system calls.
const STACK_UNITS: usize = 4096;

/// Signals are numbered from 1 to here (`_NSIG` in the kernel).
const LAST_SIGNAL: c_int = 64;

/// Everything that the child needs, prepared by the parent.
pub(super) struct Plan<'a> {
    binary: BorrowedFd<'a>,
    null: BorrowedFd<'a>,
    channel: BorrowedFd<'a>,
    /// Pointers into strings that live as long as the plan, then a null pointer.
    argv: Vec<*const c_char>,
    /// What went wrong in the child, if it came back.
    error: c_int,
}

impl<'a> Plan<'a> {
    /// The three descriptors must lie above [`BINARY`], or putting one in its place would overwrite another.
    pub(super) fn new(
        binary: BorrowedFd<'a>,
        null: BorrowedFd<'a>,
        channel: BorrowedFd<'a>,
        argv: &'a [CString],
    ) -> Self {
        let argv = argv.iter().map(|arg| arg.as_ptr()).chain([ptr::null()]).collect();
        Self { binary, null, channel, argv, error: 0 }
    }

    /// Makes the child and returns when it has executed the binary or failed.
    pub(super) fn start(mut self) -> io::Result<Child> {
        let mut stack = Box::<[u128]>::new_uninit_slice(STACK_UNITS);
        let mut pidfd: c_int = -1;
        let blocked = BlockedSignals::all();
        // SAFETY: the top of the stack is one past its end, aligned as its units. The stack, the plan and
        // `pidfd` outlive the child's use of them, because `CLONE_VFORK` holds this thread until the child has
        // executed or ended. `run` keeps to the rules at the top of this file.
        let pid = unsafe {
            libc::clone(
                run,
                stack.as_mut_ptr_range().end.cast(),
                CLONE_FLAGS,
                (&raw mut self).cast(),
                &raw mut pidfd,
            )
        };
        let failed = io::Error::last_os_error();
        drop(blocked);
        let pid = Pid::from_raw(pid).filter(|_| pid > 0).ok_or(failed)?;
        // SAFETY: the kernel has put a new descriptor there, which nobody else owns.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        self.finish(Child { pid, pidfd })
    }

    fn finish(self, child: Child) -> io::Result<Child> {
        // SAFETY: a plain read, volatile because the child wrote it behind the compiler's back.
        match unsafe { ptr::read_volatile(&raw const self.error) } {
            0 => Ok(child),
            error => {
                child.wait()?;
                Err(io::Error::from_raw_os_error(error))
            }
        }
    }

    /// Runs in the child; returns only if a step has failed.
    fn execute(&self) -> Result<(), Failed> {
        check(new_session())?;
        place(self.null.as_raw_fd(), libc::STDIN_FILENO)?;
        place(self.null.as_raw_fd(), libc::STDOUT_FILENO)?;
        place(self.channel.as_raw_fd(), CHANNEL)?;
        place(self.binary.as_raw_fd(), BINARY)?;
        check(close_on_exec_from(BINARY))?;
        reset_signals();
        check(execute_binary(&self.argv))
    }
}

/// A system call said no; the reason is in `errno`.
struct Failed;

/// The child's entry.
extern "C" fn run(plan: *mut c_void) -> c_int {
    // SAFETY: `start` passes its plan, which it does not touch while this runs.
    let plan = unsafe { &mut *plan.cast::<Plan<'_>>() };
    if plan.execute().is_err() {
        let error = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
        // SAFETY: a plain write to memory that the parent reads after this process is gone.
        unsafe { ptr::write_volatile(&raw mut plan.error, error) };
    }
    // SAFETY: ends only this process, without running handlers that belong to the parent.
    unsafe { libc::_exit(127) }
}

fn check(result: c_int) -> Result<(), Failed> {
    if result < 0 { Err(Failed) } else { Ok(()) }
}

fn new_session() -> c_int {
    // SAFETY: takes no argument.
    unsafe { libc::setsid() }
}

/// Makes `to` a duplicate of `from` that an execution keeps.
fn place(from: RawFd, to: RawFd) -> Result<(), Failed> {
    // SAFETY: the table of descriptors is the child's own; nothing of the parent's is closed.
    check(unsafe { libc::dup2(from, to) })
}

/// Marks rather than closes: the binary itself must stay open until it is executed.
fn close_on_exec_from(first: RawFd) -> c_int {
    let flags = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
    // SAFETY: concerns the child's own table of descriptors only.
    unsafe { libc::close_range(first.cast_unsigned(), libc::c_uint::MAX, flags) }
}

/// Default actions, nothing blocked. An ignored or blocked signal would stay so through the execution.
fn reset_signals() {
    // The kernel's own structure, for the C library does not let go of the two signals that it uses itself:
    // handler (`SIG_DFL` is zero), flags, restorer, mask.
    let default: [u64; 4] = [0; 4];
    for signal in 1..=LAST_SIGNAL {
        // SAFETY: installs no handler. The table of actions is the child's own. Numbers that can not be
        // changed are refused without effect.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), 0, size_of::<u64>()) };
    }
    set_mask(&signal_set(&[]));
}

fn execute_binary(argv: &[*const c_char]) -> c_int {
    let environment: [*const c_char; 1] = [ptr::null()];
    let path: &CStr = c"";
    // SAFETY: the path is a string; both lists consist of strings and end with a null pointer.
    let result = unsafe {
        libc::syscall(
            libc::SYS_execveat,
            BINARY,
            path.as_ptr(),
            argv.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    // An execution comes back only with -1.
    if result < 0 { -1 } else { 0 }
}

/// Holds all signals back until dropped.
struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    fn all() -> Self {
        let mut all = signal_set(&[]);
        // SAFETY: `all` is an initialised set.
        unsafe { libc::sigfillset(&raw mut all) };
        Self(set_mask(&all))
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        set_mask(&self.0);
    }
}

/// Replaces the thread's signal mask and returns the old one. It can not fail: sets and operation are valid.
fn set_mask(set: &libc::sigset_t) -> libc::sigset_t {
    let mut old = signal_set(&[]);
    // SAFETY: both are initialised sets.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, set, &raw mut old) };
    old
}
