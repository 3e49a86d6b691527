//! The queues of the controller, and one command after the other between them and the drive.

use std::io;

use virtio_bindings::virtio_scsi::{
    VIRTIO_SCSI_S_BAD_TARGET, VIRTIO_SCSI_S_FAILURE, VIRTIO_SCSI_S_OK, VIRTIO_SCSI_S_OVERRUN,
    VIRTIO_SCSI_T_PARAM_CHANGE,
};

use super::command;
use super::drive::{Answer, Drive, execute_for_no_unit};
use super::request::{self, Address, Control, REQUEST, RESPONSE, Request, Response};
use super::sense::Sense;
use crate::rate_limit::RateLimit;
use crate::{BadAddress, Chain, GuestRam, Queue};

/// How much of a disc is moved at a time.
const PIECE: usize = 64 << 10;

/// The queues (virtio 1.2, 5.6.2).
const CONTROL: u16 = 0;
const EVENTS: u16 = 1;
const REQUESTS: u16 = 2;

/// The queues of a driver.
pub(super) struct Service {
    name: String,
    control: Option<Queue>,
    events: Option<Queue>,
    requests: Option<Queue>,
    /// Another disc is in, which the driver wants to hear and has not been told yet.
    event: bool,
    /// The driver takes such events.
    hears: bool,
    piece: Vec<u8>,
    log: RateLimit,
}

/// Whether there may be more to do, about which the driver will not notify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Idle,
    More,
}

/// What came of a command.
struct Outcome {
    response: u32,
    sense: Option<Sense>,
    /// Bytes that went into the driver's buffer, and bytes that were taken from it.
    given: u64,
    taken: u64,
}

impl Outcome {
    fn failed(response: u32) -> Self {
        Self { response, sense: None, given: 0, taken: 0 }
    }

    fn refused(sense: Sense) -> Self {
        Self { response: VIRTIO_SCSI_S_OK, sense: Some(sense), given: 0, taken: 0 }
    }
}

impl From<BadAddress> for Outcome {
    fn from(_: BadAddress) -> Self {
        Self::failed(VIRTIO_SCSI_S_FAILURE)
    }
}

impl Service {
    /// A service named `name` in the log; `hears` says whether the driver takes events about its discs.
    pub(super) fn new(name: String, queues: Vec<Queue>, hears: bool) -> Self {
        let (mut control, mut events, mut requests) = (None, None, None);
        for queue in queues {
            match queue.index() {
                CONTROL => control = Some(queue),
                EVENTS => events = Some(queue),
                REQUESTS => requests = Some(queue),
                _ => {}
            }
        }
        let (piece, log) = (Vec::new(), RateLimit::default());
        Self { name, control, events, requests, event: false, hears, piece, log }
    }

    /// Another disc is in.
    pub(super) fn note_change(&mut self) {
        self.event = self.hears;
    }

    /// One round. Commands come first: whatever was there before a task management function has ended when that
    /// is looked at.
    pub(super) fn turn(&mut self, drive: &mut Drive) -> Turn {
        let requests = self.serve_requests(drive);
        let control = self.serve_control(drive);
        let events = self.serve_events();
        let more = [requests, control, events].contains(&Turn::More);
        if more { Turn::More } else { Turn::Idle }
    }

    fn serve_requests(&mut self, drive: &mut Drive) -> Turn {
        let Some(mut queue) = self.requests.take() else { return Turn::Idle };
        let turn = each_chain(&mut queue, |queue, chain| self.serve_request(queue, &chain, drive));
        queue.notify();
        self.requests = Some(queue);
        turn
    }

    fn serve_request(&mut self, queue: &mut Queue, chain: &Chain, drive: &mut Drive) {
        let memory = queue.memory();
        let Some(room) = chain.writable().len().checked_sub(RESPONSE) else {
            // There is no place to say what is wrong.
            return queue.complete(chain.head(), 0);
        };
        let outcome = self.perform(chain, memory, drive, room);
        let sent = chain.readable().len().saturating_sub(REQUEST);
        let residual =
            if room > 0 { room.saturating_sub(outcome.given) } else { sent.saturating_sub(outcome.taken) };
        let response = Response { response: outcome.response, sense: outcome.sense, residual };
        let written = match chain.writable().write(memory, 0, &response.bytes()) {
            Ok(()) => u32::try_from(RESPONSE.saturating_add(outcome.given)).unwrap_or(u32::MAX),
            Err(BadAddress) => 0,
        };
        queue.complete(chain.head(), written);
    }

    /// Carries a command out, with up to `room` bytes of data for the driver.
    fn perform(&mut self, chain: &Chain, memory: &GuestRam, drive: &mut Drive, room: u64) -> Outcome {
        let Ok(Request { address, cdb }) = request::parse(chain, memory) else {
            return BadAddress.into();
        };
        let sent = chain.readable().len().saturating_sub(REQUEST);
        if room > 0 && sent > 0 {
            // Data both ways, which was not offered (5.6.3).
            return Outcome::failed(VIRTIO_SCSI_S_FAILURE);
        }
        let command = command::parse(&cdb);
        let answer = match address {
            Address::NoTarget => return Outcome::failed(VIRTIO_SCSI_S_BAD_TARGET),
            Address::NoUnit => execute_for_no_unit(command),
            Address::Drive => match command {
                Ok(command) => drive.execute(command),
                Err(sense) => Err(sense),
            },
        };
        match answer {
            Err(sense) => Outcome::refused(sense),
            Ok(Answer::Data(data)) => give(chain, memory, &data, room).unwrap_or_else(Outcome::from),
            Ok(Answer::Disc { offset, len }) => self.read(chain, memory, drive, (offset, len), room),
            Ok(Answer::Swallow { len }) => {
                let response = if len > sent { VIRTIO_SCSI_S_OVERRUN } else { VIRTIO_SCSI_S_OK };
                Outcome { response, sense: None, given: 0, taken: len.min(sent) }
            }
        }
    }

