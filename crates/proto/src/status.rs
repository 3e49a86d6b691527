//! What the daemon says about a virtual machine.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{CpuCount, MemorySize, Owner, VmId, VmName};

/// The STATE column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VmState {
    /// It waits for its turn to be started.
    Waiting,
    /// Its process is being set up.
    Starting,
    /// The guest runs.
    Running,
    /// The guest was made to stand still.
    Paused,
    /// The guest was asked to power off, or its process to end.
    Stopping,
    /// No process.
    Stopped,
}

impl fmt::Display for VmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        })
    }
}

/// One row of `vmctl status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmInfo {
    /// Its number.
    pub id: VmId,
    /// Its name.
    pub name: VmName,
    /// Where it is in its life.
    pub state: VmState,
    /// The process, while there is one.
    pub pid: Option<u32>,
    /// Number of virtual processors.
    pub cpus: CpuCount,
    /// Configured memory.
    pub max_memory: MemorySize,
    /// Resident memory of the process in bytes, while there is one.
    pub current_memory: Option<u64>,
    /// Processor time that the process has used in milliseconds, while there is one.
    pub cpu_time: Option<u64>,
    /// The console's terminal, while there is one.
    pub tty: Option<PathBuf>,
    /// Who started it while it runs, else its configured owner.
    pub owner: Owner,
    /// How its last run ended, if it ran before.
    pub last_exit: Option<ExitReason>,
    /// The settings of the file that it takes on at its next start, by the words of vm.conf(5).
    pub pending: Vec<String>,
}

/// Why a virtual machine's process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitReason {
    /// The guest powered itself off.
    PoweredOff,
    /// It was ended without the guest's consent: by request, or at the end of its time to stop.
    Forced,
    /// The machine could not go on; the text says why.
    Failed(String),
    /// The process was killed by this signal without having been told to end.
    Killed(i32),
    /// The process ended by itself with this status and no word.
    Exited(i32),
    /// The process ended without a word, and how is not known: only the daemon that started it would have been told.
    Gone,
}

impl ExitReason {
    /// The longest text of a failure in bytes, once [`ExitReason::sanitized`].
    pub const MAX_TEXT: usize = 1000;

    /// The same with a text that is not too long and has no control characters: it comes from a process that runs a
    /// hostile guest, is passed on, together with others, in messages that are bounded, and shown on terminals.
    pub fn sanitized(self) -> Self {
        match self {
            Self::Failed(text) => Self::Failed(shortened(text.replace(char::is_control, " "))),
            other => other,
        }
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > ExitReason::MAX_TEXT {
        text.truncate(text.floor_char_boundary(ExitReason::MAX_TEXT - '…'.len_utf8()));
        text.push('…');
    }
    text
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PoweredOff => f.write_str("powered off"),
            Self::Forced => f.write_str("forced to stop"),
            Self::Failed(why) => write!(f, "failed: {why}"),
            // SIGSYS on every architecture that vmd knows.
            Self::Killed(31) => f.write_str("killed: its process made a system call outside its sandbox"),
            Self::Killed(signal) => write!(f, "its process was killed by signal {signal}"),
            Self::Exited(status) => write!(f, "its process ended with status {status}"),
            Self::Gone => f.write_str("its process, which an earlier vmd started, ended without a word"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let long = ExitReason::Failed("ä".repeat(40_000)).sanitized();
        let ExitReason::Failed(text) = &long else { panic!("{long:?}") };
        assert!(text.len() <= ExitReason::MAX_TEXT && text.ends_with("ä…"), "{text}");
        let short = ExitReason::Failed("no kernel".to_owned());
        assert_eq!(short.clone().sanitized(), short);
    }

    #[test]
    fn a_text_can_do_nothing_to_a_terminal() {
        let hostile = ExitReason::Failed("no\r\nkernel\u{1b}[2J\u{9b}5n".to_owned()).sanitized();
        assert_eq!(hostile, ExitReason::Failed("no  kernel [2J 5n".to_owned()));
    }
}
