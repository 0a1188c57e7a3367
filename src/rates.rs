//! Rates: a token bucket for each key, kept as the one time at which it is full again.
//!
//! A bucket that is full is as good as none, so that only those are kept from which something was
//! taken of late.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Above this many buckets those that are full again are swept out.
const SWEEP_ABOVE: usize = 10_000;

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// The time that one costs.
    pub(crate) cost: Duration,
    /// How many may come at once.
    pub(crate) burst: u32,
}

impl Rate {
    /// So many at once, and so many in each such time; 0 counts as 1.
    pub(crate) fn of(count: u32, time: Duration) -> Self {
        let burst = count.max(1);
        let cost = time / burst;
        Self { cost, burst }
    }
}

/// The buckets.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    full_at: HashMap<K, Instant>,
    sweep_above: usize,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self {
            full_at: HashMap::new(),
            sweep_above: SWEEP_ABOVE,
        }
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// Takes one from the bucket of `key`, and says how long to wait for it.
    ///
    /// # Errors
    /// How long it would be, when that is longer than `patience`; nothing was taken then.
    pub(crate) fn take(
        &mut self,
        key: K,
        rate: Rate,
        patience: Duration,
        now: Instant,
    ) -> Result<Duration, Duration> {
        self.sweep(now);
        let full = self.full_at.entry(key).or_insert(now);
        let next = (*full).max(now) + rate.cost;
        let wait = next
            .saturating_duration_since(now)
            .saturating_sub(rate.cost * rate.burst);
        if wait > patience {
            return Err(wait);
        }
        *full = next;
        Ok(wait)
    }

    /// Puts one back into the bucket of `key`.
    pub(crate) fn give_back(&mut self, key: &K, rate: Rate) {
        if let Some(full) = self.full_at.get_mut(key)
            && let Some(earlier) = full.checked_sub(rate.cost)
        {
            *full = earlier;
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.full_at.len()
    }

    /// Looks at each once for every time that their number has doubled.
    fn sweep(&mut self, now: Instant) {
        if self.full_at.len() > self.sweep_above {
            self.full_at.retain(|_, full| *full > now);
            self.sweep_above = SWEEP_ABOVE.max(2 * self.full_at.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        cost: Duration::from_millis(10),
        burst: 3,
    };

    #[test]
    fn those_beyond_the_burst_wait_each_behind_the_other() {
        let (mut buckets, now) = (Buckets::default(), Instant::now());
        let mut take = |patience: u64| {
            let taken = buckets.take("a", RATE, Duration::from_millis(patience), now);
            taken.map(|wait| wait.as_millis())
        };
        assert_eq!([take(0), take(0), take(0)], [Ok(0); 3]);
        assert_eq!(take(0), Err(Duration::from_millis(10)));
        assert_eq!([take(20), take(20)], [Ok(10), Ok(20)]);
        assert_eq!(take(20), Err(Duration::from_millis(30)));
        assert_eq!(
            buckets.take("b", RATE, Duration::ZERO, now),
            Ok(Duration::ZERO)
        );
    }

    #[test]
    fn only_buckets_that_are_not_full_are_kept_when_there_are_many() {
        let (mut buckets, now) = (Buckets::default(), Instant::now());
        for key in 0..=SWEEP_ABOVE {
            buckets.take(key, RATE, Duration::ZERO, now).expect("full");
        }
        let many = 3 * SWEEP_ABOVE;
        for (later, first) in [(now + RATE.cost, many), (now + 2 * RATE.cost, 2 * many)] {
            for key in first..first + many {
                buckets
                    .take(key, RATE, Duration::ZERO, later)
                    .expect("full");
            }
            assert_eq!(buckets.len(), many, "the others are full again");
        }
    }
}
