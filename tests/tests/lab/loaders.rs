//! Kernels of others, as their packages have them, under vmd in the lab: up to their first lines.

use std::path::PathBuf;
use std::time::Duration;

use vmd_tests::{Daemon, Lab, foreign};

const LIMIT: Duration = Duration::from_secs(120);

/// Boots a kernel and waits for what it says.
fn says(name: &str, kernel: PathBuf, cmdline: &str, words: &[&str]) {
    let lab = Lab::shared().unwrap();
    let conf = format!(
        "vm \"{name}\" {{\n disable\n memory 256M\n boot \"{}\"\n cmdline \"{cmdline}\"\n}}\n",
        kernel.display()
    );
    let daemon = Daemon::start(lab, &format!("/run/{name}"), &conf).unwrap();
    let mut console = daemon.vmctl_console(&format!("start -c {name}")).unwrap();
    for word in words {
        console.expect(word, LIMIT).unwrap();
    }
    daemon.vmctl(&format!("stop -fw {name}")).unwrap().success().unwrap();
}

#[test]
fn xen_starts_as_a_packed_multiboot_kernel() {
    // It finds no firmware, whose functions it would call in real mode.
    let cmdline = "no-real-mode console=com1 com1=115200,8n1";
    says(
        "xen",
        foreign::xen().unwrap(),
        cmdline,
        &["Xen version 4.", "Command line: no-real-mode", "Bootloader: vmd"],
    );
}

#[test]
fn memtest_starts_as_a_bzimage() {
    says("memtest", foreign::memtest().unwrap(), "console=ttyS0,115200", &["Memtest86+"]);
}
