//! What the machine has to say to its owner.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use proto::ResetCause;
use rustix::event::{EventfdFlags, epoll, eventfd};

use crate::sync::lock;
use crate::timer::DateTimer;

/// Something happened in the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineEvent {
    /// The guest switched the machine off. It does not go on by itself.
    PoweredOff,
    /// The guest asked for a reset, or broke in a way that resets a PC, and which of these it was. The machine waits for
    /// [`Machine::reset`](crate::Machine::reset).
    Reset(ResetCause),
    /// The machine can not go on; the text says why and what to do.
    Failed(String),
    /// The serial line takes input again, after it had not taken all.
    SerialRoom,
}

/// The events that have not been fetched yet: each kind at most once, so that no guest can make them many.
pub(crate) struct Events {
    pending: Mutex<Pending>,
    ready: OwnedFd,
    /// For the chip that has to do something at a certain time.
    timer: Arc<DateTimer>,
    /// Readable while one of the two is.
    either: OwnedFd,
}

#[derive(Default)]
struct Pending {
    failed: Option<String>,
    powered_off: bool,
    reset: Option<ResetCause>,
    serial_room: bool,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.failed.is_none() && !self.powered_off && self.reset.is_none() && !self.serial_room
    }

    /// The most serious one.
    fn take(&mut self) -> Option<MachineEvent> {
        let flag = |flag: &mut bool, event| std::mem::take(flag).then_some(event);
        self.failed
            .take()
            .map(MachineEvent::Failed)
            .or_else(|| flag(&mut self.powered_off, MachineEvent::PoweredOff))
            .or_else(|| self.reset.take().map(MachineEvent::Reset))
            .or_else(|| flag(&mut self.serial_room, MachineEvent::SerialRoom))
    }
}

impl Events {
    pub fn new() -> io::Result<Self> {
        let ready = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        let timer = DateTimer::new()?;
        let either = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for fd in [ready.as_fd(), timer.as_fd()] {
            epoll::add(&either, fd, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        }
        Ok(Self { pending: Mutex::default(), ready, timer: Arc::new(timer), either })
    }

    /// The timer.
    pub fn timer(&self) -> &Arc<DateTimer> {
        &self.timer
    }

    /// Reports an event.
    pub fn send(&self, event: MachineEvent) {
        let mut pending = lock(&self.pending);
        match event {
            MachineEvent::PoweredOff => pending.powered_off = true,
            // The first one is what happened.
            MachineEvent::Reset(cause) => pending.reset = pending.reset.or(Some(cause)),
            MachineEvent::SerialRoom => pending.serial_room = true,
            // The first failure is the cause of those that follow.
            MachineEvent::Failed(why) => pending.failed = Some(pending.failed.take().unwrap_or(why)),
        }
        // It fails only when the counter is full, and then it is readable.
        let _ = rustix::io::write(&self.ready, &1u64.to_ne_bytes());
    }

    /// The next event.
    pub fn next(&self) -> Option<MachineEvent> {
        let mut pending = lock(&self.pending);
        let event = pending.take();
        self.settle(&pending);
        event
    }

    /// Forgets a reset that was asked for by another processor before the one that is being done.
    pub fn forget_reset(&self) {
        let mut pending = lock(&self.pending);
        pending.reset = None;
        self.settle(&pending);
    }

    /// Keeps the descriptor readable exactly as long as something is pending.
    fn settle(&self, pending: &Pending) {
        if pending.is_empty() {
            // It fails only when it was not readable.
            let _ = rustix::io::read(&self.ready, &mut [0; 8]);
        }
    }
}

/// Readable while an event is pending, or the timer has expired.
impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.either.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAUSE: ResetCause = ResetCause::ResetRegister;

    fn readable(events: &Events) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut fds = [PollFd::new(events, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
    }

    #[test]
    fn each_kind_is_reported_once_the_most_serious_first() {
        let events = Events::new().unwrap();
        assert!(!readable(&events));
        for event in [
            MachineEvent::SerialRoom,
            MachineEvent::Reset(CAUSE),
            MachineEvent::Reset(ResetCause::TripleFault),
            MachineEvent::PoweredOff,
        ] {
            events.send(event);
        }
        events.send(MachineEvent::Failed("first".into()));
        events.send(MachineEvent::Failed("second".into()));
        assert!(readable(&events));
        let all: Vec<_> = std::iter::from_fn(|| events.next()).collect();
        let failed = MachineEvent::Failed("first".into());
        assert_eq!(
            all,
            [failed, MachineEvent::PoweredOff, MachineEvent::Reset(CAUSE), MachineEvent::SerialRoom]
        );
        assert!(!readable(&events));
    }

    #[test]
    fn a_reset_under_way_swallows_those_asked_for_before() {
        let events = Events::new().unwrap();
        events.send(MachineEvent::Reset(CAUSE));
        events.forget_reset();
        assert!(!readable(&events));
        assert_eq!(events.next(), None);
    }
}
