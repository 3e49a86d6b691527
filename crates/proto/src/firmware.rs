//! What a machine without a kernel starts.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The firmware of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// The BIOS that the host has: [`Firmware::LOCAL_BIOS`] if that exists, else [`Firmware::STOCK_BIOS`].
    Bios,
    /// The UEFI firmware that the host has.
    Uefi,
    /// The BIOS in this file.
    Path(PathBuf),
}

impl Firmware {
    /// Where an administrator puts the BIOS that all machines use, as on OpenBSD.
    pub const LOCAL_BIOS: &str = "/etc/firmware/vmm-bios";
    /// SeaBIOS as Debian has it.
    pub const STOCK_BIOS: &str = "/usr/share/seabios/bios-256k.bin";
}

/// From one of the two words, or a path.
impl From<String> for Firmware {
    fn from(text: String) -> Self {
        match text.as_str() {
            "bios" => Self::Bios,
            "uefi" => Self::Uefi,
            _ => Self::Path(text.into()),
        }
    }
}

/// The word of vm.conf(5), or the path.
impl fmt::Display for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bios => f.write_str("bios"),
            Self::Uefi => f.write_str("uefi"),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}
