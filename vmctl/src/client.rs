//! A client of the control socket: Varlink, which is one JSON object and a NUL for each message.
//!
//! Blocking, and without a library: nothing here needs more than one call at a time, and a program that is
//! started for each command has no time to build a runtime.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use privsep::event::Signals;
use proto::api::{ErrorDetail, INTERFACE};
use proto::{Refusal, RefusalKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::output::{errno_text, say};

/// The longest reply, in bytes: far more than the status of every machine that a host can run.
const MAX_REPLY: u64 = 16 << 20;

/// What to do without an answer.
pub const GONE: &str = "vmd has ended without an answer; ask again when it runs";

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody can be reached at the socket.
    #[error("connect: {}: {}", .0.display(), errno_text(.1))]
    Connect(PathBuf, io::Error),
    /// The daemon ended the connection.
    #[error("pipe closed")]
    Closed,
    /// A signal ended the wait for a reply.
    #[error("interrupted call")]
    Interrupted,
    /// The socket failed.
    #[error("control socket: {}", errno_text(.0))]
    Io(#[from] io::Error),
    /// The request cannot be put in words.
    #[error("the request cannot be sent: {0}")]
    Unsendable(serde_json::Error),
    /// The reply is not of the interface.
    #[error("the daemon's reply cannot be understood: {0}")]
    Malformed(String),
    /// The daemon refused.
    #[error("{}", .0.message)]
    Refused(Refusal),
}

impl ClientError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            _ if self.is_absence() => Some("vmd is not running, or its socket is another one (see -s)"),
            Self::Connect(_, error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Some("only root and the members of the socket's group may use it")
            }
            Self::Closed => Some(GONE),
            _ => None,
        }
    }

    /// Whether there is no daemon.
    pub fn is_absence(&self) -> bool {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        matches!(self, Self::Connect(_, error) if matches!(error.kind(), NotFound | ConnectionRefused))
    }

    /// The refusal, if it is one.
    ///
    /// # Errors
    /// Itself, if it is anything else.
    pub fn into_refusal(self) -> Result<Refusal, Self> {
        match self {
            Self::Refused(refusal) => Ok(refusal),
            other => Err(other),
        }
    }
}

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    verbose: bool,
    interrupts: Option<Signals>,
    broken: bool,
}

/// A message of the daemon. Unknown fields are allowed by the protocol.
#[derive(Deserialize)]
struct Message {
    error: Option<String>,
    #[serde(default)]
    parameters: Value,
}

/// What a reply is taken for.
fn understand<T: DeserializeOwned>(reply: Message) -> Result<T, ClientError> {
    match reply.error {
        None => serde_json::from_value(reply.parameters).map_err(|e| ClientError::Malformed(e.to_string())),
        Some(error) => Err(refused(&error, reply.parameters)),
    }
}

impl Client {
    /// Connects to the daemon at `socket`. `verbose` shows each message on standard error.
    ///
    /// # Errors
    /// [`ClientError::Connect`].
    pub fn connect(socket: &Path, verbose: bool) -> Result<Self, ClientError> {
        let stream = UnixStream::connect(socket).map_err(|e| ClientError::Connect(socket.into(), e))?;
        Ok(Self { stream: BufReader::new(stream), verbose, interrupts: None, broken: false })
    }

    /// From now on a call ends with [`ClientError::Interrupted`] when one of `signals` comes.
    pub fn interrupted_by(&mut self, signals: Signals) {
        self.interrupts = Some(signals);
    }

    /// Whether a further call makes sense: not after an interrupt, or when the connection is lost.
    pub fn is_usable(&self) -> bool {
        !self.broken
    }

    /// Calls a method of the interface, with a JSON object of parameters, and waits for its one reply.
    ///
    /// # Errors
    /// Any [`ClientError`] but `Connect`.
    pub fn call<T: DeserializeOwned>(
        &mut self,
        method: &str,
        parameters: impl serde::Serialize,
    ) -> Result<T, ClientError> {
        let parameters = serde_json::to_value(parameters).map_err(ClientError::Unsendable)?;
        let reply = self.exchange(method, &parameters).inspect_err(|_| self.broken = true)?;
        understand(reply)
    }

