//! Going to the background. Always a new execution, never a bare fork: the command starts this program again as
//! the parent role, in a session of its own, and stays until that says that clients can come, or why it could not.

use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, bail};
use privsep::{Channel, ChannelError, Executable, spawn};
use serde::{Deserialize, Serialize};

use crate::options::Options;

/// How long the daemon may take until it is ready.
const START_TIME: Duration = Duration::from_secs(60);

/// What the daemon tells the command that started it.
#[derive(Debug, Serialize, Deserialize)]
enum Outcome {
    Ready,
    Failed(String),
}

/// The command says nothing.
#[derive(Debug, Serialize, Deserialize)]
enum Silence {}

/// Starts the daemon in the background and waits until it is ready.
///
/// # Errors
/// Why it could not start.
pub fn start(options: &Options) -> anyhow::Result<()> {
    let (mut channel, theirs) = Channel::<Silence, Outcome>::pair()?;
    let args = options.for_background();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let child =
        spawn(&Executable::open()?, "vmd", &args, theirs).context("cannot start in the background")?;
    match channel.recv_wait(START_TIME) {
        Ok((Outcome::Ready, _)) => Ok(()),
        Ok((Outcome::Failed(why), _)) => bail!(why),
        Err(ChannelError::Closed) => bail!("the daemon {} before it was ready", child.wait()?),
        Err(why) => Err(why).context("waiting for the daemon"),
    }
}

/// Runs `daemon` in the background, and tells the command how it went: `daemon` calls what it is given when it is
/// ready.
///
/// # Errors
/// Those of `daemon`.
pub fn run<T>(
    channel: OwnedFd,
    daemon: impl FnOnce(&mut dyn FnMut() -> anyhow::Result<()>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut channel = Channel::<Outcome, Silence>::from_fd(channel)?;
    let result = daemon(&mut || Ok(channel.send(&Outcome::Ready, &[])?));
    if let Err(why) = &result {
        // The command has left if the daemon was ready before.
        let _ = channel.send(&Outcome::Failed(format!("{why:#}")), &[]);
    }
    result
}
