//! A channel that an event loop watches: it asks for room to write only while messages wait.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use privsep::event::{Event, Interest, Poller};
use privsep::{Channel, ChannelError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A watched channel.
pub struct Link<Tx, Rx> {
    channel: Channel<Tx, Rx>,
    token: u64,
    writing: bool,
}

impl<Tx: Serialize, Rx: DeserializeOwned> Link<Tx, Rx> {
    /// Watches `channel` under `token`.
    ///
    /// # Errors
    /// Those of [`Poller::add`].
    pub fn new(poller: &Poller, channel: Channel<Tx, Rx>, token: u64) -> Result<Self, ChannelError> {
        poller.add(&channel, token, Interest::Read)?;
        Ok(Self { channel, token, writing: false })
    }

    /// Sends a message, now or when the peer reads.
    ///
    /// # Errors
    /// Those of [`Channel::send`].
    pub fn send(
        &mut self,
        poller: &Poller,
        message: &Tx,
        with: &[BorrowedFd<'_>],
    ) -> Result<(), ChannelError> {
        self.channel.send(message, with)?;
        self.update(poller)
    }

    /// Sends a message, and waits until the peer has taken it and all before it: for messages so many that they could
    /// not all wait.
    ///
    /// # Errors
    /// Those of [`Channel::send_wait`].
    pub fn send_wait(
        &mut self,
        poller: &Poller,
        message: &Tx,
        with: &[BorrowedFd<'_>],
        timeout: Duration,
    ) -> Result<(), ChannelError> {
        self.channel.send_wait(message, with, timeout)?;
        self.update(poller)
    }

    /// Takes the next message, if one is there.
    ///
    /// # Errors
    /// Those of [`Channel::recv`].
    pub fn recv(&mut self) -> Result<Option<(Rx, Vec<OwnedFd>)>, ChannelError> {
        self.channel.recv()
    }

    /// Sends what waits, if the event says that there is room.
    ///
    /// # Errors
    /// Those of [`Channel::flush`].
    pub fn flush(&mut self, poller: &Poller, event: Event) -> Result<(), ChannelError> {
        if event.writable {
            self.channel.flush()?;
            self.update(poller)?;
        }
        Ok(())
    }

    /// Watches it no longer, and closes it.
    pub fn close(self, poller: &Poller) {
        // It is closed in any case, and a closed descriptor is not watched.
        let _ = poller.remove(&self.channel);
    }

    fn update(&mut self, poller: &Poller) -> Result<(), ChannelError> {
        let waits = self.channel.wants_write();
        if waits != self.writing {
            poller.modify(&self.channel, self.token, Interest::read_and(waits))?;
            self.writing = waits;
        }
        Ok(())
    }
}
