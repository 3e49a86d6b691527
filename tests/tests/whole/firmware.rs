//! Machines without a kernel: Debian's SeaBIOS, from its first instruction on.

use std::path::{Path, PathBuf};

use crate::needs_kvm;
use crate::support::{SOON, Vmd, directory, image};

/// Where Debian has it.
const BIOS: &str = "/usr/share/seabios/bios-256k.bin";

/// Ends a test, saying so, where there is no BIOS.
macro_rules! needs_bios {
    () => {
        if let Err(why) = std::fs::metadata(BIOS) {
            vmd_tests::skip!("no {BIOS}: {why}; Debian has it in the package seabios");
        }
    };
}

fn vm(name: &str, more: &str) -> String {
    format!("vm \"{name}\" {{\n disable\n memory 64M\n {more}\n}}\n")
}

/// A disk whose boot sector has the BIOS print a word each time it starts, and then writes `value` to `port`.
fn bootable(dir: &Path, name: &str, port: u16, value: u16) -> PathBuf {
    // xor ax, ax; mov ds, ax; mov si, text; next: lodsb; test al, al; jz done; mov ah, 0x0E; mov bx, 7; int 0x10;
    // jmp next; done: mov cx, 4; wait: sti; hlt; loop wait (the BIOS shows the last letters when an interrupt comes)
    let mut sector = vec![
        0x31, 0xC0, 0x8E, 0xD8, 0xBE, 0x29, 0x7C, 0xAC, 0x84, 0xC0, 0x74, 0x09, 0xB4, 0x0E, 0xBB, 0x07, 0x00,
        0xCD, 0x10, 0xEB, 0xF2, 0xB9, 0x04, 0x00, 0xFB, 0xF4, 0xE2, 0xFC,
    ];
    // mov dx, port; mov ax, value; out dx, ax or al; sti; again: hlt; jmp again
    sector.push(0xBA);
    sector.extend(port.to_le_bytes());
    sector.push(0xB8);
    sector.extend(value.to_le_bytes());
    sector.extend([if value > 0xFF { 0xEF } else { 0xEE }, 0xFB, 0xF4, 0xEB, 0xFD]);
    sector.resize(0x29, 0x90);
    sector.extend(b"booted\r\n\0");
    sector.resize(510, 0);
    sector.extend([0x55, 0xAA]);
    let path = dir.join(name);
    std::fs::write(&path, [sector, vec![0; (1 << 20) - 512]].concat()).unwrap();
    path
}

fn disk(path: &Path) -> String {
    format!("disk \"{}\" format raw\n", path.display())
}

/// Ports and values: soft off, reset, and one where nobody listens.
const SOFT_OFF: (u16, u16) = (0x604, 0x3400);
const RESET: (u16, u16) = (0xCF9, 6);
const NOTHING: (u16, u16) = (0x80, 0);

#[test]
fn an_empty_disk_is_not_started_from_and_the_bios_says_so() {
    needs_kvm!();
    needs_bios!();
    let dir = directory();
    let empty = image(dir.path(), "empty.img", 1);
    let vmd = Vmd::start_in(dir, &vm("web", &format!("cpus 2\n{}", disk(&empty))));
    let mut console = vmd.boot("web");
    for text in ["SeaBIOS", "Press ESC for boot menu.", "Booting from Hard Disk", "No bootable device."] {
        console.expect(text, SOON).unwrap();
    }
    vmd.vmctl_ok("stop -fw web");
    console.wait(SOON).unwrap();
}

#[test]
fn a_boot_sector_is_started_and_switches_the_machine_off() {
    needs_kvm!();
    needs_bios!();
    let dir = directory();
    let path = bootable(dir.path(), "a.img", SOFT_OFF.0, SOFT_OFF.1);
    let vmd = Vmd::start_in(dir, &vm("web", &disk(&path)));
    let mut console = vmd.boot("web");
    console.expect("booted", SOON).unwrap();
    console.wait(SOON).unwrap();
    vmd.wait_for_state("web", "stopped");
    assert!(vmd.log().contains("vm \"web\" powered off"), "{}", vmd.log());
}

#[test]
fn the_guest_resets_and_starts_its_firmware_again_in_the_same_process() {
    needs_kvm!();
    needs_bios!();
    let dir = directory();
    let path = bootable(dir.path(), "a.img", RESET.0, RESET.1);
    let vmd = Vmd::start_in(dir, &vm("web", &disk(&path)));
    let mut console = vmd.boot("web");
    console.expect("booted", SOON).unwrap();
    let pid = vmd.pid("web");
    for _ in 0..2 {
        console.expect("SeaBIOS", SOON).unwrap();
        console.expect("booted", SOON).unwrap();
    }
    assert_eq!(vmd.pid("web"), pid);
    vmd.vmctl_ok("stop -fw web");
    console.wait(SOON).unwrap();
}

#[test]
fn a_boot_device_is_the_only_one_that_is_tried() {
    needs_kvm!();
    needs_bios!();
    let dir = directory();
    let disk = disk(&bootable(dir.path(), "a.img", NOTHING.0, NOTHING.1));
    let conf = ["disk", "net"].map(|device| vm(device, &format!("boot device {device}\n{disk}"))).concat();
    let vmd = Vmd::start_in(dir, &conf);
    let mut console = vmd.boot("disk");
    console.expect("booted", SOON).unwrap();
    vmd.vmctl_ok("stop -fw disk");
    console.wait(SOON).unwrap();
    let mut console = vmd.boot("net");
    let seen = console.expect("No bootable device.", SOON).unwrap();
    assert!(!seen.contains("booted"), "{seen}");
    vmd.vmctl_ok("stop -fw net");
    console.wait(SOON).unwrap();
}

#[test]
fn a_boot_image_may_be_a_bios() {
    needs_kvm!();
    needs_bios!();
    let dir = directory();
    let path = bootable(dir.path(), "a.img", NOTHING.0, NOTHING.1);
    let vmd = Vmd::start_in(dir, "");
    let mut console = vmd.console(&format!("start web -c -m 64M -b {BIOS} -d {} -B disk", path.display()));
    console.expect("booted", SOON).unwrap();
    vmd.vmctl_ok("stop -fw web");
    console.wait(SOON).unwrap();
}

#[test]
fn firmware_that_can_not_be_used_is_refused_in_words() {
    needs_kvm!();
    let dir = directory();
    let text = dir.path().join("text");
    std::fs::write(&text, "this is no firmware at all\n").unwrap();
    let vmd = Vmd::start_in(dir, &vm("web", &format!("firmware \"{}\"", text.display())));
    let refused = vmd.vmctl("start web");
    vmd.wait_for_state("web", "stopped");
    assert!(vmd.log().contains("this is no firmware"), "{}\n{}", refused.stderr, vmd.log());
}
