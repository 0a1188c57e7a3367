//! The index of rooms: who is in which, as dense lists.
//!
//! Locks: a shard of the table (a lookup long) and a room's list (a fan-out long). They never nest,
//! so a long fan-out in one room does not stand in the way of a lookup of another.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Identifies a socket within the process; never used twice.
pub(crate) type SocketKey = u64;

/// What a room lists.
pub(crate) trait Member: Clone {
    /// The socket that it stands for.
    fn key(&self) -> SocketKey;
}

/// Lists of up to this length are searched from end to end; longer ones keep an index.
const UNINDEXED: usize = 16;

/// Members in one block, in no order, each once.
pub(crate) struct Members<M> {
    list: Vec<M>,
    /// Where each is, once the list is long.
    places: Option<HashMap<SocketKey, usize>>,
    /// The room was found empty and has left the table: it takes nobody any more.
    dead: bool,
}

impl<M: Member> Members<M> {
    fn new() -> Self {
        Self {
            list: Vec::new(),
            places: None,
            dead: false,
        }
    }

    pub(crate) fn as_slice(&self) -> &[M] {
        &self.list
    }

    fn place(&self, key: SocketKey) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(&key).copied(),
            None => self.list.iter().position(|member| member.key() == key),
        }
    }

    pub(crate) fn insert(&mut self, member: M) {
        if self.place(member.key()).is_some() {
            return;
        }
        if let Some(places) = &mut self.places {
            places.insert(member.key(), self.list.len());
        }
        self.list.push(member);
        if self.places.is_none() && self.list.len() > UNINDEXED {
            let places = self
                .list
                .iter()
                .enumerate()
                .map(|(place, member)| (member.key(), place));
            self.places = Some(places.collect());
        }
    }

    pub(crate) fn remove(&mut self, key: SocketKey) {
        let Some(place) = self.place(key) else { return };
        self.list.swap_remove(place);
        if let Some(places) = &mut self.places {
            places.remove(&key);
            if let Some(moved) = self.list.get(place) {
                places.insert(moved.key(), place);
            }
        }
        // Half of the room that was needed once is kept, so that comings and goings cost nothing.
        if self.list.capacity() > 4 * self.list.len().max(UNINDEXED) {
            self.list.shrink_to(2 * self.list.len());
        }
    }
}

/// A room and the lock that orders what is sent to it.
pub(crate) struct Room<M> {
    /// The order in which several rooms are locked.
    pub(crate) id: u64,
    pub(crate) name: Box<str>,
    pub(crate) members: Mutex<Members<M>>,
}

impl<M: Member> Room<M> {
    pub(crate) fn new(id: u64, name: &str) -> Self {
        Self {
            id,
            name: name.into(),
            members: Mutex::new(Members::new()),
        }
    }

    /// How many are in it at this moment.
    pub(crate) fn len(&self) -> usize {
        self.members.lock().as_slice().len()
    }
}

type Shard<M> = Mutex<HashMap<Box<str>, Arc<Room<M>>>>;

/// All rooms of a namespace that have somebody in them.
pub(crate) struct RoomTable<M> {
    shards: [Shard<M>; 16],
    hasher: RandomState,
    ids: AtomicU64,
}

impl<M: Member> RoomTable<M> {
    pub(crate) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(HashMap::new())),
            hasher: RandomState::new(),
            // 0 is the list of everybody.
            ids: AtomicU64::new(1),
        }
    }

    fn shard(&self, name: &str) -> &Shard<M> {
        let hash = self.hasher.hash_one(name) as usize;
        &self.shards[hash % self.shards.len()]
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<Room<M>>> {
        self.shard(name).lock().get(name).cloned()
    }

    /// Puts a member into a room, which is made when there is none; says whether it is the first.
    pub(crate) fn join(&self, name: &str, member: &M) -> (Arc<Room<M>>, bool) {
        loop {
            let room = self.find_or_make(name);
            let mut members = room.members.lock();
            if members.dead {
                // It became empty in between, and the table will soon know.
                drop(members);
                self.forget(&room);
                continue;
            }
            let was_empty = members.list.is_empty();
            members.insert(member.clone());
            drop(members);
            return (room, was_empty);
        }
    }

    /// Takes a member out of a room; an empty room is forgotten. Says whether it was the last.
    pub(crate) fn leave(&self, room: &Arc<Room<M>>, key: SocketKey) -> bool {
        let mut members = room.members.lock();
        members.remove(key);
        members.dead = members.list.is_empty();
        let dead = members.dead;
        drop(members);
        if dead {
            self.forget(room);
        }
        dead
    }

    fn find_or_make(&self, name: &str) -> Arc<Room<M>> {
        let mut shard = self.shard(name).lock();
        if let Some(room) = shard.get(name) {
            return Arc::clone(room);
        }
        let room = Arc::new(Room::new(self.ids.fetch_add(1, Ordering::Relaxed), name));
        shard.insert(name.into(), Arc::clone(&room));
        room
    }

    fn forget(&self, room: &Arc<Room<M>>) {
        let mut shard = self.shard(&room.name).lock();
        if shard
            .get(&room.name)
            .is_some_and(|known| Arc::ptr_eq(known, room))
        {
            shard.remove(&room.name);
        }
    }

    /// Number of rooms.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    impl Member for u64 {
        fn key(&self) -> SocketKey {
            *self
        }
    }

    fn listed(room: &Room<u64>) -> BTreeSet<u64> {
        let members = room.members.lock();
        let set: BTreeSet<u64> = members.as_slice().iter().copied().collect();
        assert_eq!(set.len(), members.as_slice().len(), "each once");
        set
    }

    #[derive(Debug, Clone)]
    enum Op {
        Join(u8, u64),
        Leave(u8, u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        let join = (0u8..3, 0u64..40).prop_map(|(room, key)| Op::Join(room, key));
        let leave = (0u8..3, 0u64..40).prop_map(|(room, key)| Op::Leave(room, key));
        prop_oneof![3 => join, 2 => leave]
    }

    proptest! {
        #[test]
        fn the_index_agrees_with_a_map_of_sets(ops in proptest::collection::vec(op(), 0..400)) {
            let table = RoomTable::new();
            let mut model: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
            for op in ops {
                match op {
                    Op::Join(room, key) => {
                        table.join(&room.to_string(), &key);
                        model.entry(room.to_string()).or_default().insert(key);
                    }
                    Op::Leave(room, key) => {
                        if let Some(found) = table.find(&room.to_string()) {
                            table.leave(&found, key);
                        }
                        if let Some(set) = model.get_mut(&room.to_string()) {
                            set.remove(&key);
                        }
                        model.retain(|_, set| !set.is_empty());
                    }
                }
                prop_assert_eq!(table.len(), model.len());
                for (name, set) in &model {
                    let room = table.find(name).expect("somebody is in it");
                    prop_assert_eq!(&listed(&room), set);
                }
            }
        }
    }

    #[test]
    fn joins_and_leaves_of_many_threads_lose_nobody() {
        let table = Arc::new(RoomTable::new());
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let table = Arc::clone(&table);
                scope.spawn(move || {
                    for _ in 0..2_000 {
                        let (room, _) = table.join("r", &thread);
                        table.leave(&room, thread);
                    }
                    table.join("r", &(thread + 10));
                });
            }
        });
        let room = table.find("r").expect("four are in it");
        assert_eq!(listed(&room), BTreeSet::from([10, 11, 12, 13]));
        assert_eq!(table.len(), 1);
    }
}
