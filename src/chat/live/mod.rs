//! What happens while people are connected: who is in which room, who types,
//! whose token runs out, and how something is said to a room.
//!
//! The socket server is behind [`Port`], so that all of this is tested without
//! one. Nothing here is durable, and nothing here asks the database.

mod alarms;
mod lagging;
mod port;
mod presence;
mod roster;
mod typing;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::Notify;

use super::domain::{ChatId, SessionId, Timestamp, UserId};
use super::error::Error;
use crate::http::Failure;
use alarms::Alarms;
use lagging::Lagging;
pub(super) use port::{Delivery, Port, Room, To};
use presence::Presence;
pub(super) use roster::{Roster, Seat};
use typing::{Typing, Typist};

/// How long before its expiry a token's holder is told.
const EXPIRY_NOTICE: Duration = Duration::from_secs(60);

/// Bytes of an event's name that an `error` repeats.
const MAX_ECHOED_BYTES: usize = 128;

/// Names a connected socket: its Socket.IO id.
pub(super) type SocketKey = std::sync::Arc<str>;

/// What is due for a socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Due {
    /// Tell it that its token runs out at this time (ms).
    Expiring(SocketKey),
    /// Cut it.
    Expired(SocketKey),
}

/// The connected side of the application.
#[derive(Default)]
pub(super) struct Live {
    port: OnceLock<Box<dyn Port>>,
    pub(super) roster: Roster,
    pub(super) lagging: Lagging,
    typing: Mutex<Typing>,
    presence: Mutex<Presence>,
    expiries: Mutex<Alarms<Due, Timestamp>>,
    /// Wakes the timekeeper when something is due earlier than it knows.
    pub(super) rescheduled: std::sync::Arc<Notify>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct UserTyping<'a> {
    chat_id: &'a ChatId,
    user_id: &'a UserId,
    name: &'a str,
    is_typing: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct TokenExpiring {
    expires_at: Timestamp,
}

/// A failure that nobody's acknowledgement carries.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ErrorEvent<'a> {
    #[serde(flatten)]
    failure: Failure,
    event: &'a str,
}

impl<'a> ErrorEvent<'a> {
    /// The event that failed, and how. Of a name that is no name of ours it
    /// repeats the beginning.
    pub(super) fn new(error: &Error, event: &'a str) -> Self {
        let end = event.floor_char_boundary(MAX_ECHOED_BYTES);
        Self {
            failure: error.failure(),
            event: &event[..end],
        }
    }
}

impl Live {
    /// Connects the socket server; what was said before went nowhere.
    pub(super) fn attach(&self, port: Box<dyn Port>) {
        if self.port.set(port).is_err() {
            tracing::error!("the chat was attached to a second socket server");
        }
    }

    /// Says something to whoever is connected.
    pub(super) fn say<T: Serialize>(&self, to: To<'_>, event: &str, payload: &T) {
        self.deliver(to, Delivery::Durable, event, payload);
    }

    fn deliver<T: Serialize>(&self, to: To<'_>, delivery: Delivery, event: &str, payload: &T) {
        let Some(port) = self.port.get() else { return };
        match to_raw_value(payload) {
            Ok(payload) => port.emit(to, delivery, event, &payload),
            Err(error) => tracing::error!(%error, event, "an event could not be encoded"),
        }
    }

    /// Says something that is encoded already.
    pub(super) fn say_raw(&self, to: To<'_>, event: &str, payload: &RawValue) {
        if let Some(port) = self.port.get() {
            port.emit(to, Delivery::Durable, event, payload);
        }
    }

    /// Says something to everybody in a chat's room who keeps up, except to
    /// some sockets. Those who are behind were left out.
    pub(super) fn say_unless_behind(
        &self,
        chat: &ChatId,
        except: &[SocketKey],
        event: &str,
        payload: &RawValue,
    ) -> Vec<SocketKey> {
        let port = self.port.get();
        port.map_or_else(Vec::new, |port| {
            port.emit_unless_behind(Room::Chat(chat), except, event, payload)
        })
    }

    /// Whether a socket is behind with what it was sent.
    pub(super) fn is_behind(&self, socket: &SocketKey) -> bool {
        self.port.get().is_some_and(|port| port.is_behind(socket))
    }

    /// Puts somebody out of a chat's room, with all their sockets. Their name,
    /// when they were in it.
    pub(super) fn evict(&self, chat: &ChatId, user: &UserId) -> Option<std::sync::Arc<str>> {
        self.typing.lock().stop(chat, user);
        self.roster.evict(chat, user, || {
            if let Some(port) = self.port.get() {
                port.leave(Room::User(user), Room::Chat(chat));
            }
        })
    }

    /// Ends that somebody's sockets hear whether `watched` is online.
    pub(super) fn unwatch(&self, user: &UserId, watched: &UserId) {
        if let Some(port) = self.port.get() {
            port.leave(Room::User(user), Room::Presence(watched));
        }
    }

    /// Puts everybody out of the room of a chat that is gone.
    pub(super) fn dissolve(&self, chat: &ChatId) {
        self.roster.dissolve(chat, || {
            if let Some(port) = self.port.get() {
                port.leave(Room::Chat(chat), Room::Chat(chat));
            }
        });
    }

