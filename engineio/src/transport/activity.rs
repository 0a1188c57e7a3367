//! What happens on an HTTP connection, for ending those on which nothing does.
//!
//! hyper has a time-out for that too, but sets a timer and takes it off again for every request, and
//! asks the stream once more for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Shared by a connection's stream, its requests and its timer, which all live in one task.
#[derive(Debug, Clone)]
pub(crate) struct Activity(Arc<State>);

#[derive(Debug)]
struct State {
    opened: Instant,
    /// Milliseconds after `opened`.
    last_write: AtomicU64,
    requests: AtomicUsize,
    has_begun: AtomicBool,
}

/// A request in work, until it is dropped.
#[derive(Debug)]
pub(crate) struct InWork(Activity);

impl Activity {
    /// That of a new connection.
    pub(crate) fn new() -> Self {
        Self(Arc::new(State {
            opened: Instant::now(),
            last_write: AtomicU64::new(0),
            requests: AtomicUsize::new(0),
            has_begun: AtomicBool::new(false),
        }))
    }

    /// A request has come, head and all.
    pub(crate) fn begin_request(&self) -> InWork {
        self.0.has_begun.store(true, Ordering::Relaxed);
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        InWork(self.clone())
    }

    /// Whether there has been a request.
    pub(crate) fn has_begun(&self) -> bool {
        self.0.has_begun.load(Ordering::Relaxed)
    }

    /// The peer took some of an answer.
    pub(crate) fn note_write(&self) {
        let elapsed = self.0.opened.elapsed().as_millis();
        self.0.last_write.store(elapsed as u64, Ordering::Relaxed);
    }

    /// Since when the peer has asked nothing and was answered nothing. `None`: it waits for an
    /// answer.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        if self.0.requests.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let last_write = self.0.last_write.load(Ordering::Relaxed);
        Some(self.0.opened + Duration::from_millis(last_write))
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        self.0.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_from_its_last_answer_to_its_next_request() {
        let activity = Activity::new();
        let second = Duration::from_secs(1);
        assert_eq!(activity.idle_since(), Some(Instant::now()));
        assert!(!activity.has_begun());
        tokio::time::advance(second).await;
        let first = activity.begin_request();
        let next = activity.begin_request();
        assert!(activity.has_begun() && activity.idle_since().is_none());
        drop(first);
        assert!(activity.idle_since().is_none(), "one is still in work");
        activity.note_write();
        drop(next);
        let answered = Instant::now();
        tokio::time::advance(second).await;
        assert_eq!(activity.idle_since(), Some(answered));
    }
}
