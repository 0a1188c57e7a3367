//! Where chats are kept: two traits, and [`queries`] with all SQL for both engines.
//!
//! [`Read`] is a connection that looks, [`Write`] one that changes too. Reads
//! come from a pool; there is one connection that writes, and [`Writer`] is
//! its only user. Whether somebody may see a chat is part of the query that
//! looks for it, never a check before it.

mod connection;
mod error;
pub(super) mod failpoint;
mod postgres;
mod posting;
mod queries;
mod rows;
mod sql;
mod sqlite;
#[cfg(test)]
mod tests;
mod transfer;
mod values;
mod writer;

#[cfg(test)]
pub(super) use tests::{count, counted, empty_database, lock_everything};

use futures_util::future::BoxFuture;
use secrecy::ExposeSecret as _;

use super::config::ChatConfig;
use super::domain::{
    Chat, ChatId, ChatName, ClientMsgId, Limit, MemberRole, Message, MessageId, NotificationId,
    Person, Rev, SearchText, Seq, SessionId, Timestamp, User, UserId,
};
pub use error::StoreError;
pub use postgres::postgres_address;
use posting::Rows;
pub(super) use posting::{Decision, Posting};
pub use transfer::{Copied, TransferError, backup, migrate};
pub(super) use values::{
    Asked, ChatCursor, Credentials, Found, Head, History, KeptNotification, LogEntry, LogKind,
    Login, NewChat, NewMessage, NewNotification, NewPerson, NewReaction, NewSession, Page,
    RefreshUse, Repeat, SessionState, Standing, Viewer,
};
pub(super) use writer::{Job, Verdict, Writer};

/// What a query will answer.
pub(super) type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// What one sweep takes out: the writer is needed by others.
pub(super) const PRUNED_AT_ONCE: u32 = 5000;

