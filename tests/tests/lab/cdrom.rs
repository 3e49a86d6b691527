//! Discs under a real Debian, whose udev locks the tray and lets go of it when the host asks.

use std::time::Duration;

use vmd_tests::{Host, Lab};

use crate::debian::{Debian, run};

/// How long the guest may take to notice something: it looks every two seconds.
const NOTICE: Duration = Duration::from_secs(60);

/// Makes a disc with some data on it, and gives the checksum of the data.
fn disc(lab: &Lab, name: &str) -> String {
    let make = format!(
        "mkdir -p /run/discs/{name} && head -c 3000001 /dev/urandom >/run/discs/{name}/data && \
         xorriso -as mkisofs -quiet -R -V {name} -o /run/discs/{name}.iso /run/discs/{name} && \
         sha256sum </run/discs/{name}/data"
    );
    lab.run(&make).unwrap().success().unwrap().stdout.trim().to_owned()
}

#[test]
fn debian_mounts_a_disc_and_the_one_that_takes_its_place() {
    let lab = Lab::shared().unwrap();
    let (one, two) = (disc(lab, "one"), disc(lab, "two"));
    let debian = Debian::with(lab, "discs", 1, "cdrom \"/run/discs/one.iso\"");
    let mut console = debian.boot();
    let mount = "until mount -t iso9660 -o ro /dev/sr0 /mnt; do sleep 1; done";
    assert_eq!(run(&mut console, &format!("{mount}; sha256sum </mnt/data")), one);
    assert_eq!(run(&mut console, "cat /sys/block/sr0/device/model"), "CD-ROM");
    assert_eq!(debian.vmctl("cdrom debian"), "/run/discs/one.iso, locked by the guest\n");

    let refused = debian.daemon.vmctl("cdrom debian /run/discs/two.iso").unwrap();
    assert!(refused.status == 1 && refused.stderr.contains("has locked the tray"), "{}", refused.stderr);
    let vmctl = debian.daemon.vmctl_command();
    let let_go = format!("{vmctl} cdrom debian | grep 'tray opened by the guest'");
    lab.wait_until(&let_go, Duration::from_secs(1), NOTICE).unwrap();
    run(&mut console, "umount -l /mnt 2>/dev/null");
    debian.vmctl("cdrom debian /run/discs/two.iso");
    assert_eq!(run(&mut console, &format!("{mount} 2>/dev/null; sha256sum </mnt/data")), two);

    debian.vmctl("cdrom -f debian eject");
    assert_eq!(debian.vmctl("cdrom debian"), "no medium\n");
    let gone = "umount -l /mnt; until ! head -c 1 /dev/sr0 >/dev/null 2>&1; do sleep 1; done; echo gone";
    assert_eq!(run(&mut console, gone), "gone");
    debian.stop();
}
