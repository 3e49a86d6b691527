//! The vmm role: makes the processes of the machines, keeps their deadlines, sees their ends.

mod process;
mod supervisor;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::Context;
use privsep::event::{Event as Ready, Interest, Poller};
use privsep::{Channel, ChannelError, Executable, spawn};
use proto::{LogLevel, ParentToVmm, Slot, VmId, VmName, VmSpec, VmmToParent, VmmToVm};

use crate::link::Link;
use process::{Body, Process};
use supervisor::{Effect, Event, Supervisor};

/// Serves until the parent closes the channel. The machines' processes stay.
///
/// `role_args` makes a process of this program a vm.
///
/// # Errors
/// When the channel to the parent fails.
pub fn run(
    channel: Channel<VmmToParent, ParentToVmm>,
    exe: Executable,
    role_args: Vec<String>,
) -> anyhow::Result<()> {
    let poller = Poller::new()?;
    let parent = Link::new(&poller, channel, Token::Parent.into())?;
    let mut vmm = Vmm {
        poller,
        parent,
        exe,
        role_args,
        supervisor: Supervisor::default(),
        processes: BTreeMap::new(),
        log_level: None,
    };
    match vmm.serve() {
        Err(ChannelError::Closed) => Ok(()),
        other => other.context("channel to the parent"),
    }
}

struct Vmm {
    poller: Poller,
    parent: Link<VmmToParent, ParentToVmm>,
    exe: Executable,
    role_args: Vec<String>,
    supervisor: Supervisor,
    processes: BTreeMap<VmId, Process>,
    /// How much is logged, if that was changed: the command line of a role does not say it.
    log_level: Option<LogLevel>,
}

/// What became ready.
enum Token {
    Parent,
    Channel(VmId),
    Process(VmId),
}

impl From<Token> for u64 {
    fn from(token: Token) -> Self {
        match token {
            Token::Parent => 0,
            Token::Channel(id) => 1 << 32 | Self::from(id.0),
            Token::Process(id) => 2 << 32 | Self::from(id.0),
        }
    }
}

impl From<u64> for Token {
    fn from(token: u64) -> Self {
        let id = VmId((token & u64::from(u32::MAX)) as u32);
        match token >> 32 {
            0 => Self::Parent,
            1 => Self::Channel(id),
            _ => Self::Process(id),
        }
    }
}

impl Vmm {
    fn serve(&mut self) -> Result<(), ChannelError> {
        self.parent.send(&self.poller, &VmmToParent::Ready, &[])?;
        loop {
            let now = Instant::now();
            let timeout = self.supervisor.next_deadline().map(|due| due.saturating_duration_since(now));
            for event in self.poller.wait(timeout)? {
                self.handle(event)?;
            }
            self.apply(Event::Tick)?;
        }
    }

    fn handle(&mut self, event: Ready) -> Result<(), ChannelError> {
        match Token::from(event.token) {
            Token::Parent => self.hear_parent(event),
            Token::Channel(id) => self.hear_vm(id, Some(event)),
            Token::Process(id) => self.see_end(id),
        }
    }

    fn hear_parent(&mut self, event: Ready) -> Result<(), ChannelError> {
        self.parent.flush(&self.poller, event)?;
        while let Some((message, descriptors)) = self.parent.recv()? {
            match message {
                ParentToVmm::Start { id, spec, slots } => self.start(id, spec, slots, &descriptors)?,
                ParentToVmm::Adopt { id, name, pid } => self.adopt(id, &name, pid, descriptors)?,
                ParentToVmm::Stop { id, mode, grace_ms } => {
                    self.apply(Event::Stop(id, mode, Duration::from_millis(grace_ms)))?;
                }
                ParentToVmm::Break(id) => self.apply(Event::Break(id))?,
                ParentToVmm::Opened(id) => self.apply(Event::Opened(id))?,
                ParentToVmm::Pause(id) => self.apply(Event::Pause(id))?,
                ParentToVmm::Unpause(id) => self.apply(Event::Unpause(id))?,
                ParentToVmm::Drive(id, order) => self.send_with(id, &VmmToVm::Drive(order), &descriptors),
                ParentToVmm::Log(level) => self.set_log_level(level),
            }
        }
        Ok(())
    }

    fn start(
        &mut self,
        id: VmId,
        spec: Box<VmSpec>,
        slots: Vec<Slot>,
        descriptors: &[OwnedFd],
    ) -> Result<(), ChannelError> {
        match self.spawn(id, spec, slots, descriptors) {
            Ok((process, pid)) => {
                self.processes.insert(id, process);
                self.apply(Event::Spawned(id, pid))
            }
            Err(why) => self.apply(Event::Unspawned(id, format!("cannot make its process: {why}"))),
        }
    }

