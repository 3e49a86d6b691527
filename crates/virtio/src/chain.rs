//! Descriptor chains: what a driver asks for, as ranges of guest memory.

use std::ops::Deref;

use virtio_queue::DescriptorChain;
use vm_memory::{Bytes, GuestAddress, GuestMemory, GuestMemoryBackend, VolatileSlice};

use crate::GuestRam;

/// One chain: what the device may read, followed by what it may write (virtio 1.2, 2.7.4.2).
///
/// The descriptors were copied out of guest memory once, so their number, order and lengths stay what they were
/// found to be. Their addresses are not checked yet, and how the driver has cut the data into descriptors means
/// nothing (2.7.4.1).
#[derive(Debug)]
pub struct Chain {
    head: u16,
    ranges: Vec<Range>,
    /// How many of the ranges are for reading.
    readable: usize,
}

#[derive(Clone, Copy, Debug)]
struct Range {
    address: GuestAddress,
    len: u64,
}

/// An address that the driver gave is not in the guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a descriptor points outside the guest's memory")]
pub struct BadAddress;

/// The device-readable or the device-writable part of a chain, as one run of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Area<'a> {
    ranges: &'a [Range],
}

impl Chain {
    /// Copies a chain of at most `max` descriptors out of the queue. The error is the head of a chain that is
    /// longer, leads nowhere, or has something to read behind something to write.
    pub(crate) fn copy_from<M>(chain: DescriptorChain<M>, max: u16) -> Result<Self, u16>
    where
        M: Deref,
        M::Target: GuestMemory,
    {
        let head = chain.head_index();
        let max = usize::from(max);
        let mut copy = Self { head, ranges: Vec::new(), readable: 0 };
        let mut more = true;
        for descriptor in chain.take(max) {
            more = descriptor.has_next();
            if !descriptor.is_write_only() {
                if copy.readable < copy.ranges.len() {
                    return Err(head);
                }
                copy.readable = copy.readable.saturating_add(1);
            }
            copy.ranges.push(Range { address: descriptor.addr(), len: descriptor.len().into() });
        }
        // The iterator ends silently at what it cannot follow.
        if more { Err(head) } else { Ok(copy) }
    }

    /// The number under which the chain is given back.
    pub fn head(&self) -> u16 {
        self.head
    }

    /// What the device may read.
    pub fn readable(&self) -> Area<'_> {
        Area { ranges: self.ranges.get(..self.readable).unwrap_or_default() }
    }

    /// What the device may write.
    pub fn writable(&self) -> Area<'_> {
        Area { ranges: self.ranges.get(self.readable..).unwrap_or_default() }
    }
}

impl<'a> Area<'a> {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        // At most 32768 times 4 GiB.
        self.ranges.iter().fold(0u64, |sum, range| sum.saturating_add(range.len))
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The guest address of one byte, `None` behind the end.
    pub fn address(&self, offset: u64) -> Option<GuestAddress> {
        self.window(offset, 1).next().map(|range| range.address)
    }

    /// Copies bytes out of the guest.
    ///
    /// # Errors
    /// [`BadAddress`], also if the area is shorter than that.
    pub fn read(&self, memory: &GuestRam, offset: u64, data: &mut [u8]) -> Result<(), BadAddress> {
        let mut rest = data;
        for range in self.window(offset, len_of(rest)) {
            let (now, later) = rest.split_at_mut_checked(size_of_range(range)).ok_or(BadAddress)?;
            memory.read_slice(now, range.address).map_err(|_| BadAddress)?;
            rest = later;
        }
        if rest.is_empty() { Ok(()) } else { Err(BadAddress) }
    }

    /// Copies bytes into the guest.
    ///
    /// # Errors
    /// [`BadAddress`], also if the area is shorter than that; some bytes may have been copied.
    pub fn write(&self, memory: &GuestRam, offset: u64, data: &[u8]) -> Result<(), BadAddress> {
        let mut rest = data;
        for range in self.window(offset, len_of(rest)) {
            let (now, later) = rest.split_at_checked(size_of_range(range)).ok_or(BadAddress)?;
            memory.write_slice(now, range.address).map_err(|_| BadAddress)?;
            rest = later;
        }
        if rest.is_empty() { Ok(()) } else { Err(BadAddress) }
    }

    /// The memory itself, for `len` bytes from `offset`.
    ///
    /// # Errors
    /// [`BadAddress`], also if the area is shorter than that.
    pub fn slices<'m>(
        &self,
        memory: &'m GuestRam,
        offset: u64,
        len: u64,
    ) -> Result<Vec<VolatileSlice<'m>>, BadAddress> {
        let mut slices = Vec::with_capacity(self.ranges.len());
        let mut rest = len;
        for range in self.window(offset, len) {
            for slice in GuestMemoryBackend::get_slices(memory, range.address, size_of_range(range)) {
                slices.push(slice.map_err(|_| BadAddress)?);
            }
            rest = rest.saturating_sub(range.len);
        }
        if rest == 0 { Ok(slices) } else { Err(BadAddress) }
    }

    /// The ranges that make up `len` bytes from `offset`, as far as there are any.
    fn window(&self, offset: u64, len: u64) -> impl Iterator<Item = Range> + use<'a> {
        let mut skip = offset;
        let mut rest = len;
        self.ranges.iter().filter_map(move |range| {
            let start = skip.min(range.len);
            skip = skip.saturating_sub(start);
            let len = range.len.saturating_sub(start).min(rest);
            rest = rest.saturating_sub(len);
            // An address that overflows is outside any memory, wherever it is cut off.
            let address = GuestAddress(range.address.0.saturating_add(start));
            (len > 0).then_some(Range { address, len })
        })
    }
}

fn len_of(data: &[u8]) -> u64 {
    u64::try_from(data.len()).unwrap_or(u64::MAX)
}

fn size_of_range(range: Range) -> usize {
    usize::try_from(range.len).unwrap_or(usize::MAX)
}
