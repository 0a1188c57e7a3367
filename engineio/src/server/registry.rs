//! The sessions of a server, by id.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;

use super::handle::Shared;
use crate::proto::Sid;

const SHARDS: usize = 16;

/// The open sessions. Each lock guards one shard of the table and is held for one lookup, insertion
/// or removal.
pub(super) struct Registry {
    shards: [Mutex<HashMap<Sid, Arc<Shared>>>; SHARDS],
    hasher: RandomState,
    len: AtomicUsize,
}

impl Registry {
    pub(super) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            len: AtomicUsize::new(0),
        }
    }

    /// Adds a session. `false`: the id is taken.
    pub(super) fn insert(&self, session: &Arc<Shared>) -> bool {
        let mut shard = self.shard(&session.sid).lock();
        let Entry::Vacant(entry) = shard.entry(session.sid) else {
            return false;
        };
        entry.insert(Arc::clone(session));
        self.len.fetch_add(1, Ordering::Relaxed);
        true
    }

    pub(super) fn get(&self, sid: &Sid) -> Option<Arc<Shared>> {
        self.shard(sid).lock().get(sid).cloned()
    }

    pub(super) fn remove(&self, sid: &Sid) {
        let removed = self.shard(sid).lock().remove(sid);
        if removed.is_some() {
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// All sessions of this moment.
    pub(super) fn snapshot(&self) -> Vec<Arc<Shared>> {
        let sessions = self
            .shards
            .iter()
            .map(|shard| shard.lock().values().cloned().collect());
        sessions.collect::<Vec<Vec<_>>>().concat()
    }

    fn shard(&self, sid: &Sid) -> &Mutex<HashMap<Sid, Arc<Shared>>> {
        &self.shards[self.hasher.hash_one(sid) as usize % SHARDS]
    }
}
