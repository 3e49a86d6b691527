//! The last output of machines that have ended.
//!
//! What the user of a pty has not read is lost when its master is closed for the last time. So the parent keeps
//! the master of a console a little longer than its machine lives: until who has it open has read all, and for a
//! machine that ended as soon as it was started, until whoever started it has had the time to open it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use proto::VmId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};

/// The longest that a master is kept, and the age below which a machine's starter may still be on the way.
const PATIENCE: Duration = Duration::from_secs(2);

/// The time between two looks at what is left to read.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks that find nothing before all counts as read: output takes a moment from one side to the other.
const CALM: u8 = 2;

/// The most masters that are kept of machines that have ended.
const MOST: usize = 64;

/// The consoles whose master is kept.
#[derive(Default)]
pub struct Partings {
    living: BTreeMap<VmId, Living>,
    ended: VecDeque<Ended>,
    /// When to look next, if there is something to look at.
    next: Option<Instant>,
}

/// The console of a machine that runs.
struct Living {
    master: OwnedFd,
    started: Instant,
}

/// The console of one that has ended.
struct Ended {
    master: OwnedFd,
    /// When it is closed in any case.
    until: Instant,
    /// Somebody had it open at the last look.
    seen: bool,
    /// Looks in a row that found nothing to read.
    calm: u8,
}

impl Partings {
    /// A machine starts, with this console.
    pub fn started(&mut self, id: VmId, master: OwnedFd, now: Instant) {
        self.living.insert(id, Living { master, started: now });
    }

    /// A machine has ended. Those of earlier daemons are not known, and their consoles have gone with them.
    pub fn ended(&mut self, id: VmId, now: Instant) {
        let Some(Living { master, started }) = self.living.remove(&id) else { return };
        let seen = is_open(&master);
        if !seen && now.saturating_duration_since(started) >= PATIENCE {
            return;
        }
        if self.ended.len() >= MOST {
            self.ended.pop_front();
        }
        self.ended.push_back(Ended { master, until: now + PATIENCE, seen, calm: 0 });
        self.next.get_or_insert(now + PAUSE);
    }

    /// When to call [`Partings::look`] next.
    pub fn next_look(&self) -> Option<Instant> {
        self.next
    }

    /// Closes the consoles that nobody needs any more.
    pub fn look(&mut self, now: Instant) {
        if self.next.is_some_and(|next| next <= now) {
            self.ended.retain_mut(|console| console.is_needed(now));
            self.next = (!self.ended.is_empty()).then(|| now + PAUSE);
        }
    }
}

impl Ended {
    fn is_needed(&mut self, now: Instant) -> bool {
        if now >= self.until {
            return false;
        }
        match (self.seen, is_open(&self.master)) {
            // Whoever came has left.
            (true, false) => return false,
            (false, false) => return true,
            (_, true) => self.seen = true,
        }
        self.calm = if is_read(&self.master) { self.calm.saturating_add(1) } else { 0 };
        self.calm < CALM
    }
}

/// Whether somebody has the terminal open.
fn is_open(master: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(master, PollFlags::empty())];
    let polled = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    polled.is_ok() && !fds.iter().any(|fd| fd.revents().contains(PollFlags::HUP))
}

/// Whether its user has read all. A terminal that can not be asked has nothing left to give.
fn is_read(master: &OwnedFd) -> bool {
    let unread = || -> io::Result<u64> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        Ok(rustix::io::ioctl_fionread(ioctl_tiocgptpeer(master, flags)?)?)
    };
    unread().is_ok_and(|unread| unread == 0)
}

#[cfg(test)]
#[path = "partings_test.rs"]
mod tests;
