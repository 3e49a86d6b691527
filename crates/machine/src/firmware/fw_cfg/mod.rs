//! The configuration for firmware (QEMU, `docs/specs/fw_cfg.rst`).
//!
//! | port | width | what |
//! |---|---|---|
//! | 0x510 | 2 | selector: which item is read, from its start |
//! | 0x511 | 1 | data: the item's next byte; zeroes behind its end |
//! | 0x514 | 4 | upper half of the address of a request for direct access; reads as a signature |
//! | 0x518 | 4 | lower half, which carries the request out; reads as the signature's other half |
//!
//! A request is 16 bytes in the guest's memory ("Guest-side DMA Interface"): what to do, how much, where. It is
//! carried out before the write of its address is over, and its first word then says how it went. The guest is not
//! believed: only its RAM is read and written, one request moves at most [`MAX_TRANSFER`] bytes, and it makes no
//! difference if it lies in what it overwrites. Nothing can be written to: no item that a guest could change is
//! offered.

mod items;

use virtio::{GuestRam, Lifecycle};
use vm_memory::{Bytes, GuestAddress};
use zerocopy::{FromBytes, IntoBytes};

pub(crate) use items::{Items, key};

use crate::{BusAction, BusDevice};

/// The most bytes that one request moves, more than any item has. It keeps a request short, zeroes behind an item's
/// end included.
pub const MAX_TRANSFER: u32 = 1 << 20;

const SELECTOR: u64 = 0;
const DATA: u64 = 1;
const DMA_HIGH: u64 = 4;
const DMA_LOW: u64 = 8;

/// What the address reads as ("DMA Interface").
const SIGNATURE: &[u8; 8] = b"QEMU CFG";
/// The bits of a request's first word; its upper half is an item.
const ERROR: u32 = 1 << 0;
const READ: u32 = 1 << 1;
const SKIP: u32 = 1 << 2;
const SELECT: u32 = 1 << 3;
const WRITE: u32 = 1 << 4;

/// A request for direct access; all numbers are big endian.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, zerocopy::Immutable)]
#[repr(C)]
struct Request {
    control: [u8; 4],
    length: [u8; 4],
    address: [u8; 8],
}

/// The interface: the selected item, how far it was read, and the upper half of the next request's address.
pub struct FwCfg {
    items: Items,
    ram: GuestRam,
    selected: u16,
    offset: usize,
    dma_high: u32,
}

impl FwCfg {
    /// The interface with these items, in a machine with this RAM.
    pub(crate) fn new(items: Items, ram: GuestRam) -> Self {
        Self { items, ram, selected: 0, offset: 0, dma_high: 0 }
    }

    fn select(&mut self, key: u16) {
        self.selected = key;
        self.offset = 0;
    }

    /// The next bytes of the item, as far as there are some.
    fn take(&mut self, length: usize) -> &[u8] {
        let start = self.offset;
        self.offset = self.offset.saturating_add(length);
        let rest = self.items.get(self.selected).get(start..).unwrap_or_default();
        rest.get(..length).unwrap_or(rest)
    }

    /// Carries out the request at `address`. A request that is not in RAM can not be answered.
    fn transfer(&mut self, address: u64) {
        let at = GuestAddress(address);
        let mut request = [0; 16];
        if self.ram.read_slice(&mut request, at).is_err() {
            return;
        }
        let Ok(request) = Request::read_from_bytes(&request) else { return };
        let result = self.carry_out(request).map_or(ERROR, |()| 0);
        let _ = self.ram.write_slice(&result.to_be_bytes(), at);
    }

    /// `None` if it is refused or can not be done ("control": errors; a read that fails may have been done in part).
    fn carry_out(&mut self, request: Request) -> Option<()> {
        let control = u32::from_be_bytes(request.control);
        let length = u32::from_be_bytes(request.length);
        if control & SELECT != 0 {
            self.select((control >> 16) as u16);
        }
        // The first of these that is set counts.
        if control & READ != 0 {
            let length = usize::try_from(length).ok().filter(|_| length <= MAX_TRANSFER)?;
            self.read_to(u64::from_be_bytes(request.address), length)
        } else if control & WRITE != 0 {
            None
        } else if control & SKIP != 0 {
            self.take(usize::try_from(length).ok()?);
            Some(())
        } else {
            Some(())
        }
    }

    fn read_to(&mut self, address: u64, length: usize) -> Option<()> {
        let ram = self.ram.clone();
        let bytes = self.take(length);
        ram.write_slice(bytes, GuestAddress(address)).ok()?;
        let rest = vec![0; length.saturating_sub(bytes.len())];
        let behind = address.checked_add(bytes.len() as u64)?;
        if rest.is_empty() { Some(()) } else { ram.write_slice(&rest, GuestAddress(behind)).ok() }
    }
}

impl BusDevice for FwCfg {
    fn read(&mut self, offset: u64, data: &mut [u8]) {
        match (offset, data) {
            (DATA, [byte]) => *byte = self.take(1).first().copied().unwrap_or(0),
            (DMA_HIGH.., data) => {
                let signature =
                    SIGNATURE.iter().skip(usize::try_from(offset.saturating_sub(DMA_HIGH)).unwrap_or(8));
                data.iter_mut().zip(signature).for_each(|(to, from)| *to = *from);
            }
            _ => {}
        }
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> BusAction {
        match (offset, data) {
            (SELECTOR, [low, high]) => self.select(u16::from_le_bytes([*low, *high])),
            (DMA_HIGH, [a, b, c, d]) => self.dma_high = u32::from_be_bytes([*a, *b, *c, *d]),
            (DMA_LOW, [a, b, c, d]) => {
                let low = u32::from_be_bytes([*a, *b, *c, *d]);
                let high = std::mem::take(&mut self.dma_high);
                self.transfer(u64::from(high) << 32 | u64::from(low));
            }
            _ => {}
        }
        BusAction::None
    }
}

/// There is no work to pause.
impl Lifecycle for FwCfg {
    fn pause(&mut self) {}

    fn resume(&mut self) {}

    fn reset(&mut self) {
        self.select(0);
        self.dma_high = 0;
    }
}

#[cfg(test)]
#[path = "fw_cfg_test.rs"]
mod tests;
