use std::time::Duration;

use super::*;
use crate::event::{Interest, Poller};

#[test]
fn wakes_fall_together_until_drained() {
    let waker = Waker::new().unwrap();
    let poller = Poller::new().unwrap();
    poller.add(&waker, 1, Interest::Read).unwrap();
    assert!(!waker.drain().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| (0..3).for_each(|_| waker.wake().unwrap()));
    });
    assert_eq!(poller.wait(None).unwrap().len(), 1);
    assert!(waker.drain().unwrap());
    assert!(!waker.drain().unwrap());
    assert!(poller.wait(Some(Duration::ZERO)).unwrap().is_empty());
}
