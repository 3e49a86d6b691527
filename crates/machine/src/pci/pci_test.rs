use std::sync::atomic::{AtomicUsize, Ordering};

use hv::MsiRoute;
use proto::ResetCause;
use virtio::Lifecycle;
use virtio::pci::{Doorbell, MsixVector, Pin};
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

use super::*;
use crate::bus::BusDevice;
use crate::irq::tests::Record;
use crate::layout::{ISA_BRIDGE, PCI_END, PCI_PORTS_START, PCI_START, POWER_FUNCTION};

/// Writes down what KVM would be told.
#[derive(Default)]
struct Calls {
    bells: Mutex<Vec<(bool, u64, Option<u16>)>>,
    routes: Mutex<Vec<Vec<MsiRoute>>>,
    attached: Mutex<Vec<u32>>,
    count: AtomicUsize,
    refuse: bool,
}

impl Calls {
    fn call(&self) -> Result<(), hv::Error> {
        self.count.fetch_add(1, Ordering::Relaxed);
        if self.refuse { Err(hv::Error::Busy) } else { Ok(()) }
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

fn key(bell: &hv::Doorbell) -> (bool, u64, Option<u16>) {
    (bell.at.port, bell.at.address, bell.at.value)
}

impl Kernel for Calls {
    fn add_doorbell(&self, bell: &hv::Doorbell) -> Result<(), hv::Error> {
        self.call()?;
        lock(&self.bells).push(key(bell));
        Ok(())
    }

    fn remove_doorbell(&self, bell: &hv::Doorbell) -> Result<(), hv::Error> {
        lock(&self.bells).retain(|other| *other != key(bell));
        self.call()
    }

    fn route_messages(&self, routes: &[MsiRoute]) -> Result<(), hv::Error> {
        lock(&self.routes).push(routes.to_vec());
        self.call()
    }

    fn attach_interrupt(&self, _: &EventFd, gsi: u32) -> Result<(), hv::Error> {
        lock(&self.attached).push(gsi);
        self.call()
    }
}

/// A function with an interrupt pin A, one memory range of 64 bits, one of ports, two vectors and a doorbell, which follow what
/// the test sets.
struct Card {
    command: u16,
    /// Registers 0, 1 (64-bit memory) and 2 (ports).
    bars: [u32; 3],
    memory_size: u64,
    doorbell: Option<Arc<EventFd>>,
    vectors: Vec<Option<MsixVector>>,
    events: Vec<Arc<EventFd>>,
    written: Vec<(u8, u64, Vec<u8>)>,
    routed: Vec<Option<MsixVector>>,
    line: u8,
    pin: Option<Arc<dyn Pin>>,
}

const PORTS_SIZE: u32 = 32;

impl Card {
    fn new(memory_size: u64) -> Self {
        let event = || Arc::new(EventFd::new(EFD_NONBLOCK).unwrap());
        Self {
            command: 0,
            bars: [0; 3],
            memory_size,
            doorbell: None,
            vectors: vec![None; 2],
            events: vec![event(), event()],
            written: Vec::new(),
            routed: Vec::new(),
            line: 0,
            pin: None,
        }
    }

    fn mask(&self, bar: usize) -> u32 {
        match bar {
            0 => !(self.memory_size - 1) as u32,
            1 => (!(self.memory_size - 1) >> 32) as u32,
            _ => !(PORTS_SIZE - 1) & 0xFFFF,
        }
    }
}

impl Lifecycle for Card {
    fn pause(&mut self) {}
    fn resume(&mut self) {}
    fn reset(&mut self) {}
}

/// What a function may rely on: 1, 2 or 4 bytes within a 32-bit register.
fn check(offset: u8, data: &[u8]) {
    assert!(matches!(data.len(), 1 | 2 | 4) && usize::from(offset % 4) + data.len() <= 4);
}

impl PciFunction for Card {
    fn connect_pin(&mut self, pin: Arc<dyn Pin>) {
        self.pin = Some(pin);
    }

    fn read_config(&mut self, offset: u8, data: &mut [u8]) {
        check(offset, data);
        let value = match offset {
            0 => 0x1234_5678,
            4 => self.command.into(),
            0x10 => self.bars[0] | 4,
            0x14 => self.bars[1],
            0x18 => self.bars[2] | 1,
            0x3C => 0x100 | u32::from(self.line),
            0x3D => 1,
            _ => 0,
        };
        data.iter_mut().zip(value.to_le_bytes()).for_each(|(to, from)| *to = from);
    }

    fn write_config(&mut self, offset: u8, data: &[u8]) -> Action {
        check(offset, data);
        match (offset, data.len()) {
            (0x3C, 1) => self.line = data[0],
            (4, 2) => self.command = u16::from_le_bytes(data.try_into().unwrap()),
            (0x10 | 0x14 | 0x18, 4) => {
                let bar = usize::from(offset - 0x10) / 4;
                self.bars[bar] = u32::from_le_bytes(data.try_into().unwrap()) & self.mask(bar);
            }
            _ => return Action::NONE,
        }
        Action { bars: true, ..Action::NONE }
    }

    fn bars(&self) -> Vec<Bar> {
        if self.command & 3 != 3 {
            return Vec::new();
        }
        let address = u64::from(self.bars[1]) << 32 | u64::from(self.bars[0]);
        vec![
            Bar { index: 0, kind: BarKind::Memory, address, size: self.memory_size },
            Bar { index: 2, kind: BarKind::Io, address: self.bars[2].into(), size: PORTS_SIZE.into() },
        ]
    }

    fn read_bar(&mut self, bar: u8, offset: u64, data: &mut [u8]) {
        data.fill(bar * 16 + offset as u8);
    }

    fn write_bar(&mut self, bar: u8, offset: u64, data: &[u8]) -> Action {
        self.written.push((bar, offset, data.to_vec()));
        Action { doorbells: true, msix: true, ..Action::NONE }
    }

    fn doorbells(&self) -> Vec<Doorbell> {
        let bell =
            |event: &Arc<EventFd>| Doorbell { bar: 0, offset: 0x20, value: Some(1), event: event.clone() };
        self.doorbell.iter().map(bell).collect()
    }

    fn msix(&self) -> Vec<Option<MsixVector>> {
        self.vectors.clone()
    }

    fn msix_routed(&mut self, vectors: &[Option<MsixVector>]) {
        self.routed = vectors.to_vec();
    }

    fn msix_events(&self) -> &[Arc<EventFd>] {
        &self.events
    }
}

struct Fixture {
    calls: Arc<Calls>,
    cards: Vec<Arc<Mutex<Card>>>,
    ports: Arc<Bus>,
    memory: Arc<Bus>,
    pci: Arc<PciBus>,
    /// What the interrupt controllers see.
    inputs: Record,
}

/// A bus with such cards in slots from 3 on, and the two functions of slot 1.
fn fixture(sizes: &[u64], calls: Calls) -> Fixture {
    let (ports, memory, calls) = (Arc::new(Bus::default()), Arc::new(Bus::default()), Arc::new(calls));
    let cards: Vec<_> = sizes.iter().map(|size| Arc::new(Mutex::new(Card::new(*size)))).collect();
    let inputs = Record::default();
    let pirq = Arc::new(PirqRouter::new(&inputs.lines()));
    let cards_by_slot = (3..).zip(&cards);
    let mut functions: BTreeMap<_, _> =
        cards_by_slot.map(|(slot, card)| (PciAddress::slot(slot), card.clone() as SharedFunction)).collect();
    functions.insert(ISA_BRIDGE, Arc::new(Mutex::new(IsaBridge::new(pirq.clone()))));
    functions.insert(POWER_FUNCTION, Arc::new(Mutex::new(PowerFunction::new())));
    let pci = PciBus::new(functions, ports.clone(), memory.clone(), calls.clone(), &pirq).unwrap();
    Fixture { calls, cards, ports, memory, pci: Arc::new(pci), inputs }
}

fn byte(bus: &Bus, address: u64) -> u8 {
    let mut data = [0];
    bus.read(address, &mut data);
    data[0]
}

const ALL: Action = Action { bars: true, doorbells: true, msix: true, memory: false };

#[test]
fn ranges_get_aligned_addresses_and_kvm_hears_nothing() {
    let fixture = fixture(&[0x1000, 0x1_0000, 0x1000], Calls::default());
    fixture.pci.set_up().unwrap();
    let places: Vec<_> = fixture.cards.iter().map(|card| lock(card).bars()[0].address).collect();
    assert_eq!(places, [PCI_START, PCI_START + 0x1_0000, PCI_START + 0x2_0000]);
    assert_eq!(byte(&fixture.memory, PCI_START + 7), 7);
    assert_eq!(byte(&fixture.ports, PCI_PORTS_START + 1), 33);
    assert_eq!(byte(&fixture.memory, PCI_START + 0x1000), 0xFF);
    assert_eq!(fixture.calls.count(), 0, "calls to KVM are expensive and wait for a driver");
}

#[test]
fn ranges_that_do_not_fit_are_an_error() {
    let fixture = fixture(&[1 << 30, 1 << 30], Calls::default());
    const { assert!(PCI_END - PCI_START < 2 << 30) };
    assert_eq!(fixture.pci.set_up(), Err(PciError::Window));
}

#[test]
fn functions_beyond_the_last_slot_are_an_error() {
    let pirq = Arc::new(PirqRouter::new(&Record::default().lines()));
    for address in [PciAddress::slot(32), PciAddress::new(0, 8)] {
        let card = Arc::new(Mutex::new(Card::new(0x1000))) as SharedFunction;
        let kernel = Arc::new(Calls::default());
        let result = PciBus::new([(address, card)].into(), Arc::default(), Arc::default(), kernel, &pirq);
        assert_eq!(result.err(), Some(PciError::Slots));
    }
}

#[test]
fn a_range_can_be_moved_over_another_and_away_again() {
    let fixture = fixture(&[0x1000, 0x1000], Calls::default());
    fixture.pci.set_up().unwrap();
    lock(&fixture.cards[1]).bars[0] = PCI_START as u32;
    fixture.pci.apply(PciAddress::slot(4), ALL);
    assert_eq!(
        fixture.memory.write(PCI_START, &[9]),
        BusAction::Pci(PciAddress::slot(3), Action { bars: false, ..ALL })
    );
    assert_eq!(lock(&fixture.cards[0]).written, [(0, 0, vec![9])]);
    lock(&fixture.cards[1]).bars = [0xFFFF_F000, 0xFFFF_FFFF, 0];
    fixture.pci.apply(PciAddress::slot(4), ALL);
    assert_eq!(byte(&fixture.memory, u64::MAX), 0xFF);
    lock(&fixture.cards[1]).command = 0;
    fixture.pci.apply(PciAddress::slot(4), ALL);
    assert_eq!(byte(&fixture.memory, u64::MAX - 0xFF), 0xFF);
}

#[test]
fn doorbells_follow_their_range() {
    let fixture = fixture(&[0x1000], Calls::default());
    fixture.pci.set_up().unwrap();
    lock(&fixture.cards[0]).doorbell = Some(Arc::new(EventFd::new(0).unwrap()));
    let action = Action { doorbells: true, ..Action::NONE };
    fixture.pci.apply(PciAddress::slot(3), action);
    fixture.pci.apply(PciAddress::slot(3), action);
    assert_eq!(*lock(&fixture.calls.bells), [(false, PCI_START + 0x20, Some(1))]);
    assert_eq!(fixture.calls.count(), 1, "nothing has changed the second time");
    lock(&fixture.cards[0]).bars[0] = (PCI_START + 0x5000) as u32;
    fixture.pci.apply(PciAddress::slot(3), Action { bars: true, ..Action::NONE });
    assert_eq!(*lock(&fixture.calls.bells), [(false, PCI_START + 0x5020, Some(1))]);
    lock(&fixture.cards[0]).command = 0;
    fixture.pci.apply(PciAddress::slot(3), Action { bars: true, ..Action::NONE });
    assert_eq!(*lock(&fixture.calls.bells), []);
}

#[test]
fn a_vector_is_routed_when_first_unmasked_and_again_when_its_message_changes() {
    let fixture = fixture(&[0x1000, 0x1000], Calls::default());
    let set = |slot: usize, vector: usize, message: Option<u32>| {
        let message = message.map(|data| MsixVector { address: 0xFEE0_0000, data });
        lock(&fixture.cards[slot]).vectors[vector] = message;
        fixture.pci.apply(PciAddress::slot(slot as u8 + 3), Action { msix: true, ..Action::NONE });
        let card = lock(&fixture.cards[slot]);
        assert_eq!(card.routed, card.vectors, "the function hears when its vectors are live");
    };
    let table = || {
        let routes = lock(&fixture.calls.routes);
        routes.last().unwrap().iter().map(|route| (route.gsi, route.data)).collect::<Vec<_>>()
    };
    set(1, 1, Some(0x41));
    assert_eq!((table(), fixture.calls.count()), (vec![(27, 0x41)], 2));
    set(1, 1, None);
    set(1, 1, Some(0x41));
    assert_eq!(fixture.calls.count(), 2, "masking and unmasking costs nothing");
    set(1, 1, Some(0x51));
    assert_eq!((table(), fixture.calls.count()), (vec![(27, 0x51)], 3));
    set(0, 0, Some(0x61));
    assert_eq!(table(), [(24, 0x61), (27, 0x51)], "the table is always whole");
    assert_eq!(*lock(&fixture.calls.attached), [27, 24]);
}

#[test]
fn refusals_of_the_kernel_leave_the_function_working() {
    let fixture = fixture(&[0x1000], Calls { refuse: true, ..Calls::default() });
    fixture.pci.set_up().unwrap();
    lock(&fixture.cards[0]).doorbell = Some(Arc::new(EventFd::new(0).unwrap()));
    lock(&fixture.cards[0]).vectors[0] = Some(MsixVector { address: 0, data: 0 });
    fixture.pci.apply(PciAddress::slot(3), ALL);
    assert_eq!(byte(&fixture.memory, PCI_START + 1), 1);
    assert_eq!(lock(&fixture.cards[0]).routed, [], "what KVM does not route is never live");
}

#[test]
fn configuration_space_is_reached_in_all_widths() {
    let fixture = fixture(&[0x1000], Calls::default());
    let mut ports = ConfigPorts::new(fixture.pci.clone(), crate::chips::ResetControl::new());
    let mut read = |address: u32, offset: u64, len: usize| {
        assert_eq!(ports.write(0, &address.to_le_bytes()), BusAction::None);
        let mut data = [0xFF; 4];
        ports.read(offset, &mut data[..len]);
        u32::from_le_bytes(data)
    };
    let card = 0x8000_0000 | 3 << 11;
    assert_eq!(read(card, 4, 4), 0x1234_5678);
    assert_eq!(read(card, 0, 4), card, "the address reads back");
    assert_eq!(read(card | 4, 6, 2) & 0xFFFF, 0, "the upper half of command and status");
    assert_eq!(read(card, 6, 4), 0xFFFF_FFFF, "across the end of the window");
    assert_eq!(read(card, 7, 2), 0xFFFF_FFFF);
    for nothing in [3 << 11, card | 1 << 8, card | 1 << 16, card | 1 << 24, 0x8000_0000 | 2 << 11] {
        assert_eq!(read(nothing, 4, 4), 0xFFFF_FFFF, "{nothing:#x}");
    }
}

proptest::proptest! {
    #[test]
    fn no_access_breaks_what_functions_rely_on(
        accesses in proptest::collection::vec((0u64..8, 1usize..=8, proptest::num::u64::ANY), 1..64)
    ) {
        let fixture = fixture(&[0x1000], Calls::default());
        fixture.pci.set_up().unwrap();
        let ports = Arc::new(Mutex::new(ConfigPorts::new(fixture.pci.clone(), crate::chips::ResetControl::new())));
        fixture.ports.add((0xCF8, 8), ports);
        for (offset, len, value) in accesses {
            // Mostly addresses of the one card, so that many accesses arrive.
            let card = 0x8000_1800 | value as u32 & 0xFF;
            let _ = fixture.ports.write(0xCF8, &card.to_le_bytes());
            if let BusAction::Pci(slot, action) = fixture.ports.write(0xCF8 + offset, &value.to_le_bytes()[..len]) {
                fixture.pci.apply(slot, action);
            }
            fixture.ports.read(0xCF8 + offset, &mut [0; 8][..len]);
            fixture.memory.read(value, &mut [0; 8][..len]);
        }
    }
}

#[test]
fn the_reset_register_lies_among_the_configuration_ports() {
    let fixture = fixture(&[0x1000], Calls::default());
    let mut ports = ConfigPorts::new(fixture.pci.clone(), crate::chips::ResetControl::new());
    assert_eq!(
        ports.write(0, &0x8000_0600u32.to_le_bytes()),
        BusAction::None,
        "byte 1 of an address is none"
    );
    assert_eq!(ports.write(1, &[6, 0]), BusAction::None);
    assert_eq!(ports.write(1, &[6]), BusAction::Reset(ResetCause::ResetRegister));
}

#[test]
fn a_write_to_configuration_space_reports_what_it_asks_for() {
    let fixture = fixture(&[0x1000], Calls::default());
    let mut ports = ConfigPorts::new(fixture.pci.clone(), crate::chips::ResetControl::new());
    let command = 0x8000_0004u32 | 3 << 11;
    assert_eq!(ports.write(0, &command.to_le_bytes()), BusAction::None);
    let expected = BusAction::Pci(PciAddress::slot(3), Action { bars: true, ..Action::NONE });
    assert_eq!(ports.write(4, &3u16.to_le_bytes()), expected);
    assert_eq!(lock(&fixture.cards[0]).command, 3);
}

#[test]
fn the_host_bridge_keeps_its_ids() {
    let mut bridge = HostBridge::new(None);
    let mut data = [0; 4];
    assert_eq!(bridge.write_config(0, &[0; 4]), Action::NONE);
    bridge.read_config(0, &mut data);
    assert_eq!(u32::from_le_bytes(data), 0x1237_8086);
    bridge.read_config(8, &mut data);
    assert_eq!(data, [2, 0, 0, 6]);
    assert_eq!(bridge.write_config(4, &[2, 1]), Action::NONE);
    bridge.read_config(4, &mut data);
    assert_eq!(data, [2, 0, 0, 0]);
    bridge.read_config(0xFC, &mut data);
    assert_eq!(data, [0; 4]);
}

#[test]
fn a_slot_with_several_functions_says_so_and_each_is_found() {
    let fixture = fixture(&[0x1000], Calls::default());
    let mut ports = ConfigPorts::new(fixture.pci.clone(), crate::chips::ResetControl::new());
    let mut read = |slot: u32, function: u32, register: u32, len: usize| {
        let address = 0x8000_0000 | slot << 11 | function << 8 | register & !3;
        assert_eq!(ports.write(0, &address.to_le_bytes()), BusAction::None);
        let mut data = [0xFF; 4];
        ports.read(4 + u64::from(register & 3), &mut data[..len]);
        data[len..].fill(0);
        u32::from_le_bytes(data)
    };
    assert_eq!([read(1, 0, 0, 4), read(1, 3, 0, 4), read(1, 1, 0, 4)], [0x7000_8086, 0x7113_8086, u32::MAX]);
    assert_eq!([read(1, 0, 14, 1), read(1, 3, 14, 1), read(3, 0, 14, 1)], [0x80, 0x80, 0]);
    assert_eq!([read(1, 0, 14, 2), read(1, 0, 12, 4), read(1, 0, 13, 1)], [0x80, 0x80_0000, 0]);
}

#[test]
fn pins_arrive_where_the_firmware_part_notes_it() {
    let fixture = fixture(&[0x1000, 0x1000], Calls::default());
    fixture.pci.set_up().unwrap();
    for (card, irq) in fixture.cards.iter().zip([10, 11]) {
        let pin = lock(card).pin.clone().unwrap();
        assert_eq!(lock(card).line, irq);
        pin.set(true);
        pin.set(false);
        assert_eq!(fixture.inputs.take(), [(irq.into(), true), (irq.into(), false)]);
    }
}

#[test]
fn the_chip_answers_where_its_function_places_it() {
    let fixture = fixture(&[], Calls::default());
    let chip = Arc::new(Mutex::new(crate::chips::ResetControl::new()));
    fixture.pci.set_chip(POWER_FUNCTION, chip.clone());
    fixture.pci.set_up().unwrap();
    assert_eq!(fixture.ports.write(0x63F, &[6]), BusAction::Reset(ResetCause::ResetRegister));
    let mut ports = ConfigPorts::new(fixture.pci.clone(), crate::chips::ResetControl::new());
    let _ = ports.write(0, &0x8000_0B40u32.to_le_bytes());
    let BusAction::Pci(address, action) = ports.write(4, &0xB000u32.to_le_bytes()) else {
        panic!("it moves")
    };
    fixture.pci.apply(address, action);
    assert_eq!(fixture.ports.write(0x63F, &[6]), BusAction::None);
    assert_eq!(fixture.ports.write(0xB000, &[6]), BusAction::Reset(ResetCause::ResetRegister));
}

#[test]
fn a_doorbell_is_heard_only_where_its_range_is_found() {
    let fixture = fixture(&[0x1000, 0x1000, 0x1000], Calls::default());
    fixture.memory.reserve((0, 0x10_0000));
    fixture.pci.set_up().unwrap();
    for card in &fixture.cards {
        lock(card).doorbell = Some(Arc::new(EventFd::new(0).unwrap()));
    }
    let heard = || {
        let mut heard: Vec<_> = lock(&fixture.calls.bells).iter().map(|bell| bell.1 - 0x20).collect();
        heard.sort_unstable();
        heard
    };
    let put = |card: usize, address: u64| {
        lock(&fixture.cards[card]).bars[0] = address as u32;
        fixture.pci.apply(PciAddress::slot(card as u8 + 3), Action { bars: true, ..Action::NONE });
    };
    let [first, second, third] = [0, 1, 2].map(|n| PCI_START + n * 0x1000);
    put(0, first);
    assert_eq!(heard(), [first, second, third]);
    put(0, second);
    assert_eq!(heard(), [second, third], "the lower slot wins");
    put(1, third);
    assert_eq!(heard(), [second, third], "and the next wins against the one above");
    put(0, first);
    assert_eq!(heard(), [first, third]);
    put(1, second);
    assert_eq!(heard(), [first, second, third], "who was hidden is heard again");
    put(2, 0xF000);
    assert_eq!(heard(), [first, second], "not in memory");
    assert_eq!(byte(&fixture.memory, 0xF001), 0xFF);
}
