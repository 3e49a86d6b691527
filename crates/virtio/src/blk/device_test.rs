//! Transcripts of a driver with a disk: over a real image, and over one that does what the test wants.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use disk::{Completion, Memory};
use rustix::event::{EventfdFlags, eventfd};
use vm_memory::{Bytes, GuestAddress};

use super::*;
use crate::pci::{Action, PciFunction};
use crate::test_util::*;
use crate::{Lifecycle, ThreadKind};

const IN: u32 = 0;
const OUT: u32 = 1;
const FLUSH_CACHE: u32 = 4;
const GET_ID: u32 = 8;
const DISCARD: u32 = 11;
const WRITE_ZEROES: u32 = 13;

const OK: u8 = 0;
const IOERR: u8 = 1;
const UNSUPP: u8 = 2;

const MIB: u64 = 1 << 20;

fn image() -> File {
    let image = tempfile::tempfile().unwrap();
    image.set_len(MIB).unwrap();
    image
}

fn blk(image: &File) -> Box<Blk> {
    Box::new(Blk::new(0, image.try_clone().unwrap(), &no_hook()).unwrap())
}

/// A driver that is up, over an image of 1 MiB.
fn driver() -> (Driver, File) {
    let image = image();
    let mut driver = Driver::new(blk(&image));
    driver.bring_up();
    (driver, image)
}

/// A request that was made available.
struct Asked {
    head: u16,
    status: u64,
}

impl Driver {
    /// Makes a request available: a header, data, and a byte for the status.
    fn ask(&mut self, kind: u32, sector: u64, data: &[Part]) -> Asked {
        let header = [&kind.to_le_bytes()[..], &[0; 4], &sector.to_le_bytes()].concat();
        let header = self.put(&header);
        let status = self.put(&[0xff]);
        let parts = [&[out(header, 16)], data, &[into(status, 1)]].concat();
        Asked { head: self.ring.add(&parts), status }
    }

    fn answer(&mut self, asked: &Asked) -> u8 {
        self.get(asked.status, 1)[0]
    }

    /// Asks, notifies and waits: the status and the number of bytes written.
    fn request(&mut self, kind: u32, sector: u64, data: &[Part]) -> (u8, u32) {
        let asked = self.ask(kind, sector, data);
        self.kick();
        let (head, written) = self.wait_used();
        assert_eq!(head, asked.head);
        (self.answer(&asked), written)
    }

    fn write_disk(&mut self, sector: u64, data: &[u8]) -> u8 {
        let at = self.put(data);
        self.request(OUT, sector, &[out(at, data.len() as u32)]).0
    }

    fn read_disk(&mut self, sector: u64, len: u32) -> (u8, Vec<u8>) {
        let at = self.buffer(len as usize);
        let (status, written) = self.request(IN, sector, &[into(at, len)]);
        assert_eq!(written, if status == OK { len + 1 } else { 0 });
        (status, self.get(at, len as usize))
    }

    /// A discard or a write of zeroes.
    fn range(&mut self, kind: u32, sector: u64, sectors: u32, flags: u32) -> u8 {
        let segment = [&sector.to_le_bytes()[..], &sectors.to_le_bytes(), &flags.to_le_bytes()].concat();
        let at = self.put(&segment);
        self.request(kind, 0, &[out(at, 16)]).0
    }
}

#[test]
fn the_configuration_tells_size_and_limits() {
    let (mut driver, _image) = driver();
    assert_eq!(u64::from_le_bytes(driver.device_config(0)), MIB / 512);
    assert_eq!(u32::from_le_bytes(driver.device_config(12)), 254, "seg_max");
    assert_eq!(u32::from_le_bytes(driver.device_config(20)), 512, "blk_size");
    assert_eq!(u32::from_le_bytes(driver.device_config(36)), MAX_DISCARD_SECTORS);
    assert_eq!(u32::from_le_bytes(driver.device_config(40)), 1, "max_discard_seg");
    assert_eq!(u32::from_le_bytes(driver.device_config(44)), 1, "discard_sector_alignment");
    assert_eq!(u32::from_le_bytes(driver.device_config(48)), MAX_ZEROES_SECTORS);
    assert_eq!(u32::from_le_bytes(driver.device_config(52)), 1, "max_write_zeroes_seg");
    assert_eq!(driver.device_config::<1>(56), [1], "write_zeroes_may_unmap");
    assert_eq!(driver.structures[&DEVICE].1, 60);
}

