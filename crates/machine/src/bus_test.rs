use super::*;

/// Answers reads with its offset and remembers the writes.
#[derive(Default)]
struct Probe {
    writes: Vec<(u64, Vec<u8>)>,
}

impl BusDevice for Probe {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        (0..).zip(data).for_each(|(n, byte)| *byte = (offset + n) as u8);
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> BusAction {
        self.writes.push((offset, data.to_vec()));
        BusAction::Reset(ResetCause::ResetRegister)
    }
}

/// Answers reads with its number.
struct Number(u8);

impl BusDevice for Number {
    fn read(&mut self, _: u64, data: &mut [u8]) {
        data.fill(self.0);
    }

    fn write(&mut self, _: u64, _: &[u8]) -> BusAction {
        BusAction::None
    }
}

fn claim(first: u64, len: u64, number: u8) -> Claim {
    Claim::new(first, len, Arc::new(Mutex::new(Number(number)))).unwrap()
}

fn byte(bus: &Bus, address: u64) -> u8 {
    let mut data = [0];
    bus.read(address, &mut data);
    data[0]
}

#[test]
fn a_device_sees_offsets_and_only_its_own_bytes() {
    let (bus, device) = (Bus::default(), Arc::new(Mutex::new(Probe::default())));
    bus.add((0x3F8, 8), device.clone());
    let mut data = [0; 4];
    bus.read(0x3FA, &mut data);
    assert_eq!(data, [2, 3, 4, 5]);
    bus.read(0x3FE, &mut data);
    assert_eq!(data, [6, 7, 0xFF, 0xFF], "bytes beyond the range belong to nobody");
    assert_eq!(bus.write(0x3FF, &[1, 2, 3, 4]), BusAction::Reset(ResetCause::ResetRegister));
    assert_eq!(lock(&device).writes, [(7, vec![1])]);
}

#[test]
fn nobody_answers_with_ones_and_swallows_writes() {
    let bus = Bus::default();
    assert_eq!(byte(&bus, 0), 0xFF);
    bus.add((0x10, 2), Arc::new(Mutex::new(Probe::default())));
    for address in [0, 0xF, 0x12, u64::MAX] {
        assert_eq!(byte(&bus, address), 0xFF, "{address:#x}");
        assert_eq!(bus.write(address, &[0; 8]), BusAction::None);
    }
}

#[test]
fn the_fixed_device_wins_then_the_lower_slot() {
    let bus = Bus::default();
    bus.add((0x100, 0x10), Arc::new(Mutex::new(Number(1))));
    bus.set_function(PciAddress::slot(5), vec![claim(0x200, 0x100, 5)]);
    bus.set_function(PciAddress::slot(4), vec![claim(0x2FF, 1, 4), claim(0x80, 0x100, 40)]);
    assert_eq!(byte(&bus, 0x100), 1);
    assert_eq!(byte(&bus, 0x80), 0xFF, "the range that lies over the fixed one is hidden");
    assert_eq!(byte(&bus, 0x2FF), 4);
    assert_eq!(byte(&bus, 0x200), 0xFF);
    bus.set_function(PciAddress::slot(4), vec![]);
    assert_eq!(byte(&bus, 0x200), 5, "it comes out when the other has moved away");
}

#[test]
fn ranges_end_at_the_last_address() {
    let target: Arc<dyn Target> = Arc::new(Mutex::new(Number(1)));
    assert!(Claim::new(u64::MAX, 2, target.clone()).is_none());
    assert!(Claim::new(5, 0, target.clone()).is_none());
    let bus = Bus::default();
    bus.set_function(PciAddress::slot(0), Claim::new(u64::MAX - 3, 4, target).into_iter().collect());
    let mut data = [0; 8];
    bus.read(u64::MAX, &mut data);
    assert_eq!(data, [1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
}

#[test]
fn a_function_that_is_hidden_is_not_shown() {
    let bus = Bus::default();
    bus.reserve((0x1000, 0x1000));
    let (low, high) = (PciAddress::new(4, 0), PciAddress::new(4, 1));
    bus.set_function(high, vec![claim(0x3000, 0x100, 1)]);
    assert!(bus.shows(high, 0x3000) && !bus.shows(low, 0x3000) && !bus.shows(high, 0x3001));
    bus.set_function(low, vec![claim(0x3000, 0x100, 2)]);
    assert!(bus.shows(low, 0x3000) && !bus.shows(high, 0x3000));
    bus.set_function(low, vec![claim(0x1F80, 0x100, 2)]);
    assert!(!bus.shows(low, 0x1F80) && bus.shows(high, 0x3000));
    let mut data = [0; 2];
    bus.read(0x1FFF, &mut data);
    assert_eq!(data, [0xFF; 2], "nobody answers in a reserved range");
    assert_eq!(bus.write(0x1000, &[1]), BusAction::None);
}
