//! What every engine offers to whoever serves a disk.

use std::io;
use std::os::fd::BorrowedFd;

use vm_memory::VolatileSlice;

/// Memory that buffers lie in. It is held by the engine as long as a request may touch it.
pub type Memory = vm_memory::GuestMemoryMmap<()>;

/// One piece of memory to read into or to write from. Others may change its bytes at any time.
pub type Buffer<'a> = VolatileSlice<'a>;

/// A disk as bytes: many requests in flight, one owner.
///
/// The owner attaches memory, submits up to [`BlockBackend::depth`] requests, kicks, and collects completions.
/// It collects once more after a kick and before it sleeps: an engine that works at once has the completions ready
/// then and never makes the descriptor readable. Requests complete in any order. Dropping the engine waits for
/// what is in flight.
pub trait BlockBackend: Send {
    /// The size of the disk in bytes, a multiple of [`SECTOR`](crate::SECTOR), at least one of them.
    fn capacity(&self) -> u64;

    /// The most requests that may be in flight.
    fn depth(&self) -> u16;

    /// Sets the memory that the buffers of all later requests lie in. Called only while nothing is in flight.
    fn attach(&mut self, memory: Memory);

    /// Begins a request under a token of the caller's choice. Every request completes exactly once; whatever is
    /// wrong with one is in its completion: beyond the end of the disk, buffers outside the memory, more than
    /// [`BlockBackend::depth`] of them, an error of the host.
    fn submit(&mut self, token: u64, request: Request<'_>);

    /// Hands what was submitted to the host, in one go.
    ///
    /// # Errors
    /// The host is short of resources at the moment. Nothing is lost: try again soon.
    fn kick(&mut self) -> io::Result<()>;

    /// Appends what has completed since the last call to `done`, and kicks if parts of a request remain.
    ///
    /// # Errors
    /// Those of [`BlockBackend::kick`].
    fn completions(&mut self, done: &mut Vec<Completion>) -> io::Result<()>;

    /// A descriptor that is readable while [`BlockBackend::completions`] has something to tell, or `None` if
    /// completions are always ready after a kick.
    fn ready(&self) -> Option<BorrowedFd<'_>>;
}

/// What to do. Offsets and lengths are in bytes, and the whole range lies on the disk.
#[derive(Clone, Copy, Debug)]
pub enum Request<'a> {
    /// Fill the buffers from the disk.
    Read {
        /// Where on the disk.
        offset: u64,
        /// Where to, in order.
        buffers: &'a [Buffer<'a>],
    },
    /// Write the buffers to the disk.
    Write {
        /// Where on the disk.
        offset: u64,
        /// Where from, in order.
        buffers: &'a [Buffer<'a>],
        /// Complete only when the data would survive a power failure of the host.
        durable: bool,
    },
    /// Make everything whose request has completed survive a power failure of the host.
    Flush,
    /// Say that the contents of a range do not matter any more. A host that cannot make use of that completes
    /// the request without doing anything.
    Discard {
        /// Where on the disk.
        offset: u64,
        /// How much.
        len: u64,
    },
    /// Make a range read as zeroes.
    WriteZeroes {
        /// Where on the disk.
        offset: u64,
        /// How much.
        len: u64,
        /// Whether the host may give the space back.
        unmap: bool,
    },
}

impl<'a> Request<'a> {
    /// The memory that is concerned.
    pub(crate) fn buffers(&self) -> &'a [Buffer<'a>] {
        match *self {
            Self::Read { buffers, .. } | Self::Write { buffers, .. } => buffers,
            Self::Flush | Self::Discard { .. } | Self::WriteZeroes { .. } => &[],
        }
    }

    /// The range of the disk that is concerned, as offset and length; `None` if the sum does not fit.
    pub(crate) fn range(&self) -> Option<(u64, u64)> {
        match *self {
            Self::Read { offset, buffers } | Self::Write { offset, buffers, .. } => {
                Some((offset, total(buffers)?))
            }
            Self::Flush => Some((0, 0)),
            Self::Discard { offset, len } | Self::WriteZeroes { offset, len, .. } => Some((offset, len)),
        }
    }

    /// Checks that the request stays within a disk of `capacity` bytes, and gives the number of bytes concerned.
    pub(crate) fn check(&self, capacity: u64) -> io::Result<u64> {
        self.range()
            .and_then(|(offset, len)| Some((offset.checked_add(len)?, len)))
            .filter(|&(end, _)| end <= capacity)
            .map(|(_, len)| len)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "request beyond the end of the disk"))
    }
}

fn total(buffers: &[Buffer<'_>]) -> Option<u64> {
    buffers.iter().try_fold(0u64, |sum, buffer| sum.checked_add(u64::try_from(buffer.len()).ok()?))
}

/// The end of a request.
#[derive(Debug)]
pub struct Completion {
    /// What the request was submitted under.
    pub token: u64,
    /// How it ended. After an error, the contents of a range that was to be written, or of buffers that were to be
    /// filled, are anything.
    pub result: io::Result<()>,
}
