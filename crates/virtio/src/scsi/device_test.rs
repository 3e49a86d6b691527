//! Transcripts of a driver with a drive, over all of its queues.

use std::os::unix::fs::FileExt;
use std::sync::mpsc::channel;

use proptest::prelude::*;
use vm_memory::{Bytes, GuestAddress};

use super::super::command::BLOCK;
use super::*;
use crate::test_util::*;
use crate::{Lifecycle, ThreadKind};

const REQUESTS: u16 = 2;
const EVENTS: u16 = 1;
const CONTROL: u16 = 0;

const DRIVE: [u8; 8] = [1, 0, 0, 0, 0, 0, 0, 0];
const READY: [u8; 1] = [0x00];

/// An image of so many blocks, each filled with its number.
fn image(blocks: u8) -> File {
    let image = tempfile::tempfile().unwrap();
    for block in 0..blocks {
        image.write_all_at(&[block; BLOCK as usize], u64::from(block) * BLOCK).unwrap();
    }
    image
}

/// A driver that is up and has heard that the drive was reset, and the host's side of the drive.
fn driver(disc: Option<File>) -> (Driver, Tray) {
    let scsi = Scsi::new(disc, &no_hook()).unwrap();
    let tray = scsi.tray();
    let mut driver = Driver::with_queues(Box::new(scsi), REQUESTS, 2);
    driver.bring_up();
    assert_eq!(driver.command(&READY, &[]).sense(), Some((6, 0x29, 0)));
    (driver, tray)
}

/// What came back for a command.
#[derive(Debug)]
struct Answered {
    response: Vec<u8>,
    used: u32,
}

impl Answered {
    fn sense(&self) -> Option<(u8, u8, u8)> {
        match (self.response[10], u32::from_le_bytes(self.response[..4].try_into().unwrap())) {
            (0, 0) => None,
            (2, 18) => Some((self.response[14], self.response[24], self.response[25])),
            other => panic!("status and length of sense data are {other:?}"),
        }
    }

    /// Response, sense data, residual.
    fn all(&self) -> (u8, Option<(u8, u8, u8)>, u32) {
        (self.response[11], self.sense(), u32::from_le_bytes(self.response[4..8].try_into().unwrap()))
    }
}

impl Driver {
    /// Has a command carried out, with these parts of data.
    fn command(&mut self, cdb: &[u8], data: &[Part]) -> Answered {
        self.command_to(DRIVE, cdb, data)
    }

    fn command_to(&mut self, lun: [u8; 8], cdb: &[u8], data: &[Part]) -> Answered {
        let mut header = [&lun[..], &[0; 11], cdb].concat();
        header.resize(51, 0);
        let header = self.put(&header);
        let response = self.put(&[0xee; 108]);
        let (sent, wanted): (Vec<Part>, Vec<Part>) = data.iter().partition(|part| !part.writable);
        let parts = [&[out(header, 51)], &sent[..], &[into(response, 108)], &wanted].concat();
        let head = self.ring.add(&parts);
        self.kick();
        let (used_head, used) = self.wait_used();
        assert_eq!(used_head, head);
        Answered { response: self.get(response, 108), used }
    }

    /// Reads blocks into a buffer of `len` bytes.
    fn read_blocks(&mut self, first: u8, count: u8, len: u32) -> (Answered, Vec<u8>) {
        let at = self.put(&vec![0xee; len as usize]);
        let answered = self.command(&[0x28, 0, 0, 0, 0, first, 0, 0, count], &[into(at, len)]);
        (answered, self.get(at, len as usize))
    }

    /// A request on the control queue, and its answer of `len` bytes.
    fn control(&mut self, request: &[u8], len: u32) -> (Vec<u8>, u32) {
        let (request_at, answer_at) = (self.put(request), self.put(&vec![0xee; len as usize]));
        let ring = &mut self.more[usize::from(CONTROL)].1;
        ring.add(&[out(request_at, request.len() as u32), into(answer_at, len)]);
        self.kick_queue(CONTROL);
        let (_, used) = eventually("an answer", || self.more[usize::from(CONTROL)].1.used());
        (self.get(answer_at, len as usize), used)
    }

