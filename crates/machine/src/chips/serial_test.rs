use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

/// What the line is connected to.
#[derive(Default)]
struct World {
    sent: Mutex<Vec<u8>>,
    irq: AtomicBool,
    room: AtomicUsize,
}

impl SerialOutput for World {
    fn write(&self, bytes: &[u8]) {
        self.sent.lock().unwrap().extend(bytes);
    }
}

impl IrqLine for World {
    fn set(&self, high: bool) {
        self.irq.store(high, Ordering::Relaxed);
    }
}

impl World {
    fn irq(&self) -> bool {
        self.irq.load(Ordering::Relaxed)
    }

    fn room(&self) -> usize {
        self.room.load(Ordering::Relaxed)
    }
}

/// A line whose driver has enabled FIFOs and the interrupt for received data.
fn line() -> (Serial, Arc<World>) {
    let world = Arc::new(World::default());
    let called = world.clone();
    let room = move || _ = called.room.fetch_add(1, Ordering::Relaxed);
    let mut serial = Serial::new(world.clone(), world.clone(), room);
    for (register, value) in [(2, 0x01), (4, 0x08), (1, 0x01)] {
        assert_eq!(serial.write(register, &[value]), BusAction::None);
    }
    (serial, world)
}

fn read(serial: &mut Serial, register: u64) -> u8 {
    let mut data = [0xff];
    serial.read(register, &mut data);
    data[0]
}

fn read_all(serial: &mut Serial) -> Vec<u8> {
    std::iter::from_fn(|| (read(serial, 5) & 1 != 0).then(|| read(serial, 0))).collect()
}

#[test]
fn what_the_guest_writes_comes_out_at_once() {
    let (mut serial, world) = line();
    let _ = serial.write(0, b"a");
    assert_eq!(*world.sent.lock().unwrap(), b"a");
}

#[test]
fn wide_accesses_reach_the_registers_one_after_the_other() {
    let (mut serial, world) = line();
    let mut data = [0; 4];
    let _ = serial.write(6, &[0, 0x5a]);
    serial.read(4, &mut data);
    assert_eq!(data, [0x08, 0x60, 0xb0, 0x5a]);
    let _ = serial.write(0, &[b'x', 0, 0, 0x03]);
    assert_eq!(*world.sent.lock().unwrap(), b"x");
    assert_eq!(read(&mut serial, 3), 0x03);
}

#[test]
fn input_beyond_the_fifo_comes_as_the_guest_reads_and_nothing_is_lost() {
    let (mut serial, world) = line();
    let text: Vec<u8> = (0..1000).map(|i| (i % 251) as u8).collect();
    assert_eq!(serial.input(&text), text.len());
    assert!(world.irq());
    assert_eq!(read_all(&mut serial), text);
    assert!(!world.irq());
}

#[test]
fn a_full_queue_refuses_and_calls_when_half_of_it_is_free() {
    let (mut serial, world) = line();
    let text = vec![b'x'; 5000];
    assert_eq!(serial.input(&text), QUEUE_SIZE);
    assert_eq!(serial.input(&text), 16, "the FIFO's share came free");
    assert_eq!(serial.input(&text), 0);
    for _ in 0..QUEUE_SIZE / 2 {
        assert_eq!(world.room(), 0);
        read(&mut serial, 0);
    }
    assert_eq!(world.room(), 1);
    assert_eq!(read_all(&mut serial).len(), QUEUE_SIZE / 2 + 16);
    assert_eq!(world.room(), 1);
}

#[test]
fn a_break_arrives_in_its_place() {
    let (mut serial, _) = line();
    assert_eq!(serial.input(b"a"), 1);
    serial.send_break();
    assert_eq!(serial.input(b"b"), 1);
    assert_eq!(read(&mut serial, 0), b'a');
    assert_eq!(read(&mut serial, 5) & 0x11, 0x11);
    assert_eq!((read(&mut serial, 0), read(&mut serial, 0)), (0, b'b'));
}

#[test]
fn breaks_that_nobody_reads_do_not_pile_up() {
    let (mut serial, _) = line();
    (0..100_000).for_each(|_| serial.send_break());
    assert!(serial.queue.len() <= 1);
}

#[test]
fn a_paused_line_holds_its_input_back() {
    let (mut serial, world) = line();
    serial.pause();
    serial.pause();
    assert_eq!(serial.input(b"abc"), 3);
    assert!(!world.irq());
    serial.resume();
    assert!(world.irq());
    assert_eq!(read_all(&mut serial), b"abc");
}

#[test]
fn a_reset_line_is_as_new_and_whoever_was_refused_is_called() {
    let (mut serial, world) = line();
    serial.input(&[b'x'; 5000]);
    serial.pause();
    serial.reset();
    assert!(!world.irq());
    assert_eq!(world.room(), 1);
    serial.resume();
    assert_eq!((1..8).map(|r| read(&mut serial, r)).collect::<Vec<_>>(), [0, 1, 0, 0, 0x60, 0xb0, 0]);
    assert_eq!(serial.input(b"y"), 1);
    assert_eq!(read_all(&mut serial), b"y");
}
