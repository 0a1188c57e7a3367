//! What has to be said about a chat, in the order in which it was committed.
//!
//! Each chat with something to say has a queue and a task that empties it, so
//! a fan-out to a thousand never delays the writer, nor another chat.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::{Notify, oneshot};

use super::ledger::encode;
use crate::chat::Chat;
use crate::chat::domain::{ChatId, Message, Rev, UserId};
use crate::chat::live::{Room, SocketKey, To};

/// Chats whose participants are remembered between messages.
const MAX_AUDIENCES: usize = 4096;

/// Items of all chats that may wait; beyond it changes wait before they are
/// made. One commit may go over it by what it has to say.
const MAX_WAITING: usize = 4096;

/// Something to be said or done in its turn.
pub(super) enum Item {
    /// A new message; people who do not see it live are notified.
    Message(Arc<Message>),
    /// A logged change for the room.
    Logged {
        rev: Rev,
        name: &'static str,
        payload: Box<RawValue>,
    },
    /// Something for the room that is not logged.
    Event {
        name: &'static str,
        payload: Box<RawValue>,
    },
    /// A notification for people wherever they are.
    Notify {
        people: Vec<UserId>,
        payload: Box<RawValue>,
    },
    /// Something for one person's own sockets.
    ToPerson {
        user: UserId,
        name: &'static str,
        payload: Box<RawValue>,
    },
    /// Who is in the chat has changed.
    PeopleChanged,
    /// Somebody is no longer in the chat: they hear nothing that follows.
    Evict(UserId),
    /// The chat is gone.
    Dissolve,
    /// Somebody is live in the room who was not, or the other way round.
    Presence {
        event: &'static str,
        user: UserId,
        name: Arc<str>,
    },
    /// A socket that was left out is no longer behind, or gone.
    CaughtUp(SocketKey),
    /// Everything before this has been said.
    Settled(oneshot::Sender<()>),
}

/// The queues of all chats.
#[derive(Default)]
pub(in crate::chat) struct Publishing {
    /// A chat is in here while its task runs.
    queues: Mutex<HashMap<ChatId, VecDeque<Item>>>,
    /// Items in all of them.
    waiting: AtomicUsize,
    /// Told when there is room again.
    room: Notify,
    /// Who waits for room stands in line here.
    line: tokio::sync::Mutex<()>,
    /// Who is in a chat; dropped in its turn when that changes.
    audiences: Mutex<HashMap<ChatId, Arc<[UserId]>>>,
}

impl Publishing {
    /// True when a task has to be started for the chat.
    fn push(&self, chat: &ChatId, item: Item) -> bool {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let mut queues = self.queues.lock();
        if let Some(queue) = queues.get_mut(chat) {
            queue.push_back(item);
            return false;
        }
        queues.insert(chat.clone(), VecDeque::from([item]));
        true
    }

    /// The next item; without one the chat's queue is gone.
    fn pop(&self, chat: &ChatId) -> Option<Item> {
        let mut queues = self.queues.lock();
        let item = queues.get_mut(chat)?.pop_front();
        if item.is_none() {
            queues.remove(chat);
        } else if self.waiting.fetch_sub(1, Ordering::Relaxed) == MAX_WAITING {
            self.room.notify_waiters();
        }
        item
    }

    fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= MAX_WAITING
    }

    /// Waits until there is room for what a change will have to say. With room
    /// and nobody in line it does not wait at all, and whoever waits goes on in
    /// the order in which they came.
    pub(super) async fn admit(&self) {
        if !self.is_full() && self.line.try_lock().is_ok() {
            return;
        }
        let _first = self.line.lock().await;
        loop {
            let room = self.room.notified();
            if !self.is_full() {
                return;
            }
            room.await;
        }
    }

    fn forget_audience(&self, chat: &ChatId) {
        self.audiences.lock().remove(chat);
    }
}

/// `user-joined` and `user-left`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct PresenceEvent<'a> {
    chat_id: &'a ChatId,
    user_id: &'a UserId,
    name: &'a str,
}

impl Chat {
    /// Queues what a commit has to say. Does not wait.
    pub(super) fn publish(self: &Arc<Self>, items: Vec<(ChatId, Item)>) {
        for (chat, item) in items {
            self.publish_one(&chat, item);
        }
    }

    /// Queues one item. Does not wait.
    pub(super) fn publish_one(self: &Arc<Self>, chat: &ChatId, item: Item) {
        if self.publishing.push(chat, item) {
            tokio::spawn(Arc::clone(self).empty_queue(chat.clone()));
        }
    }

    /// Waits until everything that a chat has to say by now has been said.
    pub(in crate::chat) async fn settled(self: &Arc<Self>, chat: &ChatId) {
        let (done, said) = oneshot::channel();
        self.publish_one(chat, Item::Settled(done));
        // An error means that the runtime stops.
        let _ = said.await;
    }

