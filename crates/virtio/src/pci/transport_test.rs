use proptest::prelude::*;

use super::*;
use crate::blk::Blk;
use crate::pci::BarKind;
use crate::rng::Rng;
use crate::test_util::{
    ACKNOWLEDGE, DRIVER, DRIVER_OK, Driver, EVENT_IDX, INDIRECT, NEEDS_RESET, VERSION_1, no_hook,
};

fn rng() -> Driver {
    Driver::new(Box::new(Rng::new()))
}

fn blk() -> Driver {
    let image = tempfile::tempfile().unwrap();
    image.set_len(1 << 20).unwrap();
    Driver::new(Box::new(Blk::new(0, image, &no_hook()).unwrap()))
}

#[test]
fn the_header_says_what_the_function_is() {
    let mut rng = rng();
    assert_eq!(rng.config(0x00), [0xf4, 0x1a, 0x44, 0x10]);
    assert_eq!(rng.config(0x08), [1, 0x00, 0xff, 0x00]);
    assert_eq!(rng.config(0x0e), [0], "header type");
    assert_eq!(rng.config(0x2c), [0xf4, 0x1a, 0x44, 0x10]);
    assert_eq!(rng.config(0x3d), [1], "interrupt pin A");
    assert_eq!(rng.config::<2>(0x06)[0] & 0x10, 0x10, "a list of capabilities");
    let mut blk = blk();
    assert_eq!(blk.config(0x00), [0xf4, 0x1a, 0x42, 0x10]);
    assert_eq!(blk.config(0x0a), [0x00, 0x01]);
}

#[test]
fn the_size_of_the_range_is_found_by_writing_ones() {
    let mut driver = rng();
    driver.set_config(0x20, u32::MAX);
    assert_eq!(u32::from_le_bytes(driver.config(0x20)), 0xffff_8000);
    for other in [0x10, 0x14, 0x18, 0x1c, 0x24, 0x30] {
        driver.set_config(other, u32::MAX);
        assert_eq!(driver.config(other), [0; 4]);
    }
}

#[test]
fn the_range_is_where_the_guest_has_put_it_while_memory_is_decoded() {
    let mut driver = rng();
    let bar = Bar { index: 4, kind: BarKind::Memory, address: 0xe000_0000, size: 0x8000 };
    assert_eq!(driver.function.bars(), [bar]);
    let moved = driver.function.write_config(0x20, &0xfebf_1234u32.to_le_bytes());
    assert_eq!(moved, Action { bars: true, ..Action::NONE });
    assert_eq!(driver.function.bars()[0].address, 0xfebf_0000);
    assert!(driver.function.write_config(0x04, &0u16.to_le_bytes()).bars);
    assert!(driver.function.bars().is_empty());
    assert_eq!(driver.function.write_config(0x20, &0u32.to_le_bytes()), Action::NONE);
}

#[test]
fn identity_and_capabilities_cannot_be_written() {
    let mut driver = blk();
    let before: Vec<[u8; 4]> = (0..64).map(|i| driver.config(i * 4)).collect();
    let window = usize::from(driver.window_capability / 4);
    let control = usize::from(driver.msix_capability / 4);
    for i in (0u8..64).filter(|&i| ![1, 8, 15, control as u8].contains(&i)) {
        if !(window..window + 5).contains(&usize::from(i)) {
            driver.set_config(i * 4, u32::MAX);
            assert_eq!(driver.config(i * 4), before[usize::from(i)], "{:#x}", i * 4);
        }
    }
}

#[test]
fn the_structures_are_where_the_capabilities_say() {
    let blk = blk();
    let structures = [(1, (0, 60)), (2, (0x3000, 4)), (3, (0x1000, 1)), (4, (0x2000, 60))];
    assert_eq!(blk.structures, structures.into_iter().collect());
    let rng = rng();
    assert!(!rng.structures.contains_key(&4), "no configuration of its own");
}

#[test]
fn the_window_reaches_the_registers_without_the_range() {
    let mut driver = blk();
    let window = driver.window_capability;
    driver.set_config(0x04, 0u16);
    driver.set_config(window + 4, 4u8);
    driver.set_config(window + 8, 0x2000u32);
    driver.set_config(window + 12, 4u32);
    assert_eq!(u32::from_le_bytes(driver.config(window + 16)), 2048, "the capacity");
    driver.set_config(window + 8, 20u32);
    driver.set_config(window + 12, 1u32);
    driver.set_config(window + 16, ACKNOWLEDGE);
    assert_eq!(driver.status(), ACKNOWLEDGE);
    assert_eq!(driver.config(window + 16), [ACKNOWLEDGE]);
    // Neither another range nor an odd length shows anything.
    for (bar, len) in [(0u8, 1u32), (4, 3), (4, 0), (4, u32::MAX)] {
        driver.set_config(window + 4, bar);
        driver.set_config(window + 12, len);
        driver.set_config(window + 16, ACKNOWLEDGE | DRIVER);
        assert_eq!(driver.status(), ACKNOWLEDGE);
    }
}

