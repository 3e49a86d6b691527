//! Addresses for the ranges of PCI functions, given out as firmware would (PCI 3.0, 6.2.5.1).

use virtio::pci::{PciFunction, command, register};

use super::PciError;
use crate::layout;

/// A driver usually sees to it itself that its function may access memory, but it may also rely on the firmware.
const ENABLE: u16 = command::PORTS | command::MEMORY | command::BUS_MASTER;
const IS_PORTS: u32 = 1;
const IS_64_BIT: u32 = 4;

/// What is left of the two windows.
pub(super) struct Windows {
    ports: Window,
    memory: Window,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            ports: Window { next: layout::PCI_PORTS_START, end: layout::PCI_PORTS_END },
            memory: Window { next: layout::PCI_START, end: layout::PCI_END },
        }
    }
}

struct Window {
    next: u64,
    end: u64,
}

impl Window {
    /// The next piece of this size, a power of two, on a multiple of it.
    fn take(&mut self, size: u64) -> Option<u64> {
        let start = self.next.checked_next_multiple_of(size)?;
        self.next = start.checked_add(size).filter(|end| *end <= self.end)?;
        Some(start)
    }
}

impl Windows {
    /// Places all ranges of a function and lets it decode them and access memory.
    pub fn place(&mut self, function: &mut dyn PciFunction) -> Result<(), PciError> {
        let mut bar = 0;
        while bar < 6 {
            bar = self.place_bar(function, bar)?;
        }
        let mut command = [0; 2];
        function.read_config(register::COMMAND, &mut command);
        let command = u16::from_le_bytes(command) | ENABLE;
        // The caller asks the function anew in any case.
        let _ = function.write_config(register::COMMAND, &command.to_le_bytes());
        Ok(())
    }

    /// Places range `bar`, if there is one. The number of the next.
    fn place_bar(&mut self, function: &mut dyn PciFunction, bar: u8) -> Result<u8, PciError> {
        let next = bar.saturating_add(1);
        let low = size_mask(function, bar);
        if low & IS_PORTS != 0 {
            // The upper half may be hardwired to 0: there are no more than 64 Ki ports.
            let size = u64::from((!(low & !3)).wrapping_add(1) & 0xFFFF);
            let address = self.ports.take(size).ok_or(PciError::Window)?;
            write_half(function, bar, address);
            return Ok(next);
        }
        if low == 0 {
            return Ok(next);
        }
        let wide = low & IS_64_BIT != 0;
        let high = if wide { size_mask(function, next) } else { u32::MAX };
        let mask = u64::from(high) << 32 | u64::from(low & !0xF);
        let address = self.memory.take((!mask).wrapping_add(1)).ok_or(PciError::Window)?;
        write_half(function, bar, address);
        if wide {
            write_half(function, next, address >> 32);
            return Ok(next.saturating_add(1));
        }
        Ok(next)
    }
}

/// What a register says after all ones were written to it: which bits of an address it keeps, and its kind.
fn size_mask(function: &mut dyn PciFunction, bar: u8) -> u32 {
    write_half(function, bar, u32::MAX.into());
    let mut data = [0; 4];
    function.read_config(bar_register(bar), &mut data);
    u32::from_le_bytes(data)
}

fn write_half(function: &mut dyn PciFunction, bar: u8, address: u64) {
    // The caller asks the function anew in any case.
    let _ = function.write_config(bar_register(bar), &(address as u32).to_le_bytes());
}

fn bar_register(bar: u8) -> u8 {
    register::BAR0.saturating_add(bar.saturating_mul(4))
}
