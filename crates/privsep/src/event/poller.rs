//! Readiness of descriptors, by epoll.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

/// The most events that one wait returns; what is left comes with the next.
const BATCH: usize = 64;

/// Watches descriptors, each under a token of the caller's choice. Level-triggered.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
}

/// What is watched for. The peer's end is always reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something to read.
    Read,
    /// Something to read, or room to write.
    ReadWrite,
    /// Room to write.
    Write,
    /// Nothing but the peer's end.
    Hangup,
}

impl Interest {
    /// To read, and to write too if something waits for that.
    pub fn read_and(write: bool) -> Self {
        if write { Self::ReadWrite } else { Self::Read }
    }

    fn flags(self) -> epoll::EventFlags {
        match self {
            Self::Read => epoll::EventFlags::IN,
            Self::ReadWrite => epoll::EventFlags::IN | epoll::EventFlags::OUT,
            Self::Write => epoll::EventFlags::OUT,
            Self::Hangup => epoll::EventFlags::empty(),
        }
    }
}

/// A descriptor is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The token under which it was added.
    pub token: u64,
    /// There is something to read, or reading tells of the end.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// The peer has hung up or the descriptor has failed. What it sent before can still be read.
    pub hangup: bool,
}

impl From<epoll::Event> for Event {
    fn from(event: epoll::Event) -> Self {
        // Copied out, for the kernel's struct is packed.
        let (flags, data) = (event.flags, event.data);
        let hangup = flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR);
        Self {
            token: data.u64(),
            readable: hangup || flags.contains(epoll::EventFlags::IN),
            writable: flags.contains(epoll::EventFlags::OUT),
            hangup,
        }
    }
}

impl Poller {
    /// Makes one that watches nothing.
    ///
    /// # Errors
    /// Those of `epoll_create1(2)`.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll })
    }

    /// Watches `source`, which must be removed before it is closed if there are duplicates of it.
    ///
    /// # Errors
    /// Those of `epoll_ctl(2)`: `EEXIST` if it is watched already.
    pub fn add(&self, source: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, source, epoll::EventData::new_u64(token), interest.flags())?)
    }

    /// Changes what `source` is watched for.
    ///
    /// # Errors
    /// Those of `epoll_ctl(2)`: `ENOENT` if it is not watched.
    pub fn modify(&self, source: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, source, epoll::EventData::new_u64(token), interest.flags())?)
    }

    /// Watches `source` no longer.
    ///
    /// # Errors
    /// Those of `epoll_ctl(2)`: `ENOENT` if it is not watched.
    pub fn remove(&self, source: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, source)?)
    }

    /// Waits for the next events, for ever without a timeout. None on return means that the time is over or
    /// a signal came between.
    ///
    /// # Errors
    /// Those of `epoll_wait(2)` other than `EINTR`.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<Vec<Event>> {
        // A time too long for the kernel is as good as none.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut space = [MaybeUninit::uninit(); BATCH];
        match epoll::wait(&self.epoll, &mut space, timeout.as_ref()) {
            Ok((events, _)) => Ok(events.iter().map(|event| Event::from(*event)).collect()),
            Err(Errno::INTR) => Ok(Vec::new()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
#[path = "poller_test.rs"]
mod tests;
