//! The vm role: one machine, its loop, and its end.
//!
//! The process is told what to be by the first message on its channel, builds the machine, closes its sandbox
//! behind that, and runs the guest. When its channel closes without a request to stop, the daemon has died: the
//! guest keeps running, and the process waits on its own socket for the next daemon to connect.

mod console;
mod drive;
mod parts;
mod sandbox;

use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, bail};
use machine::{Machine, MachineEvent, Resources};
use privsep::event::{Event as Ready, Interest, Poller, Signals};
use privsep::{Channel, ChannelError};
use proto::{ExitReason, VmSpec, VmToVmm, VmmToVm};
use rustix::net::{SocketFlags, accept_with, listen};
use rustix::process::Signal;

use crate::link::Link;
use console::Console;
use parts::Parts;

/// How long the process waits to be told what to be.
const HELLO_TIME: Duration = Duration::from_secs(10);

type VmmLink = Link<VmToVmm, VmmToVm>;

/// Runs one machine until it ends, and says how it came.
///
/// # Errors
/// When the process is told nothing, or rubbish, or its channel fails before the guest runs.
pub fn run(mut channel: Channel<VmToVmm, VmmToVm>) -> anyhow::Result<()> {
    // First of all, so that every thread made later leaves the signal to the loop.
    let signals = Signals::new(&[Signal::TERM])?;
    let (spec, parts) = hello(&mut channel)?;
    let how = match Vm::build(&spec, parts, signals) {
        Ok(vm) => vm.run(channel)?,
        Err(why) => {
            let how = ExitReason::Failed(format!("{why:#}"));
            channel.send(&VmToVmm::Exiting(how.clone()), &[])?;
            how
        }
    };
    tracing::debug!(reason = %how, "{how}");
    Ok(())
}

fn hello(channel: &mut Channel<VmToVmm, VmmToVm>) -> anyhow::Result<(VmSpec, Parts)> {
    match channel.recv_wait(HELLO_TIME)? {
        (VmmToVm::Hello { id, spec, slots }, descriptors) => {
            crate::log::be_about(spec.name.clone(), id);
            Ok((*spec, Parts::sort(&slots, descriptors)?))
        }
        (other, _) => bail!("{other:?} came before a hello"),
    }
}

struct Vm {
    poller: Poller,
    signals: Signals,
    /// None while there is no daemon.
    link: Option<VmmLink>,
    listener: OwnedFd,
    machine: Machine,
    console: Console,
    /// What the terminal is watched for.
    watched: Option<Interest>,
    /// Whether a reset ends the machine: it was to boot once from where it otherwise does not, for an installation,
    /// or its guest was asked to power off, and this is what it made of it.
    ends_at_reset: bool,
}

/// What became ready.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Token {
    Channel,
    Signals,
    Listener,
    Machine,
    Output,
    Terminal,
}

impl Token {
    const ALL: [Self; 6] =
        [Self::Channel, Self::Signals, Self::Listener, Self::Machine, Self::Output, Self::Terminal];
}

impl Vm {
    fn build(spec: &VmSpec, parts: Parts, signals: Signals) -> anyhow::Result<Self> {
        let console = Console::new(parts.console)?;
        let resources = Resources {
            kvm: parts.kvm,
            boot: parts.boot,
            variables: parts.firmware_vars,
            disks: parts.disks,
            cdrom: parts.cdrom,
            console: console.output(),
            thread_hook: sandbox::thread_hook(spec.cdrom.is_some())?,
        };
        let machine = Machine::build(spec, resources)?;
        // The parent did that already. Done again here it is this process that a new daemon sees at the other end.
        listen(&parts.listener, 1)?;
        let poller = Poller::new()?;
        Ok(Self {
            poller,
            signals,
            link: None,
            listener: parts.listener,
            machine,
            console,
            watched: None,
            ends_at_reset: spec.boot_device.is_some(),
        })
    }

