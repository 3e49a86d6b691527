//! The roles: who each process runs as, what it may do, and why. Nothing about that is decided elsewhere.
//!
//! | role    | runs as        | root       | capabilities                        | talks to              |
//! |---------|----------------|------------|-------------------------------------|-----------------------|
//! | parent  | root           | the host's | `PARENT_CAPABILITIES` below         | priv, control, vmm    |
//! | priv    | the account    | empty      | `CAP_NET_ADMIN`                     | parent                |
//! | control | the account    | empty      | none                                | parent, clients       |
//! | vmm     | the account    | empty      | none                                | parent, every vm      |
//! | vm      | as vmm made it | as vmm's   | none                                | vmm                   |
//!
//! "The account" is the unprivileged one of the daemon, `_vmd`. Each role confines itself, as its first act;
//! whoever started it believes nothing before it has said that it is `Ready`.
//!
//! A seccomp filter outlives an execution. So the parent confines itself only when its children exist, and
//! can start no process from then on; and vmm, which starts one for each machine, has to be allowed all that
//! a vm is allowed.
//!
//! A call outside the filter ends the process with `SIGSYS`. The audit log has its number (in a record of type
//! 1326); a debug build, or one with the feature `privsep/report-violations`, also says it on standard error.

mod calls;
mod control;
mod kvm;
mod parent;
mod privileged;
mod vm;
mod vmm;

use std::path::Path;

use anyhow::Context;
use privsep::sandbox::{CapabilitySet, Filter, FilterError, Identity, Rule, Sandbox};

/// A kind of process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Has the table of machines and the configuration; opens files and terminals.
    Parent,
    /// Carries out what needs privileges over the host's network.
    Priv,
    /// Speaks with clients.
    Control,
    /// Makes the processes of the machines and sees to their ends.
    Vmm,
    /// Is one machine.
    Vm,
}

/// The threads of a vm process, which have less to do than the process had to set them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmThread {
    /// The first one, which owns the machine, from the moment that the guest may run.
    Owner,
    /// Runs one virtual processor.
    Vcpu,
    /// Serves one disk.
    Disk,
    /// Serves the CD-ROM drive.
    Drive,
}

/// What is left of root's privileges in the parent.
const PARENT_CAPABILITIES: CapabilitySet = CapabilitySet::DAC_OVERRIDE // open images wherever their owners keep them
    .union(CapabilitySet::CHOWN) // give a console's terminal to the machine's owner
    .union(CapabilitySet::FOWNER) // and set the mode of what is no longer its own
    .union(CapabilitySet::KILL); // end a child that does not end by itself

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Parent, Self::Priv, Self::Control, Self::Vmm, Self::Vm];

    /// Its name, in the process list, the log and the arguments.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parent => "parent",
            Self::Priv => "priv",
            Self::Control => "control",
            Self::Vmm => "vmm",
            Self::Vm => "vm",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Its title in the process list.
    pub fn title(self) -> String {
        format!("vmd: {}", self.name())
    }

    /// Takes from the calling process all that the role does not need. `account` is the daemon's, `empty` a
    /// directory with nothing in it. The process has a single thread, and of the parent all children exist.
    ///
    /// # Errors
    /// If a step fails. The process has to end then, for it has more rights than it should.
    pub fn confine(self, account: Identity, empty: &Path) -> anyhow::Result<()> {
        let confined = matches!(self, Self::Priv | Self::Control | Self::Vmm);
        let sandbox = Sandbox {
            root: confined.then_some(empty),
            identity: confined.then_some(account),
            capabilities: self.capabilities(),
            filter: self.filter().with_context(|| self.title())?,
        };
        sandbox.enter().with_context(|| self.title())
    }

    fn capabilities(self) -> CapabilitySet {
        match self {
            Self::Parent => PARENT_CAPABILITIES,
            Self::Priv => CapabilitySet::NET_ADMIN, // taps, bridges, addresses, packet filter
            Self::Control | Self::Vmm | Self::Vm => CapabilitySet::empty(),
        }
    }

    fn filter(self) -> Result<Filter, FilterError> {
        Filter::new(self.rules())
    }

    fn rules(self) -> impl Iterator<Item = &'static Rule> {
        let (own, inherited): (_, &[&[Rule]]) = match self {
            Self::Parent => (parent::TABLES, &[]),
            Self::Priv => (privileged::TABLES, &[]),
            Self::Control => (control::TABLES, &[]),
            Self::Vmm => (vmm::TABLES, vm::TABLES),
            Self::Vm => (vm::TABLES, &[]),
        };
        // What a vm does comes first: what its processors do all the time should be found soon.
        inherited.iter().chain(own).copied().flatten()
    }
}

impl VmThread {
    /// The calls that are left to it. The thread installs this itself when it begins its work; it adds up with
    /// that of its process. Threads made afterwards would inherit it, so all exist before the owner installs its.
    ///
    /// # Errors
    /// If the rules can not be compiled.
    pub fn filter(self) -> Result<Filter, FilterError> {
        Filter::new(self.rules())
    }

    fn rules(self) -> impl Iterator<Item = &'static Rule> {
        let tables = match self {
            Self::Owner => vm::OWNER,
            Self::Vcpu => vm::VCPU,
            Self::Disk => vm::DISK,
            Self::Drive => vm::DRIVE,
        };
        tables.iter().copied().flatten()
    }
}

#[cfg(test)]
#[path = "role_test.rs"]
mod tests;
