//! The CD-ROM drive, as the guest `scsi` finds it, and as `vmctl cdrom` changes its discs.

use std::path::{Path, PathBuf};

use vmd_tests::{Console, paths};

use crate::needs_kvm;
use crate::support::{SOON, Vmd, directory, machine, sh};

/// The image of a disc that says so on its first line, a bit more than `blocks` blocks long.
fn disc(dir: &Path, name: &str, blocks: usize) -> PathBuf {
    let path = dir.join(name);
    let mut image = format!("this is {name}\n").into_bytes();
    image.resize(2048 * blocks + 1, 0);
    std::fs::write(&path, image).unwrap();
    path
}

/// A machine with the first of two discs, on whose console somebody is, and the second one.
fn with_discs(words: &str) -> (Vmd, Console, PathBuf) {
    let dir = directory();
    let (one, two) = (disc(dir.path(), "one.iso", 3), disc(dir.path(), "two.iso", 7));
    let drive = format!("cdrom \"{}\"", one.display());
    let vmd = Vmd::start_in(dir, &machine("web", "scsi", words, &drive));
    let mut console = vmd.boot("web");
    console.expect("drive: VMD     CD-ROM          1.0", SOON).unwrap();
    console.expect("disc of 4 blocks: this is one.iso", SOON).unwrap();
    (vmd, console, two)
}

fn cdrom(vmd: &Vmd, arguments: &str) -> String {
    vmd.vmctl_ok(&format!("cdrom {arguments}")).stdout
}

#[test]
fn a_guest_reads_its_disc_and_notices_another_one() {
    needs_kvm!();
    let (vmd, mut console, two) = with_discs("");
    assert_eq!(cdrom(&vmd, "web"), format!("{}\n", two.with_file_name("one.iso").display()));
    let changed = vmd.vmctl_ok(&format!("cdrom web {}", two.display()));
    assert_eq!(changed.stderr, "vmctl: changed disc of vm 1 successfully\n");
    console.expect("changed", SOON).unwrap();
    console.expect("disc of 8 blocks: this is two.iso", SOON).unwrap();
    assert_eq!(cdrom(&vmd, "web"), format!("{}\n", two.display()));
    assert!(vmd.log().contains("vm \"web\": the disc in its drive was changed"), "{}", vmd.log());
    let ejected = vmd.vmctl_ok("cdrom web eject");
    assert_eq!(ejected.stderr, "vmctl: ejected disc of vm 1 successfully\n");
    console.expect("no disc", SOON).unwrap();
    assert_eq!(cdrom(&vmd, "web"), "no medium\n");
    vmd.vmctl_ok("stop -fw web");
}

#[test]
fn what_is_no_disc_is_refused_and_the_old_one_stays() {
    needs_kvm!();
    let (vmd, _console, two) = with_discs("");
    let empty = two.with_file_name("empty.iso");
    std::fs::write(&empty, "").unwrap();
    for (wrong, why) in [
        ("/dev/null".to_owned(), "neither a regular file nor a block device"),
        (empty.display().to_string(), "its image is empty"),
    ] {
        let refused = vmd.vmctl(&format!("cdrom web {wrong}"));
        assert_eq!(refused.status, 1);
        assert!(refused.stderr.starts_with("vmctl: cdrom command failed: ") && refused.stderr.contains(why));
    }
    assert!(cdrom(&vmd, "web").ends_with("/one.iso\n"));
    let written = format!("disk \"{}\" format raw", two.with_file_name("one.iso").display());
    std::fs::write(vmd.path().join("more.conf"), machine("db", "hello", "", &written)).unwrap();
    vmd.vmctl_ok(&format!("load {}", vmd.path().join("more.conf").display()));
    let in_use = vmd.vmctl("start db");
    assert!(
        in_use.status == 1 && in_use.stderr.contains("in use"),
        "nobody writes to a disc: {}",
        in_use.stderr
    );
    vmd.vmctl_ok("stop -fw web");
    vmd.vmctl_ok("start db");
    vmd.vmctl_ok("stop -fw db");
}

