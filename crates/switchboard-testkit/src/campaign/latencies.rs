//! How long calls took: counts in steps of a thirty-second of an octave, so that an hour of them
//! takes no more room than a second.

use std::time::Duration;

const STEPS: f64 = 32.0;

/// Up to 2^32 microseconds, more than an hour.
const BUCKETS: usize = 32 * 32;

#[derive(Clone, Debug)]
pub struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Latencies {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a logarithm of a number from 1 on, cut to a bucket"
    )]
    pub fn add(&mut self, took: Duration) {
        let micros = (took.as_secs_f64() * 1e6).max(1.0);
        let bucket = (micros.log2() * STEPS) as usize;
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.total += 1;
    }

    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// What `percent` of the calls took at most; at least that, and at most 2 % more.
    pub fn percentile(&self, percent: u64) -> Duration {
        let wanted = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let steps = u32::try_from(bucket + 1).unwrap();
                return Duration::from_secs_f64((f64::from(steps) / STEPS).exp2() / 1e6);
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_close() {
        let mut latencies = Latencies::default();
        (1..=1000).for_each(|millis| latencies.add(Duration::from_millis(millis)));
        for (percent, millis) in [(50, 500), (99, 990), (100, 1000)] {
            let found = latencies.percentile(percent);
            let (low, high) =
                (Duration::from_millis(millis), Duration::from_millis(millis * 51 / 50));
            assert!((low..=high).contains(&found), "p{percent}: {found:?}");
        }
        assert_eq!(Latencies::default().percentile(99), Duration::ZERO);
    }
}
