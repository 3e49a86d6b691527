//! What is said on the control socket: the parameters and replies of the Varlink interface
//! [`INTERFACE`], as both its server and its client hold them.
//!
//! `vmd/org.vmd.Manager1.varlink` describes the same for everybody else. Field names are those of the JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    BootDevice, CdromSpec, CpuCount, CpuCountError, DiskFormat, DiskSpec, DriveInfo, ExitReason, Firmware,
    Given, Happening, MemorySize, NameError, NetNameError, NicSpec, PlanStep, RefusalKind, SizeError,
    SpecError, SwitchName, VmEvent, VmId, VmInfo, VmName, VmSpec, VmState,
};

/// The name of the interface. Its last digit is its version: whatever a client could rely on stays as it is
/// until the digit changes.
pub const INTERFACE: &str = "org.vmd.Manager1";

/// The socket of a daemon that was told no other.
pub const DEFAULT_SOCKET: &str = "/run/vmd.sock";

/// A virtual machine, as `List` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vm {
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
    /// Configured memory in bytes.
    pub max_memory: MemorySize,
    /// Resident memory of the process in bytes, while there is one.
    pub current_memory: Option<u64>,
    /// Processor time that the process has used in milliseconds, while there is one.
    #[serde(default)]
    pub cpu_time: Option<u64>,
    /// The console's terminal, while there is one.
    pub tty: Option<PathBuf>,
    /// User id of who started it while it runs, else of its configured owner.
    pub uid: u32,
    /// The group whose members may use it too.
    pub gid: Option<u32>,
    /// How its last run ended, if it ran before.
    pub last_exit: Option<Exit>,
    /// The settings of the file that it takes on at its next start, by the words of vm.conf(5).
    #[serde(default)]
    pub pending: Vec<String>,
}

impl From<VmInfo> for Vm {
    fn from(info: VmInfo) -> Self {
        Self {
            id: info.id,
            name: info.name,
            state: info.state,
            pid: info.pid,
            cpus: info.cpus,
            max_memory: info.max_memory,
            current_memory: info.current_memory,
            cpu_time: info.cpu_time,
            tty: info.tty,
            uid: info.owner.uid,
            gid: info.owner.gid,
            last_exit: info.last_exit.map(Exit::from),
            pending: info.pending,
        }
    }
}

/// How a machine's process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The kind of end.
    pub how: ExitKind,
    /// The signal if it was killed, the status if it exited.
    pub code: Option<i32>,
    /// The same for people.
    pub message: String,
}

/// Kinds of end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitKind {
    /// See [`ExitReason::PoweredOff`].
    PoweredOff,
    /// See [`ExitReason::Forced`].
    Forced,
    /// See [`ExitReason::Failed`].
    Failed,
    /// See [`ExitReason::Killed`].
    Killed,
    /// See [`ExitReason::Exited`].
    Exited,
    /// See [`ExitReason::Gone`].
    Gone,
}

impl From<ExitReason> for Exit {
    fn from(reason: ExitReason) -> Self {
        let (how, code) = match reason {
            ExitReason::PoweredOff => (ExitKind::PoweredOff, None),
            ExitReason::Forced => (ExitKind::Forced, None),
            ExitReason::Failed(_) => (ExitKind::Failed, None),
            ExitReason::Killed(signal) => (ExitKind::Killed, Some(signal)),
            ExitReason::Exited(status) => (ExitKind::Exited, Some(status)),
            ExitReason::Gone => (ExitKind::Gone, None),
        };
        Self { how, code, message: reason.to_string() }
    }
}

/// A machine that a client defines. What it leaves out has the default of vm.conf.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// The machine of which it is an instance: what it leaves out is as there.
    pub template: Option<String>,
    /// Main memory in bytes, rounded down to whole MiB.
    pub memory: Option<u64>,
    /// Number of virtual processors.
    pub cpus: Option<u64>,
    /// Absolute path of the kernel, or of a BIOS.
    pub boot: Option<PathBuf>,
    /// Absolute path of its initial RAM disk.
    pub initrd: Option<PathBuf>,
    /// Its command line.
    pub cmdline: Option<String>,
    /// What it starts without a kernel: `bios`, `uefi`, or the absolute path of a BIOS.
    pub firmware: Option<String>,
    /// What firmware starts from first.
    pub boot_device: Option<BootDevice>,
    /// Disks in the order in which the guest finds them.
    pub disks: Option<Vec<Disk>>,
    /// Absolute path of the image of a disc in its CD-ROM drive; without one it has no drive.
    pub cdrom: Option<PathBuf>,
    /// Network interfaces in the order in which the guest finds them.
    pub interfaces: Option<Vec<Interface>>,
}

