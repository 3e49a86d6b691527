//! The civil calendar, in UTC, from 1970 on.

/// The last second of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;
const SECONDS_PER_DAY: u64 = 86_400;
const FIRST_YEAR: u64 = 1970;

/// A date and a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: u64,
    /// 1 to 12.
    pub(super) month: u64,
    /// 1 to 31.
    pub(super) day: u64,
    /// 1 is Sunday, 7 is Saturday.
    pub(super) weekday: u64,
    pub(super) hour: u64,
    pub(super) minute: u64,
    pub(super) second: u64,
}

impl Date {
    /// The date this many seconds after the start of 1970, at most the end of the year 9999.
    pub(super) fn from_seconds(seconds: u64) -> Self {
        let seconds = seconds.min(LAST_SECOND);
        let mut days = seconds / SECONDS_PER_DAY;
        // The first of January 1970 was a Thursday.
        let weekday = (days.saturating_add(4) % 7).saturating_add(1);
        let mut year = FIRST_YEAR;
        while let Some(rest) = days.checked_sub(days_in_year(year)) {
            days = rest;
            year = year.saturating_add(1);
        }
        let mut month = 1;
        while let Some(rest) = days.checked_sub(days_in_month(year, month)) {
            days = rest;
            month = month.saturating_add(1);
        }
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        Self { year, month, day: days.saturating_add(1), weekday, hour, minute, second }
    }

    /// The seconds from the start of 1970. Fields out of their range count as what they would amount to, and the
    /// day of the week does not count.
    pub(super) fn to_seconds(self) -> u64 {
        let years = (FIRST_YEAR..self.year).map(days_in_year);
        let months = (1..self.month).map(|month| days_in_month(self.year, month));
        let days: u64 = years.chain(months).chain([self.day.saturating_sub(1)]).sum();
        let units = [(days, SECONDS_PER_DAY), (self.hour, 3600), (self.minute, 60), (self.second, 1)];
        units.into_iter().map(|(count, seconds)| count.saturating_mul(seconds)).sum()
    }
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_in_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(year: u64, month: u64, day: u64, weekday: u64, [hour, minute, second]: [u64; 3]) -> Date {
        Date { year, month, day, weekday, hour, minute, second }
    }

    #[test]
    fn seconds_and_dates_agree_with_known_pairs() {
        for (seconds, date) in [
            (0, date(1970, 1, 1, 5, [0, 0, 0])),
            (951_782_399, date(2000, 2, 28, 2, [23, 59, 59])),
            (951_782_400, date(2000, 2, 29, 3, [0, 0, 0])),
            (1_709_251_200, date(2024, 3, 1, 6, [0, 0, 0])),
            (4_107_542_400, date(2100, 3, 1, 2, [0, 0, 0])),
            (LAST_SECOND, date(9999, 12, 31, 6, [23, 59, 59])),
        ] {
            assert_eq!(Date::from_seconds(seconds), date);
            assert_eq!(date.to_seconds(), seconds);
        }
    }

    #[test]
    fn what_is_out_of_range_stays_harmless() {
        assert_eq!(Date::from_seconds(u64::MAX), Date::from_seconds(LAST_SECOND));
        let odd = date(25_755, 255, 255, 9, [255, 255, 255]);
        assert!(odd.to_seconds() > LAST_SECOND);
        assert_eq!(date(1900, 0, 0, 0, [0, 0, 0]).to_seconds(), 0);
    }
}
