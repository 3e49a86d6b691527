use super::*;
use crate::test_util::{Driver, into, out};

fn driver() -> Driver {
    let mut driver = Driver::new(Box::new(Rng::new()));
    driver.bring_up();
    driver
}

#[test]
fn a_request_is_filled_before_the_notification_returns() {
    let mut driver = driver();
    let (a, b) = (driver.buffer(64), driver.buffer(64));
    let head = driver.ring.add(&[into(a, 40), into(b, 24)]);
    driver.kick();
    assert_eq!(driver.ring.used(), Some((head, 64)));
    assert_eq!(driver.interrupts(1), 1);
    assert!(driver.get(a, 40).iter().any(|&byte| byte != 0));
    assert_eq!(driver.get(a + 40, 24), [0; 24], "not a byte too many");
    assert_ne!(driver.get(a, 24), driver.get(b, 24));
}

#[test]
fn a_request_gets_a_bounded_number_of_bytes() {
    let mut driver = driver();
    let at = driver.buffer(4096);
    driver.ring.add(&[into(at, 4096)]);
    driver.kick();
    assert_eq!(driver.ring.used().unwrap().1, 1024);
    assert_eq!(driver.get(at + 1024, 3072), [0; 3072]);
}

#[test]
fn requests_that_cannot_be_filled_are_given_back_empty() {
    let mut driver = driver();
    let at = driver.buffer(16);
    for parts in [&[out(at, 16)][..], &[into(0x7000_0000, 16)], &[into(at, 0)]] {
        let head = driver.ring.add(parts);
        driver.kick();
        assert_eq!(driver.ring.used(), Some((head, 0)));
    }
    driver.ring.add(&[into(at, 16)]);
    driver.kick();
    assert_eq!(driver.ring.used().unwrap().1, 16);
}

#[test]
fn a_notification_of_another_queue_or_an_idle_device_does_nothing() {
    let mut driver = driver();
    let at = driver.buffer(16);
    driver.ring.add(&[into(at, 16)]);
    driver.write(0x3004, 0u16);
    driver.write(0x3ffc, 0u16);
    assert_eq!(driver.ring.used(), None);
    driver.set_status(0);
    driver.kick();
    assert_eq!(driver.ring.used(), None);
}