    /// Gives the drive a buffer for an event.
    fn offer_event(&mut self, len: u32) -> u64 {
        let at = self.put(&[0xee; 16]);
        self.more[usize::from(EVENTS)].1.add(&[into(at, len)]);
        self.kick_queue(EVENTS);
        at
    }

    fn event(&mut self) -> Option<(u16, u32)> {
        self.more[usize::from(EVENTS)].1.used()
    }
}

fn task(function: u32, lun: [u8; 8]) -> Vec<u8> {
    [&0u32.to_le_bytes()[..], &function.to_le_bytes(), &lun, &[0; 8]].concat()
}

#[test]
fn the_configuration_tells_queues_and_limits() {
    let (mut driver, _) = driver(None);
    let config: Vec<u32> = (0..7).map(|i| u32::from_le_bytes(driver.device_config(4 * i))).collect();
    assert_eq!(config, [1, 126, 65535, 128, 16, 96, 32]);
    assert_eq!(driver.device_config::<8>(28), [0; 8], "the last target and unit");
    assert_eq!(driver.structures[&DEVICE].1, 36);
    assert_eq!(driver.config::<4>(0), [0xf4, 0x1a, 0x48, 0x10]);
    assert_eq!(driver.config::<3>(9), [0, 0, 1], "a SCSI controller");
}

#[test]
fn blocks_are_read_into_the_guests_buffers() {
    let (mut driver, _) = driver(Some(image(8)));
    let at = driver.buffer(3 * 2048);
    let parts = [into(at, 100), into(at + 100, 5000), into(at + 5100, 1044)];
    let answered = driver.command(&[0x28, 0, 0, 0, 0, 2, 0, 0, 3], &parts);
    assert_eq!((answered.all(), answered.used), ((0, None, 0), 108 + 3 * 2048));
    driver.wait_interrupt(1);
    assert_eq!(driver.get(at, 6144), [[2; 2048], [3; 2048], [4; 2048]].concat());
}

#[test]
fn a_large_read_goes_in_pieces() {
    let image = image(1);
    image.set_len(1 << 20).unwrap();
    image.write_all_at(&[9], (1 << 20) - 1).unwrap();
    let (mut driver, _) = driver(Some(image));
    let at = driver.put(&vec![0xee; 1 << 20]);
    let answered = driver.command(&[0xa8, 0, 0, 0, 0, 0, 0, 0, 2, 0], &[into(at, 1 << 20)]);
    assert_eq!((answered.all(), answered.used), ((0, None, 0), 108 + (1 << 20)));
    let data = driver.get(at, 1 << 20);
    assert!(data[..data.len() - 1].iter().all(|&byte| byte == 0) && data.last() == Some(&9));
}

#[test]
fn too_large_a_buffer_leaves_a_residual_and_too_small_a_one_is_overrun() {
    let (mut driver, _) = driver(Some(image(4)));
    let (answered, data) = driver.read_blocks(1, 1, 3000);
    assert_eq!((answered.all(), answered.used), ((0, None, 952), 108 + 2048));
    assert!(data[..2048].iter().all(|&byte| byte == 1) && data[2048..].iter().all(|&byte| byte == 0xee));
    let (answered, data) = driver.read_blocks(1, 2, 2048 + 100);
    assert_eq!((answered.all(), answered.used), ((1, None, 0), 108 + 2148));
    assert!(data[2048..].iter().all(|&byte| byte == 2), "what fits is there");
    let at = driver.buffer(255);
    let inquiry = driver.command(&[0x12, 0, 0, 0, 255], &[into(at, 255)]);
    assert_eq!(inquiry.all(), (0, None, 255 - 36));
    assert_eq!(driver.command(&[0x12, 0, 0, 0, 36], &[into(at, 20)]).all(), (1, None, 0));
    assert_eq!(driver.command(&[0x28, 0, 0, 0, 0, 0, 0, 0, 1], &[]).all(), (1, None, 0), "no buffer");
    let select = [0x55, 0x10, 0, 0, 0, 0, 0, 0, 20];
    assert_eq!(driver.command(&select, &[out(at, 24)]).all(), (0, None, 4));
    assert_eq!(driver.command(&select, &[out(at, 10)]).all(), (1, None, 0));
    assert_eq!(driver.command(&[0x2a, 0, 0, 0, 0, 0, 0, 0, 1], &[out(at, 2048)]).all().1, Some((7, 0x27, 0)));
}

