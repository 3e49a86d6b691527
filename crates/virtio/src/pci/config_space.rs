//! The 256 bytes of a function's configuration space (PCI Local Bus Specification 3.0, chapter 6).

use super::{Bar, BarKind, read_image};

/// Offsets in the header (6.1).
pub mod register {
    /// Who made the function, 16 bits.
    pub const VENDOR_ID: u8 = 0x00;
    /// What it is among those of its maker, 16 bits.
    pub const DEVICE_ID: u8 = 0x02;
    /// What it may do: see [`command`](super::command), 16 bits.
    pub const COMMAND: u8 = 0x04;
    /// What it has and what has happened, 16 bits.
    pub const STATUS: u8 = 0x06;
    /// Its version, 8 bits.
    pub const REVISION: u8 = 0x08;
    /// What it is for, 24 bits.
    pub const CLASS: u8 = 0x09;
    /// The kind of header, and whether its slot has several functions, 8 bits.
    pub const HEADER_TYPE: u8 = 0x0e;
    /// The first of six base address registers, 32 bits each.
    pub const BAR0: u8 = 0x10;
    /// Who made the card, 16 bits.
    pub const SUBSYSTEM_VENDOR_ID: u8 = 0x2c;
    /// What the card is among those of its maker, 16 bits.
    pub const SUBSYSTEM_ID: u8 = 0x2e;
    /// Where the list of capabilities begins, 8 bits.
    pub const CAPABILITIES: u8 = 0x34;
    /// A note of the firmware for the operating system: where the pin arrives, 8 bits.
    pub const INTERRUPT_LINE: u8 = 0x3c;
    /// The interrupt pin: 1 for A to 4 for D, 0 for none, 8 bits.
    pub const INTERRUPT_PIN: u8 = 0x3d;
}

/// Bits of the command register (6.2.2).
pub mod command {
    /// Decode port ranges.
    pub const PORTS: u16 = 1 << 0;
    /// Decode memory ranges.
    pub const MEMORY: u16 = 1 << 1;
    /// Read and write memory, messages of interrupts included.
    pub const BUS_MASTER: u16 = 1 << 2;
    /// Keep the interrupt pin low.
    pub const INTX_DISABLE: u16 = 1 << 10;
}

/// Bits of the status register (6.2.3): an interrupt without message is due; there is a list of capabilities.
const STATUS_INTERRUPT: u8 = 1 << 3;
const STATUS_CAPABILITIES: u8 = 1 << 4;

/// The bit of a base address register which says that its range is one of ports (6.2.5.1).
const BAR_IS_PORTS: u32 = 1;
/// The end of all ports.
const PORTS_END: u64 = 0x1_0000;

/// Where the first capability goes: right behind the header.
const FIRST_CAPABILITY: u8 = 0x40;

/// What a function is.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Who made it, 16 bits (0x1af4 for virtio).
    pub vendor: u16,
    /// What it is among those of its maker.
    pub device: u16,
    /// Its version.
    pub revision: u8,
    /// Base class, subclass, interface (appendix D).
    pub class: [u8; 3],
}

/// A configuration space with a header of type 0. Each bit is either fixed or the guest's to write.
#[derive(Debug)]
pub struct ConfigSpace {
    bytes: [u8; 256],
    writable: [u8; 256],
    /// Base address registers with what is behind them: number, kind, size.
    ranges: Vec<(u8, BarKind, u32)>,
    next_capability: u8,
    /// The byte that points to the next capability.
    link: u8,
}

impl ConfigSpace {
    /// The configuration space of such a function, without ranges, capabilities and interrupt pin. The guest may
    /// write the command register and the interrupt line.
    pub fn new(identity: Identity) -> Self {
        let mut space = Self {
            bytes: [0; 256],
            writable: [0; 256],
            ranges: Vec::new(),
            next_capability: FIRST_CAPABILITY,
            link: register::CAPABILITIES,
        };
        space.set(register::VENDOR_ID, &identity.vendor.to_le_bytes());
        space.set(register::DEVICE_ID, &identity.device.to_le_bytes());
        space.set(register::REVISION, &[identity.revision]);
        let [base, sub, interface] = identity.class;
        space.set(register::CLASS, &[interface, sub, base]);
        space.set(register::SUBSYSTEM_VENDOR_ID, &identity.vendor.to_le_bytes());
        space.set(register::SUBSYSTEM_ID, &identity.device.to_le_bytes());
        let command = command::MEMORY | command::BUS_MASTER | command::INTX_DISABLE;
        space.allow(register::COMMAND, &command.to_le_bytes());
        // A note of the firmware for the operating system.
        space.allow(register::INTERRUPT_LINE, &[0xff]);
        space
    }

    /// Adds a 32-bit memory range behind base address register `index`. `size` is a power of two from 16.
    pub fn add_memory_bar(&mut self, index: u8, size: u32) {
        // The size is found by writing ones: the bits below it stay zero (6.2.5.1).
        self.allow(bar_register(index), &size.wrapping_neg().to_le_bytes());
        self.ranges.push((index, BarKind::Memory, size));
    }

