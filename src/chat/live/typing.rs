//! Who types where, and until when that is believed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::SocketKey;
use super::alarms::Alarms;
use crate::chat::domain::{ChatId, UserId};

/// Typing ends by itself this long after its last sign (CONTRACT section 5).
const TYPING_LASTS: Duration = Duration::from_secs(6);

/// Somebody who types.
#[derive(Debug, Clone)]
pub(crate) struct Typist {
    pub(crate) user: UserId,
    pub(crate) name: Arc<str>,
    /// Where; typing ends with the socket.
    pub(crate) socket: SocketKey,
}

/// The one who has stopped, and their name.
pub(super) type Stopped = (ChatId, UserId, Arc<str>);

/// Everybody who types.
#[derive(Default)]
pub(super) struct Typing(Alarms<(ChatId, UserId), Typist>);

impl Typing {
    /// A sign of typing.
    pub(super) fn start(&mut self, chat: &ChatId, typist: Typist, now: Instant) {
        self.0.set(
            (chat.clone(), typist.user.clone()),
            now + TYPING_LASTS,
            typist,
        );
    }

    /// The end of it; the name of who did type.
    pub(super) fn stop(&mut self, chat: &ChatId, user: &UserId) -> Option<Arc<str>> {
        self.0
            .cancel(&(chat.clone(), user.clone()))
            .map(|typist| typist.name)
    }

    /// The end of it on one socket, in one chat or in all.
    pub(super) fn stop_on(&mut self, socket: &SocketKey, chat: Option<&ChatId>) -> Vec<Stopped> {
        let stopped = self.0.cancel_where(|(typed_in, _), typist| {
            typist.socket == *socket && chat.is_none_or(|chat| chat == typed_in)
        });
        stopped.into_iter().map(named).collect()
    }

    /// Those who have shown no sign for too long.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Stopped> {
        self.0.due(now).into_iter().map(named).collect()
    }

    /// When the next of them will have.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.next()
    }
}

fn named(((chat, user), typist): ((ChatId, UserId), Typist)) -> Stopped {
    (chat, user, typist.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typist(user: &str, socket: &str) -> Typist {
        Typist {
            user: user.into(),
            name: "Ann".into(),
            socket: socket.into(),
        }
    }

    #[test]
    fn typing_expires_six_seconds_after_the_last_sign() {
        let mut typing = Typing::default();
        let (chat, now) = (ChatId::from("c"), Instant::now());
        typing.start(&chat, typist("u", "s"), now);
        typing.start(&chat, typist("u", "s"), now + Duration::from_secs(4));
        assert!(typing.expire(now + TYPING_LASTS).is_empty());
        let stopped = typing.expire(now + Duration::from_secs(10));
        assert_eq!(stopped, [(chat, UserId::from("u"), Arc::from("Ann"))]);
        assert_eq!(typing.next(), None);
    }

    #[test]
    fn typing_ends_with_its_socket_only() {
        let mut typing = Typing::default();
        let (a, b, now) = (ChatId::from("a"), ChatId::from("b"), Instant::now());
        typing.start(&a, typist("u", "s"), now);
        typing.start(&b, typist("u", "s"), now);
        typing.start(&a, typist("v", "t"), now);
        assert_eq!(typing.stop_on(&"s".into(), Some(&b)).len(), 1);
        assert_eq!(typing.stop_on(&"s".into(), None).len(), 1);
        assert_eq!(typing.stop(&a, &"v".into()).as_deref(), Some("Ann"));
    }
}
