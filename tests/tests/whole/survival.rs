//! The daemon, or a part of it, dies: the guests run on, and the next daemon takes charge of them.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use vmd_tests::{Direct, Host};

use crate::needs_kvm;
use crate::support::{ROLES, SOON, Vmd, assert_nothing_left, directory, machine, sh};

const NAMES: [&str; 3] = ["web", "db", "mail"];

/// Machines that are not started by themselves, echo what is typed, and power off when asked.
fn machines() -> String {
    NAMES.map(|name| machine(name, "hello", "echo poweroff", "")).concat()
}

/// A vmd on which all of [`NAMES`] run.
fn with_all_running() -> Vmd {
    let vmd = Vmd::start(&machines());
    for name in NAMES {
        vmd.boot(name).expect("ready", SOON).unwrap();
    }
    vmd
}

/// Id, process, terminal and owner of a machine.
fn identity(vmd: &Vmd, name: &str) -> [String; 4] {
    let row = vmd.row(name);
    [0, 1, 5, 6].map(|column| row[column].clone())
}

fn identities(vmd: &Vmd) -> Vec<[String; 4]> {
    NAMES.iter().map(|name| identity(vmd, name)).collect()
}

/// Kills a role, waits for the end of the daemon, and starts the next one on the same directory.
fn kill_and_start_again(vmd: Vmd, which: &str) -> Vmd {
    let parent = vmd.daemon_pid();
    let roles = ROLES.map(|name| vmd.role(name));
    sh(&format!("kill -9 {}", vmd.role(which))).success().unwrap();
    let ended = roles.map(|pid| format!("tail --pid={pid} -f /dev/null")).join(" && ");
    Direct.run_within(&ended, SOON).unwrap().success().unwrap();
    if which != "parent" {
        let log = vmd.log();
        assert!(log.contains(&format!("the {which} role was killed by signal 9")), "{log}");
        assert!(!vmd.socket().exists(), "the socket of process {parent} is left");
    }
    start_again(vmd)
}

/// Starts a vmd on the directory of one that has ended.
fn start_again(vmd: Vmd) -> Vmd {
    let conf = std::fs::read_to_string(vmd.path().join("vm.conf")).unwrap();
    Vmd::start_in(vmd.abandon(), &conf)
}

#[test]
fn whichever_role_dies_no_guest_notices() {
    needs_kvm!();
    let mut vmd = with_all_running();
    let before = identities(&vmd);
    for which in ROLES {
        vmd = kill_and_start_again(vmd, which);
        assert_eq!(identities(&vmd), before, "after the end of {which}");
        let mut console = vmd.console("console web");
        // Typed earlier it would be an echo of the test's own terminal.
        console.expect("Connected to", SOON).unwrap();
        console.send("still here\r").unwrap();
        console.expect("still here", SOON).unwrap();
        console.send("~.").unwrap();
        assert_eq!(console.wait(SOON).unwrap(), 0);
    }
    for name in NAMES {
        let stopped = vmd.vmctl_ok(&format!("stop -w {name}"));
        assert!(stopped.stderr.contains("terminated vm"), "{}", stopped.stderr);
    }
    assert!(vmd.log().contains("vm \"web\" powered off"), "{}", vmd.log());
    let left = vmd.stop();
    assert_nothing_left(left.path());
}

#[test]
fn all_roles_may_die_at_once_and_a_waiting_client_is_told() {
    needs_kvm!();
    let vmd = with_all_running();
    let before = identities(&vmd);
    let roles = ROLES.map(|name| vmd.role(name).to_string()).join(" ");
    let wait = format!("{} wait web", vmd.vmctl_command());
    let told = sh(&format!("{{ {wait}; echo status $?; }} 2>&1 & sleep 0.5; kill -9 {roles}; wait"));
    assert!(told.stdout.contains("status 1"), "{}", told.stdout);
    let vmd = start_again(vmd);
    assert_eq!(identities(&vmd), before);
    // Whoever asks again waits for the same machine.
    let wait = format!("{} wait web", vmd.vmctl_command());
    let told = sh(&format!(
        "{{ {wait}; echo status $?; }} 2>&1 & sleep 0.5; {} stop web; wait",
        vmd.vmctl_command()
    ));
    assert!(told.stdout.contains("terminated vm 1\nstatus 0"), "{}", told.stdout);
}

