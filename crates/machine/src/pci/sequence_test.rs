//! Any sequence of accesses of a guest to a bus of real functions: the same that a fuzzer would feed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use virtio::GuestRam;
use virtio::blk::Blk;
use virtio::pci::VirtioPci;
use virtio::rng::Rng;
use vm_memory::GuestAddress;
use vmm_sys_util::eventfd::EventFd;

use super::*;
use crate::bus::BusDevice;
use crate::chips::{PowerManagement, ResetControl};
use crate::irq::tests::Record;
use crate::layout::{HOST_BRIDGE, ISA_BRIDGE, POWER_FUNCTION};

/// A KVM that knows its doorbells, and refuses what KVM refuses.
#[derive(Default)]
struct Bells {
    heard: Mutex<BTreeSet<hv::DoorbellAddress>>,
    refused: AtomicUsize,
}

impl Kernel for Bells {
    fn add_doorbell(&self, bell: &hv::Doorbell) -> Result<(), hv::Error> {
        if lock(&self.heard).insert(bell.at) {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(hv::Error::Busy)
    }

    fn remove_doorbell(&self, bell: &hv::Doorbell) -> Result<(), hv::Error> {
        assert!(lock(&self.heard).remove(&bell.at), "there is no such doorbell");
        Ok(())
    }

    fn route_messages(&self, _: &[hv::MsiRoute]) -> Result<(), hv::Error> {
        Ok(())
    }

    fn attach_interrupt(&self, _: &EventFd, _: u32) -> Result<(), hv::Error> {
        Ok(())
    }
}

struct Machine {
    pci: Arc<PciBus>,
    ports: Arc<Bus>,
    memory: Arc<Bus>,
    config: ConfigPorts<ResetControl>,
    kernel: Arc<Bells>,
    inputs: Record,
    /// The inputs that are high.
    high: BTreeSet<u32>,
}

const SLOTS: [u8; 3] = [3, 4, 5];

fn machine() -> Machine {
    let ram = GuestRam::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap();
    let disk = || {
        let image = tempfile::tempfile().unwrap();
        image.set_len(1 << 20).unwrap();
        let hook: virtio::ThreadHook = Arc::new(|_| {});
        VirtioPci::new(Box::new(Blk::new(0, image, &hook).unwrap()), ram.clone()).unwrap()
    };
    let rng = VirtioPci::new(Box::new(Rng::new()), ram.clone()).unwrap();
    let inputs = Record::default();
    let pirq = Arc::new(PirqRouter::new(&inputs.lines()));
    let shared = |function: VirtioPci| Arc::new(Mutex::new(function)) as SharedFunction;
    let functions = BTreeMap::from([
        (HOST_BRIDGE, Arc::new(Mutex::new(HostBridge::new(None))) as SharedFunction),
        (ISA_BRIDGE, Arc::new(Mutex::new(IsaBridge::new(pirq.clone())))),
        (POWER_FUNCTION, Arc::new(Mutex::new(PowerFunction::new()))),
        (PciAddress::slot(SLOTS[0]), shared(rng)),
        (PciAddress::slot(SLOTS[1]), shared(disk())),
        (PciAddress::slot(SLOTS[2]), shared(disk())),
    ]);
    let (ports, memory, kernel) =
        (Arc::new(Bus::default()), Arc::new(Bus::default()), Arc::new(Bells::default()));
    memory.reserve((0, 1 << 20));
    let pci = Arc::new(PciBus::new(functions, ports.clone(), memory.clone(), kernel.clone(), &pirq).unwrap());
    pci.set_chip(POWER_FUNCTION, Arc::new(Mutex::new(PowerManagement::new(inputs.lines().output(9)))));
    pci.set_up().unwrap();
    let config = ConfigPorts::new(pci.clone(), ResetControl::new());
    Machine { pci, ports, memory, config, kernel, inputs, high: BTreeSet::new() }
}

/// What a guest does.
#[derive(Clone, Debug)]
enum Act {
    Config {
        address: u32,
        offset: u64,
        value: u64,
        width: usize,
    },
    Memory {
        address: u64,
        value: u64,
        width: usize,
    },
    Port {
        port: u64,
        value: u64,
        width: usize,
    },
    /// A driver that knows what it does, with its range where it is.
    Start(u8),
}

impl Machine {
    fn carry_out(&mut self, action: BusAction) {
        if let BusAction::Pci(address, action) = action {
            self.pci.apply(address, action);
        }
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Config { address, offset, value, width } => {
                let _ = self.config.write(0, &address.to_le_bytes());
                let action = self.config.write(4 + offset, &value.to_le_bytes()[..width]);
                self.carry_out(action);
                self.config.read(4 + offset, &mut [0; 8][..width]);
            }
            Act::Memory { address, value, width } => {
                let action = self.memory.write(address, &value.to_le_bytes()[..width]);
                self.carry_out(action);
                self.memory.read(address, &mut [0; 8][..width]);
            }
            Act::Port { port, value, width } => {
                let action = self.ports.write(port, &value.to_le_bytes()[..width]);
                self.carry_out(action);
                self.ports.read(port, &mut [0; 8][..width]);
            }
            Act::Start(slot) => self.start(slot),
        }
        for (input, level) in self.inputs.take() {
            assert!(if level { self.high.insert(input) } else { self.high.remove(&input) });
        }
    }

