//! Programs that start, write a byte of the guest to their standard output, and can be ended: the floor,
//! and other virtual machine monitors.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use vmd_tests::paths;

use crate::cargo::workspace;
use crate::step::{logged, step};

/// Builds the floor program.
///
/// # Errors
/// When it does not compile.
pub fn build() -> Result<PathBuf> {
    let output = paths::target_dir()?.join("floor");
    let source = workspace()?.join("benches/floor.c");
    step("the floor program", || {
        logged("floor", Command::new("gcc").args(["-O2", "-Wall", "-static", "-o"]).arg(&output).arg(source))
    })?;
    Ok(output)
}

/// The command for the floor.
pub fn command(floor: &Path, kernel: &Path, mebibytes: u32) -> Command {
    let mut command = Command::new(floor);
    command.arg(kernel).arg(mebibytes.to_string());
    command
}

/// The command for QEMU's smallest machine.
pub fn qemu_microvm(kernel: &Path, mebibytes: u32) -> Command {
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-machine", "microvm,accel=kvm,pit=on,pic=on,isa-serial=on,rtc=on"]);
    command.args([
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-serial",
        "stdio",
        "-cpu",
        "host,-arch-capabilities",
    ]);
    command.args(["-m", &format!("{mebibytes}M"), "-kernel"]).arg(kernel);
    command
}

/// Whether QEMU is installed.
pub fn has_qemu() -> bool {
    Command::new("qemu-system-x86_64").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Starts a command and waits for its first byte; then ends it.
///
/// # Errors
/// When it cannot be started or ends without a byte.
pub fn time_to_first_byte(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start it")?;
    let mut byte = [0];
    let read = child.stdout.as_mut().context("no output")?.read_exact(&mut byte);
    let time = start.elapsed();
    // It may have ended already.
    let _ = child.kill();
    child.wait()?;
    read.with_context(|| format!("{} wrote nothing", command.get_program().display()))?;
    Ok(time)
}
