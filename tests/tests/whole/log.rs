//! The log: who writes to it, and what the journal gets.

use std::collections::BTreeMap;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use vmd_tests::paths;

use crate::needs_kvm;
use crate::support::{SOON, Vmd, directory, machine, sh, wait_until};

#[test]
fn more_is_logged_by_every_process_when_asked_for_and_less_again() {
    needs_kvm!();
    let vmd =
        Vmd::start(&(machine("web", "hello", "poweroff", "") + &machine("db", "hello", "poweroff", "")));
    vmd.vmctl_ok("start web");
    vmd.vmctl_ok("log verbose");
    // One that is made later is told as well.
    vmd.vmctl_ok("start db");
    for process in ["vmd", "control", "priv", "vmm", "vm/web", "vm/db"] {
        let line = format!("{process}: this much is logged from now on");
        wait_until(&line, || vmd.log().contains(&line));
    }
    vmd.vmctl_ok("log brief");
    vmd.vmctl_ok("stop -w web");
    assert!(!vmd.log().contains("vm/web: powered off"), "{}", vmd.log());
    vmd.vmctl_ok("stop -w db");
}

/// An entry as the journal would read it; here no value has several lines.
fn entry(socket: &UnixDatagram) -> BTreeMap<String, String> {
    let mut bytes = vec![0; 1 << 16];
    let length = socket.recv(&mut bytes).expect("an entry");
    let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
    let field = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    text.lines().map(|line| field(line).unwrap_or_else(|| panic!("{line:?} in {text:?}"))).collect()
}

/// Starts vmd as a service manager would that takes its standard error for the journal. The journal is a socket of
/// the test's own, and only this process sees it in its place.
fn start_under_a_journal(dir: &Path) -> String {
    let (path, vmd) = (dir.display(), paths::program("vmd").unwrap());
    let script = format!(
        "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && \
         mount --bind {path}/journal /run/systemd/journal && \
         export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) && \
         exec {} -d -f {path}/vm.conf --runtime-dir {path}/run $(grep -q '^_vmd:' /etc/passwd || echo --user nobody)",
        vmd.display()
    );
    let started = sh(&format!(
        "setsid unshare --mount sh -c {} </dev/null >{path}/log 2>&1 & echo $!",
        vmd_tests::quote(&script)
    ));
    started.success().unwrap().stdout.trim().to_owned()
}

/// Waits for the record of an event.
fn hear(journal: &UnixDatagram, event: &str) -> BTreeMap<String, String> {
    loop {
        let entry = entry(journal);
        if entry.get("VMD_EVENT").is_some_and(|other| other == event) {
            return entry;
        }
    }
}

fn assert_says(entry: &BTreeMap<String, String>, fields: &[(&str, &str)]) {
    let of_all = [("VMD_VM", "web"), ("VMD_ID", "1"), ("SYSLOG_IDENTIFIER", "vmd"), ("SYSLOG_FACILITY", "3")];
    for (name, value) in of_all.iter().chain(fields) {
        assert_eq!(entry.get(*name).map(String::as_str), Some(*value), "{name} in {entry:?}");
    }
}

#[test]
fn under_the_journal_each_record_of_a_machine_says_which_and_what() {
    needs_kvm!();
    let dir = directory();
    let path = dir.path();
    std::fs::create_dir(path.join("journal")).unwrap();
    let journal = UnixDatagram::bind(path.join("journal/socket")).unwrap();
    journal.set_read_timeout(Some(SOON)).unwrap();
    std::fs::write(path.join("vm.conf"), machine("web", "hello", "poweroff", "enable")).unwrap();
    let pid = start_under_a_journal(path);
    let vmctl = format!("{} -s {}/run/vmd.sock", paths::program("vmctl").unwrap().display(), path.display());

    let message = ("MESSAGE", "vm \"web\" started");
    assert_says(&hear(&journal, "started"), &[message, ("VMD_PROCESS", "vmd"), ("PRIORITY", "6")]);
    sh(&format!("{vmctl} stop web")).success().unwrap();
    assert_says(&hear(&journal, "request"), &[("VMD_REQUEST", "stop"), ("VMD_CLIENT_UID", "0")]);
    assert_says(&hear(&journal, "stopping"), &[("PRIORITY", "6")]);
    assert_says(&hear(&journal, "ended"), &[("VMD_REASON", "powered off")]);
    // A process that is a machine says so itself.
    sh(&format!("{vmctl} start web")).success().unwrap();
    sh(&format!("kill -9 $(pgrep -P {pid} -f -- --role=control)")).success().unwrap();
    assert_says(&hear(&journal, "orphaned"), &[("VMD_PROCESS", "vm/web"), ("PRIORITY", "4")]);
    sh(&format!("pkill -TERM -f -- --role-root={}/run", path.display()));
    assert_eq!(std::fs::read_to_string(path.join("log")).unwrap(), "", "nothing is written elsewhere");
}