    fn start(&mut self, slot: u8) {
        let config = |offset: u32| 0x8000_0000 | u32::from(slot) << 11 | offset;
        let enable = Act::Config { address: config(4), offset: 0, value: 6, width: 2 };
        self.act(&enable);
        let address = PciAddress::slot(slot);
        let bars = self.pci.function(address).map(|function| lock(function).bars()).unwrap_or_default();
        let Some(bar) = bars.first() else { return };
        let steps: [(u64, u64, usize); 10] = [
            (20, 0, 1),
            (20, 3, 1),
            (8, 1, 4),
            (12, 1, 4),
            (20, 11, 1),
            (32, 0x1000, 8),
            (40, 0x2000, 8),
            (48, 0x3000, 8),
            (28, 1, 2),
            (20, 15, 1),
        ];
        for (offset, value, width) in steps {
            let action = self.memory.write(bar.address + offset, &value.to_le_bytes()[..width]);
            self.carry_out(action);
        }
    }

    /// KVM hears exactly the doorbells of active functions whose range the bus leads to.
    fn check(&self) {
        let mut expected = BTreeSet::new();
        for (address, place) in &self.pci.functions {
            expected.extend(self.pci.doorbells(*address, place).into_iter().map(|bell| bell.at));
        }
        assert_eq!(*lock(&self.kernel.heard), expected);
        assert_eq!(self.kernel.refused.load(Ordering::Relaxed), 0, "two doorbells in one place");
    }
}

fn act() -> impl Strategy<Value = Act> {
    let place = prop_oneof![
        6 => prop::sample::select(&SLOTS[..]).prop_map(|slot| (slot, 0)),
        2 => prop_oneof![Just((0u8, 0u8)), Just((1, 0)), Just((1, 3))],
        1 => (0u8..32, 0u8..8),
    ];
    let register = prop_oneof![2 => Just(0x04u32), 3 => Just(0x20), 1 => (0u32..64).prop_map(|n| n * 4)];
    // Places where ranges meet one another, memory, and what is not memory.
    let base = prop::sample::select(vec![
        0u64,
        0xF_8000,
        0x10_0000,
        0xC000_0000,
        0xC000_8000,
        0xC001_0000,
        0xFEBF_8000,
        0xFEC0_0000,
        0xFFFF_8000,
    ]);
    let value = prop_oneof![4 => base.clone(), 2 => 0u64..8, 1 => any::<u64>()];
    let width = prop::sample::select(vec![1usize, 2, 4]);
    let wide = prop::sample::select(vec![1usize, 2, 4, 8]);
    let inside = prop_oneof![0u64..0x40, 0x3000u64..0x3010, 0x4000u64..0x4040, 0u64..0x8000];
    let config = (place, register, 0u64..4, value.clone(), width.clone());
    prop_oneof![
        6 => config.prop_map(|((slot, function), register, offset, value, width)| Act::Config {
            address: 0x8000_0000 | u32::from(slot) << 11 | u32::from(function) << 8 | register,
            offset: if width == 1 { offset } else if width == 2 { offset & 2 } else { 0 },
            value,
            width,
        }),
        6 => (base, inside, any::<u64>(), wide)
            .prop_map(|(base, offset, value, width)| Act::Memory { address: base + offset, value, width }),
        1 => (any::<u16>(), any::<u64>(), width)
            .prop_map(|(port, value, width)| Act::Port { port: port.into(), value, width }),
        2 => prop::sample::select(&SLOTS[..]).prop_map(Act::Start),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Nothing panics, doorbells are heard where the bus finds their ranges and nowhere else, inputs change only when they
    /// do, and a reset leaves all of them low.
    #[test]
    fn any_sequence_of_accesses_leaves_a_bus_that_is_in_order(acts in prop::collection::vec(act(), 1..120)) {
        let mut machine = machine();
        for act in &acts {
            machine.act(act);
            machine.check();
        }
        for place in machine.pci.functions.values() {
            let mut function = lock(&place.function);
            function.pause();
            function.reset();
            function.resume();
        }
        for (input, level) in machine.inputs.take() {
            prop_assert!(!level && machine.high.remove(&input));
        }
        prop_assert!(machine.high.is_empty());
        machine.pci.set_up().unwrap();
        machine.check();
        prop_assert!(lock(&machine.kernel.heard).is_empty());
    }
}
