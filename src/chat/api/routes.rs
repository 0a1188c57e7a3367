//! Every route under `/api` (CONTRACT sections 2 and 4).

use super::{Describe, Field, inline, list, may, need, of};
use crate::chat::domain::{
    Chat, ChatName, ClientMsgId, Content, Email, Emoji, MemberRole, Message, MessageId,
    NotificationId, Participant, Person, PersonName, Rev, SearchText, Seq, User, UserId,
};
use crate::chat::rest::replies::{Events, Found, Left, Nothing, Reacted};
use crate::chat::service::replies::{ChatPage, Entered, HistoryPage, Inbox, ReadState};

/// One route.
pub(super) struct Route {
    /// The method and the path, as the router has them.
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    /// Who may.
    pub(super) who: &'static str,
    pub(super) query: &'static [Field],
    pub(super) body: &'static [Field],
    /// The statuses of success.
    pub(super) status: &'static [u16],
    /// `data` of the answer.
    pub(super) data: Describe,
}

impl Route {
    const fn new(
        name: &'static str,
        who: &'static str,
        summary: &'static str,
        data: Describe,
    ) -> Self {
        Self {
            name,
            summary,
            who,
            query: &[],
            body: &[],
            status: &[200],
            data,
        }
    }

    const fn query(self, query: &'static [Field]) -> Self {
        Self { query, ..self }
    }

    const fn body(self, body: &'static [Field]) -> Self {
        Self { body, ..self }
    }

    const fn status(self, status: &'static [u16]) -> Self {
        Self { status, ..self }
    }
}

const CONTENT: Field = need("content", inline::<Content>);
const LIMIT: Field = may("limit", inline::<u64>);
const CURSOR: Field = may("cursor", inline::<String>);
const DRAFT: [Field; 4] = [
    CONTENT,
    may("clientMsgId", inline::<ClientMsgId>),
    may("replyTo", inline::<MessageId>),
    may("mentions", list::<UserId>),
];
const PAGE: [Field; 4] = [
    may("before", inline::<Seq>),
    may("after", inline::<Seq>),
    may("around", inline::<Seq>),
    LIMIT,
];
const NEW_CHAT: [Field; 4] = [
    need("participantIds", list::<UserId>),
    may("isGroup", inline::<bool>),
    may("name", inline::<ChatName>),
    may("initialMessage", inline::<Content>),
];

/// All of them, in the order of the router.
pub(super) const ROUTES: [Route; 26] = [
    Route::new(
        "POST /api/auth/register",
        "anybody",
        "Makes a student's account and logs in.",
        of::<Entered>,
    )
    .body(&[
        need("name", inline::<PersonName>),
        need("email", inline::<Email>),
        need("password", inline::<String>),
    ])
    .status(&[201]),
    Route::new("POST /api/auth/login", "anybody", "Logs in.", of::<Entered>).body(&[
        need("email", inline::<Email>),
        need("password", inline::<String>),
    ]),
    Route::new(
        "POST /api/auth/refresh",
        "anybody",
        "Exchanges a refresh token, once.",
        of::<Entered>,
    )
    .body(&[need("refreshToken", inline::<String>)]),
    Route::new(
        "POST /api/auth/logout",
        "self",
        "Ends this session; its sockets close.",
        of::<Nothing>,
    ),
    Route::new("GET /api/auth/profile", "self", "Who I am.", of::<User>),
    Route::new(
        "PUT /api/auth/password",
        "self",
        "Sets another password and ends all other sessions.",
        of::<Nothing>,
    )
    .body(&[
        need("currentPassword", inline::<String>),
        need("newPassword", inline::<String>),
    ]),
    Route::new(
        "GET /api/users",
        "any user",
        "People by a part of their name.",
        of::<Found>,
    )
    .query(&[need("search", inline::<SearchText>), LIMIT]),
    Route::new(
        "GET /api/users/{id}",
        "any user",
        "One person's public profile.",
        of::<Person>,
    ),
    Route::new(
        "GET /api/chats",
        "self",
        "My chats, newest activity first.",
        of::<ChatPage>,
    )
    .query(&[LIMIT, CURSOR]),
    Route::new(
        "POST /api/chats",
        "any user",
        "Makes a chat, or finds the direct chat of a pair.",
        of::<Chat>,
    )
    .body(&NEW_CHAT)
    .status(&[201, 200]),
    Route::new(
        "GET /api/chats/{id}",
        "participant, admin",
        "One chat.",
        of::<Chat>,
    ),
    Route::new(
        "PATCH /api/chats/{id}",
        "owner, moderator, admin",
        "Renames a group.",
        of::<Chat>,
    )
    .body(&[need("name", inline::<ChatName>)]),
    Route::new(
        "GET /api/chats/{id}/messages",
        "participant, admin",
        "A page of messages, ascending.",
        of::<HistoryPage>,
    )
    .query(&PAGE),
    Route::new(
        "POST /api/chats/{id}/messages",
        "participant",
        "Sends a message; 200 on a repeat of clientMsgId.",
        of::<Message>,
    )
    .body(&DRAFT)
    .status(&[201, 200]),
    Route::new(
        "PATCH /api/chats/{id}/messages/{message_id}",
        "author",
        "Edits a message.",
        of::<Message>,
    )
    .body(&[CONTENT, may("ifVersion", inline::<u64>)]),
    Route::new(
        "DELETE /api/chats/{id}/messages/{message_id}",
        "author, owner, moderator, admin",
        "Deletes a message; a tombstone stays.",
        of::<Message>,
    ),
    Route::new(
        "PUT /api/chats/{id}/messages/{message_id}/reactions/{emoji}",
        "participant",
        "Adds a reaction.",
        of::<Reacted>,
    ),
    Route::new(
        "DELETE /api/chats/{id}/messages/{message_id}/reactions/{emoji}",
        "participant",
        "Takes a reaction away.",
        of::<Reacted>,
    ),
    Route::new(
        "POST /api/chats/{id}/read",
        "participant",
        "Marks everything up to seq as read.",
        of::<ReadState>,
    )
    .body(&[need("seq", inline::<Seq>)]),
    Route::new(
        "GET /api/chats/{id}/events",
        "participant",
        "The log of changes after since.",
        of::<Events>,
    )
    .query(&[need("since", inline::<Rev>), LIMIT]),
    Route::new(
        "POST /api/chats/{id}/participants",
        "participant, admin",
        "Puts somebody into a group.",
        of::<Participant>,
    )
    .body(&[need("userId", inline::<UserId>)]),
    Route::new(
        "DELETE /api/chats/{id}/participants/{user_id}",
        "owner, moderator, admin",
        "Puts somebody out of a group.",
        of::<Nothing>,
    ),
    Route::new(
        "PATCH /api/chats/{id}/participants/{user_id}",
        "owner, admin",
        "Gives a participant another role; owner hands over.",
        of::<Participant>,
    )
    .body(&[need("role", inline::<MemberRole>)]),
    Route::new(
        "POST /api/chats/{id}/leave",
        "participant",
        "Leaves a group.",
        of::<Nothing>,
    ),
    Route::new(
        "GET /api/notifications",
        "self",
        "My notifications, newest first.",
        of::<Inbox>,
    )
    .query(&[LIMIT, CURSOR]),
    Route::new(
        "POST /api/notifications/read",
        "self",
        "Marks notifications as read, these or all.",
        of::<Left>,
    )
    .body(&[
        may("ids", list::<NotificationId>),
        may("all", inline::<bool>),
    ]),
];

/// What `{emoji}` of a path is.
pub(super) fn emoji() -> serde_json::Value {
    inline::<Emoji>()
}
