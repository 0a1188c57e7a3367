//! Who is live in which chat's room, by person and socket.
//!
//! A person has come with their first socket and gone with their last. An
//! eviction and a join of the same person cannot cross: each shard counts its
//! evictions, and a join is valid only while the count is what it was before
//! the membership was looked up (see [`Roster::ticket`]).

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use parking_lot::Mutex;

use super::SocketKey;
use crate::chat::domain::{ChatId, UserId};

const SHARDS: usize = 64;

/// A person in a room.
struct Present {
    name: Arc<str>,
    sockets: Vec<SocketKey>,
}

#[derive(Default)]
struct Shard {
    evictions: u64,
    chats: HashMap<ChatId, HashMap<UserId, Present>>,
}

/// A socket of a person who enters or leaves a room.
pub(crate) struct Seat<'a> {
    pub(crate) chat: &'a ChatId,
    pub(crate) user: &'a UserId,
    pub(crate) name: &'a str,
    pub(crate) socket: &'a SocketKey,
}

/// Everybody who is live anywhere.
pub(crate) struct Roster {
    hasher: RandomState,
    shards: Vec<Mutex<Shard>>,
}

impl Default for Roster {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self {
            hasher: RandomState::new(),
            shards,
        }
    }
}

impl Roster {
    fn shard(&self, chat: &ChatId) -> &Mutex<Shard> {
        &self.shards[self.hasher.hash_one(chat) as usize % SHARDS]
    }

    /// What [`Roster::join`] wants to see unchanged; to be taken before the
    /// membership is looked up.
    pub(crate) fn ticket(&self, chat: &ChatId) -> u64 {
        self.shard(chat).lock().evictions
    }

    /// Lets a socket in, unless somebody was evicted since the ticket was taken:
    /// then the membership has to be looked up again, and the answer is false.
    ///
    /// `enter` runs before anybody else is let in or out, learns whether this
    /// is the person's first socket, and may refuse.
    ///
    /// # Errors
    /// What `enter` refuses with.
    pub(crate) fn join<E>(
        &self,
        seat: &Seat<'_>,
        ticket: u64,
        enter: impl FnOnce(bool) -> Result<(), E>,
    ) -> Result<bool, E> {
        let mut shard = self.shard(seat.chat).lock();
        if shard.evictions != ticket {
            return Ok(false);
        }
        let people = shard.chats.get(seat.chat);
        enter(people.is_none_or(|people| !people.contains_key(seat.user)))?;
        shard.add(seat);
        Ok(true)
    }

    /// Lets a socket out, and runs `left`, which learns whether it was the
    /// person's last.
    pub(crate) fn leave(&self, seat: &Seat<'_>, left: impl FnOnce(bool)) {
        let mut shard = self.shard(seat.chat).lock();
        let last = shard.remove(seat);
        left(last);
    }

    /// Puts a person out with all their sockets, and runs `leave` before
    /// anybody else is let in. Their name, when they were in.
    pub(crate) fn evict(
        &self,
        chat: &ChatId,
        user: &UserId,
        leave: impl FnOnce(),
    ) -> Option<Arc<str>> {
        let mut shard = self.shard(chat).lock();
        shard.evictions += 1;
        let people = shard.chats.get_mut(chat);
        let present = people.and_then(|people| people.remove(user));
        shard.forget_if_empty(chat);
        leave();
        present.map(|present| present.name)
    }

    /// Puts everybody out.
    pub(crate) fn dissolve(&self, chat: &ChatId, leave: impl FnOnce()) {
        let mut shard = self.shard(chat).lock();
        shard.evictions += 1;
        shard.chats.remove(chat);
        leave();
    }

    /// Whether a socket is in a chat's room.
    pub(crate) fn has(&self, chat: &ChatId, socket: &SocketKey) -> bool {
        let shard = self.shard(chat).lock();
        let people = shard.chats.get(chat).map(HashMap::values);
        people
            .into_iter()
            .flatten()
            .any(|present| present.sockets.contains(socket))
    }

