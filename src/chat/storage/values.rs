//! What goes into queries and comes out of them, beside the domain's objects.

use std::collections::BTreeSet;

use crate::chat::domain::{
    ChatId, ChatName, ClientMsgId, Email, Emoji, Limit, MemberRole, Message, MessageId,
    NotificationId, NotificationKind, Rev, Role, Seq, SessionId, SystemFact, Timestamp, User,
    UserId,
};

/// What somebody logs in with.
#[derive(Clone, Copy)]
pub(crate) enum Login<'a> {
    /// From outside.
    Email(&'a Email),
    /// Somebody who is logged in, and says their password again.
    Id(&'a UserId),
}

/// A person and their password's hash, if they have one.
pub(crate) struct Credentials {
    pub(crate) user: User,
    pub(crate) password_hash: Option<String>,
}

/// How a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionState {
    /// No row has its id.
    Unknown,
    /// It may be used.
    Open,
    /// It was ended.
    Revoked,
}

/// What came of the use of a refresh token.
pub(crate) enum RefreshUse {
    /// It is none of ours, or its time is over.
    Unknown,
    /// It had been used before, or its session is ended.
    Spent(SessionId),
    /// It is spent now.
    Fresh(SessionId, UserId),
}

/// A person to be stored.
pub(crate) struct NewPerson<'a> {
    pub(crate) id: &'a UserId,
    pub(crate) name: &'a str,
    pub(crate) email: Option<&'a str>,
    pub(crate) role: Role,
    pub(crate) password_hash: Option<&'a str>,
    pub(crate) now: Timestamp,
}

/// Parts of names that one search looks at: a text that more names have than
/// this shows some of them.
pub(super) const MAX_MATCHES: u32 = 1000;

/// What somebody is found by: every end of their name that is long enough to be
/// searched for, in lower case.
pub(super) fn name_parts(name: &str) -> BTreeSet<String> {
    let name = name.to_lowercase();
    let ends = name.char_indices().map(|(start, _)| &name[start..]);
    let long = ends.filter(|end| end.chars().nth(1).is_some());
    long.map(str::to_owned).collect()
}

/// A session to be stored.
pub(crate) struct NewSession<'a> {
    pub(crate) id: &'a SessionId,
    pub(crate) user: &'a UserId,
    pub(crate) now: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// Who looks at a chat.
#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    pub(crate) user: UserId,
    /// An admin sees chats that they are not in.
    pub(crate) sees_all: bool,
}

/// What somebody is to a chat that exists.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) is_group: bool,
    pub(crate) last_seq: Seq,
    pub(crate) rev: Rev,
    /// How far they have read; 0 when they are not in it.
    pub(crate) read_seq: Seq,
    /// None when they are not in it.
    pub(crate) role: Option<MemberRole>,
}

/// What must be known before a message is appended that refers to nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) chat: &'a ChatId,
    pub(crate) sender: &'a UserId,
    pub(crate) client_msg_id: Option<&'a ClientMsgId>,
}

/// The answer to [`Asked`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    /// None when there is no such chat.
    pub(crate) standing: Option<Standing>,
    /// The sender has stored a message under this `clientMsgId` before.
    pub(crate) repeated: bool,
}

/// A chat to be stored.
pub(crate) struct NewChat<'a> {
    pub(crate) id: &'a ChatId,
    pub(crate) name: Option<&'a ChatName>,
    /// The key of the pair; none for groups.
    pub(crate) direct_key: Option<&'a str>,
    pub(crate) created_by: &'a UserId,
    pub(crate) now: Timestamp,
}

/// Where the next page of chats begins: after this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChatCursor {
    pub(crate) updated_at: Timestamp,
    pub(crate) id: ChatId,
}

/// Which messages of a chat. Numbers have no gap, so a page is a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Newest(Limit),
    Before(Seq, Limit),
    After(Seq, Limit),
    Around(Seq, Limit),
}

impl Page {
    /// The first and the last number of the page; empty when first > last.
    pub(crate) fn range(self, last: Seq) -> (Seq, Seq) {
        let (first, end) = match self {
            Self::Newest(limit) => back(last.0 + 1, limit),
            Self::Before(seq, limit) => back(seq.0.min(last.0 + 1), limit),
            Self::After(seq, limit) => {
                let first = seq.0.saturating_add(1);
                (first, first.saturating_add(limit.get().into()))
            }
            Self::Around(seq, limit) => {
                let first = seq.0.saturating_sub(u64::from(limit.get()) / 2);
                (first, first.saturating_add(limit.get().into()))
            }
        };
        (Seq(first.max(1)), Seq(end.saturating_sub(1).min(last.0)))
    }
}

fn back(end: u64, limit: Limit) -> (u64, u64) {
    (end.saturating_sub(limit.get().into()), end)
}

/// A page of messages.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) messages: Vec<Message>,
    pub(crate) has_more_before: bool,
    pub(crate) has_more_after: bool,
    pub(crate) last_seq: Seq,
    pub(crate) rev: Rev,
}

