//! What vmm knows of its children: their state, their deadlines.
//!
//! ```text
//!               Ready            Stop gracefully           deadline
//!     Booting ---------> Up ----------------------> Asked ----------+
//!        |                |                           |             |
//!        |  any Stop      |  forced Stop              |  forced Stop|
//!        +----------------+---------------------------+-------------+--> Halting --deadline--> Killed
//! ```
//!
//! One that an earlier daemon made begins as Up. From each state the end of the process leads out of the table. The supervisor does no I/O and does not
//! look at a clock: an [`Event`] and the time go in, the [`Effect`]s come out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proto::{ExitReason, StopMode, VmId, VmToVmm, VmmToParent, VmmToVm};

/// How long a machine that was told to halt has for draining and syncing its disks before it is killed.
pub const HALT_TIME: Duration = Duration::from_secs(10);

/// What has happened.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A process for this machine was made.
    Spawned(VmId, u32),
    /// The process of this machine, made by an earlier daemon, was taken over.
    Adopted(VmId),
    /// No process could be made, for this reason.
    Unspawned(VmId, String),
    /// The parent wants the machine stopped; it has this long before it is forced.
    Stop(VmId, StopMode, Duration),
    /// The parent sends a break.
    Break(VmId),
    /// Somebody has opened the console's terminal.
    Opened(VmId),
    /// The parent wants the machine to stand still.
    Pause(VmId),
    /// The parent wants it to go on.
    Unpause(VmId),
    /// The process says something.
    Said(VmId, VmToVmm),
    /// The process broke the protocol of its channel.
    Confused(VmId, String),
    /// The process is gone.
    Exited(VmId, ProcessEnd),
    /// Time has passed.
    Tick,
}

/// How a process ended, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEnd {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// In a way that only its parent was told, who is gone.
    Unknown,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send this to the machine's process.
    Send(VmId, VmmToVm),
    /// Kill the machine's process.
    Kill(VmId),
    /// Tell the parent.
    Tell(VmmToParent),
    /// Tell the administrator.
    Warn(VmId, String),
}

/// The children of vmm.
#[derive(Debug, Default)]
pub struct Supervisor {
    children: BTreeMap<VmId, Child>,
}

#[derive(Debug)]
struct Child {
    state: State,
    /// What it said of its end before it ended.
    last_word: Option<ExitReason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Booting,
    Up,
    Asked { until: Instant },
    Halting { until: Instant },
    Killed,
}

impl Supervisor {
    /// Takes in what has happened and says what is to be done.
    pub fn apply(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        match event {
            Event::Spawned(id, pid) => {
                self.children.insert(id, Child { state: State::Booting, last_word: None });
                vec![Effect::Tell(VmmToParent::Spawned(id, pid))]
            }
            Event::Adopted(id) => {
                // The guest runs, or will soon. Nothing is waited for: the process may be stopped, and is left so.
                self.children.insert(id, Child { state: State::Up, last_word: None });
                Vec::new()
            }
            Event::Unspawned(id, why) => vec![Effect::Tell(VmmToParent::Ended(id, ExitReason::Failed(why)))],
            Event::Stop(id, mode, grace) => self.stop(now, id, mode, grace),
            Event::Break(id) => self.pass_on(id, VmmToVm::Break),
            Event::Opened(id) => self.pass_on(id, VmmToVm::Opened),
            Event::Pause(id) => self.pass_on(id, VmmToVm::Pause),
            Event::Unpause(id) => self.pass_on(id, VmmToVm::Unpause),
            Event::Said(id, word) => self.said(id, word),
            Event::Confused(id, how) => self.confused(id, how),
            Event::Exited(id, end) => self.exited(id, end),
            Event::Tick => self.tick(now),
        }
    }

