//! The table of virtual machines: every state that the daemon knows, and nothing else.
//!
//! ```text
//!     Waiting ---its turn--+
//!                          v     Started            Paused
//!     Stopped -Start-> Starting ---------> Running <--------> Paused
//!        ^                |  |                |     Unpaused    |
//!        | Unopened,Ended |  |      Stop      | Stop            | Stop
//!        |<---------------+  +---------+      |      +----------+
//!        |                             v      v      v
//!        +---------------------------- Stopping <----+
//!                       Ended
//! ```
//!
//! Running and Paused also end by themselves: the guest powers off, or its process dies. Then the machine may be
//! started again, as it was told (`restart`). A machine that a client brought into being is forgotten when it ends;
//! one from the file stays, stopped.
//!
//! The table does no I/O: an [`Event`] goes in, the [`Effect`]s that the parent has to bring about come out. What time it is, it is told ([`VmTable::at`]).

mod drive;
mod entry;
mod instance;
mod leave;
mod life;
mod news;
mod pace;
mod reload;
mod requests;
mod totals;
mod turns;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use proto::{
    DriveAnswer, DriveRequest, ExitReason, Globals, LogLevel, Owner, Peer, Refusal, RefusalKind, Reply,
    Request, RequestId, StopMode, VmId, VmName, VmRef, VmSpec,
};

use super::record::Survivor;
use entry::{Entry, Live, State};
pub use instance::Supplied;

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A machine that an earlier daemon started runs on, under a number from [`VmTable::reserve`]. Comes before
    /// everything else.
    Adopted(Box<Survivor>),
    /// The settings of the daemon itself were read. Comes before the machines.
    Configured(Globals),
    /// The configuration was read. Comes once, first of what is new.
    Loaded(Vec<VmSpec>),
    /// A configuration was read while the daemon runs, or why it can not be used.
    Read(Reading, Result<(Globals, Vec<VmSpec>), String>),
    /// The administrator wants the configuration to be read again.
    Hangup,
    /// A client asks.
    Request(RequestId, Peer, Request),
    /// The client that made this request has gone.
    Cancel(RequestId),
    /// Everything for [`Effect::Launch`] was opened and is on its way; the console is this terminal.
    Launched(VmId, PathBuf),
    /// Something for [`Effect::Launch`] could not be opened.
    Unopened(VmId, Refusal),
    /// The machine's process exists.
    Spawned(VmId, u32),
    /// The guest runs.
    Started(VmId),
    /// The guest reset itself and runs again.
    Rebooted(VmId),
    /// The machine stands still.
    Paused(VmId),
    /// The machine goes on.
    Unpaused(VmId),
    /// What became of the oldest order about the machine's drive that is not answered yet.
    Drive(VmId, DriveAnswer),
    /// The disc of the newest order about the machine's drive could not be opened: the order was not given.
    NoDisc(VmId, Refusal),
    /// The machine's process is gone, or never came to be.
    Ended(VmId, ExitReason),
    /// The host goes down: stop everything; a second time, at once.
    Shutdown,
    /// Time has passed.
    Tick,
}

/// A configuration that is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Who gets the answer; the log if nobody.
    pub client: Option<RequestId>,
    /// Which, and what for.
    pub manner: Manner,
}

