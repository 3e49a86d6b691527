//! UEFI in the lab: stock OVMF starts a Debian from a disk with GPT and GRUB.

use std::time::Duration;

use vmd_tests::{Console, Daemon, Guest, Host, Lab};

use super::debian::{only_one, run};

/// How long it may take from the firmware's first instruction to the login prompt, three times what it usually takes.
const BOOT: Duration = Duration::from_secs(600);
const LIMIT: Duration = Duration::from_secs(120);
/// Where the daemon lives, and what its files are called.
const DIRECTORY: &str = "/run/uefi";
const DISK: &str = "/lab/guest/uefi-copy.img";
const VARIABLES: &str = "/run/uefi/run/state/uefi.fd";

/// Logs in at the console, where the machine has just been started.
fn log_in(console: &mut Console) {
    console.expect("login: ", BOOT).unwrap();
    console.send("root\n").unwrap();
    console.expect("# ", LIMIT).unwrap();
}

fn boot(daemon: &Daemon<'_>) -> Console {
    daemon.vmctl("start uefi").unwrap().success().unwrap();
    let mut console = daemon.vmctl_console("console uefi").unwrap();
    log_in(&mut console);
    console
}

fn stop(daemon: &Daemon<'_>) {
    daemon.vmctl("stop -w uefi").unwrap().success().unwrap();
}

/// The boot entries of this name that the guest's firmware has.
fn entries(console: &mut Console) -> String {
    run(console, "efibootmgr | grep -c 'made by a test'")
}

#[test]
fn a_boot_entry_survives_a_reboot_a_stop_and_the_daemon() {
    let _turn = only_one();
    let lab = Lab::shared().unwrap();
    let copy = format!("cp --sparse=always {} {DISK}", Guest::in_lab().uefi_disk.display());
    lab.run_within(&copy, LIMIT).unwrap().success().unwrap();
    let conf = format!(
        "vm \"uefi\" {{\n disable\n memory 512M\n cpus 2\n firmware uefi\n disk \"{DISK}\" format raw\n}}\n"
    );
    let daemon = Daemon::start(lab, DIRECTORY, &conf).unwrap();

    let mut console = boot(&daemon);
    assert_eq!(run(&mut console, "nproc"), "2");
    let variables = lab.run(&format!("stat -c '%a %u' {VARIABLES}")).unwrap().success().unwrap();
    assert_eq!(variables.stdout.trim(), "600 0");
    run(
        &mut console,
        "efibootmgr -c -d /dev/vda -p 1 -L 'made by a test' -l '\\EFI\\BOOT\\BOOTX64.EFI' >/dev/null",
    );
    assert_eq!(entries(&mut console), "1");
    console.send("reboot\n").unwrap();
    log_in(&mut console);
    assert_eq!(entries(&mut console), "1", "after a reboot from inside");
    let used = "efibootmgr | grep -q \"^Boot$(efibootmgr | sed -n 's/BootCurrent: //p').*made by a test\"";
    assert_eq!(run(&mut console, &format!("{used} && echo it")), "it", "and it is what was started");
    stop(&daemon);

    let mut console = boot(&daemon);
    assert_eq!(entries(&mut console), "1", "after a stop");
    stop(&daemon);
    daemon.stop().unwrap();
    let daemon = Daemon::start(lab, DIRECTORY, &conf).unwrap();
    let mut console = boot(&daemon);
    assert_eq!(entries(&mut console), "1", "with another daemon");
    assert_eq!(run(&mut console, "dmesg | grep -ci 'firmware bug'"), "0");
    stop(&daemon);
}
