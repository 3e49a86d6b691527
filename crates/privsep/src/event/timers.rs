//! Deadlines by key.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Deadlines, at most one for each key. It does not read the clock: the caller says what time it is.
#[derive(Clone, Debug)]
pub struct Timers<K> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: BTreeMap<K, Instant>,
}

impl<K: Ord + Clone> Timers<K> {
    /// Makes one without deadlines.
    pub fn new() -> Self {
        Self { by_time: BTreeSet::new(), by_key: BTreeMap::new() }
    }

    /// Sets the deadline of `key`, in place of an earlier one.
    pub fn set(&mut self, key: K, deadline: Instant) {
        self.cancel(&key);
        self.by_key.insert(key.clone(), deadline);
        self.by_time.insert((deadline, key));
    }

    /// Forgets the deadline of `key`; `false` if it has none.
    pub fn cancel(&mut self, key: &K) -> bool {
        let Some((key, deadline)) = self.by_key.remove_entry(key) else { return false };
        self.by_time.remove(&(deadline, key))
    }

    /// How long to wait for the next deadline; zero if it has passed, `None` if there is none.
    pub fn next_timeout(&self, now: Instant) -> Option<Duration> {
        let (deadline, _) = self.by_time.first()?;
        Some(deadline.saturating_duration_since(now))
    }

    /// Takes the earliest key whose deadline has come.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        self.by_time.first().filter(|(deadline, _)| *deadline <= now)?;
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }
}

impl<K: Ord + Clone> Default for Timers<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[path = "timers_test.rs"]
mod tests;
