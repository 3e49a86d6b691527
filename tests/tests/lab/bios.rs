//! A real Debian that SeaBIOS and GRUB start from its disk, under vmd in the lab.

use std::time::Duration;

use vmd_tests::{Console, Daemon, Guest, Host, Lab};

use crate::debian::{only_one, run};

/// How long firmware, boot loader and Debian may take to the login prompt.
const BOOT: Duration = Duration::from_secs(240);
const LIMIT: Duration = Duration::from_secs(120);

/// What the kernel says when the firmware has not done its work, and what it says so often that it means nothing.
const COMPLAINTS: &str = "dmesg | grep -iE 'firmware bug|acpi (error|warning|bios)|acpi: .*invalid|mptable: .*bad|can.t claim|\
                          no compatible bridge window' | wc -l";

fn log_in(console: &mut Console) {
    console.expect("login: ", BOOT).unwrap();
    console.send("root\n").unwrap();
    console.expect("# ", LIMIT).unwrap();
}

fn boots_and_reboots(cpus: u8) {
    let lab = Lab::shared().unwrap();
    let _turn = only_one();
    let disk = format!("/lab/guest/bios-{cpus}.img");
    let copy = format!("cp --sparse=always {} {disk}", Guest::in_lab().grub_disk.display());
    lab.run(&copy).unwrap().success().unwrap();
    let conf =
        format!("vm \"debian\" {{\n disable\n memory 512M\n cpus {cpus}\n disk \"{disk}\" format raw\n}}\n");
    let daemon = Daemon::start(lab, &format!("/run/bios-{cpus}"), &conf).unwrap();
    let vmctl = |arguments: &str| daemon.vmctl(arguments).unwrap().success().unwrap().stdout;
    vmctl("start debian");
    let mut console = daemon.vmctl_console("console debian").unwrap();
    for text in ["SeaBIOS", "Booting from Hard Disk", "GRUB is here"] {
        console.expect(text, LIMIT).unwrap();
    }
    log_in(&mut console);
    assert_eq!(run(&mut console, "nproc"), cpus.to_string());
    assert_eq!(
        run(&mut console, "ls /sys/firmware/acpi/tables | tr '\\n' ' '"),
        "APIC DSDT FACP FACS data dynamic"
    );
    assert_eq!(run(&mut console, "cat /sys/class/dmi/id/product_serial"), "debian");
    assert_eq!(run(&mut console, COMPLAINTS), "0", "{}", run(&mut console, "dmesg"));
    console.send("reboot\n").unwrap();
    console.expect("GRUB is here", LIMIT).unwrap();
    log_in(&mut console);
    vmctl("stop -w debian");
    console.wait(LIMIT).unwrap();
    lab.run(&format!("rm {disk}")).unwrap().success().unwrap();
}

#[test]
fn grub_starts_it_with_one_processor() {
    boots_and_reboots(1);
}

#[test]
fn grub_starts_it_with_two_processors() {
    boots_and_reboots(2);
}

#[test]
fn grub_starts_it_with_four_processors() {
    boots_and_reboots(4);
}