#[test]
fn requests_that_lie_are_refused_and_the_next_one_is_served() {
    let (mut driver, _) = driver(Some(image(4)));
    let at = driver.buffer(2048);
    let read = [0x28, 0, 0, 0, 0, 0, 0, 0, 1];
    assert_eq!(driver.command(&read, &[into(0x7000_0000, 2048)]).all().0, 9, "not in memory");
    assert_eq!(driver.command(&read, &[out(at, 16), into(at, 2048)]).all().0, 9, "data both ways");
    assert_eq!(driver.read_blocks(4, 1, 2048).0.all(), (0, Some((5, 0x21, 0)), 2048));
    assert_eq!(driver.command_to([1, 1, 0, 0, 0, 0, 0, 0], &READY, &[]).all().0, 3);
    let no_unit = [1, 0, 0, 1, 0, 0, 0, 0];
    assert_eq!(driver.command_to(no_unit, &READY, &[]).all(), (0, Some((5, 0x25, 0)), 0));

    // Without a whole header, without room for a response, with a response that is not in memory.
    let header = driver.put(&[&DRIVE[..], &[0; 43]].concat());
    let response = driver.put(&[0xee; 108]);
    driver.ring.add(&[out(header, 50), into(response, 108)]);
    driver.kick();
    assert_eq!(driver.wait_used().1, 108);
    assert_eq!(driver.get(response, 108)[11], 9);
    for chain in [&[out(header, 51)][..], &[out(header, 51), into(response, 107)], &[into(0x7000_0000, 108)]]
    {
        let head = driver.ring.add(chain);
        driver.kick();
        assert_eq!(driver.wait_used(), (head, 0));
    }
    assert_eq!(driver.status() & NEEDS_RESET, 0);
    assert_eq!(driver.command(&READY, &[]).all(), (0, None, 0));
}

#[test]
fn the_host_changes_the_disc_and_the_guest_is_told() {
    let (mut driver, tray) = driver(None);
    assert_eq!(driver.command(&READY, &[]).sense(), Some((2, 0x3a, 1)));
    assert_eq!(tray.state(), DriveState::default());
    let at = driver.offer_event(16);
    let state = tray.change(Some(image(4)), false).unwrap();
    assert_eq!(state, DriveState { loaded: true, locked: false, open: false });
    let used = eventually("an event", || driver.event());
    assert_eq!(used.1, 16);
    let event = [&3u32.to_le_bytes()[..], &DRIVE, &[0x28, 0, 0, 0]].concat();
    assert_eq!(driver.get(at, 16), event);
    assert_eq!(driver.command(&READY, &[]).sense(), Some((6, 0x28, 0)));
    assert_eq!(driver.read_blocks(3, 1, 2048).1, [3; 2048]);

    // Without a buffer the event waits for one; two changes are one event then, and too small a buffer is none.
    tray.change(None, false).unwrap();
    tray.change(Some(image(2)), false).unwrap();
    assert_eq!(driver.event(), None);
    driver.offer_event(15);
    assert_eq!(eventually("the buffer", || driver.event()).1, 0);
    driver.offer_event(16);
    assert_eq!(eventually("an event", || driver.event()).1, 16);
    driver.offer_event(16);
    assert_eq!(driver.command(&READY, &[]).sense(), Some((6, 0x28, 0)));
    assert_eq!(driver.event(), None, "there is no more to tell");
}

