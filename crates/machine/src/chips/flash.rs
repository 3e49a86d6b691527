//! A flash chip with 8 data lines and the command set of Intel's (JEDEC JEP137: command set 0001; Intel 28F640J3 data
//! sheet, "Command Definitions"), in the dialect that firmware for virtual machines knows.
//!
//! | written | and then | does |
//! |---|---|---|
//! | 0xFF | | reads give the array |
//! | 0x70 | | reads give the status |
//! | 0x50 | | clears the status; reads give the array |
//! | 0x90 | | reads give the identifiers |
//! | 0x98 | | reads give the answer to the CFI query |
//! | 0x10 0x40 | a byte | puts the byte there |
//! | 0xE8 | a number less one, so many bytes, 0xD0 | puts them all, within one buffer of [`BUFFER`] bytes |
//! | 0x20 | 0xD0 | erases the block: all ones |
//! | 0x60 | 0x01 0xD0 | locks: accepted, nothing is ever locked |
//!
//! Each byte of a wider access is an access of its own, lowest address first, as on a bus of this width.
//!
//! Where the dialect differs from the data sheet: clearing the status clears the ready bit as well (firmware tells a
//! flash chip from RAM and ROM by that), it goes back to the array, and a byte that is put replaces the old one
//! whatever its bits. What has been begun is complete at once: there is no busy time, and nothing to suspend.

use std::collections::BTreeSet;
use std::sync::Arc;

use virtio::Lifecycle;
use vm_memory::{Bytes, MmapRegion, VolatileMemory, VolatileSlice};

/// What is erased at once, in bytes.
pub const BLOCK: usize = 4096;
/// The most bytes that one buffered write puts: a power of two.
pub const BUFFER: usize = 1 << BUFFER_BITS;
const BUFFER_BITS: u8 = 5;

mod command {
    pub const SINGLE_WRITE: u8 = 0x10;
    pub const ERASE: u8 = 0x20;
    pub const SINGLE_WRITE_ALTERNATIVE: u8 = 0x40;
    pub const CLEAR_STATUS: u8 = 0x50;
    pub const LOCK: u8 = 0x60;
    pub const READ_STATUS: u8 = 0x70;
    pub const READ_IDENTIFIERS: u8 = 0x90;
    pub const QUERY: u8 = 0x98;
    pub const CONFIRM: u8 = 0xD0;
    pub const BUFFERED_WRITE: u8 = 0xE8;
}

/// Status: ready.
const READY: u8 = 1 << 7;
/// Status: an erasure went wrong. With the next one: a sequence of commands that there is not.
const ERASE_ERROR: u8 = 1 << 5;
/// Status: a write went wrong.
const WRITE_ERROR: u8 = 1 << 4;

/// What reads give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// What is stored.
    #[default]
    Array,
    /// The status.
    Status,
    /// Who made the chip.
    Identifiers,
    /// What the chip says of itself.
    Query,
}

/// What the chip waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Expected {
    #[default]
    Command,
    /// The byte of a single write.
    Byte,
    /// The confirmation of an erasure.
    EraseConfirm,
    /// Which lock command it is.
    Lock,
    /// How many bytes a buffered write has, less one.
    Count,
    /// The bytes of a buffered write.
    Buffer(Buffer),
}

/// A buffered write under way.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Buffer {
    /// How many bytes are still to come.
    left: usize,
    /// Where those go that have come.
    bytes: Vec<(usize, u8)>,
}

/// What the chip is in the middle of; what it stores is apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlashState {
    mode: Mode,
    status: u8,
    expected: Expected,
}

impl Default for FlashState {
    fn default() -> Self {
        Self { mode: Mode::Array, status: READY, expected: Expected::Command }
    }
}

/// The chip.
pub struct Flash {
    array: Arc<MmapRegion>,
    len: usize,
    state: FlashState,
    /// The numbers of the blocks that changed since they were last taken.
    changed: BTreeSet<usize>,
}

