//! A lab host that is a machine of its own: Debian with systemd on a disk that keeps what is written to it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::kernel_dir;
use super::machine::Machine;
use super::port::Ports;
use super::qemu::{Drive, Hardware, Writes};
use super::run::RunDirectory;
use crate::kernel::Kernel;
use crate::{Console, Host, Output, paths};

/// How long the host may take to its first command, and how long until all its services have started: many times what
/// it takes on two slow cores.
const BOOT_LIMIT: Duration = Duration::from_secs(180);

/// A disk with all of Debian on it, mounted by the initial file system.
const CMDLINE: &str = "root=/dev/vda rw";

/// A Debian host with systemd as its first process. It can be switched off and on again, and is gone when this is
/// dropped.
///
/// It sees the file system of the machine it runs on as `/host`, and has the files of two Debian guests in `/srv/vm`:
/// `vmlinuz`, `initrd`, `web.img` and `db.img`.
pub struct SystemdHost {
    machine: Option<Machine>,
    // Behind the machine, which has to be gone when it goes.
    directory: RunDirectory,
}

impl SystemdHost {
    /// Starts a new host, and waits until it is up.
    ///
    /// # Errors
    /// When it has not been built, or does not come up: with what it wrote to its serial console.
    pub fn boot() -> Result<Self> {
        let directory = RunDirectory::new()?;
        let mut host = Self { machine: None, directory };
        host.make_disk()?;
        host.switch_on()?;
        Ok(host)
    }

    /// Starts the host again after [`SystemdHost::power_off`].
    ///
    /// # Errors
    /// As [`SystemdHost::boot`].
    pub fn switch_on(&mut self) -> Result<()> {
        let kernel = Kernel::unpacked(&kernel_dir()?)?;
        let disk = Drive { serial: "root".to_owned(), image: self.own_disk(), writes: Writes::Kept };
        let hardware = Hardware {
            kernel: &kernel.image(),
            initramfs: &paths::existing(Self::initramfs()?, "cargo xtask prepare")?,
            cmdline: CMDLINE,
            memory: 3072,
            cpus: 2,
            drives: &[disk],
        };
        self.machine = Some(Machine::boot(self.directory.path(), &hardware, BOOT_LIMIT)?);
        let up = self.run_within("systemctl is-system-running --wait", BOOT_LIMIT)?;
        ensure!(up.stdout.trim() == "running", "the host is {}{}", up.stdout, self.failed_units());
        Ok(())
    }

    /// Has the host shut itself down and switch itself off.
    ///
    /// # Errors
    /// When it still runs after `limit`: with what it wrote to its serial console.
    pub fn power_off(&mut self, limit: Duration) -> Result<()> {
        self.run("systemctl --no-block poweroff")?.success()?;
        let machine = self.machine.as_ref().context("the host is off")?;
        let status = machine.wait(limit)?;
        let late = || format!("the host is not off after {limit:?}\n{}", machine.logs());
        ensure!(status.with_context(late)?.success(), "QEMU failed\n{}", machine.logs());
        self.machine = None;
        Ok(())
    }

    /// Where everything that a host is made from is.
    ///
    /// # Errors
    /// When the target directory cannot be found.
    pub fn directory() -> Result<PathBuf> {
        Ok(paths::target_dir()?.join("host"))
    }

    /// Its initial file system.
    ///
    /// # Errors
    /// As [`SystemdHost::directory`].
    pub fn initramfs() -> Result<PathBuf> {
        Ok(Self::directory()?.join("initramfs"))
    }

    /// The disk of a host that has never been started.
    ///
    /// # Errors
    /// As [`SystemdHost::directory`].
    pub fn disk() -> Result<PathBuf> {
        Ok(Self::directory()?.join("host.disk"))
    }

    /// What this host has written, on top of that.
    fn own_disk(&self) -> PathBuf {
        self.directory.path().join("host.qcow2")
    }

    fn make_disk(&self) -> Result<()> {
        let built = paths::existing(Self::disk()?, "cargo xtask prepare")?;
        let output = Command::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
            .arg(built)
            .arg(self.own_disk())
            .output()
            .context("cannot run qemu-img: run `cargo xtask prepare`")?;
        ensure!(output.status.success(), "qemu-img: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn ports(&self) -> Result<&std::sync::Arc<Ports>> {
        Ok(self.machine.as_ref().context("the host is off")?.ports())
    }

    fn failed_units(&self) -> String {
        self.run("systemctl --failed; systemctl list-jobs")
            .map_or_else(|error| error.to_string(), |run| run.stdout)
    }
}

impl Host for SystemdHost {
    fn run_within(&self, command: &str, limit: Duration) -> Result<Output> {
        self.ports()?.run(command, limit)
    }

    fn console(&self, command: &str) -> Result<Console> {
        Ports::console(self.ports()?, command)
    }
}
