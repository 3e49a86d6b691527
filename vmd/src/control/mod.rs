//! The control role: clients of the control socket, and nothing else.
//!
//! It speaks Varlink, the interface `org.vmd.Manager1` (`vmd/org.vmd.Manager1.varlink`), and passes each request
//! on to the parent together with who asked. It decides nothing: the kernel says who a client is, the parent
//! what it may do. It has no file system, no other thread, and trusts no byte of a client.
//!
//! ```text
//! client ── connection ── session ── Parent ──> one channel ──> parent
//!           (framing,     (one call    (pairs answers
//!            bounds)       at a time)   with requests)
//! ```
//!
//! Each client has a task of its own, so that one which is slow, or does not read, delays nobody else.

mod clients;
mod connection;
mod link;
mod methods;
mod session;

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, bail};
use privsep::Channel;
use proto::{ControlToParent, ParentToControl};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixListener;
use tokio::task::LocalSet;

use link::Link;

/// How long the role lives on without the parent.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Serves clients until the parent closes the channel. To be called in a closed sandbox.
///
/// # Errors
/// The parent does not keep to the protocol, or the runtime fails.
pub fn run(channel: Channel<ControlToParent, ParentToControl>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    LocalSet::new().block_on(&runtime, serve(channel))
}

async fn serve(channel: Channel<ControlToParent, ParentToControl>) -> anyhow::Result<()> {
    let (mut link, parent) = Link::new(channel)?;
    link.send(&ControlToParent::Ready)?;
    let Some((message, descriptors)) = link.receive().await? else { return Ok(()) };
    let ParentToControl::Listen = message else { bail!("the parent sent {message:?} before a socket") };
    let socket = descriptors.into_iter().next().context("the parent sent no socket to listen on")?;
    let listener = std::os::unix::net::UnixListener::from(socket);
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    tokio::select! {
        ended = link.relay() => {
            // The last answers are on their way to their clients, each in a task of its own.
            tokio::time::sleep(LAST_WORDS).await;
            ended
        }
        never = clients::accept(listener, parent) => match never {},
    }
}

/// Watches a descriptor in the runtime.
///
/// The function that replaces the deprecated one asks its caller to vouch, in `unsafe`, that `owner` keeps its
/// descriptor. Both types that come here own theirs and never change it.
#[expect(deprecated)]
fn watch<T: AsRawFd>(owner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(owner, interest)
}

#[cfg(test)]
#[path = "control_test.rs"]
mod tests;
