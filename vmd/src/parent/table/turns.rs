//! Starting machines in groups, one after the other (`staggered start`).

use std::time::Duration;

use proto::{Owner, VmId};

use super::entry::State;
use super::{Effect, VmTable};

impl VmTable {
    /// When [`super::Event::Tick`] is due next, in the time of [`VmTable::at`].
    pub fn next_deadline(&self) -> Option<Duration> {
        self.next_turn
    }

    /// Starts machines, or has them wait for their turn.
    pub(super) fn queue_up(&mut self, ids: Vec<VmId>) -> Vec<Effect> {
        if self.globals.staggered.is_none() {
            return ids.into_iter().flat_map(|id| self.launch(id, Owner::ROOT.uid, None)).collect();
        }
        for id in ids {
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.state = State::Waiting;
                self.waiting.push_back(id);
            }
        }
        if self.next_turn.is_none() { self.take_turn() } else { Vec::new() }
    }

    pub(super) fn tick(&mut self) -> Vec<Effect> {
        match self.next_turn {
            Some(due) if due <= self.now => self.take_turn(),
            _ => Vec::new(),
        }
    }

    /// Starts the next group. A machine that somebody started in the meantime has had its turn.
    fn take_turn(&mut self) -> Vec<Effect> {
        let staggered = self.globals.staggered;
        let count = staggered.map_or(usize::MAX, |s| usize::try_from(s.parallel).unwrap_or(usize::MAX));
        let mut effects = Vec::new();
        let mut started = 0;
        while started < count.max(1) {
            let Some(id) = self.waiting.pop_front() else { break };
            if self.entries.get(&id).is_some_and(|entry| matches!(entry.state, State::Waiting)) {
                effects.extend(self.launch(id, Owner::ROOT.uid, None));
                started += 1;
            }
        }
        let delay = staggered.map_or(Duration::ZERO, |s| s.delay);
        self.next_turn = (!self.waiting.is_empty()).then(|| self.now.saturating_add(delay));
        effects
    }

    /// Nobody waits any more.
    pub(super) fn call_turns_off(&mut self) {
        self.next_turn = None;
        for id in std::mem::take(&mut self.waiting) {
            if let Some(entry) = self.entries.get_mut(&id)
                && matches!(entry.state, State::Waiting)
            {
                entry.state = State::Stopped;
            }
        }
    }
}
