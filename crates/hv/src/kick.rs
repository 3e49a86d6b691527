//! Fetching a processor's thread out of the guest.
//!
//! A signal alone would be lost if it came between the thread's last look at its orders and the entry into
//! the guest. So the handler also sets `immediate_exit` in the pages that the thread shares with KVM while it
//! is in or near the call, and leaves a note for the next call otherwise. The handler runs on the thread it
//! concerns.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::os::raw::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{Ordering, compiler_fence};
use std::thread::JoinHandle;

use kvm_ioctls::VcpuFd;
use vmm_sys_util::signal::{Killable, SIGRTMIN, register_signal_handler};

use crate::Error;

thread_local! {
    /// Whether this thread was kicked since it last left the guest.
    static KICKED: Cell<bool> = const { Cell::new(false) };
    /// `immediate_exit` of the processor that this thread is about to run or runs, else null.
    static IMMEDIATE_EXIT: Cell<*mut u8> = const { Cell::new(null_mut()) };
}

/// Fetches the processor that `thread` runs out of the guest: its [`run`](crate::Processor::run), under way
/// or the next one, returns [`Exit::Interrupted`](crate::Exit::Interrupted). Uses the first real-time signal.
pub fn kick<T>(thread: &JoinHandle<T>) {
    // It could only fail for a number that is no signal, or a thread that has ended and needs no kick.
    let _ = thread.kill(SIGRTMIN());
}

/// Installs the handler of the signal, once in the process. [`Kvm::from_fd`](crate::Kvm::from_fd) does it;
/// who kicks threads without KVM has to.
///
/// # Errors
/// The signal can not be had.
pub fn prepare_kicks() -> Result<(), Error> {
    static INSTALLED: OnceLock<Result<(), kvm_ioctls::Error>> = OnceLock::new();
    let installed = *INSTALLED.get_or_init(|| register_signal_handler(SIGRTMIN(), on_kick));
    installed.map_err(Error::of("install the signal that stops virtual processors"))
}

// Generic over the signal's details, which it does not look at.
extern "C" fn on_kick<T>(_: c_int, _: *mut T, _: *mut c_void) {
    KICKED.set(true);
    compiler_fence(Ordering::SeqCst);
    let flag = IMMEDIATE_EXIT.get();
    if !flag.is_null() {
        // SAFETY: `Armed` puts the pointer there for as long as the mapping is borrowed, and this handler
        // runs on the same thread, so that nothing else accesses it at this moment but the kernel.
        unsafe { flag.write_volatile(1) };
    }
}

/// Forgets kicks that have had their effect.
pub(crate) fn forget() {
    KICKED.set(false);
}

/// While this exists a kick of this thread ends the processor's call.
pub(crate) struct Armed;

impl Armed {
    /// Arms this thread for one call. A kick that came before ends it at once.
    pub fn new(vcpu: &mut VcpuFd) -> Self {
        IMMEDIATE_EXIT.set(&raw mut vcpu.get_kvm_run().immediate_exit);
        compiler_fence(Ordering::SeqCst);
        if KICKED.replace(false) {
            vcpu.set_kvm_immediate_exit(1);
        }
        Self
    }
}

impl Drop for Armed {
    fn drop(&mut self) {
        IMMEDIATE_EXIT.set(null_mut());
        compiler_fence(Ordering::SeqCst);
    }
}
