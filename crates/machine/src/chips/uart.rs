//! The 16550A UART (National Semiconductor PC16550D data sheet, June 1995; sections are its own).
//!
//! | offset | read | write | with DLAB |
//! |---|---|---|---|
//! | 0 | receive buffer (RBR) | transmit holding (THR) | divisor low (DLL) |
//! | 1 | interrupt enable (IER) | IER | divisor high (DLM) |
//! | 2 | interrupt identification (IIR) | FIFO control (FCR) | |
//! | 3 | line control (LCR) | LCR | |
//! | 4 | modem control (MCR) | MCR | |
//! | 5 | line status (LSR) | | |
//! | 6 | modem status (MSR) | | |
//! | 7 | scratch (SCR) | SCR | |
//!
//! The line has no speed: a byte that is written has left at once, so the transmitter is always empty, and
//! the four idle character times after which a half-filled FIFO interrupts (8.11) have always passed.

use std::collections::VecDeque;

/// Interrupt enable register (8.7).
mod ier {
    pub const RECEIVED_DATA: u8 = 1 << 0;
    pub const TRANSMITTER_EMPTY: u8 = 1 << 1;
    pub const LINE_STATUS: u8 = 1 << 2;
    pub const MODEM_STATUS: u8 = 1 << 3;
    pub const ALL: u8 = 0x0f;
}

/// Interrupt identification register (8.6), table IV: what it reads for each source, the highest priority first.
mod iir {
    pub const LINE_STATUS: u8 = 0x06;
    pub const RECEIVED_DATA: u8 = 0x04;
    pub const CHARACTER_TIMEOUT: u8 = 0x0c;
    pub const TRANSMITTER_EMPTY: u8 = 0x02;
    pub const MODEM_STATUS: u8 = 0x00;
    pub const NONE: u8 = 0x01;
    pub const FIFOS_ENABLED: u8 = 0xc0;
}

/// FIFO control register (8.5).
mod fcr {
    pub const ENABLE: u8 = 1 << 0;
    pub const RESET_RECEIVER: u8 = 1 << 1;
    pub const TRIGGER_SHIFT: u32 = 6;
}

/// Line control register (8.1).
mod lcr {
    pub const DIVISOR_LATCH: u8 = 1 << 7;
}

/// Modem control register (8.8).
mod mcr {
    pub const DTR: u8 = 1 << 0;
    pub const RTS: u8 = 1 << 1;
    pub const OUT1: u8 = 1 << 2;
    pub const OUT2: u8 = 1 << 3;
    pub const LOOPBACK: u8 = 1 << 4;
    pub const ALL: u8 = 0x1f;
}

/// Line status register (8.4).
mod lsr {
    pub const DATA_READY: u8 = 1 << 0;
    pub const OVERRUN: u8 = 1 << 1;
    pub const BREAK: u8 = 1 << 4;
    pub const HOLDING_EMPTY: u8 = 1 << 5;
    pub const TRANSMITTER_EMPTY: u8 = 1 << 6;
    pub const ERROR_IN_FIFO: u8 = 1 << 7;
}

/// Modem status register (8.9): the lines, and below them the changes.
mod msr {
    pub const CTS: u8 = 1 << 4;
    pub const DSR: u8 = 1 << 5;
    pub const RI: u8 = 1 << 6;
    pub const DCD: u8 = 1 << 7;
    /// A change of RI counts at its trailing edge only.
    pub const TRAILING_RI: u8 = 1 << 2;
    /// What the other end of our line shows: it is there and takes data.
    pub const CONNECTED: u8 = CTS | DSR | DCD;
}

const FIFO_SIZE: usize = 16;
/// Trigger levels of the receive FIFO in bytes, by the two bits of the FIFO control register.
const TRIGGERS: [usize; 4] = [1, 4, 8, 14];

/// A received character: the byte, and the line status bits that belong to it.
#[derive(Clone, Copy, Debug)]
struct Character {
    byte: u8,
    errors: u8,
}