#[test]
fn features_are_offered_and_accepted() {
    let mut driver = rng();
    assert_eq!(driver.offered(), VERSION_1 | EVENT_IDX | INDIRECT);
    driver.set_common(0, 2u32);
    assert_eq!(driver.common(4), [0; 4], "there is no third word");
    assert!(driver.negotiate(VERSION_1 | INDIRECT));
    driver.set_common(8, 0u32);
    driver.set_common(12, u32::MAX);
    assert_eq!(u32::from_le_bytes(driver.common(12)), 1 << 28, "settled");
}

#[test]
fn a_legacy_driver_or_one_that_wants_too_much_is_not_agreed_with() {
    let mut driver = rng();
    for features in [0, EVENT_IDX, VERSION_1 | 1, VERSION_1 | 1 << 63, u64::MAX] {
        assert!(!driver.negotiate(features), "{features:#x}");
        driver.start();
        assert_eq!(driver.status() & DRIVER_OK, 0);
        assert!(driver.function.doorbells().is_empty());
    }
    assert!(driver.negotiate(VERSION_1));
}

#[test]
fn bits_of_the_status_are_set_one_after_the_other_and_cleared_together() {
    let mut driver = rng();
    driver.set_status(ACKNOWLEDGE);
    driver.set_status(DRIVER);
    assert_eq!(driver.status(), ACKNOWLEDGE | DRIVER);
    driver.set_status(DRIVER_OK);
    assert_eq!(driver.status(), ACKNOWLEDGE | DRIVER, "features first");
    driver.set_status(NEEDS_RESET | 128);
    assert_eq!(driver.status(), ACKNOWLEDGE | DRIVER | 128);
    driver.set_status(0);
    assert_eq!(driver.status(), 0);
}

#[test]
fn the_registers_of_a_queue() {
    let mut driver = rng();
    assert!(driver.negotiate(VERSION_1));
    assert_eq!(driver.common(18), [1, 0], "one queue");
    assert_eq!(driver.common(24), [16, 0]);
    driver.set_common(32, 0x1_2345_6780u64);
    assert_eq!(u64::from_le_bytes(driver.common(32)), 0x1_2345_6780);
    driver.set_common(36, 2u32);
    assert_eq!(u64::from_le_bytes(driver.common(32)), 0x2_2345_6780);
    driver.set_common(24, 8u16);
    driver.set_common(28, 1u16);
    driver.set_common(24, 4u16);
    driver.set_common(28, 0u16);
    assert_eq!((driver.common(24), driver.common(28)), ([8, 0], [1, 0]), "an enabled queue stays as it is");

    driver.set_common(22, 1u16);
    assert_eq!(driver.common(24), [0, 0], "a queue that does not exist has no size");
    driver.set_common(28, 1u16);
    driver.set_common(26, 1u16);
    assert_eq!((driver.common(26), driver.common(28)), ([0xff, 0xff], [0, 0]));
}

#[test]
fn vectors_that_do_not_exist_read_back_as_none() {
    let mut driver = rng();
    for (vector, reads) in [(0u16, 0u16), (1, 1), (2, 0xffff), (0xffff, 0xffff)] {
        driver.set_common(16, vector);
        driver.set_common(26, vector);
        assert_eq!(u16::from_le_bytes(driver.common(16)), reads);
        assert_eq!(u16::from_le_bytes(driver.common(26)), reads);
    }
}

#[test]
fn a_queue_that_is_set_up_wrongly_needs_a_reset() {
    let mut driver = rng();
    for (offset, value) in [(24, 5u64), (32, 8), (40, u64::MAX), (48, 4 << 20)] {
        assert!(driver.negotiate(VERSION_1));
        driver.enable_msix();
        driver.interrupts(0);
        driver.set_common(22, 0u16);
        match offset {
            24 => driver.set_common(offset, value as u16),
            _ => driver.set_common(offset, value),
        }
        driver.set_common(28, 1u16);
        driver.set_status(DRIVER_OK);
        assert_eq!(driver.status() & NEEDS_RESET, NEEDS_RESET, "register {offset}");
        assert_eq!(driver.interrupts(0), 1, "and the driver is told");
        driver.kick();
    }
    driver.bring_up();
}

