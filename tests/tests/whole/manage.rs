//! What an administrator does with machines and with the daemon: pausing, reloading, restarting, watching.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::needs_kvm;
use crate::support::{SOON, Vmd, image, machine, sh, wait_until};

/// Longer than anything is under way, so that what did not come by then does not come.
const A_WHILE: Duration = Duration::from_millis(300);

fn conf_of(vmd: &Vmd) -> PathBuf {
    vmd.path().join("vm.conf")
}

/// Processor time of a process in clock ticks (proc_pid_stat(5)).
fn processor_time(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn a_paused_guest_uses_no_processor_and_goes_on_where_it_was() {
    needs_kvm!();
    let conf = machine("web", "hello", "echo poweroff", "") + &machine("busy", "hello", "smp spin", "cpus 2");
    let vmd = Vmd::start(&conf);
    let mut console = vmd.boot("web");
    console.expect("ready", SOON).unwrap();
    assert_eq!(vmd.vmctl_ok("pause web").stderr, "vmctl: paused vm 1 successfully\n");
    assert_eq!(vmd.state("web"), "paused");
    console.send("abc\r").unwrap();
    assert!(console.expect("abc", A_WHILE).is_err(), "it answers though it is paused");
    assert_eq!(vmd.vmctl_ok("unpause web").stderr, "vmctl: unpaused vm 1 successfully\n");
    console.expect("abc", SOON).unwrap();

    vmd.vmctl_ok("start busy");
    vmd.vmctl_ok("pause busy");
    let (pid, before) = (vmd.pid("busy"), processor_time(vmd.pid("busy")));
    std::thread::sleep(A_WHILE);
    assert!(processor_time(pid) <= before + 1, "its processors run");
    vmd.vmctl_ok("unpause busy");
    wait_until("the processors run again", || processor_time(pid) > before + 10);
    vmd.vmctl_ok("pause busy");
    assert_eq!(vmd.vmctl_ok("stop -fw busy").stderr, "stopping vm busy: terminated vm 2\n");
}

#[test]
fn a_paused_guest_is_asked_to_stop() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "poweroff");
    let mut console = vmd.boot("web");
    console.expect("ready", SOON).unwrap();
    vmd.vmctl_ok("pause web");
    vmd.vmctl_ok("stop -w web");
    assert!(vmd.log().contains("vm \"web\" powered off"), "{}", vmd.log());
    let refused = vmd.vmctl("pause web");
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.starts_with("vmctl: pause vm command failed: Invalid argument\n"));
}

#[test]
fn a_reload_follows_the_file_and_leaves_what_runs_alone() {
    needs_kvm!();
    let vmd = Vmd::start(&(machine("web", "hello", "poweroff", "") + &machine("old", "hello", "", "")));
    vmd.vmctl_ok("start web");
    let pid = vmd.pid("web");
    let changed = machine("web", "hello", "poweroff", "cpus 2; restart always");
    fs::write(conf_of(&vmd), changed + &machine("new", "hello", "", "enable")).unwrap();
    let plan = vmd.vmctl_ok("reload -n").stdout;
    assert_eq!(plan, "change web: restart; at next start: cpus\nstart new\nforget old\n");
    assert_eq!(vmd.state("old"), "stopped", "nothing was done");
    vmd.vmctl_ok("reload");
    vmd.wait_for_state("new", "running");
    assert_eq!((vmd.pid("web"), vmd.row("web")[2].as_str()), (pid, "1"));
    assert!(vmd.vmctl_ok("status -v web").stdout.contains("at next start: cpus"));
    assert_eq!(vmd.vmctl_ok("status old").stdout.lines().count(), 1);
    vmd.vmctl_ok("stop -w web");
    vmd.vmctl_ok("start web");
    assert_eq!(vmd.row("web")[2], "2");
}

#[test]
fn a_broken_file_changes_nothing_and_says_what_is_wrong() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "");
    fs::write(conf_of(&vmd), "vm \"other\" { memry 1G }\n").unwrap();
    let refused = vmd.vmctl("reload");
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.starts_with("vmctl: command failed\n"), "{}", refused.stderr);
    assert!(refused.stderr.contains("memry"), "{}", refused.stderr);
    assert_eq!(vmd.state("web"), "stopped");
    sh(&format!("kill -HUP {}", vmd.daemon_pid())).success().unwrap();
    wait_until("the log of the signal", || vmd.log().contains("nothing was changed"));
}

