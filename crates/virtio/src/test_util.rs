//! A driver for the tests: it sees a device through its PCI function only, as a guest would.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use vm_memory::{Bytes, GuestAddress};

use crate::pci::{Action, PciFunction, Pin, VirtioPci};
use crate::{GuestRam, ThreadHook, VirtioDevice};

pub(crate) const VERSION_1: u64 = 1 << 32;
pub(crate) const EVENT_IDX: u64 = 1 << 29;
pub(crate) const INDIRECT: u64 = 1 << 28;

pub(crate) const ACKNOWLEDGE: u8 = 1;
pub(crate) const DRIVER: u8 = 2;
pub(crate) const DRIVER_OK: u8 = 4;
pub(crate) const FEATURES_OK: u8 = 8;
pub(crate) const NEEDS_RESET: u8 = 64;

/// Where the driver keeps its one queue, and its buffers from there on.
const DESCRIPTORS: u64 = 0x10000;
const AVAILABLE: u64 = 0x20000;
const USED: u64 = 0x30000;
const BUFFERS: u64 = 0x40000;

/// How long a test waits for a worker.
const PATIENCE: Duration = Duration::from_secs(60);

/// A hook for threads that need not be confined.
pub(crate) fn no_hook() -> ThreadHook {
    Arc::new(|_| {})
}

/// An interrupt pin that somebody looks at.
#[derive(Default)]
pub(crate) struct Probe(AtomicBool);

impl Probe {
    pub(crate) fn is_high(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Pin for Probe {
    fn set(&self, asserted: bool) {
        self.0.store(asserted, Ordering::SeqCst);
    }
}

/// Guest memory: 4 MiB from 0, and 1 MiB from 16 MiB on.
pub(crate) fn ram() -> GuestRam {
    GuestRam::from_ranges(&[(GuestAddress(0), 4 << 20), (GuestAddress(16 << 20), 1 << 20)]).unwrap()
}

/// A part of a chain: where, how long, and whether the device may write it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) address: u64,
    pub(crate) len: u32,
    pub(crate) writable: bool,
}

/// For the device to read.
pub(crate) fn out(address: u64, len: u32) -> Part {
    Part { address, len, writable: false }
}

/// For the device to write.
pub(crate) fn into(address: u64, len: u32) -> Part {
    Part { address, len, writable: true }
}

/// The driver's side of a queue in guest memory.
pub(crate) struct Ring {
    memory: GuestRam,
    pub(crate) size: u16,
    next_descriptor: u16,
    available: u16,
    used: u16,
}

impl Ring {
    pub(crate) fn new(memory: &GuestRam, size: u16) -> Self {
        for area in [DESCRIPTORS, AVAILABLE, USED] {
            memory.write_slice(&[0; 0x10000], GuestAddress(area)).unwrap();
        }
        Self { memory: memory.clone(), size, next_descriptor: 0, available: 0, used: 0 }
    }

    pub(crate) fn state(&self, event_idx_enabled: bool) -> virtio_queue::QueueState {
        virtio_queue::QueueState {
            max_size: self.size,
            next_avail: 0,
            next_used: 0,
            event_idx_enabled,
            size: self.size,
            ready: true,
            desc_table: DESCRIPTORS,
            avail_ring: AVAILABLE,
            used_ring: USED,
        }
    }

    pub(crate) fn descriptor(&self, table: u64, index: u16, part: Part, flags: u16, next: u16) {
        let flags = flags | if part.writable { 2 } else { 0 };
        let at = table + 16 * u64::from(index);
        self.memory.write_obj(part.address.to_le(), GuestAddress(at)).unwrap();
        self.memory.write_obj(part.len.to_le(), GuestAddress(at + 8)).unwrap();
        self.memory.write_obj(flags.to_le(), GuestAddress(at + 12)).unwrap();
        self.memory.write_obj(next.to_le(), GuestAddress(at + 14)).unwrap();
    }

