//! Things that are due at some time: set, moved, cancelled, and taken out in
//! the order of their times.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// Alarms by key, each with some data.
pub(super) struct Alarms<K, V> {
    by_time: BTreeSet<(Instant, K)>,
    by_key: HashMap<K, (Instant, V)>,
}

impl<K, V> Default for Alarms<K, V> {
    fn default() -> Self {
        Self {
            by_time: BTreeSet::new(),
            by_key: HashMap::new(),
        }
    }
}

impl<K: Clone + Ord + Hash, V> Alarms<K, V> {
    /// Sets an alarm; an earlier one of the same key is replaced.
    pub(super) fn set(&mut self, key: K, at: Instant, data: V) {
        self.cancel(&key);
        self.by_time.insert((at, key.clone()));
        self.by_key.insert(key, (at, data));
    }

    /// Takes an alarm out before its time.
    pub(super) fn cancel(&mut self, key: &K) -> Option<V> {
        let (key, (at, data)) = self.by_key.remove_entry(key)?;
        self.by_time.remove(&(at, key));
        Some(data)
    }

    /// Takes out every alarm whose key says so.
    pub(super) fn cancel_where(&mut self, test: impl Fn(&K, &V) -> bool) -> Vec<(K, V)> {
        let found = self
            .by_key
            .iter()
            .filter(|(key, (_, data))| test(key, data));
        let keys: Vec<K> = found.map(|(key, _)| key.clone()).collect();
        let cancel = |key: K| self.cancel(&key).map(|data| (key, data));
        keys.into_iter().filter_map(cancel).collect()
    }

    /// Whether an alarm is set.
    pub(super) fn contains(&self, key: &K) -> bool {
        self.by_key.contains_key(key)
    }

    /// When the first is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes out what is due.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(K, V)> {
        let mut due = Vec::new();
        while self.next().is_some_and(|at| at <= now) {
            let Some((_, key)) = self.by_time.pop_first() else {
                break;
            };
            if let Some((_, data)) = self.by_key.remove(&key) {
                due.push((key, data));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn alarms_come_out_in_the_order_of_their_times() {
        let now = Instant::now();
        let at = |secs| now + Duration::from_secs(secs);
        let mut alarms = Alarms::default();
        alarms.set("b", at(2), 'b');
        alarms.set("a", at(1), 'a');
        alarms.set("c", at(3), 'c');
        alarms.set("b", at(4), 'B');
        assert_eq!(alarms.next(), Some(at(1)));
        assert_eq!(alarms.due(at(3)), [("a", 'a'), ("c", 'c')]);
        assert_eq!(alarms.cancel(&"b"), Some('B'));
        assert_eq!((alarms.next(), alarms.due(at(9))), (None, Vec::new()));
    }
}
