//! A timer of the host that goes by the clock of the date.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// Who is to be woken, as a chip sees it.
pub trait Wake: Send {
    /// Wakes at this time, counted from the start of 1970, or as soon as possible if that has passed; not at all if
    /// `None`. The last word counts.
    fn at(&self, time: Option<Duration>);
}

impl<T: Wake + Sync + ?Sized> Wake for Arc<T> {
    fn at(&self, time: Option<Duration>) {
        (**self).at(time);
    }
}

/// The timer. It follows when somebody sets the host's clock.
pub(crate) struct DateTimer(OwnedFd);

impl DateTimer {
    /// A timer that is not set.
    ///
    /// # Errors
    /// The host gives no descriptor.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self(timerfd_create(TimerfdClockId::Realtime, flags)?))
    }

    /// Whether it has gone off since this was last asked.
    pub fn has_expired(&self) -> bool {
        rustix::io::read(&self.0, &mut [0; 8]).is_ok()
    }
}

impl Wake for DateTimer {
    fn at(&self, time: Option<Duration>) {
        const NEVER: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        // A time of zero means never, and nothing that is to happen was due in 1970.
        let it_value = time.map_or(NEVER, |time| Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        });
        let value = Itimerspec { it_interval: NEVER, it_value };
        if let Err(error) = timerfd_settime(&self.0, TimerfdTimerFlags::ABSTIME, &value) {
            // The descriptor is a timer, and any time is a valid one: this does not happen.
            tracing::error!(%error, "the guest's clock does not interrupt");
        }
    }
}

impl AsFd for DateTimer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use super::*;

    #[test]
    fn it_goes_off_once_at_its_time_and_can_be_taken_back() {
        let timer = DateTimer::new().unwrap();
        assert!(!timer.has_expired());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        timer.at(Some(now + Duration::from_millis(20)));
        let start = Instant::now();
        while !timer.has_expired() {
            assert!(start.elapsed() < Duration::from_secs(60), "it does not go off");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(!timer.has_expired());
        timer.at(Some(now));
        timer.at(None);
        assert!(!timer.has_expired());
        timer.at(Some(Duration::MAX));
        assert!(!timer.has_expired());
    }
}