    async fn empty_queue(self: Arc<Self>, chat: ChatId) {
        while let Some(item) = self.publishing.pop(&chat) {
            // A fault in one item must not silence the chat for ever: its task
            // would be gone, and its queue would still be there.
            let said = AssertUnwindSafe(self.say(&chat, item)).catch_unwind().await;
            if said.is_err() {
                tracing::error!("publishing panicked; one event of a chat was not sent");
            }
        }
    }

    async fn say(self: &Arc<Self>, chat: &ChatId, item: Item) {
        let room = To::Room(Room::Chat(chat));
        match item {
            Item::Message(message) => self.say_message(chat, &message).await,
            Item::Logged { rev, name, payload } => self.say_logged(chat, rev, name, &payload),
            Item::Event { name, payload } => self.live.say_raw(room, name, &payload),
            Item::Notify { people, payload } => {
                self.live
                    .say_raw(To::People(&people), "notification", &payload);
            }
            Item::ToPerson {
                user,
                name,
                payload,
            } => {
                self.live
                    .say_raw(To::Room(Room::User(&user)), name, &payload);
            }
            Item::PeopleChanged => self.publishing.forget_audience(chat),
            Item::Evict(user) => self.say_evicted(chat, &user).await,
            Item::Dissolve => {
                self.publishing.forget_audience(chat);
                self.live.dissolve(chat);
            }
            Item::Presence { event, user, name } => self.say_presence(chat, event, &user, &name),
            Item::CaughtUp(socket) => self.say_caught_up(chat, &socket),
            Item::Settled(done) => {
                // Whoever waited may have gone.
                let _ = done.send(());
            }
        }
    }

    async fn say_message(self: &Arc<Self>, chat: &ChatId, message: &Message) {
        // Before the message goes out: who is absent must be who misses it.
        let audience = self.audience(chat).await;
        let mut absent =
            audience.map_or_else(Vec::new, |people| self.live.roster.absent(chat, &people));
        match encode(message) {
            Ok(payload) => self.say_logged(chat, message.rev, "new-message", &payload),
            // It was logged; who misses it here finds it there.
            Err(_) => return,
        }
        let Some(sender) = &message.sender_id else {
            return;
        };
        absent.retain(|user| user != sender);
        self.notify_of_message(message, absent).await;
    }

    /// Everybody in the chat; none when storage is away.
    pub(super) async fn audience(&self, chat: &ChatId) -> Option<Arc<[UserId]>> {
        if let Some(known) = self.publishing.audiences.lock().get(chat) {
            return Some(Arc::clone(known));
        }
        let people = match self.store.read().await {
            Ok(mut read) => read.participants(chat).await,
            Err(error) => Err(error),
        };
        match people {
            Ok(people) => Some(self.remember_audience(chat, people.into())),
            Err(error) => {
                tracing::warn!(%error, "nobody could be notified of a message");
                None
            }
        }
    }

    fn remember_audience(&self, chat: &ChatId, people: Arc<[UserId]>) -> Arc<[UserId]> {
        let mut audiences = self.publishing.audiences.lock();
        if audiences.len() >= MAX_AUDIENCES {
            audiences.clear();
        }
        audiences.insert(chat.clone(), Arc::clone(&people));
        people
    }

    async fn say_evicted(&self, chat: &ChatId, user: &UserId) {
        self.publishing.forget_audience(chat);
        if let Some(name) = self.live.evict(chat, user) {
            self.say_presence(chat, "user-left", user, &name);
        }
        self.part_strangers(chat, user).await;
    }

    fn say_presence(&self, chat_id: &ChatId, event: &str, user_id: &UserId, name: &str) {
        let payload = PresenceEvent {
            chat_id,
            user_id,
            name,
        };
        self.live.say(To::Others(chat_id, user_id), event, &payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_no_room_changes_wait_in_the_order_in_which_they_came() {
        let publishing = Publishing::default();
        let chat = ChatId::from("c");
        assert!(publishing.admit().now_or_never().is_some());
        for _ in 0..MAX_WAITING {
            publishing.push(&chat, Item::PeopleChanged);
        }
        let mut first = Box::pin(publishing.admit());
        let mut second = Box::pin(publishing.admit());
        assert!(first.as_mut().now_or_never().is_none());
        assert!(second.as_mut().now_or_never().is_none());
        assert!(publishing.pop(&chat).is_some());
        assert!(
            publishing.admit().now_or_never().is_none(),
            "it would jump the line"
        );
        assert!(second.as_mut().now_or_never().is_none());
        assert!(first.as_mut().now_or_never().is_some());
        assert!(second.as_mut().now_or_never().is_some());
        assert!(publishing.admit().now_or_never().is_some());
    }
}