    /// Reads a range of the disc for the driver, as much as it has room for.
    fn read(
        &mut self,
        chain: &Chain,
        memory: &GuestRam,
        drive: &Drive,
        (offset, len): (u64, u64),
        room: u64,
    ) -> Outcome {
        let len_now = len.min(room);
        for at in (0..len_now).step_by(PIECE) {
            let count = usize::try_from(len_now.saturating_sub(at)).unwrap_or(PIECE).min(PIECE);
            self.piece.resize(count, 0);
            let Ok(disc) = drive.disc() else { return Outcome::refused(Sense::UNREADABLE) };
            if let Err(error) = disc.read(offset.saturating_add(at), &mut self.piece) {
                self.warn(offset.saturating_add(at), &error);
                return Outcome { given: at, ..Outcome::refused(Sense::UNREADABLE) };
            }
            if chain.writable().write(memory, RESPONSE.saturating_add(at), &self.piece).is_err() {
                return BadAddress.into();
            }
        }
        let response = if len > room { VIRTIO_SCSI_S_OVERRUN } else { VIRTIO_SCSI_S_OK };
        Outcome { response, sense: None, given: len_now, taken: 0 }
    }

    fn serve_control(&mut self, drive: &mut Drive) -> Turn {
        let Some(queue) = &mut self.control else { return Turn::Idle };
        let turn = each_chain(queue, |queue, chain| {
            let answer = request::control(&chain, queue.memory());
            if let Ok(Control::Task { reset: true, .. }) = answer {
                drive.reset();
            }
            let written = answer.and_then(|answer| {
                let bytes = answer.bytes();
                chain.writable().write(queue.memory(), 0, &bytes)?;
                Ok(u32::try_from(bytes.len()).unwrap_or(0))
            });
            queue.complete(chain.head(), written.unwrap_or(0));
        });
        queue.notify();
        turn
    }

    /// Tells the driver of another disc as soon as it has a buffer for that (5.6.6.3). Buffers that are too small are
    /// given back empty.
    fn serve_events(&mut self) -> Turn {
        let Some(queue) = &mut self.events else { return Turn::Idle };
        let mut turn = Turn::Idle;
        if self.event {
            let event = change_event();
            turn = each_chain_while(queue, &mut self.event, |queue, chain, due| {
                let written = chain.writable().write(queue.memory(), 0, &event);
                *due = written.is_err();
                queue.complete(chain.head(), if *due { 0 } else { EVENT });
            });
            queue.notify();
        }
        turn
    }

    fn warn(&mut self, offset: u64, error: &io::Error) {
        if let Some(more) = self.log.allow() {
            tracing::error!(
                "{}: reading the disc at {offset}: {error} ({more} more errors before)",
                self.name
            );
        }
    }
}

/// The size of `struct virtio_scsi_event`.
pub(super) const EVENT: u32 = 16;

/// The drive's medium may have changed.
fn change_event() -> [u8; EVENT as usize] {
    let mut event = [0; EVENT as usize];
    let kind = VIRTIO_SCSI_T_PARAM_CHANGE.to_le_bytes();
    let all = kind.into_iter().chain(request::DRIVE).chain(Sense::CHANGED.reason().to_le_bytes());
    event.iter_mut().zip(all).for_each(|(place, byte)| *place = byte);
    event
}

/// Data for the driver, as much as it has room for.
fn give(chain: &Chain, memory: &GuestRam, data: &[u8], room: u64) -> Result<Outcome, BadAddress> {
    let all = u64::try_from(data.len()).unwrap_or(u64::MAX);
    let given = all.min(room);
    let part = data.get(..usize::try_from(given).unwrap_or(0)).unwrap_or_default();
    chain.writable().write(memory, RESPONSE, part)?;
    let response = if all > room { VIRTIO_SCSI_S_OVERRUN } else { VIRTIO_SCSI_S_OK };
    Ok(Outcome { response, sense: None, given, taken: 0 })
}

/// Takes chains while there are any, at most so many that a turn stays short.
fn each_chain(queue: &mut Queue, mut serve: impl FnMut(&mut Queue, Chain)) -> Turn {
    each_chain_while(queue, &mut true, |queue, chain, _| serve(queue, chain))
}

/// The same as long as `wanted` stays set.
fn each_chain_while(
    queue: &mut Queue,
    wanted: &mut bool,
    mut serve: impl FnMut(&mut Queue, Chain, &mut bool),
) -> Turn {
    queue.disarm();
    for _ in 0..queue.size() {
        if !*wanted {
            return Turn::Idle;
        }
        match queue.pop() {
            Some(chain) => serve(queue, chain, wanted),
            None if queue.arm() => queue.disarm(),
            None => return Turn::Idle,
        }
    }
    Turn::More
}
