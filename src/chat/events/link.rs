//! What belongs to one connected socket.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::chat::domain::ChatId;
use crate::chat::error::Error;
use crate::chat::limits::Held;
use crate::chat::live::SocketKey;
use crate::chat::service::Actor;

/// The application's side of a socket, from CONNECT to its end.
pub(super) struct Link {
    pub(super) key: SocketKey,
    actor: Mutex<Arc<Actor>>,
    rooms: Mutex<Rooms>,
    lanes: Mutex<HashMap<ChatId, Arc<Lane>>>,
    /// Dropped with the socket.
    _held: Held,
}

type Lane = tokio::sync::Mutex<()>;

/// The chats whose rooms the socket is in.
#[derive(Default)]
struct Rooms {
    /// The socket is gone: it enters no room any more.
    closed: bool,
    chats: HashSet<ChatId>,
}

/// A turn in a chat's lane.
pub(super) struct Turn {
    link: Arc<Link>,
    chat: ChatId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Link {
    pub(super) fn new(key: SocketKey, actor: Actor, held: Held) -> Self {
        Self {
            key,
            actor: Mutex::new(Arc::new(actor)),
            rooms: Mutex::default(),
            lanes: Mutex::default(),
            _held: held,
        }
    }

    /// Who is at the other end.
    pub(super) fn actor(&self) -> Arc<Actor> {
        Arc::clone(&self.actor.lock())
    }

    /// The same person with another token. The one before.
    pub(super) fn replace_actor(&self, actor: Actor) -> Arc<Actor> {
        std::mem::replace(&mut *self.actor.lock(), Arc::new(actor))
    }

    /// Waits for its turn among the handlers of this socket for one chat. They
    /// run one after another in the order in which they first asked, so that a
    /// slow `join-chat` cannot overtake the `leave-chat` that follows it.
    pub(super) async fn turn(self: &Arc<Self>, chat: &ChatId) -> Turn {
        let lane = Arc::clone(self.lanes.lock().entry(chat.clone()).or_default());
        let guard = lane.lock_owned().await;
        Turn {
            link: Arc::clone(self),
            chat: chat.clone(),
            guard: Some(guard),
        }
    }

    /// Notes that the socket enters a chat's room.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it is gone already.
    pub(super) fn enter(&self, chat: &ChatId) -> Result<(), Error> {
        let mut rooms = self.rooms.lock();
        if rooms.closed {
            return Err(Error::Unavailable);
        }
        rooms.chats.insert(chat.clone());
        Ok(())
    }

    /// Notes that it has left.
    pub(super) fn exit(&self, chat: &ChatId) {
        self.rooms.lock().chats.remove(chat);
    }

    /// The socket is gone. The rooms that it was in.
    pub(super) fn close(&self) -> HashSet<ChatId> {
        let mut rooms = self.rooms.lock();
        rooms.closed = true;
        std::mem::take(&mut rooms.chats)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.guard = None;
        let mut lanes = self.link.lanes.lock();
        // Only the table holds it: nobody waits.
        if lanes
            .get(&self.chat)
            .is_some_and(|lane| Arc::strong_count(lane) == 1)
        {
            lanes.remove(&self.chat);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::chat::RateLimits;
    use crate::chat::domain::{Role, Timestamp, User};
    use crate::chat::limits::Limits;

    fn link() -> Arc<Link> {
        let user = User {
            id: "u".into(),
            name: "Ann".to_owned(),
            email: None,
            role: Role::Student,
            created_at: Timestamp(0),
        };
        let actor = Actor {
            user,
            session: "s".into(),
            expires_at: Timestamp(0),
        };
        let limits = Limits::new(RateLimits::Default, 300, 50);
        let held = limits.hold_connection(&actor.user.id);
        Arc::new(Link::new("1".into(), actor, held.expect("the first")))
    }

    #[test]
    fn turns_of_one_chat_come_one_after_another_and_leave_nothing_behind() {
        let link = link();
        let (a, b) = (ChatId::from("a"), ChatId::from("b"));
        let first = link.turn(&a).now_or_never().expect("nobody is before it");
        let mut second = Box::pin(link.turn(&a));
        let mut third = Box::pin(link.turn(&a));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        assert!(link.turn(&b).now_or_never().is_some());
        drop(first);
        assert!(third.as_mut().now_or_never().is_none());
        let second = second.now_or_never().expect("it is its turn");
        drop(second);
        drop(third.now_or_never().expect("it is its turn"));
        assert!(link.lanes.lock().is_empty());
    }

    #[test]
    fn a_socket_that_is_gone_enters_no_room() {
        let link = link();
        let chat = ChatId::from("a");
        assert_eq!(link.enter(&chat), Ok(()));
        assert_eq!(link.close(), HashSet::from([chat.clone()]));
        assert_eq!(link.enter(&chat), Err(Error::Unavailable));
    }
}
