//! A machine's process, as vmm holds it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use privsep::event::{Poller, is_readable};
use privsep::{Child, Exit};
use proto::{VmToVmm, VmmToVm};
use rustix::process::{Signal, pidfd_send_signal};

use super::supervisor::ProcessEnd;
use crate::link::Link;

pub type VmLink = Link<VmmToVm, VmToVmm>;

/// A machine's process.
pub struct Process {
    pub name: String,
    pub body: Body,
    /// Gone as soon as the process has closed its end.
    pub link: Option<VmLink>,
}

/// The process itself. It becomes readable when it has ended.
pub enum Body {
    /// Made here.
    Child(Child),
    /// Made by the vmm of an earlier daemon, hence a child of the host's init now, which is told how it ends.
    Adopted(OwnedFd),
}

impl Process {
    /// Closes the channel to it.
    pub fn hang_up(&mut self, poller: &Poller) {
        if let Some(link) = self.link.take() {
            link.close(poller);
        }
    }
}

impl Body {
    /// Its end, or `None` if it still runs.
    ///
    /// # Errors
    /// Those of `waitid(2)` and `poll(2)`.
    pub fn end(&self) -> io::Result<Option<ProcessEnd>> {
        match self {
            Self::Child(child) => Ok(child.try_wait()?.map(|exit| match exit {
                Exit::Status(status) => ProcessEnd::Status(status),
                Exit::Signal(signal) => ProcessEnd::Signal(signal),
            })),
            Self::Adopted(pidfd) => Ok(is_readable(pidfd, Duration::ZERO)?.then_some(ProcessEnd::Unknown)),
        }
    }

    /// Kills it.
    ///
    /// # Errors
    /// `ESRCH` if it has ended, `EPERM` if it runs as somebody else.
    pub fn kill(&self) -> io::Result<()> {
        match self {
            Self::Child(child) => child.kill(Signal::KILL),
            Self::Adopted(pidfd) => Ok(pidfd_send_signal(pidfd, Signal::KILL)?),
        }
    }
}

impl AsFd for Body {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Child(child) => child.as_fd(),
            Self::Adopted(pidfd) => pidfd.as_fd(),
        }
    }
}
