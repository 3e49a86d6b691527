//! What the processes of vmd tell one another: the specification of a virtual machine, the messages of
//! each direction, and the errors that travel in them.
//!
//! This crate does no I/O and holds no descriptor. A value that can be constructed here is valid: names,
//! sizes and counts are checked when they are made, and again when they are decoded from a peer's bytes.

#![forbid(unsafe_code)]

pub mod api;
mod cdrom;
mod firmware;
mod globals;
mod instance;
mod manage;
mod message;
mod name;
mod network;
mod policy;
mod request;
mod size;
mod spec;
mod status;

pub use cdrom::{CdromSpec, DriveAnswer, DriveInfo, DriveOrder, DriveRequest, DriveState};
pub use firmware::Firmware;
pub use globals::{Globals, Ipv4Prefix, Ipv6Prefix, LocalInet6, PrefixError, Staggered};
pub use instance::{Given, InstanceError};
pub use manage::{Happening, LogLevel, PlanAction, PlanStep, ResetCause, ResetKind, VmEvent};
pub use message::{
    ControlToParent, ParentToControl, ParentToPriv, ParentToVmm, PrivOp, PrivToParent, RequestId, Slot,
    VmToVmm, VmmToParent, VmmToVm,
};
pub use name::{NameError, VmName, VmRef};
pub use network::{
    GroupName, InterfaceName, MacAddress, MacAddressError, NetNameError, NicSpec, SwitchName, SwitchSpec,
    TapName,
};
pub use policy::{AllowInstance, BootDevice, RestartPolicy};
pub use request::{Peer, Refusal, RefusalKind, Reply, Request, StopMode};
pub use size::{MemorySize, SizeError, format_scaled, parse_scaled};
pub use spec::{CpuCount, CpuCountError, DiskFormat, DiskSpec, Owner, SpecError, VmId, VmSpec};
pub use status::{ExitReason, VmInfo, VmState};
