//! A command on a terminal, and a conversation with it: send, expect, and a transcript for when it fails.

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What happens on a console.
#[derive(Debug)]
pub enum Event {
    /// The command wrote this.
    Output(Vec<u8>),
    /// The command ended with this status.
    Ended(i32),
    /// The connection to the command is lost.
    Lost(String),
    /// Somebody typed this on our own terminal, see [`Console::interact`].
    Typed(Vec<u8>),
}

/// The end of a console that a host feeds.
pub type Events = Sender<Event>;

/// A running command and the terminal it runs on.
///
/// Dropping it ends the command.
pub struct Console {
    input: Box<dyn Write + Send>,
    events: Receiver<Event>,
    sender: Events,
    transcript: Vec<u8>,
    /// Where in the transcript the next expected text may begin.
    seen: usize,
    status: Option<i32>,
    live: Option<Box<dyn Write + Send>>,
    stop: Option<Box<dyn FnOnce() + Send>>,
}

impl Console {
    /// A console that writes to `input`, reads from the returned sender, and is ended early with `stop`.
    pub fn new(input: Box<dyn Write + Send>, stop: Box<dyn FnOnce() + Send>) -> (Self, Events) {
        let (sender, events) = channel();
        let console = Self {
            input,
            events,
            sender: sender.clone(),
            transcript: Vec::new(),
            seen: 0,
            status: None,
            live: None,
            stop: Some(stop),
        };
        (console, sender)
    }

    /// Shows all output from now on, as it comes, on `live`.
    pub fn show_on(&mut self, live: Box<dyn Write + Send>) {
        self.live = Some(live);
    }

    /// Types `text`.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn send(&mut self, text: &str) -> Result<()> {
        self.send_bytes(text.as_bytes())
    }

    /// Waits until `text` appears after what was matched before, and gives everything up to its end.
    ///
    /// # Errors
    /// When it does not appear within `limit`, or the command ends without it: with the whole transcript.
    pub fn expect(&mut self, text: &str, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(matched) = self.take_match(text.as_bytes()) {
                return Ok(matched);
            }
            if let Some(status) = self.status {
                bail!("the command ended with status {status} before {text:?} appeared{}", self.report());
            }
            let event = self.next_event(deadline);
            self.note(event.with_context(|| format!("{text:?} did not appear{}", self.report()))?)?;
        }
    }

    /// Waits for the end of the command and gives its exit status.
    ///
    /// # Errors
    /// When it has not ended within `limit`: with the whole transcript.
    pub fn wait(&mut self, limit: Duration) -> Result<i32> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.status {
                return Ok(status);
            }
            let event = self.next_event(deadline);
            self.note(event.with_context(|| format!("the command did not end{}", self.report()))?)?;
        }
    }

    /// Connects our own terminal to the command until it ends, and gives its exit status.
    ///
    /// # Errors
    /// When standard input is no terminal, or the connection is lost.
    pub fn interact(&mut self) -> Result<i32> {
        let _raw = RawTerminal::enter()?;
        self.live = Some(Box::new(std::io::stdout()));
        let typed = self.sender.clone();
        std::thread::spawn(move || forward_typed(&typed));
        loop {
            if let Some(status) = self.status {
                return Ok(status);
            }
            let event = self.events.recv().context("the console is gone")?;
            self.note(event)?;
        }
    }

    /// All that the command wrote so far, with what is not UTF-8 replaced.
    pub fn transcript(&self) -> String {
        String::from_utf8_lossy(&self.transcript).into_owned()
    }

    fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.input.write_all(bytes).and_then(|()| self.input.flush()).context("cannot type on the console")
    }

    fn take_match(&mut self, text: &[u8]) -> Option<String> {
        let unseen = self.transcript.get(self.seen..)?;
        let start = unseen.windows(text.len().max(1)).position(|window| window == text)?;
        let end = start + text.len();
        let matched = String::from_utf8_lossy(unseen.get(..end)?).into_owned();
        self.seen += end;
        Some(matched)
    }

    fn next_event(&self, deadline: Instant) -> Result<Event> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.events.recv_timeout(left).map_err(|error| match error {
            RecvTimeoutError::Timeout => anyhow::anyhow!("the time is over"),
            RecvTimeoutError::Disconnected => anyhow::anyhow!("the console is gone"),
        })
    }

    fn note(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Output(bytes) => self.note_output(&bytes),
            Event::Ended(status) => self.status = Some(status),
            Event::Lost(reason) => bail!("lost the console: {reason}{}", self.report()),
            Event::Typed(bytes) => self.send_bytes(&bytes)?,
        }
        Ok(())
    }

    fn note_output(&mut self, bytes: &[u8]) {
        self.transcript.extend_from_slice(bytes);
        if let Some(live) = &mut self.live {
            // The conversation goes on even if nobody can watch it.
            let _ = live.write_all(bytes).and_then(|()| live.flush());
        }
    }

    fn report(&self) -> String {
        format!("\n---- transcript ----\n{}\n---- end of transcript ----", self.transcript())
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let (None, Some(stop)) = (self.status, self.stop.take()) {
            stop();
        }
    }
}

/// Our own terminal in raw mode; it is restored on drop.
struct RawTerminal {
    before: rustix::termios::Termios,
}

impl RawTerminal {
    fn enter() -> Result<Self> {
        let stdin = std::io::stdin();
        let before = rustix::termios::tcgetattr(&stdin).context("standard input is not a terminal")?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Now, &raw)
            .context("cannot set the terminal to raw mode")?;
        Ok(Self { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let stdin = std::io::stdin();
        // The terminal may have been closed under us: then there is nothing to restore.
        let _ = rustix::termios::tcsetattr(&stdin, rustix::termios::OptionalActions::Now, &self.before);
    }
}

fn forward_typed(events: &Events) {
    let mut buffer = [0; 256];
    while let Ok(count @ 1..) = std::io::stdin().read(&mut buffer) {
        if events.send(Event::Typed(buffer[..count].to_vec())).is_err() {
            return;
        }
    }
}