#[test]
fn a_machine_that_a_client_defined_is_still_forgotten_at_its_end() {
    needs_kvm!();
    let vmd = Vmd::start("");
    let hello = vmd_tests::paths::test_guest("hello").unwrap();
    vmd.vmctl_ok(&format!("start tmp -b {} -m 32M --cmdline poweroff", hello.display()));
    let before = identity(&vmd, "tmp");
    let vmd = kill_and_start_again(vmd, "parent");
    assert_eq!(identity(&vmd, "tmp"), before);
    vmd.vmctl_ok("stop -fw tmp");
    assert_eq!(vmd.vmctl("status").stdout.lines().count(), 1);
}

#[test]
fn the_numbers_of_those_that_do_not_run_are_given_around_those_that_do() {
    needs_kvm!();
    let vmd = Vmd::start(&machines());
    let ids = |vmd: &Vmd| NAMES.map(|name| vmd.row(name)[0].clone());
    vmd.vmctl_ok("start db");
    assert_eq!(ids(&vmd), ["1", "2", "3"]);
    let vmd = kill_and_start_again(vmd, "parent");
    assert_eq!(ids(&vmd), ["1", "2", "3"]);
    vmd.vmctl_ok("stop -fw db");
}

#[test]
fn the_end_of_an_adopted_machine_is_seen_however_it_comes() {
    needs_kvm!();
    let vmd = kill_and_start_again(with_all_running(), "vmm");
    sh(&format!("kill -9 {}", vmd.pid("web"))).success().unwrap();
    vmd.wait_for_state("web", "stopped");
    assert!(vmd.log().contains("ended without a word"), "{}", vmd.log());
    sh(&format!("kill -TERM {}", vmd.pid("db"))).success().unwrap();
    vmd.wait_for_state("db", "stopped");
    assert!(vmd.log().contains("vm \"db\" forced to stop"), "{}", vmd.log());
    // What ended can start again, in a process of the new daemon.
    vmd.vmctl_ok("start web");
    assert_eq!(vmd.state("mail"), "running");
    for name in ["web", "mail"] {
        vmd.vmctl_ok(&format!("stop -fw {name}"));
    }
}

#[test]
fn a_machine_that_ended_while_there_was_no_daemon_is_told_and_cleared_away() {
    needs_kvm!();
    let vmd = with_all_running();
    let (web, parent) = (vmd.pid("web"), vmd.daemon_pid());
    sh(&format!("kill -9 {parent}; sleep 0.3; kill -9 {web}; tail --pid={web} -f /dev/null"));
    let vmd = start_again(vmd);
    assert!(vmd.log().contains("vm \"web\" ended while there was no vmd"), "{}", vmd.log());
    assert_eq!(vmd.state("web"), "stopped");
    assert_eq!(vmd.state("db"), "running");
    assert!(!vmd.path().join("run/vm/web").exists());
}

#[test]
fn a_process_whose_record_does_not_fit_is_left_running_and_told() {
    needs_kvm!();
    let vmd = with_all_running();
    let pid = vmd.pid("web");
    let record = vmd.path().join("run/vm/web/record");
    let text = std::fs::read_to_string(&record).unwrap();
    sh(&format!("kill -9 {}; sleep 0.3", vmd.daemon_pid()));
    std::fs::write(&record, text.replace("\"start_time\": ", "\"start_time\": 1")).unwrap();
    let vmd = start_again(vmd);
    assert!(vmd.log().contains("vm \"web\" can not be taken over"), "{}", vmd.log());
    assert_eq!(vmd.state("web"), "stopped");
    assert_eq!(vmd.state("db"), "running");
    assert!(Path::new(&format!("/proc/{pid}")).exists(), "the guest lives");
    let refused = vmd.vmctl("start web");
    assert!(refused.stderr.contains(&format!("process {pid}")), "{}", refused.stderr);
    sh(&format!("kill {pid}; tail --pid={pid} -f /dev/null")).success().unwrap();
}

