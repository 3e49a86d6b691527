//! Starting the other roles, and waiting for their end.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use privsep::event::{Poller, is_readable};
use privsep::{Channel, Child, Executable, spawn};
use proto::{ControlToParent, ParentToControl, ParentToPriv, ParentToVmm, PrivToParent, VmmToParent};
use rustix::process::Signal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::link::Link;
use crate::options::{Inherited, Options};
use crate::role::Role;

/// How long a role has for saying that it is ready.
const READY_TIME: Duration = Duration::from_secs(10);

/// How long all roles together have for ending when their channels are closed.
const END_TIME: Duration = Duration::from_secs(5);

pub type ControlLink = Link<ParentToControl, ControlToParent>;
pub type PrivLink = Link<ParentToPriv, PrivToParent>;
pub type VmmLink = Link<ParentToVmm, VmmToParent>;

/// What it takes to start a role.
pub struct Starter<'a> {
    /// The program.
    pub exe: Executable,
    /// How it was started itself.
    pub options: &'a Options,
    /// What every role is told.
    pub inherited: Inherited,
    /// The directory for what machines keep from one start to the next.
    pub state_dir: PathBuf,
}

/// The roles, as processes.
pub struct Roles {
    children: Vec<(Role, Child)>,
}

/// The ways to the roles.
pub struct Links {
    pub control: ControlLink,
    pub privileged: PrivLink,
    pub vmm: VmmLink,
}

impl Roles {
    /// Starts control, priv and vmm and waits until each is ready. `tokens` are theirs, in that order.
    ///
    /// # Errors
    /// When one can not be started or does not become ready.
    pub fn start(starter: &Starter<'_>, poller: &Poller, tokens: [u64; 3]) -> anyhow::Result<(Self, Links)> {
        let mut roles = Self { children: Vec::new() };
        let control = roles.spawn(Role::Control, starter)?;
        let privileged = roles.spawn(Role::Priv, starter)?;
        let vmm = roles.spawn(Role::Vmm, starter)?;
        let links = Links {
            control: ready(poller, control, tokens[0], Role::Control, &ControlToParent::Ready)?,
            privileged: ready(poller, privileged, tokens[1], Role::Priv, &PrivToParent::Ready)?,
            vmm: ready(poller, vmm, tokens[2], Role::Vmm, &VmmToParent::Ready)?,
        };
        Ok((roles, links))
    }

    fn spawn<Tx, Rx>(&mut self, role: Role, starter: &Starter<'_>) -> anyhow::Result<Channel<Tx, Rx>> {
        let start = || -> anyhow::Result<(Channel<Tx, Rx>, Child)> {
            let (channel, theirs): (_, OwnedFd) = Channel::pair()?;
            let args = starter.options.for_role(role.name(), &starter.inherited);
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            Ok((channel, spawn(&starter.exe, &role.title(), &args, theirs)?))
        };
        let (channel, child) = start().with_context(|| format!("cannot start the {} role", role.name()))?;
        self.children.push((role, child));
        Ok(channel)
    }

    /// Waits for the end of all of them, and ends those that take too long. Their channels must be closed.
    pub fn wait(self) {
        let deadline = Instant::now() + END_TIME;
        for (role, child) in self.children {
            if !ends_before(&child, deadline) {
                tracing::warn!("the {} role does not end by itself: killed", role.name());
                // It can only have ended meanwhile.
                let _ = child.kill(Signal::KILL);
            }
            match child.wait() {
                Ok(exit) if exit.is_success() => {}
                Ok(exit) => tracing::warn!("the {} role {exit}", role.name()),
                Err(why) => tracing::warn!("the {} role: {why}", role.name()),
            }
        }
    }
}

/// Whether the process ends in time.
fn ends_before(child: &Child, deadline: Instant) -> bool {
    is_readable(child, deadline.saturating_duration_since(Instant::now())).unwrap_or(true)
}

/// Waits until the role says that it is ready; before that nothing is believed about it.
fn ready<Tx: Serialize, Rx: DeserializeOwned + PartialEq>(
    poller: &Poller,
    mut channel: Channel<Tx, Rx>,
    token: u64,
    role: Role,
    word: &Rx,
) -> anyhow::Result<Link<Tx, Rx>> {
    let said = channel
        .recv_wait(READY_TIME)
        .with_context(|| format!("the {} role did not become ready", role.name()));
    if said?.0 != *word {
        bail!("the {} role began with something else than that it is ready", role.name());
    }
    Ok(Link::new(poller, channel, token)?)
}