#[test]
fn what_is_written_is_on_the_image_and_is_read_again() {
    let (mut driver, image) = driver();
    let data: Vec<u8> = (0..3000u32).flat_map(u32::to_le_bytes).collect();
    assert_eq!(driver.write_disk(7, &data[..11776]), OK);
    driver.wait_interrupt(1);
    let mut bytes = vec![0; 11776];
    image.read_exact_at(&mut bytes, 7 * 512).unwrap();
    assert!(bytes == data[..11776]);
    assert_eq!(driver.read_disk(7, 11776), (OK, bytes));
    assert_eq!(driver.request(FLUSH_CACHE, 0, &[]), (OK, 1));
}

#[test]
fn how_the_data_is_cut_into_descriptors_means_nothing() {
    let (mut driver, image) = driver();
    // Header and data run into one another, and data and status.
    let mut bytes = [&OUT.to_le_bytes()[..], &[0; 4], &2u64.to_le_bytes()].concat();
    bytes.extend([0x77; 512]);
    let at = driver.put(&bytes);
    let status = driver.put(&[0xff]);
    driver.ring.add(&[out(at, 3), out(at + 3, 100), out(at + 103, 425), into(status, 1)]);
    driver.kick();
    assert_eq!(driver.wait_used().1, 1);
    assert_eq!(driver.get(status, 1), [OK]);
    let mut sector = [0; 512];
    image.read_exact_at(&mut sector, 1024).unwrap();
    assert_eq!(sector, [0x77; 512]);

    let header = driver.put(&[&IN.to_le_bytes()[..], &[0; 4], &2u64.to_le_bytes()].concat());
    let at = driver.buffer(513);
    driver.ring.add(&[out(header, 16), into(at, 100), into(at + 100, 413)]);
    driver.kick();
    assert_eq!(driver.wait_used().1, 513);
    assert_eq!(driver.get(at, 513), [&[0x77; 512][..], &[OK]].concat());
}

#[test]
fn indirect_requests_are_served() {
    let (mut driver, image) = driver();
    image.write_all_at(&[9; 512], 512).unwrap();
    let header = driver.put(&[&IN.to_le_bytes()[..], &[0; 4], &1u64.to_le_bytes()].concat());
    let (data, status) = (driver.buffer(512), driver.put(&[0xff]));
    let table = driver.buffer(48);
    driver.ring.add_indirect(table, &[out(header, 16), into(data, 512), into(status, 1)]);
    driver.kick();
    driver.wait_used();
    assert_eq!(driver.get(status, 1), [OK]);
    assert_eq!(driver.get(data, 512), [9; 512]);
}

#[test]
fn discarded_and_zeroed_ranges() {
    let (mut driver, image) = driver();
    image.write_all_at(&[0xee; MIB as usize], 0).unwrap();
    assert_eq!(driver.range(WRITE_ZEROES, 1, 2, 0), OK);
    assert_eq!(driver.range(WRITE_ZEROES, 512, 128, 1), OK);
    assert_eq!(driver.range(DISCARD, 1024, 1024, 0), OK);
    let mut bytes = vec![0; MIB as usize];
    image.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes[..512].iter().all(|&byte| byte == 0xee));
    assert!(bytes[512..1536].iter().all(|&byte| byte == 0));
    assert!(bytes[1536..262_144].iter().all(|&byte| byte == 0xee));
    assert!(bytes[262_144..327_680].iter().all(|&byte| byte == 0));

    assert_eq!(driver.range(DISCARD, 0, 1, 1), UNSUPP, "unmap means nothing there");
    assert_eq!(driver.range(WRITE_ZEROES, 0, 1, 2), UNSUPP, "an unknown flag");
    assert_eq!(driver.range(WRITE_ZEROES, 2047, 2, 0), IOERR, "beyond the end");
    assert_eq!(driver.range(DISCARD, u64::MAX, u32::MAX, 0), IOERR);
    let at = driver.put(&[0; 32]);
    assert_eq!(driver.request(DISCARD, 0, &[out(at, 32)]).0, IOERR, "more than one segment");
    assert_eq!(driver.request(DISCARD, 0, &[out(at, 8)]).0, IOERR, "half a segment");
}

