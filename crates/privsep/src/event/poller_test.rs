use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use super::*;

#[test]
fn readiness_comes_under_its_token() {
    let poller = Poller::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    poller.add(&ours, 7, Interest::Read).unwrap();
    assert!(poller.wait(Some(Duration::ZERO)).unwrap().is_empty());
    theirs.write_all(b"x").unwrap();
    let expected = Event { token: 7, readable: true, writable: false, hangup: false };
    assert_eq!(poller.wait(None).unwrap(), [expected]);
    poller.modify(&ours, 8, Interest::ReadWrite).unwrap();
    assert_eq!(poller.wait(None).unwrap(), [Event { token: 8, writable: true, ..expected }]);
    poller.remove(&ours).unwrap();
    assert!(poller.wait(Some(Duration::ZERO)).unwrap().is_empty());
}

#[test]
fn the_peers_end_is_reported_whatever_the_interest() {
    for interest in [Interest::Hangup, Interest::Read, Interest::Write] {
        let poller = Poller::new().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        poller.add(&ours, 1, interest).unwrap();
        drop(theirs);
        let events = poller.wait(None).unwrap();
        assert!(events[0].hangup && events[0].readable, "{interest:?}: {events:?}");
    }
}

#[test]
fn a_wait_ends_with_its_time() {
    let start = Instant::now();
    assert!(Poller::new().unwrap().wait(Some(Duration::from_millis(20))).unwrap().is_empty());
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn more_events_than_one_wait_takes_come_with_the_next() {
    let poller = Poller::new().unwrap();
    let wakers: Vec<_> = (0..100).map(|_| crate::event::Waker::new().unwrap()).collect();
    for (token, waker) in (0..).zip(&wakers) {
        poller.add(waker, token, Interest::Read).unwrap();
        waker.wake().unwrap();
    }
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < wakers.len() {
        seen.extend(poller.wait(Some(Duration::ZERO)).unwrap().iter().map(|event| event.token));
    }
}
