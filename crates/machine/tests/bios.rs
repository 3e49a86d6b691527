//! Debian's SeaBIOS, and firmware of a few instructions, on a real `/dev/kvm`.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use machine::{BootFiles, Machine, Resources, SerialOutput};
use proto::{CpuCount, DiskFormat, DiskSpec, Firmware, MemorySize, VmName, VmSpec};

/// Longer than anything here takes, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(120);

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

/// A machine with these disks that is about to start the BIOS, and its console.
fn machine(disks: Vec<File>, cpus: u64) -> Option<(Machine, Arc<Console>)> {
    let (kvm, bios) = opened()?;
    let console = Arc::new(Console::default());
    let mut spec = VmSpec::new(VmName::new("test").unwrap());
    spec.memory = MemorySize::from_bytes(64 << 20).unwrap();
    spec.cpus = CpuCount::new(cpus).unwrap();
    spec.disks = disks.iter().map(|_| DiskSpec { path: "/disk".into(), format: DiskFormat::Raw }).collect();
    let resources = Resources {
        kvm: kvm.into(),
        boot: BootFiles::Firmware(bios),
        variables: None,
        disks,
        console: console.clone(),
        thread_hook: Arc::new(|_| {}),
    };
    Some((Machine::build(&spec, resources).unwrap(), console))
}

#[test]
fn without_a_disk_the_bios_says_so() {
    let Some((mut machine, console)) = machine(Vec::new(), 2) else { return };
    let start = Instant::now();
    machine.start();
    std::thread::sleep(Duration::from_secs(8));
    println!("{:?} {:?} {:?}", start.elapsed(), console.text(), machine.next_event());
    console.wait_for("No bootable device");
    machine.halt().unwrap();
}
