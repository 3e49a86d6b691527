//! The bridge to the legacy chips, which every PC of this kind has. Stock firmware and systems know it by its id;
//! there is nothing in it to program that would matter here.

use std::sync::Arc;

use virtio::Lifecycle;
use virtio::pci::{Action, Bar, Doorbell, MsixVector, PciFunction};
use vmm_sys_util::eventfd::EventFd;

const VENDOR_INTEL: u16 = 0x8086;
const COMMAND: usize = 0x04;
/// Decode memory and ports, be bus master.
const COMMAND_POWER_ON: u8 = 7;

/// A function with a configuration space and nothing else.
pub(crate) struct Bridge {
    config: [u8; 64],
}

impl Bridge {
    /// The ISA bridge of the PIIX3 (82371SB).
    pub fn isa() -> Self {
        Self::new(0x7000, 0, 0x01)
    }

    /// A bridge (class 6) of Intel's.
    fn new(device: u16, revision: u8, subclass: u8) -> Self {
        let mut config = [0; 64];
        let fields = VENDOR_INTEL.to_le_bytes().into_iter().chain(device.to_le_bytes());
        let fields = fields.chain([COMMAND_POWER_ON, 0, 0, 0, revision, 0, subclass, 6]);
        config.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        Self { config }
    }
}

impl PciFunction for Bridge {
    fn read_config(&mut self, offset: u8, data: &mut [u8]) {
        let bytes = self.config.iter().skip(offset.into()).chain(std::iter::repeat(&0));
        data.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    }

    fn write_config(&mut self, offset: u8, data: &[u8]) -> Action {
        // The low byte of the command register keeps what is written; all else is fixed.
        let place = COMMAND.checked_sub(offset.into());
        if let (Some(written), Some(command)) =
            (place.and_then(|n| data.get(n)), self.config.get_mut(COMMAND))
        {
            *command = *written & COMMAND_POWER_ON;
        }
        Action::NONE
    }

    fn bars(&self) -> Vec<Bar> {
        Vec::new()
    }

    fn read_bar(&mut self, _: u8, _: u64, data: &mut [u8]) {
        data.fill(0xFF);
    }

    fn write_bar(&mut self, _: u8, _: u64, _: &[u8]) -> Action {
        Action::NONE
    }

    fn doorbells(&self) -> Vec<Doorbell> {
        Vec::new()
    }

    fn msix(&self) -> Vec<Option<MsixVector>> {
        Vec::new()
    }

    fn msix_events(&self) -> &[Arc<EventFd>] {
        &[]
    }
}

/// There is no work to pause, and only the command register to reset.
impl Lifecycle for Bridge {
    fn pause(&mut self) {}

    fn resume(&mut self) {}

    fn reset(&mut self) {
        if let Some(command) = self.config.get_mut(COMMAND) {
            *command = COMMAND_POWER_ON;
        }
    }
}
