//! One activated queue and its disk: requests on their way from one to the other and back.

use std::fmt::{self, Display};
use std::io;

use disk::{BlockBackend, Completion};
use virtio_bindings::virtio_blk::{VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_OK, VIRTIO_BLK_S_UNSUPP};
use vm_memory::{Bytes, GuestAddress};

use super::request::{self, Refusal, Request};
use crate::rate_limit::RateLimit;
use crate::{BadAddress, Chain, GuestRam, Queue};

const OK: u8 = VIRTIO_BLK_S_OK as u8;
const IOERR: u8 = VIRTIO_BLK_S_IOERR as u8;
const UNSUPP: u8 = VIRTIO_BLK_S_UNSUPP as u8;

/// What a turn has left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing until an event comes.
    Idle,
    /// More requests are there.
    More,
    /// The host was short of resources: try again in a moment.
    Retry,
}

/// A queue, and what was taken from it and not given back yet.
pub(super) struct Service {
    name: String,
    queue: Queue,
    /// A write completes only when it is durable: the driver does not know how to flush.
    write_through: bool,
    /// Under the number in the token of its request to the disk.
    pending: Vec<Option<Pending>>,
    free: Vec<usize>,
    done: Vec<Completion>,
    log: RateLimit,
}

/// How to answer a request that is on its way.
#[derive(Clone, Copy, Debug)]
struct Pending {
    head: u16,
    status: GuestAddress,
    request: Request,
}

impl Service {
    /// A service named `name` in the log, with up to `depth` requests under way.
    pub(super) fn new(name: String, queue: Queue, write_through: bool, depth: u16) -> Self {
        let depth = usize::from(depth);
        Self {
            name,
            queue,
            write_through,
            pending: vec![None; depth],
            free: (0..depth).rev().collect(),
            done: Vec::new(),
            log: RateLimit::default(),
        }
    }

    /// The memory that the disk's buffers will lie in.
    pub(super) fn memory(&self) -> &GuestRam {
        self.queue.memory()
    }

    /// Whether requests are under way.
    pub(super) fn is_busy(&self) -> bool {
        self.free.len() < self.pending.len()
    }

    /// One round: answers what has completed and takes new requests, as many as fit.
    pub(super) fn turn(&mut self, disk: &mut dyn BlockBackend) -> Turn {
        let collected = self.collect(disk);
        let more = self.take(disk);
        // Those that the disk could answer at once.
        let kicked = disk.kick().and_then(|()| self.collect(disk));
        self.queue.notify();
        match collected.and(kicked) {
            Err(error) => {
                self.warn(&"handing requests to the host", &error);
                Turn::Retry
            }
            Ok(()) if more && !self.free.is_empty() => Turn::More,
            Ok(()) => Turn::Idle,
        }
    }

    /// Answers what has completed, and takes nothing new.
    pub(super) fn finish(&mut self, disk: &mut dyn BlockBackend) -> Turn {
        let result = self.collect(disk);
        self.queue.notify();
        if result.is_ok() { Turn::Idle } else { Turn::Retry }
    }

    /// Takes requests while there are any and while they fit, at most so many that a turn stays short. `true` if
    /// there may be more, about which the driver will not notify.
    fn take(&mut self, disk: &mut dyn BlockBackend) -> bool {
        self.queue.disarm();
        for _ in 0..self.pending.len() {
            let Some(&slot) = self.free.last() else { return true };
            match self.queue.pop() {
                Some(chain) => self.begin(slot, &chain, disk),
                None if self.queue.arm() => self.queue.disarm(),
                None => return false,
            }
        }
        true
    }

    fn begin(&mut self, slot: usize, chain: &Chain, disk: &mut dyn BlockBackend) {
        let Some(status) = request::status_address(chain) else {
            // There is no place to say what is wrong.
            return self.queue.complete(chain.head(), 0);
        };
        let request = match request::parse(chain, self.queue.memory(), disk.capacity()) {
            Ok(request) => request,
            Err(refusal) => return self.answer(chain.head(), status, refusal.into(), 0),
        };
        let pending = Pending { head: chain.head(), status, request };
        match self.submit(slot, chain, request, disk) {
            Ok(true) => self.hold(slot, pending),
            Ok(false) => self.answer_ok(pending),
            Err(BadAddress) => self.answer(chain.head(), status, IOERR, 0),
        }
    }

