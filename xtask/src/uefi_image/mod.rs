//! The Debian guest for UEFI: the same Debian on a disk with partitions (GPT), of which the first is for the firmware (FAT)
//! and has GRUB where firmware looks for a loader on a disk that it does not know.
//!
//! It is built once and again when its recipe, which is all of this directory and what the guest is made from, changes.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use vmd_tests::guest::Guest;
use vmd_tests::{initramfs, kernel::Kernel, paths, quote};

use crate::debian::{Recipe, make_filesystem, make_tree, remove_tree, unless_stamped};
use crate::guest_image;
use crate::step::logged;

/// What it has beyond the guest's packages.
const PACKAGES: &str = "efibootmgr";
/// Its modules: the guest's, and the firmware's variables as files.
const EFI_VARIABLES: &str = "efivarfs";

/// Where the partitions begin on the disk, and the first one's size, in MiB; the second one is what is left.
const FIRST_AT: u64 = 1;
const FIRST_SIZE: u64 = 64;
const SECOND_AT: u64 = FIRST_AT + FIRST_SIZE;
const SECOND_SIZE: u64 = 1024;
/// The second copy of the partition table.
const END_SIZE: u64 = 1;

/// GRUB's own modules: partitions, file systems, and what its configuration uses.
const GRUB_MODULES: [&str; 8] =
    ["part_gpt", "fat", "ext2", "search", "search_fs_file", "normal", "linux", "boot"];

const CUSTOMIZE: &str = include_str!("customize.sh");
/// What GRUB does first: it is in the program itself, and knows no comments there.
const GRUB_CONFIG: &str = include_str!("grub.cfg");
/// This file, as a part of the recipe.
const RECIPE: &str = include_str!("mod.rs");

/// Builds the guest unless it is there. The other one must be there: they have a directory in common.
///
/// # Errors
/// When a package cannot be fetched or a file cannot be written.
pub fn prepare(kernel: &Kernel) -> Result<()> {
    let disk = Guest::built()?.uefi_disk;
    let recipe = format!("{}\n{CUSTOMIZE}\n{GRUB_CONFIG}\n{RECIPE}", guest_image::made_from()?);
    if !disk.exists() {
        // The other guest was made anew, and the directory with it.
        return build_and_stamp(&recipe, &disk, kernel);
    }
    unless_stamped(&stamp()?, &recipe, || build(&disk, kernel))
}

fn build_and_stamp(recipe: &str, disk: &Path, kernel: &Kernel) -> Result<()> {
    build(disk, kernel)?;
    fs::write(stamp()?, recipe).context("cannot write the stamp of the UEFI guest")
}

fn stamp() -> Result<PathBuf> {
    Ok(paths::guest_dir()?.join("uefi-stamp"))
}

fn build(disk: &Path, kernel: &Kernel) -> Result<()> {
    let work = paths::guest_dir()?.join("uefi");
    remove_tree(&work)?;
    fs::create_dir_all(&work)?;
    let first = firmware_partition(&work)?;
    let second = system_partition(&work, kernel)?;
    // It gets its name when it is complete.
    let unfinished = work.join("disk");
    let size = (SECOND_AT + SECOND_SIZE + END_SIZE) << 20;
    File::create(&unfinished)?.set_len(size)?;
    partition(&unfinished)?;
    copy(&first, &unfinished, FIRST_AT)?;
    copy(&second, &unfinished, SECOND_AT)?;
    fs::rename(&unfinished, disk).with_context(|| format!("cannot create {}", disk.display()))?;
    remove_tree(&work)
}

/// The file system that the firmware reads, with GRUB.
fn firmware_partition(work: &Path) -> Result<PathBuf> {
    let config = work.join("grub.cfg");
    fs::write(&config, GRUB_CONFIG)?;
    let grub = work.join("BOOTX64.EFI");
    let mut command = Command::new("grub-mkimage");
    command.args(["-O", "x86_64-efi", "-p", "/boot/grub", "-c"]).arg(&config).arg("-o").arg(&grub);
    logged("GRUB for UEFI", command.args(GRUB_MODULES))?;
    let image = work.join("firmware-partition");
    File::create(&image)?.set_len(FIRST_SIZE << 20)?;
    logged("file system for UEFI", Command::new("mkfs.vfat").args(["-F", "32", "-n", "EFI"]).arg(&image))?;
    logged("directory for UEFI", Command::new("mmd").arg("-i").arg(&image).args(["::/EFI", "::/EFI/BOOT"]))?;
    let mut command = Command::new("mcopy");
    logged("GRUB for UEFI in place", command.arg("-i").arg(&image).arg(&grub).arg("::/EFI/BOOT/"))?;
    Ok(image)
}

/// The file system with Debian, its kernel in it.
fn system_partition(work: &Path, kernel: &Kernel) -> Result<PathBuf> {
    let initrd = work.join("initrd");
    let modules: Vec<&str> = guest_image::MODULES.into_iter().chain([EFI_VARIABLES]).collect();
    initramfs::write(&initrd, kernel, guest_image::INIT, &modules, &[])?;
    let set = |name: &str, path: &Path| format!("{name}={}\n", quote(&path.display().to_string()));
    let script = work.join("customize-uefi.sh");
    fs::write(&script, set("KERNEL", &kernel.image()) + &set("INITRD", &initrd) + CUSTOMIZE)?;
    let tree = work.join("tree");
    let packages = format!("{},{PACKAGES}", guest_image::PACKAGES);
    let scripts = [guest_image::script(work)?, script];
    make_tree(&Recipe { name: "UEFI guest", packages: &packages, scripts: &scripts }, &tree)?;
    let image = work.join("system-partition.img");
    make_filesystem("disk of the UEFI guest", &tree, &image, &format!("{SECOND_SIZE}M"))?;
    Ok(image)
}

/// Writes the partition table.
fn partition(disk: &Path) -> Result<()> {
    let table = format!(
        "label: gpt\nstart={FIRST_AT}MiB, size={FIRST_SIZE}MiB, type=U\nstart={SECOND_AT}MiB, size={SECOND_SIZE}MiB, type=L\n"
    );
    let mut command = Command::new("sfdisk");
    command.args(["--quiet", "--no-reread", "--no-tell-kernel"]).arg(disk).stdin(Stdio::piped());
    let mut sfdisk = command.spawn().context("cannot run sfdisk")?;
    sfdisk.stdin.take().context("sfdisk has no input")?.write_all(table.as_bytes())?;
    ensure!(sfdisk.wait()?.success(), "sfdisk failed for {}", disk.display());
    Ok(())
}

/// Copies a file system into the disk, `at` MiB from its start, and leaves holes where it is empty.
fn copy(image: &Path, disk: &Path, at: u64) -> Result<()> {
    let mut command = Command::new("dd");
    command.args(["bs=1M", "conv=sparse,notrunc", &format!("seek={at}")]);
    let from = [("if=", image), ("of=", disk)].map(|(word, path)| format!("{word}{}", path.display()));
    logged("partition of the UEFI guest", command.args(from))
}