/// An engine: hands out connections that read, and the one that writes.
pub(super) trait Store: Send + Sync {
    /// A connection that reads, from the pool.
    fn read(&self) -> Answer<'_, Box<dyn Read>>;
    /// Closes every connection of the pool.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Questions. None of them changes anything.
pub(super) trait Read: Send {
    /// Answers when the database does.
    fn ping(&mut self) -> Answer<'_, ()>;
    /// A person by id.
    fn user<'a>(&'a mut self, id: &'a UserId) -> Answer<'a, Option<User>>;
    /// A person and what their password is checked against.
    fn credentials<'a>(&'a mut self, login: Login<'a>) -> Answer<'a, Option<Credentials>>;
    /// A person, and how the session of their token stands.
    fn session<'a>(
        &'a mut self,
        user: &'a UserId,
        session: &'a SessionId,
    ) -> Answer<'a, Option<(User, SessionState)>>;
    /// The open sessions of a person, except one.
    fn other_sessions<'a>(
        &'a mut self,
        user: &'a UserId,
        except: &'a SessionId,
    ) -> Answer<'a, Vec<SessionId>>;
    /// People by a part of their name, in the order of their names.
    fn search<'a>(&'a mut self, text: &'a SearchText, limit: Limit) -> Answer<'a, Vec<Person>>;
    /// Those of these people who exist.
    fn people<'a>(&'a mut self, ids: &'a [UserId]) -> Answer<'a, Vec<Person>>;

    /// What somebody is to a chat; none when there is no such chat.
    fn standing<'a>(
        &'a mut self,
        chat: &'a ChatId,
        user: &'a UserId,
    ) -> Answer<'a, Option<Standing>>;
    /// A chat as somebody sees it; none when they may not.
    fn chat<'a>(&'a mut self, chat: &'a ChatId, viewer: &'a Viewer) -> Answer<'a, Option<Chat>>;
    /// The chats of a person, newest activity first, after `cursor`.
    fn chats<'a>(
        &'a mut self,
        user: &'a UserId,
        cursor: Option<&'a ChatCursor>,
        limit: u32,
    ) -> Answer<'a, Vec<Chat>>;
    /// The chat of two people.
    fn direct_chat<'a>(&'a mut self, key: &'a str) -> Answer<'a, Option<ChatId>>;
    /// How many people are in a chat.
    fn people_in<'a>(&'a mut self, chat: &'a ChatId) -> Answer<'a, u32>;
    /// Everybody in a chat.
    fn participants<'a>(&'a mut self, chat: &'a ChatId) -> Answer<'a, Vec<UserId>>;
    /// The participant who has been there longest, except one.
    fn longest_standing<'a>(
        &'a mut self,
        chat: &'a ChatId,
        except: &'a UserId,
    ) -> Answer<'a, Option<Person>>;

    /// A page of messages, ascending; none when the viewer may not see it.
    fn history<'a>(
        &'a mut self,
        chat: &'a ChatId,
        viewer: &'a Viewer,
        page: Page,
    ) -> Answer<'a, Option<History>>;
    /// One message of a chat; none when it is elsewhere.
    fn message<'a>(
        &'a mut self,
        chat: &'a ChatId,
        id: &'a MessageId,
        viewer: &'a UserId,
    ) -> Answer<'a, Option<Message>>;
    /// What a sender stored under a `clientMsgId` before.
    fn repeat<'a>(
        &'a mut self,
        chat: &'a ChatId,
        sender: &'a UserId,
        client_msg_id: &'a ClientMsgId,
    ) -> Answer<'a, Option<Repeat>>;
    /// How far somebody has read, and what they have not; counts to 100.
    fn unread<'a>(
        &'a mut self,
        chat: &'a ChatId,
        user: &'a UserId,
    ) -> Answer<'a, Option<(Seq, u32)>>;
    /// Those of these messages that somebody may see, as everybody sees them.
    fn messages_for<'a>(
        &'a mut self,
        user: &'a UserId,
        ids: &'a [MessageId],
    ) -> Answer<'a, Vec<Message>>;
    /// Those of these chats that somebody is in, as everybody sees them.
    fn chats_for<'a>(&'a mut self, user: &'a UserId, ids: &'a [ChatId]) -> Answer<'a, Vec<Chat>>;
    /// Those of these people who share a chat with somebody, and when each was
    /// last seen.
    fn acquaintances<'a>(
        &'a mut self,
        user: &'a UserId,
        ids: &'a [UserId],
    ) -> Answer<'a, Vec<(UserId, Option<Timestamp>)>>;
    /// Somebody's notifications, newest first, older than `before`.
    fn notifications<'a>(
        &'a mut self,
        user: &'a UserId,
        before: Option<&'a str>,
        limit: u32,
    ) -> Answer<'a, Vec<KeptNotification>>;
    /// How many of them are not read.
    fn unread_notifications<'a>(&'a mut self, user: &'a UserId) -> Answer<'a, u32>;
    /// Those of these people who are in the chat.
    fn members_among<'a>(
        &'a mut self,
        chat: &'a ChatId,
        ids: &'a [UserId],
    ) -> Answer<'a, Vec<UserId>>;

    /// Where a chat stands.
    fn head<'a>(&'a mut self, chat: &'a ChatId) -> Answer<'a, Option<Head>>;
    /// How far each participant has read.
    fn read_positions<'a>(&'a mut self, chat: &'a ChatId) -> Answer<'a, Vec<(UserId, Seq)>>;
    /// The log after `since` up to `head`; for a viewer, only while they are in
    /// the chat.
    fn log<'a>(
        &'a mut self,
        chat: &'a ChatId,
        viewer: Option<&'a UserId>,
        since: Rev,
        head: Rev,
        limit: u32,
    ) -> Answer<'a, Vec<LogEntry>>;
    /// Messages by number, as everybody sees them.
    fn messages_by_seq<'a>(
        &'a mut self,
        chat: &'a ChatId,
        seqs: &'a [Seq],
    ) -> Answer<'a, Vec<Message>>;
    /// A chat without the fields that depend on who looks.
    fn chat_for_everyone<'a>(&'a mut self, chat: &'a ChatId) -> Answer<'a, Option<Chat>>;
}