#[test]
fn a_driver_that_wants_no_events_gets_none() {
    let scsi = Scsi::new(None, &no_hook()).unwrap();
    let tray = scsi.tray();
    let mut driver = Driver::with_queues(Box::new(scsi), REQUESTS, 2);
    driver.bring_up_with(VERSION_1);
    driver.offer_event(16);
    tray.change(Some(image(4)), false).unwrap();
    assert_eq!(driver.command(&READY, &[]).sense(), Some((6, 0x29, 0)));
    assert_eq!(driver.command(&READY, &[]).sense(), Some((6, 0x28, 0)), "it still hears of it that way");
    assert_eq!(driver.event(), None);
}

#[test]
fn a_locked_tray_is_refused_to_the_host_unless_it_insists() {
    let (mut driver, tray) = driver(Some(image(4)));
    driver.command(&[0x1e, 0, 0, 0, 1], &[]);
    assert!(matches!(tray.change(None, false), Err(ChangeError::Locked)));
    assert_eq!(tray.state(), DriveState { loaded: true, locked: true, open: false });
    assert!(matches!(
        tray.change(Some(File::open("/dev/null").unwrap()), true),
        Err(ChangeError::Unusable(_))
    ));
    assert!(tray.state().loaded, "the disc stays");
    assert_eq!(tray.change(None, true).unwrap(), DriveState::default());
}

#[test]
fn while_it_is_paused_the_disc_can_be_changed_and_the_guest_hears_of_it_later() {
    let (mut driver, tray) = driver(Some(image(4)));
    driver.offer_event(16);
    driver.function.pause();
    assert!(tray.change(Some(image(2)), false).unwrap().loaded);
    assert_eq!(driver.event(), None, "memory is not touched");
    driver.function.resume();
    eventually("an event", || driver.event());
    assert_eq!(driver.command(&READY, &[]).sense(), Some((6, 0x28, 0)));
}

#[test]
fn a_reset_keeps_the_disc_and_takes_the_lock_away() {
    let (mut driver, tray) = driver(Some(image(4)));
    driver.command(&[0x1e, 0, 0, 0, 1], &[]);
    driver.function.pause();
    driver.function.reset();
    driver.function.resume();
    assert_eq!(tray.state(), DriveState { loaded: true, locked: false, open: false });
    driver.probe();
    driver.bring_up();
    assert_eq!(driver.command(&READY, &[]).sense(), Some((6, 0x29, 0)));
    assert_eq!(driver.read_blocks(2, 1, 2048).1, [2; 2048]);
}

#[test]
fn the_control_queue_answers_everything() {
    let (mut driver, _) = driver(Some(image(4)));
    assert_eq!(driver.control(&task(0, DRIVE), 1), (vec![0], 1));
    assert_eq!(driver.control(&task(2, DRIVE), 1), (vec![11], 1));
    assert_eq!(driver.control(&task(5, [1, 7, 0, 0, 0, 0, 0, 0]), 1), (vec![3], 1));
    driver.command(&[0x1e, 0, 0, 0, 1], &[]);
    assert_eq!(driver.control(&task(5, DRIVE), 1), (vec![0], 1));
    assert_eq!(driver.command(&READY, &[]).sense(), Some((6, 0x29, 0)), "that was a reset");
    let subscribe = [&2u32.to_le_bytes()[..], &DRIVE, &[0xff; 4]].concat();
    assert_eq!(driver.control(&subscribe, 5), (vec![0; 5], 5));
    assert_eq!(driver.control(&[9, 0, 0, 0], 5).1, 0, "an unknown kind");
    assert_eq!(driver.control(&[0; 8], 1).1, 0, "half a request");
    assert_eq!(driver.control(&task(0, DRIVE), 0).1, 0, "no room for an answer");
}