/// What a configuration is read for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// The daemon's own, to be followed.
    Reload,
    /// The daemon's own, to say what following it would mean.
    Plan,
    /// Another one, to be added. The path is absolute.
    Load(PathBuf),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Open what the machine needs and have vmm start it. Answered with [`Event::Launched`] or
    /// [`Event::Unopened`].
    Launch(VmId, Box<VmSpec>, Owner),
    /// Have vmm stop the machine.
    Stop(VmId, StopMode),
    /// Have vmm send a break to the machine's first serial line.
    Break(VmId),
    /// Have vmm make the machine stand still, or go on.
    Pause(VmId, bool),
    /// Have the machine see to its drive; open the disc that is put in, on behalf of this client. Answered with
    /// [`Event::Drive`] or [`Event::NoDisc`].
    Drive(VmId, Peer, DriveRequest),
    /// Read a configuration. Answered with [`Event::Read`].
    Read(Reading),
    /// Give the control socket to this user and group, else to root.
    GiveSocket(Option<Owner>),
    /// Change how much every role logs.
    Log(LogLevel),
    /// Note what is known of the machine, for a later daemon.
    Note(Box<Survivor>),
    /// Clear away what belonged to the machine's process.
    Release(VmName),
    /// Answer a client.
    Reply(RequestId, Reply),
    /// Tell the administrator how a machine ended.
    Report(VmId, VmName, ExitReason),
    /// Tell the administrator why a machine was not started, if no client waits for it.
    ReportUnstarted(VmId, VmName, String),
    /// Tell the administrator why a configuration can not be used, if no client asked.
    ReportUnread(String),
    /// End the daemon without its machines, and tell this client how to start the next one.
    Leave(RequestId),
    /// Nothing runs any more, and nothing shall: end the daemon.
    Exit,
}

/// All virtual machines of the daemon.
#[derive(Debug, Default)]
pub struct VmTable {
    entries: BTreeMap<VmId, Entry>,
    /// Ids once given out, so that a name of a user keeps its number while the daemon lives.
    ids: BTreeMap<(VmName, u32), VmId>,
    /// The numbers of adopted machines, which nobody else gets.
    adopted: BTreeSet<VmId>,
    /// The last number given out.
    last_id: u32,
    /// What the configuration says of the daemon itself.
    globals: Globals,
    /// Machines that wait for their turn to be started, and when the next ones start.
    waiting: VecDeque<VmId>,
    next_turn: Option<Duration>,
    /// Clients that are told whatever happens.
    subscribers: Vec<RequestId>,
    /// Since the start of the host.
    now: Duration,
    going_down: bool,
}

impl VmTable {
    /// Tells the table how long the host has been running: deadlines outlive the daemon.
    pub fn at(&mut self, now: Duration) -> &mut Self {
        self.now = now;
        self
    }

    /// Takes in what has happened and says what is to be done.
    pub fn apply(&mut self, event: Event) -> Vec<Effect> {
        let before = self.before(&event);
        let mut effects = self.take_in(event);
        effects.extend(before.into_iter().flat_map(|before| self.tell_news(before)));
        effects
    }

