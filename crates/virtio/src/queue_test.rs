use std::sync::Mutex;

use super::*;
use crate::BadAddress;
use crate::test_util::{Ring, into, out, ram};

/// Writes down what a queue asks for.
#[derive(Default)]
struct Recorder(Mutex<Vec<&'static str>>);

impl Interrupt for Recorder {
    fn queue(&self, queue: u16) {
        assert_eq!(queue, 3);
        self.0.lock().unwrap().push("queue");
    }

    fn config(&self) {
        self.0.lock().unwrap().push("config");
    }

    fn needs_reset(&self, why: &dyn std::fmt::Display) {
        assert!(why.to_string().starts_with("queue 3: "));
        self.0.lock().unwrap().push("needs reset");
    }
}

impl Recorder {
    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn queue(event_idx: bool) -> (Queue, Ring, Arc<Recorder>) {
    let memory = ram();
    let ring = Ring::new(&memory, 8);
    let recorder = Arc::new(Recorder::default());
    let queue = Queue::new(3, ring.state(event_idx), memory, recorder.clone()).unwrap();
    (queue, ring, recorder)
}

#[test]
fn a_chain_is_what_the_driver_made_available() {
    let (mut queue, mut ring, _) = queue(false);
    assert!(queue.pop().is_none());
    queue.memory.write_slice(b"scattered data", GuestAddress(0x5000)).unwrap();
    let head = ring.add(&[out(0x5000, 4), out(0x5004, 0), out(0x5004, 10), into(0x6000, 3), into(0x7000, 5)]);
    let chain = queue.pop().unwrap();
    assert_eq!(chain.head(), head);
    assert_eq!((chain.readable().len(), chain.writable().len()), (14, 8));

    let mut data = [0; 9];
    chain.readable().read(&queue.memory, 2, &mut data).unwrap();
    assert_eq!(&data, b"attered d");
    assert!(chain.readable().read(&queue.memory, 6, &mut data).is_err(), "beyond the end");

    chain.writable().write(&queue.memory, 1, b"abcdef").unwrap();
    let mut bytes = [0; 3];
    queue.memory.read_slice(&mut bytes, GuestAddress(0x6000)).unwrap();
    assert_eq!(&bytes, b"\0ab");
    assert_eq!(chain.writable().address(7), Some(GuestAddress(0x7004)));
    assert_eq!(chain.writable().address(8), None);
    assert_eq!(chain.writable().slices(&queue.memory, 2, 4).unwrap().len(), 2);

    queue.complete(chain.head(), 8);
    assert_eq!(ring.used(), Some((head, 8)));
}

#[test]
fn an_indirect_table_is_followed() {
    let (mut queue, mut ring, recorder) = queue(false);
    let head = ring.add_indirect(0x8000, &[out(0x5000, 100), into(0x6000, 200)]);
    let chain = queue.pop().unwrap();
    assert_eq!((chain.head(), chain.readable().len(), chain.writable().len()), (head, 100, 200));
    assert!(recorder.take().is_empty());
}

#[test]
fn chains_that_make_no_sense_are_given_back_unused() {
    let (mut queue, mut ring, recorder) = queue(false);
    // A loop.
    ring.raw(0, out(0x5000, 1), 1, 1);
    ring.raw(1, out(0x5000, 1), 1, 0);
    ring.offer(0);
    // A next descriptor that does not exist.
    ring.raw(2, out(0x5000, 1), 1, 8);
    ring.offer(2);
    // To read behind to write.
    ring.raw(3, into(0x5000, 1), 1, 4);
    ring.raw(4, out(0x5000, 1), 0, 0);
    ring.offer(3);
    // A table within a table.
    ring.descriptor(0x8000, 0, out(0x9000, 16), 4, 0);
    ring.raw(5, out(0x8000, 16), 4, 0);
    ring.offer(5);
    // A table that is no multiple of descriptors, one that is not in memory, and one longer than the queue.
    ring.raw(6, out(0x8000, 17), 4, 0);
    ring.offer(6);
    ring.raw(7, out(0x7fff_0000, 32), 4, 0);
    ring.offer(7);
    assert!(queue.pop().is_none());
    let heads: Vec<_> = std::iter::from_fn(|| ring.used()).collect();
    assert_eq!(heads, [(0, 0), (2, 0), (3, 0), (5, 0), (6, 0), (7, 0)]);
    queue.notify();
    assert_eq!(recorder.take(), ["queue"]);

    let long = [out(0x5000, 1); 9];
    let head = ring.add_indirect(0xa000, &long);
    let good = ring.add(&[out(0x5000, 1)]);
    assert_eq!(queue.pop().unwrap().head(), good, "the queue works on");
    assert_eq!(ring.used(), Some((head, 0)));
}

#[test]
fn memory_that_is_not_there_is_an_error_of_its_chain() {
    let (mut queue, mut ring, recorder) = queue(false);
    ring.add(&[out(0x7fff_0000, 16), into((4 << 20) - 8, 16), into(u64::MAX - 3, 16)]);
    let chain = queue.pop().unwrap();
    let mut data = [0; 16];
    assert_eq!(chain.readable().read(&queue.memory, 0, &mut data), Err(BadAddress));
    assert_eq!(chain.writable().write(&queue.memory, 0, &data), Err(BadAddress));
    assert!(chain.writable().slices(&queue.memory, 0, 8).is_ok());
    assert!(chain.writable().slices(&queue.memory, 0, 9).is_err());
    assert!(chain.writable().slices(&queue.memory, 20, 4).is_err());
    assert!(recorder.take().is_empty());
}

#[test]
fn a_buffer_may_lie_across_two_regions_of_memory_only_if_they_touch() {
    let memory =
        GuestRam::from_ranges(&[(GuestAddress(0), 0x80000), (GuestAddress(0x80000), 0x1000)]).unwrap();
    let mut ring = Ring::new(&memory, 8);
    let mut queue = Queue::new(3, ring.state(false), memory, Arc::new(Recorder::default())).unwrap();
    ring.add(&[into(0x7fff0, 32)]);
    let chain = queue.pop().unwrap();
    let slices = chain.writable().slices(queue.memory(), 0, 32).unwrap();
    assert_eq!(slices.iter().map(|slice| slice.len()).collect::<Vec<_>>(), [16, 16]);
}

#[test]
fn an_available_index_that_jumps_breaks_the_queue_for_good() {
    let (mut queue, mut ring, recorder) = queue(false);
    ring.set_available(9);
    assert!(queue.pop().is_none());
    assert_eq!(recorder.take(), ["needs reset"]);
    // Even if it looks right again.
    ring.set_available(0);
    ring.add(&[out(0x5000, 1)]);
    assert!(queue.pop().is_none());
    assert!(!queue.arm());
    queue.disarm();
    queue.complete(0, 0);
    queue.notify();
    assert_eq!(ring.used(), None);
    assert!(recorder.take().is_empty());
}

#[test]
fn a_head_outside_the_table_breaks_the_queue() {
    let (mut queue, mut ring, recorder) = queue(false);
    ring.offer(8);
    assert!(queue.pop().is_none());
    assert_eq!(recorder.take(), ["needs reset"]);
}

#[test]
fn rings_outside_memory_or_misaligned_or_of_odd_sizes_are_refused() {
    let memory = ram();
    let good = Ring::new(&memory, 8).state(false);
    let make = |state| Queue::new(0, state, memory.clone(), Arc::new(Recorder::default())).is_ok();
    assert!(make(good));
    assert!(!make(QueueState { size: 0, ..good }));
    assert!(!make(QueueState { size: 6, ..good }));
    assert!(!make(QueueState { size: 16, ..good }));
    assert!(!make(QueueState { desc_table: good.desc_table + 8, ..good }));
    assert!(!make(QueueState { avail_ring: good.avail_ring + 1, ..good }));
    assert!(!make(QueueState { used_ring: good.used_ring + 2, ..good }));
    assert!(!make(QueueState { used_ring: (4 << 20) - 16, ..good }));
    assert!(!make(QueueState { desc_table: u64::MAX - 15, ..good }));
}

#[test]
fn without_event_index_the_flag_of_the_driver_decides_about_interrupts() {
    let (mut queue, mut ring, recorder) = queue(false);
    queue.notify();
    assert!(recorder.take().is_empty(), "nothing was used");
    for (no_interrupt, expected) in [(false, vec!["queue"]), (true, vec![]), (false, vec!["queue"])] {
        ring.set_no_interrupt(no_interrupt);
        let head = ring.add(&[out(0x5000, 1)]);
        queue.pop().unwrap();
        queue.complete(head, 0);
        queue.notify();
        queue.notify();
        assert_eq!(recorder.take(), expected);
    }
}

#[test]
fn with_event_index_the_driver_says_at_which_buffer_it_wants_an_interrupt() {
    let (mut queue, mut ring, recorder) = queue(true);
    ring.set_used_event(2);
    for used in 0u16..6 {
        let head = ring.add(&[out(0x5000, 1)]);
        queue.pop().unwrap();
        queue.complete(head, 0);
        queue.notify();
        assert_eq!(recorder.take().len(), usize::from(used == 2), "used {used}");
    }
    // Several at once, the wanted one among them.
    ring.set_used_event(7);
    for _ in 0..4 {
        let head = ring.add(&[out(0x5000, 1)]);
        queue.pop().unwrap();
        queue.complete(head, 0);
    }
    queue.notify();
    assert_eq!(recorder.take(), ["queue"]);
}

#[test]
fn arming_tells_what_came_meanwhile_and_where_to_notify() {
    let (mut queue, mut ring, _) = queue(true);
    assert!(!queue.arm());
    assert_eq!(ring.avail_event(), 0);
    ring.add(&[out(0x5000, 1)]);
    assert!(queue.arm());
    queue.pop().unwrap();
    assert!(!queue.arm());
    assert_eq!(ring.avail_event(), 1);
}
