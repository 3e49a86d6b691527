//! The messages between the roles, one enum for each direction.
//!
//! Each message is one packet of a sequenced-packet socket pair. Descriptors ride with it; a message that
//! carries some names their use in a list of [`Slot`]s of the same length and order. A parent believes
//! nothing about a child before the child has said `Ready`.

use serde::{Deserialize, Serialize};

use crate::{
    DriveAnswer, DriveOrder, ExitReason, LogLevel, Peer, Reply, Request, ResetCause, StopMode, VmId, VmName,
    VmSpec,
};

/// Ties an answer to its request between control and parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// What a descriptor is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Slot {
    /// `/dev/kvm`.
    Kvm,
    /// The master side of the console's pty.
    Console,
    /// The listening socket on which a later daemon finds the process again.
    Listener,
    /// What `boot` names, a kernel or a BIOS, open for reading.
    Kernel,
    /// The firmware, open for reading; instead of [`Slot::Kernel`].
    Firmware,
    /// Its initial RAM disk, open for reading.
    Initrd,
    /// The variables of UEFI firmware, open for reading and writing and locked.
    FirmwareVars,
    /// The disk with this index, open for reading and writing and locked.
    Disk(u16),
    /// The disc in the CD-ROM drive, open for reading and locked.
    Cdrom,
}

/// From parent to control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParentToControl {
    /// The listening control socket (one descriptor). Sent once, after `Ready`.
    Listen,
    /// An answer to a client's request.
    Reply(RequestId, Reply),
    /// Change how much is logged.
    Log(LogLevel),
}

/// From control to parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlToParent {
    /// The sandbox is closed; work can come.
    Ready,
    /// A client asks.
    Request(RequestId, Peer, Request),
    /// The client has gone; answers to this request are no longer wanted.
    Cancel(RequestId),
}

/// From parent to priv.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParentToPriv {
    /// Carry this out.
    Do(PrivOp),
    /// Change how much is logged.
    Log(LogLevel),
}

/// The closed list of privileged acts. It is empty until there is a network to set up: whatever arrives
/// at priv today can not be decoded, and ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrivOp {}

/// From priv to parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrivToParent {
    /// The sandbox is closed; work can come.
    Ready,
}

/// From parent to vmm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParentToVmm {
    /// Make a process for this machine. Descriptors as the slots say.
    Start {
        /// The machine's number.
        id: VmId,
        /// The machine.
        spec: Box<VmSpec>,
        /// What the descriptors are for, in their order.
        slots: Vec<Slot>,
    },
    /// Take charge of a machine whose process an earlier daemon has left running. Two descriptors: the connection
    /// to the process's own socket, and its pidfd.
    Adopt {
        /// The machine's number.
        id: VmId,
        /// Its name.
        name: VmName,
        /// Its process.
        pid: u32,
    },
    /// Stop this machine. Also raises a graceful stop under way to a forced one.
    Stop {
        /// The machine's number.
        id: VmId,
        /// How.
        mode: StopMode,
        /// Time for the guest in milliseconds before it is forced.
        grace_ms: u64,
    },
    /// Send a break to the first serial line.
    Break(VmId),
    /// Somebody has opened the console's terminal: a pty tells its master only when the last one leaves.
    Opened(VmId),
    /// Have the machine stand still.
    Pause(VmId),
    /// Have it go on.
    Unpause(VmId),
    /// See to the machine's CD-ROM drive. Beside it the image of a disc that is put in, open for reading and locked.
    /// Answered with [`VmmToParent::Drive`], in the order of the orders.
    Drive(VmId, DriveOrder),
    /// Change how much vmm and the machines' processes log.
    Log(LogLevel),
}

/// From vmm to parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VmmToParent {
    /// The sandbox is closed; work can come.
    Ready,
    /// The machine's process exists and is being told what to be.
    Spawned(VmId, u32),
    /// The guest runs.
    Started(VmId),
    /// The guest reset itself and starts again in the same process.
    Rebooted(VmId, ResetCause),
    /// The machine stands still.
    Paused(VmId),
    /// It goes on.
    Unpaused(VmId),
    /// What became of an order about its CD-ROM drive.
    Drive(VmId, DriveAnswer),
    /// The machine's process is gone, or never came to be. Nothing of it is left in vmm.
    Ended(VmId, ExitReason),
}

/// From vmm to a vm process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VmmToVm {
    /// Be this machine. Descriptors as the slots say. Always the first message.
    Hello {
        /// The machine's number.
        id: VmId,
        /// The machine.
        spec: Box<VmSpec>,
        /// What the descriptors are for, in their order.
        slots: Vec<Slot>,
    },
    /// Ask the guest to power off; one that stands still goes on for that.
    PowerButton,
    /// Halt the processors, drain and sync the disks, and end.
    Halt,
    /// Send a break to the first serial line.
    Break,
    /// Somebody has opened the console's terminal.
    Opened,
    /// Stand still. Answered with [`VmToVmm::Paused`].
    Pause,
    /// Go on. Answered with [`VmToVmm::Unpaused`].
    Unpause,
    /// See to the CD-ROM drive. Beside it the image of a disc that is put in. Answered with [`VmToVmm::Drive`].
    Drive(DriveOrder),
    /// Change how much is logged.
    Log(LogLevel),
}

/// From a vm process to vmm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VmToVmm {
    /// The machine is built, the sandbox closed, the guest runs.
    Ready,
    /// The guest reset itself and starts again.
    Rebooted(ResetCause),
    /// The machine stands still.
    Paused,
    /// It goes on.
    Unpaused,
    /// What became of an order about the CD-ROM drive.
    Drive(DriveAnswer),
    /// The last word before the end of the process. Disks are synced.
    Exiting(ExitReason),
}
