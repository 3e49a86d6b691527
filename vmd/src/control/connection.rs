//! A client's socket as zlink reads and writes it, with bounds on what a client can make us hold and wait for.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, timeout, timeout_at};
use zlink::connection::PassedCredentials;
use zlink::connection::socket::{ReadHalf, ReadResult, Socket, WriteHalf};

/// The longest message of a client in bytes, its NUL not counted.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// How long a client may take from the first byte of a message to its last.
pub const MESSAGE_TIME: Duration = Duration::from_secs(10);

/// How long a client may take to make room for a reply.
pub const REPLY_TIME: Duration = Duration::from_secs(30);

/// A client's socket.
#[derive(Debug)]
pub struct ClientSocket(pub UnixStream);

impl Socket for ClientSocket {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> (Reader, Writer) {
        let (read, write) = self.0.into_split();
        (Reader { half: read, message: Message::default() }, Writer(write))
    }
}

/// The half that reads. Plain reads: descriptors that a client sends are closed by the kernel.
#[derive(Debug)]
pub struct Reader {
    half: OwnedReadHalf,
    message: Message,
}

impl ReadHalf for Reader {
    async fn read(&mut self, buffer: &mut [u8]) -> zlink::Result<ReadResult> {
        let read = self.half.read(buffer);
        let length = match self.message.deadline {
            Some(deadline) => timeout_at(deadline, read).await.map_err(io::Error::from)??,
            None => read.await?,
        };
        self.message.take(buffer.get(..length).unwrap_or_default(), Instant::now())?;
        Ok(ReadResult::new(length))
    }
}

/// The message that is being read.
#[derive(Debug, Default)]
struct Message {
    /// Its bytes so far.
    length: usize,
    /// When it has to be complete; nothing between messages, where a client may rest as long as it likes.
    deadline: Option<Instant>,
}

impl Message {
    /// Counts bytes, some of which may end the message and begin others.
    fn take(&mut self, bytes: &[u8], now: Instant) -> zlink::Result<()> {
        for (index, piece) in bytes.split(|byte| *byte == 0).enumerate() {
            if index > 0 {
                *self = Self::default();
            }
            self.length = self.length.saturating_add(piece.len());
            if self.length > MAX_MESSAGE {
                return Err(zlink::Error::BufferOverflow);
            }
        }
        if self.length > 0 && self.deadline.is_none() {
            self.deadline = Some(now + MESSAGE_TIME);
        }
        Ok(())
    }
}

/// The half that writes.
#[derive(Debug)]
pub struct Writer(OwnedWriteHalf);

impl Writer {
    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// The client has gone, or has not made room in [`REPLY_TIME`].
    pub async fn send(&mut self, bytes: &[u8]) -> zlink::Result<()> {
        timeout(REPLY_TIME, self.0.write_all(bytes)).await.map_err(io::Error::from)??;
        Ok(())
    }
}

impl WriteHalf for Writer {
    /// No reply of the interface carries descriptors or credentials.
    async fn write(
        &mut self,
        bytes: &[u8],
        _: &[impl AsFd],
        _: Option<&PassedCredentials>,
    ) -> zlink::Result<()> {
        self.send(bytes).await
    }
}

/// Notices that a client has gone while nothing is read from it.
///
/// A client that only closes its sending half still wants its answer. That looks like the end of the input to
/// a reader; an event loop that watches for urgent data alone, of which there is none, is told of a hang-up of
/// both halves only.
#[derive(Debug)]
pub struct HangUp(AsyncFd<OwnedFd>);

impl HangUp {
    /// Watches a client's socket.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let copy = stream.as_fd().try_clone_to_owned()?;
        Ok(Self(super::watch(copy, Interest::PRIORITY)?))
    }

    /// Returns when the client has gone.
    pub async fn wait(&self) {
        // An error is as good as a hang-up.
        let _ = self.0.ready(Interest::PRIORITY).await;
    }
}

#[cfg(test)]
#[path = "connection_test.rs"]
mod tests;
