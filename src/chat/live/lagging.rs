//! Sockets that were too slow: from which change on a chat's events were left
//! out for them (CONTRACT section 6, `sync-required`).
//!
//! Only the task that publishes a chat begins and ends what is noted here, so
//! nothing of the chat reaches a socket between the first event that was left
//! out and its `sync-required`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::SocketKey;
use crate::chat::domain::{ChatId, Rev};

/// Everybody who lags, and the last change of each chat that they were sent.
#[derive(Default)]
pub(crate) struct Lagging {
    by_chat: Mutex<HashMap<ChatId, HashMap<SocketKey, Rev>>>,
    /// Notes in the table, so that nobody looks into an empty one.
    count: AtomicUsize,
}

impl Lagging {
    /// The sockets that a chat's events are left out for.
    pub(crate) fn in_chat(&self, chat: &ChatId) -> Vec<SocketKey> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let table = self.by_chat.lock();
        let lagging = table.get(chat).map(|sockets| sockets.keys().cloned());
        lagging.into_iter().flatten().collect()
    }

    /// The chats that are left out for a socket.
    pub(crate) fn of_socket(&self, socket: &SocketKey) -> Vec<ChatId> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let table = self.by_chat.lock();
        let lagging = table.iter().filter(|(_, all)| all.contains_key(socket));
        lagging.map(|(chat, _)| chat.clone()).collect()
    }

    /// A chat's events are left out for a socket; `sent` was the last it got.
    pub(crate) fn begin(&self, chat: &ChatId, socket: &SocketKey, sent: Rev) {
        let mut table = self.by_chat.lock();
        let sockets = table.entry(chat.clone()).or_default();
        if !sockets.contains_key(socket) {
            sockets.insert(socket.clone(), sent);
            self.count.fetch_add(1, Ordering::Release);
        }
    }

    /// They no longer are. The last change that it got, when they were.
    pub(crate) fn end(&self, chat: &ChatId, socket: &SocketKey) -> Option<Rev> {
        let mut table = self.by_chat.lock();
        let sockets = table.get_mut(chat)?;
        let sent = sockets.remove(socket)?;
        if sockets.is_empty() {
            table.remove(chat);
        }
        self.count.fetch_sub(1, Ordering::Release);
        Some(sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_lags_from_the_first_event_that_was_left_out_until_it_is_told() {
        let lagging = Lagging::default();
        let (a, b) = (ChatId::from("a"), ChatId::from("b"));
        let (one, two): (SocketKey, SocketKey) = ("1".into(), "2".into());
        lagging.begin(&a, &one, Rev(7));
        lagging.begin(&a, &one, Rev(8));
        lagging.begin(&a, &two, Rev(8));
        lagging.begin(&b, &one, Rev(1));
        assert_eq!(lagging.in_chat(&b), std::slice::from_ref(&one));
        assert_eq!(lagging.of_socket(&two), std::slice::from_ref(&a));
        assert_eq!(lagging.end(&a, &one), Some(Rev(7)));
        assert_eq!(lagging.end(&a, &one), None);
        assert_eq!(
            (lagging.end(&a, &two), lagging.end(&b, &one)),
            (Some(Rev(8)), Some(Rev(1)))
        );
        assert_eq!(lagging.count.load(Ordering::Acquire), 0);
        assert!(lagging.by_chat.lock().is_empty());
    }
}