    /// When [`Event::Tick`] is due next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.children.values().filter_map(|child| child.state.deadline()).min()
    }

    fn stop(&mut self, now: Instant, id: VmId, mode: StopMode, grace: Duration) -> Vec<Effect> {
        let Some(child) = self.children.get_mut(&id) else { return Vec::new() };
        match (child.state, mode) {
            (State::Up, StopMode::Graceful) => {
                child.state = State::Asked { until: now + grace };
                vec![Effect::Send(id, VmmToVm::PowerButton)]
            }
            // A guest that does not run yet can not be asked.
            (State::Booting, _) | (State::Up | State::Asked { .. }, StopMode::Force) => child.halt(now, id),
            (State::Asked { .. }, StopMode::Graceful) | (State::Halting { .. } | State::Killed, _) => {
                Vec::new()
            }
        }
    }

    fn pass_on(&self, id: VmId, word: VmmToVm) -> Vec<Effect> {
        match self.children.contains_key(&id) {
            true => vec![Effect::Send(id, word)],
            false => Vec::new(),
        }
    }

    fn said(&mut self, id: VmId, word: VmToVmm) -> Vec<Effect> {
        let Some(child) = self.children.get_mut(&id) else { return Vec::new() };
        match word {
            VmToVmm::Ready if child.state == State::Booting => {
                child.state = State::Up;
                vec![Effect::Tell(VmmToParent::Started(id))]
            }
            // Told to halt while it came up: it will.
            VmToVmm::Ready => Vec::new(),
            VmToVmm::Rebooted(cause) => vec![Effect::Tell(VmmToParent::Rebooted(id, cause))],
            VmToVmm::Paused => vec![Effect::Tell(VmmToParent::Paused(id))],
            VmToVmm::Unpaused => vec![Effect::Tell(VmmToParent::Unpaused(id))],
            VmToVmm::Drive(answer) => vec![Effect::Tell(VmmToParent::Drive(id, answer))],
            VmToVmm::Exiting(how) => {
                child.last_word = Some(how.sanitized());
                Vec::new()
            }
        }
    }

    fn confused(&mut self, id: VmId, how: String) -> Vec<Effect> {
        let Some(child) = self.children.get_mut(&id) else { return Vec::new() };
        child.state = State::Killed;
        child.last_word = Some(ExitReason::Failed(format!("its process broke the protocol: {how}")));
        vec![Effect::Kill(id)]
    }

    fn exited(&mut self, id: VmId, end: ProcessEnd) -> Vec<Effect> {
        let Some(child) = self.children.remove(&id) else { return Vec::new() };
        let how = child.last_word.unwrap_or(match (end, child.state) {
            (ProcessEnd::Signal(_) | ProcessEnd::Unknown, State::Killed) => ExitReason::Forced,
            (ProcessEnd::Unknown, _) => ExitReason::Gone,
            (ProcessEnd::Signal(signal), _) => ExitReason::Killed(signal),
            (ProcessEnd::Status(status), _) => ExitReason::Exited(status),
        });
        vec![Effect::Tell(VmmToParent::Ended(id, how))]
    }

    fn tick(&mut self, now: Instant) -> Vec<Effect> {
        self.children.iter_mut().flat_map(|(id, child)| child.tick(now, *id)).collect()
    }
}

impl Child {
    fn halt(&mut self, now: Instant, id: VmId) -> Vec<Effect> {
        self.state = State::Halting { until: now + HALT_TIME };
        vec![Effect::Send(id, VmmToVm::Halt)]
    }

    fn tick(&mut self, now: Instant, id: VmId) -> Vec<Effect> {
        match self.state {
            State::Asked { until } if until <= now => {
                let warning = "the guest did not power off in its time: forced to stop".to_owned();
                [Effect::Warn(id, warning)].into_iter().chain(self.halt(now, id)).collect()
            }
            State::Halting { until } if until <= now => {
                self.state = State::Killed;
                let warning = format!("the process did not end within {} s: killed", HALT_TIME.as_secs());
                vec![Effect::Warn(id, warning), Effect::Kill(id)]
            }
            _ => Vec::new(),
        }
    }
}

impl State {
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Asked { until } | Self::Halting { until } => Some(until),
            Self::Booting | Self::Up | Self::Killed => None,
        }
    }
}

#[cfg(test)]
#[path = "supervisor_test.rs"]
mod tests;
