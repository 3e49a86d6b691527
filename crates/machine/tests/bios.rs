//! Debian's SeaBIOS, and firmware of a few instructions, on a real `/dev/kvm`.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use machine::{BootFiles, Machine, MachineEvent, Resources, SerialOutput};
use proto::{CpuCount, DiskFormat, DiskSpec, Firmware, MemorySize, ResetCause, VmName, VmSpec};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Longer than anything here takes, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps what the guest prints.
#[derive(Default)]
struct Console(Mutex<Vec<u8>>);

impl SerialOutput for Console {
    fn write(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
}

impl Console {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    fn wait_for(&self, text: &str) {
        let start = Instant::now();
        while !self.text().contains(text) {
            assert!(start.elapsed() < PATIENCE, "no {text:?} in {:?}", self.text());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// `/dev/kvm` and the BIOS, or a loud word that the test did not run.
fn opened() -> Option<(File, File)> {
    let kvm = OpenOptions::new().read(true).write(true).open("/dev/kvm");
    let bios = File::open(Firmware::STOCK_BIOS);
    match (kvm, bios) {
        (Ok(kvm), Ok(bios)) => Some((kvm, bios)),
        (kvm, bios) => {
            println!("SKIP: {:?} {:?}", kvm.err(), bios.err());
            None
        }
    }
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// A machine with these disks that is about to start this firmware, and its console.
fn machine(
    disks: Vec<File>,
    cpus: u64,
    boot: impl FnOnce(File) -> BootFiles,
) -> Option<(Machine, Arc<Console>)> {
    let (kvm, bios) = opened()?;
    let console = Arc::new(Console::default());
    let mut spec = VmSpec::new(VmName::new("test").unwrap());
    spec.memory = MemorySize::from_bytes(64 << 20).unwrap();
    spec.cpus = CpuCount::new(cpus).unwrap();
    spec.disks = disks.iter().map(|_| DiskSpec { path: "/disk".into(), format: DiskFormat::Raw }).collect();
    let resources = Resources {
        kvm: kvm.into(),
        boot: boot(bios),
        variables: None,
        cdrom: None,
        disks,
        console: console.clone(),
        thread_hook: Arc::new(|_| {}),
    };
    Some((Machine::build(&spec, resources).unwrap(), console))
}

/// The next event; input that finds room again is none of interest.
fn next_event(machine: &mut Machine) -> MachineEvent {
    loop {
        let timeout = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
        let event = machine.event_fd();
        let mut fds = [PollFd::new(&event, PollFlags::IN)];
        assert_eq!(poll(&mut fds, Some(&timeout)).unwrap(), 1, "nothing happens");
        match machine.next_event() {
            Some(MachineEvent::SerialRoom) | None => {}
            Some(event) => return event,
        }
    }
}

/// A disk whose boot sector reads the text in the second sector, has the BIOS print it, and writes `value` to `port`.
fn bootable(text: &str, port: u16, value: u16) -> File {
    let mut sector = vec![
        0x31, 0xC0, 0x8E, 0xD8, 0x8E, 0xC0, // xor ax, ax; mov ds, ax; mov es, ax
        0xB8, 0x01, 0x02, 0xBB, 0x00, 0x7E, // mov ax, 0x0201 (read one sector); mov bx, 0x7E00
        0xB9, 0x02, 0x00, 0xB6, 0x00, 0xCD, 0x13, // mov cx, 2; mov dh, 0; int 0x13
        0xBE, 0x00, 0x7E, // mov si, 0x7E00
        0xAC, 0x84, 0xC0, 0x74, 0x09, // next: lodsb; test al, al; jz done
        0xB4, 0x0E, 0xBB, 0x07, 0x00, 0xCD, 0x10, 0xEB,
        0xF2, // mov ah, 0x0E; mov bx, 7; int 0x10; jmp next
        // done: mov cx, 4; wait: sti; hlt; loop wait: the BIOS shows the last letters when the next interrupt comes
        0xB9, 0x04, 0x00, 0xFB, 0xF4, 0xE2,
        0xFC, // then: mov dx, port; mov ax, value; out dx, ax or al; hlt; jmp back
        0xBA,
    ];
    let out = if value > 0xFF { 0xEF } else { 0xEE };
    sector.extend(port.to_le_bytes());
    sector.push(0xB8);
    sector.extend(value.to_le_bytes());
    sector.extend([out, 0xF4, 0xEB, 0xFD]);
    sector.resize(510, 0);
    sector.extend([0x55, 0xAA]);
    sector.extend(text.bytes());
    sector.resize(1 << 20, 0);
    file(&sector)
}

const SOFT_OFF: (u16, u16) = (0x604, 0x3400);
const RESET: (u16, u16) = (0xCF9, 6);

#[test]
fn without_anything_to_start_the_bios_says_so() {
    let Some((machine, console)) = machine(vec![file(&vec![0; 1 << 20])], 2, BootFiles::Firmware) else {
        return;
    };
    machine_runs(machine, |_| {
        console.wait_for("Booting from Hard Disk...\r\nBoot failed: not a bootable disk");
        console.wait_for("No bootable device.\r\n");
    });
}

/// Lets a machine run, and halts it.
fn machine_runs(mut machine: Machine, meanwhile: impl FnOnce(&mut Machine)) {
    machine.start();
    meanwhile(&mut machine);
    std::thread::sleep(Duration::from_millis(100));
    machine.halt().unwrap();
}

#[test]
fn a_boot_sector_prints_through_the_bios_and_switches_off() {
    let disk = bootable("sector two\r\n", SOFT_OFF.0, SOFT_OFF.1);
    let Some((machine, console)) = machine(vec![disk], 1, BootFiles::Firmware) else { return };
    machine_runs(machine, |machine| assert_eq!(next_event(machine), MachineEvent::PoweredOff));
    console.wait_for("Booting from Hard Disk...\r\nsector two\r\n");
}

#[test]
fn a_reset_starts_the_bios_again() {
    let disk = bootable("again\r\n", RESET.0, RESET.1);
    let Some((machine, console)) = machine(vec![disk], 2, BootFiles::Firmware) else { return };
    machine_runs(machine, |machine| {
        for round in 1..=3 {
            assert_eq!(next_event(machine), MachineEvent::Reset(ResetCause::ResetRegister));
            assert_eq!(console.text().matches("again\r\n").count(), round, "{:?}", console.text());
            machine.reset().unwrap();
        }
    });
}

#[test]
fn escape_leads_to_the_boot_menu() {
    let disks = vec![file(&vec![0; 1 << 20]), bootable("the second\r\n", SOFT_OFF.0, SOFT_OFF.1)];
    let Some((mut machine, console)) = machine(disks, 1, BootFiles::Firmware) else { return };
    machine.start();
    let start = Instant::now();
    while !console.text().contains("Select boot device:") {
        assert!(start.elapsed() < PATIENCE, "{:?}", console.text());
        // As from a terminal on which the key is held down.
        if console.text().contains("SeaBIOS") {
            machine.serial_input(b"\x1b");
        }
        std::thread::sleep(Duration::from_millis(30));
    }
    while !console.text().contains("the second") {
        assert!(start.elapsed() < PATIENCE, "{:?}", console.text());
        machine.serial_input(b"2");
        std::thread::sleep(Duration::from_millis(30));
    }
    assert_eq!(next_event(&mut machine), MachineEvent::PoweredOff);
    machine.halt().unwrap();
}

/// Firmware that writes `F` to the first serial line and switches off.
fn tiny() -> Vec<u8> {
    let mut image = vec![0; 4096];
    // mov dx, 0x3F8; mov al, 'F'; out dx, al; mov dx, 0x604; mov ax, 0x3400; out dx, ax; hlt
    let code = [0xBA, 0xF8, 0x03, 0xB0, b'F', 0xEE, 0xBA, 0x04, 0x06, 0xB8, 0x00, 0x34, 0xEF, 0xF4];
    image[16..16 + code.len()].copy_from_slice(&code);
    // At the reset vector: back to there.
    image[4080..4083].copy_from_slice(&[0xE9, 0x1D, 0xF0]);
    image
}

#[test]
fn a_boot_image_may_be_firmware() {
    // Not whole pages.
    let image = |_| BootFiles::Image { image: file(&tiny()[16..]), initrd: None };
    let Some((machine, console)) = machine(Vec::new(), 1, image) else { return };
    machine_runs(machine, |machine| assert_eq!(next_event(machine), MachineEvent::PoweredOff));
    assert_eq!(console.text(), "F");
}

#[test]
fn what_is_neither_kernel_nor_firmware_is_refused_in_words() {
    let Some((kvm, _)) = opened() else { return };
    let spec = VmSpec::new(VmName::new("test").unwrap());
    let refusal = |boot| {
        let resources = Resources {
            kvm: kvm.try_clone().unwrap().into(),
            boot,
            variables: None,
            cdrom: None,
            disks: Vec::new(),
            console: Arc::new(Console::default()),
            thread_hook: Arc::new(|_| {}),
        };
        Machine::build(&spec, resources).err().unwrap().to_string()
    };
    let image = |bytes: &[u8]| BootFiles::Image { image: file(bytes), initrd: None };
    assert!(refusal(image(b"#!/bin/sh\necho 0123456789")).starts_with("neither a kernel nor a BIOS"));
    assert!(refusal(image(b"")).starts_with("neither a kernel nor a BIOS"));
    assert!(refusal(BootFiles::Firmware(file(&[0; 4096]))).contains("there is no code"));
    assert!(refusal(BootFiles::Firmware(file(&vec![0x90; (4 << 20) + 1]))).contains("at most 4194304"));
    let initrd = Some(file(b"initrd"));
    let both = BootFiles::Image { image: file(&tiny()), initrd };
    assert!(refusal(both).contains("has no use for an initial RAM disk"));
}
