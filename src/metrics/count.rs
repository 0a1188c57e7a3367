//! What is counted above the engine: counters with a label, and what goes up and down.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engineio::metrics::Counter;
use parking_lot::Mutex;

/// Counters that differ in one label. The labels are constants of the program, so there are few,
/// whatever clients send.
#[derive(Debug, Default)]
pub struct Family(Mutex<Vec<(&'static str, Arc<Counter>)>>);

impl Family {
    /// The counter of a label, made when it is asked for first: to be kept by who counts often.
    pub fn counter(&self, label: &'static str) -> Arc<Counter> {
        let mut counters = self.0.lock();
        if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == label) {
            return Arc::clone(counter);
        }
        let counter = Arc::<Counter>::default();
        counters.push((label, Arc::clone(&counter)));
        counter
    }

    /// Counts one, where that is not often.
    pub fn count(&self, label: &'static str) {
        self.counter(label).count();
    }

    /// Every label with its number, in the order of the labels.
    pub fn read(&self) -> Vec<(&'static str, u64)> {
        let counters = self.0.lock();
        let mut read: Vec<_> = counters
            .iter()
            .map(|(label, counter)| (*label, counter.get()))
            .collect();
        read.sort_unstable();
        read
    }
}

/// How many there are at the moment.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// One more, until what this gives is dropped.
    pub fn hold(&self) -> Held {
        self.0.fetch_add(1, Ordering::Relaxed);
        Held(Arc::clone(&self.0))
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One of what a [`Gauge`] counts.
pub struct Held(Arc<AtomicU64>);

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_counted_apart_and_read_in_order() {
        let family = Family::default();
        let often = family.counter("b");
        family.count("a");
        often.add(2);
        family.count("b");
        assert_eq!(family.read(), [("a", 1), ("b", 3)]);
    }

    #[test]
    fn what_is_held_is_there_until_it_is_dropped() {
        let gauge = Gauge::default();
        let (one, two) = (gauge.hold(), gauge.hold());
        assert_eq!(gauge.get(), 2);
        drop((one, two));
        assert_eq!(gauge.get(), 0);
    }
}