#[test]
fn the_serial_number_is_the_name_of_the_disk() {
    let (mut driver, _image) = driver();
    let at = driver.put(&[0xff; 20]);
    assert_eq!(driver.request(GET_ID, 0, &[into(at, 20)]), (OK, 21));
    assert_eq!(driver.get(at, 20), b"vioblk0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let at = driver.put(&[0xff; 4]);
    assert_eq!(driver.request(GET_ID, 0, &[into(at, 4)]), (OK, 5));
    assert_eq!(driver.get(at, 4), b"viob");
}

#[test]
fn requests_that_lie_are_refused_and_the_next_one_is_served() {
    let (mut driver, image) = driver();
    let at = driver.buffer(1024);
    assert_eq!(driver.request(99, 0, &[]), (UNSUPP, 0));
    assert_eq!(driver.request(IN, 2048, &[into(at, 512)]), (IOERR, 0), "beyond the end");
    assert_eq!(driver.request(IN, 2047, &[into(at, 1024)]), (IOERR, 0), "partly beyond");
    assert_eq!(driver.request(IN, u64::MAX, &[into(at, 512)]), (IOERR, 0));
    assert_eq!(driver.request(IN, 1 << 55, &[into(at, 512)]), (IOERR, 0), "wraps in bytes");
    assert_eq!(driver.request(IN, 0, &[into(at, 511)]), (IOERR, 0), "no whole sector");
    assert_eq!(driver.request(OUT, 2048, &[out(at, 512)]), (IOERR, 0));
    assert_eq!(driver.request(OUT, 0, &[out(0x7000_0000, 512)]), (IOERR, 0), "not in memory");
    assert_eq!(driver.request(IN, 0, &[into((4 << 20) - 16, 512)]), (IOERR, 0));
    assert_eq!(driver.request(IN, 0, &[into(at, 1 << 31)]), (IOERR, 0), "longer than the disk");
    assert_eq!(image.metadata().unwrap().len(), MIB);

    // Without a header, without a status, with a status that is not in memory, with nothing at all.
    let status = driver.put(&[0xff]);
    driver.ring.add(&[out(at, 15), into(status, 1)]);
    driver.kick();
    assert_eq!(driver.wait_used().1, 0);
    assert_eq!(driver.get(status, 1), [IOERR]);
    for chain in [&[out(at, 16)][..], &[out(at, 16), into(0x7000_0000, 1)], &[into(0, 0)]] {
        let head = driver.ring.add(chain);
        driver.kick();
        assert_eq!(driver.wait_used(), (head, 0));
    }
    assert_eq!(driver.status() & NEEDS_RESET, 0);
    assert_eq!(driver.write_disk(0, &[1; 512]), OK);
}

#[test]
fn a_broken_ring_needs_a_reset_and_a_reset_repairs_it() {
    let (mut driver, _image) = driver();
    driver.interrupts(0);
    driver.ring.set_available(1000);
    driver.kick();
    driver.wait_interrupt(0);
    assert_eq!(driver.status() & NEEDS_RESET, NEEDS_RESET);
    driver.bring_up();
    assert_eq!(driver.write_disk(0, &[1; 512]), OK);
}

#[test]
fn more_requests_than_fit_are_all_served_in_the_end() {
    let image = image();
    let mut driver = Driver::new(blk(&image));
    driver.ring.size = 256;
    driver.bring_up();
    for round in 0..20 {
        let asked: Vec<_> = (0..85u64)
            .map(|i| {
                let at = driver.put(&[(round + i) as u8; 512]);
                driver.ask(OUT, i, &[out(at, 512)])
            })
            .collect();
        driver.kick();
        for _ in &asked {
            driver.wait_used();
        }
        assert!(asked.iter().all(|asked| driver.answer(asked) == OK));
        let mut last = [0; 512];
        image.read_exact_at(&mut last, 84 * 512).unwrap();
        assert_eq!(last, [(round + 84) as u8; 512]);
    }
}

#[test]
fn with_event_index_requests_are_served_and_announced() {
    let image = image();
    let mut driver = Driver::new(blk(&image));
    let offered = driver.offered();
    assert_eq!(offered & EVENT_IDX, EVENT_IDX);
    driver.bring_up_with(offered);
    for i in 0..100 {
        driver.ring.set_used_event(i);
        assert_eq!(driver.write_disk(3, &[i as u8; 512]), OK);
        driver.wait_interrupt(1);
        // The worker sleeps, and is to be notified of the very next request.
        eventually("the worker to ask for notifications", || {
            (driver.ring.avail_event() == i + 1).then_some(())
        });
    }
}

#[test]
fn a_doorbell_rung_through_the_kernel_is_the_same() {
    let (mut driver, _image) = driver();
    let [doorbell] = &driver.function.doorbells()[..] else { panic!("one queue, one doorbell") };
    assert_eq!((doorbell.bar, doorbell.offset), (BAR, driver.structures[&NOTIFY].0));
    let event = doorbell.event.clone();
    let asked = driver.ask(FLUSH_CACHE, 0, &[]);
    event.write(1).unwrap();
    driver.wait_used();
    assert_eq!(driver.answer(&asked), OK);
}

#[test]
fn the_thread_says_what_it_is_before_anything_else_and_ends_with_the_disk() {
    let (sender, receiver) = channel();
    let hook: ThreadHook = Arc::new(move |kind| {
        let name = std::thread::current().name().unwrap().to_owned();
        sender.send((kind, name)).unwrap();
    });
    let blk = Blk::new(3, image(), &hook).unwrap();
    assert_eq!(receiver.recv().unwrap(), (ThreadKind::Disk, "vioblk3".to_owned()));
    drop(hook);
    drop(blk);
    assert!(receiver.recv().is_err(), "the hook went with the thread");
}

#[test]
fn an_image_that_is_none_is_refused() {
    let error = Blk::new(0, File::open("/dev/null").unwrap(), &no_hook()).err().unwrap();
    assert!(error.to_string().contains("neither a regular file nor a block device"), "{error}");
}

#[test]
fn an_image_that_the_host_does_not_let_write_fails_requests_and_can_be_read() {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    let image = File::from(memfd_create("image", MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC).unwrap());
    image.write_all_at(&[6; 1024], 0).unwrap();
    fcntl_add_seals(&image, SealFlags::WRITE).unwrap();
    let mut driver = Driver::new(blk(&image));
    driver.bring_up();
    for _ in 0..3 {
        assert_eq!(driver.write_disk(1, &[7; 512]), IOERR);
        assert_eq!(driver.range(WRITE_ZEROES, 1, 1, 0), IOERR);
        assert_eq!(driver.read_disk(1, 512), (OK, vec![6; 512]));
    }
}

#[test]
fn on_a_host_without_io_uring_everything_works_too() {
    let file = image();
    let image = RawImage::from_fd(file.try_clone().unwrap()).unwrap();
    let blk = Blk::with_backend(0, image.blocking_backend(QUEUE_SIZE), image.syncer(), &no_hook()).unwrap();
    let mut driver = Driver::new(Box::new(blk));
    driver.ring.size = 256;
    driver.bring_up();
    let asked: Vec<_> = (0..80u64)
        .map(|i| {
            let at = driver.put(&[i as u8; 512]);
            driver.ask(OUT, i, &[out(at, 512)])
        })
        .collect();
    driver.kick();
    for _ in &asked {
        driver.wait_used();
    }
    assert!(asked.iter().all(|asked| driver.answer(asked) == OK));
    assert_eq!(driver.request(FLUSH_CACHE, 0, &[]), (OK, 1));
    assert_eq!(driver.range(WRITE_ZEROES, 3, 1, 0), OK);
    assert_eq!(driver.read_disk(2, 1024), (OK, [[2; 512], [0; 512]].concat()));
    driver.function.pause();
    let asked = driver.ask(FLUSH_CACHE, 0, &[]);
    driver.kick();
    driver.function.resume();
    driver.wait_used();
    assert_eq!(driver.answer(&asked), OK);
}

/// A disk of 1 MiB that answers when, and what, the test says.
#[derive(Clone)]
struct Held(Arc<HeldState>);

struct HeldState {
    event: OwnedFd,
    waiting: Mutex<VecDeque<(u64, String)>>,
    done: Mutex<Vec<Completion>>,
}

impl Held {
    fn new() -> Self {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap();
        Self(Arc::new(HeldState { event, waiting: Mutex::default(), done: Mutex::default() }))
    }

    /// A driver that is up, over this disk.
    fn driver(&self) -> Driver {
        let mut driver = Driver::new(self.blk());
        driver.bring_up();
        driver
    }

    fn blk(&self) -> Box<Blk> {
        let syncer = RawImage::from_fd(image()).unwrap().syncer();
        Box::new(Blk::with_backend(0, Box::new(self.clone()), syncer, &no_hook()).unwrap())
    }

    /// Waits until `count` requests are under way.
    fn wait(&self, count: usize) {
        eventually("requests to reach the disk", || {
            (self.0.waiting.lock().unwrap().len() == count).then_some(())
        });
    }

    /// Ends the oldest request; what it was.
    fn end(&self, result: io::Result<()>) -> String {
        let (token, what) = self.0.waiting.lock().unwrap().pop_front().unwrap();
        self.0.done.lock().unwrap().push(Completion { token, result });
        rustix::io::write(&self.0.event, &1u64.to_ne_bytes()).unwrap();
        what
    }
}

impl BlockBackend for Held {
    fn capacity(&self) -> u64 {
        MIB
    }

    fn depth(&self) -> u16 {
        4
    }

    fn attach(&mut self, _memory: Memory) {
        assert!(self.0.waiting.lock().unwrap().is_empty(), "new memory while requests are in flight");
    }

    fn submit(&mut self, token: u64, request: disk::Request<'_>) {
        let mut waiting = self.0.waiting.lock().unwrap();
        assert!(waiting.len() < 4, "more in flight than the depth");
        let what = match request {
            disk::Request::Write { durable: true, .. } => "durable write".to_owned(),
            other => format!("{other:?}").split_whitespace().next().unwrap().to_owned(),
        };
        waiting.push_back((token, what));
    }

    fn kick(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn completions(&mut self, done: &mut Vec<Completion>) -> io::Result<()> {
        let _ = rustix::io::read(&self.0.event, &mut [0; 8]);
        done.append(&mut self.0.done.lock().unwrap());
        Ok(())
    }

    fn ready(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.event.as_fd())
    }
}

#[test]
fn a_full_disk_of_the_host_is_an_error_of_the_request_and_the_disk_lives() {
    let held = Held::new();
    let mut driver = held.driver();
    let at = driver.buffer(512);
    for error in [rustix::io::Errno::NOSPC, rustix::io::Errno::IO] {
        let failed = driver.ask(OUT, 0, &[out(at, 512)]);
        driver.kick();
        held.wait(1);
        held.end(Err(error.into()));
        assert_eq!(driver.wait_used(), (failed.head, 0));
        assert_eq!(driver.answer(&failed), IOERR);
    }
    let fine = driver.ask(OUT, 0, &[out(at, 512)]);
    driver.kick();
    held.wait(1);
    held.end(Ok(()));
    driver.wait_used();
    assert_eq!(driver.answer(&fine), OK);
}

#[test]
fn the_disk_has_as_many_requests_as_it_takes_and_gets_the_others_later() {
    let held = Held::new();
    let mut driver = held.driver();
    let asked: Vec<_> = (0..7).map(|_| driver.ask(FLUSH_CACHE, 0, &[])).collect();
    driver.kick();
    held.wait(4);
    for _ in 0..7 {
        eventually("a request", || (!held.0.waiting.lock().unwrap().is_empty()).then_some(()));
        held.end(Ok(()));
        driver.wait_used();
    }
    assert!(asked.iter().all(|asked| driver.answer(asked) == OK));
}

#[test]
fn a_driver_without_flush_gets_durable_writes() {
    let held = Held::new();
    let mut driver = Driver::new(held.blk());
    for (features, what) in [(VERSION_1, "durable write"), (VERSION_1 | FLUSH, "Write")] {
        driver.bring_up_with(features);
        let at = driver.buffer(512);
        driver.ask(OUT, 0, &[out(at, 512)]);
        driver.kick();
        held.wait(1);
        assert_eq!(held.end(Ok(())), what);
        driver.wait_used();
    }
}

#[test]
fn a_reset_waits_for_what_is_in_flight_and_forgets_the_rest() {
    let held = Held::new();
    let mut driver = held.driver();
    let asked: Vec<_> = (0..6).map(|_| driver.ask(FLUSH_CACHE, 0, &[])).collect();
    driver.kick();
    held.wait(4);
    let other = held.clone();
    let ender = std::thread::spawn(move || {
        // By then the driver's reset waits, on a busy machine too.
        std::thread::sleep(std::time::Duration::from_millis(500));
        (0..4).for_each(|_| drop(other.end(Ok(()))));
    });
    driver.set_status(0);
    assert_eq!(driver.status(), 0);
    let answers: Vec<_> = asked.iter().map(|asked| driver.answer(asked)).collect();
    assert_eq!(answers, [OK, OK, OK, OK, 0xff, 0xff]);
    ender.join().unwrap();

    // Nothing happens behind the driver's back, and it can begin anew.
    driver.kick();
    driver.bring_up();
    held.wait(0);
    driver.ask(FLUSH_CACHE, 0, &[]);
    driver.kick();
    held.wait(1);
    held.end(Ok(()));
    driver.wait_used();
}

#[test]
fn pausing_completes_what_was_begun_and_holds_the_rest_until_resumed() {
    let held = Held::new();
    let mut driver = held.driver();
    let first = driver.ask(FLUSH_CACHE, 0, &[]);
    driver.kick();
    held.wait(1);
    let other = held.clone();
    let ender = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(500));
        other.end(Ok(()))
    });
    driver.function.pause();
    ender.join().unwrap();
    assert_eq!(driver.answer(&first), OK);
    assert_eq!(driver.interrupts(1), 1, "interrupts that were due have been raised");

    let second = driver.ask(FLUSH_CACHE, 0, &[]);
    driver.kick();
    std::thread::sleep(std::time::Duration::from_millis(30));
    held.wait(0);
    driver.function.resume();
    held.wait(1);
    held.end(Ok(()));
    driver.wait_used();
    driver.wait_used();
    assert_eq!(driver.answer(&second), OK);
}

