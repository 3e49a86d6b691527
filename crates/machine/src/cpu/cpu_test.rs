use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hv::{Bytes, Entry, Exit, Failure, Hardware, Scripted, Space};
use proto::ResetCause;

use super::*;
use crate::bus::{Bus, BusAction, BusDevice};
use crate::event::{Events, MachineEvent};
use crate::irq::tests::Record;
use crate::pci::{PciBus, PirqRouter};

/// Reads as 0xAB; a write of 1 resets, of 2 switches off.
struct Probe;

impl BusDevice for Probe {
    fn read(&mut self, _: u64, data: &mut [u8]) {
        data.fill(0xAB);
    }

    fn write(&mut self, _: u64, data: &[u8]) -> BusAction {
        match data.first() {
            Some(1) => BusAction::Reset(ResetCause::ResetRegister),
            Some(2) => BusAction::PowerOff,
            _ => BusAction::None,
        }
    }
}

struct NoKernel;

impl crate::pci::Kernel for NoKernel {
    fn add_doorbell(&self, _: &hv::Doorbell) -> Result<(), hv::Error> {
        Ok(())
    }
    fn remove_doorbell(&self, _: &hv::Doorbell) -> Result<(), hv::Error> {
        Ok(())
    }
    fn route_messages(&self, _: &[hv::MsiRoute]) -> Result<(), hv::Error> {
        Ok(())
    }
    fn attach_interrupt(&self, _: &vmm_sys_util::eventfd::EventFd, _: u32) -> Result<(), hv::Error> {
        Ok(())
    }
}

fn board() -> Board {
    let (ports, memory) = (Arc::new(Bus::default()), Arc::new(Bus::default()));
    ports.add((0x10, 4), Arc::new(Mutex::new(Probe)));
    let pirq = Arc::new(PirqRouter::new(&Record::default().lines()));
    let pci =
        PciBus::new(Default::default(), ports.clone(), memory.clone(), Arc::new(NoKernel), &pirq).unwrap();
    let events = Arc::new(Events::new().unwrap());
    Board { ports, memory, pci: Arc::new(pci), shadow: None, events, hardware: Hardware::Native }
}

fn write(value: u8) -> Exit {
    Exit::Write { space: Space::Port, address: 0x10, data: Bytes::new(&[value]) }
}

fn read(space: Space, address: u64, len: u8) -> Exit {
    Exit::Read { space, address, len }
}

/// Runs a script until it is over and gives the answers and what the owner heard.
fn play(script: Vec<Exit>) -> (Vec<Entry>, Option<MachineEvent>) {
    let board = board();
    let mut processor = Scripted::new(script);
    let answers = processor.answers();
    board.run(&mut processor, || true);
    let answers = lock(&answers).clone();
    (answers, board.events.next())
}

#[test]
fn reads_are_answered_by_the_bus_of_their_space() {
    let script =
        vec![read(Space::Port, 0x13, 2), read(Space::Memory, 0x10, 8), write(0), read(Space::Port, 0, 4)];
    let (answers, event) = play(script);
    let data = |bytes: &[u8]| Entry::Data(Bytes::new(bytes));
    let expected = [Entry::Resume, data(&[0xAB, 0xFF]), data(&[0xFF; 8]), Entry::Resume, data(&[0xFF; 4])];
    assert_eq!(answers, expected);
    assert_eq!(event, None);
}

#[test]
fn a_reset_is_reported_once_the_instruction_is_complete() {
    let (answers, event) = play(vec![write(1), write(0), read(Space::Port, 0x10, 1)]);
    assert_eq!(event, Some(MachineEvent::Reset(ResetCause::ResetRegister)));
    assert_eq!(answers, [Entry::Resume, Entry::Resume], "it is entered once more, only to leave");
}

#[test]
fn off_is_off() {
    assert_eq!(play(vec![write(2)]).1, Some(MachineEvent::PoweredOff));
}

#[test]
fn a_triple_fault_is_a_reset() {
    assert_eq!(play(vec![Exit::Shutdown]).1, Some(MachineEvent::Reset(ResetCause::TripleFault)));
}

