//! The console: the guest's first serial line at one end, a terminal of the host at the other.
//!
//! What the guest prints goes into a backlog of at most [`BACKLOG`] bytes and from there to the terminal as
//! fast as its user reads. While nobody has the terminal open the backlog keeps the latest output, and who
//! comes is shown it first.
//!
//! The processors' threads only add to the backlog; the terminal belongs to the loop of the process, which
//! they wake when it sleeps.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use machine::SerialOutput;
use privsep::event::Waker;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// How much output is kept while nobody reads it, in bytes.
pub const BACKLOG: usize = 256 * 1024;

/// How much is moved at once, in bytes.
const CHUNK: usize = 4096;

/// What the guest printed and nobody has read yet.
pub struct Backlog {
    inner: Mutex<Inner>,
    waker: Waker,
}

#[derive(Default)]
struct Inner {
    bytes: VecDeque<u8>,
    /// Whether somebody reads, so that new output is worth waking the loop.
    attached: bool,
    /// The loop was woken and has not looked yet.
    woken: bool,
}

impl Backlog {
    fn new() -> io::Result<Self> {
        Ok(Self { inner: Mutex::default(), waker: Waker::new()? })
    }

    /// No thread can leave it half changed, so a thread that died with the lock did no harm.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SerialOutput for Backlog {
    fn write(&self, bytes: &[u8]) {
        let mut inner = self.lock();
        inner.push(bytes);
        if inner.attached && !inner.woken {
            inner.woken = true;
            drop(inner);
            // It fails only if the descriptor is gone, and then there is no loop to wake.
            let _ = self.waker.wake();
        }
    }
}

impl Inner {
    /// Adds at the end and drops from the front what is too much.
    fn push(&mut self, bytes: &[u8]) {
        let bytes = bytes.get(bytes.len().saturating_sub(BACKLOG)..).unwrap_or_default();
        let surplus = (self.bytes.len() + bytes.len()).saturating_sub(BACKLOG);
        self.bytes.drain(..surplus.min(self.bytes.len()));
        self.bytes.extend(bytes);
    }
}

/// The console of a machine.
pub struct Console {
    backlog: Arc<Backlog>,
    master: OwnedFd,
    attached: bool,
    /// Read from the terminal and not yet taken by the machine.
    input: Vec<u8>,
}

/// What the loop should watch the terminal for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// Input from the user.
    pub read: bool,
    /// Room for output.
    pub write: bool,
}

impl Console {
    /// Makes a console of the master side of a terminal.
    ///
    /// # Errors
    /// When there are no more descriptors.
    pub fn new(master: OwnedFd) -> io::Result<Self> {
        let backlog = Arc::new(Backlog::new()?);
        Ok(Self { backlog, master, attached: false, input: Vec::new() })
    }

    /// Where the machine's output goes.
    pub fn output(&self) -> Arc<dyn SerialOutput> {
        self.backlog.clone()
    }

    /// Readable when there is new output for a user who is there.
    pub fn waker(&self) -> BorrowedFd<'_> {
        self.backlog.waker.as_fd()
    }

    /// The terminal.
    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// What to watch the terminal for; nothing at all while nobody is there, for then it would report without end
    /// that nobody is there.
    pub fn wants(&self) -> Option<Wants> {
        let write = !self.backlog.lock().bytes.is_empty();
        self.attached.then_some(Wants { read: self.input.is_empty(), write })
    }

    /// Somebody has opened the terminal, and may have closed it since.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn opened(&mut self) -> io::Result<()> {
        self.attached = !self.is_deserted()?;
        self.backlog.lock().attached = self.attached;
        if self.attached { self.send() } else { Ok(()) }
    }

    /// The last user has left. What they did not type to the end is forgotten with them.
    pub fn closed(&mut self) {
        self.attached = false;
        self.input.clear();
        self.backlog.lock().attached = false;
    }

    /// Moves output to the terminal, as much as it takes. Call it when woken and when there is room.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn send(&mut self) -> io::Result<()> {
        self.backlog.waker.drain()?;
        let mut inner = self.backlog.lock();
        inner.woken = false;
        while self.attached && !inner.bytes.is_empty() {
            let (front, _) = inner.bytes.as_slices();
            let chunk = front.get(..CHUNK).unwrap_or(front);
            match rustix::io::write(&self.master, chunk) {
                Ok(written) => drop(inner.bytes.drain(..written)),
                Err(Errno::AGAIN) => {
                    // The terminal reports room; the processors need not wake anybody before.
                    inner.woken = true;
                    break;
                }
                Err(Errno::INTR) => {}
                Err(Errno::IO) => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Moves to the terminal what it takes of the last output, for who has it open, and for whoever opens it before
    /// the parent closes it too.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn part(&mut self) -> io::Result<()> {
        self.attached = true;
        self.send()
    }

    /// Reads what the user typed and hands it to `machine`, which says how many bytes it took.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn receive(&mut self, machine: impl FnOnce(&[u8]) -> usize) -> io::Result<()> {
        if self.input.is_empty() {
            let mut chunk = [0; CHUNK];
            match rustix::io::read(&self.master, &mut chunk) {
                Ok(length) => self.input.extend(chunk.get(..length).unwrap_or_default()),
                // The user has left just now, or there is nothing after all.
                Err(Errno::IO | Errno::AGAIN | Errno::INTR) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
        let taken = machine(&self.input).min(self.input.len());
        self.input.drain(..taken);
        Ok(())
    }

    fn is_deserted(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.master, PollFlags::empty())];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
        Ok(fds.iter().any(|fd| fd.revents().contains(PollFlags::HUP)))
    }
}

#[cfg(test)]
#[path = "console_test.rs"]
mod tests;
