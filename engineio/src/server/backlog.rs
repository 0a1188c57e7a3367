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
        // None, when those that were closed before have not let go yet.
        if closed > 0 {
            tracing::warn!(
                closed,
                "too much waits for all clients together; closed the slowest"
            );
        }
    }
}

/// Steps that a session would free. `None`: it has none, or is being closed already.
fn steps_of(session: &Shared) -> Option<u32> {
    let slot = session.lock();
    let steps = Backlog::steps(slot.outbox.queued_bytes());
    (steps > 0 && !slot.outbox.has_overflowed()).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        proto::{Frame, Sid, TransportKind, outbox::OutboxLimits},
        server::{Fanout, SessionHandle},
    };

    const MOST_STEPS: usize = 100;

    fn registry() -> Arc<Registry> {
        Registry::new(MOST_STEPS * STEP_BYTES, Arc::default())
    }

    /// A session whose client asks for nothing.
    fn session(registry: &Arc<Registry>, number: u8) -> SessionHandle {
        let sid = Sid::from_random([number; Sid::LEN]).into();
        let (kind, limits) = (TransportKind::Polling, OutboxLimits::default());
        let shared = Arc::new(Shared::new(sid, kind, limits, registry.backlog()));
        assert!(registry.insert(&shared));
        SessionHandle(shared)
    }

    fn step() -> Frame {
        let text = "x".repeat(STEP_BYTES - 5);
        let frame = Frame::text(&text);
        assert_eq!(frame.wire_len(), STEP_BYTES);
        frame
    }

    fn fill(registry: &Arc<Registry>, steps: &[usize]) -> Vec<SessionHandle> {
        let frame = step();
        let fill = |(number, steps): (usize, &usize)| {
            let session = session(registry, number as u8);
            (0..*steps).for_each(|_| session.send(frame.clone()).unwrap());
            session
        };
        steps.iter().enumerate().map(fill).collect()
    }

    fn closed(sessions: &[SessionHandle]) -> Vec<bool> {
        sessions.iter().map(SessionHandle::is_closed).collect()
    }

    #[test]
    fn the_largest_are_closed_first_until_an_eighth_is_free() {
        let registry = registry();
        let sessions = fill(&registry, &[10, 35, 15, 40]);
        assert_eq!(closed(&sessions), [false; 4], "all that is allowed");
        sessions[0].send(step()).unwrap();
        assert_eq!(closed(&sessions), [false, false, false, true]);

        let registry = self::registry();
        let sessions = fill(&registry, &[9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 10]);
        sessions[0].send(step()).unwrap();
        let gone = closed(&sessions).into_iter().filter(|closed| *closed);
        assert_eq!(
            gone.count(),
            2,
            "18 to 20 of 101, so that no more than 84 are left"
        );
        assert!(sessions[10].is_closed());
    }

    #[test]
    fn a_broadcast_meets_the_ceiling_though_nobody_takes_it_now() {
        let registry = registry();
        let sessions = fill(&registry, &[30, 30, 39]);
        let mut fanout = Fanout::with_capacity(sessions.len());
        for session in &sessions {
            fanout.send(session, step()).unwrap();
        }
        assert_eq!(closed(&sessions), [false; 3], "not in the middle of it");
        fanout.flush();
        assert_eq!(closed(&sessions), [false, false, true]);
    }

    #[test]
    fn those_that_are_being_closed_are_not_counted_again() {
        let registry = registry();
        let sessions = fill(&registry, &[20, 30, 50]);
        sessions[0].send(step()).unwrap();
        sessions[1].send(step()).unwrap();
        assert_eq!(closed(&sessions), [false, false, true]);
        assert!(sessions[2].send(step()).is_err());
    }

    #[test]
    fn what_a_session_had_is_free_when_it_is_gone() {
        let registry = registry();
        let sessions = fill(&registry, &[20, 30]);
        let backlog = registry.backlog();
        assert_eq!(backlog.steps.load(Ordering::Relaxed), 50);
        for session in &sessions {
            registry.remove(session.id());
        }
        drop(sessions);
        assert_eq!(backlog.steps.load(Ordering::Relaxed), 0);
    }
}
