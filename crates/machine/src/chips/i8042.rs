//! The keyboard controller (Intel 8042 as in the IBM PC/AT Technical Reference, "Keyboard Controller").
//!
//! | offset | read | write |
//! |---|---|---|
//! | 0 | output buffer | data, for the keyboard or the last command |
//! | 4 | status | command |
//!
//! It is here for the reset line and so that probes end at once. Behind it is a keyboard that answers and has
//! no keys, and no mouse. It does not interrupt: the FADT says that there is no such controller, which keeps
//! an operating system from relying on it.

use std::collections::VecDeque;

use proto::ResetCause;
use virtio::Lifecycle;

use crate::{BusAction, BusDevice};

const DATA: u64 = 0;
const STATUS: u64 = 4;

/// Status: the output buffer is full; the self-test has passed; the keyboard is not locked.
const OUTPUT_FULL: u8 = 1 << 0;
const SYSTEM_FLAG: u8 = 1 << 2;
const UNLOCKED: u8 = 1 << 4;

/// Commands to the controller.
mod command {
    pub const READ_CONTROL: u8 = 0x20;
    pub const WRITE_CONTROL: u8 = 0x60;
    pub const TEST_MOUSE: u8 = 0xa9;
    pub const SELF_TEST: u8 = 0xaa;
    pub const TEST_KEYBOARD: u8 = 0xab;
    pub const READ_OUTPUT_PORT: u8 = 0xd0;
    pub const WRITE_OUTPUT_PORT: u8 = 0xd1;
    pub const WRITE_TO_MOUSE: u8 = 0xd4;
    /// This and all above: pulse those lines of the output port low whose bits are 0.
    pub const PULSE: u8 = 0xf0;
}

/// Bit 0 of the output port: the processor's reset line, active low.
const RESET_LINE: u8 = 1 << 0;
/// The output port with nothing asked for: no reset, address line 20 enabled.
const OUTPUT_PORT: u8 = 0x03;
/// The control byte after power on: translation of scan codes, self-test passed.
const CONTROL: u8 = 0x44;

const SELF_TEST_PASSED: u8 = 0x55;
const KEYBOARD_LINE_FINE: u8 = 0x00;
const MOUSE_LINE_DEAD: u8 = 0x01;

/// Commands to the keyboard, and its answers.
mod keyboard {
    pub const RESET: u8 = 0xff;
    pub const IDENTIFY: u8 = 0xf2;
    pub const ACKNOWLEDGE: u8 = 0xfa;
    pub const TEST_PASSED: u8 = 0xaa;
    pub const IDENTITY: [u8; 2] = [0xab, 0x83];
}

/// More answers than a guest can leave unread.
const OUTPUT_SIZE: usize = 16;

/// The keyboard controller: five ports, of which the first and the last are its own.
#[derive(Debug)]
pub struct I8042 {
    output: VecDeque<u8>,
    control: u8,
    /// The command that waits for its data.
    expecting: Option<u8>,
}

impl Default for I8042 {
    fn default() -> Self {
        Self::new()
    }
}

impl I8042 {
    /// The controller after power on.
    pub fn new() -> Self {
        Self { output: VecDeque::new(), control: CONTROL, expecting: None }
    }

    fn status(&self) -> u8 {
        let full = if self.output.is_empty() { 0 } else { OUTPUT_FULL };
        full | SYSTEM_FLAG | UNLOCKED
    }

    fn answer(&mut self, bytes: &[u8]) {
        let free = OUTPUT_SIZE.saturating_sub(self.output.len());
        self.output.extend(bytes.iter().take(free));
    }

    fn write_command(&mut self, value: u8) -> BusAction {
        self.expecting = None;
        match value {
            command::READ_CONTROL => self.answer(&[self.control]),
            command::SELF_TEST => self.answer(&[SELF_TEST_PASSED]),
            command::TEST_KEYBOARD => self.answer(&[KEYBOARD_LINE_FINE]),
            command::TEST_MOUSE => self.answer(&[MOUSE_LINE_DEAD]),
            command::READ_OUTPUT_PORT => self.answer(&[OUTPUT_PORT]),
            command::WRITE_CONTROL | command::WRITE_OUTPUT_PORT | command::WRITE_TO_MOUSE => {
                self.expecting = Some(value);
            }
            command::PULSE.. => return output_lines(value),
            _ => {}
        }
        BusAction::None
    }

    fn write_data(&mut self, value: u8) -> BusAction {
        match self.expecting.take() {
            Some(command::WRITE_CONTROL) => self.control = value,
            Some(command::WRITE_OUTPUT_PORT) => return output_lines(value),
            Some(_) => {}
            None => self.write_keyboard(value),
        }
        BusAction::None
    }

    fn write_keyboard(&mut self, value: u8) {
        self.answer(&[keyboard::ACKNOWLEDGE]);
        match value {
            keyboard::RESET => self.answer(&[keyboard::TEST_PASSED]),
            keyboard::IDENTIFY => self.answer(&keyboard::IDENTITY),
            _ => {}
        }
    }
}

/// What the lines of the output port do at these levels.
fn output_lines(levels: u8) -> BusAction {
    if levels & RESET_LINE == 0 { BusAction::Reset(ResetCause::KeyboardController) } else { BusAction::None }
}

impl BusDevice for I8042 {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        let Some(byte) = data.first_mut() else { return };
        match offset {
            DATA => *byte = self.output.pop_front().unwrap_or(0),
            STATUS => *byte = self.status(),
            _ => {}
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> BusAction {
        match (offset, data.first()) {
            (DATA, Some(value)) => self.write_data(*value),
            (STATUS, Some(value)) => self.write_command(*value),
            _ => BusAction::None,
        }
    }
}

impl Lifecycle for I8042 {
    fn pause(&mut self) {}

    fn resume(&mut self) {}

    fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
#[path = "i8042_test.rs"]
mod tests;