    /// Those of these people who are not live in the chat.
    pub(crate) fn absent(&self, chat: &ChatId, people: &[UserId]) -> Vec<UserId> {
        let shard = self.shard(chat).lock();
        let Some(present) = shard.chats.get(chat) else {
            return people.to_vec();
        };
        people
            .iter()
            .filter(|user| !present.contains_key(*user))
            .cloned()
            .collect()
    }
}

impl Shard {
    fn add(&mut self, seat: &Seat<'_>) {
        let people = self.chats.entry(seat.chat.clone()).or_default();
        let nobody = || Present {
            name: seat.name.into(),
            sockets: Vec::new(),
        };
        let present = people.entry(seat.user.clone()).or_insert_with(nobody);
        if !present.sockets.contains(seat.socket) {
            present.sockets.push(seat.socket.clone());
        }
    }

    /// Whether the socket was in, and the person's last.
    fn remove(&mut self, seat: &Seat<'_>) -> bool {
        let Some(people) = self.chats.get_mut(seat.chat) else {
            return false;
        };
        let Some(present) = people.get_mut(seat.user) else {
            return false;
        };
        let before = present.sockets.len();
        present.sockets.retain(|socket| socket != seat.socket);
        let last = present.sockets.is_empty() && before > 0;
        if last {
            people.remove(seat.user);
            self.forget_if_empty(seat.chat);
        }
        last
    }

    fn forget_if_empty(&mut self, chat: &ChatId) {
        if self.chats.get(chat).is_some_and(HashMap::is_empty) {
            self.chats.remove(chat);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat<'a>(chat: &'a ChatId, user: &'a UserId, socket: &'a SocketKey) -> Seat<'a> {
        Seat {
            chat,
            user,
            name: "Ann",
            socket,
        }
    }

    fn join(roster: &Roster, seat: &Seat<'_>) -> Option<bool> {
        let mut first = None;
        let enter = |is_first| {
            first = Some(is_first);
            Ok::<_, ()>(())
        };
        assert_eq!(roster.join(seat, roster.ticket(seat.chat), enter), Ok(true));
        first
    }

    fn leave(roster: &Roster, seat: &Seat<'_>) -> bool {
        let mut last = false;
        roster.leave(seat, |is_last| last = is_last);
        last
    }

    #[test]
    fn a_person_comes_with_the_first_socket_and_goes_with_the_last() {
        let roster = Roster::default();
        let (chat, ann) = (ChatId::from("c"), UserId::from("ann"));
        let (one, two): (SocketKey, SocketKey) = ("1".into(), "2".into());
        assert_eq!(join(&roster, &seat(&chat, &ann, &one)), Some(true));
        assert_eq!(join(&roster, &seat(&chat, &ann, &one)), Some(false));
        assert_eq!(join(&roster, &seat(&chat, &ann, &two)), Some(false));
        assert!(roster.has(&chat, &two) && !roster.has(&ChatId::from("d"), &two));
        assert!(!leave(&roster, &seat(&chat, &ann, &one)));
        assert!(!leave(&roster, &seat(&chat, &ann, &one)));
        assert!(leave(&roster, &seat(&chat, &ann, &two)));
        assert!(!leave(&roster, &seat(&chat, &ann, &two)));
        assert_eq!(roster.absent(&chat, std::slice::from_ref(&ann)), [ann]);
    }

    #[test]
    fn a_join_that_was_checked_before_an_eviction_is_refused() {
        let roster = Roster::default();
        let (chat, ann, one) = (ChatId::from("c"), UserId::from("ann"), SocketKey::from("1"));
        let ticket = roster.ticket(&chat);
        assert_eq!(roster.evict(&chat, &ann, || ()), None);
        let enter = |_| -> Result<(), ()> { panic!("it may not enter") };
        assert_eq!(
            roster.join(&seat(&chat, &ann, &one), ticket, enter),
            Ok(false)
        );
        assert_eq!(join(&roster, &seat(&chat, &ann, &one)), Some(true));
        assert_eq!(roster.evict(&chat, &ann, || ()).as_deref(), Some("Ann"));
        assert_eq!(roster.absent(&chat, std::slice::from_ref(&ann)), [ann]);
    }
}
