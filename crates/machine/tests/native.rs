//! Small guests of a few instructions on a real `/dev/kvm`, through the interface that the vm role uses.

#![allow(clippy::unwrap_used)]

mod guest;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use guest::Code;
use machine::{BootFiles, Machine, MachineEvent, Resources, SerialOutput};
use proto::{CpuCount, MemorySize, ResetCause, VmName, VmSpec};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

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
        while self.text() != text {
            assert!(start.elapsed() < PATIENCE, "{:?} instead of {text:?}", self.text());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// `/dev/kvm`, or a loud word that the test did not run.
fn kvm() -> Option<File> {
    let opened = OpenOptions::new().read(true).write(true).open("/dev/kvm");
    if let Err(error) = &opened {
        println!("SKIP: no /dev/kvm: {error}");
    }
    opened.ok()
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// A machine that is about to run `code`, and its console.
fn machine(code: &Code, cpus: u64) -> Option<(Machine, Arc<Console>)> {
    machine_with_variables(code, cpus, None)
}

/// The same with a flash chip for the variables of firmware.
fn machine_with_variables(
    code: &Code,
    cpus: u64,
    variables: Option<File>,
) -> Option<(Machine, Arc<Console>)> {
    let console = Arc::new(Console::default());
    let mut spec = VmSpec::new(VmName::new("test").unwrap());
    spec.memory = MemorySize::from_bytes(32 << 20).unwrap();
    spec.cpus = CpuCount::new(cpus).unwrap();
    let resources = Resources {
        kvm: kvm()?.into(),
        boot: BootFiles::Image { image: file(&code.elf()), initrd: None },
        variables,
        disks: Vec::new(),
        cdrom: None,
        console: console.clone(),
        thread_hook: Arc::new(|_| {}),
    };
    Some((Machine::build(&spec, resources).unwrap(), console))
}

fn next_event(machine: &mut Machine) -> MachineEvent {
    let timeout = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
    let event = machine.event_fd();
    let mut fds = [PollFd::new(&event, PollFlags::IN)];
    assert_eq!(poll(&mut fds, Some(&timeout)).unwrap(), 1, "nothing happens");
    machine.next_event().unwrap()
}

#[test]
fn a_guest_prints_and_switches_off() {
    let code = Code::new().print("hello").power_off();
    let Some((mut machine, console)) = machine(&code, 1) else { return };
    assert_eq!(console.text(), "", "nothing runs before the start");
    machine.start();
    assert_eq!(next_event(&mut machine), MachineEvent::PoweredOff);
    assert_eq!(console.text(), "hello");
    assert_eq!(machine.next_event(), None);
    machine.halt().unwrap();
}

#[test]
fn every_way_to_reset_starts_again_with_empty_memory() {
    type Way = fn(Code) -> Code;
    let ways: [(ResetCause, Way); 4] = [
        (ResetCause::ResetRegister, |code| code.out8(0xCF9, 6)),
        (ResetCause::KeyboardController, |code| code.out8(0x64, 0xFE)),
        (ResetCause::SystemPort, |code| code.out8(0x92, 3)),
        (ResetCause::TripleFault, Code::triple_fault),
    ];
    for (cause, reset) in ways {
        // Prints B if memory has kept the mark, else A, and leaves the mark.
        let code = reset(Code::new().print_if_marked("B", "A").mark()).halt();
        let Some((mut machine, console)) = machine(&code, 1) else { return };
        machine.start();
        for round in 1..=3 {
            assert_eq!(next_event(&mut machine), MachineEvent::Reset(cause));
            assert_eq!(console.text(), "A".repeat(round), "{cause}");
            machine.reset().unwrap();
        }
        console.wait_for("AAAA");
        machine.halt().unwrap();
    }
}

#[test]
fn processors_start_one_another_again_after_each_reset() {
    let code = Code::new().print("1").start_others("2").out8(0xCF9, 6).halt();
    let Some((mut machine, console)) = machine(&code, 2) else { return };
    machine.start();
    for round in 1..=3 {
        assert_eq!(next_event(&mut machine), MachineEvent::Reset(ResetCause::ResetRegister));
        assert_eq!(console.text(), "12".repeat(round));
        machine.reset().unwrap();
    }
    machine.halt().unwrap();
}

#[test]
fn a_busy_guest_can_be_halted() {
    let code = Code::new().print("x").spin();
    let Some((mut machine, console)) = machine(&code, 4) else { return };
    machine.start();
    console.wait_for("x");
    machine.halt().unwrap();
}

#[test]
fn the_power_button_reaches_a_guest_that_polls_it() {
    let code = Code::new().print("ready").wait_for_power_button().power_off();
    let Some((mut machine, console)) = machine(&code, 1) else { return };
    machine.start();
    console.wait_for("ready");
    machine.power_button();
    assert_eq!(next_event(&mut machine), MachineEvent::PoweredOff);
}

#[test]
fn input_reaches_the_guest() {
    let code = Code::new().echo(3).power_off();
    let Some((mut machine, console)) = machine(&code, 1) else { return };
    machine.start();
    assert_eq!(machine.serial_input(b"abc"), 3);
    assert_eq!(next_event(&mut machine), MachineEvent::PoweredOff);
    assert_eq!(console.text(), "abc");
}

#[test]
fn a_string_instruction_gives_each_of_its_bytes() {
    let code = Code::new().print_string("all at once").power_off();
    let Some((mut machine, console)) = machine(&code, 1) else { return };
    machine.start();
    assert_eq!(next_event(&mut machine), MachineEvent::PoweredOff);
    assert_eq!(console.text(), "all at once");
}

#[test]
fn any_port_and_any_address_can_be_touched() {
    let code = Code::new().read_all_ports().touch_all_memory_windows().print("alive").power_off();
    let Some((mut machine, console)) = machine(&code, 1) else { return };
    machine.start();
    assert_eq!(next_event(&mut machine), MachineEvent::PoweredOff);
    assert_eq!(console.text(), "alive");
}

#[test]
fn the_pci_bus_shows_its_bridges_and_nothing_else_where_nothing_is() {
    let code = Code::new()
        .print_if_config(0x8000_0000, 0x1237_8086, "host ")
        .print_if_config(0x8000_0800, 0x7000_8086, "isa ")
        .print_if_config(0x8000_0B00, 0x7113_8086, "power ")
        .print_if_config(0x8000_0B40, 0x0000_0601, "placed ")
        .print_if_config(0x8000_0860, 0x0B0A_0B0A, "routed ")
        .print_if_config(0x8000_1000, 0xFFFF_FFFF, "none ")
        .print_if_config(0x8001_0000, 0xFFFF_FFFF, "none")
        .power_off();
    let Some((mut machine, console)) = machine(&code, 1) else { return };
    machine.start();
    assert_eq!(next_event(&mut machine), MachineEvent::PoweredOff);
    assert_eq!(console.text(), "host isa power placed routed none none");
}

#[test]
fn a_guest_drives_the_flash_chip_and_its_file_follows() {
    const LEN: usize = 3 * 4096;
    const CHIP: u32 = (0x1_0000_0000 - LEN as u64) as u32;
    const PLACE: u32 = CHIP + 5;
    let code = Code::new()
        .print_if_byte(PLACE, 0x55, "new ")
        .print_if_byte(PLACE, 0xA0, "kept ")
        .store8(PLACE, 0x50)
        .store8(PLACE, 0x70)
        .print_if_byte(PLACE, 0x00, "status ")
        .store8(PLACE, 0x10)
        .store8(PLACE, 0xA0)
        .print_if_byte(PLACE, 0x80, "done ")
        .store8(PLACE, 0xFF)
        .print_if_byte(PLACE, 0xA0, "written ")
        .store8(CHIP + 0x1800, 0x20)
        .store8(CHIP + 0x1800, 0xD0)
        .store8(CHIP, 0xFF)
        .print_if_byte(CHIP + 0x1FFF, 0xFF, "erased ")
        // The reset finds it in the middle of something.
        .store8(CHIP, 0x20)
        .out8(0xCF9, 6)
        .halt();
    let kept = file(&[0x55; LEN]);
    let Some((mut machine, console)) = machine_with_variables(&code, 1, Some(kept.try_clone().unwrap()))
    else {
        return;
    };
    machine.start();
    assert_eq!(next_event(&mut machine), MachineEvent::Reset(ResetCause::ResetRegister));
    let first = "new status done written erased ";
    assert_eq!(console.text(), first);
    machine.reset().unwrap();
    assert_eq!(next_event(&mut machine), MachineEvent::Reset(ResetCause::ResetRegister));
    assert_eq!(console.text(), format!("{first}kept status done written erased "));
    machine.halt().unwrap();
    let mut wanted = [0x55; LEN];
    wanted[5] = 0xA0;
    wanted[0x1000..0x2000].fill(0xFF);
    let mut found = [0; LEN];
    kept.read_exact_at(&mut found, 0).unwrap();
    assert!(found == wanted);
}
