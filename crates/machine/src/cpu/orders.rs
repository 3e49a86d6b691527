//! What the owner wants of the processors' threads, and how many of them have complied.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::sync::lock;

/// The orders to all threads of a machine.
#[derive(Default)]
pub(crate) struct Orders {
    state: Mutex<State>,
    /// The owner has changed its mind.
    changed: Condvar,
    /// One more thread is parked.
    parked: Condvar,
}

#[derive(Default)]
struct State {
    wanted: Wanted,
    /// Counts the calls of [`Orders::run`]. A thread that has parked by itself in this round waits for the
    /// next.
    round: u64,
    parked: usize,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Wanted {
    #[default]
    Pause,
    Run,
    End,
}

impl Orders {
    /// Everybody runs.
    pub fn run(&self) {
        let mut state = lock(&self.state);
        state.wanted = Wanted::Run;
        state.round = state.round.wrapping_add(1);
        self.changed.notify_all();
    }

    /// Everybody parks. Those who run the guest have to be kicked after this.
    pub fn pause(&self) {
        lock(&self.state).wanted = Wanted::Pause;
    }

    /// Everybody ends, for good. Those who run the guest have to be kicked after this.
    pub fn end(&self) {
        lock(&self.state).wanted = Wanted::End;
        self.changed.notify_all();
    }

    /// Waits until `count` threads are parked.
    pub fn wait_parked(&self, count: usize) {
        let state = lock(&self.state);
        drop(
            self.parked
                .wait_while(state, |state| state.parked < count)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Parks the calling thread, which ran in round `last` (0 at first), until it is to run again; then the
    /// number of the new round. `None` when it is to end.
    pub fn park(&self, last: u64) -> Option<u64> {
        let mut state = lock(&self.state);
        state.parked = state.parked.saturating_add(1);
        self.parked.notify_all();
        let waits = |state: &mut State| match state.wanted {
            Wanted::Pause => true,
            Wanted::Run => state.round == last,
            Wanted::End => false,
        };
        let mut state = self.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner);
        state.parked = state.parked.saturating_sub(1);
        (state.wanted == Wanted::Run).then_some(state.round)
    }

    /// Whether a thread that runs in `round` has to park or end.
    pub fn is_over(&self, round: u64) -> bool {
        let state = lock(&self.state);
        state.wanted != Wanted::Run || state.round != round
    }
}
