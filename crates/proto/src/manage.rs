//! What is said about the daemon as a whole: its configuration, its log, what happens in it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ExitReason, VmId, VmName, VmState};

/// What a reset forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResetKind {
    /// Machines and switches.
    All,
    /// Switches.
    Switches,
    /// Machines; those that have a process are ended at once.
    Vms,
}

impl ResetKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::All, Self::Switches, Self::Vms];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Switches => "switches",
            Self::Vms => "vms",
        }
    }
}

/// How much the daemon logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What the administrator should know.
    Brief,
    /// Each request and each step as well.
    Verbose,
}

impl LogLevel {
    /// Every level.
    pub const ALL: [Self; 2] = [Self::Brief, Self::Verbose];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Brief => "brief",
            Self::Verbose => "verbose",
        }
    }
}

/// What reading the configuration means for one machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// The machine.
    pub vm: VmName,
    /// What becomes of it.
    pub action: PlanAction,
    /// The settings that change now, by the words of vm.conf(5).
    pub now: Vec<String>,
    /// The settings that change at its next start, because it has a process.
    pub later: Vec<String>,
}

/// What becomes of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanAction {
    /// It is started; before that it is made, or takes on its new settings.
    Start,
    /// It is new and not started.
    Add,
    /// Nothing.
    Keep,
    /// It goes on with other settings.
    Change,
    /// It is no longer in the file: forgotten now, or at its end if it has a process.
    Forget,
}

impl fmt::Display for PlanAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Add => "add",
            Self::Keep => "keep",
            Self::Change => "change",
            Self::Forget => "forget",
        })
    }
}

/// Something happened to a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmEvent {
    /// Its number.
    pub id: VmId,
    /// Its name.
    pub name: VmName,
    /// What.
    pub what: Happening,
}

/// By what way a guest reset its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResetCause {
    /// A fault while it handled a fault while it handled a fault: what a crash without a kernel to report it looks
    /// like, and what some systems do on purpose.
    TripleFault,
    /// The reset register, port 0xCF9, which ACPI names.
    ResetRegister,
    /// The reset line of the keyboard controller.
    KeyboardController,
    /// The fast reset of port 0x92.
    SystemPort,
}

impl fmt::Display for ResetCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TripleFault => "a triple fault",
            Self::ResetRegister => "the reset register",
            Self::KeyboardController => "the keyboard controller",
            Self::SystemPort => "port 0x92",
        })
    }
}

/// What can happen to a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Happening {
    /// It came into another state, or into being in that state.
    State(VmState),
    /// Its guest reset itself and runs again.
    Rebooted,
    /// The disc in its CD-ROM drive was changed.
    DiscChanged,
    /// Its process ended.
    Ended(ExitReason),
    /// It is no longer known.
    Forgotten,
}
