//! Requests of a block driver (virtio 1.2, 5.2.6), copied out of the guest and checked.

use virtio_bindings::virtio_blk::{
    VIRTIO_BLK_ID_BYTES, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_IN,
    VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP,
};
use vm_memory::GuestAddress;

use crate::{BadAddress, Chain, GuestRam};

/// Bytes in front of the data: type, a reserved word, the first sector.
pub(super) const HEADER: u64 = 16;

/// Bytes of the one segment that a discard or a write of zeroes has: first sector, number of sectors, flags.
const SEGMENT: u64 = 16;

/// The most sectors in one discard, 2 GiB: it costs the host little, however long.
pub(super) const MAX_DISCARD_SECTORS: u32 = 4 << 20;

/// The most sectors in one write of zeroes, 64 MiB: a host may have to write them all.
pub(super) const MAX_ZEROES_SECTORS: u32 = 128 << 10;

/// A request that can be carried out as it is: its range is on the disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Read { offset: u64, len: u64 },
    Write { offset: u64, len: u64 },
    Flush,
    GetId { len: u64 },
    Discard { offset: u64, len: u64 },
    WriteZeroes { offset: u64, len: u64, unmap: bool },
}

/// Why there is nothing to carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is against the rules: VIRTIO_BLK_S_IOERR.
    Invalid,
    /// It is something that the device does not do: VIRTIO_BLK_S_UNSUPP.
    Unsupported,
}

impl From<BadAddress> for Refusal {
    fn from(_: BadAddress) -> Self {
        Self::Invalid
    }
}

/// Where the status of a request goes: the last byte that the device may write. Without one, the request cannot
/// be answered at all.
pub(super) fn status_address(chain: &Chain) -> Option<GuestAddress> {
    let last = chain.writable().len().checked_sub(1)?;
    chain.writable().address(last)
}

/// Copies a request out of the guest and checks it against a disk of `capacity` bytes.
pub(super) fn parse(chain: &Chain, memory: &GuestRam, capacity: u64) -> Result<Request, Refusal> {
    let mut header = [0; HEADER as usize];
    chain.readable().read(memory, 0, &mut header)?;
    let [a, b, c, d, _, _, _, _, sector @ ..] = header;
    let sector = u64::from_le_bytes(sector);
    let disk = Disk { capacity };
    match u32::from_le_bytes([a, b, c, d]) {
        VIRTIO_BLK_T_IN => {
            let (offset, len) = disk.transfer(sector, chain.writable().len().saturating_sub(1))?;
            Ok(Request::Read { offset, len })
        }
        VIRTIO_BLK_T_OUT => {
            let (offset, len) = disk.transfer(sector, chain.readable().len().saturating_sub(HEADER))?;
            Ok(Request::Write { offset, len })
        }
        VIRTIO_BLK_T_FLUSH => Ok(Request::Flush),
        VIRTIO_BLK_T_GET_ID => {
            let len = chain.writable().len().saturating_sub(1).min(VIRTIO_BLK_ID_BYTES.into());
            Ok(Request::GetId { len })
        }
        VIRTIO_BLK_T_DISCARD => {
            let segment = Segment::read(chain, memory)?;
            segment.check_flags(0)?;
            let (offset, len) = disk.range(segment, MAX_DISCARD_SECTORS)?;
            Ok(Request::Discard { offset, len })
        }
        VIRTIO_BLK_T_WRITE_ZEROES => {
            let segment = Segment::read(chain, memory)?;
            segment.check_flags(VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)?;
            let (offset, len) = disk.range(segment, MAX_ZEROES_SECTORS)?;
            Ok(Request::WriteZeroes { offset, len, unmap: segment.flags != 0 })
        }
        _ => Err(Refusal::Unsupported),
    }
}

/// What ranges are checked against.
struct Disk {
    capacity: u64,
}

impl Disk {
    /// Data of whole sectors (5.2.6.1), as offset and length in bytes.
    fn transfer(&self, sector: u64, len: u64) -> Result<(u64, u64), Refusal> {
        match len.checked_rem(disk::SECTOR) {
            Some(0) => self.check(sector, len),
            _ => Err(Refusal::Invalid),
        }
    }

    /// The range of a segment of up to `max` sectors.
    fn range(&self, segment: Segment, max: u32) -> Result<(u64, u64), Refusal> {
        if segment.sectors > max {
            return Err(Refusal::Invalid);
        }
        self.check(segment.sector, u64::from(segment.sectors).saturating_mul(disk::SECTOR))
    }

    fn check(&self, sector: u64, len: u64) -> Result<(u64, u64), Refusal> {
        let offset = sector.checked_mul(disk::SECTOR).ok_or(Refusal::Invalid)?;
        let end = offset.checked_add(len).ok_or(Refusal::Invalid)?;
        if end <= self.capacity { Ok((offset, len)) } else { Err(Refusal::Invalid) }
    }
}

/// `struct virtio_blk_discard_write_zeroes`.
#[derive(Clone, Copy, Debug)]
struct Segment {
    sector: u64,
    sectors: u32,
    flags: u32,
}

impl Segment {
    /// Copies the one segment of a request out of the guest.
    fn read(chain: &Chain, memory: &GuestRam) -> Result<Self, Refusal> {
        if chain.readable().len() != HEADER.saturating_add(SEGMENT) {
            return Err(Refusal::Invalid);
        }
        let mut bytes = [0; SEGMENT as usize];
        chain.readable().read(memory, HEADER, &mut bytes)?;
        let [s0, s1, s2, s3, s4, s5, s6, s7, n0, n1, n2, n3, flags @ ..] = bytes;
        Ok(Self {
            sector: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            sectors: u32::from_le_bytes([n0, n1, n2, n3]),
            flags: u32::from_le_bytes(flags),
        })
    }

    /// A flag that is unknown, or means nothing for the request, makes it unsupported (5.2.6.2).
    fn check_flags(&self, known: u32) -> Result<(), Refusal> {
        if self.flags & !known == 0 { Ok(()) } else { Err(Refusal::Unsupported) }
    }
}

#[cfg(test)]
#[path = "request_test.rs"]
mod tests;
