//! The daemon as a service: what the administrator and the service manager are told about it as a whole.

use std::time::{Duration, Instant};

use proto::VmName;

use super::table::VmTable;
use crate::notify::Notifier;

/// How long the daemon needs for stopping besides the time of the guests: 10 seconds in which machines that were
/// forced sync their disks, then its own end.
const RESERVE: Duration = Duration::from_secs(20);

/// The most machines that are named in one line.
const NAMED: usize = 8;

/// The daemon as a service.
pub struct Service {
    notifier: Notifier,
    /// When the manager has to hear next that the daemon lives.
    next_sign: Option<Instant>,
    /// What was said last.
    status: String,
    /// What starts the next daemon, word by word.
    successor: Vec<String>,
}

impl Service {
    /// A service that has said nothing yet. `successor` is the command that starts the next daemon, empty if nobody
    /// but the service manager, or a person, can do that.
    pub fn new(notifier: Notifier, successor: Vec<String>) -> Self {
        let next_sign = notifier.watchdog().map(|_| Instant::now());
        Self { notifier, next_sign, status: String::new(), successor }
    }

    /// The command that starts the next daemon.
    pub fn successor(&self) -> &[String] {
        &self.successor
    }

    /// Clients can come.
    pub fn ready(&self) {
        self.notifier.say("READY=1");
    }

    /// The host goes down, and all machines of `table` with it, each in its own time.
    pub fn stopping(&self, table: &VmTable) {
        let longest = table.live().map(|(id, _)| table.time_to_stop(id)).max();
        let budget = longest.unwrap_or_default().saturating_add(RESERVE);
        self.notifier.say(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", budget.as_micros()));
    }

    /// Tells how it stands, if that has changed. Of the way down the log has every step.
    pub fn report(&mut self, table: &VmTable) {
        let going_down = table.is_going_down();
        if !going_down && !self.notifier.is_heard() {
            return;
        }
        let names: Vec<_> = table.live().map(|(_, spec)| &spec.name).collect();
        let status = if going_down { still_running(&names) } else { running(names.len(), table.len()) };
        if status != self.status {
            if going_down {
                tracing::info!("{status}");
            }
            self.notifier.say(&format!("STATUS={status}"));
            self.status = status;
        }
    }

    /// Gives a sign of life if it is time for one.
    pub fn sign(&mut self, now: Instant) {
        if let (Some(period), Some(due)) = (self.notifier.watchdog(), self.next_sign)
            && due <= now
        {
            self.notifier.say("WATCHDOG=1");
            self.next_sign = Some(now + period);
        }
    }

    /// When the next sign of life is due.
    pub fn next_sign(&self) -> Option<Instant> {
        self.next_sign
    }
}

fn running(running: usize, all: usize) -> String {
    format!("{running} of {all} virtual machines running")
}

fn still_running(names: &[&VmName]) -> String {
    let named: Vec<_> = names.iter().take(NAMED).map(|name| name.as_str()).collect();
    let more = if names.len() > NAMED { ", ..." } else { "" };
    match names.len() {
        0 => "shutting down: no virtual machine is left".to_owned(),
        left => {
            format!("shutting down: waiting for {left} of the virtual machines: {}{more}", named.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_first_machines_and_counts_all() {
        let names: Vec<_> = (0..10).map(|n| VmName::new(format!("vm{n}")).unwrap()).collect();
        let line = |count: usize| still_running(&names.iter().take(count).collect::<Vec<_>>());
        assert_eq!(line(0), "shutting down: no virtual machine is left");
        assert_eq!(line(2), "shutting down: waiting for 2 of the virtual machines: vm0, vm1");
        let long = line(10);
        assert!(long.contains("waiting for 10") && long.ends_with("vm6, vm7, ..."), "{long}");
        assert_eq!(running(3, 7), "3 of 7 virtual machines running");
    }

    #[test]
    fn without_a_watchdog_no_sign_is_due() {
        assert_eq!(Service::new(Notifier::default(), Vec::new()).next_sign(), None);
    }
}
