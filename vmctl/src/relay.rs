//! Copying between the user and the console of a machine.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::vec;

use privsep::event::Signals;
use rustix::event::{PollFd, PollFlags, poll};

use crate::escape::{Escapes, Typed};

/// How much is read at once, in bytes, and so the most that waits in either direction.
const CHUNK: usize = 4096;

/// How much is written to the user at once, in bytes. Standard output blocks; what poll(2) promises to a pipe
/// is room for this much.
const MAX_WRITE: usize = 512;

/// What the relay cannot do itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The user asked for a break.
    Break,
    /// It is over.
    End(End),
}

/// How it came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The user left.
    Detached,
    /// The user's input has ended, and all of it was sent.
    InputEnded,
    /// Nobody reads the output any more.
    OutputGone,
    /// The console is gone, and the machine with it.
    HungUp,
    /// A signal told the program to end.
    Signal,
}

/// A session on a console. One chunk at a time is on its way in each direction: whoever does not read is not
/// written for.
#[derive(Debug)]
pub struct Relay {
    console: File,
    input: File,
    output: File,
    signals: Signals,
    /// There if a person types. What comes out of a file or a pipe is sent as it is.
    escapes: Option<Escapes>,
    /// Read from the user and not looked at yet.
    typed: vec::IntoIter<u8>,
    to_guest: Vec<u8>,
    to_user: Vec<u8>,
    /// What happens when everything typed in front of it is sent.
    pending: Option<Event>,
}

impl Relay {
    /// Joins a non-blocking `console` to `input` and `output`. Any of `signals` ends it. With `escapes`, escape
    /// sequences in the input are heeded.
    pub fn new(console: File, input: File, output: File, signals: Signals, escapes: bool) -> Self {
        Self {
            console,
            input,
            output,
            signals,
            escapes: escapes.then(Escapes::default),
            typed: Vec::new().into_iter(),
            to_guest: Vec::new(),
            to_user: Vec::new(),
            pending: None,
        }
    }

    /// Relays until something happens.
    ///
    /// # Errors
    /// Reading or writing failed for another reason than that the other side has gone.
    pub fn next_event(&mut self) -> io::Result<Event> {
        loop {
            if self.to_guest.is_empty() && self.pending.is_none() {
                self.take_typed();
            }
            if self.to_guest.is_empty()
                && let Some(event) = self.pending.take()
            {
                return Ok(event);
            }
            if let Some(end) = self.step()? {
                return Ok(Event::End(end));
            }
        }
    }

    /// Moves what was typed on its way to the guest, up to the first escape that makes an event.
    fn take_typed(&mut self) {
        let Some(escapes) = &mut self.escapes else {
            self.to_guest.extend(self.typed.by_ref());
            return;
        };
        for byte in self.typed.by_ref() {
            match escapes.typed(byte) {
                Typed::Byte(byte) => self.to_guest.push(byte),
                Typed::Held(byte) => self.to_guest.extend([b'~', byte]),
                Typed::Nothing => {}
                Typed::Help => self.to_user.extend(Escapes::HELP.bytes()),
                Typed::Break => self.pending = Some(Event::Break),
                Typed::Detach => self.pending = Some(Event::End(End::Detached)),
            }
            if self.pending.is_some() {
                return;
            }
        }
    }

    /// Waits until something can be moved, and moves it.
    fn step(&mut self) -> io::Result<Option<End>> {
        let ready = self.wait()?;
        if !ready.signals.is_empty() {
            return Ok(Some(End::Signal));
        }
        if !ready.output.is_empty() && !self.write_user()? {
            return Ok(Some(End::OutputGone));
        }
        if !ready.input.is_empty() {
            self.read_user()?;
        }
        if ready.console.contains(PollFlags::OUT) && !self.write_guest()? {
            return Ok(Some(End::HungUp));
        }
        let readable = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        if ready.console.intersects(readable) && self.to_user.is_empty() && !self.read_guest()? {
            return Ok(Some(End::HungUp));
        }
        Ok(None)
    }