    fn spawn(
        &self,
        id: VmId,
        spec: Box<VmSpec>,
        slots: Vec<Slot>,
        descriptors: &[OwnedFd],
    ) -> Result<(Process, u32), ChannelError> {
        let name = spec.name.to_string();
        let (channel, theirs) = Channel::pair()?;
        let args: Vec<&str> = self.role_args.iter().map(String::as_str).collect();
        let child = spawn(&self.exe, &format!("vmd: vm/{name}"), &args, theirs)?;
        self.poller.add(&child, Token::Process(id).into(), Interest::Read)?;
        let mut link = Link::new(&self.poller, channel, Token::Channel(id).into())?;
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        link.send(&self.poller, &VmmToVm::Hello { id, spec, slots }, &descriptors)?;
        if let Some(level) = self.log_level {
            link.send(&self.poller, &VmmToVm::Log(level), &[])?;
        }
        let pid = child.pid().as_raw_nonzero().get().unsigned_abs();
        Ok((Process { name, body: Body::Child(child), link: Some(link) }, pid))
    }

    /// Takes charge of a process that an earlier daemon made.
    fn adopt(
        &mut self,
        id: VmId,
        name: &VmName,
        pid: u32,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), ChannelError> {
        let [connection, pidfd] = <[OwnedFd; 2]>::try_from(descriptors)
            .map_err(|_| ChannelError::Malformed("a process to adopt without its two descriptors"))?;
        tracing::debug!(vm = %name, id = id.0, "vm \"{name}\": adopted, process {pid}");
        self.poller.add(&pidfd, Token::Process(id).into(), Interest::Read)?;
        let channel = Channel::from_fd(connection)?;
        let link = Some(Link::new(&self.poller, channel, Token::Channel(id).into())?);
        self.processes.insert(id, Process { name: name.to_string(), body: Body::Adopted(pidfd), link });
        self.apply(Event::Adopted(id))
    }

    /// Takes in what a machine's process says. Its end is seen elsewhere: a closed channel alone is none.
    fn hear_vm(&mut self, id: VmId, event: Option<Ready>) -> Result<(), ChannelError> {
        loop {
            let Some(process) = self.processes.get_mut(&id) else { return Ok(()) };
            let Some(link) = &mut process.link else { return Ok(()) };
            let heard =
                event.map_or(Ok(()), |event| link.flush(&self.poller, event)).and_then(|()| link.recv());
            match heard {
                Ok(None) => return Ok(()),
                Ok(Some((word, _))) => self.apply(Event::Said(id, word))?,
                Err(ChannelError::Closed) => {
                    process.hang_up(&self.poller);
                    return Ok(());
                }
                Err(error) => {
                    process.hang_up(&self.poller);
                    return self.apply(Event::Confused(id, error.to_string()));
                }
            }
        }
    }

    fn see_end(&mut self, id: VmId) -> Result<(), ChannelError> {
        // Its last words may still be in the channel.
        self.hear_vm(id, None)?;
        let Some(process) = self.processes.get(&id) else { return Ok(()) };
        let Some(end) = process.body.end()? else { return Ok(()) };
        if let Some(mut process) = self.processes.remove(&id) {
            self.poller.remove(&process.body)?;
            process.hang_up(&self.poller);
        }
        self.apply(Event::Exited(id, end))
    }

    fn apply(&mut self, event: Event) -> Result<(), ChannelError> {
        let effects = self.supervisor.apply(Instant::now(), event);
        effects.into_iter().try_for_each(|effect| self.perform(effect))
    }

    fn perform(&mut self, effect: Effect) -> Result<(), ChannelError> {
        match effect {
            Effect::Tell(message) => self.parent.send(&self.poller, &message, &[])?,
            Effect::Send(id, message) => self.send(id, &message),
            Effect::Kill(id) => self.kill(id),
            Effect::Warn(id, text) => self.warn(id, &text),
        }
        Ok(())
    }

    /// A process that can not be reached any more is about to end, or is killed at its deadline.
    fn send(&mut self, id: VmId, message: &VmmToVm) {
        self.send_with(id, message, &[]);
    }

    fn send_with(&mut self, id: VmId, message: &VmmToVm, descriptors: &[OwnedFd]) {
        let Some(link) = self.processes.get_mut(&id).and_then(|process| process.link.as_mut()) else {
            return;
        };
        let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        if let Err(error) = link.send(&self.poller, message, &descriptors) {
            tracing::debug!(vm = self.name(id), id = id.0, "vm \"{}\": {error}", self.name(id));
        }
    }

    /// Here and in all machines.
    fn set_log_level(&mut self, level: LogLevel) {
        crate::log::set_level(level);
        self.log_level = Some(level);
        let ids: Vec<VmId> = self.processes.keys().copied().collect();
        ids.into_iter().for_each(|id| self.send(id, &VmmToVm::Log(level)));
    }

    fn kill(&self, id: VmId) {
        let Some(process) = self.processes.get(&id) else { return };
        if let Err(error) = process.body.kill() {
            self.warn(id, &format!("cannot kill its process: {error}"));
        }
    }

    fn warn(&self, id: VmId, text: &str) {
        let name = self.name(id);
        tracing::warn!(vm = name, id = id.0, event = "warning", "vm \"{name}\": {text}");
    }

    fn name(&self, id: VmId) -> &str {
        self.processes.get(&id).map_or("?", |process| &process.name)
    }
}
