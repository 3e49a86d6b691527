//! Disks and the source of randomness, as the guest `virtio` finds them.

use crate::needs_kvm;
use crate::support::{SOON, Vmd, directory, image, machine, sh};

fn disk(path: &std::path::Path) -> String {
    format!("disk \"{}\" format raw\n", path.display())
}

#[test]
fn a_guest_reads_writes_and_flushes() {
    needs_kvm!();
    let dir = directory();
    let path = image(dir.path(), "a.img", 4);
    // One that ended by itself could be over before the console is open.
    let vmd = Vmd::start_in(dir, &machine("web", "virtio", "stay", &disk(&path)));
    let mut console = vmd.boot("web");
    for line in ["rng0 read ok", "blk0 write ok", "blk0 flush ok", "blk0 read ok", "done: 1 rng, 1 blk"] {
        console.expect(line, SOON).unwrap();
    }
    vmd.vmctl_ok("stop -fw web");
    console.wait(SOON).unwrap();
    let written = std::fs::read(&path).unwrap();
    assert!(written.iter().any(|byte| *byte != 0), "the image holds what the guest wrote");
}

#[test]
fn a_guest_without_messages_is_interrupted_by_pins_over_each_controller() {
    needs_kvm!();
    for controller in ["pin", "8259"] {
        let dir = directory();
        let disks = ["a.img", "b.img", "c.img"].map(|name| disk(&image(dir.path(), name, 4))).concat();
        let vmd = Vmd::start_in(dir, &machine("web", "virtio", &format!("{controller} stay"), &disks));
        let mut console = vmd.boot("web");
        for line in
            ["rng0 pin ok", "blk0 pin ok", "blk1 pin ok", "blk2 flush ok", "blk2 pin ok", "1 rng, 3 blk"]
        {
            console.expect(line, SOON).unwrap();
        }
        vmd.vmctl_ok("stop -fw web");
        console.wait(SOON).unwrap();
    }
}

#[test]
fn a_reset_by_each_port_with_processors_and_disks_at_work_leaves_a_machine_that_works() {
    needs_kvm!();
    let dir = directory();
    let disks = ["a.img", "b.img"].map(|name| disk(&image(dir.path(), name, 4))).concat();
    let vmd = Vmd::start_in(dir, &machine("web", "virtio", "storm stay", &format!("cpus 3\n{disks}")));
    let mut console = vmd.boot("web");
    console.expect("round 0", SOON).unwrap();
    let pid = vmd.pid("web");
    for round in 1..=5 {
        console.expect(&format!("round {round}"), SOON).unwrap();
    }
    for line in ["blk0 read ok", "blk1 read ok", "done: 1 rng, 2 blk"] {
        console.expect(line, SOON).unwrap();
    }
    assert_eq!(vmd.pid("web"), pid);
    vmd.vmctl_ok("stop -fw web");
}

#[test]
fn the_clock_interrupts_a_guest_that_wants_it() {
    needs_kvm!();
    let vmd = Vmd::with_hello("web", "tick poweroff");
    let mut console = vmd.boot("web");
    console.expect("ticks", SOON).unwrap();
    vmd.vmctl_ok("stop -w web");
}

#[test]
fn a_full_disk_is_an_error_for_the_guest_and_the_machine_lives() {
    needs_kvm!();
    let dir = directory();
    let full = dir.path().join("full");
    std::fs::create_dir(&full).unwrap();
    sh(&format!("mount -t tmpfs -o size=64k none {}", full.display())).success().unwrap();
    let path = image(&full, "a.img", 4);
    let fill = format!("head -c 1M /dev/zero >{0}/rest; test -s {0}/rest", full.display());
    sh(&fill).success().unwrap();
    let vmd = Vmd::start_in(dir, &machine("web", "virtio", "enospc stay", &disk(&path)));
    let mut console = vmd.boot("web");
    let seen = console.expect("blk0 write refused ok", SOON);
    vmd.vmctl("stop -fw web");
    console.wait(SOON).ok();
    sh(&format!("umount -l {}", full.display())).success().unwrap();
    seen.unwrap();
}