    /// Calls a method that answers again and again; [`Client::next_answer`] has the answers. The connection serves
    /// nothing else from then on.
    ///
    /// # Errors
    /// The socket fails.
    pub fn subscribe(&mut self, method: &str, parameters: impl serde::Serialize) -> Result<(), ClientError> {
        let parameters = serde_json::to_value(parameters).map_err(ClientError::Unsendable)?;
        let method = format!("{INTERFACE}.{method}");
        self.send(&json!({ "method": method, "parameters": parameters, "more": true }))
    }

    /// Waits for the next answer.
    ///
    /// # Errors
    /// Any [`ClientError`] but `Connect`.
    pub fn next_answer<T: DeserializeOwned>(&mut self) -> Result<T, ClientError> {
        understand(self.receive()?)
    }

    /// Whether an answer comes within this time.
    ///
    /// # Errors
    /// The socket fails.
    pub fn has_answer_within(&self, time: Duration) -> Result<bool, ClientError> {
        if !self.stream.buffer().is_empty() {
            return Ok(true);
        }
        let time = Timespec::try_from(time).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut fds = [PollFd::new(self.stream.get_ref(), PollFlags::IN)];
        Ok(poll(&mut fds, Some(&time)).map_err(io::Error::from)? > 0)
    }

    fn exchange(&mut self, method: &str, parameters: &Value) -> Result<Message, ClientError> {
        self.send(&json!({ "method": format!("{INTERFACE}.{method}"), "parameters": parameters }))?;
        self.receive()
    }

    fn send(&mut self, message: &Value) -> Result<(), ClientError> {
        let mut bytes = message.to_string().into_bytes();
        self.show('>', &bytes);
        bytes.push(0);
        self.stream.get_mut().write_all(&bytes).map_err(closed_or_failed)
    }

    fn receive(&mut self) -> Result<Message, ClientError> {
        self.wait_for_reply()?;
        let mut bytes = Vec::new();
        self.stream.by_ref().take(MAX_REPLY).read_until(0, &mut bytes).map_err(closed_or_failed)?;
        if bytes.pop() != Some(0) {
            return Err(ClientError::Closed);
        }
        self.show('<', &bytes);
        serde_json::from_slice(&bytes).map_err(|e| ClientError::Malformed(e.to_string()))
    }

    /// Only a call that can take long needs this, and only until its reply begins.
    fn wait_for_reply(&self) -> Result<(), ClientError> {
        let Some(signals) = &self.interrupts else { return Ok(()) };
        let mut fds =
            [PollFd::new(self.stream.get_ref(), PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
        poll(&mut fds, None).map_err(io::Error::from)?;
        let [reply, interrupt] = fds;
        if reply.revents().is_empty() && !interrupt.revents().is_empty() {
            return Err(ClientError::Interrupted);
        }
        Ok(())
    }

    fn show(&self, direction: char, message: &[u8]) {
        if self.verbose {
            say(&format!("vmctl: {direction} {}\n", String::from_utf8_lossy(message)));
        }
    }
}

/// A daemon that has gone is not an error of the socket to the user.
fn closed_or_failed(error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => ClientError::Closed,
        _ => ClientError::Io(error),
    }
}

/// The error of a reply: one of the interface, or one of Varlink itself.
fn refused(error: &str, parameters: Value) -> ClientError {
    let detail = serde_json::from_value::<ErrorDetail>(parameters.clone());
    match (RefusalKind::from_error_name(error), detail) {
        (Some(kind), Ok(ErrorDetail { message })) => ClientError::Refused(Refusal { kind, message }),
        _ => ClientError::Malformed(format!("{error} {parameters}")),
    }
}

#[cfg(test)]
#[path = "client_test.rs"]
mod tests;