#[test]
fn a_stopped_process_keeps_the_next_daemon_from_nothing() {
    needs_kvm!();
    let vmd = with_all_running();
    let pid = vmd.pid("web");
    sh(&format!("kill -STOP {pid}")).success().unwrap();
    let vmd = kill_and_start_again(vmd, "vmm");
    assert_eq!(vmd.state("db"), "running");
    assert_eq!(vmd.state("web"), "running");
    sh(&format!("kill -CONT {pid}")).success().unwrap();
    vmd.vmctl_ok("stop -w web");
}

#[test]
fn a_stop_under_way_goes_on_with_the_next_daemon_in_the_time_that_is_left() {
    needs_kvm!();
    // One guest does not listen, the other one does while nobody is there to hear of it.
    let conf =
        machine("deaf", "hello", "echo", "stop timeout 8") + &machine("web", "hello", "echo poweroff", "");
    let vmd = Vmd::start(&conf);
    vmd.boot("deaf").expect("ready", SOON).unwrap();
    vmd.boot("web").expect("ready", SOON).unwrap();
    let stop = format!("{} stop -w deaf", vmd.vmctl_command());
    let told = sh(&format!(
        "{{ {stop}; echo status $?; }} 2>&1 & until {} status deaf | grep -q stopping; do sleep 0.05; done; \
         kill -9 {}; wait",
        vmd.vmctl_command(),
        vmd.daemon_pid()
    ));
    assert!(told.stdout.contains("stopping vm deaf: pipe closed\n"), "{}", told.stdout);
    assert!(told.stdout.contains("status 1"), "{}", told.stdout);
    let vmd = start_again(vmd);
    vmd.wait_for_state("deaf", "stopped");
    let log = vmd.log();
    assert!(log.contains("vm \"deaf\" is asked to power off within "), "{log}");
    assert!(!log.contains("within 8 s"), "it began anew: {log}");
    assert!(log.contains("vm \"deaf\" forced to stop"), "{log}");
    assert_eq!(vmd.state("web"), "running");
    vmd.vmctl_ok("stop -w web");
}

#[test]
fn a_paused_machine_is_still_paused_for_the_next_daemon() {
    needs_kvm!();
    let vmd = with_all_running();
    vmd.vmctl_ok("pause web");
    let vmd = kill_and_start_again(vmd, "parent");
    vmd.wait_for_state("web", "paused");
    vmd.vmctl_ok("unpause web");
    vmd.wait_for_state("web", "running");
    assert_eq!(vmd.state("db"), "running");
    vmd.vmctl_ok("stop -w web");
}

#[test]
fn a_second_signal_to_stop_forces_at_once() {
    needs_kvm!();
    let vmd = Vmd::start(&machine("web", "hello", "spin", ""));
    vmd.vmctl_ok("start web");
    let pid = vmd.daemon_pid();
    sh(&format!("kill -TERM {pid}")).success().unwrap();
    vmd.wait_for_state("web", "stopping");
    sh(&format!("kill -TERM {pid} && timeout 10 tail --pid={pid} -f /dev/null")).success().unwrap();
    assert_nothing_left(vmd.abandon().path());
}

#[test]
fn a_daemon_in_the_foreground_is_replaced_by_whom_started_it() {
    needs_kvm!();
    let vmd = with_all_running();
    let before = identities(&vmd);
    let parent = vmd.daemon_pid();
    // The client waits for the next daemon, which this test starts.
    let mut client = vmd.console("restart-daemon");
    sh(&format!("timeout 10 tail --pid={parent} -f /dev/null")).success().unwrap();
    let vmd = start_again(vmd);
    client.expect("vmd restarted", SOON).unwrap();
    assert_eq!(client.wait(SOON).unwrap(), 0);
    assert_eq!(identities(&vmd), before);
}