/// A message to be stored.
pub(crate) struct NewMessage<'a> {
    pub(crate) id: &'a MessageId,
    pub(crate) chat: &'a ChatId,
    pub(crate) seq: Seq,
    pub(crate) rev: Rev,
    /// None for the system.
    pub(crate) sender: Option<&'a UserId>,
    pub(crate) content: &'a str,
    pub(crate) client_msg_id: Option<&'a ClientMsgId>,
    pub(crate) body_hash: Option<&'a [u8]>,
    pub(crate) reply_to: Option<&'a MessageId>,
    pub(crate) mentions: &'a [UserId],
    pub(crate) system: Option<&'a SystemFact>,
    pub(crate) now: Timestamp,
}

/// What was stored under a `clientMsgId` before.
pub(crate) struct Repeat {
    pub(crate) message: Message,
    pub(crate) body_hash: Vec<u8>,
}

/// Where a chat stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) rev: Rev,
    pub(crate) last_seq: Seq,
    /// The oldest change that the log still has; none when it is empty.
    pub(crate) oldest: Option<Rev>,
}

impl Head {
    /// Whether the log has everything after `since`.
    pub(crate) fn reaches(&self, since: Rev) -> bool {
        let first_missed = since.next();
        since == self.rev
            || since < self.rev && self.oldest.is_some_and(|oldest| oldest <= first_missed)
    }
}

/// Which live event a change of the log was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogKind {
    NewMessage,
    MessageUpdated,
    MessageDeleted,
    ReactionUpdated,
    ChatUpdated,
}

impl LogKind {
    const ALL: [Self; 5] = [
        Self::NewMessage,
        Self::MessageUpdated,
        Self::MessageDeleted,
        Self::ReactionUpdated,
        Self::ChatUpdated,
    ];

    /// The name of the event, on the wire and in the database.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NewMessage => "new-message",
            Self::MessageUpdated => "message-updated",
            Self::MessageDeleted => "message-deleted",
            Self::ReactionUpdated => "reaction-updated",
            Self::ChatUpdated => "chat-updated",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A row of the log.
#[derive(Debug, Clone)]
pub(crate) struct LogEntry {
    pub(crate) rev: Rev,
    pub(crate) kind: LogKind,
    /// The message that it is about.
    pub(crate) seq: Option<Seq>,
    /// JSON that cannot be taken from the message or the chat.
    pub(crate) payload: Option<String>,
}

/// A reaction to be added or taken away.
pub(crate) struct NewReaction<'a> {
    pub(crate) message: &'a MessageId,
    pub(crate) emoji: &'a Emoji,
    pub(crate) user: &'a UserId,
    pub(crate) wanted: bool,
    pub(crate) now: Timestamp,
}

/// A notification as it is kept: what it names is looked up when it is shown.
pub(crate) struct KeptNotification {
    pub(crate) id: NotificationId,
    pub(crate) kind: NotificationKind,
    pub(crate) chat: ChatId,
    pub(crate) user: Option<UserId>,
    pub(crate) by: Option<UserId>,
    pub(crate) message: Option<MessageId>,
    pub(crate) created_at: Timestamp,
    pub(crate) read_at: Option<Timestamp>,
}

/// A notification to be stored for several people.
pub(crate) struct NewNotification<'a> {
    pub(crate) id: &'a NotificationId,
    pub(crate) people: &'a [UserId],
    pub(crate) kind: NotificationKind,
    pub(crate) chat: &'a ChatId,
    pub(crate) user: Option<&'a UserId>,
    pub(crate) by: Option<&'a UserId>,
    pub(crate) message: Option<&'a MessageId>,
    pub(crate) now: Timestamp,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chat::domain::Parse;

    fn limit(count: u32) -> Limit {
        Limit::parse(&serde_json::json!(count)).expect("1 to 100")
    }

    fn range(page: Page, last: u64) -> (u64, u64) {
        let (first, end) = page.range(Seq(last));
        (first.0, end.0)
    }

    #[test]
    fn pages_are_ranges_of_numbers() {
        assert_eq!(range(Page::Newest(limit(10)), 25), (16, 25));
        assert_eq!(range(Page::Newest(limit(10)), 4), (1, 4));
        assert_eq!(range(Page::Before(Seq(16), limit(10)), 25), (6, 15));
        assert_eq!(range(Page::After(Seq(20), limit(10)), 25), (21, 25));
        assert_eq!(range(Page::Around(Seq(10), limit(5)), 25), (8, 12));
        assert_eq!(range(Page::Around(Seq(10), limit(1)), 25), (10, 10));
    }

    proptest! {
        #[test]
        fn no_page_leaves_the_chat_or_is_too_long(seq: u64, count in 1_u32..=100, last in 0..u64::MAX >> 11) {
            let limit = limit(count);
            let pages = [
                Page::Newest(limit),
                Page::Before(Seq(seq), limit),
                Page::After(Seq(seq), limit),
                Page::Around(Seq(seq), limit),
            ];
            for page in pages {
                let (first, end) = range(page, last);
                prop_assert!(first >= 1 && end <= last);
                prop_assert!((end + 1).saturating_sub(first) <= u64::from(count));
            }
        }
    }
}