/// A disk of a [`Spec`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Absolute path of the image.
    pub path: PathBuf,
    /// How it is laid out; raw if nothing is said.
    pub format: Option<DiskFormat>,
}

/// A network interface of a [`Spec`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Whether the host takes part in it.
    pub local: Option<bool>,
    /// The switch that it is attached to.
    pub switch: Option<String>,
}

/// What is wrong with a [`Spec`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpec {
    /// The name.
    #[error("{0:?} is no name for a virtual machine: {1}")]
    Name(String, NameError),
    /// The memory.
    #[error(transparent)]
    Memory(#[from] SizeError),
    /// The number of processors.
    #[error(transparent)]
    Cpus(#[from] CpuCountError),
    /// The name of a switch.
    #[error("{0:?} is no name for a switch: {1}")]
    Switch(String, NetNameError),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] SpecError),
}

impl TryFrom<Spec> for VmSpec {
    type Error = InvalidSpec;

    /// Makes a complete, checked specification. Its owner is root until somebody says who asked.
    fn try_from(spec: Spec) -> Result<Self, InvalidSpec> {
        let vm = spec.unchecked()?;
        vm.validate()?;
        Ok(vm)
    }
}

impl Spec {
    /// What an instance has of its own, to be checked when it is complete.
    ///
    /// # Errors
    /// [`InvalidSpec`]
    pub fn into_instance(self) -> Result<(VmSpec, Given), InvalidSpec> {
        let given = Given {
            memory: self.memory.is_some(),
            cpus: self.cpus.is_some(),
            cmdline: self.cmdline.is_some(),
            ..Given::default()
        };
        Ok((self.unchecked()?, given))
    }

    fn unchecked(self) -> Result<VmSpec, InvalidSpec> {
        let spec = self;
        let mut vm = VmSpec::new(name(spec.name)?);
        if let Some(bytes) = spec.memory {
            vm.memory = MemorySize::from_bytes(bytes)?;
        }
        if let Some(cpus) = spec.cpus {
            vm.cpus = CpuCount::new(cpus)?;
        }
        vm.boot = spec.boot;
        vm.initrd = spec.initrd;
        vm.cmdline = spec.cmdline.unwrap_or_default();
        vm.firmware = spec.firmware.map(Firmware::from);
        vm.boot_device = spec.boot_device;
        vm.disks = spec.disks.unwrap_or_default().into_iter().map(DiskSpec::from).collect();
        vm.cdrom = spec.cdrom.map(CdromSpec::with);
        let interfaces = spec.interfaces.unwrap_or_default();
        vm.nics = interfaces.into_iter().map(Interface::into_nic).collect::<Result<_, _>>()?;
        vm.template = spec.template.map(name).transpose()?;
        Ok(vm)
    }
}

fn name(text: String) -> Result<VmName, InvalidSpec> {
    VmName::new(&text).map_err(|e| InvalidSpec::Name(text, e))
}

impl Interface {
    fn into_nic(self) -> Result<NicSpec, InvalidSpec> {
        let switch = |text: String| SwitchName::new(text.as_str()).map_err(|e| InvalidSpec::Switch(text, e));
        let (local, switch) = (self.local.unwrap_or(false), self.switch.map(switch).transpose()?);
        Ok(NicSpec { local, switch, ..NicSpec::default() })
    }
}

impl From<Disk> for DiskSpec {
    fn from(disk: Disk) -> Self {
        Self { path: disk.path, format: disk.format.unwrap_or(DiskFormat::Raw) }
    }
}

/// The reply of `List`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Running machines first.
    pub vms: Vec<Vm>,
}

/// The reply of `Start` and `StartNew`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The machine's number.
    pub id: VmId,
    /// Its name.
    pub name: VmName,
    /// Its console.
    pub tty: PathBuf,
}

/// The replies of `Stop` and `Wait`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// The machine's number.
    pub id: VmId,
    /// How it ended; nothing as long as it has not.
    pub exit: Option<Exit>,
}

/// The replies of `Pause` and `Unpause`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acted {
    /// The machine's number.
    pub id: VmId,
}

/// The reply of `Cdrom` and `ChangeCdrom`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drive {
    /// The machine's number.
    pub id: VmId,
    /// The image of the disc that is in it.
    pub disc: Option<PathBuf>,
    /// Whether the guest has locked the tray.
    pub locked: bool,
    /// Whether the guest has opened the tray.
    pub open: bool,
}

