//! One machine in the table.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use proto::{
    ExitReason, Owner, Refusal, RefusalKind, Reply, RequestId, RestartPolicy, VmId, VmInfo, VmRef, VmSpec,
    VmState,
};

use super::drive::Order;
use super::instance::Supplied;
use super::pace::Pace;
use super::{Answer, Effect, refuse};
use crate::parent::plan::{self, Known};
use crate::parent::record::{Stop, Survivor};

/// A machine: what was asked for and where it is in its life.
#[derive(Debug)]
pub struct Entry {
    /// What it runs with, or would.
    pub spec: VmSpec,
    /// What the file says by now, if it can not be followed before the next start.
    pub pending: Option<VmSpec>,
    /// Defined by a client, or no longer in the file, hence forgotten at its end.
    pub transient: bool,
    /// Where it is in its life.
    pub state: State,
    /// How its last run ended.
    pub last_exit: Option<ExitReason>,
    /// When it was started.
    pub pace: Pace,
    /// Files that a client has named.
    pub supplied: Option<Supplied>,
}

/// See the drawing at the top of the table.
#[derive(Debug)]
pub enum State {
    Stopped,
    Waiting,
    Starting { live: Live, client: Option<RequestId> },
    Running(Live),
    Paused(Live),
    Stopping(Live),
}

/// What is known of a machine as long as it has, or is about to have, a process.
#[derive(Debug)]
pub struct Live {
    /// User id of who started it.
    pub starter: u32,
    /// Its process.
    pub pid: Option<u32>,
    /// The user's side of its console.
    pub tty: Option<PathBuf>,
    /// Its stop, once that has begun.
    pub stop: Option<Stop>,
    /// Clients that wait for its end.
    pub waiters: Vec<RequestId>,
    /// Clients that wait until it stands still.
    pub pausing: Vec<RequestId>,
    /// Clients that wait until it goes on.
    pub unpausing: Vec<RequestId>,
    /// The image of the disc that is in its drive.
    pub disc: Option<PathBuf>,
    /// Orders about its drive that are not answered yet, the oldest first.
    pub orders: VecDeque<Order>,
}

impl Live {
    /// A machine that is about to have a process.
    pub fn new(starter: u32) -> Self {
        let (waiters, pausing, unpausing) = (Vec::new(), Vec::new(), Vec::new());
        let orders = VecDeque::new();
        Self { starter, pid: None, tty: None, stop: None, waiters, pausing, unpausing, disc: None, orders }
    }

    /// The client has gone.
    pub fn forget_client(&mut self, request: RequestId) {
        for clients in [&mut self.waiters, &mut self.pausing, &mut self.unpausing] {
            clients.retain(|client| *client != request);
        }
        // What was begun goes on, and is noted.
        self.orders.iter_mut().for_each(|order| order.forget_client(request));
    }

    /// Answers everybody who waits for anything.
    pub fn answer_end(mut self, id: VmId, how: &ExitReason) -> Vec<Effect> {
        let waiters = std::mem::take(&mut self.waiters).into_iter();
        let ended = waiters.map(|waiter| Effect::Reply(waiter, Reply::Ended { id, how: how.clone() }));
        ended.chain(self.refuse_turns(how)).collect()
    }

    /// A machine without a process neither stands still nor goes on.
    fn refuse_turns(self, how: &ExitReason) -> impl Iterator<Item = Effect> {
        let refusal = refuse(RefusalKind::NotRunning, format!("the machine {how}"));
        let ordering = self.orders.into_iter().filter_map(|order| order.client);
        let clients = self.pausing.into_iter().chain(self.unpausing).chain(ordering);
        clients.map(move |client| Effect::Reply(client, Reply::Refused(refusal.clone())))
    }
}

impl State {
    /// What is known of its process.
    pub fn live(&self) -> Option<&Live> {
        match self {
            Self::Stopped | Self::Waiting => None,
            Self::Starting { live, .. } | Self::Running(live) | Self::Paused(live) | Self::Stopping(live) => {
                Some(live)
            }
        }
    }

    /// The same, to be changed.
    pub fn live_mut(&mut self) -> Option<&mut Live> {
        match self {
            Self::Stopped | Self::Waiting => None,
            Self::Starting { live, .. } | Self::Running(live) | Self::Paused(live) | Self::Stopping(live) => {
                Some(live)
            }
        }
    }

