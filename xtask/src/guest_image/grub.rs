//! The same Debian guest on a disk that a BIOS starts: a partition table, GRUB, and the file system with the kernel in it.
//!
//! It is put together without mounting anything: GRUB's first sector and its core have their places in front of the
//! first partition (GRUB manual, "BIOS installation"), and e2fsprogs writes into a file system that nobody uses.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use vmd_tests::guest::Guest;

use crate::step::logged;

/// This file and GRUB's instructions, as a part of what the disk is made from.
pub const RECIPE: &str = concat!(include_str!("grub.rs"), include_str!("grub.cfg"));

const CONFIGURATION: &str = include_str!("grub.cfg");
/// Where Debian has GRUB for a BIOS.
const GRUB: &str = "/usr/lib/grub/i386-pc";
/// What GRUB needs to come to the kernel.
const MODULES: [&str; 10] = [
    "biosdisk",
    "part_msdos",
    "ext2",
    "linux",
    "normal",
    "serial",
    "terminal",
    "echo",
    "reboot",
    "configfile",
];
const SECTOR: u64 = 512;
/// Where the partition begins.
const PARTITION: u64 = 1 << 20;
/// The bytes of the first sector that are GRUB's; then come a signature of the disk and the table.
const CODE: usize = 440;
const TABLE: usize = 446;
/// A file system of Linux.
const LINUX: u8 = 0x83;

/// Makes the disk from the guest's.
///
/// # Errors
/// When a tool fails.
pub fn build(directory: &Path, guest: &Guest) -> Result<()> {
    let core = directory.join("core.img");
    let mut command = Command::new("grub-mkimage");
    command
        .args(["-O", "i386-pc", "-d", GRUB, "-p", "(hd0,msdos1)/boot/grub", "-o"])
        .arg(&core)
        .args(MODULES);
    logged("GRUB", &mut command)?;
    let filesystem = directory.join("grub.ext4");
    logged("copy", Command::new("cp").arg("--sparse=always").arg(&guest.disk).arg(&filesystem))?;
    fill(directory, guest, &filesystem)?;
    let unfinished = guest.grub_disk.with_extension("new");
    assemble(&unfinished, &fs::read(&core)?, &filesystem)?;
    fs::rename(&unfinished, &guest.grub_disk)
        .with_context(|| format!("cannot create {}", guest.grub_disk.display()))?;
    fs::remove_file(&filesystem).context("cannot remove the file system")
}

/// Puts kernel, initial file system and GRUB's instructions into the file system.
fn fill(directory: &Path, guest: &Guest, filesystem: &Path) -> Result<()> {
    let configuration = directory.join("grub.cfg");
    fs::write(&configuration, CONFIGURATION).context("cannot write GRUB's instructions")?;
    let script = directory.join("debugfs.script");
    let lines = format!(
        "mkdir /boot/grub\nwrite {} /boot/vmlinuz\nwrite {} /boot/initrd\nwrite {} /boot/grub/grub.cfg\n",
        guest.kernel.display(),
        guest.initrd.display(),
        configuration.display()
    );
    fs::write(&script, lines).context("cannot write a script")?;
    logged("files of GRUB", Command::new("debugfs").args(["-w", "-f"]).arg(&script).arg(filesystem))
}

fn assemble(image: &Path, core: &[u8], filesystem: &Path) -> Result<()> {
    ensure!((core.len() as u64) < PARTITION - SECTOR, "GRUB's core is too large");
    let length = fs::metadata(filesystem)?.len();
    let mut disk = File::create(image).with_context(|| format!("cannot create {}", image.display()))?;
    disk.write_all(&first_sector(length)?)?;
    disk.write_all(core)?;
    disk.set_len(PARTITION + length)?;
    copy_sparse(&mut File::open(filesystem)?, &mut disk)
}

/// Copies what is not all zeroes behind the start of the partition.
fn copy_sparse(from: &mut File, to: &mut File) -> Result<()> {
    let mut chunk = vec![0; 1 << 20];
    for at in (PARTITION..).step_by(chunk.len()) {
        let count = read_full(from, &mut chunk)?;
        if count == 0 {
            break;
        }
        if chunk[..count].iter().any(|byte| *byte != 0) {
            to.seek(SeekFrom::Start(at))?;
            to.write_all(&chunk[..count])?;
        }
    }
    Ok(())
}

fn read_full(from: &mut File, chunk: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < chunk.len() {
        match io::Read::read(from, &mut chunk[count..])? {
            0 => break,
            read => count += read,
        }
    }
    Ok(count)
}

/// GRUB's first sector, which reads the next one, and a table with one active partition of so many bytes.
fn first_sector(length: u64) -> Result<Vec<u8>> {
    let mut sector = fs::read(Path::new(GRUB).join("boot.img")).context("GRUB's first sector")?;
    ensure!(sector.len() as u64 == SECTOR, "GRUB's first sector has {} bytes", sector.len());
    sector[CODE..].fill(0);
    // Old addresses that mean: look at the new ones.
    let entry = [0x80, 0xFE, 0xFF, 0xFF, LINUX, 0xFE, 0xFF, 0xFF];
    let new = [PARTITION / SECTOR, length / SECTOR].map(|sectors| sectors as u32);
    let entry: Vec<u8> = entry.into_iter().chain(new.into_iter().flat_map(u32::to_le_bytes)).collect();
    sector[TABLE..TABLE + entry.len()].copy_from_slice(&entry);
    sector[510..].copy_from_slice(&[0x55, 0xAA]);
    Ok(sector)
}