    fn run(mut self, channel: Channel<VmToVmm, VmmToVm>) -> anyhow::Result<ExitReason> {
        self.watch(channel)?;
        sandbox::confine_owner()?;
        self.machine.start();
        self.say(&VmToVmm::Ready);
        let how = match self.serve() {
            Ok(how) => how,
            Err(why) => ExitReason::Failed(format!("{why:#}")),
        };
        Ok(self.end(how))
    }

    fn watch(&mut self, channel: Channel<VmToVmm, VmmToVm>) -> anyhow::Result<()> {
        let Self { poller, signals, machine, console, .. } = self;
        poller.add(signals, Token::Signals as u64, Interest::Read)?;
        poller.add(machine.event_fd(), Token::Machine as u64, Interest::Read)?;
        poller.add(console.waker(), Token::Output as u64, Interest::Read)?;
        self.link = Some(Link::new(poller, channel, Token::Channel as u64)?);
        // Somebody may have opened the terminal before it was watched.
        self.console.opened()?;
        self.watch_terminal()
    }

    /// Turns the loop until the machine ends.
    fn serve(&mut self) -> anyhow::Result<ExitReason> {
        loop {
            for event in self.poller.wait(None)? {
                let Some(token) = Token::ALL.get(usize::try_from(event.token)?) else { continue };
                if let Some(how) = self.handle(*token, event)? {
                    return Ok(how);
                }
            }
            self.watch_terminal()?;
        }
    }

    fn handle(&mut self, token: Token, event: Ready) -> anyhow::Result<Option<ExitReason>> {
        match token {
            Token::Channel => return Ok(self.hear(event)),
            Token::Signals => return self.take_signal(),
            Token::Machine => return self.take_machine_events(),
            Token::Listener => self.adopt()?,
            Token::Output => self.console.send()?,
            Token::Terminal => self.serve_terminal(event)?,
        }
        Ok(None)
    }

    /// Takes in what the daemon wants.
    fn hear(&mut self, event: Ready) -> Option<ExitReason> {
        loop {
            let link = self.link.as_mut()?;
            match link.flush(&self.poller, event).and_then(|()| link.recv()) {
                Ok(None) => return None,
                Ok(Some((word, descriptors))) => match self.obey(word, descriptors) {
                    Ok(None) => {}
                    Ok(end) => return end,
                    Err(why) => return Some(ExitReason::Failed(format!("{why:#}"))),
                },
                Err(why) => self.lose_daemon(&why),
            }
        }
    }

    /// Does what the daemon wants; says how the machine ends if that is what it wants.
    fn obey(&mut self, word: VmmToVm, descriptors: Vec<OwnedFd>) -> anyhow::Result<Option<ExitReason>> {
        match word {
            VmmToVm::PowerButton => {
                // A guest that stands still could not hear it.
                if self.machine.is_paused() {
                    self.unpause()?;
                }
                self.ends_at_reset = true;
                self.machine.power_button();
            }
            VmmToVm::Break => self.machine.serial_break(),
            VmmToVm::Opened => self.console.opened()?,
            VmmToVm::Pause => {
                self.machine.pause().context("cannot pause the machine")?;
                self.say(&VmToVmm::Paused);
            }
            VmmToVm::Unpause => self.unpause()?,
            VmmToVm::Drive(order) => {
                let answer = drive::obey(&self.machine, order, descriptors);
                self.say(&VmToVmm::Drive(answer));
            }
            VmmToVm::Log(level) => crate::log::set_level(level),
            VmmToVm::Halt => return Ok(Some(ExitReason::Forced)),
            VmmToVm::Hello { .. } => tracing::warn!("a second hello was ignored"),
        }
        Ok(None)
    }

    fn unpause(&mut self) -> anyhow::Result<()> {
        self.machine.resume().context("cannot let the machine go on")?;
        self.say(&VmToVmm::Unpaused);
        Ok(())
    }

