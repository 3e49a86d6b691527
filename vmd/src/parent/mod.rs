//! The parent: the table of machines, the opening of files, the roles.

mod access;
pub mod accounts;
mod adopt;
pub mod config;
pub mod console;
mod drive;
mod environment;
mod manage;
mod open;
mod openings;
mod partings;
mod plan;
mod process;
mod record;
mod report;
mod roles;
mod runtime_dir;
mod service;
mod table;
mod variables;

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use privsep::event::{Event as Ready, Interest, Poller, Signals};
use privsep::sandbox::Identity;
use proto::{
    ControlToParent, Owner, ParentToControl, ParentToVmm, PrivToParent, Refusal, RefusalKind, Reply,
    RequestId, StopMode, VmId, VmRef, VmSpec, VmmToParent,
};
use rustix::process::Signal;

use crate::role::Role;
use openings::Openings;
use partings::Partings;
use roles::{ControlLink, PrivLink, Roles, VmmLink};
use table::{Effect, Event, VmTable};

pub use open::kvm;
pub use roles::Starter;
pub use runtime_dir::RuntimeDir;
pub use service::Service;

/// Starts the roles, then the machines of `config`, and serves until all of that has ended. `source` is where the
/// configuration is read again, `ready` is called when clients can come, `service` is told about it all.
///
/// # Errors
/// When a role can not be started, or ends before its time.
pub fn run(
    starter: &Starter<'_>,
    dir: RuntimeDir,
    source: config::Source,
    config: conf::Config,
    service: Service,
    ready: &mut dyn FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Ending> {
    let signals = Signals::new(&[Signal::TERM, Signal::INT, Signal::HUP, Signal::USR1, Signal::PIPE])?;
    let poller = Poller::new()?;
    let (roles, links) = Roles::start(starter, &poller, Token::ALL.map(|token| token as u64))?;
    let mut parent = Parent {
        poller,
        signals,
        control: links.control,
        privileged: links.privileged,
        vmm: links.vmm,
        table: VmTable::default(),
        dir,
        state_dir: starter.state_dir.clone(),
        account: starter.inherited.account(),
        socket: starter.options.socket(),
        units: process::Units::of_this_host(),
        source,
        service,
        openings: Openings::new().context("cannot watch terminals")?,
        partings: Partings::default(),
        ending: None,
    };
    let result = parent.serve(config, ready);
    parent.leave(roles);
    result
}

struct Parent {
    poller: Poller,
    signals: Signals,
    control: ControlLink,
    privileged: PrivLink,
    vmm: VmmLink,
    table: VmTable,
    dir: RuntimeDir,
    state_dir: PathBuf,
    account: Identity,
    socket: PathBuf,
    /// Asked for before the sandbox closes.
    units: process::Units,
    source: config::Source,
    service: Service,
    /// Tells who opens a console.
    openings: Openings,
    /// Keeps consoles until their last output was read.
    partings: Partings,
    /// How it ends, once that is settled.
    ending: Option<Ending>,
}

/// How the daemon has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With all its machines.
    Down,
    /// Without them: they wait for another daemon.
    HandedOver,
}

/// What became ready.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Token {
    Control,
    Priv,
    Vmm,
    Signals,
    Openings,
}

impl Token {
    const ALL: [Self; 3] = [Self::Control, Self::Priv, Self::Vmm];
}

