//! The lab host itself: what the other tests rely on.

use std::path::Path;
use std::time::Duration;

use vmd_tests::{Guest, Host, Lab};

const LIMIT: Duration = Duration::from_secs(90);

#[test]
fn commands_give_status_and_both_outputs() {
    let output = Lab::shared().unwrap().run("printf 'out\\0put'; echo err >&2; exit 3").unwrap();
    assert_eq!((output.status, output.stdout.as_str(), output.stderr.as_str()), (3, "out\0put", "err\n"));
}

#[test]
fn a_long_output_arrives_whole() {
    let output = Lab::shared().unwrap().run("seq 200000").unwrap().success().unwrap();
    assert_eq!(output.stdout.lines().count(), 200_000);
    assert!(output.stdout.ends_with("\n200000\n"));
}

#[test]
fn a_command_over_its_limit_is_killed_and_the_lab_goes_on() {
    let lab = Lab::shared().unwrap();
    assert_eq!(lab.run_within("sleep 60", Duration::from_secs(1)).unwrap().status, 124);
    lab.run("true").unwrap().success().unwrap();
}

#[test]
fn more_commands_than_ports_can_follow_one_another() {
    let lab = Lab::shared().unwrap();
    for number in 0..20 {
        assert_eq!(lab.run(&format!("echo {number}")).unwrap().stdout, format!("{number}\n"));
    }
}

#[test]
fn a_console_is_a_terminal_and_gives_the_status() {
    let mut console =
        Lab::shared().unwrap().console("tty -s && read -r name && echo hello $name; exit 7").unwrap();
    console.send("world\n").unwrap();
    console.expect("hello world", LIMIT).unwrap();
    assert_eq!(console.wait(LIMIT).unwrap(), 7);
}

#[test]
fn dropping_a_console_ends_its_command() {
    let lab = Lab::shared().unwrap();
    let mut console = lab.console("echo $$ >/tmp/dropped; echo started; sleep 1000").unwrap();
    console.expect("started", LIMIT).unwrap();
    drop(console);
    let gone = "! kill -0 $(cat /tmp/dropped)";
    lab.wait_until(gone, Duration::from_millis(200), LIMIT).unwrap();
}

#[test]
fn what_is_typed_after_the_end_disturbs_nobody() {
    let lab = Lab::shared().unwrap();
    for _ in 0..10 {
        let mut console = lab.console("true").unwrap();
        console.send("run 5\nsomething to read\n").unwrap();
        assert_eq!(console.wait(LIMIT).unwrap(), 0);
        assert_eq!(lab.run("echo fine").unwrap().stdout, "fine\n");
    }
}

#[test]
fn it_has_working_virtualisation() {
    let output =
        Lab::shared().unwrap().run("grep -cw svm /proc/cpuinfo; cat /sys/module/kvm_amd/parameters/npt");
    assert_eq!(output.unwrap().success().unwrap().stdout, "2\nY\n");
}

#[test]
fn it_has_the_modules_of_its_kernel() {
    Lab::shared().unwrap().run("modprobe bridge && test -d /sys/module/bridge").unwrap().success().unwrap();
}

#[test]
fn nothing_written_in_it_reaches_this_machine() {
    let here = std::env::current_exe().unwrap();
    let name = format!("{}.written-in-the-lab", here.display());
    Lab::shared().unwrap().run(&format!("echo x >'{name}' && test -s '{name}'")).unwrap().success().unwrap();
    assert!(!Path::new(&name).exists());
}

#[test]
fn the_guest_is_on_a_fast_disk() {
    let lab = Lab::shared().unwrap();
    let disk = Guest::in_lab().disk;
    let source = lab.run(&format!("findmnt -no SOURCE -T {}", disk.display())).unwrap();
    // It was mounted before there was a /dev to name it by.
    assert!(source.stdout.contains("/dev/vd"), "{}", source.stdout);
    lab.run(&format!("cat {} >/dev/null", disk.display())).unwrap().success().unwrap();
}
