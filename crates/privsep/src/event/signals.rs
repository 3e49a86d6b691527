//! Signals as something to read, by signalfd.

#![allow(unsafe_code)] // signalfd and the signal mask are not in rustix

use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Pid, Signal};

/// Signals that are read from a descriptor and no longer interrupt.
#[derive(Debug)]
pub struct Signals(OwnedFd);

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its number, as in [`Signal::as_raw`].
    pub number: i32,
    /// Who sent it, if it was a process that can be seen from here.
    pub sender: Option<Pid>,
}

impl Received {
    /// Whether it is `signal`.
    pub fn is(&self, signal: Signal) -> bool {
        self.number == signal.as_raw()
    }
}

impl Signals {
    /// Blocks `signals` in the calling thread and makes them readable. Threads made later inherit the block;
    /// call it before there are any.
    ///
    /// # Errors
    /// Those of `signalfd(2)`.
    pub fn new(signals: &[Signal]) -> io::Result<Self> {
        let set = signal_set(signals);
        // SAFETY: `set` is an initialised set, and no old set is asked for.
        let blocked = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
        if blocked != 0 {
            return Err(io::Error::from_raw_os_error(blocked));
        }
        // SAFETY: `set` is an initialised set; -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was made just now and belongs to nobody else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Takes the next signal; `None` if there is none now. Signals of one number that come before they are
    /// read fall together.
    ///
    /// # Errors
    /// Those of `read(2)`.
    pub fn read(&self) -> io::Result<Option<Received>> {
        let mut bytes = [0; mem::size_of::<libc::signalfd_siginfo>()];
        match rustix::io::read(&self.0, &mut bytes) {
            Err(Errno::AGAIN) => Ok(None),
            Err(errno) => Err(errno.into()),
            Ok(length) if length < bytes.len() => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(Some(parse(bytes))),
        }
    }
}

fn parse(bytes: [u8; mem::size_of::<libc::signalfd_siginfo>()]) -> Received {
    // SAFETY: the sizes agree and the structure consists of integers, for which any bytes are valid.
    let info: libc::signalfd_siginfo = unsafe { mem::transmute(bytes) };
    Received { number: info.ssi_signo.cast_signed(), sender: Pid::from_raw(info.ssi_pid.cast_signed()) }
}

/// The set of these signals, as the C library wants it.
pub(crate) fn signal_set(signals: &[Signal]) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `set` is valid for writing.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for signal in signals {
        // SAFETY: `set` was initialised above, and a number out of range is refused without effect.
        unsafe { libc::sigaddset(set.as_mut_ptr(), signal.as_raw()) };
    }
    // SAFETY: `sigemptyset` has initialised it.
    unsafe { set.assume_init() }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
#[path = "signals_test.rs"]
mod tests;