#[test]
fn interrupts_of_a_masked_vector_are_pending_and_raised_when_it_is_unmasked() {
    let (mut driver, _image) = driver();
    driver.mask_vector(1, true);
    assert_eq!(driver.write_disk(0, &[1; 512]), OK);
    eventually("the pending bit", || {
        (driver.read::<8>(MSIX_PENDING) == [2, 0, 0, 0, 0, 0, 0, 0]).then_some(())
    });
    assert_eq!(driver.interrupts(1), 0);

    // The guest moves the vector and unmasks it: not before the bus has routed it anew.
    driver.set_vector(1, 0x99);
    let action = driver.function.write_bar(BAR, MSIX_TABLE + 16 + 12, &0u32.to_le_bytes());
    assert_eq!(action, Action { msix: true, ..Action::NONE });
    assert_eq!(driver.function.msix()[1].unwrap().data, 0x99);
    assert_eq!(driver.interrupts(1), 0);
    driver.obey(action);
    assert_eq!(driver.interrupts(1), 1);
    assert_eq!(driver.read::<8>(MSIX_PENDING), [0; 8]);
}

#[test]
fn the_device_is_gone_while_memory_lives_on() {
    let (mut driver, image) = driver();
    let memory = driver.memory.clone();
    let at = driver.put(&[3; 4096]);
    driver.ask(OUT, 0, &[out(at, 4096)]);
    driver.kick();
    drop(driver);
    memory.write_slice(&[4; 4096], GuestAddress(at)).unwrap();
    let mut bytes = [0; 4096];
    image.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes == [3; 4096] || bytes == [0; 4096], "nothing was written after the end");
}