impl From<DriveInfo> for Drive {
    fn from(DriveInfo { id, disc, state }: DriveInfo) -> Self {
        Self { id, disc, locked: state.locked, open: state.open }
    }
}

/// The reply of `Reload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What becomes of each machine.
    pub plan: Vec<PlanStep>,
}

/// A reply of `Monitor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The machine's number.
    pub id: VmId,
    /// Its name.
    pub name: VmName,
    /// What happened.
    pub event: EventKind,
    /// The state that it came into, if it did.
    pub state: Option<VmState>,
    /// How its process ended, if it did.
    pub exit: Option<Exit>,
}

/// Kinds of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// See [`Happening::State`].
    State,
    /// See [`Happening::Rebooted`].
    Rebooted,
    /// See [`Happening::DiscChanged`].
    Disc,
    /// See [`Happening::Ended`].
    Ended,
    /// See [`Happening::Forgotten`].
    Forgotten,
}

impl From<VmEvent> for Event {
    fn from(VmEvent { id, name, what }: VmEvent) -> Self {
        let (event, state, exit) = match what {
            Happening::State(state) => (EventKind::State, Some(state), None),
            Happening::Rebooted => (EventKind::Rebooted, None, None),
            Happening::DiscChanged => (EventKind::Disc, None, None),
            Happening::Ended(how) => (EventKind::Ended, None, Some(Exit::from(how))),
            Happening::Forgotten => (EventKind::Forgotten, None, None),
        };
        Self { id, name, event, state, exit }
    }
}

/// The reply of `Restart`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// What starts the next daemon, word by word; empty if whoever started this one sees to that.
    pub command: Vec<String>,
}

/// The parameters of every error of the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// What happened, to which object, and what to do.
    pub message: String,
}

impl RefusalKind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::NotFound,
        Self::NotRunning,
        Self::AlreadyExists,
        Self::AlreadyStopping,
        Self::NotPermitted,
        Self::Template,
        Self::BootImage,
        Self::Disk,
        Self::Cdrom,
        Self::Locked,
        Self::Memory,
        Self::Unsupported,
        Self::Failed,
    ];

    /// The full name of the Varlink error.
    pub fn error_name(self) -> String {
        format!("{INTERFACE}.{self:?}")
    }

    /// The kind with this full name.
    pub fn from_error_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.error_name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec { name: "web".into(), boot: Some("/boot/vmlinuz".into()), ..Spec::default() }
    }

    #[test]
    fn what_is_left_out_has_the_default() {
        let vm = VmSpec::try_from(spec()).unwrap();
        assert_eq!(vm.memory, MemorySize::DEFAULT);
        assert_eq!(vm.cpus, CpuCount::ONE);
        assert_eq!(vm.boot, Some("/boot/vmlinuz".into()));
        assert!(vm.disks.is_empty() && vm.cmdline.is_empty() && vm.initrd.is_none());
    }

    #[test]
    fn a_spec_is_checked_before_anybody_acts_on_it() {
        let refused = |spec| VmSpec::try_from(spec).unwrap_err();
        assert!(matches!(refused(Spec { name: "..".into(), ..spec() }), InvalidSpec::Name(..)));
        assert!(matches!(refused(Spec { memory: Some(1), ..spec() }), InvalidSpec::Memory(_)));
        assert!(matches!(refused(Spec { cpus: Some(65), ..spec() }), InvalidSpec::Cpus(_)));
        let relative = Disk { path: "disk.img".into(), format: None };
        assert!(matches!(refused(Spec { disks: Some(vec![relative]), ..spec() }), InvalidSpec::Other(_)));
    }

    #[test]
    fn each_kind_of_refusal_has_a_name_of_its_own() {
        for kind in RefusalKind::ALL {
            assert_eq!(RefusalKind::from_error_name(&kind.error_name()), Some(kind));
        }
        assert_eq!(RefusalKind::from_error_name("NotFound"), None);
        assert_eq!(RefusalKind::from_error_name("org.vmd.Manager1.Odd"), None);
    }

    #[test]
    fn an_end_keeps_its_number() {
        let exit = Exit::from(ExitReason::Killed(9));
        assert_eq!((exit.how, exit.code), (ExitKind::Killed, Some(9)));
        assert_eq!(exit.message, "its process was killed by signal 9");
    }
}
