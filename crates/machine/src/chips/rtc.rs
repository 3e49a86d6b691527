//! The clock of a PC, an MC146818 with 128 bytes of memory (Motorola MC146818A data sheet).
//!
//! Port offset 0 takes the index of a byte, offset 1 is that byte:
//!
//! | index | byte |
//! |---|---|
//! | 0x00 0x02 0x04 | seconds, minutes, hours |
//! | 0x01 0x03 0x05 | alarm |
//! | 0x06 to 0x09 | day of the week, day, month, year |
//! | 0x0A to 0x0D | registers A to D |
//! | 0x0E to 0x7F | memory, in which PC firmware has its places: |
//! | 0x10 0x14 | floppy drives, equipment |
//! | 0x15 0x16 | memory below 640 KiB in KiB |
//! | 0x17 0x18, 0x30 0x31 | memory from 1 MiB in KiB, up to 64 MiB |
//! | 0x32 | century |
//! | 0x34 0x35 | memory from 16 MiB up to 4 GiB in 64 KiB |
//! | 0x38 0x3D | what to start from |
//! | 0x5B to 0x5D | memory from 4 GiB in 64 KiB |
//! | 0x5F | processors less one |
//!
//! The time is the host's, in UTC, until the guest sets it; from then on it keeps its distance. The flags in register C
//! follow the time whenever somebody looks. A timer of the host runs only while the guest has enabled an interrupt of
//! which the flag is not set yet: a guest that has none costs nothing, and one that does not read register C is woken
//! once.

mod interrupts;

use std::time::{Duration, SystemTime};

use proto::{CpuCount, MemorySize};
use virtio::Lifecycle;

use super::date::Date;
use crate::layout::{self, HIGH_RAM_START};
use crate::{BusAction, BusDevice, IrqLine, Wake};

const SECONDS: u8 = 0x00;
const MINUTES: u8 = 0x02;
const HOURS: u8 = 0x04;
const WEEKDAY: u8 = 0x06;
const DAY: u8 = 0x07;
const MONTH: u8 = 0x08;
const YEAR: u8 = 0x09;
const REGISTER_A: u8 = 0x0a;
const REGISTER_B: u8 = 0x0b;
const REGISTER_C: u8 = 0x0c;
const REGISTER_D: u8 = 0x0d;
/// Index of the century byte, which the FADT tells as well.
pub(crate) const CENTURY: u8 = 0x32;

/// Each byte of the time with the one that an alarm compares it with.
const ALARMS: [(u8, u8); 3] = [(SECONDS, 0x01), (MINUTES, 0x03), (HOURS, 0x05)];
/// An alarm byte with both of these bits set matches anything.
const ALARM_ANY: u8 = 0xc0;

/// Register A: an update is under way. It is read only.
const UPDATE_IN_PROGRESS: u8 = 1 << 7;
const RATE: u8 = 0x0f;
/// After power on: the 32768 Hz time base, 1024 Hz for the periodic flag.
const REGISTER_A_DEFAULT: u8 = 0x26;
/// Register B: the guest sets the time and no update happens.
const SET: u8 = 1 << 7;
/// Register B: binary, not BCD.
const BINARY: u8 = 1 << 2;
/// Register B: 24 hours, not 12.
const HOURS_24: u8 = 1 << 1;
/// Registers B and C: periodic, alarm and update interrupts, enabled and raised.
const PERIODIC: u8 = 1 << 6;
const ALARM: u8 = 1 << 5;
const UPDATE: u8 = 1 << 4;
const INTERRUPTS: u8 = PERIODIC | ALARM | UPDATE;
/// Register B: square wave output.
const SQUARE_WAVE: u8 = 1 << 3;
/// Register C: one that is raised is enabled.
const INTERRUPT_REQUEST: u8 = 1 << 7;
/// Register D: the battery is good.
const VALID: u8 = 1 << 7;
/// In 12 hour mode: after noon.
const PM: u8 = 1 << 7;

/// The types of both floppy drives: there are none.
const NO_FLOPPY: u8 = 0;
/// What is there at power-on: a coprocessor, and neither a floppy drive nor a display.
const EQUIPMENT: u8 = 1 << 1;
/// Kinds of devices to start from, as the firmware of Bochs and SeaBIOS number them. What was asked for comes before, by
/// the configuration that the firmware reads.
const FIRST_DISK: u8 = 2;
const THEN_CDROM: u8 = 3;
const THEN_NETWORK: u8 = 4;
/// The first in the lower half, the second in the upper one.
const BOOT_ORDER: u8 = THEN_CDROM << 4 | FIRST_DISK;
/// The third in the upper half; bit 0: a floppy disk needs no signature.
const BOOT_ORDER_LAST: u8 = THEN_NETWORK << 4 | 1;