impl Flash {
    /// The chip after power on, with this contents: one or more whole blocks. Whoever has the memory as well only reads it.
    pub fn new(array: Arc<MmapRegion>) -> Self {
        Self { len: array.size(), array, state: FlashState::default(), changed: BTreeSet::new() }
    }

    /// What reads give now.
    pub fn mode(&self) -> Mode {
        self.state.mode
    }

    /// The blocks that changed since the last call: where each begins, and what is in it.
    pub fn take_changed(&mut self) -> Vec<(u64, Vec<u8>)> {
        let numbers = std::mem::take(&mut self.changed);
        numbers.into_iter().filter_map(|number| self.block(number)).collect()
    }

    /// Has [`Flash::take_changed`] give these blocks once more, as they are then.
    pub fn put_back(&mut self, blocks: &[(u64, Vec<u8>)]) {
        let numbers = blocks.iter().filter_map(|(first, _)| usize::try_from(*first).ok());
        self.changed.extend(numbers.map(|first| first / BLOCK));
    }

    /// Whether a block changed since they were last taken.
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    fn block(&self, number: usize) -> Option<(u64, Vec<u8>)> {
        let first = number.checked_mul(BLOCK)?;
        let mut bytes = vec![0; BLOCK.min(self.len.checked_sub(first)?)];
        self.cells()?.read_slice(&mut bytes, first).ok()?;
        Some((u64::try_from(first).ok()?, bytes))
    }

    fn cells(&self) -> Option<VolatileSlice<'_>> {
        self.array.get_slice(0, self.len).ok()
    }

    /// Reads `data.len()` bytes at `offset`.
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        for (offset, byte) in (offset..).zip(data) {
            *byte = usize::try_from(offset).map_or(0xFF, |offset| self.read_byte(offset));
        }
    }

    fn read_byte(&self, offset: usize) -> u8 {
        match self.state.mode {
            Mode::Array => self.cells().and_then(|cells| cells.read_obj(offset).ok()).unwrap_or(0xFF),
            Mode::Status => self.state.status,
            Mode::Identifiers => 0,
            Mode::Query => query(self.len, offset),
        }
    }

    /// Writes `data` at `offset`.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        for (offset, byte) in (offset..).zip(data) {
            if let Ok(offset) = usize::try_from(offset) {
                self.write_byte(offset, *byte);
            }
        }
    }

    fn write_byte(&mut self, offset: usize, value: u8) {
        match std::mem::take(&mut self.state.expected) {
            Expected::Command => self.command(value),
            Expected::Byte => {
                self.put(offset, value);
                self.finish(0);
            }
            Expected::EraseConfirm if value == command::CONFIRM => {
                self.erase(offset);
                self.finish(0);
            }
            Expected::EraseConfirm => self.finish(ERASE_ERROR | WRITE_ERROR),
            Expected::Lock => self.finish(0),
            Expected::Count => self.begin_buffer(value),
            Expected::Buffer(buffer) => self.fill_buffer(buffer, offset, value),
        }
    }

    fn command(&mut self, value: u8) {
        let (mode, expected) = match value {
            command::SINGLE_WRITE | command::SINGLE_WRITE_ALTERNATIVE => (Mode::Status, Expected::Byte),
            command::ERASE => (Mode::Status, Expected::EraseConfirm),
            command::LOCK => (Mode::Status, Expected::Lock),
            command::BUFFERED_WRITE => {
                self.state.status |= READY;
                (Mode::Status, Expected::Count)
            }
            command::READ_STATUS => (Mode::Status, Expected::Command),
            command::READ_IDENTIFIERS => (Mode::Identifiers, Expected::Command),
            command::QUERY => (Mode::Query, Expected::Command),
            command::CLEAR_STATUS => {
                self.state.status = 0;
                (Mode::Array, Expected::Command)
            }
            // 0xFF, and what is no command.
            _ => (Mode::Array, Expected::Command),
        };
        self.state.mode = mode;
        self.state.expected = expected;
    }

    /// What was begun has ended, with these errors; reads tell.
    fn finish(&mut self, errors: u8) {
        self.state.status |= READY | errors;
        self.state.mode = Mode::Status;
    }

    fn begin_buffer(&mut self, less_one: u8) {
        let left = usize::from(less_one).saturating_add(1);
        match left {
            1..=BUFFER => self.state.expected = Expected::Buffer(Buffer { left, bytes: Vec::new() }),
            _ => self.finish(ERASE_ERROR | WRITE_ERROR),
        }
    }

    /// Takes a byte of a buffered write, or its confirmation. All have to lie in the buffer that the first one lies in.
    fn fill_buffer(&mut self, mut buffer: Buffer, offset: usize, value: u8) {
        match buffer.left.checked_sub(1) {
            Some(left) => {
                let first = buffer.bytes.first().map_or(offset, |(first, _)| *first);
                if offset / BUFFER != first / BUFFER {
                    return self.finish(WRITE_ERROR);
                }
                buffer.left = left;
                buffer.bytes.push((offset, value));
                self.state.expected = Expected::Buffer(buffer);
            }
            None if value == command::CONFIRM => {
                buffer.bytes.iter().for_each(|(offset, value)| self.put(*offset, *value));
                self.finish(0);
            }
            None => self.finish(ERASE_ERROR | WRITE_ERROR),
        }
    }

    fn put(&mut self, offset: usize, value: u8) {
        let put = self.cells().and_then(|cells| cells.write_obj(value, offset).ok());
        if put.is_some() {
            self.changed.insert(offset / BLOCK);
        }
    }

    /// Erases the block that `offset` lies in.
    fn erase(&mut self, offset: usize) {
        let number = offset / BLOCK;
        let Some((first, bytes)) = self.block(number) else { return };
        let Ok(first) = usize::try_from(first) else { return };
        let ones = vec![0xFF; bytes.len()];
        if self.cells().and_then(|cells| cells.write_slice(&ones, first).ok()).is_some() {
            self.changed.insert(number);
        }
    }
}

