//! The engine that keeps many requests in flight through io_uring.
//!
//! The kernel reads and writes the buffers while a request is in flight, behind the compiler's back. That is
//! sound because of three things that this module alone keeps up:
//!
//! * a buffer is only accepted if it lies in a mapping of the attached memory, which the engine owns a share of,
//!   and which is only exchanged or let go while nothing is in flight;
//! * the lists of buffers live in the request's slot until its last completion;
//! * that memory is only ever touched through volatile accesses, so its changing under us is expected.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use io_uring::register::Restriction;
use io_uring::squeue::Flags;
use io_uring::{IoUring, cqueue, opcode};
use rustix::io::Errno;
use vm_memory::GuestMemoryBackend;

use crate::slot::{Slot, Step};
use crate::{BlockBackend, Buffer, Completion, Memory, Request};

/// An engine over one ring.
pub(crate) struct Uring {
    ring: IoUring,
    /// Also registered with the ring; held so that the slots and the ring cannot outlive it.
    _file: Arc<File>,
    capacity: u64,
    memory: ManuallyDrop<Memory>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Completed without the kernel.
    early: Vec<Completion>,
}

impl Uring {
    /// An engine with `depth` requests in flight at most.
    ///
    /// # Errors
    /// The host refuses to set up a ring.
    pub(crate) fn new(file: Arc<File>, capacity: u64, depth: u16) -> io::Result<Self> {
        let ring = restricted_ring(depth, file.as_raw_fd())?;
        let depth = usize::from(depth);
        Ok(Self {
            ring,
            _file: file,
            capacity,
            memory: ManuallyDrop::new(Memory::default()),
            slots: std::iter::repeat_with(Slot::default).take(depth).collect(),
            free: (0..depth).rev().collect(),
            early: Vec::new(),
        })
    }

    fn in_flight(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }

    /// Puts a request into a slot and that into the ring; `Ok(false)` if there is nothing to do.
    fn begin(&mut self, token: u64, request: Request<'_>) -> io::Result<bool> {
        let len = request.check(self.capacity)?;
        if len == 0 && !matches!(request, Request::Flush) {
            return Ok(false);
        }
        let buffers = request.buffers();
        if !buffers.iter().all(|buffer| self.owns(buffer)) {
            return Err(Errno::FAULT.into());
        }
        let index = *self.free.last().ok_or(Errno::BUSY)?;
        self.slots.get_mut(index).ok_or(Errno::BUSY)?.fill(token, request, len);
        self.enqueue(index)?;
        self.free.pop();
        Ok(true)
    }

    /// Whether a buffer lies in a mapping of the memory that this engine holds.
    fn owns(&self, buffer: &Buffer<'_>) -> bool {
        let start = buffer.ptr_guard().as_ptr().addr();
        self.memory.iter().any(|region| {
            let offset = start.checked_sub(region.as_ptr().addr());
            let end = offset.and_then(|offset| offset.checked_add(buffer.len()));
            end.is_some_and(|end| end <= region.size())
        })
    }

    /// Puts what is left of a slot's request into the submission queue.
    fn enqueue(&mut self, index: usize) -> io::Result<()> {
        let Some(slot) = self.slots.get_mut(index) else { return Err(Errno::INVAL.into()) };
        let token = u64::try_from(index).unwrap_or(u64::MAX);
        let entry = slot.entry().user_data(token);
        // SAFETY: the entry names buffers that `owns` has found in `memory`, or `ZEROES`, through a list that the
        // slot keeps: all of these outlive the request, see the top of this file.
        unsafe { self.ring.submission().push(&entry) }.map_err(|_| Errno::BUSY.into())
    }

    /// Takes note of one completion of the kernel.
    fn note(&mut self, index: usize, result: i32, done: &mut Vec<Completion>) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let token = slot.token;
        let result = match slot.step(result) {
            Step::Again => match self.enqueue(index) {
                Ok(()) => return,
                Err(error) => Err(error),
            },
            Step::End(result) => result,
        };
        self.free.push(index);
        done.push(Completion { token, result });
    }

    /// Waits until nothing is in flight.
    fn drain(&mut self) -> io::Result<()> {
        let mut done = Vec::new();
        while self.in_flight() > 0 {
            retry(|| self.ring.submit_and_wait(1))?;
            self.completions(&mut done)?;
        }
        self.early.append(&mut done);
        Ok(())
    }
}

impl BlockBackend for Uring {
    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn depth(&self) -> u16 {
        u16::try_from(self.slots.len()).unwrap_or(u16::MAX)
    }

    fn attach(&mut self, memory: Memory) {
        // The caller has promised that nothing is in flight; what the kernel may write to is not left to promises.
        match self.drain() {
            Ok(()) => *self.memory = memory,
            Err(error) => tracing::error!("cannot finish disk requests: {error}"),
        }
    }

    fn submit(&mut self, token: u64, request: Request<'_>) {
        match self.begin(token, request) {
            Ok(true) => {}
            Ok(false) => self.early.push(Completion { token, result: Ok(()) }),
            Err(error) => self.early.push(Completion { token, result: Err(error) }),
        }
    }

    fn kick(&mut self) -> io::Result<()> {
        if self.ring.submission().is_empty() {
            return Ok(());
        }
        retry(|| self.ring.submit()).map(drop)
    }

    fn completions(&mut self, done: &mut Vec<Completion>) -> io::Result<()> {
        done.append(&mut self.early);
        while let Some(entry) = next_completion(&mut self.ring) {
            let index = usize::try_from(entry.user_data()).unwrap_or(usize::MAX);
            self.note(index, entry.result(), done);
        }
        self.kick()
    }

    fn ready(&self) -> Option<BorrowedFd<'_>> {
        // SAFETY: the descriptor is the ring's, which is open as long as `self` is borrowed.
        Some(unsafe { BorrowedFd::borrow_raw(self.ring.as_raw_fd()) })
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        match self.drain() {
            // SAFETY: nothing is in flight any more, and `memory` is not used after this.
            Ok(()) => unsafe { ManuallyDrop::drop(&mut self.memory) },
            // Rather a mapping that is never undone than a kernel that writes to where it was.
            Err(error) => tracing::error!("cannot finish disk requests: {error}"),
        }
    }
}

/// A ring that does what an engine needs with `file` and nothing else, whoever gets hold of it: system call
/// filters do not see what is asked for through a ring.
fn restricted_ring(depth: u16, file: RawFd) -> io::Result<IoUring> {
    let ring = IoUring::builder().setup_r_disabled().build(depth.into())?;
    let submitter = ring.submitter();
    submitter.register_files(&[file])?;
    let registered_file = Flags::FIXED_FILE.bits();
    submitter.register_restrictions(&mut [
        Restriction::sqe_op(opcode::Readv::CODE),
        Restriction::sqe_op(opcode::Writev::CODE),
        Restriction::sqe_op(opcode::Fsync::CODE),
        Restriction::sqe_op(opcode::Fallocate::CODE),
        Restriction::sqe_flags_required(registered_file),
        Restriction::sqe_flags_allowed(registered_file),
    ])?;
    submitter.register_enable_rings()?;
    Ok(ring)
}

fn next_completion(ring: &mut IoUring) -> Option<cqueue::Entry> {
    ring.completion().next()
}

fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
#[path = "uring_test.rs"]
mod tests;