/// An update is announced 244 µs ahead and takes 1984 µs with the usual time base ("Update Cycle").
const UPDATE_BEGINS: u32 = 1_000_000_000 - 1_984_000 - 244_000;

/// The clock and its memory.
pub struct Rtc {
    index: u8,
    /// All bytes. Those of the time count only while the guest sets it.
    bytes: [u8; 128],
    /// The seconds that the guest's time is ahead of the host's.
    ahead: i64,
    /// The flags of register C, as of the guest's time `looked`.
    flags: u8,
    looked: Duration,
    irq: Box<dyn IrqLine>,
    timer: Box<dyn Wake>,
    /// What the timer was set to.
    wake: Option<Duration>,
    paused: bool,
    host_time: Box<dyn Fn() -> Duration + Send>,
}

impl Rtc {
    /// The clock of a machine with so much memory and so many processors. `timer` has [`Rtc::tick`] called.
    pub fn new(
        memory: MemorySize,
        cpus: CpuCount,
        irq: impl IrqLine + 'static,
        timer: impl Wake + 'static,
    ) -> Self {
        let since_1970 = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::with_host_time(memory, cpus, (Box::new(irq), Box::new(timer)), since_1970)
    }

    fn with_host_time(
        memory: MemorySize,
        cpus: CpuCount,
        (irq, timer): (Box<dyn IrqLine>, Box<dyn Wake>),
        host_time: impl Fn() -> Duration + Send + 'static,
    ) -> Self {
        let mut bytes = [0; 128];
        for (index, value) in hardware_bytes(memory, cpus) {
            put(&mut bytes, index, value);
        }
        let mut rtc = Self {
            index: 0,
            bytes,
            ahead: 0,
            flags: 0,
            looked: Duration::ZERO,
            irq,
            timer,
            wake: None,
            paused: false,
            host_time: Box::new(host_time),
        };
        rtc.looked = rtc.now();
        rtc
    }

    /// The guest's time, from the start of 1970.
    fn now(&self) -> Duration {
        let host = (self.host_time)();
        Duration::new(host.as_secs().saturating_add_signed(self.ahead), host.subsec_nanos())
    }

    fn byte(&self, index: u8) -> u8 {
        self.bytes.get(usize::from(index)).copied().unwrap_or(0)
    }

    fn setting(&self) -> bool {
        self.byte(REGISTER_B) & SET != 0
    }

    fn read_data(&mut self) -> u8 {
        match self.index {
            index if is_time(index) && !self.setting() => {
                self.latch();
                self.byte(index)
            }
            REGISTER_A => self.byte(REGISTER_A) | self.update_in_progress(),
            REGISTER_C => self.take_flags(),
            REGISTER_D => VALID,
            index => self.byte(index),
        }
    }

    fn write_data(&mut self, value: u8) {
        // What has happened by the old settings has happened.
        self.look();
        match self.index {
            index if is_time(index) => self.write_time(index, value),
            REGISTER_A => put(&mut self.bytes, REGISTER_A, value & !UPDATE_IN_PROGRESS),
            REGISTER_B => self.write_register_b(value),
            REGISTER_C | REGISTER_D => {}
            index => put(&mut self.bytes, index, value),
        }
        self.update();
    }

    /// While `SET` is set the bytes wait for the rest of the date; otherwise each counts at once.
    fn write_time(&mut self, index: u8, value: u8) {
        let at_once = !self.setting();
        if at_once {
            self.latch();
        }
        put(&mut self.bytes, index, value);
        if at_once {
            self.adopt();
        }
    }

    fn write_register_b(&mut self, value: u8) {
        let was_setting = self.setting();
        if !was_setting && value & SET != 0 {
            self.latch();
        }
        put(&mut self.bytes, REGISTER_B, value);
        if was_setting && value & SET == 0 {
            self.adopt();
        }
    }

    fn update_in_progress(&self) -> u8 {
        let updating = !self.setting() && self.now().subsec_nanos() >= UPDATE_BEGINS;
        if updating { UPDATE_IN_PROGRESS } else { 0 }
    }

    /// Puts the time into the bytes.
    fn latch(&mut self) {
        let date = Date::from_seconds(self.now().as_secs());
        for (index, value) in [
            (SECONDS, self.encode(date.second)),
            (MINUTES, self.encode(date.minute)),
            (HOURS, self.encode_hour(date.hour)),
            (WEEKDAY, self.encode(date.weekday)),
            (DAY, self.encode(date.day)),
            (MONTH, self.encode(date.month)),
            (YEAR, self.encode(date.year % 100)),
            (CENTURY, self.encode(date.year / 100)),
        ] {
            put(&mut self.bytes, index, value);
        }
    }

