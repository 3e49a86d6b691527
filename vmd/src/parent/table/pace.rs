//! How often a machine may be started.

use std::time::Duration;

/// A start that comes sooner than this after the one before it is a quick one.
const QUICK: Duration = Duration::from_secs(6);

/// This many quick starts in a row are too many.
const TOO_MANY: u8 = 3;

/// The starts of one machine, so that one which breaks at once does not keep the host busy for ever.
#[derive(Debug, Default)]
pub struct Pace {
    last: Option<Duration>,
    quick: u8,
}

impl Pace {
    /// Counts a start. Whether it may be: the third quick one in a row may not, nor any other until the last
    /// one that could be is long enough ago.
    pub fn admits(&mut self, now: Duration) -> bool {
        let quick = self.last.is_some_and(|last| now.saturating_sub(last) < QUICK);
        self.quick = if quick { self.quick.saturating_add(1) } else { 0 };
        let admitted = self.quick < TOO_MANY;
        if admitted {
            self.last = Some(now);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted<const N: usize>(times: [u64; N]) -> [bool; N] {
        let mut pace = Pace::default();
        times.map(|seconds| pace.admits(Duration::from_secs(seconds)))
    }

    #[test]
    fn the_third_quick_start_in_a_row_is_refused() {
        assert_eq!(admitted([0, 1, 2, 3, 4]), [true, true, true, false, false]);
        assert_eq!(admitted([0, 5, 10, 15]), [true, true, true, false]);
    }

    #[test]
    fn a_pause_makes_up_for_it() {
        assert_eq!(admitted([0, 6, 7, 8, 14, 15, 16]), [true; 7]);
        assert_eq!(admitted([0, 1, 2, 3, 8]), [true, true, true, false, true], "6 s after the last one");
    }
}
