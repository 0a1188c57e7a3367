//! The sessions of a server, by id.

use std::{
    collections::{HashMap, hash_map::Entry},
    pin::pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{backlog::Backlog, handle::Shared};
use crate::{metrics::Metrics, proto::SessionId};

const SHARDS: usize = 16;
/// Capacity that a shard keeps, however few sessions it holds, as long as it holds any.
const KEPT_ENTRIES: usize = 16;

/// The open sessions. Each lock guards one shard of the table and is held for one lookup, insertion
/// or removal.
pub(super) struct Registry {
    shards: [Mutex<HashMap<SessionId, Arc<Shared>>>; SHARDS],
    len: AtomicUsize,
    work: Arc<Work>,
    backlog: Arc<Backlog>,
    metrics: Arc<Metrics>,
}

/// Counts what is under way for sessions: their tasks, and the streams that are being closed.
#[derive(Default)]
struct Work {
    running: AtomicUsize,
    done: Notify,
}

/// Held by a task that works for a session, for as long as it runs.
pub(super) struct Running(Arc<Work>);

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.done.notify_waiters();
        }
    }
}

impl Registry {
    /// A registry whose sessions may have so many bytes queued together.
    pub(super) fn new(total_bytes: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new_cyclic(|sessions| Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            len: AtomicUsize::new(0),
            work: Arc::default(),
            backlog: Arc::new(Backlog::new(total_bytes, Weak::clone(sessions))),
            metrics,
        })
    }

    /// What waits for all of them together.
    pub(super) fn backlog(&self) -> Arc<Backlog> {
        Arc::clone(&self.backlog)
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Adds a session. `false`: the id is taken.
    pub(super) fn insert(&self, session: &Arc<Shared>) -> bool {
        let mut shard = self.shard(session.sid.as_bytes()).lock();
        let Entry::Vacant(entry) = shard.entry(session.sid.clone()) else {
            return false;
        };
        entry.insert(Arc::clone(session));
        self.len.fetch_add(1, Ordering::Relaxed);
        true
    }

    pub(super) fn get(&self, sid: &str) -> Option<Arc<Shared>> {
        let sid = sid.as_bytes();
        self.shard(sid).lock().get(sid).cloned()
    }

    pub(super) fn remove(&self, sid: &SessionId) {
        let mut shard = self.shard(sid.as_bytes()).lock();
        let removed = shard.remove(sid);
        // A table never shrinks by itself, and a wave of sessions must leave nothing behind.
        let is_wide = shard.capacity() > KEPT_ENTRIES && shard.len() < shard.capacity() / 8;
        if shard.is_empty() || is_wide {
            let room = shard.len() * 2;
            shard.shrink_to(room);
        }
        drop(shard);
        if removed.is_some() {
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Counts a task, until what this gives is dropped.
    pub(super) fn begin(&self) -> Running {
        self.work.running.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(&self.work))
    }

    /// Waits until no task works for a session.
    pub(super) async fn idle(&self) {
        loop {
            // Listens before it looks, so that no end is missed.
            let mut done = pin!(self.work.done.notified());
            done.as_mut().enable();
            if self.work.running.load(Ordering::Acquire) == 0 {
                return;
            }
            done.await;
        }
    }

    /// All sessions of this moment.
    pub(super) fn snapshot(&self) -> Vec<Arc<Shared>> {
        let sessions = self
            .shards
            .iter()
            .map(|shard| shard.lock().values().cloned().collect());
        sessions.collect::<Vec<Vec<_>>>().concat()
    }

    /// Ids are random; should an application's own not be, the table itself stays as fast.
    fn shard(&self, sid: &[u8]) -> &Mutex<HashMap<SessionId, Arc<Shared>>> {
        let sum = sid
            .iter()
            .fold(0, |sum: usize, &byte| sum + usize::from(byte));
        &self.shards[sum % SHARDS]
    }
}
