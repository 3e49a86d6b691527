//! Shadow RAM: what is found between 768 KiB and 1 MiB, as the host bridge's registers say (82441FX data sheet,
//! section 3.2.18, "PAM").
//!
//! Each of the thirteen parts has two bits, for reads and for writes. A bit that is set leads to RAM, one that is
//! clear to the bus, where the end of the firmware is from 896 KiB on. KVM can show a part as
//!
//! | reads | writes | window |
//! |---|---|---|
//! | RAM | RAM | RAM |
//! | RAM | bus | RAM without writes |
//! | bus | bus | firmware without writes, or none |
//! | bus | RAM | as before; the writes arrive here and are made to RAM |
//!
//! so that code runs at full speed from wherever the registers say, and only the rare writes of the last kind take a
//! trip. Neighbours that are alike are one window, since each change of a window can cost a wait of milliseconds;
//! SeaBIOS needs about a dozen.
//!
//! A machine that starts a kernel directly has none of this: its RAM is one window, and the registers only keep what
//! is written.

use std::sync::Mutex;

use hv::{Shown, Vm, Window};
use virtio::{GuestRam, Lifecycle};
use vm_memory::{Bytes, GuestAddress};

use super::Rom;
use crate::bus::{BusAction, Target};
use crate::layout::{EXTENDED_RAM_START, SHADOW_BIOS, SHADOW_PART, SHADOW_START};
use crate::sync::lock;

/// The registers, one for two parts, but the first one for the last part alone.
pub(crate) type Registers = [u8; 7];

const READ_RAM: u8 = 1;
const WRITE_RAM: u8 = 2;

/// What shows and hides windows.
pub(crate) trait Windows: Send + Sync {
    /// As [`Vm::show`].
    fn show(&self, window: Window) -> Result<(), hv::Error>;
    /// As [`Vm::hide`].
    fn hide(&self, address: u64) -> Result<(), hv::Error>;
}

impl Windows for Vm {
    fn show(&self, window: Window) -> Result<(), hv::Error> {
        self.show(window)
    }

    fn hide(&self, address: u64) -> Result<(), hv::Error> {
        self.hide(address)
    }
}

/// The area.
pub(crate) struct Shadow {
    ram: GuestRam,
    rom: Rom,
    registers: Mutex<Registers>,
    shown: Mutex<Vec<Piece>>,
    kernel: Box<dyn Windows>,
}

/// Neighbours that show the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    start: u64,
    end: u64,
    view: View,
}

/// What a window shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    Ram { writable: bool },
    Firmware,
}

/// The window's piece as KVM wants it.
fn window(piece: &Piece, rom: &Rom) -> Option<Window> {
    let (shows, writable) = match piece.view {
        View::Ram { writable } => (Shown::Ram(GuestAddress(piece.start)), writable),
        View::Firmware => (rom.below_1_mib(piece.start)?, false),
    };
    Some(Window { address: piece.start, len: piece.end.saturating_sub(piece.start), shows, writable })
}

/// The bits for the part at `address`.
fn bits(registers: &Registers, address: u64) -> u8 {
    let part = usize::try_from(address.saturating_sub(SHADOW_START) / SHADOW_PART).unwrap_or(usize::MAX);
    let (register, shift) = match address {
        SHADOW_BIOS.. => (0, 4),
        _ => ((part >> 1).saturating_add(1), (part & 1) << 2),
    };
    registers.get(register).map_or(0, |value| value >> shift & 3)
}

/// The parts by their first addresses and ends.
fn parts() -> impl Iterator<Item = (u64, u64)> {
    let small = (SHADOW_START..SHADOW_BIOS).step_by(SHADOW_PART as usize);
    let small = small.map(|start| (start, start.saturating_add(SHADOW_PART)));
    small.chain([(SHADOW_BIOS, EXTENDED_RAM_START)])
}

/// What is to be seen with these registers.
fn pieces(registers: &Registers, rom: &Rom) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (start, end) in parts() {
        let bits = bits(registers, start);
        let view = match bits & READ_RAM {
            0 if rom.below_1_mib(start).is_none() => continue,
            0 => View::Firmware,
            _ => View::Ram { writable: bits & WRITE_RAM != 0 },
        };
        match pieces.last_mut() {
            Some(last) if last.end == start && last.view == view => last.end = end,
            _ => pieces.push(Piece { start, end, view }),
        }
    }
    pieces
}

impl Shadow {
    /// The windows of the area at power-on, to be shown with the machine's RAM.
    pub fn power_on(rom: &Rom) -> Vec<Window> {
        pieces(&Registers::default(), rom).iter().filter_map(|piece| window(piece, rom)).collect()
    }

    /// The area of a machine that shows [`Shadow::power_on`].
    pub fn new(ram: GuestRam, rom: Rom, kernel: Box<dyn Windows>) -> Self {
        let registers = Registers::default();
        let shown = Mutex::new(pieces(&registers, &rom));
        Self { ram, rom, registers: Mutex::new(registers), shown, kernel }
    }

    /// The firmware.
    pub fn rom(&self) -> &Rom {
        &self.rom
    }

    /// Takes new registers. They count from the next [`Shadow::apply`] on.
    pub fn set(&self, registers: Registers) {
        *lock(&self.registers) = registers;
    }

    /// Has the machine show what the registers say. What KVM refuses is not shown, and its accesses arrive here.
    pub fn apply(&self) {
        // Held all the while, so that of two processors the later finds and leaves the newest state.
        let mut shown = lock(&self.shown);
        let wanted = pieces(&lock(&self.registers), &self.rom);
        let mut stay = Vec::new();
        for old in shown.drain(..) {
            match wanted.contains(&old) {
                true => stay.push(old),
                false => warn(self.kernel.hide(old.start)),
            }
        }
        for new in wanted {
            if stay.contains(&new) {
                continue;
            }
            if let Some(window) = window(&new, &self.rom) {
                warn(self.kernel.show(window));
                stay.push(new);
            }
        }
        *shown = stay;
    }

    fn bits(&self, address: u64) -> u8 {
        bits(&lock(&self.registers), address)
    }

    fn byte(&self, address: u64) -> u8 {
        match self.bits(address) & READ_RAM {
            0 => self.rom.byte_below_1_mib(address).unwrap_or(0xFF),
            _ => self.ram.read_obj(GuestAddress(address)).unwrap_or(0xFF),
        }
    }
}

/// The guest could make many of them, and nobody can do anything about it.
fn warn(result: Result<(), hv::Error>) {
    if let Err(error) = result {
        tracing::debug!(%error, "the guest's shadow memory is not as it wants it");
    }
}

/// What reaches no window: writes where reads show something else, and everything where there is none.
impl Target for Shadow {
    fn read(&self, offset: u64, data: &mut [u8]) {
        for (address, byte) in (SHADOW_START.saturating_add(offset)..).zip(data) {
            *byte = self.byte(address);
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> BusAction {
        for (address, byte) in (SHADOW_START.saturating_add(offset)..).zip(data) {
            if self.bits(address) & WRITE_RAM != 0 {
                // The bus lets nothing beyond the area through, and the machine has RAM there.
                let _ = self.ram.write_obj(*byte, GuestAddress(address));
            }
        }
        BusAction::None
    }
}

/// There is no work to pause. A reset shows the firmware again.
impl Lifecycle for &Shadow {
    fn pause(&mut self) {}

    fn resume(&mut self) {}

    fn reset(&mut self) {
        self.set(Registers::default());
        self.apply();
    }
}

#[cfg(test)]
#[path = "shadow_test.rs"]
mod tests;
