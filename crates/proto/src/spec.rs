//! What was asked for: a virtual machine as the file, a client's request and the daemon's table describe it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    AllowInstance, BootDevice, CdromSpec, Firmware, Globals, MemorySize, NicSpec, RestartPolicy, VmName,
};

/// The number in the ID column: given out from 1, kept for a name as long as the daemon runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VmId(pub u32);

impl fmt::Display for VmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A virtual machine as it was asked for: plain data, comparable, and the same everywhere.
///
/// Paths are absolute. It never holds a descriptor: what was opened for it travels beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmSpec {
    /// Its name, unique in a daemon.
    pub name: VmName,
    /// Whether it is started with the daemon.
    pub enabled: bool,
    /// Main memory.
    pub memory: MemorySize,
    /// Number of virtual processors.
    pub cpus: CpuCount,
    /// The kernel that is loaded directly, or a BIOS; without one the machine starts its firmware.
    pub boot: Option<PathBuf>,
    /// What it starts if there is no `boot`; without either it is [`Firmware::Bios`].
    pub firmware: Option<Firmware>,
    /// The initial RAM disk for that kernel.
    pub initrd: Option<PathBuf>,
    /// The command line for that kernel.
    pub cmdline: String,
    /// Disks in the order in which the guest finds them.
    pub disks: Vec<DiskSpec>,
    /// Its CD-ROM drive, if it has one.
    pub cdrom: Option<CdromSpec>,
    /// Network interfaces in the order in which the guest finds them.
    pub nics: Vec<NicSpec>,
    /// What its firmware starts from first.
    pub boot_device: Option<BootDevice>,
    /// Who may use it besides root.
    pub owner: Owner,
    /// What instances of it may have of their own.
    pub allow: AllowInstance,
    /// The virtual machine that it is an instance of.
    pub template: Option<VmName>,
    /// Whether it is started again when it ends.
    pub restart: RestartPolicy,
    /// How long the guest has for stopping by itself, in whole seconds; without it as long as the daemon's
    /// [`Globals::stop_timeout`].
    pub stop_timeout: Option<Duration>,
}

impl VmSpec {
    /// The longest kernel command line in bytes, the NUL not counted (Linux's `COMMAND_LINE_SIZE` on x86).
    pub const MAX_CMDLINE: usize = 2047;

    /// The longest path in bytes (Linux's `PATH_MAX`, less its NUL).
    pub const MAX_PATH: usize = 4095;

    /// The most disks that a machine can have: what is left of the 31 free slots of its one PCI bus when the
    /// devices that every machine has are in place.
    pub const MAX_DISKS: usize = 28;

    /// The most disks, network interfaces and CD-ROM drives together, for the same reason.
    pub const MAX_DEVICES: usize = Self::MAX_DISKS;

    /// A machine with the default settings.
    pub fn new(name: VmName) -> Self {
        Self {
            name,
            enabled: true,
            memory: MemorySize::DEFAULT,
            cpus: CpuCount::ONE,
            boot: None,
            firmware: None,
            initrd: None,
            cmdline: String::new(),
            disks: Vec::new(),
            cdrom: None,
            nics: Vec::new(),
            boot_device: None,
            owner: Owner::ROOT,
            allow: AllowInstance::default(),
            template: None,
            restart: RestartPolicy::default(),
            stop_timeout: None,
        }
    }

    /// How many devices it has that need a slot of the bus each.
    pub fn device_count(&self) -> usize {
        self.disks.len() + self.nics.len() + usize::from(self.cdrom.is_some())
    }
}

/// A number of virtual processors, 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct CpuCount(u8);

/// A number of processors outside 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a virtual machine has 1 to {} processors", CpuCount::MAX)]
pub struct CpuCountError;

impl CpuCount {
    /// A single processor.
    pub const ONE: Self = Self(1);
    /// The most that a machine can have.
    pub const MAX: u8 = 64;

    /// Checks a count.
    ///
    /// # Errors
    /// [`CpuCountError`] outside 1 to 64.
    pub fn new(count: u64) -> Result<Self, CpuCountError> {
        match u8::try_from(count) {
            Ok(count @ 1..=Self::MAX) => Ok(Self(count)),
            _ => Err(CpuCountError),
        }
    }

    /// The count.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for CpuCount {
    type Error = CpuCountError;
    fn try_from(count: u8) -> Result<Self, CpuCountError> {
        Self::new(count.into())
    }
}

impl From<CpuCount> for u8 {
    fn from(count: CpuCount) -> Self {
        count.0
    }
}

/// A disk: an image file and what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSpec {
    /// The image.
    pub path: PathBuf,
    /// How the image is laid out.
    pub format: DiskFormat,
}

/// Layouts of disk images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskFormat {
    /// The bytes of the disk and nothing else.
    Raw,
}

impl fmt::Display for DiskFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw => f.write_str("raw"),
        }
    }
}

/// The account that may use a virtual machine besides root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its user id.
    pub uid: u32,
    /// The group whose members may use it too.
    pub gid: Option<u32>,
}

impl Owner {
    /// Nobody but root.
    pub const ROOT: Self = Self { uid: 0, gid: None };
}

