//! How much memory processes take.

use std::iter::Sum;
use std::process::Command;

use anyhow::{Context, Result};
use vmd_tests::Daemon;

use crate::step::captured;

/// Memory of a process, in KiB (proc_pid_smaps(5)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// All of it, shared or not.
    pub resident: u64,
    /// Its own, and its part of what it shares.
    pub pss: u64,
    /// Its own alone.
    pub private: u64,
}

impl Memory {
    /// Reads that of a process.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn of(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = std::fs::read_to_string(&path).with_context(|| path)?;
        let field = |name: &str| text.lines().filter_map(|line| kib(line, name)).sum();
        let private = field("Private_Clean:") + field("Private_Dirty:");
        Ok(Self { resident: field("Rss:"), pss: field("Pss:"), private })
    }
}

impl Sum for Memory {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            resident: sum.resident + one.resident,
            pss: sum.pss + one.pss,
            private: sum.private + one.private,
        })
    }
}

/// Memory of all roles of a daemon together; what they share is resident in each of them.
///
/// # Errors
/// When it has ended.
pub fn of_roles(daemon: &Daemon<'_>) -> Result<Memory> {
    let parent = daemon.pid().context("no daemon")?;
    let children = captured(Command::new("pgrep").arg("-P").arg(parent.to_string()))?;
    let children = children.lines().map(|pid| Memory::of(pid.trim().parse()?));
    [Memory::of(parent)].into_iter().chain(children).sum()
}

fn kib(line: &str, name: &str) -> Option<u64> {
    line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_of_its_own() {
        let memory = Memory::of(std::process::id()).unwrap();
        assert!(memory.private > 0 && memory.pss >= memory.private, "{memory:?}");
        assert_eq!(kib("Pss:      1234 kB", "Pss:"), Some(1234));
    }
}
