//! One end of a connection between two processes that speak in typed messages.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::{Errno, FdFlags, fcntl_setfd, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, sendmsg, socketpair, sockopt,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest encoded message in bytes: more than the largest specification of a machine, and less than what the
/// buffer of a socket holds on any host.
pub const MAX_MESSAGE: usize = 160 * 1024;

/// The most descriptors that ride with one message.
pub const MAX_DESCRIPTORS: usize = 64;

/// The most bytes of messages that wait for a peer that does not read: the status of tens of thousands of machines.
const MAX_QUEUE: usize = 16 << 20;

/// The most messages with descriptors that wait: each holds open what is not ours any more.
const MAX_QUEUED_WITH_DESCRIPTORS: usize = 256;

/// One end of a pair of sequenced-packet sockets: `Tx` goes out, `Rx` comes in.
///
/// A message is one packet, encoded by postcard, with its descriptors beside it. The peer may be hostile: its
/// bytes are bounded and checked, and descriptors that do not belong to a sound message are closed. After an
/// error nothing more can be made of the connection; close it by dropping the channel.
///
/// The socket is close-on-exec and never blocks.
#[derive(Debug)]
pub struct Channel<Tx, Rx> {
    socket: OwnedFd,
    /// What waits until the socket takes it.
    queue: VecDeque<Packet>,
    /// How many bytes of messages that is.
    queued: usize,
    types: PhantomData<fn(Tx) -> Rx>,
}

/// An encoded message and its descriptors.
#[derive(Debug)]
struct Packet {
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

/// Why a connection between two processes can not go on.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The peer has closed its end, or is gone.
    #[error("the peer process has closed the channel")]
    Closed,
    /// The peer sent something that is not a message. The text says what is wrong with it.
    #[error("the peer process sent {0}")]
    Malformed(&'static str),
    /// A message can not be sent. The text says why.
    #[error("cannot send a message: {0}")]
    Unsendable(&'static str),
    /// Too many messages wait because the peer does not read.
    #[error("the peer process does not read what waits for it")]
    Backlog,
    /// Nothing came, or nothing was taken, in the time given.
    #[error("the peer process did not answer in time")]
    TimedOut,
    /// The socket failed.
    #[error("channel to the peer process: {0}")]
    Io(#[from] io::Error),
}

impl From<Errno> for ChannelError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::PIPE | Errno::CONNRESET => Self::Closed,
            errno => Self::Io(errno.into()),
        }
    }
}