#[test]
fn a_daemon_in_the_background_is_replaced_by_the_client() {
    needs_kvm!();
    let dir = directory();
    let path = dir.path().display();
    std::fs::write(dir.path().join("vm.conf"), machine("web", "hello", "poweroff", "enable")).unwrap();
    let program = |name| vmd_tests::paths::program(name).unwrap().display().to_string();
    let account = "$(grep -q '^_vmd:' /etc/passwd || echo --user nobody)";
    let start = format!("cd {path} && {} -f vm.conf --runtime-dir {path}/run {account}", program("vmd"));
    sh(&start).success().unwrap();
    let vmctl = format!("{} -s {path}/run/vmd.sock", program("vmctl"));
    let running = format!("{vmctl} status web | grep running");
    let before = Direct.wait_until(&running, Duration::from_millis(50), SOON).unwrap().stdout;
    let daemon =
        || sh(&format!("pgrep -f -- '--role=parent.*[/]{}/run'", path.to_string().trim_start_matches('/')));
    let old = daemon().success().unwrap().stdout;
    let restarted = sh(&format!("{vmctl} restart-daemon"));
    assert_eq!(restarted.status, 0, "{}", restarted.stderr);
    // The daemon itself may warn of the host before that.
    assert!(restarted.stderr.ends_with("vmctl: vmd restarted\n"), "{}", restarted.stderr);
    let new = daemon().success().unwrap().stdout;
    assert_ne!(old, new);
    let after = Direct.wait_until(&running, Duration::from_millis(50), SOON).unwrap().stdout;
    assert_eq!(without_memory(&after), without_memory(&before));
    sh(&format!("kill {0} && timeout 20 tail --pid={0} -f /dev/null", new.trim())).success().unwrap();
    assert_nothing_left(dir.path());
}

/// The columns of a status row that do not change by themselves.
fn without_memory(row: &str) -> Vec<&str> {
    row.split_whitespace().enumerate().filter(|(column, _)| *column != 4).map(|(_, word)| word).collect()
}

#[test]
fn the_service_manager_hears_of_readiness_life_and_end() {
    needs_kvm!();
    let dir = directory();
    let path = dir.path().display();
    std::fs::write(dir.path().join("vm.conf"), machine("web", "hello", "poweroff", "enable")).unwrap();
    let manager = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(SOON)).unwrap();
    let hear = |word: &str| {
        let mut bytes = [0; 512];
        loop {
            let length = manager.recv(&mut bytes).unwrap_or_else(|why| panic!("{word} did not come: {why}"));
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            if text.contains(word) {
                return text;
            }
        }
    };
    let started = sh(&format!(
        "NOTIFY_SOCKET={path}/notify WATCHDOG_USEC=400000 setsid {} -d -f {path}/vm.conf --runtime-dir {path}/run \
         $(grep -q '^_vmd:' /etc/passwd || echo --user nobody) </dev/null >{path}/log 2>&1 & echo $!",
        vmd_tests::paths::program("vmd").unwrap().display()
    ));
    let pid = started.success().unwrap().stdout.trim().to_owned();
    hear("READY=1");
    hear("STATUS=1 of 1 virtual machines running");
    hear("WATCHDOG=1");
    hear("WATCHDOG=1");
    sh(&format!("kill {pid}")).success().unwrap();
    // The guest's 30 seconds, and what the daemon needs itself.
    assert!(hear("STOPPING=1").contains("EXTEND_TIMEOUT_USEC=50000000"));
    hear("STATUS=shutting down: waiting for 1 of the virtual machines: web");
    sh(&format!("timeout 40 tail --pid={pid} -f /dev/null")).success().unwrap();
}

#[test]
fn fifty_machines_outlive_forty_daemons() {
    needs_kvm!();
    let names: Vec<_> = (1..=50).map(|n| format!("m{n}")).collect();
    let conf: String = names.iter().map(|name| machine(name, "hello", "poweroff", "enable")).collect();
    let mut vmd = Vmd::start(&conf);
    names.iter().for_each(|name| vmd.wait_for_state(name, "running"));
    let before = table(&vmd);
    let mut holdings = None;
    for round in 1..=10 {
        for which in ROLES {
            vmd = kill_and_start_again(vmd, which);
            assert_eq!(table(&vmd), before, "round {round}, after the end of {which}");
        }
        vmd.wait_until_no_more_than(holdings.get_or_insert_with(|| vmd.holdings()));
    }
    assert_nothing_left(vmd.stop().path());
}

/// The whole status, without what changes by itself.
fn table(vmd: &Vmd) -> String {
    let status = vmd.vmctl_ok("status").stdout;
    status.lines().map(|row| without_memory(row).join(" ") + "\n").collect()
}