    /// The same, taken out.
    pub fn into_live(self) -> Option<Live> {
        match self {
            Self::Stopped | Self::Waiting => None,
            Self::Starting { live, .. } | Self::Running(live) | Self::Paused(live) | Self::Stopping(live) => {
                Some(live)
            }
        }
    }
}

impl Entry {
    /// A stopped machine.
    pub fn new(spec: VmSpec, transient: bool) -> Self {
        Self {
            spec,
            pending: None,
            transient,
            state: State::Stopped,
            last_exit: None,
            pace: Pace::default(),
            supplied: None,
        }
    }

    /// What is known of its process.
    pub fn live(&self) -> Option<&Live> {
        self.state.live()
    }

    /// The same, to be changed.
    pub fn live_mut(&mut self) -> Option<&mut Live> {
        self.state.live_mut()
    }

    /// The machine as a plan sees it.
    pub fn known(&self) -> Known<'_> {
        Known { spec: &self.spec, live: self.live().is_some(), transient: self.transient }
    }

    /// Takes on what the file says: all of it, or with a process what can change at once.
    pub fn follow(&mut self, spec: VmSpec) {
        self.transient = false;
        self.pending = None;
        if self.live().is_none() {
            self.spec = spec;
            if !self.spec.enabled {
                // Its turn is called off.
                self.state = State::Stopped;
            }
            return;
        }
        plan::follow_live(&mut self.spec, &spec);
        self.pending = (self.spec != spec).then_some(spec);
        if self.pending.is_none() {
            // Whatever a client has named is what root names now.
            self.supplied = None;
        }
    }

    /// Its process has ended: from now on it is all that the file says.
    pub fn catch_up(&mut self) {
        if let Some(spec) = self.pending.take() {
            self.spec = spec;
            self.supplied = None;
        }
    }

    /// The file names it no longer: it runs to its end, and that is final.
    pub fn outlive_file(&mut self) {
        self.transient = true;
        self.pending = None;
        self.spec.restart = RestartPolicy::Never;
    }

    /// The effect that brings a process into being.
    pub fn launch(&self, id: VmId, starter: u32) -> Effect {
        let owner = Owner { uid: starter, gid: self.spec.owner.gid };
        Effect::Launch(id, Box::new(self.spec.clone()), owner)
    }

    /// What is known of it when it is about to have a process: its drive has the disc that it was defined with.
    pub fn begin_life(&self, starter: u32) -> Live {
        let disc = self.spec.cdrom.as_ref().and_then(|cdrom| cdrom.disc.clone());
        Live { disc, ..Live::new(starter) }
    }

    /// Whether a machine that `starter` started and that ended like this is started again. Files that a client
    /// has named are not opened again when it is no longer known what that client may open: an earlier daemon
    /// knew.
    pub fn restarts_after(&self, how: &ExitReason, starter: u32) -> bool {
        if self.transient && starter != Owner::ROOT.uid && self.supplied.is_none() {
            return false;
        }
        match self.spec.restart {
            RestartPolicy::Never => false,
            RestartPolicy::OnFailure => *how != ExitReason::PoweredOff,
            RestartPolicy::Always => true,
        }
    }

    /// Starts a machine again that has just ended. Who waits for its end waits on.
    pub fn start_again(&mut self, id: VmId, mut old: Live, how: &ExitReason, now: Duration) -> Vec<Effect> {
        if !self.pace.admits(now) {
            let mut effects = old.answer_end(id, how);
            effects.push(Effect::ReportUnstarted(id, self.spec.name.clone(), TOO_QUICK.to_owned()));
            return effects;
        }
        let starter = old.starter;
        let live = Live { waiters: std::mem::take(&mut old.waiters), ..self.begin_life(starter) };
        self.state = State::Starting { live, client: None };
        old.refuse_turns(how).chain([self.launch(id, starter)]).collect()
    }

    /// Tells that it is not started because it was started too often.
    pub fn too_quick(&mut self, id: VmId, client: Option<RequestId>) -> Vec<Effect> {
        self.state = State::Stopped;
        let name = &self.spec.name;
        vec![match client {
            Some(client) => {
                let refusal = refuse(RefusalKind::NotPermitted, format!("vm \"{name}\" {TOO_QUICK}"));
                Effect::Reply(client, Reply::Refused(refusal))
            }
            None => Effect::ReportUnstarted(id, name.clone(), TOO_QUICK.to_owned()),
        }]
    }

    /// Whether a client means this one.
    pub fn is(&self, id: VmId, vm: &VmRef) -> bool {
        match vm {
            VmRef::Id(wanted) => *wanted == id,
            VmRef::Name(name) => *name == self.spec.name,
        }
    }

    /// While it runs a machine belongs to whom started it.
    pub fn owner(&self) -> Owner {
        match self.live() {
            Some(live) => Owner { uid: live.starter, gid: self.spec.owner.gid },
            None => self.spec.owner,
        }
    }

    /// What a later daemon has to know of it, once it has a process. To be noted again whenever that changes.
    pub fn note(&self, id: VmId) -> Option<Effect> {
        let live = self.live()?;
        Some(Effect::Note(Box::new(Survivor {
            id,
            spec: self.spec.clone(),
            transient: self.transient,
            starter: live.starter,
            pid: live.pid?,
            tty: live.tty.clone()?,
            stop: live.stop,
            disc: live.disc.clone(),
        })))
    }

    /// Its state, by its word.
    pub fn word(&self) -> VmState {
        match self.state {
            State::Stopped => VmState::Stopped,
            State::Waiting => VmState::Waiting,
            State::Starting { .. } => VmState::Starting,
            State::Running(_) => VmState::Running,
            State::Paused(_) => VmState::Paused,
            State::Stopping(_) => VmState::Stopping,
        }
    }

    /// Its row in the status; what its process uses is for the parent to add.
    pub fn info(&self, id: VmId) -> VmInfo {
        let live = self.live();
        VmInfo {
            id,
            name: self.spec.name.clone(),
            state: self.word(),
            pid: live.and_then(|live| live.pid),
            cpus: self.spec.cpus,
            max_memory: self.spec.memory,
            current_memory: None,
            cpu_time: None,
            tty: live.and_then(|live| live.tty.clone()),
            owner: self.owner(),
            last_exit: self.last_exit.clone(),
            pending: self.pending.as_ref().map(|new| plan::split(&self.spec, new).1).unwrap_or_default(),
        }
    }

    /// Moves a machine with a process to Stopping. A client that still waits for its start is told. The stop is noted
    /// before it begins, so that whatever becomes of this daemon, it is not forgotten.
    pub fn begin_stop(&mut self, id: VmId, stop: Stop) -> Answer {
        let refusal = self.not_running();
        let (mut live, client) = match std::mem::replace(&mut self.state, State::Stopped) {
            State::Starting { live, client } => (live, client),
            State::Running(live) | State::Paused(live) | State::Stopping(live) => (live, None),
            idle @ (State::Stopped | State::Waiting) => {
                self.state = idle;
                return Err(refusal);
            }
        };
        live.stop = Some(stop);
        self.state = State::Stopping(live);
        let text = format!("vm \"{}\" was stopped before it ran", self.spec.name);
        let told = client.map(|c| Effect::Reply(c, Reply::Refused(refuse(RefusalKind::Failed, text))));
        Ok(told.into_iter().chain(self.note(id)).chain([Effect::Stop(id, stop.mode)]).collect())
    }

    /// Tells who waits for its start, or for its end, that it did not start.
    pub fn tell_unstarted(&self, id: VmId, state: State, refusal: Refusal) -> Vec<Effect> {
        let how = ExitReason::Failed(refusal.message.clone());
        let client = match &state {
            State::Starting { client, .. } => *client,
            _ => None,
        };
        let mut effects: Vec<_> =
            state.into_live().into_iter().flat_map(|live| live.answer_end(id, &how)).collect();
        effects.push(match client {
            Some(client) => Effect::Reply(client, Reply::Refused(refusal)),
            None => Effect::ReportUnstarted(id, self.spec.name.clone(), refusal.message),
        });
        effects
    }

    /// It has no process.
    pub fn not_running(&self) -> Refusal {
        refuse(RefusalKind::NotRunning, format!("vm \"{}\" is not running", self.spec.name))
    }

    /// It was asked to stop before.
    pub fn already_stopping(&self) -> Refusal {
        let text =
            format!("vm \"{0}\" is stopping already; `vmctl stop -f {0}` ends it at once", self.spec.name);
        refuse(RefusalKind::AlreadyStopping, text)
    }
}

const TOO_QUICK: &str = "was started too often in a short time; wait six seconds, and see why it ends";