/// Has the source of random numbers serve one request.
fn ask(driver: &mut Driver) {
    let at = driver.buffer(8);
    driver.ring.add(&[crate::test_util::into(at, 8)]);
    driver.kick();
}

#[test]
fn without_msix_the_isr_says_what_happened_and_reading_clears_it() {
    let mut driver = rng();
    assert!(driver.negotiate(VERSION_1));
    driver.start();
    ask(&mut driver);
    let isr = driver.structures[&crate::test_util::ISR].0;
    assert_eq!(driver.read(isr), [1]);
    assert_eq!(driver.read(isr), [0]);
    driver.ring.set_available(1000);
    driver.kick();
    assert_eq!(driver.read(isr), [2], "the configuration, because of DEVICE_NEEDS_RESET");
}

/// The bit of the status register.
fn interrupt_status(driver: &mut Driver) -> bool {
    driver.config::<1>(0x06)[0] & 8 != 0
}

#[test]
fn without_msix_the_pin_is_high_until_the_isr_is_read() {
    let mut driver = rng();
    assert!(driver.negotiate(VERSION_1));
    driver.start();
    assert!(!driver.pin.is_high());
    ask(&mut driver);
    assert!(driver.pin.is_high() && interrupt_status(&mut driver));
    ask(&mut driver);
    let isr = driver.structures[&crate::test_util::ISR].0;
    driver.read::<1>(isr + 1);
    assert!(driver.pin.is_high(), "that was another register");
    driver.read::<1>(isr);
    assert!(!driver.pin.is_high() && !interrupt_status(&mut driver));
    ask(&mut driver);
    driver.set_status(0);
    assert!(!driver.pin.is_high(), "a reset lowers it");
}

#[test]
fn the_command_register_keeps_the_pin_low_and_the_status_shows_it() {
    let mut driver = rng();
    assert!(driver.negotiate(VERSION_1));
    driver.start();
    driver.set_config(0x04, 0x0406u16);
    ask(&mut driver);
    assert!(!driver.pin.is_high() && interrupt_status(&mut driver));
    driver.set_config(0x04, 0x0006u16);
    assert!(driver.pin.is_high(), "what is due shows as soon as it may");
    driver.function.pause();
    driver.function.reset();
    assert!(!driver.pin.is_high() && !interrupt_status(&mut driver));
}

#[test]
fn with_msix_the_pin_stays_low() {
    let mut driver = rng();
    assert!(driver.negotiate(VERSION_1));
    driver.start();
    ask(&mut driver);
    assert!(driver.pin.is_high());
    driver.set_config(driver.msix_capability + 2, 0x8000u16);
    assert!(!driver.pin.is_high() && !interrupt_status(&mut driver));
    ask(&mut driver);
    assert!(!driver.pin.is_high());
    driver.set_config(driver.msix_capability + 2, 0u16);
    assert!(driver.pin.is_high(), "the level says what the status says");
}

#[test]
fn a_function_that_is_no_bus_master_serves_nothing_and_loses_nothing() {
    for mut driver in [rng(), blk()] {
        driver.bring_up();
        driver.set_config(0x04, 0x0002u16);
        let parts = match driver.structures.contains_key(&crate::test_util::DEVICE) {
            true => {
                let header = driver.put(&[0; 16]);
                let (data, status) = (driver.buffer(512), driver.buffer(1));
                vec![
                    crate::test_util::out(header, 16),
                    crate::test_util::into(data, 512),
                    crate::test_util::into(status, 1),
                ]
            }
            false => vec![crate::test_util::into(driver.buffer(8), 8)],
        };
        driver.ring.add(&parts);
        driver.kick();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert_eq!(driver.ring.used(), None);
        // The machine's own pause has no part in it.
        driver.function.pause();
        driver.function.resume();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert_eq!(driver.ring.used(), None);
        driver.set_config(0x04, 0x0006u16);
        driver.wait_used();
        driver.wait_interrupt(1);
    }
}

#[test]
fn a_message_waits_until_the_function_is_a_bus_master() {
    let mut driver = rng();
    driver.bring_up();
    driver.interrupts(0);
    driver.set_config(0x04, 0x0002u16);
    assert_eq!(driver.function.msix(), [None, None]);
    driver.function.interrupt.config();
    assert_eq!(driver.interrupts(0), 0);
    driver.set_config(0x04, 0x0006u16);
    assert_eq!(driver.interrupts(0), 1);
}

