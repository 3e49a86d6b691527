//! The contract of [`Lifecycle`], for every chip.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proto::{CpuCount, MemorySize};
use virtio::Lifecycle;

use super::*;
use crate::{BusDevice, IrqLine, SerialOutput, Wake};

/// Both ends of a chip: its interrupt line, and nobody who listens to what it sends.
#[derive(Default)]
struct World(AtomicBool);

impl IrqLine for World {
    fn set(&self, high: bool) {
        self.0.store(high, Ordering::Relaxed);
    }
}

impl Wake for World {
    fn at(&self, _: Option<Duration>) {}
}

impl SerialOutput for World {
    fn write(&self, _: &[u8]) {}
}

trait Chip: BusDevice + Lifecycle {}
impl<T: BusDevice + Lifecycle> Chip for T {}

/// A chip, its interrupt line, and the offsets that read the same until something is done to them.
struct Case {
    name: &'static str,
    chip: Box<dyn Chip>,
    world: Arc<World>,
    steady: std::ops::Range<u64>,
}

fn cases() -> Vec<Case> {
    let case = |name, steady, make: fn(Arc<World>) -> Box<dyn Chip>| {
        let world = Arc::new(World::default());
        Case { name, chip: make(world.clone()), world, steady }
    };
    vec![
        case("serial", 1..8, |world| Box::new(Serial::new(world.clone(), world, || ()))),
        case("clock", 0..1, |world| {
            Box::new(Rtc::new(MemorySize::DEFAULT, CpuCount::ONE, world.clone(), world))
        }),
        case("keyboard", 1..5, |_| Box::new(I8042::new())),
        case("power", 0..8, |world| Box::new(PowerManagement::new(world))),
        case("system port", 0..1, |_| Box::new(SystemPort::new())),
        case("reset", 0..1, |_| Box::new(ResetControl::new())),
    ]
}

impl Case {
    fn read(&mut self) -> Vec<u8> {
        let mut read = |offset| {
            let mut data = [0xff];
            self.chip.read(offset, &mut data);
            data[0]
        };
        self.steady.clone().map(&mut read).collect()
    }

    /// Whatever a guest may write, everywhere.
    fn disturb(&mut self) {
        for value in [0xff, 0x5a, 0x01, 0x0f, 0xd1] {
            for offset in 0..8 {
                let _ = self.chip.write(offset, &[value]);
            }
        }
    }
}

#[test]
fn a_chip_that_is_reset_is_as_new_and_its_line_low() {
    for mut case in cases() {
        let fresh = case.read();
        case.disturb();
        case.chip.pause();
        case.chip.reset();
        case.chip.resume();
        assert_eq!(case.read(), fresh, "{}", case.name);
        assert!(!case.world.0.load(Ordering::Relaxed), "{}", case.name);
    }
}

#[test]
fn pausing_and_resuming_changes_nothing_and_can_be_repeated() {
    for mut case in cases() {
        case.disturb();
        // The first read clears what reading clears.
        case.read();
        let before = case.read();
        case.chip.resume();
        case.chip.pause();
        case.chip.pause();
        case.chip.resume();
        case.chip.resume();
        assert_eq!(case.read(), before, "{}", case.name);
    }
}

#[test]
fn accesses_of_any_width_are_taken() {
    for mut case in cases() {
        for width in 1..=8 {
            for offset in 0..12 {
                let _ = case.chip.write(offset, &vec![0xa5; width]);
                case.chip.read(offset, &mut vec![0xff; width]);
            }
        }
    }
}