    /// Adds a range of ports behind base address register `index`, and the bit of the command register that lets
    /// the function decode it. `size` is a power of two from 4 to 256, or more for a function that no bus of cards
    /// ever sees (6.2.5.1).
    pub fn add_port_bar(&mut self, index: u8, size: u32) {
        self.set(bar_register(index), &BAR_IS_PORTS.to_le_bytes());
        self.allow(bar_register(index), &size.wrapping_neg().to_le_bytes());
        self.ranges.push((index, BarKind::Io, size));
        let [low, _] = command::PORTS.to_le_bytes();
        if let Some(mask) = self.writable.get_mut(usize::from(register::COMMAND)) {
            *mask |= low;
        }
    }

    /// Appends a capability: its id, what follows behind the link to the next one, and which bits of that the
    /// guest may write. Gives the capability's offset.
    pub fn add_capability(&mut self, id: u8, body: &[u8], writable: &[u8]) -> u8 {
        let at = self.next_capability;
        self.set(register::STATUS, &[STATUS_CAPABILITIES]);
        self.set(self.link, &[at]);
        self.set(at, &[id, 0]);
        self.link = at.wrapping_add(1);
        let start = at.wrapping_add(2);
        self.set(start, body);
        self.allow(start, writable);
        let end = usize::from(start).saturating_add(body.len()).next_multiple_of(4);
        self.next_capability = u8::try_from(end).unwrap_or(u8::MAX);
        at
    }

    /// Reads, of any width at any offset.
    pub fn read(&self, offset: u8, data: &mut [u8]) {
        read_image(&self.bytes, offset.into(), data);
    }

    /// A guest's write: changes the bits that are its to write.
    pub fn write(&mut self, offset: u8, data: &[u8]) {
        let start = usize::from(offset);
        let bytes = self.bytes.iter_mut().zip(&self.writable).skip(start);
        for ((byte, mask), new) in bytes.zip(data) {
            *byte = (*byte & !mask) | (new & mask);
        }
    }

    /// The 16 bits at `offset`.
    pub fn u16(&self, offset: u8) -> u16 {
        let mut bytes = [0; 2];
        self.read(offset, &mut bytes);
        u16::from_le_bytes(bytes)
    }

    /// The 32 bits at `offset`.
    pub fn u32(&self, offset: u8) -> u32 {
        let mut bytes = [0; 4];
        self.read(offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// The command register.
    pub fn command(&self) -> u16 {
        self.u16(register::COMMAND)
    }

    /// The ranges that the function decodes: as its registers say, if its command register lets it (6.2.2). A range
    /// of ports that is not below 64 Ki is nowhere.
    pub fn bars(&self) -> Vec<Bar> {
        let command = self.command();
        let bar = |&(index, kind, size): &(u8, BarKind, u32)| {
            let (enable, low_bits) = match kind {
                BarKind::Io => (command::PORTS, BAR_IS_PORTS),
                BarKind::Memory => (command::MEMORY, 0),
            };
            let address = u64::from(self.u32(bar_register(index)) & !low_bits);
            let bar = Bar { index, kind, address, size: size.into() };
            (command & enable != 0 && bar.is_addressable()).then_some(bar)
        };
        self.ranges.iter().filter_map(bar).collect()
    }

    /// Shows in the status register whether an interrupt without message is due (6.2.3).
    pub fn show_interrupt(&mut self, due: bool) {
        if let Some(status) = self.bytes.get_mut(usize::from(register::STATUS)) {
            *status = (*status & !STATUS_INTERRUPT) | if due { STATUS_INTERRUPT } else { 0 };
        }
    }

    /// All that the guest has written becomes zero, as after reset (6.2.2, 6.2.5, 6.8.2).
    pub fn reset(&mut self) {
        for (byte, mask) in self.bytes.iter_mut().zip(&self.writable) {
            *byte &= !mask;
        }
    }

    /// Sets bytes whether or not the guest could.
    pub fn set(&mut self, offset: u8, data: &[u8]) {
        copy(&mut self.bytes, offset, data);
    }

    /// Lets the guest write the bits of this mask from `offset` on, and no others there.
    pub fn allow(&mut self, offset: u8, mask: &[u8]) {
        copy(&mut self.writable, offset, mask);
    }
}

impl Bar {
    /// Whether all of it lies where such addresses exist.
    fn is_addressable(&self) -> bool {
        self.kind == BarKind::Memory || self.address.saturating_add(self.size) <= PORTS_END
    }
}

fn copy(bytes: &mut [u8], offset: u8, data: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(offset.into()).zip(data) {
        *to = *from;
    }
}

fn bar_register(index: u8) -> u8 {
    register::BAR0.wrapping_add(index.wrapping_mul(4))
}

#[cfg(test)]
#[path = "config_space_test.rs"]
mod tests;
