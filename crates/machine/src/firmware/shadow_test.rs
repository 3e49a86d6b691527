use std::sync::Arc;

use hv::Error;
use proptest::prelude::*;

use super::*;
use crate::sync::lock;

/// Windows as KVM would have them: none over another.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    shown: Vec<Window>,
    calls: usize,
}

fn refused() -> Error {
    Error::Capability("room")
}

impl Windows for Fake {
    fn show(&self, window: Window) -> Result<(), Error> {
        let mut state = lock(&self.0);
        state.calls += 1;
        let end = window.address + window.len;
        if state.shown.iter().any(|other| other.address < end && window.address < other.address + other.len) {
            return Err(refused());
        }
        state.shown.push(window);
        Ok(())
    }

    fn hide(&self, address: u64) -> Result<(), Error> {
        let mut state = lock(&self.0);
        state.calls += 1;
        let at = state.shown.iter().position(|window| window.address == address).ok_or_else(refused)?;
        state.shown.remove(at);
        Ok(())
    }
}

impl Fake {
    /// What a guest reads at an address: `R`AM, `F`irmware, or nobody; and whether its writes go through.
    fn at(&self, address: u64) -> (char, bool) {
        let state = lock(&self.0);
        let found = state.shown.iter().find(|w| (w.address..w.address + w.len).contains(&address));
        match found {
            None => ('-', false),
            Some(window) => match window.shows {
                Shown::Ram(at) => {
                    assert_eq!(at.0, window.address);
                    ('R', window.writable)
                }
                Shown::Memory(..) => ('F', window.writable),
            },
        }
    }
}

/// Firmware of 256 KiB whose bytes tell where they are: 0xE0 and 0xF0 for the last two pieces of 64 KiB.
fn rom() -> Rom {
    let image: Vec<u8> = [0xC0, 0xD0, 0xE0, 0xF0].into_iter().flat_map(|byte| [byte; 0x1_0000]).collect();
    Rom::new(&image).unwrap()
}

fn shadow() -> (Shadow, Fake) {
    let fake = Fake::default();
    let ram = GuestRam::from_ranges(&[(GuestAddress(0), 2 << 20)]).unwrap();
    Shadow::power_on(&rom()).into_iter().for_each(|window| fake.show(window).unwrap());
    (Shadow::new(ram, rom(), Box::new(fake.clone())), fake)
}

fn byte(shadow: &Shadow, address: u64) -> u8 {
    let mut data = [0];
    shadow.read(address - SHADOW_START, &mut data);
    data[0]
}

#[test]
fn at_power_on_the_end_of_the_firmware_is_there() {
    let (shadow, fake) = shadow();
    assert_eq!([0xC_0000, 0xD_FFFF, 0xE_0000, 0xF_FFFF].map(|a| fake.at(a).0), ['-', '-', 'F', 'F']);
    assert_eq!(lock(&fake.0).shown.len(), 1);
    assert_eq!([0xD_FFFF, 0xE_0000, 0xF_FFFF].map(|a| byte(&shadow, a)), [0xFF, 0xE0, 0xF0]);
    let small = Rom::new(&[0x90; 0x1_0000]).unwrap();
    assert_eq!((small.byte_below_1_mib(0xE_FFFF), small.byte_below_1_mib(0xF_0000)), (None, Some(0x90)));
}

#[test]
fn what_seabios_does_takes_few_calls() {
    let (shadow, fake) = shadow();
    let calls = || std::mem::take(&mut lock(&fake.0).calls);
    calls();
    shadow.set([0x30, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33]);
    shadow.apply();
    assert_eq!(calls(), 2, "one is hidden, one is shown");
    assert_eq!((fake.at(0xC_0000), fake.at(0xF_FFFF)), (('R', true), ('R', true)));
    shadow.set([0x10, 0x11, 0x31, 0x33, 0x33, 0x33, 0x33]);
    shadow.apply();
    assert_eq!(fake.at(0xC_8000), ('R', false), "its lower half stays as it is");
    assert_eq!(fake.at(0xC_C000), ('R', true));
    assert_eq!(fake.at(0xF_0000), ('R', false));
    shadow.apply();
    let before = calls();
    shadow.apply();
    assert_eq!((before, calls()), (4, 0), "nothing has changed");
}

#[test]
fn writes_go_to_ram_while_reads_show_the_firmware() {
    let (shadow, fake) = shadow();
    shadow.set([0x20, 0, 0, 0, 0, 0, 0]);
    shadow.apply();
    assert_eq!(fake.at(0xF_0000), ('F', false));
    assert_eq!(shadow.write(0xF_0010 - SHADOW_START, &[0x55, 0x66]), BusAction::None);
    assert_eq!(shadow.write(0xE_0010 - SHADOW_START, &[0x77]), BusAction::None);
    assert_eq!(byte(&shadow, 0xF_0010), 0xF0);
    shadow.set([0x30, 0, 0, 0, 0, 3, 3]);
    shadow.apply();
    let ram = |address| shadow.ram.read_obj::<u8>(GuestAddress(address)).unwrap();
    assert_eq!((ram(0xF_0010), ram(0xF_0011), ram(0xE_0010)), (0x55, 0x66, 0));
}

#[test]
fn a_reset_shows_the_firmware_again() {
    let (shadow, fake) = shadow();
    shadow.set([0x30, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33]);
    shadow.apply();
    (&shadow).reset();
    assert_eq!(
        [0xC_0000, 0xE_0000, 0xF_FFFF].map(|a| fake.at(a)),
        [('-', false), ('F', false), ('F', false)]
    );
}

proptest! {
    #[test]
    fn every_part_is_as_its_bits_say(writes in proptest::collection::vec(any::<Registers>(), 1..8)) {
        let (shadow, fake) = shadow();
        for registers in writes {
            shadow.set(registers);
            shadow.apply();
            for (start, end) in parts() {
                let expected = match (bits(&registers, start), start >= 0xE_0000) {
                    (1, _) => ('R', false),
                    (3, _) => ('R', true),
                    (_, true) => ('F', false),
                    (_, false) => ('-', false),
                };
                prop_assert_eq!((fake.at(start), fake.at(end - 1)), (expected, expected), "{:#x}", start);
            }
        }
    }
}
