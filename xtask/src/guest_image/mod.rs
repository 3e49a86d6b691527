//! The Debian guest: a small Debian with systemd and a login on a raw ext4 disk, Debian's own kernel, and an
//! initial file system of busybox; and all of that on a disk with GRUB.
//!
//! It is built once and again when its recipe, which is all of this directory and `debian.rs`, or its kernel changes.

mod grub;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use vmd_tests::guest::{self, Guest};
use vmd_tests::{initramfs, kernel::Kernel, paths};

use crate::debian::{self, Recipe, make_filesystem, make_tree, remove_tree, unless_stamped};

/// What the guest has beyond Debian's smallest set. The power button reaches logind through udev and D-Bus.
pub const PACKAGES: &str = "dbus,login,systemd-sysv,udev";
/// Modules for its disk, its CD-ROM drive, its random numbers, its power button and what systemd asks for; it has no
/// others.
pub const MODULES: [&str; 10] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "sr_mod",
    "isofs",
    "virtio_rng",
    "ext4",
    "button",
    "evdev",
    "autofs4",
];
/// The size of its disk, a file that takes as much space as is in use.
const DISK_SIZE: &str = "1G";
/// The size of the lab's disk with the guest on it, which leaves space for some copies.
const LAB_DISK_SIZE: &str = "6G";

/// The name of the file that says what the guest was made from.
const STAMP: &str = "stamp";

/// First program of a Debian of ours: mounts the file system that the kernel's command line names.
pub const INIT: &str = include_str!("init.sh");
const CUSTOMIZE: &str = include_str!("customize.sh");
/// This file, as a part of the recipe.
const RECIPE: &str = include_str!("mod.rs");

/// Builds the guest unless it is there.
///
/// # Errors
/// When a package cannot be fetched or a file cannot be written.
pub fn prepare(kernel: &Kernel) -> Result<()> {
    let guest = Guest::built()?;
    let directory = paths::guest_dir()?;
    let recipe =
        format!("{}\n{INIT}\n{CUSTOMIZE}\n{RECIPE}\n{}\n{}", kernel.version(), debian::RECIPE, grub::RECIPE);
    unless_stamped(&directory.join(STAMP), &recipe, || build(&directory, &guest, kernel))
}

/// What the guest that is there was made from.
///
/// # Errors
/// When it has not been made.
pub fn made_from() -> Result<String> {
    fs::read_to_string(paths::guest_dir()?.join(STAMP)).context("the Debian guest has not been made")
}

/// Writes the script that makes a fresh Debian tree a guest to `directory`.
///
/// # Errors
/// When it cannot be written.
pub fn script(directory: &Path) -> Result<PathBuf> {
    let script = directory.join("customize.sh");
    fs::write(&script, CUSTOMIZE).with_context(|| format!("cannot write {}", script.display()))?;
    Ok(script)
}

/// Builds the lab's disk with the guests on it unless it is there.
///
/// # Errors
/// When it cannot be written.
pub fn prepare_lab_disk() -> Result<()> {
    let disk = guest::lab_disk_path()?;
    let built = Guest::built()?;
    if is_newer(&disk, &built.disk) && is_newer(&disk, &built.uefi_disk) {
        return Ok(());
    }
    let source = built.disk.parent().context("the guest has no directory")?;
    make_filesystem("disk of the lab", source, &disk, LAB_DISK_SIZE)
}

fn build(directory: &Path, guest: &Guest, kernel: &Kernel) -> Result<()> {
    let images = guest.disk.parent().context("the guest has no directory")?;
    remove_tree(images)?;
    fs::create_dir_all(images)?;
    fs::copy(kernel.image(), &guest.kernel).context("cannot copy the guest's kernel")?;
    initramfs::write(&guest.initrd, kernel, INIT, &MODULES, &[])?;
    let tree = directory.join("tree");
    let scripts = [script(directory)?];
    make_tree(&Recipe { name: "guest", packages: PACKAGES, scripts: &scripts }, &tree)?;
    make_filesystem("disk of the guest", &tree, &guest.disk, DISK_SIZE)?;
    grub::build(directory, guest)?;
    remove_tree(&tree)
}

fn is_newer(file: &Path, than: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    changed(file).zip(changed(than)).is_some_and(|(file, than)| file > than)
}
