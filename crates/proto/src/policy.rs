//! What is to be done with a virtual machine, and by whom.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Owner;

/// Whether a virtual machine is started again when it has ended without being asked to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// It stays stopped.
    #[default]
    Never,
    /// When it ended in another way than by switching itself off.
    OnFailure,
    /// However it ended.
    Always,
}

impl RestartPolicy {
    /// Every policy.
    pub const ALL: [Self; 3] = [Self::Never, Self::OnFailure, Self::Always];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::OnFailure => "on-failure",
            Self::Always => "always",
        }
    }
}

impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the firmware starts from first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BootDevice {
    /// The first disk.
    Disk,
    /// The CD-ROM.
    Cdrom,
    /// The first network interface.
    Net,
}

impl BootDevice {
    /// Every device.
    pub const ALL: [Self; 3] = [Self::Disk, Self::Cdrom, Self::Net];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Cdrom => "cdrom",
            Self::Net => "net",
        }
    }
}

impl fmt::Display for BootDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What instances of a virtual machine may have of their own, and who may make them besides root. Nothing of
/// it binds root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowInstance {
    /// A kernel.
    pub boot: bool,
    /// Another size of memory.
    pub memory: bool,
    /// Other network interfaces.
    pub interface: bool,
    /// Disks.
    pub disk: bool,
    /// A CD-ROM.
    pub cdrom: bool,
    /// Instances of themselves: they get these rights of their template.
    pub instance: bool,
    /// Who may make instances; nobody but root without it.
    pub owner: Option<Owner>,
}

impl AllowInstance {
    /// The rights with their words, in the order of the manual page.
    pub fn rights(&self) -> [(&'static str, bool); 6] {
        [
            ("boot", self.boot),
            ("memory", self.memory),
            ("interface", self.interface),
            ("disk", self.disk),
            ("cdrom", self.cdrom),
            ("instance", self.instance),
        ]
    }
}