    fn wait(&self) -> io::Result<Ready> {
        let when = |wanted: bool, flag| if wanted { flag } else { PollFlags::empty() };
        let nothing_typed = self.to_guest.is_empty() && self.pending.is_none();
        let console =
            when(self.to_user.is_empty(), PollFlags::IN) | when(!self.to_guest.is_empty(), PollFlags::OUT);
        let mut fds = [
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&self.output, when(!self.to_user.is_empty(), PollFlags::OUT)),
            self.watch(&self.console, console),
            self.watch(&self.input, when(nothing_typed, PollFlags::IN)),
        ];
        match poll(&mut fds, None) {
            Err(rustix::io::Errno::INTR) | Ok(_) => {}
            Err(e) => return Err(e.into()),
        }
        let [signals, output, console, input] = fds.map(|fd| fd.revents());
        Ok(Ready { signals, output, console, input })
    }

    /// The end of something is reported even to those who asked for nothing, again and again. So a file that
    /// is of no interest now is left out; the signals stand in for it.
    fn watch<'a>(&'a self, file: &'a File, interest: PollFlags) -> PollFd<'a> {
        let fd = if interest.is_empty() { self.signals.as_fd() } else { file.as_fd() };
        PollFd::from_borrowed_fd(fd, interest)
    }

    fn read_user(&mut self) -> io::Result<()> {
        match read(&mut self.input)? {
            Got::Bytes(bytes) => self.typed = bytes.into_iter(),
            Got::Nothing => {}
            Got::End => self.pending = Some(Event::End(End::InputEnded)),
        }
        Ok(())
    }

    /// False if the console is gone.
    fn read_guest(&mut self) -> io::Result<bool> {
        match read(&mut self.console)? {
            Got::Bytes(bytes) => self.to_user = bytes,
            Got::Nothing => {}
            Got::End => return Ok(false),
        }
        Ok(true)
    }

    /// False if the console is gone.
    fn write_guest(&mut self) -> io::Result<bool> {
        write(&mut self.console, &mut self.to_guest, CHUNK)
    }

    /// False if the user is gone.
    fn write_user(&mut self) -> io::Result<bool> {
        if self.to_user.is_empty() {
            // With nothing to write, all that is reported is that nobody reads.
            return Ok(false);
        }
        write(&mut self.output, &mut self.to_user, MAX_WRITE)
    }
}

/// What poll(2) found.
struct Ready {
    signals: PollFlags,
    output: PollFlags,
    console: PollFlags,
    input: PollFlags,
}

/// What a read gave.
enum Got {
    Bytes(Vec<u8>),
    Nothing,
    End,
}

fn read(source: &mut impl Read) -> io::Result<Got> {
    let mut bytes = vec![0; CHUNK];
    match source.read(&mut bytes) {
        Ok(0) => Ok(Got::End),
        Ok(length) => {
            bytes.truncate(length);
            Ok(Got::Bytes(bytes))
        }
        Err(e) if is_transient(&e) => Ok(Got::Nothing),
        Err(e) if is_gone(&e) => Ok(Got::End),
        Err(e) => Err(e),
    }
}

/// Writes up to `at_most` bytes and removes what was written. False if the other side is gone.
fn write(sink: &mut impl Write, bytes: &mut Vec<u8>, at_most: usize) -> io::Result<bool> {
    let chunk = bytes.get(..at_most).unwrap_or(bytes);
    match sink.write(chunk) {
        Ok(length) => {
            bytes.drain(..length.min(bytes.len()));
            Ok(true)
        }
        Err(e) if is_transient(&e) => Ok(true),
        Err(e) if is_gone(&e) => Ok(false),
        Err(e) => Err(e),
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// A terminal whose other side was closed answers with EIO, a pipe or socket with EPIPE.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::BrokenPipe
        || error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

#[cfg(test)]
#[path = "relay_test.rs"]
mod tests;
