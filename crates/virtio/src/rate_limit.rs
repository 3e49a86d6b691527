//! Keeps a guest, or a broken host, from filling the log.

use std::time::{Duration, Instant};

/// How often something is logged at most.
const EVERY: Duration = Duration::from_secs(1);

/// Decides which occurrences of something are logged.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    last: Option<Instant>,
    suppressed: u64,
}

impl RateLimit {
    /// Whether this occurrence is logged; if so, how many were not since the last one that was.
    pub(crate) fn allow(&mut self) -> Option<u64> {
        if self.last.is_some_and(|last| last.elapsed() < EVERY) {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.last = Some(Instant::now());
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_logged_and_those_that_follow_too_soon_are_counted() {
        let mut limit = RateLimit::default();
        assert_eq!(limit.allow(), Some(0));
        assert_eq!(limit.allow(), None);
        assert_eq!(limit.allow(), None);
        limit.last = limit.last.and_then(|last| last.checked_sub(EVERY));
        assert_eq!(limit.allow(), Some(2));
        assert_eq!(limit.allow(), None);
    }
}
