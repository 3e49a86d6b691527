//! What the machine is called and what it consists of, for those who ask the firmware (SMBIOS 2.8).
//!
//! The firmware places the tables and fills their address in; what it is called itself it adds.

use proto::VmSpec;
use zerocopy::{Immutable, IntoBytes};

use crate::layout::{RamRange, ram_ranges};

const MANUFACTURER: &str = "vmd";
const PRODUCT: &str = "Virtual Machine";
/// The version in the anchor.
const MAJOR: u8 = 2;
const MINOR: u8 = 8;

/// Kinds of structures (chapter 7), and the handles of those that others point to.
mod kind {
    pub const SYSTEM: u8 = 1;
    pub const CHASSIS: u8 = 3;
    pub const PROCESSOR: u8 = 4;
    pub const MEMORY_ARRAY: u8 = 16;
    pub const MEMORY_DEVICE: u8 = 17;
    pub const MEMORY_RANGE: u8 = 19;
    pub const BOOT: u8 = 32;
    pub const END: u8 = 127;
}
const MEMORY_ARRAY: u16 = 0x1000;
/// "There is no such information": a handle.
const NONE: u16 = 0xFFFE;
/// Values that mean "other" and "unknown" wherever there is a choice (7.5 and others).
const OTHER: u8 = 1;
const UNKNOWN: u8 = 2;

/// The tables and the anchor that leads to them.
pub(super) struct Smbios {
    /// The entry point (5.2.1), which firmware corrects for where it puts the tables.
    pub anchor: Vec<u8>,
    /// All structures, one after the other.
    pub tables: Vec<u8>,
}

/// The structures under construction.
#[derive(Default)]
struct Tables {
    bytes: Vec<u8>,
    count: u16,
    largest: usize,
}

impl Tables {
    /// Adds a structure: its fields behind the header, and the strings to which they point by number from 1 (6.1.3).
    fn add(&mut self, kind: u8, fields: &[u8], strings: &[&str]) {
        let handle = match kind {
            kind::MEMORY_ARRAY => MEMORY_ARRAY,
            _ => self.count,
        };
        let length = u8::try_from(fields.len().saturating_add(4)).unwrap_or(u8::MAX);
        let start = self.bytes.len();
        self.bytes.extend([kind, length]);
        self.bytes.extend(handle.to_le_bytes());
        self.bytes.extend(fields);
        for string in strings {
            self.bytes.extend(string.bytes().chain([0]));
        }
        // Two zeroes end it, also where there is no string.
        self.bytes.extend(if strings.is_empty() { &[0, 0][..] } else { &[0] });
        self.count = self.count.saturating_add(1);
        self.largest = self.largest.max(self.bytes.len().saturating_sub(start));
    }
}

/// System (7.2). Without a UUID: nothing of the machine would keep it.
#[derive(IntoBytes, Immutable)]
#[repr(C, packed)]
struct System {
    manufacturer: u8,
    product: u8,
    version: u8,
    serial: u8,
    uuid: [u8; 16],
    wake_up: u8,
    sku: u8,
    family: u8,
}

/// Processor (7.5), up to the fields of version 2.6.
#[derive(IntoBytes, Immutable)]
#[repr(C, packed)]
struct Processor {
    socket: u8,
    kind: u8,
    family: u8,
    manufacturer: u8,
    id: [u8; 8],
    version: u8,
    voltage: u8,
    clock: u16,
    max_speed: u16,
    speed: u16,
    status: u8,
    upgrade: u8,
    caches: [u16; 3],
    serial: u8,
    asset: u8,
    part: u8,
    cores: u8,
    enabled: u8,
    threads: u8,
    characteristics: u16,
    family_2: u16,
}

/// Physical memory array (7.17), version 2.7.
#[derive(IntoBytes, Immutable)]
#[repr(C, packed)]
struct MemoryArray {
    location: u8,
    usage: u8,
    correction: u8,
    /// In KiB, or the highest bit alone: see `extended`.
    capacity: u32,
    error: u16,
    devices: u16,
    /// In bytes.
    extended: u64,
}

/// Memory device (7.18), version 2.8.
#[derive(IntoBytes, Immutable)]
#[repr(C, packed)]
struct MemoryDevice {
    array: u16,
    error: u16,
    widths: [u16; 2],
    /// In MiB, or 0x7FFF: see `extended`.
    size: u16,
    form: u8,
    set: u8,
    locator: u8,
    bank: u8,
    kind: u8,
    detail: u16,
    speed: u16,
    manufacturer: u8,
    serial: u8,
    asset: u8,
    part: u8,
    attributes: u8,
    /// In MiB.
    extended: u32,
    configured_speed: u16,
    voltages: [u16; 3],
}

/// Memory array mapped address (7.20), version 2.7.
#[derive(IntoBytes, Immutable)]
#[repr(C, packed)]
struct MemoryRange {
    /// All ones: see `first` and `last`.
    old: [u32; 2],
    array: u16,
    width: u8,
    first: u64,
    last: u64,
}

