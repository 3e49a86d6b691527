//! A host with systemd on which vmd runs three guests: two Debians, and one that does not hear the power button.

use std::time::Duration;

use vmd_tests::{Host, SystemdHost, package, paths, quote};

/// How long the host and a Debian guest may take for anything: several times what they take on two slow cores.
const LIMIT: Duration = Duration::from_secs(240);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(500);

/// The guests that power off when they are asked.
pub const DEBIANS: [&str; 2] = ["web", "db"];

/// All guests. Those that listen get more time than they need on any machine.
const CONF: &str = r#"images = "/srv/vm/"
stop timeout 120

vm "web" {
    memory 256M
    boot $images "vmlinuz"
    initrd $images "initrd"
    cmdline "console=ttyS0 root=/dev/vda rw quiet"
    disk $images "web.img" format raw
}

vm "db" {
    memory 256M
    boot $images "vmlinuz"
    initrd $images "initrd"
    cmdline "console=ttyS0 root=/dev/vda rw quiet"
    disk $images "db.img" format raw
}

vm "deaf" {
    memory 64M
    boot $images "hello"
    stop timeout 8
}
"#;

/// The host.
pub struct Site(SystemdHost);

impl Site {
    /// A host without vmd, on which everything is ready for it.
    pub fn new() -> Self {
        let site = Self(SystemdHost::boot().unwrap());
        let hello = paths::test_guest("hello").unwrap();
        site.run(&format!("cp /host{} /srv/vm/hello", quote(&hello.display().to_string())));
        site
    }

    /// Runs a command, which has to succeed, and gives what it writes.
    pub fn run(&self, command: &str) -> String {
        self.0.run_within(command, LIMIT).unwrap().success().unwrap().stdout
    }

    /// Runs a command, and gives whether it succeeds and what it writes.
    pub fn ask(&self, command: &str) -> (bool, String) {
        let output = self.0.run_within(command, LIMIT).unwrap();
        (output.status == 0, output.stdout + &output.stderr)
    }

    /// Waits until a command succeeds.
    pub fn wait_until(&self, command: &str) {
        self.0.wait_until(command, LOOK, LIMIT).unwrap();
    }

    /// Installs a revision of the package, or upgrades to it.
    pub fn install(&self, revision: u32) -> String {
        let package = package::path(revision).unwrap().display().to_string();
        self.run(&format!("dpkg --install /host{} 2>&1", quote(&package)))
    }

    /// Writes `/etc/vm.conf`: all guests, and what else is wanted.
    pub fn configure(&self, more: &str) {
        self.run(&format!("printf %s {} >/etc/vm.conf", quote(&format!("{CONF}{more}"))));
    }

    /// Waits until all guests are up.
    pub fn wait_for_guests(&self) {
        for (name, sign) in [("web", "login: "), ("db", "login: "), ("deaf", "hello, world")] {
            let mut console = self.0.console(&format!("exec vmctl console {name}")).unwrap();
            console.expect(sign, LIMIT).unwrap();
        }
    }

    /// Switches the host off, and on again.
    pub fn power_cycle(&mut self) {
        self.0.power_off(LIMIT).unwrap();
        self.0.switch_on().unwrap();
    }

    /// Number, process and name of each machine that runs, as `vmctl status` shows them.
    pub fn running(&self) -> Vec<[String; 3]> {
        let table = self.run("vmctl status -r");
        let row = |line: &str| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            [0, 1, 8].map(|column: usize| columns.get(column).copied().unwrap_or_default().to_owned())
        };
        table.lines().skip(1).map(row).collect()
    }

    /// How often a Debian has gone down in order, by what it wrote to its disk.
    pub fn orderly_stops(&self, name: &str) -> usize {
        self.run(&format!("debugfs -R 'cat /var/log/stops' /srv/vm/{name}.img 2>/dev/null")).lines().count()
    }
}