/// Changes, inside of a transaction that the [`Writer`] has begun.
pub(super) trait Write: Read {
    /// Begins the transaction that a batch shares.
    fn begin(&mut self) -> Answer<'_, ()>;
    /// Makes it durable.
    fn commit(&mut self) -> Answer<'_, ()>;
    /// Undoes all of it.
    fn rollback(&mut self) -> Answer<'_, ()>;
    /// Begins one command's part of the transaction.
    fn savepoint(&mut self) -> Answer<'_, ()>;
    /// Keeps that part.
    fn release(&mut self) -> Answer<'_, ()>;
    /// Undoes that part.
    fn undo(&mut self) -> Answer<'_, ()>;
    /// Whether anything was written since this was last asked.
    fn take_touched(&mut self) -> bool;

    /// Makes an account; false when the e-mail address is taken.
    fn insert_person<'a>(&'a mut self, new: &'a NewPerson<'a>) -> Answer<'a, bool>;
    /// Takes over what a host application says about a person; false, and nothing is changed, when
    /// the id is that of an account of our own.
    fn upsert_host_person<'a>(&'a mut self, new: &'a NewPerson<'a>) -> Answer<'a, bool>;
    /// Sets another password.
    fn set_password<'a>(&'a mut self, user: &'a UserId, hash: &'a str) -> Answer<'a, ()>;
    /// Opens a session.
    fn insert_session<'a>(&'a mut self, new: &'a NewSession<'a>) -> Answer<'a, ()>;
    /// Ends sessions.
    fn revoke_session<'a>(&'a mut self, id: &'a SessionId, now: Timestamp) -> Answer<'a, ()>;
    /// Keeps a refresh token's hash.
    fn insert_refresh<'a>(
        &'a mut self,
        session: &'a SessionId,
        hash: &'a [u8],
        expires_at: Timestamp,
    ) -> Answer<'a, ()>;
    /// Spends a refresh token, once.
    fn spend_refresh<'a>(&'a mut self, hash: &'a [u8], now: Timestamp) -> Answer<'a, RefreshUse>;
    /// Forgets sessions and refresh tokens that ended before `before`.
    fn prune_sessions(&mut self, before: Timestamp) -> Answer<'_, ()>;

    /// Makes an empty chat.
    fn insert_chat<'a>(&'a mut self, new: &'a NewChat<'a>) -> Answer<'a, ()>;
    /// Deletes a chat and everything in it.
    fn delete_chat<'a>(&'a mut self, chat: &'a ChatId) -> Answer<'a, ()>;
    /// Puts people into a chat; they have read everything up to `read_seq`.
    fn insert_participants<'a>(
        &'a mut self,
        chat: &'a ChatId,
        users: &'a [UserId],
        role: MemberRole,
        now: Timestamp,
        read_seq: Seq,
    ) -> Answer<'a, ()>;
    /// Takes somebody out of a chat.
    fn delete_participant<'a>(&'a mut self, chat: &'a ChatId, user: &'a UserId) -> Answer<'a, ()>;
    /// Gives a participant another role.
    fn set_role<'a>(
        &'a mut self,
        chat: &'a ChatId,
        user: &'a UserId,
        role: MemberRole,
    ) -> Answer<'a, ()>;
    /// Makes the owner a moderator.
    fn demote_owner<'a>(&'a mut self, chat: &'a ChatId) -> Answer<'a, ()>;
    /// Gives a chat another name.
    fn rename<'a>(&'a mut self, chat: &'a ChatId, name: &'a ChatName) -> Answer<'a, ()>;
    /// The next `seq` and `rev` of a chat, for a new message.
    fn next_message<'a>(&'a mut self, chat: &'a ChatId, now: Timestamp) -> Answer<'a, (Seq, Rev)>;
    /// The next `rev` of a chat, for any other change. With a time, the chat
    /// moves up in the list of chats.
    fn next_change<'a>(
        &'a mut self,
        chat: &'a ChatId,
        activity: Option<Timestamp>,
    ) -> Answer<'a, Rev>;
    /// Replaces the content of a message.
    fn edit_message<'a>(
        &'a mut self,
        id: &'a MessageId,
        content: &'a str,
        rev: Rev,
        now: Timestamp,
    ) -> Answer<'a, ()>;
    /// Empties a message, for good.
    fn delete_message<'a>(
        &'a mut self,
        id: &'a MessageId,
        by: &'a UserId,
        rev: Rev,
        now: Timestamp,
    ) -> Answer<'a, ()>;
    /// Adds a reaction to a message, or takes it away; false when it was so.
    fn set_reaction<'a>(&'a mut self, reaction: &'a NewReaction<'a>) -> Answer<'a, bool>;
    /// Notes the last change of a message.
    fn touch_message<'a>(&'a mut self, id: &'a MessageId, rev: Rev) -> Answer<'a, ()>;
    /// Keeps when somebody was last seen.
    fn set_last_seen<'a>(&'a mut self, user: &'a UserId, at: Timestamp) -> Answer<'a, ()>;
    /// Marks notifications of a person as read: these, or all.
    fn read_notifications<'a>(
        &'a mut self,
        user: &'a UserId,
        ids: Option<&'a [NotificationId]>,
        now: Timestamp,
    ) -> Answer<'a, ()>;
    /// What must be known about many messages, in the order in which they are
    /// asked for. Nobody else changes their chats before the end of the transaction.
    fn look_up<'a>(&'a mut self, asked: &'a [Asked<'a>]) -> Answer<'a, Vec<Found>>;
    /// Stores many messages with their lines in the log, moves their chats on,
    /// and marks them as read by their senders.
    fn append<'a>(&'a mut self, rows: &'a Rows<'a>) -> Answer<'a, ()>;
    /// Stores a message.
    fn insert_message<'a>(&'a mut self, new: &'a NewMessage<'a>) -> Answer<'a, ()>;
    /// Writes a change into the log.
    fn insert_log<'a>(
        &'a mut self,
        chat: &'a ChatId,
        entry: &'a LogEntry,
        now: Timestamp,
    ) -> Answer<'a, ()>;
    /// Forgets changes that were made before `before` and lie more than `keep`
    /// behind the head of their chat: the oldest of each chat first, at most
    /// [`PRUNED_AT_ONCE`] of each. How many there were.
    fn prune_log(&mut self, before: Timestamp, keep: u64) -> Answer<'_, u64>;
    /// Forgets notifications with smaller ids, at most [`PRUNED_AT_ONCE`]. How
    /// many there were.
    fn prune_notifications<'a>(&'a mut self, before: &'a NotificationId) -> Answer<'a, u64>;
    /// Raises how far somebody has read, and so got, messages; false when they
    /// had already. Never lowers it.
    fn raise_read<'a>(
        &'a mut self,
        chat: &'a ChatId,
        user: &'a UserId,
        seq: Seq,
    ) -> Answer<'a, bool>;
    /// Raises how far messages have reached somebody, in chats that are named
    /// once each; those in which they had not yet.
    fn raise_delivered<'a>(
        &'a mut self,
        user: &'a UserId,
        positions: &'a [(ChatId, Seq)],
    ) -> Answer<'a, Vec<(ChatId, Seq)>>;
    /// Keeps notifications, each for several people.
    fn insert_notifications<'a>(&'a mut self, new: &'a [NewNotification<'a>]) -> Answer<'a, ()>;
}

/// Opens the engine that the URL names: the pool, and the connection that
/// writes. The schema is up to date afterwards.
///
/// # Errors
/// When the URL is unknown, the database cannot be opened, or a migration fails.
pub(super) async fn open(
    config: &ChatConfig,
) -> Result<(Box<dyn Store>, Box<dyn Write>), StoreError> {
    let url = config.database_url.expose_secret();
    if url.starts_with("postgres:") || url.starts_with("postgresql:") {
        let (store, writer) = postgres::open(url, config.durability).await?;
        return Ok((Box::new(store), Box::new(writer)));
    }
    let path = url.strip_prefix("sqlite:").ok_or(StoreError::Url)?;
    let path = path.strip_prefix("//").unwrap_or(path);
    let (store, writer) = sqlite::open(path.as_ref(), config.durability).await?;
    Ok((Box::new(store), Box::new(writer)))
}
