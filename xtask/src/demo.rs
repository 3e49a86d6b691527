//! `cargo xtask demo`: a Debian guest from `vmctl start` to its login prompt and its end, for somebody to watch.

use std::io::stdout;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use vmd_tests::{Console, Daemon, Direct, Guest, Host, Lab, LabOptions, guest, paths, quote};

use crate::live::Live;
use crate::step::{heading, seconds, step};
use crate::{cargo, prepare, where_to};

/// How long the guest may take to its login prompt: three times what it takes in the lab.
const LOGIN_LIMIT: Duration = Duration::from_secs(120);
/// How long the guest may take for a step after that.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// What is typed at the guest's console, for something to be seen.
const COMMAND: &str = "uname -srm; nproc; findmnt -no SOURCE,FSTYPE /";
/// Where everything is on a lab host.
const LAB_DIRECTORY: &str = "/run/demo";

/// Options of `cargo xtask demo`.
#[derive(clap::Args)]
pub struct Options {
    /// Leave the guest running and attach its console
    #[arg(long)]
    keep: bool,
}

/// Shows vmd with a Debian guest.
///
/// # Errors
/// When anything does not go as it has to.
pub fn run(options: &Options) -> Result<()> {
    let mut times = Times::start();
    heading("Preparing: packages, programs, guest");
    prepare::guest()?;
    cargo::build_programs()?;
    let reason = where_to::reason_for_the_lab();
    if reason.is_some() {
        prepare::lab()?;
    }
    times.lap("packages, programs and guest prepared");
    match reason {
        None => show(&Direct, &direct_directory()?, &direct_guest()?, options, times),
        Some(reason) => in_lab(&reason, options, times),
    }
}

fn in_lab(reason: &str, options: &Options, mut times: Times) -> Result<()> {
    heading("Starting the lab");
    println!(
        "  {reason}: all of this runs inside an emulated machine with virtualisation, and takes longer."
    );
    let disks = vec![guest::lab_disk()?];
    let lab = step("lab host", || Lab::boot(&LabOptions { disks, ..LabOptions::default() }))?;
    times.lap("lab host started");
    show(&lab, LAB_DIRECTORY, &Guest::in_lab(), options, times)
}

/// The demo itself, on a host that is ready.
fn show(host: &dyn Host, directory: &str, guest: &Guest, options: &Options, mut times: Times) -> Result<()> {
    let conf = conf(guest);
    heading(&format!("{directory}/vm.conf"));
    println!("{}", conf.trim_end());
    let daemon = step("vmd answers", || Daemon::start(host, directory, &conf))?;
    times.lap("vmd started");
    let shown = show_guest(&daemon, options, &mut times);
    heading("What vmd wrote to its log");
    print!("{}", daemon.log());
    shown?;
    if options.keep {
        return keep(daemon, directory);
    }
    step("vmd ends when it is told to", || daemon.stop())?;
    times.lap("vmd ended");
    times.print();
    Ok(())
}

/// From the guest's start to its end, or to its shell if it is to be kept.
fn show_guest(daemon: &Daemon<'_>, options: &Options, times: &mut Times) -> Result<()> {
    vmctl(daemon, "start debian")?;
    times.lap("vmctl start");
    let mut console = to_login(daemon)?;
    times.lap("guest booted to its login prompt");
    log_in(&mut console)?;
    times.lap("login and a command");
    vmctl(daemon, "status")?;
    if options.keep {
        return Ok(());
    }
    vmctl(daemon, "stop -w debian")?;
    times.lap("guest powered itself off");
    vmctl(daemon, "status")
}

/// Runs vmctl and shows what it writes.
fn vmctl(daemon: &Daemon<'_>, arguments: &str) -> Result<()> {
    heading(&format!("vmctl {arguments}"));
    let output = daemon.vmctl(arguments)?.success()?;
    print!("{}{}", output.stdout, output.stderr);
    Ok(())
}

fn to_login(daemon: &Daemon<'_>) -> Result<Console> {
    heading("vmctl console debian");
    let mut console = daemon.vmctl_console("console debian")?;
    console.show_on(Box::new(Live::new(stdout(), "  | ")));
    console.expect("login: ", LOGIN_LIMIT)?;
    Ok(console)
}

fn log_in(console: &mut Console) -> Result<()> {
    console.send("root\n")?;
    console.expect("# ", ANSWER_LIMIT)?;
    console.send(&format!("{COMMAND}\n"))?;
    console.expect("ext4", ANSWER_LIMIT)?;
    console.expect("# ", ANSWER_LIMIT)?;
    // The escape works at the beginning of a line, which this is: nothing was typed since the last one.
    console.send("~.")?;
    console.wait(ANSWER_LIMIT)?;
    Ok(())
}

/// Gives the guest's console to the user; what happens after that depends on where the guest runs.
fn keep(daemon: Daemon<'_>, directory: &str) -> Result<()> {
    heading("The guest's console is yours; leave it with ~. at the beginning of a line");
    let mut console = daemon.vmctl_console("console debian")?;
    // For a prompt to be seen.
    console.send("\r")?;
    console.interact()?;
    if directory == LAB_DIRECTORY {
        println!("\n  The lab ends here, and the guest with it.");
        return daemon.stop();
    }
    // A shell of this machine is told what to do next; nothing of the lab would be left to talk to.
    let pid = daemon.pid().unwrap_or_default();
    println!("\n  The guest runs on. Go on with:  {} status", daemon.vmctl_command());
    println!("  End everything with:            kill {pid}");
    daemon.leave();
    Ok(())
}

/// The directory for a demo on this machine.
fn direct_directory() -> Result<String> {
    let directory = paths::target_dir()?.join("demo");
    directory.into_os_string().into_string().ok().context("the target directory has a name that is not UTF-8")
}

/// The guest with a fresh disk that may be written.
fn direct_guest() -> Result<Guest> {
    let built = Guest::built()?;
    let directory = direct_directory()?;
    let disk = format!("{directory}/debian.img");
    let copy = format!(
        "mkdir -p {} && cp --sparse=always {} {}",
        quote(&directory),
        quote(&built.disk.display().to_string()),
        quote(&disk)
    );
    Direct.run(&copy)?.success()?;
    Ok(Guest { disk: disk.into(), ..built })
}

/// The configuration: one machine that waits to be started.
fn conf(guest: &Guest) -> String {
    format!(
        r#"vm "debian" {{
    disable
    memory 512M
    cpus 2
    boot "{}"
    initrd "{}"
    cmdline "{}"
    disk "{}" format raw
}}
"#,
        guest.kernel.display(),
        guest.initrd.display(),
        guest::CMDLINE,
        guest.disk.display()
    )
}

/// The closing table: what took how long.
struct Times {
    start: Instant,
    last: Instant,
    laps: Vec<(&'static str, Duration)>,
}

impl Times {
    fn start() -> Self {
        let now = Instant::now();
        Self { start: now, last: now, laps: Vec::new() }
    }

    /// What came to its end now took the time since the lap before.
    fn lap(&mut self, name: &'static str) {
        let now = Instant::now();
        self.laps.push((name, now - self.last));
        self.last = now;
    }

    fn print(&self) {
        heading("Times");
        for (name, duration) in &self.laps {
            println!("  {name:<40} {:>9}", seconds(*duration));
        }
        println!("  {:<40} {:>9}", "together", seconds(self.start.elapsed()));
    }
}
