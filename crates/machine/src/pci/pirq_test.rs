use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::irq::tests::Record;

fn router() -> (Arc<PirqRouter>, Record) {
    let record = Record::default();
    (Arc::new(PirqRouter::new(&record.lines())), record)
}

#[test]
fn pins_rotate_from_slot_to_slot() {
    let line = |slot, pin| line_of(PciAddress::slot(slot), pin);
    assert_eq!(
        [line(0, 1), line(1, 1), line(1, 4), line(3, 1), line(4, 1), line(5, 1), line(31, 4)],
        [3, 0, 3, 2, 3, 0, 1]
    );
}

#[test]
fn pins_of_one_line_share_it() {
    let (router, record) = router();
    router.set_routes([10, 11, 10, 0x80]);
    let (a, b) = (router.pin(PciAddress::slot(1), 1), router.pin(PciAddress::slot(5), 1));
    let other_line = router.pin(PciAddress::slot(3), 1);
    a.set(true);
    a.set(true);
    b.set(true);
    assert_eq!(record.take(), [(10, true)]);
    a.set(false);
    other_line.set(true);
    b.set(false);
    assert_eq!(record.take(), [], "another line leads to the same input");
    other_line.set(false);
    assert_eq!(record.take(), [(10, false)]);
    router.pin(PciAddress::slot(4), 1).set(true);
    assert_eq!(record.take(), [], "no route");
}

#[test]
fn lines_can_not_be_routed_to_inputs_that_belong_to_the_board() {
    let (router, record) = router();
    router.pin(PciAddress::slot(1), 1).set(true);
    for input in [0, 1, 2, 8, 13, 0x85] {
        router.set_routes([input, 0x80, 0x80, 0x80]);
    }
    assert_eq!(record.take(), []);
}

proptest! {
    /// After any changes the inputs are what pins and routes say, each change was told once, and nothing stays high
    /// when all pins are low.
    #[test]
    fn levels_follow_pins_and_routes(
        steps in prop::collection::vec((0usize..12, any::<bool>(), prop::option::of(any::<[u8; 4]>())), 1..100)
    ) {
        let (router, record) = router();
        let pins: Vec<_> = (0u8..12).map(|n| (n, router.pin(PciAddress::slot(n), n % 4 + 1))).collect();
        let (mut asserted, mut routes, mut high) = ([false; 12], UNROUTED, BTreeSet::new());
        for (pin, level, registers) in steps {
            asserted[pin] = level;
            pins[pin].1.set(level);
            if let Some(registers) = registers {
                routes = registers;
                router.set_routes(registers);
            }
            for (input, level) in record.take() {
                prop_assert!(if level { high.insert(input) } else { high.remove(&input) }, "told twice");
            }
            let expected: BTreeSet<u32> = pins.iter().filter(|(n, _)| asserted[usize::from(*n)])
                .map(|(n, _)| routes[line_of(PciAddress::slot(*n), n % 4 + 1)])
                .filter(|route| route & 0x80 == 0 && ![0, 1, 2, 8, 13].contains(&(route & 15)))
                .map(|route| u32::from(route & 15)).collect();
            prop_assert_eq!(&high, &expected);
        }
        pins.iter().for_each(|(_, pin)| pin.set(false));
        for (input, level) in record.take() {
            prop_assert!(!level && high.remove(&input));
        }
        prop_assert!(high.is_empty());
    }
}
