use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[derive(Default)]
struct Line(AtomicBool);

impl IrqLine for Line {
    fn set(&self, high: bool) {
        self.0.store(high, Ordering::Relaxed);
    }
}

fn power() -> (PowerManagement, impl Fn() -> bool) {
    let line = Arc::new(Line::default());
    let power = PowerManagement::new(line.clone());
    (power, move || line.0.load(Ordering::Relaxed))
}

fn read(power: &mut PowerManagement, offset: u64) -> u16 {
    let mut data = [0xff; 2];
    power.read(offset, &mut data);
    u16::from_le_bytes(data)
}

fn write(power: &mut PowerManagement, offset: u64, value: u16) -> BusAction {
    power.write(offset, &value.to_le_bytes())
}

#[test]
fn the_power_button_interrupts_until_its_status_is_cleared() {
    let (mut power, sci) = power();
    assert_eq!(write(&mut power, 2, 0x0100), BusAction::None);
    power.press_power_button();
    assert!(sci());
    assert_eq!(read(&mut power, 0), 0x0100);
    let _ = write(&mut power, 0, 0x0001);
    assert!(sci(), "another event was cleared");
    let _ = write(&mut power, 0, 0x0100);
    assert!(!sci());
    assert_eq!((read(&mut power, 0), read(&mut power, 2)), (0, 0x0100));
}

#[test]
fn a_button_that_is_not_enabled_waits() {
    let (mut power, sci) = power();
    power.press_power_button();
    assert!(!sci());
    assert_eq!(read(&mut power, 0), 0x0100);
    let _ = power.write(3, &[0x01]);
    assert!(sci());
    let _ = power.write(3, &[0x00]);
    assert!(!sci());
}

#[test]
fn only_the_enable_bits_that_exist_can_be_set() {
    let (mut power, _) = power();
    let _ = write(&mut power, 2, 0xffff);
    assert_eq!(read(&mut power, 2), 0x0521);
}

#[test]
fn acpi_mode_is_always_on() {
    let (mut power, _) = power();
    let _ = write(&mut power, 4, 0);
    assert_eq!(read(&mut power, 4), 0x0001);
}

#[test]
fn sleep_type_5_with_sleep_enable_powers_off_and_nothing_else_does() {
    for sleep_type in 0..8 {
        let (mut power, _) = power();
        let control = sleep_type << 10;
        assert_eq!(write(&mut power, 4, control), BusAction::None);
        assert_eq!(read(&mut power, 4), control | 1);
        let action = if sleep_type == 5 { BusAction::PowerOff } else { BusAction::None };
        assert_eq!(write(&mut power, 4, control | 1 << 13), action);
        assert_eq!(power.write(5, &[(control >> 8) as u8 | 1 << 5]), action);
        assert_eq!(read(&mut power, 4), control | 1, "sleep enable reads as zero");
    }
}

#[test]
fn the_timer_counts_at_its_frequency_and_comes_around() {
    assert_eq!(ticks(Duration::ZERO), 0);
    assert_eq!(ticks(Duration::from_secs(1)), 3_579_545);
    assert_eq!(ticks(Duration::from_secs(1200)), (1200 * 3_579_545_u64 - (1 << 32)) as u32);
    let (mut power, _) = power();
    let mut timer = || {
        let mut data = [0; 4];
        power.read(8, &mut data);
        u32::from_le_bytes(data)
    };
    let first = timer();
    std::thread::sleep(Duration::from_millis(2));
    assert!((7_000..3_579_545).contains(&timer().wrapping_sub(first)));
}

#[test]
fn any_access_within_the_range_is_harmless() {
    let (mut power, _) = power();
    for offset in 0..12 {
        for width in 1..=8 {
            power.read(offset, &mut vec![0xff; width]);
            let _ = power.write(offset, &vec![0xff; width]);
        }
    }
}

#[test]
fn a_button_pressed_while_paused_is_seen_after_resuming() {
    let (mut power, sci) = power();
    let _ = write(&mut power, 2, 0x0100);
    power.pause();
    power.press_power_button();
    assert!(!sci());
    power.resume();
    assert!(sci());
}

#[test]
fn reset_clears_the_registers_and_lowers_the_line() {
    let (mut power, sci) = power();
    let _ = write(&mut power, 2, 0x0100);
    let _ = write(&mut power, 4, 5 << 10);
    power.press_power_button();
    power.pause();
    power.reset();
    power.resume();
    assert!(!sci());
    assert_eq!([0, 2, 4].map(|offset| read(&mut power, offset)), [0, 0, 1]);
}