#[test]
fn failures_say_what_and_where() {
    let failed = |failure| match play(vec![Exit::Failed(failure)]).1 {
        Some(MachineEvent::Failed(why)) => why,
        other => panic!("{other:?}"),
    };
    let text = failed(Failure::Internal { suberror: 1, rip: 0x1000, code: vec![0x0F, 0xC7] });
    assert!(text.contains("instruction at 0x1000 (code 0f c7)"), "{text}");
    let text = failed(Failure::Entry { reason: 0x8000_0021, rip: 0x20 });
    assert!(text.contains("at address 0x20") && text.contains("0x80000021"), "{text}");
    let text = failed(Failure::Memory { address: 0x5000 });
    assert!(text.contains("0x5000"), "{text}");
    assert!(failed(Failure::Unexpected(99)).contains("99"));
}

#[test]
fn software_emulation_is_named_as_the_cause() {
    let board = Board { hardware: Hardware::Emulated, ..board() };
    let failure = Failure::Internal { suberror: 1, rip: 0, code: vec![] };
    board.run(&mut Scripted::new([Exit::Failed(failure)]), || true);
    let Some(MachineEvent::Failed(why)) = board.events.next() else { panic!() };
    assert!(why.contains("no VMX or SVM"), "{why}");
}

/// Runs until it is kicked, as a guest that does nothing, and counts how often it is entered.
struct Idle {
    entered: Arc<AtomicUsize>,
    running: Arc<AtomicBool>,
}

impl Processor for Idle {
    fn run(&mut self, _: Entry) -> Exit {
        self.entered.fetch_add(1, Ordering::SeqCst);
        self.running.store(true, Ordering::SeqCst);
        std::thread::sleep(std::time::Duration::from_millis(1));
        self.running.store(false, Ordering::SeqCst);
        Exit::Interrupted
    }

    fn leave(&mut self) {}
}

fn until(condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed().as_secs() < 60);
        std::thread::yield_now();
    }
}

#[test]
fn nobody_runs_between_pause_and_run() {
    ignore_kicks();
    let entered: Vec<_> = (0..3).map(|_| Arc::new(AtomicUsize::new(0))).collect();
    let running = Arc::new(AtomicBool::new(false));
    let idle = |entered: &Arc<_>| Idle { entered: Arc::clone(entered), running: running.clone() };
    let hooked = Arc::new(AtomicUsize::new(0));
    let hook: ThreadHook = {
        let hooked = hooked.clone();
        Arc::new(move |kind| {
            assert_eq!(kind, ThreadKind::Vcpu);
            hooked.fetch_add(1, Ordering::SeqCst);
        })
    };
    let cpus = Cpus::new(entered.iter().map(idle).collect(), &board(), &hook).unwrap();
    cpus.pause();
    assert_eq!(hooked.load(Ordering::SeqCst), 3);
    assert!(entered.iter().all(|n| n.load(Ordering::SeqCst) == 0), "they start parked");
    for _ in 0..50 {
        let before: Vec<_> = entered.iter().map(|n| n.load(Ordering::SeqCst)).collect();
        cpus.run();
        until(|| entered.iter().zip(&before).all(|(n, before)| n.load(Ordering::SeqCst) > *before));
        cpus.pause();
        assert!(!running.load(Ordering::SeqCst));
        let mut seen = 0;
        cpus.each(|_, _| {
            seen += 1;
            Ok::<(), ()>(())
        })
        .unwrap();
        assert_eq!(seen, 3, "the owner has all of them");
    }
}

#[test]
fn who_asked_for_a_reset_waits_for_the_next_round() {
    ignore_kicks();
    let processor = Scripted::new([write(1), Exit::Interrupted, write(2)]);
    let answers = processor.answers();
    let board = board();
    let hook: ThreadHook = Arc::new(|_| {});
    let cpus = Cpus::new(vec![processor], &board, &hook).unwrap();
    cpus.run();
    until(|| board.events.next() == Some(MachineEvent::Reset(ResetCause::ResetRegister)));
    until(|| lock(&answers).len() == 2);
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(lock(&answers).len(), 2, "it does not go on by itself");
    cpus.pause();
    cpus.run();
    until(|| board.events.next() == Some(MachineEvent::PoweredOff));
}

/// Without KVM nobody has installed the handler of the signal, and it would end the process.
fn ignore_kicks() {
    hv::prepare_kicks().unwrap();
}