    /// Takes the time from the bytes.
    fn adopt(&mut self) {
        let field = |index| self.decode(self.byte(index));
        let date = Date {
            year: field(CENTURY).saturating_mul(100).saturating_add(field(YEAR)),
            month: field(MONTH),
            day: field(DAY),
            weekday: field(WEEKDAY),
            hour: self.decode_hour(self.byte(HOURS)),
            minute: field(MINUTES),
            second: field(SECONDS),
        };
        let host = (self.host_time)().as_secs();
        self.ahead = date.to_seconds().checked_signed_diff(host).unwrap_or(0);
        // The time that was jumped over did not pass.
        self.looked = self.now();
    }

    /// A number below 100 as register B says.
    fn encode(&self, value: u64) -> u8 {
        let value = u8::try_from(value).unwrap_or(u8::MAX);
        if self.byte(REGISTER_B) & BINARY != 0 { value } else { (value / 10) << 4 | (value % 10) }
    }

    fn decode(&self, value: u8) -> u64 {
        let value = u64::from(value);
        if self.byte(REGISTER_B) & BINARY != 0 {
            value
        } else {
            (value >> 4).saturating_mul(10).saturating_add(value & 0x0f)
        }
    }

    fn encode_hour(&self, hour: u64) -> u8 {
        if self.byte(REGISTER_B) & HOURS_24 != 0 {
            return self.encode(hour);
        }
        let pm = if hour >= 12 { PM } else { 0 };
        match hour % 12 {
            0 => self.encode(12) | pm,
            hour => self.encode(hour) | pm,
        }
    }

    fn decode_hour(&self, value: u8) -> u64 {
        if self.byte(REGISTER_B) & HOURS_24 != 0 {
            return self.decode(value);
        }
        let afternoon = if value & PM != 0 { 12 } else { 0 };
        (self.decode(value & !PM) % 12).saturating_add(afternoon)
    }
}

fn is_time(index: u8) -> bool {
    matches!(index, SECONDS | MINUTES | HOURS | WEEKDAY..=YEAR | CENTURY)
}

fn put(bytes: &mut [u8; 128], index: u8, value: u8) {
    if let Some(byte) = bytes.get_mut(usize::from(index)) {
        *byte = value;
    }
}

/// The bytes that say what the machine has.
fn hardware_bytes(memory: MemorySize, cpus: CpuCount) -> [(u8, u8); 18] {
    let low: u64 =
        layout::ram_ranges(memory).filter(|ram| ram.start < HIGH_RAM_START).map(|ram| ram.len).sum();
    let high = memory.bytes().saturating_sub(low);
    let [base_low, base_high] = word(layout::BASE_RAM_END >> 10);
    let [kib_low, kib_high] = word(low.saturating_sub(1 << 20) >> 10);
    let [low_low, low_high] = word(low.saturating_sub(16 << 20) >> 16);
    let [high_low, high_middle, high_high, ..] = (high >> 16).to_le_bytes();
    [
        (REGISTER_A, REGISTER_A_DEFAULT),
        (REGISTER_B, HOURS_24),
        (0x10, NO_FLOPPY),
        (0x14, EQUIPMENT),
        (0x15, base_low),
        (0x16, base_high),
        (0x17, kib_low),
        (0x18, kib_high),
        (0x30, kib_low),
        (0x31, kib_high),
        (0x34, low_low),
        (0x35, low_high),
        (0x38, BOOT_ORDER_LAST),
        (0x3d, BOOT_ORDER),
        (0x5b, high_low),
        (0x5c, high_middle),
        (0x5d, high_high),
        (0x5f, cpus.get().saturating_sub(1)),
    ]
}

/// A number in two bytes, or the largest that fits.
fn word(value: u64) -> [u8; 2] {
    u16::try_from(value).unwrap_or(u16::MAX).to_le_bytes()
}

impl BusDevice for Rtc {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        // The index can only be written.
        for (register, byte) in (offset..).zip(data) {
            if register == 1 {
                *byte = self.read_data();
            }
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> BusAction {
        for (register, byte) in (offset..).zip(data) {
            match register {
                // The highest bit belongs to the gate of the non-maskable interrupt.
                0 => self.index = byte & 0x7f,
                1 => self.write_data(*byte),
                _ => {}
            }
        }
        BusAction::None
    }
}

impl Lifecycle for Rtc {
    fn pause(&mut self) {
        self.paused = true;
        self.update();
    }

    fn resume(&mut self) {
        self.paused = false;
        self.update();
    }

    /// The reset line disables the interrupts (data sheet, "RESET"). Time and memory are kept, as by a battery.
    fn reset(&mut self) {
        let register_b = self.byte(REGISTER_B) & !(INTERRUPTS | SQUARE_WAVE);
        self.write_register_b(register_b);
        self.flags = 0;
        self.looked = self.now();
        self.update();
    }
}

#[cfg(test)]
#[path = "rtc_test.rs"]
mod tests;
