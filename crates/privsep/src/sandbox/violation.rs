//! Naming the system call for which a process ends.
//!
//! Normally the kernel ends the process at once, and only its audit log knows the number. In builds for
//! development the filter sends `SIGSYS` instead, and a handler writes the number before it ends the process the
//! same way. That is weaker: code that has taken over a process which may change its handlers could go on after
//! the refusal, and try the next call. So it is not in release builds unless asked for.

#![allow(unsafe_code)] // a signal handler

use std::ffi::{c_int, c_void};
use std::io::{Cursor, Write};
use std::mem;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use seccompiler::SeccompAction;

/// This process, asked for while that is surely allowed.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// What a filter does with a call that it does not allow.
pub const ACTION: SeccompAction = SeccompAction::Trap;

/// Installs the handler, once.
pub fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(install);
}

fn install() {
    PROCESS.store(std::process::id(), Ordering::Relaxed);
    // SAFETY: zero is valid for every field: an empty mask and no restorer.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handle as *const () as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESETHAND;
    // SAFETY: the handler has the form that SA_SIGINFO demands, and calls only what is async-signal-safe.
    unsafe { libc::sigaction(libc::SIGSYS, &raw const action, ptr::null_mut()) };
}

extern "C" fn handle(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes the interrupted context.
    let registers = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let register = |index: c_int| usize::try_from(index).ok().and_then(|index| registers.get(index)).copied();
    let mut line = Cursor::new([0; 160]);
    let _ = writeln!(
        line,
        "process {}: system call {} ({:#x}, {:#x}, {:#x}) is outside the filter",
        PROCESS.load(Ordering::Relaxed),
        register(libc::REG_RAX).unwrap_or(-1),
        register(libc::REG_RDI).unwrap_or(-1),
        register(libc::REG_RSI).unwrap_or(-1),
        register(libc::REG_RDX).unwrap_or(-1),
    );
    let length = usize::try_from(line.position()).unwrap_or(0);
    // SAFETY: `length` bytes of the buffer were written.
    unsafe { libc::write(libc::STDERR_FILENO, line.get_ref().as_ptr().cast(), length) };
    end();
}

/// Ends the process as the filter would have. If even this call is outside the filter, it ends all the same:
/// a second SIGSYS while the first is being handled is deadly.
fn end() {
    let process = PROCESS.load(Ordering::Relaxed);
    // SAFETY: takes no argument.
    let thread = unsafe { libc::gettid() };
    // SAFETY: plain numbers. The default action, which SA_RESETHAND has put back, is the end.
    unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGSYS) };
}
