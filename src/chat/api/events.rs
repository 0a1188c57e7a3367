//! Every event, in both directions (CONTRACT sections 5 and 6).

use serde_json::{Value, json};

use super::{Describe, Field, Schemas, inline, list, may, need, object, of};
use crate::chat::domain::{
    CatchUp, ChatId, ClientMsgId, Content, Emoji, Message, MessageId, Notification, Rev, Seq,
    UserId,
};
use crate::chat::events::replies::{AllSynced, Ready, Refreshed, Snapshot};
use crate::chat::live::{ErrorEvent, TokenExpiring, UserTyping};
use crate::chat::rest::replies::{Nothing, Reacted};
use crate::chat::service::replies::{
    ChatUpdated, MessageDeleted, PersonPresence, PresenceEvent, ReactionUpdated, ReadState,
    Receipt, SyncRequired, UnreadUpdated,
};

/// An event that clients send.
pub(in crate::chat) struct Asked {
    pub(in crate::chat) name: &'static str,
    pub(super) summary: &'static str,
    /// What its argument has.
    pub(super) fields: &'static [Field],
    /// A chat's id alone is an argument too.
    pub(super) short: bool,
    /// `data` of the acknowledgement.
    pub(in crate::chat) data: Describe,
}

/// An event that the server sends.
pub(in crate::chat) struct Told {
    pub(in crate::chat) name: &'static str,
    pub(super) to: &'static str,
    pub(in crate::chat) payload: Describe,
}

const CHAT: Field = need("chatId", inline::<ChatId>);
const MESSAGE: Field = need("messageId", inline::<MessageId>);
const CONTENT: Field = need("content", inline::<Content>);
const SEQ: Field = need("seq", inline::<Seq>);
const REACTION: [Field; 3] = [CHAT, MESSAGE, need("emoji", inline::<Emoji>)];
const PEOPLE: [Field; 1] = [need("userIds", list::<UserId>)];

fn delivered() -> Value {
    json!({"type": "array", "maxItems": 100, "items": object(&[CHAT, SEQ])})
}

fn positions() -> Value {
    json!({"type": "object", "maxProperties": 200, "additionalProperties": inline::<Rev>()})
}

const fn asked(
    name: &'static str,
    summary: &'static str,
    fields: &'static [Field],
    data: Describe,
) -> Asked {
    Asked {
        name,
        summary,
        fields,
        short: false,
        data,
    }
}

/// All that clients send.
pub(in crate::chat) const ASKED: [Asked; 14] = [
    Asked {
        short: true,
        ..asked(
            "join-chat",
            "Goes live in a chat, and learns what came after rev.",
            &[CHAT, may("rev", inline::<Rev>)],
            of::<CatchUp>,
        )
    },
    Asked {
        short: true,
        ..asked(
            "leave-chat",
            "Leaves the live room; membership stays.",
            &[CHAT],
            of::<Nothing>,
        )
    },
    asked(
        "typing",
        "Says that one types; ends by itself after 6 s.",
        &[CHAT, need("isTyping", inline::<bool>)],
        of::<Nothing>,
    ),
    asked(
        "sync",
        "As join-chat for several chats, without joining.",
        &[need("positions", positions)],
        of::<AllSynced>,
    ),
    asked(
        "send-message",
        "Sends a message; acknowledged when it is durable.",
        &[
            CHAT,
            CONTENT,
            may("clientMsgId", inline::<ClientMsgId>),
            may("replyTo", inline::<MessageId>),
            may("mentions", list::<UserId>),
        ],
        of::<Message>,
    ),
    asked(
        "edit-message",
        "Edits one's message.",
        &[CHAT, MESSAGE, CONTENT, may("ifVersion", inline::<u64>)],
        of::<Message>,
    ),
    asked(
        "delete-message",
        "Deletes a message; a tombstone stays.",
        &[CHAT, MESSAGE],
        of::<Message>,
    ),
    asked("add-reaction", "Adds a reaction.", &REACTION, of::<Reacted>),
    asked(
        "remove-reaction",
        "Takes a reaction away.",
        &REACTION,
        of::<Reacted>,
    ),
    asked(
        "mark-read",
        "Marks everything up to seq as read.",
        &[CHAT, SEQ],
        of::<ReadState>,
    ),
    asked(
        "mark-delivered",
        "Marks messages as having reached this device.",
        &[need("items", delivered)],
        of::<Nothing>,
    ),
    asked(
        "subscribe-presence",
        "Hears whether people come online.",
        &PEOPLE,
        of::<Snapshot>,
    ),
    asked(
        "unsubscribe-presence",
        "Hears it no more.",
        &PEOPLE,
        of::<Snapshot>,
    ),
    asked(
        "refresh-token",
        "Gives the connection another token.",
        &[need("token", inline::<String>)],
        of::<Refreshed>,
    ),
];

fn draining(_: &mut Schemas) -> Value {
    object(&[need("reconnectAfterMs", inline::<u64>)])
}

const fn told(name: &'static str, to: &'static str, payload: Describe) -> Told {
    Told { name, to, payload }
}

/// All that the server sends.
pub(in crate::chat) const TOLD: [Told; 18] = [
    told("new-message", "the room", of::<Message>),
    told(
        "user-typing",
        "the room, not the typing person",
        of::<UserTyping<'_>>,
    ),
    told(
        "user-joined",
        "the room, not that person",
        of::<PresenceEvent<'_>>,
    ),
    told(
        "user-left",
        "the room, not that person",
        of::<PresenceEvent<'_>>,
    ),
    told(
        "notification",
        "every socket of each person concerned",
        of::<Notification>,
    ),
    told(
        "error",
        "the socket whose request failed",
        of::<ErrorEvent<'_>>,
    ),
    told("message-updated", "the room", of::<Message>),
    told("message-deleted", "the room", of::<MessageDeleted<'_>>),
    told("reaction-updated", "the room", of::<ReactionUpdated<'_>>),
    told("chat-updated", "the room", of::<ChatUpdated<'_>>),
    told("message-read", "the room", of::<Receipt<'_>>),
    told("message-delivered", "the room", of::<Receipt<'_>>),
    told(
        "unread-updated",
        "the person's own sockets",
        of::<UnreadUpdated<'_>>,
    ),
    told("presence-updated", "subscribers", of::<PersonPresence>),
    told("ready", "a socket, once it is connected", of::<Ready<'_>>),
    told("token-expiring", "the socket", of::<TokenExpiring>),
    told(
        "sync-required",
        "a socket that was too slow",
        of::<SyncRequired<'_>>,
    ),
    told(
        "server-draining",
        "everybody, before a planned stop",
        draining,
    ),
];