/// The chip without anything around it.
#[derive(Debug)]
pub(super) struct Uart {
    received: VecDeque<Character>,
    overrun: bool,
    /// The transmitter became empty and nobody was told yet.
    transmitted: bool,
    fifos: bool,
    trigger: usize,
    interrupt_enable: u8,
    line_control: u8,
    modem_control: u8,
    /// The changes in the modem status since it was last read.
    modem_changes: u8,
    scratch: u8,
    /// Low and high byte.
    divisor: [u8; 2],
}

impl Uart {
    /// The chip after its master reset (table I). The divisor, which a reset leaves alone, starts at 9600 baud.
    pub(super) fn new() -> Self {
        Self {
            received: VecDeque::with_capacity(FIFO_SIZE),
            overrun: false,
            transmitted: false,
            fifos: false,
            trigger: 1,
            interrupt_enable: 0,
            line_control: 0,
            modem_control: 0,
            modem_changes: 0,
            scratch: 0,
            divisor: [12, 0],
        }
    }

    /// Reads the register at `offset`, with all that a read changes.
    pub(super) fn read(&mut self, offset: u64) -> u8 {
        match offset {
            0 if self.divisor_latch() => self.divisor[0],
            1 if self.divisor_latch() => self.divisor[1],
            0 => self.received.pop_front().map_or(0, |character| character.byte),
            1 => self.interrupt_enable,
            2 => self.read_interrupt(),
            3 => self.line_control,
            4 => self.modem_control,
            5 => self.read_line_status(),
            6 => self.read_modem_status(),
            7 => self.scratch,
            _ => 0xff,
        }
    }

    /// Writes the register at `offset`. A byte that goes out on the line is returned.
    pub(super) fn write(&mut self, offset: u64, value: u8) -> Option<u8> {
        match offset {
            0 if self.divisor_latch() => self.divisor[0] = value,
            1 if self.divisor_latch() => self.divisor[1] = value,
            0 => return self.transmit(value),
            1 => self.write_interrupt_enable(value),
            2 => self.write_fifo_control(value),
            3 => self.line_control = value,
            4 => self.write_modem_control(value),
            7 => self.scratch = value,
            _ => {}
        }
        None
    }

    /// Whether the receiver is connected to the line and has room for a character.
    pub(super) fn can_receive(&self) -> bool {
        !self.loopback() && self.received.len() < self.capacity()
    }

    /// A byte arrives on the line. Without room for it, it is lost, and the line status tells.
    pub(super) fn receive(&mut self, byte: u8) {
        self.push(Character { byte, errors: 0 });
    }

    /// A break arrives on the line: it counts as one character, a zero.
    pub(super) fn receive_break(&mut self) {
        self.push(Character { byte: 0, errors: lsr::BREAK });
    }

    /// The level of the interrupt line. On a PC, OUT2 lets the chip's own output through; in loopback mode that
    /// output is inactive (8.8).
    pub(super) fn interrupt(&self) -> bool {
        self.modem_control & (mcr::OUT2 | mcr::LOOPBACK) == mcr::OUT2 && self.pending() != iir::NONE
    }

    fn divisor_latch(&self) -> bool {
        self.line_control & lcr::DIVISOR_LATCH != 0
    }

    fn loopback(&self) -> bool {
        self.modem_control & mcr::LOOPBACK != 0
    }

    fn capacity(&self) -> usize {
        if self.fifos { FIFO_SIZE } else { 1 }
    }

    fn push(&mut self, character: Character) {
        if self.received.len() < self.capacity() {
            self.received.push_back(character);
            return;
        }
        self.overrun = true;
        // Without FIFOs the new character takes the place of the old one (8.4, overrun).
        if let (false, Some(last)) = (self.fifos, self.received.back_mut()) {
            *last = character;
        }
    }

    fn transmit(&mut self, byte: u8) -> Option<u8> {
        self.transmitted = true;
        if !self.loopback() {
            return Some(byte);
        }
        self.receive(byte);
        None
    }