impl Smbios {
    /// The tables of this machine.
    pub fn of(spec: &VmSpec) -> Self {
        let mut tables = Tables::default();
        let system = System {
            manufacturer: 1,
            product: 2,
            version: 0,
            serial: 3,
            uuid: [0; 16],
            // Power switch.
            wake_up: 6,
            sku: 0,
            family: 0,
        };
        tables.add(kind::SYSTEM, system.as_bytes(), &[MANUFACTURER, PRODUCT, spec.name.as_str()]);
        tables.add(kind::CHASSIS, &chassis(), &[MANUFACTURER]);
        tables.add(kind::PROCESSOR, processor(spec.cpus.get()).as_bytes(), &["CPU 0", MANUFACTURER]);
        tables.add(kind::MEMORY_ARRAY, memory_array(spec).as_bytes(), &[]);
        tables.add(kind::MEMORY_DEVICE, memory_device(spec).as_bytes(), &["DIMM 0", MANUFACTURER]);
        for range in ram_ranges(spec.memory) {
            tables.add(kind::MEMORY_RANGE, memory_range(range).as_bytes(), &[]);
        }
        // Reserved bytes, then: no errors (7.33).
        tables.add(kind::BOOT, &[0; 7], &[]);
        tables.add(kind::END, &[], &[]);
        Self { anchor: anchor(&tables), tables: tables.bytes }
    }
}

/// Chassis (7.4): "other", and all of its states are safe or unknown.
fn chassis() -> [u8; 9] {
    const SAFE: u8 = 3;
    [1, OTHER, 0, 0, 0, SAFE, SAFE, SAFE, UNKNOWN]
}

fn processor(count: u8) -> Processor {
    Processor {
        socket: 1,
        // A central processor.
        kind: 3,
        family: OTHER,
        manufacturer: 2,
        id: [0; 8],
        version: 0,
        voltage: 0,
        clock: 0,
        max_speed: 0,
        speed: 0,
        // Populated and enabled.
        status: 0x41,
        upgrade: OTHER,
        caches: [0xFFFF; 3],
        serial: 0,
        asset: 0,
        part: 0,
        cores: count,
        enabled: count,
        threads: count,
        characteristics: u16::from(UNKNOWN),
        family_2: u16::from(OTHER),
    }
}

fn memory_array(spec: &VmSpec) -> MemoryArray {
    MemoryArray {
        location: OTHER,
        // System memory without error correction.
        usage: 3,
        correction: 3,
        capacity: 0x8000_0000,
        error: NONE,
        devices: 1,
        extended: spec.memory.bytes(),
    }
}

fn memory_device(spec: &VmSpec) -> MemoryDevice {
    let mebibytes = spec.memory.bytes() >> 20;
    MemoryDevice {
        array: MEMORY_ARRAY,
        error: NONE,
        widths: [0xFFFF; 2],
        size: u16::try_from(mebibytes).unwrap_or(u16::MAX).min(0x7FFF),
        // A DIMM of RAM.
        form: 9,
        set: 0,
        locator: 1,
        bank: 0,
        kind: 7,
        detail: 2,
        speed: 0,
        manufacturer: 2,
        serial: 0,
        asset: 0,
        part: 0,
        attributes: 0,
        extended: u32::try_from(mebibytes).unwrap_or(u32::MAX),
        configured_speed: 0,
        voltages: [0; 3],
    }
}

fn memory_range(range: RamRange) -> MemoryRange {
    MemoryRange {
        old: [u32::MAX; 2],
        array: MEMORY_ARRAY,
        width: 1,
        first: range.start,
        last: range.start.saturating_add(range.len).saturating_sub(1),
    }
}

/// The entry point, with both of its checksums for an address of 0.
fn anchor(tables: &Tables) -> Vec<u8> {
    let largest = u16::try_from(tables.largest).unwrap_or(u16::MAX);
    let length = u16::try_from(tables.bytes.len()).unwrap_or(u16::MAX);
    let mut inner = b"_DMI_\0".to_vec();
    inner.extend(length.to_le_bytes());
    inner.extend(0u32.to_le_bytes());
    inner.extend(tables.count.to_le_bytes());
    inner.push(MAJOR << 4 | MINOR);
    checksum(&mut inner, 5);
    let mut anchor = b"_SM_\0\x1F".to_vec();
    anchor.extend([MAJOR, MINOR]);
    anchor.extend(largest.to_le_bytes());
    // The revision of the entry point, and its formatted area.
    anchor.extend([0; 6]);
    anchor.extend(inner);
    checksum(&mut anchor, 4);
    anchor
}

/// Has all bytes add up to 0 by the one at `at`, which is 0.
fn checksum(bytes: &mut [u8], at: usize) {
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    if let Some(byte) = bytes.get_mut(at) {
        *byte = sum.wrapping_neg();
    }
}

#[cfg(test)]
#[path = "smbios_test.rs"]
mod tests;
