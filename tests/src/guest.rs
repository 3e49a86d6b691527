//! The Debian guest that `cargo xtask prepare` builds: a kernel, an initial file system and a disk.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::lab::LabDisk;
use crate::paths;

/// The files of a Debian guest. Its console is the first serial port; root logs in without a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The kernel, a bzImage.
    pub kernel: PathBuf,
    /// The initial file system, which mounts the first disk and hands over to it.
    pub initrd: PathBuf,
    /// The disk, a raw image with an ext4 file system and no partitions.
    pub disk: PathBuf,
    /// The disk of another one, raw with partitions, which firmware starts from: UEFI, GRUB, and the same Debian.
    pub uefi_disk: PathBuf,
    /// A disk with the same system in a partition, its kernel and initial file system in it, and GRUB for a BIOS.
    pub grub_disk: PathBuf,
}

/// The kernel command line that the guest expects.
pub const CMDLINE: &str = "console=ttyS0 root=/dev/vda rw quiet";

/// The name of the lab's disk with the guest on it.
const LAB_DISK: &str = "guest";

impl Guest {
    /// The guest as it was built. Its disk is the pattern for others and must not be written: copy it.
    ///
    /// # Errors
    /// When the target directory cannot be found.
    pub fn built() -> Result<Self> {
        Ok(Self::in_directory(&paths::guest_dir()?.join("image")))
    }

    /// The guest in a lab that was given [`lab_disk`]. Everything there can be written.
    pub fn in_lab() -> Self {
        Self::in_directory(&Path::new("/lab").join(LAB_DISK))
    }

    /// The guest whose three files are in `directory`.
    fn in_directory(directory: &Path) -> Self {
        Self {
            kernel: directory.join("vmlinuz"),
            initrd: directory.join("initrd"),
            disk: directory.join("debian.img"),
            uefi_disk: directory.join("uefi.img"),
            grub_disk: directory.join("debian-grub.img"),
        }
    }
}

/// A disk for a lab with the guest on it, see [`Guest::in_lab`].
///
/// # Errors
/// When it has not been built.
pub fn lab_disk() -> Result<LabDisk> {
    let image = paths::existing(lab_disk_path()?, "cargo xtask prepare")?;
    Ok(LabDisk { name: LAB_DISK.to_owned(), image })
}

/// Where the image of that disk is.
///
/// # Errors
/// When the target directory cannot be found.
pub fn lab_disk_path() -> Result<PathBuf> {
    Ok(paths::lab_dir()?.join("guest.disk"))
}