    /// Writes descriptor `index` of the queue's own table.
    pub(crate) fn raw(&self, index: u16, part: Part, flags: u16, next: u16) {
        self.descriptor(DESCRIPTORS, index, part, flags, next);
    }

    /// Makes a chain of the next descriptors available.
    pub(crate) fn add(&mut self, parts: &[Part]) -> u16 {
        let head = self.next_descriptor % self.size;
        for (i, part) in (0..).zip(parts) {
            let index = (self.next_descriptor + i) % self.size;
            let last = usize::from(i) + 1 == parts.len();
            self.raw(index, *part, u16::from(!last), (index + 1) % self.size);
        }
        self.next_descriptor = (self.next_descriptor + parts.len() as u16) % self.size;
        self.offer(head);
        head
    }

    /// Makes a chain in a table of its own at `table` available.
    pub(crate) fn add_indirect(&mut self, table: u64, parts: &[Part]) -> u16 {
        for (i, part) in (0..).zip(parts) {
            let last = usize::from(i) + 1 == parts.len();
            self.descriptor(table, i, *part, u16::from(!last), i + 1);
        }
        let head = self.next_descriptor % self.size;
        self.raw(head, out(table, 16 * parts.len() as u32), 4, 0);
        self.next_descriptor = (self.next_descriptor + 1) % self.size;
        self.offer(head);
        head
    }

    /// Puts a head into the available ring.
    pub(crate) fn offer(&mut self, head: u16) {
        let place = AVAILABLE + 4 + 2 * u64::from(self.available % self.size);
        self.memory.write_obj(head.to_le(), GuestAddress(place)).unwrap();
        self.available = self.available.wrapping_add(1);
        self.set_available(self.available);
    }

    pub(crate) fn set_available(&self, index: u16) {
        self.memory
            .store(index.to_le(), GuestAddress(AVAILABLE + 2), std::sync::atomic::Ordering::Release)
            .unwrap();
    }

    /// Sets the flag that asks for no interrupts.
    pub(crate) fn set_no_interrupt(&self, on: bool) {
        self.memory.write_obj(u16::from(on).to_le(), GuestAddress(AVAILABLE)).unwrap();
    }

    /// Asks for an interrupt when the used index passes `index`.
    pub(crate) fn set_used_event(&self, index: u16) {
        let at = AVAILABLE + 4 + 2 * u64::from(self.size);
        self.memory.write_obj(index.to_le(), GuestAddress(at)).unwrap();
    }

    /// The available index at which the device asks to be notified.
    pub(crate) fn avail_event(&self) -> u16 {
        let at = USED + 4 + 8 * u64::from(self.size);
        u16::from_le(self.memory.read_obj(GuestAddress(at)).unwrap())
    }

    /// The next chain that was given back, with the number of bytes written.
    pub(crate) fn used(&mut self) -> Option<(u16, u32)> {
        let index: u16 =
            self.memory.load(GuestAddress(USED + 2), std::sync::atomic::Ordering::Acquire).unwrap();
        if u16::from_le(index) == self.used {
            return None;
        }
        let at = USED + 4 + 8 * u64::from(self.used % self.size);
        self.used = self.used.wrapping_add(1);
        let element: u64 = self.memory.read_obj(GuestAddress(at)).unwrap();
        let element = u64::from_le(element);
        Some((element as u16, (element >> 32) as u32))
    }
}

/// A driver of one device with one queue.
pub(crate) struct Driver {
    pub(crate) function: VirtioPci,
    pub(crate) memory: GuestRam,
    pub(crate) ring: Ring,
    pub(crate) pin: Arc<Probe>,
    /// Offset and length of the virtio structures in the range, by their kind.
    pub(crate) structures: HashMap<u8, (u64, u32)>,
    pub(crate) msix_capability: u8,
    pub(crate) window_capability: u8,
    next_buffer: u64,
}

pub(crate) const BAR: u8 = 4;
pub(crate) const COMMON: u8 = 1;
pub(crate) const NOTIFY: u8 = 2;
pub(crate) const ISR: u8 = 3;
pub(crate) const DEVICE: u8 = 4;
pub(crate) const MSIX_TABLE: u64 = 0x4000;
pub(crate) const MSIX_PENDING: u64 = 0x5000;

impl Driver {
    /// Finds the device's parts and enables its range.
    pub(crate) fn new(device: Box<dyn VirtioDevice>) -> Self {
        let memory = ram();
        let mut function = VirtioPci::new(device, memory.clone()).unwrap();
        let pin = Arc::new(Probe::default());
        function.connect_pin(pin.clone());
        let ring = Ring::new(&memory, 16);
        let mut driver = Self {
            function,
            memory,
            ring,
            pin,
            structures: HashMap::new(),
            msix_capability: 0,
            window_capability: 0,
            next_buffer: BUFFERS,
        };
        driver.probe();
        driver
    }

