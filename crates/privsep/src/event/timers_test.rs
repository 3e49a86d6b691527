use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn keys_come_in_the_order_of_their_deadlines_and_not_before() {
    let start = Instant::now();
    let mut timers = Timers::new();
    timers.set("late", start + 2 * SECOND);
    timers.set("early", start + SECOND);
    assert_eq!(timers.next_timeout(start), Some(SECOND));
    assert_eq!(timers.pop_due(start), None);
    assert_eq!(timers.pop_due(start + SECOND), Some("early"));
    assert_eq!(timers.pop_due(start + SECOND), None);
    assert_eq!(timers.next_timeout(start + 3 * SECOND), Some(Duration::ZERO));
    assert_eq!(timers.pop_due(start + 3 * SECOND), Some("late"));
    assert_eq!(timers.next_timeout(start), None);
}

#[test]
fn a_key_has_one_deadline_which_can_be_moved_and_taken_back() {
    let start = Instant::now();
    let mut timers = Timers::default();
    timers.set(1, start + SECOND);
    timers.set(1, start + 5 * SECOND);
    assert_eq!(timers.pop_due(start + SECOND), None);
    assert!(timers.cancel(&1));
    assert!(!timers.cancel(&1));
    assert_eq!(timers.pop_due(start + 9 * SECOND), None);
}

#[test]
fn keys_with_the_same_deadline_all_come() {
    let start = Instant::now();
    let mut timers = Timers::new();
    (0..3).for_each(|key| timers.set(key, start));
    let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(start)).collect();
    assert_eq!(due, [0, 1, 2]);
}
