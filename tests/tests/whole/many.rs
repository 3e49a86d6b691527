//! Many machines: two hundred at a time, a thousand one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use vmd_tests::process::anonymous_memory;
use vmd_tests::{Direct, Host, paths};

use crate::needs_kvm;
use crate::support::{ROLES, Vmd, assert_nothing_left, machine, sh, wait_until};

const MANY: usize = 200;

/// How long many machines may take on a machine that does other things too.
const IN_TIME: Duration = Duration::from_secs(90);

/// Machines that start with the daemon.
fn many() -> String {
    (1..=MANY).map(|n| machine(&format!("m{n}"), "hello", "poweroff", "enable")).collect()
}

/// The rows of the status, field by field.
fn rows(vmd: &Vmd) -> Vec<Vec<String>> {
    let status = vmd.vmctl_ok("status").stdout;
    status.lines().skip(1).map(|row| row.split_whitespace().map(str::to_owned).collect()).collect()
}

fn wait_until_all_are(vmd: &Vmd, state: &str) {
    let command =
        format!("test $({} status | awk '$8 == \"{state}\"' | wc -l) = {MANY}", vmd.vmctl_command());
    Direct.wait_until(&command, Duration::from_millis(100), IN_TIME).unwrap();
}

/// MiB of a size as the status shows it.
fn mebibytes(size: &str) -> f64 {
    let (number, unit) = size.split_at(size.len() - 1);
    let factor = BTreeMap::from([("B", 1.0 / 1048576.0), ("K", 1.0 / 1024.0), ("M", 1.0), ("G", 1024.0)]);
    number.parse::<f64>().unwrap() * factor[unit]
}

/// Resident memory of a process in MiB (proc_pid_status(5)).
fn resident(pid: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Nine columns, and each of them true.
fn assert_listed(rows: &[Vec<String>]) {
    let (mut ids, mut terminals) = (BTreeSet::new(), BTreeSet::new());
    for row in rows {
        let [id, pid, cpus, max, current, tty, owner, state, name] = &row[..] else {
            panic!("not nine columns: {row:?}")
        };
        assert_eq!([cpus.as_str(), max, owner, state], ["1", "32.0M", "root", "running"], "{row:?}");
        let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(title.starts_with(&format!("vmd: vm/{name}\0")), "{row:?} is {title:?}");
        assert!((mebibytes(current) - resident(pid)).abs() < 1.0, "{row:?} has {} MiB", resident(pid));
        assert!(Path::new("/dev").join(tty).exists(), "{row:?}");
        assert_eq!(format!("m{id}"), *name, "{row:?}");
        assert!(ids.insert(id) && terminals.insert(tty), "{row:?}: twice");
    }
    assert_eq!(ids.len(), MANY);
}

/// When a process started, in clock ticks after the start of the host.
fn start_time(pid: &str) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().parse().unwrap()
}

fn stop_all(vmd: &Vmd) {
    vmd.vmctl_ok("stop -a");
    wait_until_all_are(vmd, "stopped");
    // The control socket is left, and a client's end of it that is about to be closed.
    wait_until("nothing is held for machines", || {
        let held = vmd.holdings();
        (held["sockets"], held["terminals"], held["watched"]) == (1, 0, 0)
    });
}

#[test]
fn two_hundred_machines_start_at_once_are_listed_and_leave_nothing() {
    needs_kvm!();
    let conf = many();
    // The same daemon without machines holds as much as it may hold afterwards.
    let vmd = Vmd::start(&conf.replace("enable", "disable"));
    vmd.vmctl_ok("status");
    let before = vmd.holdings();
    std::fs::write(vmd.path().join("vm.conf"), &conf).unwrap();
    vmd.vmctl_ok("reload");
    wait_until_all_are(&vmd, "running");
    assert_listed(&rows(&vmd));
    stop_all(&vmd);
    vmd.wait_until_no_more_than(&before);
    assert_nothing_left(vmd.stop().path());
}

#[test]
fn two_hundred_machines_start_in_their_turns() {
    needs_kvm!();
    const GROUP: usize = 50;
    let vmd = Vmd::start(&format!("staggered start parallel {GROUP} delay 1\n{}", many()));
    wait_until_all_are(&vmd, "running");
    let rows = rows(&vmd);
    assert_listed(&rows);
    let times: Vec<u64> = rows.iter().map(|row| start_time(&row[1])).collect();
    for (earlier, later) in times.chunks(GROUP).zip(times.chunks(GROUP).skip(1)) {
        assert!(earlier.iter().max() <= later.iter().min(), "{times:?}");
    }
    // Asked all at once, they are gone together with the daemon.
    assert_nothing_left(vmd.stop().path());
}

/// Memory of each role in KiB.
fn memory(vmd: &Vmd) -> BTreeMap<&'static str, u64> {
    ROLES.iter().map(|role| (*role, anonymous_memory(vmd.role(role)).unwrap())).collect()
}

#[test]
fn a_thousand_starts_and_stops_cost_the_daemon_nothing() {
    needs_kvm!();
    const AT_ONCE: usize = 10;
    const ROUNDS: usize = 100;
    /// The rounds after which everything has been needed once that is kept for later.
    const WARM: usize = 10;
    /// In KiB: what an allocator may keep. A hundred bytes lost at each start would be more than half of it.
    const SLACK: u64 = 160;
    let vmd = Vmd::start("");
    let hello = paths::test_guest("hello").unwrap();
    let vmctl = vmd.vmctl_command();
    let cycle = format!(
        "{vmctl} start t$n -b {} -m 16M --cmdline echo && {vmctl} stop -fw t$n || echo t$n failed",
        hello.display()
    );
    let round = format!("for n in $(seq {AT_ONCE}); do {{ {cycle}; }} 2>&1 & done; wait");
    let (mut held, mut warm) = (vmd.holdings(), BTreeMap::new());
    for n in 1..=ROUNDS {
        let said = Direct.run_within(&round, IN_TIME).unwrap().success().unwrap().stdout;
        assert!(!said.contains("failed"), "round {n}:\n{said}\n{}", vmd.log());
        if n == WARM {
            (held, warm) = (vmd.holdings(), memory(&vmd));
        }
    }
    let after = memory(&vmd);
    for role in ROLES {
        assert!(after[role] <= warm[role] + SLACK, "{role}: KiB before {warm:?}, after {after:?}");
    }
    eprintln!("KiB before {warm:?}, after {after:?}");
    vmd.wait_until_no_more_than(&held);
    assert_eq!(sh(&format!("{vmctl} status")).stdout.lines().count(), 1);
    assert_nothing_left(vmd.stop().path());
}
