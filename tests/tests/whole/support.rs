//! A vmd of the test's own, and the sentences that the tests are made of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vmd_tests::process::{open_files, processes_with};
use vmd_tests::{Console, Daemon, Direct, Host, Output, paths};

/// How long anything may take that needs no waiting: generous, for the machines are slow and shared.
pub const SOON: Duration = Duration::from_secs(60);

/// The processes of the daemon.
pub const ROLES: [&str; 4] = ["parent", "control", "priv", "vmm"];

/// Ends a test, saying so, where there is no KVM or no root to use it.
#[macro_export]
macro_rules! needs_kvm {
    () => {
        if let Err(why) = std::fs::File::options().read(true).write(true).open("/dev/kvm") {
            vmd_tests::skip!("cannot open /dev/kvm: {why}");
        }
    };
}

/// A running vmd and its directory.
pub struct Vmd {
    // Dropped in this order: the daemon ends before its directory goes.
    daemon: Daemon<'static>,
    dir: TempDir,
}

/// A directory for one test.
pub fn directory() -> TempDir {
    tempfile::Builder::new().prefix("vmd-test-").tempdir().unwrap()
}

/// The beginning of a machine in vm.conf that boots `guest` with a command line.
pub fn machine(name: &str, guest: &str, cmdline: &str, more: &str) -> String {
    let kernel = paths::test_guest(guest).unwrap();
    format!(
        "vm \"{name}\" {{\n disable\n memory 32M\n boot \"{}\"\n cmdline \"{cmdline}\"\n {more}\n}}\n",
        kernel.display()
    )
}

impl Vmd {
    /// Starts vmd with this configuration.
    pub fn start(conf: &str) -> Self {
        Self::start_in(directory(), conf)
    }

    /// Starts vmd with this configuration, in a directory that holds something already.
    pub fn start_in(dir: TempDir, conf: &str) -> Self {
        let daemon = Daemon::start(&Direct, dir.path().to_str().unwrap(), conf).unwrap();
        Self { daemon, dir }
    }

    /// A vmd with one machine that boots `hello` with a command line.
    pub fn with_hello(name: &str, cmdline: &str) -> Self {
        Self::start(&machine(name, "hello", cmdline, ""))
    }

    /// Runs vmctl.
    pub fn vmctl(&self, arguments: &str) -> Output {
        self.daemon.vmctl(arguments).unwrap()
    }

    /// Runs vmctl, which has to succeed.
    pub fn vmctl_ok(&self, arguments: &str) -> Output {
        self.vmctl(arguments).success().unwrap()
    }

    /// Starts a machine and stays on its console.
    pub fn boot(&self, name: &str) -> Console {
        self.console(&format!("start -c {name}"))
    }

    /// Runs vmctl on a terminal.
    pub fn console(&self, arguments: &str) -> Console {
        self.daemon.vmctl_console(arguments).unwrap()
    }

    /// The beginning of a command line that runs vmctl on this vmd.
    pub fn vmctl_command(&self) -> &str {
        self.daemon.vmctl_command()
    }

    /// The row of a machine in the status, field by field.
    pub fn row(&self, name: &str) -> Vec<String> {
        let status = self.vmctl_ok(&format!("status {name}")).stdout;
        let row = status.lines().nth(1).unwrap_or_else(|| panic!("no row for {name} in:\n{status}"));
        row.split_whitespace().map(str::to_owned).collect()
    }

    /// The STATE of a machine.
    pub fn state(&self, name: &str) -> String {
        self.row(name)[7].clone()
    }

    /// The process of a running machine.
    pub fn pid(&self, name: &str) -> u32 {
        self.row(name)[1].parse().unwrap()
    }

    /// Waits until a machine is in that state.
    pub fn wait_for_state(&self, name: &str, state: &str) {
        let command = format!(
            "{} status {name} | awk 'NR == 2 && $8 == \"{state}\" {{ ok = 1 }} END {{ exit !ok }}'",
            self.vmctl_command()
        );
        Direct.wait_until(&command, Duration::from_millis(20), SOON).unwrap();
    }

    /// The directory of the test.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("run/vmd.sock")
    }

    /// What vmd has logged.
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// Process id of the parent.
    pub fn daemon_pid(&self) -> u32 {
        self.daemon.pid().unwrap()
    }

    /// The process of a role.
    pub fn role(&self, role: &str) -> u32 {
        let parent = self.daemon_pid();
        if role == "parent" {
            return parent;
        }
        let found = sh(&format!("pgrep -P {parent} -f -- --role={role}")).success().unwrap().stdout;
        found.trim().parse().unwrap()
    }

    /// What the daemon and its machines hold of the host: how many descriptors each role has, how many sockets there
    /// are in the directory of the daemon, how many terminals are held and watched.
    pub fn holdings(&self) -> BTreeMap<String, usize> {
        let open = |pid| open_files(pid).unwrap_or_default();
        let terminals = |pid| open(pid).iter().filter(|file| file.ends_with("ptmx")).count();
        let run = self.path().join("run");
        let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
        let ours = sockets.lines().filter(|line| line.contains(run.to_str().unwrap())).count();
        let watched = sh(&format!("cat /proc/{}/fdinfo/* | grep -c ^inotify", self.daemon_pid())).stdout;
        let mut holdings: BTreeMap<_, _> =
            ROLES.iter().map(|role| ((*role).to_owned(), open(self.role(role)).len())).collect();
        let held: usize = processes_of(self.path()).into_iter().map(terminals).sum();
        holdings.insert("sockets".to_owned(), ours);
        holdings.insert("terminals".to_owned(), held + terminals(self.daemon_pid()));
        holdings.insert("watched".to_owned(), watched.trim().parse().unwrap());
        holdings
    }

    /// Waits until the daemon holds no more than it did. A client's connection takes a moment to be closed, so it may
    /// also be less.
    pub fn wait_until_no_more_than(&self, before: &BTreeMap<String, usize>) {
        let what = format!("nothing is held beyond {before:?}");
        wait_until(&what, || self.holdings().iter().all(|(of, count)| *count <= before[of]));
    }

    /// Takes the directory of a vmd that is dead already.
    pub fn abandon(self) -> TempDir {
        self.daemon.leave();
        self.dir
    }

    /// Ends vmd and gives the directory, to look at what it left.
    pub fn stop(self) -> TempDir {
        self.daemon.stop().unwrap();
        self.dir
    }
}

/// A raw image of that many MiB.
pub fn image(dir: &Path, name: &str, mib: u64) -> PathBuf {
    let path = dir.join(name);
    std::fs::File::create_new(&path).unwrap().set_len(mib << 20).unwrap();
    path
}

/// The processes of a vmd in this directory, without its parent.
fn processes_of(dir: &Path) -> Vec<u32> {
    processes_with(&format!("--role-root={}/run", dir.display())).unwrap()
}

/// A vmd that ended with its machines leaves nothing behind.
pub fn assert_nothing_left(dir: &Path) {
    let left = sh(&format!("cd {} && find run -mindepth 1 | sort", dir.display())).stdout;
    assert_eq!(left, "run/empty\nrun/lock\nrun/vm\n");
    assert_eq!(processes_of(dir), []);
}

/// Waits until something holds.
pub fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let limit = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < limit, "{what}: not in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a shell command on this machine.
pub fn sh(command: &str) -> Output {
    Direct.run(command).unwrap()
}
