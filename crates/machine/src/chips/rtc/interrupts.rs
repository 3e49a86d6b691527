//! When the clock interrupts ("Interrupts", "Periodic Interrupt Selection").

use std::time::Duration;

use super::{
    ALARM, ALARM_ANY, ALARMS, INTERRUPT_REQUEST, INTERRUPTS, PERIODIC, RATE, REGISTER_A, REGISTER_B, Rtc,
    UPDATE,
};

/// The frequency of the time base, which all periods are multiples of.
const BASE_HZ: u64 = 32_768;
const NANOSECONDS: u64 = 1_000_000_000;
const DAY: u64 = 86_400;

impl Rtc {
    /// The host's timer has gone off.
    pub fn tick(&mut self) {
        // It is to be set anew even if it was early.
        self.wake = None;
        self.update();
    }

    /// Reading register C clears the flags, and the line goes low.
    pub(super) fn take_flags(&mut self) -> u8 {
        self.look();
        let request = if self.is_requested() { INTERRUPT_REQUEST } else { 0 };
        let flags = std::mem::take(&mut self.flags) | request;
        self.update();
        flags
    }

    /// Drives the line, and has the host wake us when it has to change by itself.
    pub(super) fn update(&mut self) {
        self.look();
        self.irq.set(self.is_requested());
        let next = if self.paused { None } else { self.next_interrupt() };
        let wake = next.map(|next| self.host_time_of(next));
        if wake != self.wake {
            self.wake = wake;
            self.timer.at(wake);
        }
    }

    /// Sets the flags of what has happened since somebody looked.
    pub(super) fn look(&mut self) {
        let (before, now) = (self.looked, self.now());
        self.looked = now;
        if self.period().is_some_and(|shift| ticks(before) >> shift != ticks(now) >> shift) {
            self.flags |= PERIODIC;
        }
        if self.setting() || before.as_secs() == now.as_secs() {
            return;
        }
        self.flags |= UPDATE;
        if self.next_alarm(before.as_secs()).is_some_and(|alarm| alarm <= now.as_secs()) {
            self.flags |= ALARM;
        }
    }

    /// Whether a flag is set whose interrupt is enabled.
    fn is_requested(&self) -> bool {
        self.flags & self.byte(REGISTER_B) & INTERRUPTS != 0
    }

    /// The guest's time when the next interrupt that is enabled becomes due. None before the last one was taken.
    fn next_interrupt(&self) -> Option<Duration> {
        if self.is_requested() {
            return None;
        }
        let enabled = |interrupt| self.byte(REGISTER_B) & interrupt != 0;
        let second = self.looked.as_secs();
        let periodic = self.period().filter(|_| enabled(PERIODIC)).map(|shift| self.next_period(shift));
        let update =
            (enabled(UPDATE) && !self.setting()).then(|| Duration::from_secs(second.saturating_add(1)));
        let alarm = if enabled(ALARM) && !self.setting() { self.next_alarm(second) } else { None };
        [periodic, update, alarm.map(Duration::from_secs)].into_iter().flatten().min()
    }

    /// How many ticks of the time base a period has, as a power of two; `None` if there are no periods.
    fn period(&self) -> Option<u8> {
        match self.byte(REGISTER_A) & RATE {
            0 => None,
            rate @ 1..=2 => Some(rate.saturating_add(6)),
            rate => Some(rate.saturating_sub(1)),
        }
    }

    /// The end of the period that runs.
    fn next_period(&self, shift: u8) -> Duration {
        let end = (ticks(self.looked) >> shift).saturating_add(1) << shift;
        let nanoseconds = (end % BASE_HZ).saturating_mul(NANOSECONDS).div_ceil(BASE_HZ);
        Duration::from_secs(end / BASE_HZ).saturating_add(Duration::from_nanos(nanoseconds))
    }

    /// The first second after this one that the alarm bytes are right for, if there is any. An hour that they are not
    /// right for is passed as a whole, and so is a minute.
    fn next_alarm(&self, after: u64) -> Option<u64> {
        let [second, minute, hour] = ALARMS.map(|(_, alarm)| self.byte(alarm));
        let fits = |alarm: u8, value: u8| alarm & ALARM_ANY == ALARM_ANY || alarm == value;
        // One that is never right would have all seconds of a day looked at.
        if ![second, minute].into_iter().all(|alarm| (0..60).any(|value| fits(alarm, self.encode(value)))) {
            return None;
        }
        let end = after.saturating_add(DAY);
        let mut at = after.saturating_add(1);
        while at <= end {
            if !fits(hour, self.encode_hour(at / 3600 % 24)) {
                at = (at / 3600).saturating_add(1).saturating_mul(3600);
            } else if !fits(minute, self.encode(at / 60 % 60)) {
                at = (at / 60).saturating_add(1).saturating_mul(60);
            } else if !fits(second, self.encode(at % 60)) {
                at = at.saturating_add(1);
            } else {
                return Some(at);
            }
        }
        None
    }

    /// The host's time at a time of the guest.
    fn host_time_of(&self, time: Duration) -> Duration {
        let seconds = time.as_secs().saturating_add_signed(self.ahead.saturating_neg());
        Duration::new(seconds, time.subsec_nanos())
    }
}

/// A time in ticks of the time base.
fn ticks(time: Duration) -> u64 {
    let part = u64::from(time.subsec_nanos()).saturating_mul(BASE_HZ) / NANOSECONDS;
    time.as_secs().saturating_mul(BASE_HZ).saturating_add(part)
}

#[cfg(test)]
#[path = "interrupts_test.rs"]
mod tests;
