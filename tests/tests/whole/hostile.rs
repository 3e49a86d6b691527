//! A guest that keeps no rule of any device: it hurts nobody but itself, and not even the log.

use std::time::Duration;

use crate::needs_kvm;
use crate::support::{SOON, Vmd, directory, image, machine};

/// The guest makes about a million exits.
const LONG: Duration = Duration::from_secs(240);
/// More lines than a second has, for each second that the guest may take, would be a flood.
const LINES: usize = 400;

#[test]
fn a_hostile_guest_ends_and_daemon_and_neighbours_live() {
    needs_kvm!();
    let dir = directory();
    let disks = ["a.img", "b.img"].map(|name| {
        let path = image(dir.path(), name, 4);
        format!("disk \"{}\" format raw\n", path.display())
    });
    let conf =
        machine("bad", "hostile", "", &disks.concat()) + &machine("good", "hello", "echo poweroff", "");
    let vmd = Vmd::start_in(dir, &conf);
    let mut good = vmd.boot("good");
    good.expect("ready", SOON).unwrap();
    let mut bad = vmd.boot("bad");
    for stage in ["ranges", "doorbells", "rings", "moves", "configuration written", "ports", "serial"] {
        bad.expect(&format!("{stage} done"), LONG).unwrap();
        // The other machine is served all the while.
        good.send(stage).unwrap();
        good.expect(stage, SOON).unwrap();
    }
    bad.expect("hostile: done", LONG).unwrap();
    for name in ["bad", "good"] {
        assert_eq!(vmd.state(name), "running");
    }
    let lines = vmd.log().lines().count();
    assert!(lines < LINES, "{lines} lines in the log:\n{}", vmd.log());
    vmd.vmctl_ok("stop -w good");
    vmd.vmctl_ok("stop -fw bad");
    // And it starts again.
    vmd.vmctl_ok("start bad");
    vmd.vmctl_ok("stop -fw bad");
}
