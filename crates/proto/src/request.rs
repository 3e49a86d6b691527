//! What a client may ask, and what it is told.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    DriveInfo, DriveRequest, ExitReason, Given, LogLevel, PlanStep, ResetKind, VmEvent, VmId, VmInfo, VmName,
    VmRef, VmSpec,
};

/// The client as the kernel vouches for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Process id, for the log.
    pub pid: u32,
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// One request of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// One [`Reply::Vm`] for each machine, or for the named one, then [`Reply::Done`].
    Status(Option<VmRef>),
    /// Start a machine that the daemon knows. Answered with [`Reply::Started`] once it runs.
    Start(VmRef),
    /// Define a machine and start it; it is forgotten when it ends. Answered like [`Request::Start`].
    StartNew(Box<VmSpec>),
    /// Make an instance of a machine and start it; it is forgotten when it ends. Answered like [`Request::Start`].
    StartInstance {
        /// The machine after whose pattern it is made.
        template: VmName,
        /// What it has of its own, not checked before it is completed.
        spec: Box<VmSpec>,
        /// Which of its settings those are.
        given: Given,
    },
    /// Stop a machine. Answered with [`Reply::Stopping`] at once, and, if `wait` is set, with
    /// [`Reply::Ended`] at its end.
    Stop {
        /// Which.
        vm: VmRef,
        /// How.
        mode: StopMode,
        /// Whether the client stays for the end.
        wait: bool,
    },
    /// Answered with [`Reply::Ended`] when the machine has ended.
    Wait(VmRef),
    /// Send a break to the machine's first serial line. Answered with [`Reply::Done`].
    Break(VmRef),
    /// Have the machine stand still. Answered with [`Reply::Acted`] when it does.
    Pause(VmRef),
    /// Have a paused machine go on. Answered with [`Reply::Acted`] when it does.
    Unpause(VmRef),
    /// Look at the machine's CD-ROM drive, or change its disc. Answered with [`Reply::Drive`].
    Drive(VmRef, DriveRequest),
    /// Read the configuration again and follow it, or with `dry_run` say what that would mean: one
    /// [`Reply::Step`] for each machine, then [`Reply::Done`].
    Reload {
        /// Whether nothing is to be changed.
        dry_run: bool,
    },
    /// Add what this configuration file, an absolute path, defines. Answered with [`Reply::Done`].
    Load(PathBuf),
    /// Forget what the daemon knows. Answered with [`Reply::Done`] at once; machines end after that.
    Reset(ResetKind),
    /// Change how much is logged. Answered with [`Reply::Done`].
    Log(LogLevel),
    /// End the daemon without its machines, for another one to take charge of them. Answered with
    /// [`Reply::Leaving`].
    Restart,
    /// One [`Reply::Event`] for whatever happens to a machine from now on, without end.
    Events,
}

/// How a machine is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopMode {
    /// The guest is asked to power off, and given time.
    Graceful,
    /// The machine halts at once; its disks are synced.
    Force,
}

/// One answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// A row of the status; more answers follow.
    Vm(Box<VmInfo>),
    /// The machine runs.
    Started {
        /// Its number.
        id: VmId,
        /// Its name.
        name: VmName,
        /// Its console.
        tty: PathBuf,
    },
    /// The request to stop was accepted; more answers follow if the client waits.
    Stopping {
        /// The machine's number.
        id: VmId,
    },
    /// The machine's process is gone.
    Ended {
        /// The machine's number.
        id: VmId,
        /// How it came.
        how: ExitReason,
    },
    /// What was asked was done to the machine with this number.
    Acted {
        /// The machine's number.
        id: VmId,
    },
    /// How a CD-ROM drive is, after what was asked was done.
    Drive(DriveInfo),
    /// What the configuration means for one machine; more answers follow.
    Step(PlanStep),
    /// Something happened; more answers follow.
    Event(VmEvent),
    /// The daemon ends, and its machines run on.
    Leaving {
        /// What starts the next daemon, word by word; empty if whoever started this one sees to that.
        command: Vec<String>,
    },
    /// Nothing more to say.
    Done,
    /// The request was refused or failed.
    Refused(Refusal),
}

impl Reply {
    /// Whether further answers to the same request follow. `waiting` says whether the request was one
    /// to stop that waits for the end.
    pub fn is_last(&self, waiting: bool) -> bool {
        match self {
            Self::Vm(_) | Self::Step(_) | Self::Event(_) => false,
            Self::Stopping { .. } => !waiting,
            Self::Started { .. }
            | Self::Acted { .. }
            | Self::Drive(_)
            | Self::Ended { .. }
            | Self::Leaving { .. }
            | Self::Done
            | Self::Refused(_) => true,
        }
    }
}

/// Why a request was not carried out: a kind for programs, a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind.
    pub kind: RefusalKind,
    /// What happened, to which object, and what to do.
    pub message: String,
}

/// Kinds of refusal. Each is an error of the Varlink interface and one message of OpenBSD's vmctl.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalKind {
    /// No machine of that name or number.
    NotFound,
    /// The request needs a running machine.
    NotRunning,
    /// The machine runs already, or a machine of that name exists.
    AlreadyExists,
    /// The machine is already stopping.
    AlreadyStopping,
    /// The client may not do that.
    NotPermitted,
    /// There is no machine of that name to make an instance of.
    Template,
    /// The kernel, its RAM disk or the firmware could not be used.
    BootImage,
    /// A disk image could not be used.
    Disk,
    /// The image of a disc for the CD-ROM drive could not be used, or there is no drive.
    Cdrom,
    /// The guest has locked the disc in.
    Locked,
    /// The host has not enough memory.
    Memory,
    /// What was asked is not built.
    Unsupported,
    /// Anything else.
    Failed,
}