/// Why a machine cannot be as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// More disks than [`VmSpec::MAX_DISKS`].
    #[error("{0} disks are too many; a virtual machine has at most {max}", max = VmSpec::MAX_DISKS)]
    TooManyDisks(usize),
    /// More devices than [`VmSpec::MAX_DEVICES`].
    #[error(
        "{0} disks, network interfaces and CD-ROM drives are too many; a virtual machine has at most {max}",
        max = VmSpec::MAX_DEVICES
    )]
    TooManyDevices(usize),
    /// A time for stopping that is longer than [`Globals::MAX_STOP_TIMEOUT`].
    #[error("a guest has at most {} seconds for stopping", Globals::MAX_STOP_TIMEOUT.as_secs())]
    StopTimeout,
    /// A command line longer than [`VmSpec::MAX_CMDLINE`].
    #[error("the kernel's command line is longer than {} bytes", VmSpec::MAX_CMDLINE)]
    CmdlineTooLong,
    /// A command line with a NUL byte, where the kernel would end it.
    #[error("the kernel's command line contains a NUL byte")]
    CmdlineNul,
    /// A path that depends on a working directory.
    #[error("{0:?} is not an absolute path")]
    RelativePath(PathBuf),
    /// A path longer than [`VmSpec::MAX_PATH`].
    #[error("a path of {0} bytes is too long; at most {max} can be used", max = VmSpec::MAX_PATH)]
    PathTooLong(usize),
    /// An initial RAM disk or a command line, but no kernel to take them.
    #[error("initrd and cmdline are for a kernel that is named with boot")]
    NoKernel,
    /// Both a kernel and firmware to start.
    #[error("a virtual machine starts either what boot names or its firmware, not both")]
    KernelAndFirmware,
}

impl VmSpec {
    /// Checks what the types of the fields do not say.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), SpecError> {
        if self.disks.len() > Self::MAX_DISKS {
            return Err(SpecError::TooManyDisks(self.disks.len()));
        }
        if self.device_count() > Self::MAX_DEVICES {
            return Err(SpecError::TooManyDevices(self.device_count()));
        }
        if self.stop_timeout.is_some_and(|time| time > Globals::MAX_STOP_TIMEOUT) {
            return Err(SpecError::StopTimeout);
        }
        if self.cmdline.len() > Self::MAX_CMDLINE {
            return Err(SpecError::CmdlineTooLong);
        }
        if self.cmdline.contains('\0') {
            return Err(SpecError::CmdlineNul);
        }
        if self.boot.is_none() && (self.initrd.is_some() || !self.cmdline.is_empty()) {
            return Err(SpecError::NoKernel);
        }
        if self.boot.is_some() && self.firmware.is_some() {
            return Err(SpecError::KernelAndFirmware);
        }
        self.paths().try_for_each(|path| check_path(path))
    }

    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let firmware = match &self.firmware {
            Some(Firmware::Path(path)) => Some(path),
            _ => None,
        };
        self.boot
            .iter()
            .chain(firmware)
            .chain(&self.initrd)
            .chain(self.cdrom.iter().filter_map(|cdrom| cdrom.disc.as_ref()))
            .chain(self.disks.iter().map(|disk| &disk.path))
    }
}

fn check_path(path: &Path) -> Result<(), SpecError> {
    match path.as_os_str().len() {
        length if length > VmSpec::MAX_PATH => Err(SpecError::PathTooLong(length)),
        _ if !path.is_absolute() => Err(SpecError::RelativePath(path.to_owned())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Result<VmSpec, crate::NameError> {
        Ok(VmSpec { boot: Some("/vmlinuz".into()), ..VmSpec::new(VmName::new("web")?) })
    }

    #[test]
    fn a_request_is_checked_beyond_its_types() -> Result<(), crate::NameError> {
        assert_eq!(spec()?.validate(), Ok(()));
        let long = VmSpec { cmdline: "x".repeat(VmSpec::MAX_CMDLINE + 1), ..spec()? };
        assert_eq!(long.validate(), Err(SpecError::CmdlineTooLong));
        let nul = VmSpec { cmdline: "a\0b".into(), ..spec()? };
        assert_eq!(nul.validate(), Err(SpecError::CmdlineNul));
        let disk = DiskSpec { path: "a.img".into(), format: DiskFormat::Raw };
        let relative = VmSpec { disks: vec![disk.clone()], ..spec()? };
        assert_eq!(relative.validate(), Err(SpecError::RelativePath("a.img".into())));
        let endless = VmSpec { boot: Some(format!("/{}", "x".repeat(4095)).into()), ..spec()? };
        assert_eq!(endless.validate(), Err(SpecError::PathTooLong(4096)));
        let many = VmSpec { disks: vec![disk; VmSpec::MAX_DISKS + 1], ..spec()? };
        assert_eq!(many.validate(), Err(SpecError::TooManyDisks(29)));
        let no_kernel = VmSpec { boot: None, initrd: Some("/initrd".into()), ..spec()? };
        assert_eq!(no_kernel.validate(), Err(SpecError::NoKernel));
        let both = VmSpec { firmware: Some(Firmware::Bios), ..spec()? };
        assert_eq!(both.validate(), Err(SpecError::KernelAndFirmware));
        let path = Firmware::Path("bios.bin".into());
        let relative = VmSpec { boot: None, firmware: Some(path), ..spec()? };
        assert_eq!(relative.validate(), Err(SpecError::RelativePath("bios.bin".into())));
        Ok(())
    }

    #[test]
    fn processors_are_counted_from_one_to_sixty_four() {
        assert_eq!(CpuCount::new(1), Ok(CpuCount::ONE));
        assert_eq!(CpuCount::new(64).map(CpuCount::get), Ok(64));
        assert_eq!(CpuCount::new(0), Err(CpuCountError));
        assert_eq!(CpuCount::new(65), Err(CpuCountError));
    }
}
