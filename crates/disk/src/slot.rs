//! One request on its way through io_uring: what is left of it, and the ring entry that asks for that.

use std::io;

use io_uring::opcode;
use io_uring::squeue::Entry;
use io_uring::types::{Fixed, FsyncFlags};

use crate::{Buffer, Request};

/// The image, as the only file that is registered with the ring.
pub(crate) const IMAGE: Fixed = Fixed(0);

/// The most buffers that the kernel takes at once (`UIO_MAXIOV`).
const MAX_IOVECS: usize = 1024;

/// What zeroes are written from where the host has no quicker way.
static ZEROES: [u8; 64 << 10] = [0; 64 << 10];

/// A request on its way. A slot has at most one entry in the ring at a time.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) token: u64,
    op: Op,
    /// What is still to do, in bytes.
    offset: u64,
    len: u64,
    /// The buffers of what is still to do; those before `first` are finished.
    iovecs: Vec<IoVec>,
    first: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Op {
    Read,
    Write {
        durable: bool,
    },
    #[default]
    Flush,
    Discard,
    ZeroRange,
    ZeroPunch,
    ZeroWrite,
}

/// `struct iovec`, with the address as a number, for it is the kernel alone that goes there.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct IoVec {
    base: usize,
    len: usize,
}

/// What a completion means for its request.
pub(crate) enum Step {
    Again,
    End(io::Result<()>),
}

impl Slot {
    pub(crate) fn fill(&mut self, token: u64, request: Request<'_>, len: u64) {
        let iovec = |buffer: &Buffer<'_>| IoVec {
            base: buffer.ptr_guard_mut().as_ptr().expose_provenance(),
            len: buffer.len(),
        };
        self.token = token;
        self.op = Op::of(request);
        self.offset = request.range().map_or(0, |(offset, _)| offset);
        self.len = len;
        self.iovecs.clear();
        self.iovecs.extend(request.buffers().iter().filter(|buffer| !buffer.is_empty()).map(iovec));
        self.first = 0;
    }

    /// The entry for what is left to do.
    pub(crate) fn entry(&mut self) -> Entry {
        if matches!(self.op, Op::ZeroWrite) {
            self.point_at_zeroes();
        }
        let iovecs = self.iovecs.get(self.first..).unwrap_or_default();
        let count = u32::try_from(iovecs.len().min(MAX_IOVECS)).unwrap_or(0);
        let iovecs = iovecs.as_ptr().cast();
        match self.op {
            Op::Read => opcode::Readv::new(IMAGE, iovecs, count).offset(self.offset).build(),
            Op::Write { durable } => {
                let flags = if durable { libc::RWF_DSYNC } else { 0 };
                opcode::Writev::new(IMAGE, iovecs, count).offset(self.offset).rw_flags(flags).build()
            }
            Op::ZeroWrite => opcode::Writev::new(IMAGE, iovecs, count).offset(self.offset).build(),
            Op::Flush => opcode::Fsync::new(IMAGE).flags(FsyncFlags::DATASYNC).build(),
            Op::ZeroRange => self.fallocate(libc::FALLOC_FL_ZERO_RANGE),
            Op::Discard | Op::ZeroPunch => self.fallocate(libc::FALLOC_FL_PUNCH_HOLE),
        }
    }

    fn fallocate(&self, mode: i32) -> Entry {
        let mode = mode | libc::FALLOC_FL_KEEP_SIZE;
        opcode::Fallocate::new(IMAGE, self.len).offset(self.offset).mode(mode).build()
    }

    /// Makes a list of buffers that are all the same zeroes.
    fn point_at_zeroes(&mut self) {
        let rest = usize::try_from(self.len).unwrap_or(usize::MAX);
        let base = ZEROES.as_ptr().expose_provenance();
        let iovec = |at| IoVec { base, len: ZEROES.len().min(rest.saturating_sub(at)) };
        self.iovecs.clear();
        self.iovecs.extend((0..rest).step_by(ZEROES.len()).take(MAX_IOVECS).map(iovec));
        self.first = 0;
    }

    /// What follows from the kernel's answer to the slot's entry.
    pub(crate) fn step(&mut self, result: i32) -> Step {
        match u64::try_from(result) {
            Ok(count) => self.advance(count),
            Err(_) => self.fail(result.saturating_neg()),
        }
    }

    fn advance(&mut self, count: u64) -> Step {
        match self.op {
            Op::Read if count == 0 => Step::End(Err(io::ErrorKind::UnexpectedEof.into())),
            Op::Write { .. } | Op::ZeroWrite if count == 0 => Step::End(Err(io::ErrorKind::WriteZero.into())),
            Op::Read | Op::Write { .. } | Op::ZeroWrite if count < self.len => {
                self.offset = self.offset.saturating_add(count);
                self.len = self.len.saturating_sub(count);
                self.skip(usize::try_from(count).unwrap_or(usize::MAX));
                Step::Again
            }
            _ => Step::End(Ok(())),
        }
    }

    /// Moves past the first `count` bytes of the buffers.
    fn skip(&mut self, mut count: usize) {
        while let Some(iovec) = self.iovecs.get_mut(self.first) {
            if count < iovec.len {
                iovec.base = iovec.base.saturating_add(count);
                iovec.len = iovec.len.saturating_sub(count);
                return;
            }
            count = count.saturating_sub(iovec.len);
            self.first = self.first.saturating_add(1);
        }
    }

    fn fail(&mut self, errno: i32) -> Step {
        match (errno, self.op) {
            (libc::EINTR | libc::EAGAIN, _) => Step::Again,
            (libc::EOPNOTSUPP, Op::Discard) => Step::End(Ok(())),
            (libc::EOPNOTSUPP, Op::ZeroRange) => self.instead(Op::ZeroPunch),
            (libc::EOPNOTSUPP, Op::ZeroPunch) => self.instead(Op::ZeroWrite),
            _ => Step::End(Err(io::Error::from_raw_os_error(errno))),
        }
    }

    fn instead(&mut self, op: Op) -> Step {
        self.op = op;
        Step::Again
    }
}

impl Op {
    fn of(request: Request<'_>) -> Self {
        match request {
            Request::Read { .. } => Self::Read,
            Request::Write { durable, .. } => Self::Write { durable },
            Request::Flush => Self::Flush,
            Request::Discard { .. } => Self::Discard,
            Request::WriteZeroes { unmap: true, .. } => Self::ZeroPunch,
            Request::WriteZeroes { unmap: false, .. } => Self::ZeroRange,
        }
    }
}

#[cfg(test)]
#[path = "slot_test.rs"]
mod tests;
