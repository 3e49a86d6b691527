//! What the host says about a process (proc_pid_stat(5)).

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// In what the host counts.
#[derive(Clone, Copy, Debug)]
pub struct Units {
    /// Bytes in a page.
    page: u64,
    /// Clock ticks in a second.
    ticks: u64,
}

/// What a process uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory in bytes.
    pub memory: u64,
    /// Processor time of all its threads in milliseconds.
    pub time: u64,
}

impl Units {
    /// Those of this host.
    pub fn of_this_host() -> Self {
        Self { page: rustix::param::page_size() as u64, ticks: rustix::param::clock_ticks_per_second() }
    }

    /// What a process uses; `None` if it has ended.
    pub fn usage(self, pid: u32) -> Option<Usage> {
        self.parse_usage(&read_stat(pid)?)
    }

    fn parse_usage(self, stat: &str) -> Option<Usage> {
        let ticks = field(stat, 14)?.checked_add(field(stat, 15)?)?;
        let memory = field(stat, 24)?.checked_mul(self.page)?;
        Some(Usage { memory, time: ticks.checked_mul(1000)?.checked_div(self.ticks)? })
    }
}

/// How long the host has been running, not counting when it was suspended.
pub fn host_time() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    // It never is before its beginning.
    Duration::try_from(now).unwrap_or_default()
}

/// When a process started, in clock ticks after the start of the host; `None` if it has ended. Together with the
/// number of the process it names one process for as long as the host runs.
pub fn start_time(pid: u32) -> Option<u64> {
    field(&read_stat(pid)?, 22)
}

fn read_stat(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/stat")).ok()
}

/// A field by its number in the manual, from 4 on; `None` if the process has ended. The name of the program, in
/// parentheses, may hold anything; the fields behind it are plain. The first of them is the state, field 3.
fn field(stat: &str, number: usize) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split_ascii_whitespace();
    match fields.next()? {
        // It has ended; only its status is left to be fetched.
        "Z" | "X" | "x" => None,
        _ => fields.nth(number.checked_sub(4)?)?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_whatever_the_program_is_called() {
        let rest = (4..=52).map(|field: u32| field.to_string()).collect::<Vec<_>>().join(" ");
        for name in ["vmd: vm/web", "a) S (b", ") Z "] {
            assert_eq!(field(&format!("7 ({name}) S {rest}\n"), 22), Some(22), "{name}");
            assert_eq!(field(&format!("7 ({name}) Z {rest}\n"), 22), None, "{name}");
        }
        assert_eq!(field("7 (vmd) S 1 2", 22), None);
        assert_eq!(field("", 22), None);
        let units = Units { page: 4096, ticks: 100 };
        let usage = units.parse_usage(&format!("7 (vmd) S {rest}\n"));
        assert_eq!(usage, Some(Usage { memory: 24 * 4096, time: (14 + 15) * 10 }));
    }

    #[test]
    fn this_process_has_memory_and_a_start_time() {
        let pid = std::process::id();
        assert!(Units::of_this_host().usage(pid).unwrap().memory > 0);
        assert!(start_time(pid).unwrap() > 0);
    }
}