#[test]
fn the_thread_says_what_it_is_and_ends_with_the_drive_but_not_before_its_host() {
    let (sender, receiver) = channel();
    let hook: ThreadHook = Arc::new(move |kind| {
        sender.send((kind, std::thread::current().name().unwrap().to_owned())).unwrap();
    });
    let scsi = Scsi::new(None, &hook).unwrap();
    assert_eq!(receiver.recv().unwrap(), (ThreadKind::Drive, "vioscsi0".to_owned()));
    let tray = scsi.tray();
    drop(scsi);
    assert!(matches!(tray.change(None, false), Err(ChangeError::Gone)));
    assert_eq!(tray.state(), DriveState::default());
}

/// A part of a chain, mostly in memory.
fn part() -> impl Strategy<Value = Part> {
    let len = prop_oneof![Just(0), Just(1), Just(51), Just(108), Just(2048), 0..5000u32, any::<u32>()];
    let address = prop_oneof![Just(0x20_0000), (0x20_0000..0x28_0000u64), any::<u64>()];
    (address, len, any::<bool>()).prop_map(|(address, len, writable)| Part { address, len, writable })
}

/// A header with a command that exists, most of the time.
fn header() -> impl Strategy<Value = Vec<u8>> {
    let codes = vec![
        0x00, 0x03, 0x08, 0x12, 0x15, 0x1a, 0x1b, 0x1e, 0x25, 0x28, 0x2b, 0x2f, 0x35, 0x42, 0x43, 0x46, 0x4a,
        0x51, 0x52, 0x55, 0x5a, 0x88, 0x91, 0x9e, 0xa0, 0xa8, 0xad, 0xbb, 0xbd, 0xbe,
    ];
    let code = prop_oneof![8 => prop::sample::select(codes), 1 => any::<u8>()];
    let small =
        any::<[u8; 31]>().prop_map(|bytes| bytes.map(|byte| if byte < 160 { byte & 3 } else { byte }));
    let lun = prop_oneof![8 => Just(DRIVE), 1 => any::<[u8; 8]>()];
    (lun, any::<[u8; 11]>(), code, small)
        .prop_map(|(lun, rest, code, small)| [&lun[..], &rest, &[code], &small].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The stable twin of a fuzz target: whatever the header, the command and the parts of the chain are, it is given
    /// back with no more bytes than it has, memory outside of what is writable stays as it is, and the drive lives.
    #[test]
    fn no_request_leaves_its_bounds(
        requests in prop::collection::vec((header(), prop::collection::vec(part(), 0..5), any::<bool>()), 1..6),
    ) {
        let (mut driver, _tray) = driver(Some(image(7)));
        let guard = driver.put(&[0x5a; 64]);
        for (header, mut parts, sensible) in requests {
            let at = driver.put(&header);
            if sensible {
                parts.retain(|part| part.writable);
                parts.splice(..0, [out(at, 51), into(0x28_0000, 108)]);
            }
            parts.sort_by_key(|part| part.writable);
            if parts.is_empty() {
                continue;
            }
            let room: u64 = parts.iter().filter(|part| part.writable).map(|part| u64::from(part.len)).sum();
            driver.ring.add(&parts);
            driver.kick();
            let (_, used) = driver.wait_used();
            prop_assert!(u64::from(used) <= room, "{used} of {room}");
            if used >= 108 && sensible {
                let response = driver.get(0x28_0000, 108);
                prop_assert!(response[11] <= 12 && matches!(response[10], 0 | 2));
            }
        }
        prop_assert_eq!(driver.get(guard, 64), vec![0x5a; 64]);
        prop_assert_eq!(driver.status() & NEEDS_RESET, 0);
        // A unit attention may be due.
        driver.command(&READY, &[]);
        driver.memory.write_slice(&[0; 16], GuestAddress(0x28_0000)).unwrap();
    }
}