impl Parent {
    fn serve(
        &mut self,
        config: conf::Config,
        ready: &mut dyn FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Ending> {
        self.poller.add(&self.signals, Token::Signals as u64, Interest::Read)?;
        self.poller.add(&self.openings, Token::Openings as u64, Interest::Read)?;
        self.listen()?;
        Role::Parent.confine(self.account, &self.dir.empty())?;
        tracing::info!("ready, control socket {}", self.socket.display());
        self.adopt_survivors()?;
        ready()?;
        self.service.ready();
        self.apply(Event::Configured(config.globals))?;
        self.apply(Event::Loaded(config.vms))?;
        loop {
            if let Some(ending) = self.ending {
                return Ok(ending);
            }
            for event in self.poller.wait(self.timeout())? {
                self.handle(event)?;
            }
            self.apply(Event::Tick)?;
            self.partings.look(Instant::now());
            self.service.report(&self.table);
            self.service.sign(Instant::now());
        }
    }

    /// Until the table has to be told that time has passed, the service manager that the daemon lives, or a
    /// console is closed.
    fn timeout(&self) -> Option<Duration> {
        let table = self.table.next_deadline().map(|due| due.saturating_sub(process::host_time()));
        let others = [self.service.next_sign(), self.partings.next_look()].into_iter().flatten();
        let others = others.map(|due| due.saturating_duration_since(Instant::now()));
        table.into_iter().chain(others).min()
    }

    fn listen(&mut self) -> anyhow::Result<()> {
        let socket = runtime_dir::control_socket(&self.socket)?;
        self.control.send(&self.poller, &ParentToControl::Listen, &[socket.as_fd()])?;
        Ok(())
    }

    fn handle(&mut self, event: Ready) -> anyhow::Result<()> {
        match event.token {
            token if token == Token::Control as u64 => self.hear_control(event).context("the control role"),
            token if token == Token::Priv as u64 => self.hear_priv(event).context("the priv role"),
            token if token == Token::Vmm as u64 => self.hear_vmm(event).context("the vmm role"),
            token if token == Token::Openings as u64 => self.pass_openings_on(),
            _ => self.take_signals(),
        }
    }

    fn pass_openings_on(&mut self) -> anyhow::Result<()> {
        for id in self.openings.read()? {
            self.vmm.send(&self.poller, &ParentToVmm::Opened(id), &[])?;
        }
        Ok(())
    }

    fn hear_control(&mut self, event: Ready) -> anyhow::Result<()> {
        self.control.flush(&self.poller, event)?;
        while let Some((message, _)) = self.control.recv()? {
            match message {
                ControlToParent::Ready => bail!("it said twice that it is ready"),
                ControlToParent::Request(id, peer, request) => {
                    report::asked(&self.table, &peer, &request);
                    self.apply(Event::Request(id, peer, request))?;
                }
                ControlToParent::Cancel(id) => self.apply(Event::Cancel(id))?,
            }
        }
        Ok(())
    }

    fn hear_priv(&mut self, event: Ready) -> anyhow::Result<()> {
        self.privileged.flush(&self.poller, event)?;
        match self.privileged.recv()? {
            None => Ok(()),
            Some((PrivToParent::Ready, _)) => bail!("it said twice that it is ready"),
        }
    }

    fn hear_vmm(&mut self, event: Ready) -> anyhow::Result<()> {
        self.vmm.flush(&self.poller, event)?;
        while let Some((message, _)) = self.vmm.recv()? {
            match message {
                VmmToParent::Ready => bail!("it said twice that it is ready"),
                VmmToParent::Spawned(id, pid) => self.apply(Event::Spawned(id, pid))?,
                VmmToParent::Started(id) => self.apply_reported(id, "started", Event::Started(id))?,
                VmmToParent::Rebooted(id, cause) => {
                    self.table.report_reset(id, cause);
                    self.apply(Event::Rebooted(id))?;
                }
                VmmToParent::Paused(id) => self.apply_reported(id, "paused", Event::Paused(id))?,
                VmmToParent::Unpaused(id) => self.apply_reported(id, "unpaused", Event::Unpaused(id))?,
                VmmToParent::Drive(id, answer) => {
                    self.table.report_disc(id, answer);
                    self.apply(Event::Drive(id, answer))?;
                }
                VmmToParent::Ended(id, how) => {
                    self.partings.ended(id, Instant::now());
                    self.apply(Event::Ended(id, how))?;
                }
            }
        }
        Ok(())
    }

    fn take_signals(&mut self) -> anyhow::Result<()> {
        while let Some(signal) = self.signals.read()? {
            if signal.is(Signal::TERM) || signal.is(Signal::INT) {
                match self.table.is_going_down() {
                    false => tracing::info!("shutting down"),
                    true => tracing::info!("told again to shut down: forcing what is left"),
                }
                self.service.stopping(&self.table);
                self.apply(Event::Shutdown)?;
            } else if signal.is(Signal::HUP) {
                tracing::info!("reading the configuration again");
                self.apply(Event::Hangup)?;
            } else {
                tracing::info!("signal {} has no effect yet", signal.number);
            }
        }
        Ok(())
    }

    /// The same with something that a machine has done, which the log calls by this word.
    fn apply_reported(&mut self, id: VmId, word: &'static str, event: Event) -> anyhow::Result<()> {
        self.table.report(id, word);
        self.apply(event)
    }

    /// Brings about what follows from an event, and what follows from that.
    fn apply(&mut self, event: Event) -> anyhow::Result<()> {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.table.at(process::host_time()).apply(event) {
                events.extend(self.perform(effect)?);
            }
        }
        Ok(())
    }

