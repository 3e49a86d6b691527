//! `cargo xtask bench control`: what many running machines cost the daemon and its client.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use vmd_tests::{Daemon, Direct, paths};

use super::memory::{Memory, of_roles};
use super::sample::{Sample, header, row};
use crate::cargo;
use crate::step::{captured, heading};

/// What the project wants to keep below, with this many machines.
const MACHINES: usize = 200;
const STATUS_BAR: Duration = Duration::from_millis(15);
const LOAD_BAR: Duration = Duration::from_secs(4);
const MEMORY_BAR: u64 = 25 << 10; // KiB

/// How long the machines may take before the daemon is given up.
const LIMIT: Duration = Duration::from_secs(120);

/// Options of `cargo xtask bench control`.
#[derive(clap::Args)]
pub struct Options {
    /// How many machines run
    #[arg(long, default_value_t = MACHINES)]
    machines: usize,
    /// How often the status is asked for
    #[arg(long, default_value_t = 100)]
    rounds: usize,
    /// How often the machines are started
    #[arg(long, default_value_t = 3)]
    loads: usize,
}

/// Measures and prints.
///
/// # Errors
/// When the daemon or a machine does not start.
pub fn run(options: &Options) -> Result<()> {
    heading("Preparing");
    cargo::build_programs()?;
    cargo::build_guests()?;
    let bench = Bench::start(options.machines)?;
    let empty = of_roles(&bench.daemon)?;
    let mut loads = Sample::default();
    for load in 0..options.loads {
        if load > 0 {
            bench.stop_all()?;
        }
        loads.add(bench.load()?);
    }
    let many = of_roles(&bench.daemon)?;
    let status = StatusTimes::measure(&bench, options.rounds)?;
    heading(&format!("Control: {} running machines, each with a tiny guest", options.machines));
    status.print();
    print_load(&loads, options.machines);
    print_memory(empty, many);
    bench.stop_all()
}

/// `vmctl status`, between what it can not do without.
#[derive(Default)]
struct StatusTimes {
    /// A static program that does nothing.
    nothing: Sample,
    /// A request that needs no work: connection, way through the roles, reply.
    asked: Sample,
    all: Sample,
}

impl StatusTimes {
    /// Round by round, so that a busy moment of the machine hits all of them.
    fn measure(bench: &Bench, rounds: usize) -> Result<Self> {
        let mut times = Self::default();
        for _ in 0..rounds {
            times.nothing.add(time(Command::new(&bench.vmctl).arg("--version"))?);
            times.asked.add(time(&mut bench.vmctl(&["log", "brief"]))?);
            times.all.add(time(&mut bench.vmctl(&["status"]))?);
        }
        Ok(times)
    }

    fn print(&self) {
        println!("{}", header("floor"));
        println!("{}", row("(a) floor: vmctl that only starts and ends", &self.nothing, &self.nothing));
        println!("{}", row("(b) vmctl that asks and is answered", &self.asked, &self.nothing));
        println!("{}", row("(c) vmctl status", &self.all, &self.nothing));
        println!("  {}", against_bar(self.all.median(), STATUS_BAR));
    }
}

fn print_load(loads: &Sample, machines: usize) {
    let each = loads.median() / u32::try_from(machines.max(1)).unwrap_or(u32::MAX);
    println!(
        "\n  vmctl load until all run: {:.2} s, a machine {:.2} ms",
        loads.median().as_secs_f64(),
        ms(each)
    );
    println!("  {}", against_bar(loads.median(), LOAD_BAR));
}

fn print_memory(empty: Memory, many: Memory) {
    let line = |when: &str, memory: Memory| {
        let Memory { resident, pss, private } = memory;
        println!("  all roles {when}: resident {resident} KiB, Pss {pss} KiB, private {private} KiB");
    };
    println!();
    line("without machines", empty);
    line("with machines", many);
    println!(
        "  bar for {MACHINES} machines: {MEMORY_BAR} KiB, {:.2} of it",
        many.resident as f64 / MEMORY_BAR as f64
    );
}

fn against_bar(time: Duration, bar: Duration) -> String {
    format!(
        "bar for {MACHINES} machines: {:.0} ms, {:.2} of it",
        ms(bar),
        time.as_secs_f64() / bar.as_secs_f64()
    )
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// From the start of a command to its end.
fn time(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    let time = start.elapsed();
    ensure!(status.success(), "{} failed: {status}", command.get_program().display());
    Ok(time)
}

/// A daemon without machines, and a file that defines them.
struct Bench {
    daemon: Daemon<'static>,
    vmctl: PathBuf,
    socket: PathBuf,
    file: PathBuf,
    machines: usize,
}

impl Bench {
    fn start(machines: usize) -> Result<Self> {
        let dir = paths::target_dir()?.join("bench");
        let kernel = paths::test_guest("hello")?;
        let machine = |n| format!("vm \"bench{n}\" {{\n memory 32M\n boot \"{}\"\n}}\n", kernel.display());
        let dir_name = dir.to_str().context("the target directory has a name that is not UTF-8")?;
        let daemon = Daemon::start(&Direct, dir_name, "")?;
        let file = dir.join("many.conf");
        std::fs::write(&file, (0..machines).map(machine).collect::<String>())?;
        let (vmctl, socket) = (paths::program("vmctl")?, dir.join("run/vmd.sock"));
        Ok(Self { daemon, vmctl, socket, file, machines })
    }

    fn vmctl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.vmctl);
        command.arg("-s").arg(&self.socket).args(arguments);
        command
    }

    /// From `vmctl load` to the moment that all machines run.
    fn load(&self) -> Result<Duration> {
        let file = self.file.to_str().context("a file whose name is not UTF-8")?;
        let start = Instant::now();
        captured(&mut self.vmctl(&["load", file]))?;
        let all = self.machines;
        self.wait_until("all run", |rows| rows.lines().filter(|row| is_running(row)).count() == all)?;
        Ok(start.elapsed())
    }

    /// Ends all machines, and forgets them, so that none counts as started too often.
    fn stop_all(&self) -> Result<()> {
        captured(&mut self.vmctl(&["reset", "VMS"]))?;
        self.wait_until("all are gone", |rows| rows.lines().count() == 1)
    }

    /// Until something is true of the status. Each look costs what is measured, so they are apart.
    fn wait_until(&self, what: &str, is_true: impl Fn(&str) -> bool) -> Result<()> {
        let start = Instant::now();
        loop {
            // Without any machine it fails, behind its heading.
            let listed = self.vmctl(&["status"]).output()?;
            if is_true(&String::from_utf8_lossy(&listed.stdout)) {
                return Ok(());
            }
            ensure!(start.elapsed() < LIMIT, "not in time: {what}; the log:\n{}", self.daemon.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whether a row of the status is that of a running machine.
fn is_running(row: &str) -> bool {
    row.split_whitespace().nth(7) == Some("running")
}
