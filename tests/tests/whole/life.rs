//! Starting, stopping, resetting.

use std::time::{Duration, Instant};

use vmd_tests::paths;
use vmd_tests::process::cpu_ticks;

use crate::needs_kvm;
use crate::support::{SOON, Vmd, directory, machine, sh};

#[test]
fn a_machine_starts_is_listed_and_stops() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "poweroff");
    let started = vmd.vmctl_ok("start web");
    let tty =
        started.stderr.trim_end().strip_prefix("vmctl: started vm 1 successfully, tty ").unwrap().to_owned();
    let row = vmd.row("web");
    assert_eq!((row[0].as_str(), row[2].as_str(), row[3].as_str()), ("1", "1", "32.0M"));
    assert_eq!(format!("/dev/{}", row[5]), tty);
    assert_eq!((row[6].as_str(), row[7].as_str(), row[8].as_str()), ("root", "running", "web"));
    let stopped = vmd.vmctl_ok("stop -w web");
    assert_eq!(stopped.stderr, "stopping vm web: terminated vm 1\n");
    assert_eq!(vmd.state("web"), "stopped");
}

#[test]
fn enabled_machines_start_with_the_daemon() {
    needs_kvm!();
    let conf = machine("web", "hello", "", "enable") + &machine("db", "hello", "", "");
    let vmd = Vmd::start(&conf);
    vmd.wait_for_state("web", "running");
    assert_eq!(vmd.state("db"), "stopped");
}

#[test]
fn a_machine_that_no_file_knows_is_started_with_options_and_then_forgotten() {
    needs_kvm!();
    let vmd = Vmd::start("");
    let hello = paths::test_guest("hello").unwrap();
    let start = format!("start tmp -b {} -m 32M --cmdline poweroff", hello.display());
    assert!(vmd.vmctl_ok(&start).stderr.starts_with("vmctl: started vm 1 successfully, tty /dev/pts/"));
    let again = vmd.vmctl(&start);
    assert_eq!(again.status, 1);
    assert!(
        again.stderr.contains("start vm command failed: Operation already in progress"),
        "{}",
        again.stderr
    );
    vmd.vmctl_ok("stop -fw tmp");
    let status = vmd.vmctl("status");
    assert_eq!(
        (status.status, status.stdout.lines().count()),
        (1, 1),
        "a header, and status 1 without a machine"
    );
}

#[test]
fn a_guest_powers_itself_off() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "off");
    // It may be over before anybody could open the console.
    vmd.vmctl_ok("start web");
    vmd.wait_for_state("web", "stopped");
    assert!(vmd.log().contains("vm \"web\" powered off"), "{}", vmd.log());
}

#[test]
fn every_way_to_reset_brings_the_guest_back_in_the_same_process() {
    needs_kvm!();
    for how in ["kbd", "cf9", "port92", "acpi", "triple"] {
        let vmd = Vmd::with_hello("web", &format!("reset={how} poweroff"));
        let mut console = vmd.boot("web");
        console.expect("hello, world", SOON).unwrap();
        let pid = vmd.pid("web");
        console.expect("hello, world", SOON).unwrap_or_else(|e| panic!("reset={how}: {e}"));
        console.expect("ready", SOON).unwrap();
        assert_eq!(vmd.pid("web"), pid, "reset={how}");
        vmd.vmctl_ok("stop -w web");
    }
}

#[test]
fn all_processors_run_and_come_back_after_a_reset() {
    needs_kvm!();
    let vmd = Vmd::start(&machine("web", "hello", "smp reset=triple poweroff", "cpus 4"));
    let mut console = vmd.boot("web");
    console.expect("4 processors", SOON).unwrap();
    console.expect("4 processors", SOON).unwrap();
    console.expect("ready", SOON).unwrap();
    assert_eq!(vmd.row("web")[2], "4");
    vmd.vmctl_ok("stop -w web");
}

#[test]
fn a_guest_that_reboots_when_it_is_asked_to_power_off_is_taken_at_its_word() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "poweroff reboot");
    vmd.boot("web").expect("ready", SOON).unwrap();
    assert_eq!(vmd.vmctl_ok("stop -w web").stderr, "stopping vm web: terminated vm 1\n");
    assert!(vmd.log().contains("vm \"web\" powered off"), "{}", vmd.log());
    assert!(!vmd.log().contains("unpaused"), "it had not been paused: {}", vmd.log());
}