#[test]
fn the_control_socket_belongs_to_whom_the_file_names() {
    needs_kvm!();
    let vmd = Vmd::start("socket owner 12:34\n");
    let owner = || {
        let metadata = fs::metadata(vmd.socket()).unwrap();
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o777)
    };
    wait_until("the first owner", || owner() == (12, 34, 0o660));
    fs::write(conf_of(&vmd), "socket owner :35\n").unwrap();
    vmd.vmctl_ok("reload");
    assert_eq!(owner(), (0, 35, 0o660));
}

#[test]
fn a_load_adds_machines_and_a_reset_forgets_all() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "");
    let more = vmd.path().join("more.conf");
    fs::write(&more, machine("db", "hello", "", "enable")).unwrap();
    vmd.vmctl_ok(&format!("load {}", more.display()));
    vmd.wait_for_state("db", "running");
    assert_eq!(vmd.vmctl_ok("status -q").stdout, "db\nweb\n");
    vmd.vmctl_ok("log verbose");
    assert!(vmd.log().contains("asks: log"), "{}", vmd.log());
    vmd.vmctl_ok("reset VMS");
    wait_until("everything is forgotten", || vmd.vmctl("status").status == 1);
}

#[test]
fn a_machine_whose_process_is_killed_is_started_again() {
    needs_kvm!();
    let vmd = Vmd::start(&machine("web", "hello", "poweroff", "restart on-failure"));
    vmd.vmctl_ok("start web");
    let pid = vmd.pid("web");
    sh(&format!("kill -9 {pid}")).success().unwrap();
    wait_until("another process", || {
        let row = vmd.row("web");
        row[7] == "running" && row[1] != pid.to_string()
    });
    assert_eq!(vmd.vmctl_ok("stop -w web").stderr, "stopping vm web: terminated vm 1\n");
    assert_eq!(vmd.state("web"), "stopped", "what was asked for is no failure");
}

#[test]
fn a_reset_ends_a_machine_with_a_boot_device() {
    needs_kvm!();
    let vmd = Vmd::start(&machine("web", "hello", "reset=cf9", "boot device disk"));
    // It may be over before anybody could open the console.
    vmd.vmctl_ok("start web");
    vmd.wait_for_state("web", "stopped");
    let log = vmd.log();
    assert!(log.contains("vm \"web\" powered off") && !log.contains("rebooted"), "{log}");
}

#[test]
fn staggered_machines_wait_for_their_turn() {
    needs_kvm!();
    let conf = "staggered start parallel 1 delay 2\n".to_owned()
        + &machine("a", "hello", "", "enable")
        + &machine("b", "hello", "", "enable");
    let vmd = Vmd::start(&conf);
    vmd.wait_for_state("a", "running");
    assert_eq!(vmd.state("b"), "waiting");
    vmd.wait_for_state("b", "running");
}

#[test]
fn an_instance_is_made_after_its_template() {
    needs_kvm!();
    let vmd = Vmd::start(&machine("base", "hello", "poweroff", "cpus 2"));
    let disk = image(vmd.path(), "web.img", 1);
    vmd.vmctl_ok(&format!("start -t base -d {} web", disk.display()));
    assert_eq!((vmd.row("web")[2].as_str(), vmd.row("web")[3].as_str()), ("2", "32.0M"));
    vmd.vmctl_ok("stop -fw web");
    assert_eq!(vmd.vmctl_ok("status web").stdout.lines().count(), 1);
    let unknown = vmd.vmctl(&format!("start -t nosuch -d {} web", disk.display()));
    assert!(unknown.stderr.starts_with("vmctl: invalid template\n"), "{}", unknown.stderr);
}

#[test]
fn what_happens_can_be_watched() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "poweroff");
    let mut events = vmd.console("events");
    let mut watch = vmd.console("status -w");
    watch.expect("stopped", SOON).unwrap();
    // Who watches is known to the daemon a moment later than it is shown.
    std::thread::sleep(A_WHILE);
    vmd.vmctl_ok("start web");
    events.expect("1 web starting", SOON).unwrap();
    events.expect("1 web running", SOON).unwrap();
    watch.expect("running web", SOON).unwrap();
    vmd.vmctl_ok("stop -fw web");
    events.expect("1 web stopping", SOON).unwrap();
    events.expect("1 web ended: forced to stop", SOON).unwrap();
    events.expect("1 web stopped", SOON).unwrap();
}
