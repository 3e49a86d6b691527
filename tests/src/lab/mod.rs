//! The lab: a Debian host with hardware virtualisation of its own, emulated by QEMU.
//!
//! A machine without vmx or svm cannot run an ordinary guest kernel in hardware, whatever its `/dev/kvm`
//! says. QEMU's TCG emulates an AMD processor with SVM, so a Linux started in it has a `/dev/kvm` that
//! works. The lab sees the file system of the machine it runs on, read-only with a layer in memory on top:
//! the programs under test and all tools are there without being copied, and nothing done in it stays.
//!
//! ```text
//! this machine                      lab host
//! Lab ── Unix sockets ── QEMU ── virtio ports ── agent (process 1) ── sh, script
//!        /  ──────────── 9p, read-only ───────── bottom of its root file system
//! ```

pub mod emulator;
mod machine;
mod port;
mod qemu;
mod run;
mod svm;
mod systemd;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::kernel::Kernel;
use crate::{Console, Host, Output, guest, initramfs, paths};
use machine::Machine;
use port::Ports;
use qemu::{Drive, Hardware, Writes};
use run::RunDirectory;

pub use systemd::SystemdHost;

/// What runs the commands in a lab host.
pub const AGENT: &str = include_str!("agent.sh");

/// The modules that a lab host has from its start; modprobe finds the others.
const MODULES: [&str; 9] =
    ["virtio_pci", "virtio_blk", "virtio_console", "9pnet_virtio", "9p", "overlay", "ext4", "kvm_amd", "tun"];

/// How long a lab host may take to its first command: thirty times what it takes on two slow cores.
const BOOT_LIMIT: Duration = Duration::from_secs(180);

/// What a lab host is given.
#[derive(Clone, Debug)]
pub struct LabOptions {
    /// Main memory in MiB; what is written in the lab, disks apart, is in it too.
    pub memory: u32,
    /// Number of processors.
    pub cpus: u32,
    /// Disks, mounted when it starts.
    pub disks: Vec<LabDisk>,
}

/// A disk of a lab host, which is much faster for large files than the shared file system.
#[derive(Clone, Debug)]
pub struct LabDisk {
    /// It is mounted at `/lab/<name>`. At most 20 bytes.
    pub name: String,
    /// An image with an ext4 file system. What the lab writes is thrown away at its end.
    pub image: PathBuf,
}

impl LabDisk {
    fn drive(&self) -> Drive {
        Drive { serial: self.name.clone(), image: self.image.clone(), writes: Writes::Forgotten }
    }
}

impl Default for LabOptions {
    fn default() -> Self {
        Self { memory: 4096, cpus: 2, disks: Vec::new() }
    }
}

/// A running lab host. It is gone when this is dropped, and when the process that has it ends in any way.
pub struct Lab {
    machine: Machine,
}

/// The lab hosts that all tests of a program share, one after the other, see [`Lab::shared`].
static SHARED: Mutex<Vec<&'static Lab>> = Mutex::new(Vec::new());

/// How many shared lab hosts there are at most: a host that hangs is replaced, but not for ever.
const MAX_SHARED: usize = 3;
/// How long a host that works may take to answer while it is busy.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

impl Lab {
    /// Starts a lab host and waits until it takes commands.
    ///
    /// # Errors
    /// When its kernel or initial file system is missing or QEMU cannot be run, and when it does not come
    /// up: with what it wrote to its serial console.
    pub fn boot(options: &LabOptions) -> Result<Self> {
        let kernel = Kernel::unpacked(&kernel_dir()?)?;
        let initramfs = paths::existing(initramfs_path()?, "cargo xtask prepare")?;
        let hardware = Hardware {
            kernel: &kernel.image(),
            initramfs: &initramfs,
            cmdline: "",
            memory: options.memory,
            cpus: options.cpus,
            drives: &options.disks.iter().map(LabDisk::drive).collect::<Vec<_>>(),
        };
        let directory = RunDirectory::new()?;
        // Then everything in it is open: a process that is killed leaves nothing behind either.
        Ok(Self { machine: Machine::boot(directory.path(), &hardware, BOOT_LIMIT)? })
    }

    /// A lab host with the Debian guest on a disk, started by the first test that asks for it. One that has ended or does
    /// not answer any more is replaced by a new one, so that what it did to one test is not done to all.
    ///
    /// # Errors
    /// As [`Lab::boot`].
    pub fn shared() -> Result<&'static Self> {
        let mut labs = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lab) = labs.last() {
            if labs.len() == MAX_SHARED || lab.answers() {
                return Ok(lab);
            }
            println!("a lab host does not answer and is replaced\n{}", lab.machine.logs());
            lab.machine.end();
        }
        let options = LabOptions { disks: vec![guest::lab_disk()?], ..LabOptions::default() };
        // It lives as long as the program, whose end is its end.
        let lab = Box::leak(Box::new(Self::boot(&options)?));
        labs.push(lab);
        Ok(lab)
    }

    fn answers(&self) -> bool {
        self.run_within("true", ANSWER_LIMIT).is_ok_and(|output| output.status == 0)
    }
}

impl Host for Lab {
    fn run_within(&self, command: &str, limit: Duration) -> Result<Output> {
        self.machine.ports().run(command, limit)
    }

    fn console(&self, command: &str) -> Result<Console> {
        Ports::console(self.machine.ports(), command)
    }
}

/// Where the kernel of the lab is unpacked.
///
/// # Errors
/// When the target directory cannot be found.
pub fn kernel_dir() -> Result<PathBuf> {
    Ok(paths::lab_dir()?.join("kernel"))
}

/// Makes the initial file system of lab hosts, and the kernel's module of KVM fit for what emulates them.
///
/// # Errors
/// When the kernel is missing or not made as expected, or a file cannot be written.
pub fn prepare(kernel: &Kernel) -> Result<()> {
    let source = kernel.modules_dir();
    svm::report_cr8_writes(&source)?;
    let source = source.to_str().context("the target directory has a name that is not UTF-8")?;
    let extra = [("/agent", AGENT), ("/modules/source", source)];
    initramfs::write(&initramfs_path()?, kernel, include_str!("init.sh"), &MODULES, &extra)
}

fn initramfs_path() -> Result<PathBuf> {
    Ok(paths::lab_dir()?.join("initramfs"))
}