    pub(crate) fn probe(&mut self) {
        self.set_config(0x10 + 4 * BAR, 0xe000_0000u32);
        self.set_config(0x04, 0x0006u16);
        let mut at = self.config::<1>(0x34)[0];
        while at != 0 {
            let [id, next] = self.config::<2>(at);
            match (id, self.config::<1>(at + 3)[0]) {
                (0x11, _) => self.msix_capability = at,
                (0x09, 5) => self.window_capability = at,
                (0x09, kind) => {
                    let offset = u32::from_le_bytes(self.config(at + 8));
                    let len = u32::from_le_bytes(self.config(at + 12));
                    self.structures.insert(kind, (offset.into(), len));
                }
                other => panic!("capability {other:?}"),
            }
            at = next;
        }
    }

    /// Does what the bus has to do after a write, as far as interrupts go.
    pub(crate) fn obey(&mut self, action: Action) {
        if action.msix {
            let vectors = self.function.msix();
            self.function.msix_routed(&vectors);
        }
    }

    pub(crate) fn config<const N: usize>(&mut self, offset: u8) -> [u8; N] {
        let mut data = [0xa5; N];
        self.function.read_config(offset, &mut data);
        data
    }

    pub(crate) fn set_config(&mut self, offset: u8, value: impl Value) {
        let action = self.function.write_config(offset, value.bytes().as_ref());
        self.obey(action);
    }

    pub(crate) fn read<const N: usize>(&mut self, offset: u64) -> [u8; N] {
        let mut data = [0xa5; N];
        self.function.read_bar(BAR, offset, &mut data);
        data
    }

    pub(crate) fn write(&mut self, offset: u64, value: impl Value) {
        let action = self.function.write_bar(BAR, offset, value.bytes().as_ref());
        self.obey(action);
    }

    pub(crate) fn common<const N: usize>(&mut self, offset: u64) -> [u8; N] {
        self.read(self.structures[&COMMON].0 + offset)
    }

    pub(crate) fn set_common(&mut self, offset: u64, value: impl Value) {
        self.write(self.structures[&COMMON].0 + offset, value);
    }

    pub(crate) fn device_config<const N: usize>(&mut self, offset: u64) -> [u8; N] {
        self.read(self.structures[&DEVICE].0 + offset)
    }

    pub(crate) fn status(&mut self) -> u8 {
        self.common::<1>(20)[0]
    }

    pub(crate) fn set_status(&mut self, status: u8) {
        self.set_common(20, status);
    }

    pub(crate) fn offered(&mut self) -> u64 {
        let mut words = [0u32; 2];
        for (select, word) in (0u32..).zip(&mut words) {
            self.set_common(0, select);
            *word = u32::from_le_bytes(self.common(4));
        }
        u64::from(words[0]) | u64::from(words[1]) << 32
    }

    /// Resets the device and accepts `features` of it. Whether it agreed.
    pub(crate) fn negotiate(&mut self, features: u64) -> bool {
        self.set_status(0);
        assert_eq!(self.status(), 0, "a reset is over when the status is zero");
        self.set_status(ACKNOWLEDGE);
        self.set_status(ACKNOWLEDGE | DRIVER);
        for (select, word) in [(0u32, features as u32), (1, (features >> 32) as u32)] {
            self.set_common(8, select);
            self.set_common(12, word);
        }
        self.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK);
        self.status() & FEATURES_OK != 0
    }

