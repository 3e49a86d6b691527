//! The priv role: acts that need a privilege, and nothing else.
//!
//! Each request is checked here again, for the parent that sends it could have been taken over. The list of
//! acts ([`PrivOp`](proto::PrivOp)) is empty until there are networks to set up.

use anyhow::Context;
use privsep::event::{Interest, Poller};
use privsep::{Channel, ChannelError};
use proto::{ParentToPriv, PrivToParent};

/// Serves until the parent closes the channel.
///
/// # Errors
/// When the channel fails, or the parent sends what is no request.
pub fn run(mut channel: Channel<PrivToParent, ParentToPriv>) -> anyhow::Result<()> {
    let poller = Poller::new()?;
    poller.add(&channel, 0, Interest::Read)?;
    channel.send(&PrivToParent::Ready, &[]).context("channel to the parent")?;
    loop {
        poller.wait(None)?;
        match channel.recv() {
            Ok(None) => {}
            Ok(Some((ParentToPriv::Do(op), _))) => match op {},
            Ok(Some((ParentToPriv::Log(level), _))) => crate::log::set_level(level),
            Err(ChannelError::Closed) => return Ok(()),
            Err(error) => return Err(error).context("channel to the parent"),
        }
    }
}
