//! System control port A, 0x92 (IBM Personal System/2 Hardware Interface Technical Reference, "System Control Port A"):
//! a quick way to what otherwise the keyboard controller does.

use proto::ResetCause;
use virtio::Lifecycle;

use crate::{BusAction, BusDevice};

/// Resets the processor when it is set.
const FAST_RESET: u8 = 1 << 0;
/// Whether address line 20 is let through. It always is, as on the keyboard controller's output port; the bit reads back.
const GATE_A20: u8 = 1 << 1;

/// The port: one byte.
#[derive(Debug)]
pub struct SystemPort {
    gate: u8,
}

impl Default for SystemPort {
    fn default() -> Self {
        Self::new()
    }
}

impl SystemPort {
    /// The port after power on.
    pub fn new() -> Self {
        Self { gate: GATE_A20 }
    }
}

impl BusDevice for SystemPort {
    fn read(&mut self, _offset: u64, data: &mut [u8]) {
        if let Some(byte) = data.first_mut() {
            *byte = self.gate;
        }
    }

    fn write(&mut self, _offset: u64, data: &[u8]) -> BusAction {
        let Some(value) = data.first() else { return BusAction::None };
        self.gate = value & GATE_A20;
        if value & FAST_RESET != 0 { BusAction::Reset(ResetCause::SystemPort) } else { BusAction::None }
    }
}

impl Lifecycle for SystemPort {
    fn pause(&mut self) {}

    fn resume(&mut self) {}

    fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(port: &mut SystemPort) -> u8 {
        let mut data = [0xff];
        port.read(0, &mut data);
        data[0]
    }

    #[test]
    fn the_gate_reads_back_and_the_reset_bit_resets() {
        let mut port = SystemPort::new();
        assert_eq!(read(&mut port), GATE_A20);
        assert_eq!(port.write(0, &[0xfc]), BusAction::None);
        assert_eq!(read(&mut port), 0);
        assert_eq!(port.write(0, &[GATE_A20 | FAST_RESET]), BusAction::Reset(ResetCause::SystemPort));
        assert_eq!(read(&mut port), GATE_A20, "a reset is not a state");
    }
}