    /// Cuts every socket of a session that was ended.
    pub(super) fn cut_session(&self, session: &SessionId) {
        self.cut(Room::Session(session), &Error::TokenRevoked);
    }

    /// Cuts every socket of somebody.
    pub(super) fn cut_person(&self, person: &UserId) {
        self.cut(Room::User(person), &Error::TokenRevoked);
    }

    fn cut(&self, room: Room<'_>, why: &Error) {
        self.say(To::Room(room), "error", &ErrorEvent::new(why, "session"));
        if let Some(port) = self.port.get() {
            port.disconnect(room);
        }
    }

    /// Somebody types, or has stopped. Says so to the others in the room.
    pub(super) fn type_in(&self, chat: &ChatId, typist: Typist, is_typing: bool, now: Instant) {
        let (user, name) = (typist.user.clone(), typist.name.clone());
        {
            let mut typing = self.typing.lock();
            if is_typing {
                typing.start(chat, typist, now);
            } else {
                typing.stop(chat, &user);
            }
        }
        self.rescheduled.notify_one();
        self.say_typing(chat, &user, &name, is_typing);
    }

    /// Somebody has stopped typing by doing something else.
    pub(super) fn stop_typing(&self, chat: &ChatId, user: &UserId) {
        let stopped = self.typing.lock().stop(chat, user);
        if let Some(name) = stopped {
            self.say_typing(chat, user, &name, false);
        }
    }

    /// A socket has left a chat's room, or is gone altogether.
    pub(super) fn stop_typing_on(&self, socket: &SocketKey, chat: Option<&ChatId>) {
        let stopped = self.typing.lock().stop_on(socket, chat);
        for (chat, user, name) in stopped {
            self.say_typing(&chat, &user, &name, false);
        }
    }

    fn say_typing(&self, chat_id: &ChatId, user_id: &UserId, name: &str, is_typing: bool) {
        // A client that misses the beginning has lost nothing; one that missed
        // the end would show somebody typing for ever.
        let delivery = if is_typing {
            Delivery::Volatile
        } else {
            Delivery::Durable
        };
        let payload = UserTyping {
            chat_id,
            user_id,
            name,
            is_typing,
        };
        self.deliver(
            To::Others(chat_id, user_id),
            delivery,
            "user-typing",
            &payload,
        );
    }

    /// Watches when a socket's token expires; replaces what was watched before.
    pub(super) fn watch_expiry(&self, socket: &SocketKey, expires_at: Timestamp, now: Moment) {
        let left = expires_at.since(now.wall);
        let notice = now.steady + left.saturating_sub(EXPIRY_NOTICE);
        let mut expiries = self.expiries.lock();
        expiries.set(Due::Expiring(socket.clone()), notice, expires_at);
        expiries.set(Due::Expired(socket.clone()), now.steady + left, expires_at);
        drop(expiries);
        self.rescheduled.notify_one();
    }

    /// Forgets a socket's expiry.
    pub(super) fn forget_expiry(&self, socket: &SocketKey) {
        let mut expiries = self.expiries.lock();
        expiries.cancel(&Due::Expiring(socket.clone()));
        expiries.cancel(&Due::Expired(socket.clone()));
    }

    /// A socket of somebody has come. True when they were offline.
    pub(super) fn come(&self, user: &UserId) -> bool {
        self.presence.lock().come(user)
    }

    /// A socket of somebody has gone.
    pub(super) fn go(&self, user: &UserId, now: Moment) {
        self.presence.lock().go(user, now.steady, now.wall);
        self.rescheduled.notify_one();
    }

    /// Whether somebody is online.
    pub(super) fn is_online(&self, user: &UserId) -> bool {
        self.presence.lock().is_online(user)
    }

    /// Those who have stayed away, and since when.
    pub(super) fn expire_presence(&self, now: Instant) -> Vec<(UserId, Timestamp)> {
        self.presence.lock().expire(now)
    }

    /// When something is due next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let expiry = self.expiries.lock().next();
        let typing = self.typing.lock().next();
        let presence = self.presence.lock().next();
        [expiry, typing, presence].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&self, now: Instant) {
        let stopped = self.typing.lock().expire(now);
        for (chat, user, name) in stopped {
            self.say_typing(&chat, &user, &name, false);
        }
        let due = self.expiries.lock().due(now);
        for (due, expires_at) in due {
            match due {
                Due::Expiring(socket) => {
                    let room = To::Room(Room::Socket(&socket));
                    self.say(room, "token-expiring", &TokenExpiring { expires_at });
                }
                Due::Expired(socket) => self.cut(Room::Socket(&socket), &Error::TokenExpired),
            }
        }
    }
}

/// One moment on the two clocks: of the wall, and the one that never steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) wall: Timestamp,
    pub(super) steady: Instant,
}

/// Who types where.
pub(super) fn typist(user: UserId, name: &str, socket: SocketKey) -> Typist {
    Typist {
        user,
        name: name.into(),
        socket,
    }
}
