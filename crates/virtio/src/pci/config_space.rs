//! The 256 bytes of a function's configuration space (PCI Local Bus Specification 3.0, chapter 6).

use super::read_image;

/// Offsets in the header (6.1).
pub(super) mod register {
    pub(in super::super) const VENDOR_ID: u8 = 0x00;
    pub(in super::super) const DEVICE_ID: u8 = 0x02;
    pub(in super::super) const COMMAND: u8 = 0x04;
    pub(in super::super) const STATUS: u8 = 0x06;
    pub(in super::super) const REVISION: u8 = 0x08;
    pub(in super::super) const CLASS: u8 = 0x09;
    pub(in super::super) const BAR0: u8 = 0x10;
    pub(in super::super) const SUBSYSTEM_VENDOR_ID: u8 = 0x2c;
    pub(in super::super) const SUBSYSTEM_ID: u8 = 0x2e;
    pub(in super::super) const CAPABILITIES: u8 = 0x34;
    pub(in super::super) const INTERRUPT_LINE: u8 = 0x3c;
}

/// Bits of the command register (6.2.2).
pub(super) mod command {
    pub(in super::super) const MEMORY: u16 = 1 << 1;
    pub(in super::super) const BUS_MASTER: u16 = 1 << 2;
    pub(in super::super) const INTX_DISABLE: u16 = 1 << 10;
}

/// The bit of the status register which says that there is a list of capabilities (6.2.3).
const STATUS_CAPABILITIES: u16 = 1 << 4;

/// Where the first capability goes: right behind the header.
const FIRST_CAPABILITY: u8 = 0x40;

/// What a function is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) vendor: u16,
    pub(super) device: u16,
    pub(super) revision: u8,
    /// Base class, subclass, interface.
    pub(super) class: [u8; 3],
}

/// A configuration space with a header of type 0. Each bit is either fixed or the guest's to write.
#[derive(Debug)]
pub(super) struct ConfigSpace {
    bytes: [u8; 256],
    writable: [u8; 256],
    next_capability: u8,
    /// The byte that points to the next capability.
    link: u8,
}

impl ConfigSpace {
    pub(super) fn new(identity: Identity) -> Self {
        let mut space = Self {
            bytes: [0; 256],
            writable: [0; 256],
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
    pub(super) fn add_memory_bar(&mut self, index: u8, size: u32) {
        // The size is found by writing ones: the bits below it stay zero (6.2.5.1).
        self.allow(bar_register(index), &size.wrapping_neg().to_le_bytes());
    }

    /// Appends a capability: its id, what follows behind the link to the next one, and which bits of that the
    /// guest may write. Gives the capability's offset.
    pub(super) fn add_capability(&mut self, id: u8, body: &[u8], writable: &[u8]) -> u8 {
        let at = self.next_capability;
        self.set(register::STATUS, &STATUS_CAPABILITIES.to_le_bytes());
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

    pub(super) fn read(&self, offset: u8, data: &mut [u8]) {
        read_image(&self.bytes, offset.into(), data);
    }

    /// A guest's write: changes the bits that are its to write.
    pub(super) fn write(&mut self, offset: u8, data: &[u8]) {
        let start = usize::from(offset);
        let bytes = self.bytes.iter_mut().zip(&self.writable).skip(start);
        for ((byte, mask), new) in bytes.zip(data) {
            *byte = (*byte & !mask) | (new & mask);
        }
    }

    pub(super) fn u16(&self, offset: u8) -> u16 {
        let mut bytes = [0; 2];
        self.read(offset, &mut bytes);
        u16::from_le_bytes(bytes)
    }

    pub(super) fn u32(&self, offset: u8) -> u32 {
        let mut bytes = [0; 4];
        self.read(offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// The address in base address register `index` if the function decodes memory.
    pub(super) fn memory_bar(&self, index: u8) -> Option<u64> {
        let decodes = self.u16(register::COMMAND) & command::MEMORY != 0;
        decodes.then(|| self.u32(bar_register(index)).into())
    }

    /// All that the guest has written becomes zero, as after reset (6.2.2, 6.2.5, 6.8.2).
    pub(super) fn reset(&mut self) {
        for (byte, mask) in self.bytes.iter_mut().zip(&self.writable) {
            *byte &= !mask;
        }
    }

    /// Sets bytes whether or not the guest could.
    pub(super) fn set(&mut self, offset: u8, data: &[u8]) {
        copy(&mut self.bytes, offset, data);
    }

    fn allow(&mut self, offset: u8, mask: &[u8]) {
        copy(&mut self.writable, offset, mask);
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
