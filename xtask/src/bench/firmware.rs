//! `cargo xtask bench firmware`: SeaBIOS from a command to its last word, beside QEMU with the same file.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use proto::Firmware;
use vmd_tests::{Daemon, Direct, paths};

use super::sample::{Sample, header, row};
use crate::step::{captured, heading};
use crate::{cargo, packages};

/// What SeaBIOS says when it has tried everything.
const LAST_WORD: &[u8] = b"No bootable device";
/// Memory of the guest in MiB.
const MEMORY: u32 = 128;
/// The wait for the boot menu in milliseconds, the same on both sides.
const MENU_WAIT: u32 = 100;
/// The most that is read while waiting for the last word.
const OUTPUT_LIMIT: usize = 64 << 10;

/// Options of `cargo xtask bench firmware`.
#[derive(clap::Args)]
pub struct Options {
    /// How often each contender starts
    #[arg(long, default_value_t = 7)]
    rounds: usize,
}

/// Measures and prints.
///
/// # Errors
/// When a contender does not start.
pub fn run(options: &Options) -> Result<()> {
    heading("Preparing");
    packages::ensure(&[packages::LAB, packages::FIRMWARE])?;
    cargo::build_programs()?;
    let dir = paths::target_dir()?.join("bench");
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let disk = dir.join("empty.img");
    std::fs::File::create(&disk)?.set_len(1 << 20)?;
    let bench = Bench::start(&dir, &disk, options.rounds)?;
    heading("Firmware: SeaBIOS to \"No bootable device\", 128 MiB, 1 processor, an empty disk");
    let (mut ours, mut qemus) = (Sample::default(), Sample::default());
    for round in 0..options.rounds {
        ours.add(bench.time(round)?);
        qemus.add(time(&mut qemu(&disk))?);
        println!("  round {} of {}", round + 1, options.rounds);
    }
    println!("{}", header("QEMU"));
    println!("{}", row("vmctl start -c", &ours, &qemus));
    println!("{}", row("QEMU, pc with KVM", &qemus, &qemus));
    Ok(())
}

/// A daemon with a machine for each round, for one that starts too often in a short time is refused.
struct Bench {
    _daemon: Daemon<'static>,
    vmctl: PathBuf,
    socket: PathBuf,
}

impl Bench {
    fn start(dir: &Path, disk: &Path, machines: usize) -> Result<Self> {
        let (bios, disk) = (Firmware::STOCK_BIOS, disk.display());
        let machine = |n| {
            format!(
                "vm \"bench{n}\" {{\n disable\n memory {MEMORY}M\n firmware \"{bios}\"\n disk \"{disk}\" format raw\n}}\n"
            )
        };
        let conf: String = (0..machines).map(machine).collect();
        let dir_name = dir.to_str().context("the target directory has a name that is not UTF-8")?;
        let daemon = Daemon::start(&Direct, dir_name, &conf)?;
        Ok(Self { _daemon: daemon, vmctl: paths::program("vmctl")?, socket: dir.join("run/vmd.sock") })
    }

    fn vmctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.vmctl);
        command.arg("-s").arg(&self.socket).args(arguments);
        command
    }

    fn time(&self, round: usize) -> Result<Duration> {
        let name = format!("bench{round}");
        let time = time(&mut self.vmctl(&["start", "-c", &name]))?;
        captured(&mut self.vmctl(&["stop", "-fw", &name]))?;
        Ok(time)
    }
}

/// QEMU's PC without what ours has not, its screen on the serial line.
fn qemu(disk: &Path) -> Command {
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-enable-kvm", "-M", "pc,graphics=off", "-cpu", "host,-arch-capabilities", "-nodefaults"]);
    command.args(["-no-user-config", "-display", "none", "-vga", "none", "-serial", "stdio", "-smp", "1"]);
    command.args(["-m", &format!("{MEMORY}M"), "-bios", Firmware::STOCK_BIOS]);
    command.args(["-boot", &format!("menu=on,splash-time={MENU_WAIT}")]);
    command.args(["-drive", &format!("file={},if=virtio,format=raw", disk.display())]);
    command
}

/// Starts a command and waits for the last word; then ends it.
fn time(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start it")?;
    let output = child.stdout.as_mut().context("no output")?;
    let mut seen = Vec::new();
    let said = loop {
        let mut some = [0; 4096];
        let count = output.read(&mut some)?;
        seen.extend_from_slice(&some[..count]);
        if seen.windows(LAST_WORD.len()).any(|window| window == LAST_WORD) {
            break true;
        }
        if count == 0 || seen.len() > OUTPUT_LIMIT {
            break false;
        }
    };
    let time = start.elapsed();
    // It may have ended already.
    let _ = child.kill();
    child.wait()?;
    if !said {
        bail!("{} only wrote {:?}", command.get_program().display(), String::from_utf8_lossy(&seen));
    }
    Ok(time)
}
