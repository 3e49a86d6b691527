//! The engine for hosts without io_uring: one request after the other.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use crate::{BlockBackend, Buffer, Completion, Memory, Request};

/// How much is moved at a time.
const BOUNCE: usize = 64 << 10;

/// The most requests that are done before anybody hears of the first of them.
const BATCH: u16 = 8;

/// Does each request at once. Bytes go through a buffer of its own, so no reference into memory that others
/// change is ever needed.
#[derive(Debug)]
pub(crate) struct Blocking {
    file: Arc<File>,
    capacity: u64,
    depth: u16,
    bounce: Vec<u8>,
    done: Vec<Completion>,
}

impl Blocking {
    pub(crate) fn new(file: Arc<File>, capacity: u64, depth: u16) -> Self {
        Self { file, capacity, depth: depth.min(BATCH), bounce: Vec::new(), done: Vec::new() }
    }

    fn perform(&mut self, request: Request<'_>) -> io::Result<()> {
        let len = request.check(self.capacity)?;
        match request {
            Request::Read { offset, buffers } => self.read(offset, buffers, len),
            Request::Write { offset, buffers, durable } => {
                self.write(offset, buffers, len)?;
                if durable { self.file.sync_data() } else { Ok(()) }
            }
            Request::Flush => self.file.sync_data(),
            Request::Discard { len: 0, .. } | Request::WriteZeroes { len: 0, .. } => Ok(()),
            Request::Discard { offset, len } => match punch(&self.file, offset, len) {
                Err(Errno::OPNOTSUPP) => Ok(()),
                other => Ok(other?),
            },
            Request::WriteZeroes { offset, len, unmap } => self.write_zeroes(offset, len, unmap),
        }
    }

    fn read(&mut self, offset: u64, buffers: &[Buffer<'_>], len: u64) -> io::Result<()> {
        self.bounce.resize(BOUNCE, 0);
        for (at, count) in pieces(len) {
            let Some(piece) = self.bounce.get_mut(..count) else { return Err(Errno::OVERFLOW.into()) };
            self.file.read_exact_at(piece, offset.saturating_add(at))?;
            scatter(buffers, at, piece)?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u64, buffers: &[Buffer<'_>], len: u64) -> io::Result<()> {
        self.bounce.resize(BOUNCE, 0);
        for (at, count) in pieces(len) {
            let Some(piece) = self.bounce.get_mut(..count) else { return Err(Errno::OVERFLOW.into()) };
            gather(buffers, at, piece)?;
            self.file.write_all_at(piece, offset.saturating_add(at))?;
        }
        Ok(())
    }

    fn write_zeroes(&mut self, offset: u64, len: u64, unmap: bool) -> io::Result<()> {
        let zero =
            |keep: FallocateFlags| fallocate(&self.file, keep | FallocateFlags::KEEP_SIZE, offset, len);
        let mut result = if unmap { Err(Errno::OPNOTSUPP) } else { zero(FallocateFlags::ZERO_RANGE) };
        if result == Err(Errno::OPNOTSUPP) {
            result = zero(FallocateFlags::PUNCH_HOLE);
        }
        if result == Err(Errno::OPNOTSUPP) {
            return self.write_zero_bytes(offset, len);
        }
        Ok(result?)
    }

    fn write_zero_bytes(&mut self, offset: u64, len: u64) -> io::Result<()> {
        self.bounce.clear();
        self.bounce.resize(BOUNCE, 0);
        for (at, count) in pieces(len) {
            let Some(piece) = self.bounce.get(..count) else { return Err(Errno::OVERFLOW.into()) };
            self.file.write_all_at(piece, offset.saturating_add(at))?;
        }
        Ok(())
    }
}

fn punch(file: &File, offset: u64, len: u64) -> rustix::io::Result<()> {
    fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, len)
}

/// Cuts `len` bytes into positions and counts of at most [`BOUNCE`].
fn pieces(len: u64) -> impl Iterator<Item = (u64, usize)> {
    (0..len).step_by(BOUNCE).map(move |at| {
        let rest = usize::try_from(len.saturating_sub(at)).unwrap_or(usize::MAX);
        (at, rest.min(BOUNCE))
    })
}

/// The parts of `buffers` that lie at `skip..skip + count` of their concatenation, with their places in there.
fn window<'a>(
    buffers: &'a [Buffer<'a>],
    skip: u64,
    count: usize,
) -> impl Iterator<Item = (Buffer<'a>, usize)> {
    let mut skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let mut place = 0usize;
    buffers.iter().filter_map(move |buffer| {
        let start = skip.min(buffer.len());
        skip = skip.saturating_sub(start);
        let len = buffer.len().saturating_sub(start).min(count.saturating_sub(place));
        let part = buffer.subslice(start, len).ok().filter(|part| !part.is_empty())?;
        let here = place;
        place = place.saturating_add(len);
        Some((part, here))
    })
}

fn scatter(buffers: &[Buffer<'_>], skip: u64, data: &[u8]) -> io::Result<()> {
    for (part, at) in window(buffers, skip, data.len()) {
        part.copy_from(data.get(at..).ok_or(Errno::OVERFLOW)?);
    }
    Ok(())
}

fn gather(buffers: &[Buffer<'_>], skip: u64, data: &mut [u8]) -> io::Result<()> {
    for (part, at) in window(buffers, skip, data.len()) {
        part.copy_to(data.get_mut(at..).ok_or(Errno::OVERFLOW)?);
    }
    Ok(())
}

impl BlockBackend for Blocking {
    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn depth(&self) -> u16 {
        self.depth
    }

    /// Nothing is kept: the buffers are not used after [`BlockBackend::submit`].
    fn attach(&mut self, _memory: Memory) {}

    fn submit(&mut self, token: u64, request: Request<'_>) {
        let result = self.perform(request);
        self.done.push(Completion { token, result });
    }

    fn kick(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn completions(&mut self, done: &mut Vec<Completion>) -> io::Result<()> {
        done.append(&mut self.done);
        Ok(())
    }

    fn ready(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