    /// Of the sources that are enabled and pending the one with the highest priority, as the IIR names it.
    fn pending(&self) -> u8 {
        let enabled = |bit| self.interrupt_enable & bit != 0;
        if enabled(ier::LINE_STATUS) && self.line_errors() != 0 {
            iir::LINE_STATUS
        } else if enabled(ier::RECEIVED_DATA) && self.received.len() >= self.trigger {
            iir::RECEIVED_DATA
        } else if enabled(ier::RECEIVED_DATA) && !self.received.is_empty() {
            iir::CHARACTER_TIMEOUT
        } else if enabled(ier::TRANSMITTER_EMPTY) && self.transmitted {
            iir::TRANSMITTER_EMPTY
        } else if enabled(ier::MODEM_STATUS) && self.modem_changes != 0 {
            iir::MODEM_STATUS
        } else {
            iir::NONE
        }
    }

    /// Reading clears the transmitter's interrupt, and only if that is what is read (table IV).
    fn read_interrupt(&mut self) -> u8 {
        let pending = self.pending();
        if pending == iir::TRANSMITTER_EMPTY {
            self.transmitted = false;
        }
        pending | if self.fifos { iir::FIFOS_ENABLED } else { 0 }
    }

    /// Enabling the transmitter's interrupt while the transmitter is empty, as it always is, raises it: drivers
    /// begin to send that way.
    fn write_interrupt_enable(&mut self, value: u8) {
        let newly_enabled = value & !self.interrupt_enable;
        self.interrupt_enable = value & ier::ALL;
        if newly_enabled & ier::TRANSMITTER_EMPTY != 0 {
            self.transmitted = true;
        }
    }

    /// The other bits count only if the FIFOs are enabled in the same write; switching them empties them (8.5).
    fn write_fifo_control(&mut self, value: u8) {
        let enable = value & fcr::ENABLE != 0;
        if enable != self.fifos || (enable && value & fcr::RESET_RECEIVER != 0) {
            self.received.clear();
        }
        self.fifos = enable;
        let level = if enable { TRIGGERS.get(usize::from(value >> fcr::TRIGGER_SHIFT)) } else { None };
        self.trigger = level.copied().unwrap_or(1);
    }

    /// Switching loopback on or off, or the outputs while it is on, changes what the inputs see.
    fn write_modem_control(&mut self, value: u8) {
        let before = self.modem_lines();
        self.modem_control = value & mcr::ALL;
        let after = self.modem_lines();
        let changed = (before ^ after) >> 4 & !msr::TRAILING_RI;
        let ri_fell = if before & !after & msr::RI != 0 { msr::TRAILING_RI } else { 0 };
        self.modem_changes |= changed | ri_fell;
    }

    /// The four inputs from the modem; in loopback mode the four outputs take their places (8.8).
    fn modem_lines(&self) -> u8 {
        if !self.loopback() {
            return msr::CONNECTED;
        }
        [(mcr::RTS, msr::CTS), (mcr::DTR, msr::DSR), (mcr::OUT1, msr::RI), (mcr::OUT2, msr::DCD)]
            .into_iter()
            .filter(|(output, _)| self.modem_control & output != 0)
            .fold(0, |lines, (_, input)| lines | input)
    }

    fn read_modem_status(&mut self) -> u8 {
        self.modem_lines() | std::mem::take(&mut self.modem_changes)
    }

    /// The errors that the line status shows: an overrun, and those of the character that is read next.
    fn line_errors(&self) -> u8 {
        let overrun = if self.overrun { lsr::OVERRUN } else { 0 };
        overrun | self.received.front().map_or(0, |character| character.errors)
    }

    /// Reading clears the errors that it shows.
    fn read_line_status(&mut self) -> u8 {
        let mut status = lsr::HOLDING_EMPTY | lsr::TRANSMITTER_EMPTY | self.line_errors();
        if !self.received.is_empty() {
            status |= lsr::DATA_READY;
        }
        if self.fifos && self.received.iter().any(|character| character.errors != 0) {
            status |= lsr::ERROR_IN_FIFO;
        }
        self.overrun = false;
        if let Some(next) = self.received.front_mut() {
            next.errors = 0;
        }
        status
    }
}

#[cfg(test)]
#[path = "uart_test.rs"]
mod tests;