    fn take_in(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Adopted(survivor) => self.adopt(*survivor),
            Event::Configured(globals) => self.configure(globals),
            Event::Loaded(specs) => self.load(specs),
            Event::Read(reading, outcome) => self.read(reading, outcome),
            Event::Hangup => vec![Effect::Read(Reading { client: None, manner: Manner::Reload })],
            Event::Request(id, peer, request) => self.request(id, &peer, request),
            Event::Cancel(id) => self.cancel(id),
            Event::Launched(id, tty) => self.launched(id, tty),
            Event::Unopened(id, refusal) => self.unopened(id, refusal),
            Event::Spawned(id, pid) => self.spawned(id, pid),
            Event::Started(id) => self.started(id),
            Event::Rebooted(_) => Vec::new(),
            Event::Paused(id) => self.paused(id),
            Event::Unpaused(id) => self.unpaused(id),
            Event::Drive(id, answer) => self.drive_answered(id, answer),
            Event::NoDisc(id, refusal) => self.disc_unopened(id, refusal),
            Event::Ended(id, how) => self.ended(id, how.sanitized()),
            Event::Shutdown => self.shutdown(),
            Event::Tick => self.tick(),
        }
    }

    /// How long the machine's guest has for stopping by itself, or has left if it was asked.
    pub fn time_to_stop(&self, id: VmId) -> Duration {
        let entry = self.entries.get(&id);
        match entry.and_then(Entry::live).and_then(|live| live.stop) {
            Some(stop) => stop.until.saturating_sub(self.now),
            None => entry.and_then(|entry| entry.spec.stop_timeout).unwrap_or(self.globals.stop_timeout),
        }
    }

    fn configure(&mut self, globals: Globals) -> Vec<Effect> {
        let owner = globals.socket_owner;
        let before = std::mem::replace(&mut self.globals, globals).socket_owner;
        (owner != before).then_some(Effect::GiveSocket(owner)).into_iter().collect()
    }

    fn load(&mut self, specs: Vec<VmSpec>) -> Vec<Effect> {
        let mut starts = Vec::new();
        for spec in specs {
            let Some(spec) = self.take_over(spec) else { continue };
            let enabled = spec.enabled;
            let id = self.insert(spec, Owner::ROOT.uid, false);
            starts.extend(enabled.then_some(id));
        }
        self.queue_up(starts)
    }

    /// The machine, other than `id`, that has a process and uses the image at `path`.
    pub fn user_of_disk(&self, path: &std::path::Path, id: VmId) -> Option<&VmName> {
        self.entries
            .iter()
            .filter(|(other, entry)| **other != id && entry.live().is_some())
            .find(|(_, entry)| entry.spec.disks.iter().any(|disk| disk.path == path))
            .map(|(_, entry)| &entry.spec.name)
    }

    fn insert(&mut self, spec: VmSpec, uid: u32, transient: bool) -> VmId {
        let id = self.id_of(spec.name.clone(), uid);
        self.entries.insert(id, Entry::new(spec, transient));
        id
    }

    fn id_of(&mut self, name: VmName, uid: u32) -> VmId {
        match self.ids.get(&(name.clone(), uid)) {
            Some(id) => *id,
            None => {
                let id = self.fresh_id();
                self.ids.insert((name, uid), id);
                id
            }
        }
    }

    fn fresh_id(&mut self) -> VmId {
        let free = (self.last_id.saturating_add(1)..=u32::MAX).find(|id| !self.adopted.contains(&VmId(*id)));
        self.last_id = free.unwrap_or(u32::MAX);
        VmId(self.last_id)
    }

    /// The number for a machine that an earlier daemon called `wanted`: that one, unless another has it.
    pub fn reserve(&mut self, wanted: VmId) -> VmId {
        let id = if self.adopted.contains(&wanted) { self.fresh_id() } else { wanted };
        self.adopted.insert(id);
        id
    }

    fn adopt(&mut self, survivor: Survivor) -> Vec<Effect> {
        let Survivor { id, spec, transient, starter, pid, tty, stop, disc } = survivor;
        let uid = if transient { starter } else { Owner::ROOT.uid };
        self.ids.insert((spec.name.clone(), uid), id);
        let live = Live { pid: Some(pid), tty: Some(tty), stop, disc, ..Live::new(starter) };
        let state = if stop.is_some() { State::Stopping(live) } else { State::Running(live) };
        let entry = Entry { state, ..Entry::new(spec, transient) };
        // The earlier daemon may have died between its note and its word to the machine: it is told again.
        let again = stop.map(|stop| Effect::Stop(id, stop.mode));
        let effects = entry.note(id).into_iter().chain(again).collect();
        self.entries.insert(id, entry);
        effects
    }

    /// Gives the specification back unless a machine of that name was adopted. That one runs on as it was started,
    /// and is the file's from now on.
    fn take_over(&mut self, spec: VmSpec) -> Option<VmSpec> {
        if self.adopted.is_empty() {
            return Some(spec);
        }
        match self.find(&VmRef::Name(spec.name.clone())) {
            None => Some(spec),
            Some((_, entry)) => {
                entry.follow(spec);
                None
            }
        }
    }

    fn find(&mut self, vm: &VmRef) -> Option<(VmId, &mut Entry)> {
        self.entries.iter_mut().map(|(id, entry)| (*id, entry)).find(|(id, entry)| entry.is(*id, vm))
    }
}

type Answer = Result<Vec<Effect>, Refusal>;

/// A refusal of no special kind.
fn failed(message: String) -> Refusal {
    refuse(RefusalKind::Failed, message)
}

fn refuse(kind: RefusalKind, message: String) -> Refusal {
    Refusal { kind, message }
}

#[cfg(test)]
#[path = "table_test.rs"]
mod tests;

#[cfg(test)]
#[path = "table/manage_test.rs"]
mod manage_tests;
