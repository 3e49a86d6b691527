//! The reset control register of the PIIX3 (Intel 82371SB data sheet, "RC - Reset Control Register"), port 0xCF9.
//! The FADT names it as the machine's reset register.

use proto::ResetCause;
use virtio::Lifecycle;

use crate::{BusAction, BusDevice};

/// `RCPU`: the write that sets it resets the machine.
const RESET_CPU: u8 = 1 << 2;
/// `SRST`: whether that reset is a hard one. They are the same to us.
const SYSTEM_RESET: u8 = 1 << 1;
/// What has to be written for a hard reset.
pub(crate) const RESET_VALUE: u8 = RESET_CPU | SYSTEM_RESET;

/// The register: one byte.
#[derive(Debug, Default)]
pub struct ResetControl {
    kind: u8,
}

impl ResetControl {
    /// The register after power on.
    pub fn new() -> Self {
        Self::default()
    }
}

impl BusDevice for ResetControl {
    fn read(&mut self, _offset: u64, data: &mut [u8]) {
        if let Some(byte) = data.first_mut() {
            *byte = self.kind;
        }
    }

    fn write(&mut self, _offset: u64, data: &[u8]) -> BusAction {
        let Some(value) = data.first() else { return BusAction::None };
        self.kind = value & SYSTEM_RESET;
        if value & RESET_CPU != 0 { BusAction::Reset(ResetCause::ResetRegister) } else { BusAction::None }
    }
}

impl Lifecycle for ResetControl {
    fn pause(&mut self) {}

    fn resume(&mut self) {}

    fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_reads_back_and_the_reset_bit_resets() {
        let mut reset = ResetControl::new();
        assert_eq!(reset.write(0, &[SYSTEM_RESET]), BusAction::None);
        let mut data = [0xff];
        reset.read(0, &mut data);
        assert_eq!(data, [SYSTEM_RESET]);
        assert_eq!(reset.write(0, &[RESET_VALUE]), BusAction::Reset(ResetCause::ResetRegister));
        assert_eq!(reset.write(0, &[RESET_CPU]), BusAction::Reset(ResetCause::ResetRegister));
        reset.reset();
        reset.read(0, &mut data);
        assert_eq!(data, [0]);
    }
}