impl<Tx, Rx> Channel<Tx, Rx> {
    /// Makes a channel and the descriptor of its other end, which goes to a child process.
    ///
    /// # Errors
    /// Those of `socketpair(2)`.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self::new(ours), theirs))
    }

    /// Makes a channel of a connected socket.
    ///
    /// # Errors
    /// `EPROTOTYPE` if `socket` is not a sequenced-packet socket, and those of `fcntl(2)`.
    pub fn from_fd(socket: OwnedFd) -> io::Result<Self> {
        if sockopt::socket_type(&socket)? != SocketType::SEQPACKET {
            return Err(Errno::PROTOTYPE.into());
        }
        fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
        fcntl_setfl(&socket, OFlags::NONBLOCK)?;
        Ok(Self::new(socket))
    }

    fn new(socket: OwnedFd) -> Self {
        Self { socket, queue: VecDeque::new(), queued: 0, types: PhantomData }
    }

    /// Whether messages wait. Call [`Channel::flush`] when the socket is writable.
    pub fn wants_write(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Sends what waits, as far as the peer takes it.
    ///
    /// # Errors
    /// [`ChannelError::Closed`], [`ChannelError::Io`].
    pub fn flush(&mut self) -> Result<(), ChannelError> {
        while let Some(packet) = self.queue.front() {
            let descriptors: Vec<_> = packet.descriptors.iter().map(AsFd::as_fd).collect();
            if !self.transmit(&packet.bytes, &descriptors)? {
                break;
            }
            self.queued -= packet.bytes.len();
            self.queue.pop_front();
        }
        Ok(())
    }

    /// Gives one packet to the socket; `false` if the socket is full.
    fn transmit(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<bool, ChannelError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(ChannelError::Unsendable("too many descriptors"));
        }
        let iov = [IoSlice::new(bytes)];
        match retry_on_intr(|| sendmsg(&self.socket, &iov, &mut control, SendFlags::NOSIGNAL)) {
            Ok(_) => Ok(true),
            // The kernel also limits how many descriptors of a user are under way, in all channels together;
            // peers that read make room.
            Err(Errno::AGAIN | Errno::TOOMANYREFS) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    fn enqueue(&mut self, bytes: Vec<u8>, descriptors: &[BorrowedFd<'_>]) -> Result<(), ChannelError> {
        if self.is_full(bytes.len(), descriptors.len()) {
            return Err(ChannelError::Backlog);
        }
        let descriptors =
            descriptors.iter().map(BorrowedFd::try_clone_to_owned).collect::<io::Result<_>>()?;
        self.queued += bytes.len();
        self.queue.push_back(Packet { bytes, descriptors });
        Ok(())
    }

    /// Whether one more packet is too much.
    fn is_full(&self, bytes: usize, descriptors: usize) -> bool {
        let with_descriptors = || self.queue.iter().filter(|packet| !packet.descriptors.is_empty()).count();
        self.queued + bytes > MAX_QUEUE
            || descriptors > 0 && with_descriptors() >= MAX_QUEUED_WITH_DESCRIPTORS
    }

    /// Takes one packet; `None` if none is there.
    fn receive(&self) -> Result<Option<Packet>, ChannelError> {
        let Some(length) = self.next_length()? else { return Ok(None) };
        let mut bytes = vec![0; length];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        // What is not taken out of it is closed when it is dropped.
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut iov = [IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let message = retry_on_intr(|| recvmsg(&self.socket, &mut iov, &mut control, flags))?;
        let descriptors = received_descriptors(&mut control);
        if message.bytes != length || message.flags.contains(ReturnFlags::TRUNC) {
            return Err(ChannelError::Malformed("a message that changed while it was read"));
        }
        if message.flags.contains(ReturnFlags::CTRUNC) || descriptors.len() > MAX_DESCRIPTORS {
            return Err(ChannelError::Malformed("more descriptors than can be taken"));
        }
        Ok(Some(Packet { bytes, descriptors }))
    }

    /// The length of the next packet, so that a channel needs no memory while nothing comes; `None` if none is
    /// there.
    fn next_length(&self) -> Result<Option<usize>, ChannelError> {
        let flags = RecvFlags::PEEK | RecvFlags::TRUNC | RecvFlags::DONTWAIT;
        let peeked = retry_on_intr(|| recv(&self.socket, &mut [0; 0], flags));
        match peeked.map(|(_, length)| length) {
            // No message encodes to nothing, so this is the end of the file.
            Ok(0) => Err(ChannelError::Closed),
            Ok(length) if length > MAX_MESSAGE => Err(ChannelError::Malformed("a message that is too long")),
            Ok(length) => Ok(Some(length)),
            Err(Errno::AGAIN) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Waits until the socket is ready for `events`, has failed, or `deadline` has passed.
    fn wait(&self, events: PollFlags, deadline: Instant) -> Result<(), ChannelError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = left.try_into().map_err(|_| ChannelError::TimedOut)?;
        match poll(&mut [PollFd::new(&self.socket, events)], Some(&timeout)) {
            Ok(0) => Err(ChannelError::TimedOut),
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl<Tx: Serialize, Rx> Channel<Tx, Rx> {
    /// Sends a message with descriptors, which stay the caller's.
    ///
    /// Never blocks: what the socket does not take waits in the channel, with duplicates of the descriptors,
    /// until [`Channel::flush`].
    ///
    /// # Errors
    /// [`ChannelError::Backlog`] if too much waits already, [`ChannelError::Unsendable`] if the message is
    /// over [`MAX_MESSAGE`] or [`MAX_DESCRIPTORS`], [`ChannelError::Closed`], [`ChannelError::Io`].
    pub fn send(&mut self, message: &Tx, descriptors: &[BorrowedFd<'_>]) -> Result<(), ChannelError> {
        let bytes = encode(message)?;
        if descriptors.len() > MAX_DESCRIPTORS {
            return Err(ChannelError::Unsendable("too many descriptors"));
        }
        self.flush()?;
        if self.wants_write() || !self.transmit(&bytes, descriptors)? {
            self.enqueue(bytes, descriptors)?;
        }
        Ok(())
    }

    /// Sends a message and waits until the socket has taken it and all before it.
    ///
    /// # Errors
    /// As [`Channel::send`], and [`ChannelError::TimedOut`].
    pub fn send_wait(
        &mut self,
        message: &Tx,
        descriptors: &[BorrowedFd<'_>],
        timeout: Duration,
    ) -> Result<(), ChannelError> {
        let deadline = deadline(timeout)?;
        self.send(message, descriptors)?;
        while self.wants_write() {
            self.wait(PollFlags::OUT, deadline)?;
            self.flush()?;
        }
        Ok(())
    }
}

impl<Tx, Rx: DeserializeOwned> Channel<Tx, Rx> {
    /// Takes the next message and its descriptors; `None` if nothing is there now.
    ///
    /// # Errors
    /// [`ChannelError::Closed`] at the end of the file, [`ChannelError::Malformed`] if what came is not a
    /// message, [`ChannelError::Io`].
    pub fn recv(&mut self) -> Result<Option<(Rx, Vec<OwnedFd>)>, ChannelError> {
        let Some(Packet { bytes, descriptors }) = self.receive()? else { return Ok(None) };
        Ok(Some((decode(&bytes)?, descriptors)))
    }

    /// Waits for the next message.
    ///
    /// # Errors
    /// As [`Channel::recv`], and [`ChannelError::TimedOut`].
    pub fn recv_wait(&mut self, timeout: Duration) -> Result<(Rx, Vec<OwnedFd>), ChannelError> {
        let deadline = deadline(timeout)?;
        loop {
            if let Some(message) = self.recv()? {
                return Ok(message);
            }
            self.wait(PollFlags::IN, deadline)?;
        }
    }
}

impl<Tx, Rx> AsFd for Channel<Tx, Rx> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<Tx, Rx> AsRawFd for Channel<Tx, Rx> {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn deadline(timeout: Duration) -> Result<Instant, ChannelError> {
    Instant::now().checked_add(timeout).ok_or(ChannelError::TimedOut)
}

fn received_descriptors(control: &mut RecvAncillaryBuffer<'_>) -> Vec<OwnedFd> {
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    rights.flatten().collect()
}

fn encode<Tx: Serialize>(message: &Tx) -> Result<Vec<u8>, ChannelError> {
    let bytes = postcard::to_stdvec(message)
        .map_err(|_| ChannelError::Unsendable("it has a form that can not be encoded"))?;
    match bytes.len() {
        0 => Err(ChannelError::Unsendable("it encodes to nothing")),
        length if length > MAX_MESSAGE => Err(ChannelError::Unsendable("it is too long")),
        _ => Ok(bytes),
    }
}

fn decode<Rx: DeserializeOwned>(bytes: &[u8]) -> Result<Rx, ChannelError> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok(_) => Err(ChannelError::Malformed("a message with bytes behind its end")),
        Err(_) => Err(ChannelError::Malformed("bytes that are not a message")),
    }
}

#[cfg(test)]
#[path = "channel_test.rs"]
mod tests;