    fn lose_daemon(&mut self, why: &ChannelError) {
        tracing::warn!(event = "orphaned", "{why}: the guest keeps running and waits for a new vmd");
        if let Some(link) = self.link.take() {
            link.close(&self.poller);
        }
        if let Err(why) = self.poller.add(&self.listener, Token::Listener as u64, Interest::Read) {
            tracing::error!("cannot wait for a new vmd: {why}");
        }
    }

    /// A new daemon has come. Only root can reach the socket.
    fn adopt(&mut self) -> anyhow::Result<()> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let Ok(connection) = accept_with(&self.listener, flags) else { return Ok(()) };
        self.poller.remove(&self.listener)?;
        self.link = Some(Link::new(&self.poller, Channel::from_fd(connection)?, Token::Channel as u64)?);
        self.say(&VmToVmm::Ready);
        if self.machine.is_paused() {
            self.say(&VmToVmm::Paused);
        }
        // While there was no daemon nobody told who opened the terminal.
        self.console.opened()?;
        Ok(())
    }

    fn take_signal(&mut self) -> anyhow::Result<Option<ExitReason>> {
        Ok(self.signals.read()?.map(|_| ExitReason::Forced))
    }

    fn take_machine_events(&mut self) -> anyhow::Result<Option<ExitReason>> {
        while let Some(event) = self.machine.next_event() {
            match event {
                MachineEvent::PoweredOff => return Ok(Some(ExitReason::PoweredOff)),
                MachineEvent::Failed(why) => return Ok(Some(ExitReason::Failed(why))),
                MachineEvent::Reset(_) if self.ends_at_reset => return Ok(Some(ExitReason::PoweredOff)),
                MachineEvent::Reset(cause) => {
                    self.machine.reset().context("cannot reset the machine")?;
                    self.say(&VmToVmm::Rebooted(cause));
                }
                MachineEvent::SerialRoom => self.console.receive(|bytes| self.machine.serial_input(bytes))?,
            }
        }
        Ok(None)
    }

    fn serve_terminal(&mut self, event: Ready) -> anyhow::Result<()> {
        if event.hangup {
            self.console.closed();
            return Ok(());
        }
        if event.writable {
            self.console.send()?;
        }
        if event.readable {
            self.console.receive(|bytes| self.machine.serial_input(bytes))?;
        }
        Ok(())
    }

    fn watch_terminal(&mut self) -> anyhow::Result<()> {
        let wanted = self.console.wants().map(|wants| match (wants.read, wants.write) {
            (true, write) => Interest::read_and(write),
            (false, true) => Interest::Write,
            (false, false) => Interest::Hangup,
        });
        let (poller, terminal, token) = (&self.poller, self.console.master(), Token::Terminal as u64);
        match (self.watched, wanted) {
            (before, after) if before == after => {}
            (None, Some(interest)) => poller.add(terminal, token, interest)?,
            (Some(_), Some(interest)) => poller.modify(terminal, token, interest)?,
            (_, None) => poller.remove(terminal)?,
        }
        self.watched = wanted;
        Ok(())
    }

    /// Without a daemon nobody listens; with one that can not be reached, its end is seen by the loop.
    fn say(&mut self, word: &VmToVmm) {
        let Some(link) = &mut self.link else { return };
        if let Err(why) = link.send(&self.poller, word, &[]) {
            tracing::debug!("cannot say {word:?}: {why}");
        }
    }

    /// Halts the machine, shows the last output to who reads it, and says the last word.
    fn end(self, how: ExitReason) -> ExitReason {
        let Self { poller, mut link, machine, mut console, .. } = self;
        let how = match (machine.halt(), how) {
            (Err(why), ExitReason::PoweredOff | ExitReason::Forced) => ExitReason::Failed(format!("{why:#}")),
            (_, how) => how,
        };
        // Whatever the terminal does not take now is lost.
        let _ = console.part();
        if let Some(link) = &mut link {
            let _ = link.send(&poller, &VmToVmm::Exiting(how.clone()), &[]);
        }
        how
    }
}