    fn perform(&mut self, effect: Effect) -> anyhow::Result<Option<Event>> {
        match effect {
            Effect::Launch(id, spec, owner) => return self.launch(id, spec, owner).map(Some),
            Effect::Stop(id, mode) => self.stop(id, mode)?,
            Effect::Break(id) => self.vmm.send(&self.poller, &ParentToVmm::Break(id), &[])?,
            Effect::Pause(id, true) => self.vmm.send(&self.poller, &ParentToVmm::Pause(id), &[])?,
            Effect::Pause(id, false) => self.vmm.send(&self.poller, &ParentToVmm::Unpause(id), &[])?,
            Effect::Drive(id, peer, what) => return self.order_drive(id, &peer, what),
            Effect::Read(reading) => return Ok(Some(self.read(reading))),
            Effect::GiveSocket(owner) => self.give_socket(owner),
            Effect::Log(level) => self.set_log_level(level)?,
            Effect::Note(survivor) => self.note(*survivor),
            Effect::Release(name) => {
                if let Err(why) = self.dir.remove_vm(&name) {
                    tracing::warn!(vm = %name, "vm \"{name}\": cannot remove its directory: {why}");
                }
            }
            Effect::Reply(id, reply) => self.reply(id, reply)?,
            Effect::Report(id, name, how) => report::ended(id, &name, &how),
            Effect::ReportUnstarted(id, name, why) => report::unstarted(id, &name, &why),
            Effect::ReportUnread(why) => tracing::error!("nothing was changed: {why}"),
            Effect::Leave(client) => self.hand_over(client)?,
            Effect::Exit => self.ending = Some(Ending::Down),
        }
        Ok(None)
    }

    fn launch(&mut self, id: VmId, spec: Box<VmSpec>, owner: Owner) -> anyhow::Result<Event> {
        report::starting(id, &spec.name);
        let user_of = |path: &std::path::Path| self.table.user_of_disk(path, id);
        let opened =
            match open::open(&spec, owner, (&self.dir, &self.state_dir), self.table.supplied(id), user_of) {
                Ok(opened) => opened,
                Err(refusal) => return Ok(Event::Unopened(id, refusal)),
            };
        if let Err(why) = self.openings.watch(id, &opened.tty) {
            let message = format!("cannot watch its terminal {}: {why}", opened.tty.display());
            return Ok(Event::Unopened(id, Refusal { kind: RefusalKind::Failed, message }));
        }
        self.partings.started(id, opened.console, Instant::now());
        let descriptors: Vec<_> = opened.descriptors.iter().map(AsFd::as_fd).collect();
        let message = ParentToVmm::Start { id, spec, slots: opened.slots };
        self.vmm.send(&self.poller, &message, &descriptors)?;
        Ok(Event::Launched(id, opened.tty))
    }

    fn stop(&mut self, id: VmId, mode: StopMode) -> anyhow::Result<()> {
        let time = self.table.time_to_stop(id);
        if let Some((_, name)) = self.table.identify(&VmRef::Id(id)) {
            report::stopping(id, name, mode, time);
        }
        let grace_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Ok(self.vmm.send(&self.poller, &ParentToVmm::Stop { id, mode, grace_ms }, &[])?)
    }

    fn reply(&mut self, id: RequestId, mut reply: Reply) -> anyhow::Result<()> {
        match &mut reply {
            Reply::Vm(info) => {
                let usage = info.pid.and_then(|pid| self.units.usage(pid));
                info.current_memory = usage.map(|usage| usage.memory);
                info.cpu_time = usage.map(|usage| usage.time);
            }
            Reply::Refused(Refusal { message, .. }) => report::refused(message),
            _ => {}
        }
        Ok(self.control.send(&self.poller, &ParentToControl::Reply(id, reply), &[])?)
    }

    /// Lets the roles end by closing their channels, and clears away what others could stumble over.
    fn leave(self, roles: Roles) {
        let Self { control, privileged, vmm, poller, socket, .. } = self;
        if let Err(why) = std::fs::remove_file(&socket) {
            tracing::warn!("cannot remove {}: {why}", socket.display());
        }
        control.close(&poller);
        privileged.close(&poller);
        vmm.close(&poller);
        roles.wait();
    }
}
