//! Answers that the server waits for.
//!
//! Ids come from one counter per namespace, so that a broadcast asks everybody with one id. Who
//! waits is kept per socket; until when is known to the one who waits, who cancels the entry, so
//! that a session needs no timer for it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::packet::{AckId, MAX_ACK_ID};

/// Gives out acknowledgement ids, beginning with 0.
#[derive(Debug, Default)]
pub(crate) struct AckIds(AtomicU64);

impl AckIds {
    pub(crate) fn next(&self) -> AckId {
        self.0.fetch_add(1, Ordering::Relaxed) & MAX_ACK_ID
    }
}

/// Too many answers are waited for on one socket. The caller is to blame, or a client that answers
/// nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{limit} acknowledgements are waited for already")]
pub struct TooManyAcks {
    /// The limit.
    pub limit: usize,
}

/// The answers that one socket owes, in the order in which they were asked for.
#[derive(Debug)]
pub(crate) struct PendingAcks<W> {
    entries: Vec<Pending<W>>,
}

#[derive(Debug)]
struct Pending<W> {
    id: AckId,
    waiter: W,
}

impl<W> Default for PendingAcks<W> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}

impl<W> PendingAcks<W> {
    /// Waits for the answer `id`.
    ///
    /// # Errors
    /// `limit` answers are waited for already.
    pub(crate) fn insert(&mut self, id: AckId, waiter: W, limit: usize) -> Result<(), TooManyAcks> {
        if self.entries.len() >= limit {
            return Err(TooManyAcks { limit });
        }
        self.entries.push(Pending { id, waiter });
        Ok(())
    }

    /// Who waits for the answer `id`; `None` for an unknown one, which is to be ignored.
    pub(crate) fn take(&mut self, id: AckId) -> Option<W> {
        let place = self.entries.iter().position(|pending| pending.id == id)?;
        Some(self.entries.remove(place).waiter)
    }

    /// How many answers are waited for.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Everybody who still waits.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = W> {
        std::mem::take(&mut self.entries)
            .into_iter()
            .map(|pending| pending.waiter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_76_ids_are_one_counter_from_zero() {
        let ids = AckIds::default();
        assert_eq!([ids.next(), ids.next(), ids.next()], [0, 1, 2]);
    }

    #[test]
    fn trap_70_an_unknown_or_repeated_answer_finds_nobody() {
        let mut pending = PendingAcks::default();
        pending.insert(7, 'a', 10).expect("room");
        assert_eq!(pending.take(8), None);
        assert_eq!(pending.take(7), Some('a'));
        assert_eq!(pending.take(7), None);
    }

    #[test]
    fn trap_77_who_still_waits_at_the_end_is_let_go() {
        let mut pending = PendingAcks::default();
        pending.insert(0, 'a', 10).expect("room");
        pending.insert(1, 'b', 10).expect("room");
        assert_eq!(pending.drain().collect::<Vec<_>>(), ['a', 'b']);
        assert_eq!(pending.drain().count(), 0);
    }

    #[test]
    fn a_client_that_answers_nothing_costs_a_bounded_number_of_waits() {
        let mut pending = PendingAcks::default();
        for id in 0..3 {
            pending.insert(id, (), 3).expect("room");
        }
        assert_eq!(pending.insert(3, (), 3), Err(TooManyAcks { limit: 3 }));
    }
}