#[test]
fn a_guest_that_locks_its_disc_in_is_asked_for_it_first() {
    needs_kvm!();
    let (vmd, mut console, _) = with_discs("lock");
    assert!(cdrom(&vmd, "web").ends_with("/one.iso, locked by the guest\n"));
    let refused = vmd.vmctl("cdrom web eject");
    assert_eq!(refused.status, 1);
    assert!(refused.stderr.starts_with("vmctl: cdrom command failed: Device or resource busy\n"));
    assert!(refused.stderr.contains("has locked the tray and was asked for the disc"), "{}", refused.stderr);
    console.expect("asked for the disc", SOON).unwrap();
    vmd.vmctl_ok("cdrom -f web eject");
    console.expect("no disc", SOON).unwrap();
    vmd.vmctl_ok("stop -fw web");
    drop(vmd);
    let (vmd, mut console, _) = with_discs("lock polite");
    assert_eq!(vmd.vmctl("cdrom web eject").status, 1);
    console.expect("no disc", SOON).unwrap();
    assert!(cdrom(&vmd, "web").ends_with("/one.iso, tray opened by the guest\n"));
    vmd.vmctl_ok("cdrom web eject");
    assert_eq!(cdrom(&vmd, "web"), "no medium\n");
    vmd.vmctl_ok("stop -fw web");
}

#[test]
fn a_disc_outlives_resets_of_the_guest_pauses_and_daemons() {
    needs_kvm!();
    let (vmd, mut console, two) = with_discs("reset");
    vmd.vmctl_ok("pause web");
    vmd.vmctl_ok(&format!("cdrom web {}", two.display()));
    // It is not opened by its name again.
    std::fs::rename(&two, two.with_file_name("gone.iso")).unwrap();
    vmd.vmctl_ok("unpause web");
    console.expect("disc of 8 blocks: this is two.iso", SOON).unwrap();
    console.expect("reset", SOON).unwrap();
    console.expect("disc of 8 blocks: this is two.iso", SOON).unwrap();
    let (before, pid) = (cdrom(&vmd, "web"), vmd.pid("web"));
    sh(&format!("kill -9 {0} && tail --pid={0} -f /dev/null", vmd.daemon_pid())).success().unwrap();
    let conf = std::fs::read_to_string(vmd.path().join("vm.conf")).unwrap();
    let vmd = Vmd::start_in(vmd.abandon(), &conf);
    assert_eq!((cdrom(&vmd, "web"), vmd.pid("web")), (before, pid));
    vmd.vmctl_ok("cdrom web eject");
    vmd.vmctl_ok("stop -fw web");
}

#[test]
fn a_drive_may_be_empty_and_a_machine_may_have_none() {
    needs_kvm!();
    let dir = directory();
    let one = disc(dir.path(), "one.iso", 1);
    let conf = machine("empty", "scsi", "", "cdrom") + &machine("none", "hello", "poweroff", "");
    let vmd = Vmd::start_in(dir, &conf);
    let mut console = vmd.boot("empty");
    console.expect("no disc", SOON).unwrap();
    let change = format!("empty {}", one.display());
    cdrom(&vmd, &change);
    console.expect("disc of 2 blocks: this is one.iso", SOON).unwrap();
    vmd.vmctl_ok("start none");
    let refused = vmd.vmctl("cdrom none");
    assert!(refused.status == 1 && refused.stderr.contains("has no CD-ROM drive"), "{}", refused.stderr);
    vmd.vmctl_ok("stop -fwa");
    let kernel = paths::test_guest("scsi").unwrap();
    let mut console =
        vmd.console(&format!("start -c tmp -b {} -m 32M -r {}", kernel.display(), one.display()));
    console.expect("disc of 2 blocks: this is one.iso", SOON).unwrap();
    vmd.vmctl_ok("stop -fw tmp");
    let missing = vmd.vmctl(&format!("start tmp -b {} -r /dev/null", kernel.display()));
    assert!(missing.stderr.starts_with("vmctl: could not find specified iso image\n"), "{}", missing.stderr);
}
