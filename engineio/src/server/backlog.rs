//! What waits for all sessions of a server together, and the end of those with most of it.
//!
//! Each session counts in steps of [`STEP_BYTES`], so that the shared number is touched only by
//! queues that have grown long; it may be short by a step for each session.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::{handle::Shared, registry::Registry};

/// Bytes of one step.
const STEP_BYTES: usize = 16 * 1024;

/// The count.
pub(super) struct Backlog {
    steps: AtomicUsize,
    most_steps: usize,
    /// Somebody closes sessions already.
    relieving: AtomicBool,
    sessions: Weak<Registry>,
}

impl Backlog {
    pub(super) fn new(total_bytes: usize, sessions: Weak<Registry>) -> Self {
        Self {
            steps: AtomicUsize::new(0),
            most_steps: total_bytes / STEP_BYTES,
            relieving: AtomicBool::new(false),
            sessions,
        }
    }

    /// Whole steps in so many bytes.
    pub(super) fn steps(bytes: usize) -> u32 {
        u32::try_from(bytes / STEP_BYTES).unwrap_or(u32::MAX)
    }

    /// A session had `old` steps and has `new` ones.
    pub(super) fn adjust(&self, old: u32, new: u32) {
        // Wraps in between at most: every session takes back exactly what it has added.
        let change = (new as usize).wrapping_sub(old as usize);
        self.steps.fetch_add(change, Ordering::Relaxed);
    }

    /// Closes the sessions with the longest queues when all together are too much, until an eighth
    /// is free again. Called with no lock held; costs one load when there is nothing to do.
    pub(super) fn relieve(&self) {
        if self.steps.load(Ordering::Relaxed) <= self.most_steps
            || self.relieving.swap(true, Ordering::Acquire)
        {
            return;
        }
        self.close_largest();
        self.relieving.store(false, Ordering::Release);
    }

    fn close_largest(&self) {
        let Some(registry) = self.sessions.upgrade() else {
            return;
        };
        let mut sessions: Vec<(u32, Arc<Shared>)> = registry
            .snapshot()
            .into_iter()
            .filter_map(|session| Some((steps_of(&session)?, session)))
            .collect();
        sessions.sort_unstable_by_key(|(steps, _)| std::cmp::Reverse(*steps));
        let mut left: usize = sessions.iter().map(|(steps, _)| *steps as usize).sum();
        let mut closed = 0_usize;
        for (steps, session) in &sessions {
            if left <= self.most_steps / 8 * 7 {
                break;
            }
            session.overflow();
            left -= *steps as usize;
            closed += 1;
        }
        tracing::warn!(
            closed,
            "too much waits for all clients together; closed the slowest"
        );
    }
}

/// Steps that a session would free. `None`: it has none, or is being closed already.
fn steps_of(session: &Shared) -> Option<u32> {
    let slot = session.lock();
    let steps = Backlog::steps(slot.outbox.queued_bytes());
    (steps > 0 && !slot.outbox.has_overflowed()).then_some(steps)
}
