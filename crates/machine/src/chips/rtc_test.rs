use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

/// 2026-11-22 21:47:09.5, a Sunday, in milliseconds.
pub(super) const EVENING: u64 = 1_795_384_029_500;

/// What the clock is connected to.
#[derive(Default)]
pub(super) struct World {
    line: AtomicBool,
    wake: Mutex<Option<Duration>>,
    /// How often the timer was set.
    pub(super) set: AtomicU64,
}

impl World {
    pub(super) fn is_high(&self) -> bool {
        self.line.load(Ordering::Relaxed)
    }

    pub(super) fn wake(&self) -> Option<Duration> {
        *self.wake.lock().unwrap()
    }

    /// The timer goes off, after which it is not set any more.
    pub(super) fn go_off(&self) -> Option<Duration> {
        self.wake.lock().unwrap().take()
    }
}

impl IrqLine for World {
    fn set(&self, high: bool) {
        self.line.store(high, Ordering::Relaxed);
    }
}

impl Wake for World {
    fn at(&self, time: Option<Duration>) {
        self.set.fetch_add(1, Ordering::Relaxed);
        *self.wake.lock().unwrap() = time;
    }
}

/// A clock whose host time in milliseconds can be set.
fn rtc_of(mib: u64, cpus: u64) -> (Rtc, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(EVENING));
    let host = time.clone();
    let memory = MemorySize::from_bytes(mib << 20).unwrap();
    let clock = move || Duration::from_millis(host.load(Ordering::Relaxed));
    let world = Arc::new(World::default());
    let ends: (Box<dyn IrqLine>, Box<dyn Wake>) = (Box::new(world.clone()), Box::new(world));
    (Rtc::with_host_time(memory, CpuCount::new(cpus).unwrap(), ends, clock), time)
}

fn rtc() -> (Rtc, Arc<AtomicU64>) {
    rtc_of(512, 1)
}

pub(super) fn read(rtc: &mut Rtc, index: u8) -> u8 {
    let mut data = [0xff];
    let _ = rtc.write(0, &[index]);
    rtc.read(1, &mut data);
    data[0]
}

pub(super) fn write(rtc: &mut Rtc, index: u8, value: u8) {
    assert_eq!(rtc.write(0, &[index]), BusAction::None);
    assert_eq!(rtc.write(1, &[value]), BusAction::None);
}

/// Century, year, month, day, weekday, hours, minutes, seconds.
fn time(rtc: &mut Rtc) -> [u8; 8] {
    [CENTURY, YEAR, MONTH, DAY, WEEKDAY, HOURS, MINUTES, SECONDS].map(|index| read(rtc, index))
}

#[test]
fn the_time_is_the_hosts_in_each_format() {
    let (mut rtc, _) = rtc();
    for (register_b, expected) in [
        (HOURS_24, [0x20, 0x26, 0x11, 0x22, 1, 0x21, 0x47, 0x09]),
        (HOURS_24 | BINARY, [20, 26, 11, 22, 1, 21, 47, 9]),
        (0, [0x20, 0x26, 0x11, 0x22, 1, 0x89, 0x47, 0x09]),
        (BINARY, [20, 26, 11, 22, 1, 0x89, 47, 9]),
    ] {
        write(&mut rtc, REGISTER_B, register_b);
        assert_eq!(time(&mut rtc), expected);
    }
}

#[test]
fn twelve_hour_mode_knows_noon_and_midnight() {
    let (mut rtc, host) = rtc();
    write(&mut rtc, REGISTER_B, 0);
    for (hour, shown) in [(0, 0x12), (1, 0x01), (11, 0x11), (12, 0x92), (13, 0x81), (23, 0x91)] {
        host.store(hour * 3_600_000, Ordering::Relaxed);
        assert_eq!(read(&mut rtc, HOURS), shown);
        assert_eq!(rtc.decode_hour(shown), hour);
    }
}

#[test]
fn a_guest_sets_the_time_and_it_goes_on_from_there() {
    let (mut rtc, host) = rtc();
    write(&mut rtc, REGISTER_B, SET | HOURS_24);
    let set = [
        (CENTURY, 0x19),
        (YEAR, 0x99),
        (MONTH, 0x12),
        (DAY, 0x31),
        (HOURS, 0x23),
        (MINUTES, 0x59),
        (SECONDS, 0x58),
    ];
    for (index, value) in set {
        write(&mut rtc, index, value);
    }
    host.fetch_add(100_000, Ordering::Relaxed);
    assert_eq!(read(&mut rtc, SECONDS), 0x58, "held while it is set");
    write(&mut rtc, REGISTER_B, HOURS_24);
    host.fetch_add(2_000, Ordering::Relaxed);
    assert_eq!(time(&mut rtc), [0x20, 0x00, 0x01, 0x01, 7, 0x00, 0x00, 0x00]);
    rtc.reset();
    assert_eq!(read(&mut rtc, CENTURY), 0x20);
    assert_eq!(read(&mut rtc, MONTH), 0x01, "a reset does not touch the time");
}