#[test]
fn a_driver_that_starts_before_it_is_a_bus_master_is_served_afterwards() {
    let mut driver = rng();
    driver.set_config(0x04, 0x0002u16);
    driver.bring_up();
    ask(&mut driver);
    assert_eq!(driver.ring.used(), None);
    driver.set_status(0);
    driver.bring_up();
    ask(&mut driver);
    driver.set_config(0x04, 0x0006u16);
    driver.wait_used();
}

#[test]
fn the_doorbell_of_an_active_device_follows_from_the_capability() {
    let mut driver = blk();
    assert!(driver.function.doorbells().is_empty(), "nobody listens yet");
    assert!(driver.negotiate(VERSION_1));
    driver.start();
    let [doorbell] = &driver.function.doorbells()[..] else { panic!("one queue") };
    assert_eq!((doorbell.bar, doorbell.offset, doorbell.value), (4, 0x3000, None));
    assert_eq!(
        driver.function.write_bar(4, 20, &[0]),
        Action { doorbells: true, ..Action::NONE },
        "a reset takes it away"
    );
    assert!(driver.function.doorbells().is_empty());
}

#[test]
fn a_device_without_a_thread_has_no_doorbell() {
    let mut driver = rng();
    driver.bring_up();
    assert!(driver.function.doorbells().is_empty());
}

/// An access of a guest that knows no rules.
#[derive(Clone, Copy, Debug)]
enum Access {
    ReadConfig(u8, usize),
    WriteConfig(u8, u32, usize),
    ReadBar(u8, u64, usize),
    WriteBar(u8, u64, u64, usize),
    /// A sensible start now and then, so that the device is also met while it is active.
    Start,
}

fn access() -> impl Strategy<Value = Access> {
    let register = (0u8..64).prop_map(|register| register * 4);
    let width = prop_oneof![Just(1usize), Just(2), Just(4)];
    let wide = prop_oneof![Just(1usize), Just(2), Just(4), Just(8)];
    let bar = prop_oneof![8 => Just(4u8), 1 => 0u8..6];
    let page = prop_oneof![Just(0u64), Just(0x1000), Just(0x2000), Just(0x3000), Just(0x4000), Just(0x5000)];
    let inside = (page, 0u64..64).prop_map(|(page, offset)| page + offset);
    let offset = prop_oneof![8 => inside, 1 => 0u64..0x8010, 1 => any::<u64>()];
    let value = prop_oneof![any::<u64>(), 0u64..256, (0u64..64).prop_map(|bit| 1 << bit)];
    prop_oneof![
        2 => (register.clone(), width.clone()).prop_map(|(at, width)| Access::ReadConfig(at, width)),
        2 => (register, value.clone(), width)
            .prop_map(|(at, value, width)| Access::WriteConfig(at, value as u32, width)),
        4 => (bar.clone(), offset.clone(), wide.clone())
            .prop_map(|(bar, at, width)| Access::ReadBar(bar, at, width)),
        8 => (bar, offset, value, wide)
            .prop_map(|(bar, at, value, width)| Access::WriteBar(bar, at, value, width)),
        1 => Just(Access::Start),
    ]
}

fn perform(driver: &mut Driver, access: Access) {
    let mut data = [0xa5; 8];
    match access {
        Access::ReadConfig(at, width) => driver.function.read_config(at, &mut data[..width]),
        Access::WriteConfig(at, value, width) => {
            let action = driver.function.write_config(at, &value.to_le_bytes()[..width]);
            driver.obey(action);
        }
        Access::ReadBar(bar, at, width) => driver.function.read_bar(bar, at, &mut data[..width]),
        Access::WriteBar(bar, at, value, width) => {
            let action = driver.function.write_bar(bar, at, &value.to_le_bytes()[..width]);
            driver.obey(action);
        }
        Access::Start => {
            driver.set_status(0);
            driver.negotiate(VERSION_1);
            driver.start();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No sequence of accesses panics, hangs, or leaves a device that a reset does not repair.
    #[test]
    fn any_sequence_of_accesses_is_survived(
        accesses in prop::collection::vec(access(), 1..200),
        disk in any::<bool>(),
    ) {
        let mut driver = if disk { blk() } else { rng() };
        for access in accesses {
            perform(&mut driver, access);
        }
        driver.function.pause();
        driver.function.reset();
        driver.function.resume();
        prop_assert!(driver.function.bars().is_empty());
        driver.probe();
        driver.bring_up();
    }
}
