//! What a socket is not told because it is behind, and how it learns of that.
//!
//! A chat's logged events are left out for a socket from the moment that its
//! queue is over its soft limit. When it has drained, the chat's publishing
//! task says `sync-required` in its turn and goes on with live events, so that
//! what the socket asks for then joins on without a gap.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use super::publishing::Item;
use crate::chat::Chat;
use crate::chat::domain::{ChatId, Rev};
use crate::chat::live::{Room, SocketKey, To};

/// `sync-required`: the changes after `rev` were left out.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct SyncRequired<'a> {
    chat_id: &'a ChatId,
    rev: Rev,
}

impl Chat {
    /// Says a logged event to everybody in the room who keeps up.
    pub(super) fn say_logged(
        self: &Arc<Self>,
        chat: &ChatId,
        rev: Rev,
        event: &str,
        payload: &RawValue,
    ) {
        let lagging = self.live.lagging.in_chat(chat);
        for socket in self.live.say_unless_behind(chat, &lagging, event, payload) {
            self.live.lagging.begin(chat, &socket, Rev(rev.0 - 1));
            // It may have caught up before it was noted; then nobody else
            // would come back to it.
            if !self.live.is_behind(&socket) {
                self.publish_one(chat, Item::CaughtUp(socket));
            }
        }
    }

    /// A socket has drained: its chats go on, each in its turn.
    pub(in crate::chat) fn caught_up(self: &Arc<Self>, socket: &SocketKey) {
        for chat in self.live.lagging.of_socket(socket) {
            self.publish_one(&chat, Item::CaughtUp(socket.clone()));
        }
    }

    /// Tells a socket what it missed, unless it is behind once more: then it
    /// will drain once more. Who has left the room needs to know nothing.
    pub(super) fn say_caught_up(&self, chat_id: &ChatId, socket: &SocketKey) {
        let live = self.live.roster.has(chat_id, socket);
        if live && self.live.is_behind(socket) {
            return;
        }
        match self.live.lagging.end(chat_id, socket) {
            Some(rev) if live => {
                let room = To::Room(Room::Socket(socket));
                self.live
                    .say(room, "sync-required", &SyncRequired { chat_id, rev });
            }
            _ => {}
        }
    }
}