#[test]
fn a_single_byte_of_the_time_can_be_set_too() {
    let (mut rtc, _) = rtc();
    write(&mut rtc, MINUTES, 0x03);
    assert_eq!(time(&mut rtc), [0x20, 0x26, 0x11, 0x22, 1, 0x21, 0x03, 0x09]);
}

#[test]
fn an_update_is_announced_at_the_end_of_the_second() {
    let (mut rtc, host) = rtc();
    assert_eq!(read(&mut rtc, REGISTER_A), 0x26);
    host.store(EVENING + 499, Ordering::Relaxed);
    assert_eq!(read(&mut rtc, REGISTER_A), 0xa6);
    write(&mut rtc, REGISTER_B, SET);
    assert_eq!(read(&mut rtc, REGISTER_A), 0x26);
}

#[test]
fn flags_follow_the_time_and_reading_clears_them() {
    let (mut rtc, host) = rtc();
    assert_eq!(read(&mut rtc, REGISTER_C), 0);
    host.fetch_add(1, Ordering::Relaxed);
    assert_eq!(read(&mut rtc, REGISTER_C), PERIODIC);
    write(&mut rtc, REGISTER_B, HOURS_24 | UPDATE);
    host.fetch_add(1000, Ordering::Relaxed);
    assert_eq!(read(&mut rtc, REGISTER_C), INTERRUPT_REQUEST | PERIODIC | UPDATE);
    assert_eq!(read(&mut rtc, REGISTER_C), 0);
    for (index, value) in [(0x01, 0x11), (0x03, 0xc0), (0x05, 0xff)] {
        write(&mut rtc, index, value);
    }
    host.fetch_add(1000, Ordering::Relaxed);
    assert_eq!(read(&mut rtc, REGISTER_C) & ALARM, ALARM);
    host.fetch_add(1000, Ordering::Relaxed);
    assert_eq!(read(&mut rtc, REGISTER_C) & ALARM, 0);
}

#[test]
fn memory_and_processors_are_where_firmware_looks() {
    for (mib, cpus, expected) in [
        (1, 1, [0, 0, 0, 0, 0, 0, 0, 0]),
        (512, 2, [0xff, 0xff, 0x00, 0x1f, 0, 0, 0, 1]),
        (5120, 64, [0xff, 0xff, 0x00, 0xbf, 0x00, 0x80, 0, 63]),
        (8 << 20, 1, [0xff, 0xff, 0x00, 0xbf, 0x00, 0x40, 0xff, 0]),
    ] {
        let (mut rtc, _) = rtc_of(mib, cpus);
        let bytes = [0x30, 0x31, 0x34, 0x35, 0x5b, 0x5c, 0x5d, 0x5f].map(|index| read(&mut rtc, index));
        assert_eq!(bytes, expected, "{mib} MiB, of which 3 GiB at most are below 4 GiB");
        assert_eq!([0x15, 0x16].map(|index| read(&mut rtc, index)), [0x80, 0x02]);
    }
}

#[test]
fn memory_keeps_what_is_written_through_a_reset() {
    let (mut rtc, _) = rtc();
    write(&mut rtc, 0x70, 0x5a);
    write(&mut rtc, REGISTER_B, HOURS_24 | UPDATE | SQUARE_WAVE);
    rtc.pause();
    rtc.reset();
    rtc.resume();
    assert_eq!((read(&mut rtc, 0x70), read(&mut rtc, REGISTER_B)), (0x5a, HOURS_24));
    assert_eq!(read(&mut rtc, 0xf0), 0x5a, "the highest bit of the index is not ours");
}

#[test]
fn read_only_registers_stay_and_the_index_can_not_be_read() {
    let (mut rtc, _) = rtc();
    for index in [REGISTER_C, REGISTER_D] {
        write(&mut rtc, index, 0x7f);
    }
    write(&mut rtc, REGISTER_A, 0xff);
    assert_eq!([REGISTER_A, REGISTER_C, REGISTER_D].map(|index| read(&mut rtc, index)), [0x7f, 0, 0x80]);
    let mut data = [0xff; 2];
    rtc.read(0, &mut data);
    assert_eq!(data, [0xff, 0x80]);
}

proptest! {
    #[test]
    fn any_sequence_of_writes_leaves_a_readable_clock(
        writes in prop::collection::vec((any::<u8>(), any::<u8>()), 0..100)
    ) {
        let (mut rtc, host) = rtc();
        for (index, value) in writes {
            write(&mut rtc, index, value);
            host.fetch_add(700, Ordering::Relaxed);
            read(&mut rtc, index);
        }
        write(&mut rtc, REGISTER_B, HOURS_24);
        let month = read(&mut rtc, MONTH);
        prop_assert!((1..=0x12).contains(&month), "{month:#x}");
    }
}
