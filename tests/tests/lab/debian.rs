//! A real Debian under vmd in the lab.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vmd_tests::{Console, Daemon, Guest, Host, Lab, guest};

/// How long Debian may take to its login prompt, three times what it usually takes.
const BOOT: Duration = Duration::from_secs(120);
const LIMIT: Duration = Duration::from_secs(120);

/// Held by the one Debian that runs: the lab has no processors for two.
static TURN: Mutex<()> = Mutex::new(());

/// Waits until no other Debian runs.
pub fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A Debian with a disk of its own, under a vmd of its own.
struct Debian<'a> {
    daemon: Daemon<'a>,
    lab: &'a Lab,
    disk: String,
    directory: String,
    conf: String,
    _turn: MutexGuard<'static, ()>,
}

impl<'a> Debian<'a> {
    fn new(lab: &'a Lab, name: &str, cpus: u8) -> Self {
        let turn = turn();
        let disk = format!("/lab/guest/{name}.img");
        let built = Guest::in_lab();
        let copy = format!("cp --sparse=always {} {disk}", built.disk.display());
        lab.run(&copy).unwrap().success().unwrap();
        let conf = format!(
            "vm \"debian\" {{\n disable\n memory 512M\n cpus {cpus}\n boot \"{}\"\n initrd \"{}\"\n cmdline \"{}\"\n \
             disk \"{disk}\" format raw\n}}\n",
            built.kernel.display(),
            built.initrd.display(),
            guest::CMDLINE,
        );
        let directory = format!("/run/{name}");
        let daemon = Daemon::start(lab, &directory, &conf).unwrap();
        Self { daemon, lab, disk, directory, conf, _turn: turn }
    }

    /// Kills vmd, and starts the next one.
    fn with_next_daemon(self) -> Self {
        let Self { daemon, lab, disk, directory, conf, _turn } = self;
        let killed = format!("kill -9 {0} && tail --pid={0} -f /dev/null", daemon.pid().unwrap());
        lab.run(&killed).unwrap().success().unwrap();
        daemon.leave();
        let daemon = Daemon::start(lab, &directory, &conf).unwrap();
        Self { daemon, lab, disk, directory, conf, _turn }
    }

    /// Runs vmctl, which has to succeed.
    fn vmctl(&self, arguments: &str) -> String {
        self.daemon.vmctl(arguments).unwrap().success().unwrap().stdout
    }

    /// Boots it and logs in.
    fn boot(&self) -> Console {
        self.daemon.vmctl("start debian").unwrap().success().unwrap();
        let mut console = self.daemon.vmctl_console("console debian").unwrap();
        console.expect("login: ", BOOT).unwrap();
        console.send("root\n").unwrap();
        console.expect("# ", LIMIT).unwrap();
        console
    }

    fn stop(&self) {
        self.daemon.vmctl("stop -w debian").unwrap().success().unwrap();
    }

    /// What e2fsck finds on the disk of the stopped guest.
    fn check_disk(&self) {
        self.lab.run(&format!("e2fsck -fn {}", self.disk)).unwrap().success().unwrap();
    }
}

/// Runs a command in the guest and gives what it writes.
pub fn run(console: &mut Console, command: &str) -> String {
    // The mark is put together by the guest's shell: the echo of what is typed does not match it.
    console.send(&format!("{command}; echo en''d\n")).unwrap();
    console.expect("echo en''d", LIMIT).unwrap();
    let output = console.expect("end", LIMIT).unwrap();
    console.expect("# ", LIMIT).unwrap();
    output.trim_end_matches("end").trim().to_owned()
}

fn keeps_what_it_wrote(cpus: u8) {
    let debian = Debian::new(Lab::shared().unwrap(), &format!("keeps-{cpus}"), cpus);
    let mut console = debian.boot();
    assert_eq!(run(&mut console, "nproc"), cpus.to_string());
    run(&mut console, "echo remember >/root/note && sync");
    debian.stop();
    debian.check_disk();
    let mut console = debian.boot();
    assert_eq!(run(&mut console, "cat /root/note"), "remember");
    debian.stop();
    debian.check_disk();
}

#[test]
fn with_one_processor_it_keeps_what_it_wrote() {
    keeps_what_it_wrote(1);
}

#[test]
fn with_two_processors_it_keeps_what_it_wrote() {
    keeps_what_it_wrote(2);
}

#[test]
fn it_outlives_its_daemon_and_is_stopped_cleanly_by_the_next() {
    let debian = Debian::new(Lab::shared().unwrap(), "outlives", 2);
    let mut console = debian.boot();
    assert_eq!(run(&mut console, "echo $$ >/run/shell && cat /run/shell | wc -l"), "1");
    console.send("~.").unwrap();
    console.wait(LIMIT).unwrap();
    let row = debian.vmctl("status debian");
    let debian = debian.with_next_daemon();
    let pid = |row: &str| row.lines().nth(1).unwrap().split_whitespace().nth(1).unwrap().to_owned();
    assert_eq!(pid(&debian.vmctl("status debian")), pid(&row));
    let mut console = debian.daemon.vmctl_console("console debian").unwrap();
    // Until then the terminal is not vmctl's, and what is typed is thrown away.
    console.expect("escape: ~.", LIMIT).unwrap();
    console.send("\n").unwrap();
    console.expect("# ", LIMIT).unwrap();
    assert_eq!(run(&mut console, "test $$ = $(cat /run/shell) && echo the same"), "the same");
    debian.stop();
    debian.check_disk();
}

#[test]
fn its_clocks_do_not_see_a_pause() {
    const PAUSE: f64 = 20.0;
    let debian = Debian::new(Lab::shared().unwrap(), "pauses", 1);
    let mut console = debian.boot();
    let uptime =
        |console: &mut Console| -> f64 { run(console, "cut -d' ' -f1 /proc/uptime").parse().unwrap() };
    let before = uptime(&mut console);
    debian.vmctl("pause debian");
    assert!(debian.vmctl("status debian").contains("paused"));
    std::thread::sleep(Duration::from_secs_f64(PAUSE));
    debian.vmctl("unpause debian");
    let passed = uptime(&mut console) - before;
    assert!(passed < PAUSE, "{passed} s of the guest's time went by");
    debian.stop();
    debian.check_disk();
}

#[test]
fn it_reboots_and_keeps_its_console() {
    let debian = Debian::new(Lab::shared().unwrap(), "reboots", 2);
    let mut console = debian.boot();
    console.send("reboot\n").unwrap();
    console.expect("login: ", BOOT).unwrap();
    debian.stop();
    debian.check_disk();
}
