use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use proto::{CpuCount, MemorySize};
use virtio::Lifecycle;

use super::super::tests::{EVENING, World, read, write};
use super::super::{HOURS_24, REGISTER_C, SET};
use super::*;

struct Fixture {
    rtc: Rtc,
    world: Arc<World>,
    /// The host's time in nanoseconds.
    host: Arc<AtomicU64>,
}

const START: u64 = EVENING * 1_000_000;

fn fixture() -> Fixture {
    let (world, host) = (Arc::new(World::default()), Arc::new(AtomicU64::new(START)));
    let time = host.clone();
    let time = move || Duration::from_nanos(time.load(Ordering::Relaxed));
    let ends =
        (Box::new(world.clone()) as Box<dyn crate::IrqLine>, Box::new(world.clone()) as Box<dyn crate::Wake>);
    let rtc = Rtc::with_host_time(MemorySize::DEFAULT, CpuCount::ONE, ends, time);
    Fixture { rtc, world, host }
}

impl Fixture {
    /// Goes to when the timer goes off; how long that took.
    fn wait(&mut self) -> Duration {
        let wake = self.world.go_off().expect("the timer is set");
        let now = self.host.swap(wake.as_nanos() as u64, Ordering::Relaxed);
        self.rtc.tick();
        wake - Duration::from_nanos(now)
    }

    fn enable(&mut self, interrupts: u8) {
        read(&mut self.rtc, REGISTER_C);
        write(&mut self.rtc, REGISTER_B, HOURS_24 | interrupts);
    }

    fn acknowledge(&mut self) -> u8 {
        read(&mut self.rtc, REGISTER_C)
    }
}

#[test]
fn a_clock_without_interrupts_sets_no_timer() {
    let mut clock = fixture();
    for index in 0..0x80 {
        read(&mut clock.rtc, index);
    }
    clock.host.fetch_add(5_000_000_000, Ordering::Relaxed);
    clock.enable(0);
    clock.rtc.pause();
    clock.rtc.resume();
    clock.rtc.reset();
    assert_eq!(clock.world.set.load(Ordering::Relaxed), 0);
    assert!(!clock.world.is_high());
}

#[test]
fn the_periodic_interrupt_comes_at_its_rate_and_waits_for_who_reads_register_c() {
    let mut clock = fixture();
    clock.enable(PERIODIC);
    for _ in 0..1024 {
        assert!(!clock.world.is_high());
        let waited = clock.wait().as_nanos();
        assert!((976_561..=976_564).contains(&waited), "{waited} ns at 1024 Hz");
        assert!(clock.world.is_high());
        assert_eq!(clock.world.wake(), None, "nothing to wait for");
        assert_eq!(clock.acknowledge() & !UPDATE, INTERRUPT_REQUEST | PERIODIC);
    }
    assert_eq!(clock.host.load(Ordering::Relaxed), START + 1_000_000_000, "no drift");
    write(&mut clock.rtc, REGISTER_A, 0x2f);
    clock.wait();
    clock.acknowledge();
    assert_eq!(clock.wait(), Duration::from_millis(500));
    clock.acknowledge();
    write(&mut clock.rtc, REGISTER_A, 0x20);
    assert_eq!(clock.world.wake(), None, "no rate");
}

#[test]
fn the_update_interrupt_comes_with_the_second() {
    let mut clock = fixture();
    clock.enable(UPDATE);
    assert_eq!(clock.wait(), Duration::from_millis(500));
    assert!(clock.world.is_high());
    assert_eq!(clock.acknowledge() & UPDATE, UPDATE);
    assert!(!clock.world.is_high());
    assert_eq!(clock.wait(), Duration::from_secs(1));
    clock.acknowledge();
    write(&mut clock.rtc, REGISTER_B, HOURS_24 | UPDATE | SET);
    assert_eq!(clock.world.wake(), None, "nothing is updated while the time is set");
}

#[test]
fn the_alarm_comes_at_its_time_and_the_host_sleeps_until_then() {
    let mut clock = fixture();
    // It is 21:47:09.5.
    for (alarm, seconds) in [([0x00, 0x48, 0x21], 51), ([0x09, 0x47, 0x21], 86_400), ([0x00, 0xff, 0xc0], 51)]
    {
        let mut clock = fixture();
        for (index, value) in [1, 3, 5].into_iter().zip(alarm) {
            write(&mut clock.rtc, index, value);
        }
        clock.enable(ALARM);
        assert_eq!(clock.wait(), Duration::from_secs(seconds) - Duration::from_millis(500), "{alarm:x?}");
        assert_eq!(clock.acknowledge() & (INTERRUPT_REQUEST | ALARM), INTERRUPT_REQUEST | ALARM);
    }
    for alarm in [[0x60, 0xff, 0xff], [0xff, 0x7a, 0xff], [0x00, 0x00, 0x24]] {
        for (index, value) in [1, 3, 5].into_iter().zip(alarm) {
            write(&mut clock.rtc, index, value);
        }
        clock.enable(ALARM);
        assert_eq!(clock.world.wake(), None, "{alarm:x?} is no time");
    }
}

#[test]
fn a_clock_that_stands_apart_from_the_hosts_is_woken_by_the_hosts() {
    let mut clock = fixture();
    clock.enable(UPDATE);
    write(&mut clock.rtc, 0x09, 0x99);
    assert_eq!(clock.wait(), Duration::from_millis(500));
    assert!(clock.world.is_high());
}

#[test]
fn a_pause_holds_interrupts_back_and_a_reset_takes_them_away() {
    let mut clock = fixture();
    clock.enable(UPDATE);
    clock.rtc.pause();
    assert_eq!(clock.world.wake(), None);
    clock.host.fetch_add(3_000_000_000, Ordering::Relaxed);
    clock.rtc.resume();
    assert!(clock.world.is_high());
    clock.rtc.pause();
    clock.rtc.reset();
    clock.rtc.resume();
    assert!(!clock.world.is_high());
    assert_eq!((clock.world.wake(), clock.acknowledge()), (None, 0));
}

proptest! {
    /// Whatever is written, the timer is set to the future or not at all, never while the line is high, and it goes off
    /// with an interrupt.
    #[test]
    fn the_timer_is_set_for_what_is_to_come(
        writes in prop::collection::vec((0u8..0x0e, any::<u8>(), 0u64..2_000_000_000), 1..60)
    ) {
        let mut clock = fixture();
        for (index, value, later) in writes {
            write(&mut clock.rtc, index, value);
            let now = Duration::from_nanos(clock.host.load(Ordering::Relaxed));
            prop_assert!(clock.world.wake().is_none_or(|wake| wake > now));
            prop_assert!(!(clock.world.is_high() && clock.world.wake().is_some()));
            if clock.world.wake().is_some() {
                clock.wait();
                prop_assert!(clock.world.is_high());
            }
            clock.host.fetch_add(later, Ordering::Relaxed);
            clock.acknowledge();
        }
    }
}