    /// Turns MSI-X on, with vector 0 for the configuration and 1 for the queue.
    pub(crate) fn enable_msix(&mut self) {
        for vector in 0..2 {
            self.set_vector(vector, 0x40 + vector as u32);
            self.mask_vector(vector, false);
        }
        self.set_config(self.msix_capability + 2, 0x8000u16);
        self.set_common(16, 0u16);
        self.set_common(22, 0u16);
        self.set_common(26, 1u16);
    }

    pub(crate) fn set_vector(&mut self, vector: u64, data: u32) {
        let entry = MSIX_TABLE + 16 * vector;
        self.write(entry, 0xfee0_0000u32);
        self.write(entry + 4, 0u32);
        self.write(entry + 8, data);
    }

    pub(crate) fn mask_vector(&mut self, vector: u64, masked: bool) {
        self.write(MSIX_TABLE + 16 * vector + 12, u32::from(masked));
    }

    /// Sets queue 0 up and says that the driver is ready.
    pub(crate) fn start(&mut self) {
        self.ring = Ring::new(&self.memory, self.ring.size);
        self.set_common(22, 0u16);
        self.set_common(24, self.ring.size);
        for (offset, address) in [(32, DESCRIPTORS), (40, AVAILABLE), (48, USED)] {
            self.set_common(offset, address as u32);
            self.set_common(offset + 4, (address >> 32) as u32);
        }
        self.set_common(28, 1u16);
        let status = self.status();
        self.set_status(status | DRIVER_OK);
    }

    /// Brings the device up with all that it offers but EVENT_IDX.
    pub(crate) fn bring_up(&mut self) {
        let features = self.offered() & !EVENT_IDX;
        self.bring_up_with(features);
    }

    pub(crate) fn bring_up_with(&mut self, features: u64) {
        assert!(self.negotiate(features));
        self.enable_msix();
        self.start();
        assert_eq!(self.status(), ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
    }

    /// Notifies queue 0 the slow way.
    pub(crate) fn kick(&mut self) {
        self.write(self.structures[&NOTIFY].0, 0u16);
    }

    /// Room for `len` bytes.
    pub(crate) fn buffer(&mut self, len: usize) -> u64 {
        let at = self.next_buffer;
        self.next_buffer = (at + len as u64).next_multiple_of(16);
        at
    }

    pub(crate) fn put(&mut self, data: &[u8]) -> u64 {
        let at = self.buffer(data.len());
        self.memory.write_slice(data, GuestAddress(at)).unwrap();
        at
    }

    pub(crate) fn get(&self, at: u64, len: usize) -> Vec<u8> {
        let mut data = vec![0; len];
        self.memory.read_slice(&mut data, GuestAddress(at)).unwrap();
        data
    }

    /// Waits for the next chain that is given back.
    pub(crate) fn wait_used(&mut self) -> (u16, u32) {
        eventually("a chain to be given back", || self.ring.used())
    }

    /// How often a vector was raised since this was last asked.
    pub(crate) fn interrupts(&self, vector: usize) -> u64 {
        self.function.msix_events()[vector].read().unwrap_or(0)
    }

    /// Waits until a vector is raised.
    pub(crate) fn wait_interrupt(&self, vector: usize) {
        eventually("an interrupt", || self.function.msix_events()[vector].read().ok());
    }
}

/// Tries until there is something.
pub(crate) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// A number as a guest writes it.
pub(crate) trait Value {
    fn bytes(self) -> Vec<u8>;
}

macro_rules! value {
    ($($number:ty)*) => {$(
        impl Value for $number {
            fn bytes(self) -> Vec<u8> {
                self.to_le_bytes().to_vec()
            }
        }
    )*};
}

value! { u8 u16 u32 u64 }