    /// Hands a request to the disk; `Ok(false)` if it was answered without it.
    fn submit(
        &mut self,
        slot: usize,
        chain: &Chain,
        request: Request,
        disk: &mut dyn BlockBackend,
    ) -> Result<bool, BadAddress> {
        let token = u64::try_from(slot).unwrap_or(u64::MAX);
        let memory = self.queue.memory();
        match request {
            Request::GetId { len } => {
                chain.writable().write(memory, 0, &serial(&self.name, len))?;
                return Ok(false);
            }
            Request::Read { offset, len } => {
                let buffers = chain.writable().slices(memory, 0, len)?;
                disk.submit(token, disk::Request::Read { offset, buffers: &buffers });
            }
            Request::Write { offset, len } => {
                let buffers = chain.readable().slices(memory, request::HEADER, len)?;
                let durable = self.write_through;
                disk.submit(token, disk::Request::Write { offset, buffers: &buffers, durable });
            }
            Request::Flush => disk.submit(token, disk::Request::Flush),
            Request::Discard { offset, len } => disk.submit(token, disk::Request::Discard { offset, len }),
            Request::WriteZeroes { offset, len, unmap } => {
                disk.submit(token, disk::Request::WriteZeroes { offset, len, unmap });
            }
        }
        Ok(true)
    }

    fn hold(&mut self, slot: usize, pending: Pending) {
        self.free.pop();
        if let Some(place) = self.pending.get_mut(slot) {
            *place = Some(pending);
        }
    }

    /// Answers what the disk has completed.
    fn collect(&mut self, disk: &mut dyn BlockBackend) -> io::Result<()> {
        let mut done = std::mem::take(&mut self.done);
        let result = disk.completions(&mut done);
        for completion in done.drain(..) {
            self.end(&completion);
        }
        self.done = done;
        result
    }

    fn end(&mut self, completion: &Completion) {
        let Ok(slot) = usize::try_from(completion.token) else { return };
        let Some(pending) = self.pending.get_mut(slot).and_then(Option::take) else { return };
        self.free.push(slot);
        match &completion.result {
            Ok(()) => self.answer_ok(pending),
            Err(error) => {
                self.warn(&pending.request, error);
                self.answer(pending.head, pending.status, IOERR, 0);
            }
        }
    }

    fn answer_ok(&mut self, pending: Pending) {
        let data = match pending.request {
            Request::Read { len, .. } | Request::GetId { len } => len,
            _ => 0,
        };
        let written = u32::try_from(data.saturating_add(1)).unwrap_or(u32::MAX);
        self.answer(pending.head, pending.status, OK, written);
    }

    /// Writes the status and gives the chain back. `written` counts from the start of what the device may
    /// write: after an error nothing is promised there, although the status behind it is valid (2.7.8.2).
    fn answer(&mut self, head: u16, address: GuestAddress, status: u8, written: u32) {
        let stored = self.queue.memory().write_obj(status, address);
        self.queue.complete(head, if stored.is_ok() { written } else { 0 });
    }

    fn warn(&mut self, what: &dyn Display, error: &io::Error) {
        if let Some(more) = self.log.allow() {
            tracing::error!("{}: {what}: {error} ({more} more errors before)", self.name);
        }
    }
}

impl From<Refusal> for u8 {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid => IOERR,
            Refusal::Unsupported => UNSUPP,
        }
    }
}

impl Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { offset, len } => write!(f, "reading {len} bytes at {offset}"),
            Self::Write { offset, len } => write!(f, "writing {len} bytes at {offset}"),
            Self::Flush => write!(f, "flushing"),
            Self::GetId { .. } => write!(f, "telling the serial number"),
            Self::Discard { offset, len } => write!(f, "discarding {len} bytes at {offset}"),
            Self::WriteZeroes { offset, len, .. } => write!(f, "zeroing {len} bytes at {offset}"),
        }
    }
}

/// The serial number of a disk, NUL-padded (5.2.6): the disk's name.
fn serial(name: &str, len: u64) -> Vec<u8> {
    name.bytes().chain(std::iter::repeat(0)).take(usize::try_from(len).unwrap_or(0)).collect()
}
