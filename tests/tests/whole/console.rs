//! The console of a machine.

use crate::needs_kvm;
use crate::support::{SOON, Vmd};

#[test]
fn what_is_typed_reaches_the_guest_and_the_escape_leaves() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "echo poweroff");
    let mut console = vmd.boot("web");
    console.expect("ready", SOON).unwrap();
    console.send("abc123\r").unwrap();
    console.expect("abc123", SOON).unwrap();
    console.send("~~x\r").unwrap();
    console.expect("~x", SOON).unwrap();
    console.send("~.").unwrap();
    assert_eq!(console.wait(SOON).unwrap(), 0);
    assert_eq!(vmd.state("web"), "running");
    vmd.vmctl_ok("stop -w web");
}

#[test]
fn output_from_before_is_shown_to_who_attaches() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "poweroff");
    vmd.vmctl_ok("start web");
    std::thread::sleep(std::time::Duration::from_millis(500));
    let mut console = vmd.console("console web");
    console.expect("hello, world", SOON).unwrap();
    console.expect("ready", SOON).unwrap();
    vmd.vmctl_ok("stop -w web");
    // The terminal goes with the machine.
    console.wait(SOON).unwrap();
}

#[test]
fn the_console_lasts_through_a_reset() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "reset=cf9 echo poweroff");
    let mut console = vmd.boot("web");
    console.expect("back after reset", SOON).unwrap();
    console.expect("ready", SOON).unwrap();
    console.send("still typing\r").unwrap();
    console.expect("still typing", SOON).unwrap();
    vmd.vmctl_ok("stop -w web");
}

#[test]
fn a_guest_that_prints_without_end_harms_nobody() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "flood");
    vmd.vmctl_ok("start web");
    std::thread::sleep(std::time::Duration::from_secs(2));
    let mut console = vmd.console("console web");
    console.expect("flood ", SOON).unwrap();
    console.send("\r~.").unwrap();
    assert_eq!(console.wait(SOON).unwrap(), 0);
    vmd.vmctl_ok("stop -fw web");
}

#[test]
fn only_a_machine_that_runs_has_a_console() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "");
    for arguments in ["console web", "console nosuch"] {
        let output = vmd.vmctl(arguments);
        assert_eq!(output.status, 1);
        assert!(output.stderr.contains("console not found"), "{}", output.stderr);
    }
}
