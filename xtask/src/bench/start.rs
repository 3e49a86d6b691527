//! `cargo xtask bench start`: from a command to the first byte that a tiny guest writes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use privsep::Executable;
use vmd_tests::process::cpu_ticks;
use vmd_tests::{Daemon, Direct, paths};

use super::alone::Alone;
use super::floor;
use super::memory::{Memory, of_roles};
use super::sample::{Sample, header, row};
use crate::cargo;
use crate::step::{captured, heading};

/// Memory of the guest in MiB.
const MEMORY: u32 = 128;
/// In every so manieth round QEMU takes part.
const QEMU_EVERY: usize = 10;
/// How long the idle guest is watched.
const IDLE: Duration = Duration::from_secs(5);

/// Options of `cargo xtask bench start`.
#[derive(clap::Args)]
pub struct Options {
    /// How often each contender starts
    #[arg(long, default_value_t = 50)]
    rounds: usize,
}

/// Measures and prints.
///
/// # Errors
/// When a contender does not start.
pub fn run(options: &Options) -> Result<()> {
    heading("Preparing");
    cargo::build_programs()?;
    cargo::build_guests()?;
    let floor = floor::build()?;
    let kernel = paths::test_guest("hello")?;
    heading("Start: a guest of 128 MiB to its first byte on the console");
    let times = times(options.rounds, &floor, &kernel)?;
    times.print();
    heading("Memory and idle time");
    footprint(&kernel)
}

/// The contenders.
#[derive(Default)]
struct Times {
    floor: Sample,
    vmctl: Sample,
    alone: Sample,
    qemu: Option<Sample>,
}

impl Times {
    fn print(&self) {
        println!("{}", header("floor"));
        println!("{}", row("(a) floor: the calls to KVM alone", &self.floor, &self.floor));
        println!("{}", row("(b) vmctl start -c, daemon running", &self.vmctl, &self.floor));
        println!("{}", row("(c) vm process alone", &self.alone, &self.floor));
        match &self.qemu {
            Some(qemu) => println!("{}", row("(d) QEMU microvm", qemu, &self.floor)),
            None => println!("  (d) QEMU microvm: not installed"),
        }
    }
}

/// One after the other, round by round, so that a busy moment of the machine hits all of them.
fn times(rounds: usize, floor: &Path, kernel: &Path) -> Result<Times> {
    let vmd = Executable::at(&paths::program("vmd")?)?;
    let bench = Bench::start(kernel, rounds)?;
    let mut times = Times { qemu: floor::has_qemu().then(Sample::default), ..Times::default() };
    for round in 0..rounds {
        times.floor.add(floor::time_to_first_byte(&mut floor::command(floor, kernel, MEMORY))?);
        times.vmctl.add(bench.time(round)?);
        times.alone.add(Alone::start(&vmd, kernel, MEMORY)?.time);
        // It takes seconds where the others take milliseconds.
        if let Some(qemu) = times.qemu.as_mut().filter(|_| round % QEMU_EVERY == 0) {
            qemu.add(floor::time_to_first_byte(&mut floor::qemu_microvm(kernel, MEMORY))?);
        }
    }
    Ok(times)
}

/// A daemon with machines defined and stopped: one for each round, for a machine that starts too often in a short time is
/// refused.
struct Bench {
    daemon: Daemon<'static>,
    vmctl: PathBuf,
    socket: PathBuf,
}

impl Bench {
    fn start(kernel: &Path, machines: usize) -> Result<Self> {
        let dir = paths::target_dir()?.join("bench");
        let machine = |n| {
            format!("vm \"bench{n}\" {{\n disable\n memory {MEMORY}M\n boot \"{}\"\n}}\n", kernel.display())
        };
        let conf: String = (0..machines).map(machine).collect();
        let dir_name = dir.to_str().context("the target directory has a name that is not UTF-8")?;
        let daemon = Daemon::start(&Direct, dir_name, &conf)?;
        Ok(Self { daemon, vmctl: paths::program("vmctl")?, socket: dir.join("run/vmd.sock") })
    }

    fn vmctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.vmctl);
        command.arg("-s").arg(&self.socket).args(arguments);
        command
    }

    fn time(&self, round: usize) -> Result<Duration> {
        let name = format!("bench{round}");
        let time = floor::time_to_first_byte(&mut self.vmctl(&["start", "-c", &name]))?;
        captured(&mut self.vmctl(&["stop", "-fw", &name]))?;
        Ok(time)
    }
}

/// Memory of a vm process at its first byte, of all roles together, and what an idle guest takes.
fn footprint(kernel: &Path) -> Result<()> {
    let vmd = Executable::at(&paths::program("vmd")?)?;
    let alone = Alone::start(&vmd, kernel, MEMORY)?;
    let memory = Memory::of(alone.pid())?;
    println!("  vm process at the first byte: Pss {} KiB, private {} KiB", memory.pss, memory.private);
    drop(alone);
    let bench = Bench::start(kernel, 1)?;
    println!("  all roles of the daemon: Pss {} KiB", of_roles(&bench.daemon)?.pss);
    captured(&mut bench.vmctl(&["start", "bench0"]))?;
    let status = captured(&mut bench.vmctl(&["status", "bench0"]))?;
    let pid =
        status.lines().nth(1).and_then(|row| row.split_whitespace().nth(1)).context("no row")?.parse()?;
    let memory = Memory::of(pid)?;
    println!("  vm process under the daemon: Pss {} KiB, private {} KiB", memory.pss, memory.private);
    let before = cpu_ticks(pid)?;
    std::thread::sleep(IDLE);
    let ticks = cpu_ticks(pid)? - before;
    println!("  idle guest: {} ms of processor time in {} s", ticks * 10, IDLE.as_secs());
    captured(&mut bench.vmctl(&["stop", "-fw", "bench0"]))?;
    Ok(())
}