#[test]
fn a_guest_that_does_not_listen_is_forced_at_once_on_request() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "spin");
    vmd.vmctl_ok("start web");
    let asked = vmd.vmctl_ok("stop web");
    assert_eq!(asked.stderr, "stopping vm web: requested to shutdown vm 1\n");
    assert_eq!(vmd.state("web"), "stopping");
    let twice = vmd.vmctl("stop web");
    assert_eq!(twice.status, 1);
    assert!(
        twice.stderr.starts_with("stopping vm web: failed: Operation already in progress"),
        "{}",
        twice.stderr
    );
    assert_eq!(vmd.vmctl_ok("stop -f -w web").stderr, "stopping vm web: terminated vm 1\n");
}

#[test]
fn a_guest_that_does_not_listen_is_forced_at_its_deadline() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "spin");
    vmd.vmctl_ok("start web");
    let start = Instant::now();
    vmd.vmctl_ok("stop -w web");
    assert!(start.elapsed() >= Duration::from_secs(29), "it had its time");
    assert!(vmd.log().contains("did not power off in its time"), "{}", vmd.log());
}

#[test]
fn wait_ends_when_the_machine_does() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "poweroff");
    vmd.vmctl_ok("start web");
    let vmctl = vmd.vmctl_command();
    let output =
        sh(&format!("{{ {vmctl} wait web; echo $?; }} 2>&1 & sleep 0.5; {vmctl} stop web 2>/dev/null; wait"));
    assert_eq!(output.stdout, "waiting for vm web: terminated vm 1\n0\n");
}

#[test]
fn a_client_that_is_interrupted_leaves_the_machine_alone() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "poweroff");
    vmd.vmctl_ok("start web");
    let interrupted = sh(&format!("timeout -s INT 1 {} wait web", vmd.vmctl_command()));
    assert_ne!(interrupted.status, 0);
    assert_eq!(vmd.state("web"), "running");
    vmd.vmctl_ok("stop -w web");
}

#[test]
fn the_end_of_the_daemon_stops_the_guests_and_leaves_nothing() {
    needs_kvm!();
    let conf = machine("web", "hello", "poweroff", "enable") + &machine("db", "hello", "poweroff", "enable");
    let vmd = Vmd::start(&conf);
    vmd.wait_for_state("web", "running");
    vmd.wait_for_state("db", "running");
    let pids = [vmd.pid("web"), vmd.pid("db"), vmd.daemon_pid()];
    // Ready to be asked only when they have set up their interrupt.
    std::thread::sleep(Duration::from_millis(500));
    let dir = vmd.stop();
    for pid in pids {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "process {pid} is left");
    }
    let left = sh(&format!("cd {} && find run -mindepth 1 | sort", dir.path().display())).stdout;
    assert_eq!(left, "run/empty\nrun/lock\nrun/vm\n");
}

#[test]
fn an_idle_guest_takes_no_time() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "poweroff");
    vmd.boot("web").expect("ready", SOON).unwrap();
    let pid = vmd.pid("web");
    let ticks = || cpu_ticks(pid).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let before = ticks();
    std::thread::sleep(Duration::from_secs(3));
    // The kernel's accounting is coarse: whoever runs when its clock ticks is charged a hundredth of a second.
    let used = ticks() - before;
    assert!(used <= 2, "{used} hundredths of a second of processor time in three seconds");
    vmd.vmctl_ok("stop -w web");
}

#[test]
fn the_daemon_goes_to_the_background_when_it_is_ready() {
    needs_kvm!();
    let dir = directory();
    let vmd = paths::program("vmd").unwrap();
    let vmctl = paths::program("vmctl").unwrap();
    std::fs::write(dir.path().join("vm.conf"), machine("web", "hello", "", "")).unwrap();
    let output = sh(&format!(
        "cd {} && {} -f vm.conf --runtime-dir $PWD/run --user nobody && {} -s run/vmd.sock status web",
        dir.path().display(),
        vmd.display(),
        vmctl.display()
    ));
    let ended =
        sh(&format!("pkill -TERM -f -- '[-]-role=parent.*--runtime-dir={}/run'", dir.path().display()));
    assert_eq!(ended.status, 0);
    assert!(output.success().unwrap().stdout.contains("stopped web"));
    let gone = format!("test ! -e {}/run/vmd.sock", dir.path().display());
    vmd_tests::Host::wait_until(&vmd_tests::Direct, &gone, Duration::from_millis(50), SOON).unwrap();
}
