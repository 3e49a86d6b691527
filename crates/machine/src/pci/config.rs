//! Configuration mechanism 1: an address register at 0xCF8 and a window of four bytes at 0xCFC (PCI 3.0,
//! 3.2.2.3.2).

use std::sync::Arc;

use virtio::Lifecycle;
use virtio::pci::register;

use super::{PciAddress, PciBus, action};
use crate::bus::{BusAction, BusDevice};
use crate::layout::{PCI_CONFIG_PORTS, RESET_PORT};
use crate::sync::lock;

const ADDRESS: u64 = 0;
const DATA: u64 = 4;
const ENABLE: u32 = 1 << 31;
/// The bit of the header type.
const SEVERAL_FUNCTIONS: u8 = 1 << 7;
const RESET: u64 = RESET_PORT.saturating_sub(PCI_CONFIG_PORTS.0);

/// The ports of the mechanism. In the middle of them the chipset has its reset register, which answers to
/// single bytes only, while the address register answers to double words only.
pub(crate) struct ConfigPorts<R> {
    address: u32,
    bus: Arc<PciBus>,
    reset: R,
}

/// What the address register selects: a function and a double word of its configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Selected {
    address: PciAddress,
    register: u8,
}

impl Selected {
    /// `None` if nothing is selected that can exist: there is one bus.
    fn of(address: u32) -> Option<Self> {
        let [register, function, bus, high] = address.to_le_bytes();
        let here = address & ENABLE != 0 && bus == 0 && high & 0x7F == 0;
        let address = PciAddress::new(function >> 3, function & 7);
        here.then_some(Self { address, register: register & !3 })
    }

    /// The register with the byte of the window from which on is accessed, 0 to 3.
    fn byte(self, window: u64) -> u8 {
        self.register | (window & 3) as u8
    }
}

impl<R: BusDevice> ConfigPorts<R> {
    /// The ports for this bus, with the reset register that lies among them.
    pub fn new(bus: Arc<PciBus>, reset: R) -> Self {
        Self { address: 0, bus, reset }
    }

    fn read_data(&self, window: u64, data: &mut [u8]) {
        let Some(selected) = Selected::of(self.address) else { return };
        if let Some(function) = self.bus.function(selected.address) {
            let offset = selected.byte(window);
            lock(function).read_config(offset, data);
            self.show_others(selected.address, offset, data);
        }
    }

    fn write_data(&self, window: u64, data: &[u8]) -> BusAction {
        let Some(selected) = Selected::of(self.address) else { return BusAction::None };
        let Some(function) = self.bus.function(selected.address) else { return BusAction::None };
        action(selected.address, lock(function).write_config(selected.byte(window), data))
    }

    /// Sets the bit that has systems look for more functions in a slot (PCI 3.0, 6.2.1). A function does not know
    /// what is beside it.
    fn show_others(&self, address: PciAddress, offset: u8, data: &mut [u8]) {
        let place = register::HEADER_TYPE.checked_sub(offset);
        if let Some(header) = place.and_then(|n| data.get_mut(usize::from(n)))
            && self.bus.is_shared(address)
        {
            *header |= SEVERAL_FUNCTIONS;
        }
    }
}

impl<R: Lifecycle> Lifecycle for ConfigPorts<R> {
    fn pause(&mut self) {
        self.reset.pause();
    }

    fn resume(&mut self) {
        self.reset.resume();
    }

    fn reset(&mut self) {
        self.address = 0;
        self.reset.reset();
    }
}

/// Whether an access of the data window is one that configuration space knows: 1, 2 or 4 bytes within a
/// double word.
fn fits(offset: u64, len: usize) -> bool {
    matches!((offset, len), (4..8, 1) | (4..7, 2) | (DATA, 4))
}

impl<R: BusDevice> BusDevice for ConfigPorts<R> {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        match (offset, data.len()) {
            (ADDRESS, 4) => data.copy_from_slice(&self.address.to_le_bytes()),
            (RESET, 1) => self.reset.read(0, data),
            (offset, len) if fits(offset, len) => self.read_data(offset.saturating_sub(DATA), data),
            _ => {}
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> BusAction {
        match (offset, data.len()) {
            (ADDRESS, 4) => self.address = data.try_into().map_or(0, u32::from_le_bytes),
            (RESET, 1) => return self.reset.write(0, data),
            (offset, len) if fits(offset, len) => return self.write_data(offset.saturating_sub(DATA), data),
            _ => {}
        }
        BusAction::None
    }
}
