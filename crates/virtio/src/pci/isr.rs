//! The interrupt of a function that sends no messages: a status, and the pin that follows it (virtio 1.2, 4.1.4.5;
//! PCI 3.0, 2.2.6).

use std::sync::Arc;

use super::{Pin, command};

/// Why a function interrupts, and its pin.
///
/// The pin is high exactly while something is due, the function uses no messages (MSI-X), and its command register
/// does not keep the pin low. Whoever owns this has it behind a lock, so that two changes do not overtake one another
/// on their way to the pin.
#[derive(Default)]
pub struct InterruptStatus {
    due: u8,
    /// Messages are on: the pin has no part in it.
    messages: bool,
    /// The command register keeps the pin low.
    disabled: bool,
    pin: Option<Arc<dyn Pin>>,
}

impl InterruptStatus {
    /// Connects the pin.
    pub fn connect(&mut self, pin: Arc<dyn Pin>) {
        self.pin = Some(pin);
        self.drive();
    }

    /// Whether messages are used instead.
    pub fn uses_messages(&self) -> bool {
        self.messages
    }

    /// The guest has written the registers that decide: whether messages are on, and its command register.
    pub fn configure(&mut self, messages: bool, command: u16) {
        self.messages = messages;
        self.disabled = command & command::INTX_DISABLE != 0;
        self.drive();
    }

    /// These reasons are due.
    pub fn raise(&mut self, reasons: u8) {
        self.due |= reasons;
        self.drive();
    }

    /// The reasons that are due, and from now on are not: what reading the register does.
    pub fn take(&mut self) -> u8 {
        let due = std::mem::take(&mut self.due);
        self.drive();
        due
    }

    /// What the status register of configuration space says: something is due, whether or not the command register
    /// lets the pin show it (PCI 3.0, 6.2.3).
    pub fn is_due(&self) -> bool {
        self.due != 0 && !self.messages
    }

    fn drive(&self) {
        if let Some(pin) = &self.pin {
            pin.set(self.is_due() && !self.disabled);
        }
    }
}