/// A byte of the answer to the CFI query (JEP137, "Query Structure"); 0 where there is nothing to say.
fn query(len: usize, offset: usize) -> u8 {
    let blocks = u16::try_from((len / BLOCK).saturating_sub(1)).unwrap_or(u16::MAX);
    let [blocks_low, blocks_high] = blocks.to_le_bytes();
    // The size of blocks is told in units of 256 bytes.
    let [block_low, block_high] = ((BLOCK >> 8) as u16).to_le_bytes();
    let size_bits = len.checked_next_power_of_two().map_or(0, usize::trailing_zeros) as u8;
    match offset {
        0x10 => b'Q',
        0x11 => b'R',
        0x12 => b'Y',
        // The command set, and where its own table is.
        0x13 => 0x01,
        0x15 => 0x31,
        // Supply voltages, 4.5 V and 5.5 V.
        0x1B => 0x45,
        0x1C => 0x55,
        // Typical times for a byte, a buffer (2^n µs) and a block (2^n ms); at most 2^n times as long.
        0x1F | 0x20 => 7,
        0x21 => 10,
        0x23..=0x25 => 4,
        // 2^n bytes, of which the table of blocks says how many are there; 8 data lines; the buffer.
        0x27 => size_bits,
        0x2A => BUFFER_BITS,
        // One kind of blocks: their number less one, and their size.
        0x2C => 1,
        0x2D => blocks_low,
        0x2E => blocks_high,
        0x2F => block_low,
        0x30 => block_high,
        // The table of the command set, version 1.0: no optional commands.
        0x31 => b'P',
        0x32 => b'R',
        0x33 => b'I',
        0x34 => b'1',
        0x35 => b'0',
        _ => 0,
    }
}

impl Lifecycle for Flash {
    fn pause(&mut self) {}

    fn resume(&mut self) {}

    /// What is stored stays.
    fn reset(&mut self) {
        self.state = FlashState::default();
    }
}

#[cfg(test)]
#[path = "flash_test.rs"]
mod tests;
