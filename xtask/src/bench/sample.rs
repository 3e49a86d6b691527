//! Several measurements of one thing.

use std::time::Duration;

/// Times of one contender.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    times: Vec<Duration>,
}

impl Sample {
    /// Adds a measurement.
    pub fn add(&mut self, time: Duration) {
        self.times.push(time);
    }

    /// The middle one; of an even number, the upper of the two. Zero without a measurement.
    pub fn median(&self) -> Duration {
        let mut sorted = self.times.clone();
        sorted.sort();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    /// The shortest.
    pub fn least(&self) -> Duration {
        self.times.iter().min().copied().unwrap_or_default()
    }

    /// How many times as long as another's median this one's is.
    pub fn ratio(&self, other: &Self) -> f64 {
        self.median().as_secs_f64() / other.median().as_secs_f64()
    }
}

/// A row: name, median, least, and the ratio to a reference.
pub fn row(name: &str, sample: &Sample, reference: &Sample) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    format!(
        "  {name:<44} {:>9.2} ms {:>9.2} ms {:>7.2}",
        ms(sample.median()),
        ms(sample.least()),
        sample.ratio(reference)
    )
}

/// The heading of such rows.
pub fn header(reference: &str) -> String {
    format!("  {:<44} {:>12} {:>12} {:>7}", "", "median", "least", format!("/ {reference}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_not_moved_by_an_outlier() {
        let sample =
            |times: &[u64]| Sample { times: times.iter().copied().map(Duration::from_millis).collect() };
        let one = sample(&[3, 900, 2, 4, 1]);
        assert_eq!((one.median(), one.least()), (Duration::from_millis(3), Duration::from_millis(1)));
        assert!((sample(&[6]).ratio(&one) - 2.0).abs() < 1e-9);
    }
}
