//! All questions and changes, each once for both engines, and the two traits
//! whose methods they are. What differs between the engines stands in the
//! statement itself; everything else that does is in [`Engine`].

mod chats;
mod log;
mod messages;
mod notifications;
mod participants;
mod people;
mod posting;
mod sessions;

use super::connection::{Connection, Engine, Writing, limited};
use super::posting::Rows;
use super::{
    Answer, Asked, ChatCursor, Credentials, Found, Head, History, KeptNotification, LogEntry,
    Login, NewChat, NewMessage, NewNotification, NewPerson, NewReaction, NewSession, Page, Read,
    RefreshUse, Repeat, SessionState, Standing, Viewer, Write,
};
use crate::chat::domain::{
    Chat, ChatId, ChatName, ClientMsgId, Limit, MemberRole, Message, MessageId, NotificationId,
    Person, Rev, SearchText, Seq, SessionId, Timestamp, User, UserId,
};

/// Methods of the traits: `fn name(arguments) -> output = module::function;`, of
/// those that read and of those that write.
macro_rules! statements {
    (touching $touched:literal; $(fn $name:ident($($arg:ident: $type:ty),* $(,)?) -> $output:ty = $statement:path;)*) => {$(
        fn $name<'a>(&'a mut self, $($arg: $type),*) -> Answer<'a, $output> {
            Box::pin(async move {
                #[cfg(test)]
                super::count();
                self.touched |= $touched;
                let mut db = self.engine.db();
                let answer = limited(E::PATIENCE, $statement(&mut db, $($arg),*)).await;
                self.check(answer)
            })
        }
    )*};
}

impl<E: Engine> Read for Connection<E> {
    fn ping(&mut self) -> Answer<'_, ()> {
        self.run("SELECT 1")
    }

    statements! {
        touching false;
        fn user(id: &'a UserId) -> Option<User> = people::user;
        fn credentials(login: Login<'a>) -> Option<Credentials> = people::credentials;
        fn search(text: &'a SearchText, limit: Limit) -> Vec<Person> = people::search;
        fn people(ids: &'a [UserId]) -> Vec<Person> = people::people;
        fn acquaintances(user: &'a UserId, ids: &'a [UserId])
            -> Vec<(UserId, Option<Timestamp>)> = people::acquaintances;

        fn session(user: &'a UserId, session: &'a SessionId)
            -> Option<(User, SessionState)> = sessions::session;
        fn other_sessions(user: &'a UserId, except: &'a SessionId)
            -> Vec<SessionId> = sessions::others;

        fn chat(chat: &'a ChatId, viewer: &'a Viewer) -> Option<Chat> = chats::for_viewer;
        fn chat_for_everyone(chat: &'a ChatId) -> Option<Chat> = chats::for_everyone;
        fn chats(user: &'a UserId, cursor: Option<&'a ChatCursor>, limit: u32)
            -> Vec<Chat> = chats::chats;
        fn chats_for(user: &'a UserId, ids: &'a [ChatId]) -> Vec<Chat> = chats::for_person;
        fn direct_chat(key: &'a str) -> Option<ChatId> = chats::direct;

        fn standing(chat: &'a ChatId, user: &'a UserId)
            -> Option<Standing> = participants::standing;
        fn read_positions(chat: &'a ChatId) -> Vec<(UserId, Seq)> = participants::read_positions;
        fn people_in(chat: &'a ChatId) -> u32 = participants::count;
        fn participants(chat: &'a ChatId) -> Vec<UserId> = participants::of;
        fn members_among(chat: &'a ChatId, ids: &'a [UserId])
            -> Vec<UserId> = participants::among;
        fn longest_standing(chat: &'a ChatId, except: &'a UserId)
            -> Option<Person> = participants::longest_standing;
        fn unread(chat: &'a ChatId, user: &'a UserId) -> Option<(Seq, u32)> = participants::unread;

        fn history(chat: &'a ChatId, viewer: &'a Viewer, page: Page)
            -> Option<History> = messages::history;
        fn message(chat: &'a ChatId, id: &'a MessageId, viewer: &'a UserId)
            -> Option<Message> = messages::message;
        fn messages_for(user: &'a UserId, ids: &'a [MessageId])
            -> Vec<Message> = messages::for_person;
        fn messages_by_seq(chat: &'a ChatId, seqs: &'a [Seq]) -> Vec<Message> = messages::by_seq;
        fn repeat(chat: &'a ChatId, sender: &'a UserId, client_msg_id: &'a ClientMsgId)
            -> Option<Repeat> = messages::repeat;

        fn head(chat: &'a ChatId) -> Option<Head> = log::head;
        fn log(
            chat: &'a ChatId,
            viewer: Option<&'a UserId>,
            since: Rev,
            head: Rev,
            limit: u32
        ) -> Vec<LogEntry> = log::entries;

        fn notifications(user: &'a UserId, before: Option<&'a str>, limit: u32)
            -> Vec<KeptNotification> = notifications::page;
        fn unread_notifications(user: &'a UserId) -> u32 = notifications::unread;
    }
}

impl<E: Writing> Write for Connection<E> {
    fn begin(&mut self) -> Answer<'_, ()> {
        E::begin(self)
    }

    fn commit(&mut self) -> Answer<'_, ()> {
        self.run("COMMIT")
    }

    fn rollback(&mut self) -> Answer<'_, ()> {
        self.run("ROLLBACK")
    }

    fn savepoint(&mut self) -> Answer<'_, ()> {
        self.run("SAVEPOINT job")
    }

    fn release(&mut self) -> Answer<'_, ()> {
        self.run("RELEASE job")
    }

    fn undo(&mut self) -> Answer<'_, ()> {
        self.run("ROLLBACK TO job")
    }

    fn take_touched(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    statements! {
        touching true;
        fn insert_person(new: &'a NewPerson<'a>) -> bool = people::insert;
        fn upsert_host_person(new: &'a NewPerson<'a>) -> bool = people::upsert_host;
        fn set_password(user: &'a UserId, hash: &'a str) -> () = people::set_password;
        fn set_last_seen(user: &'a UserId, at: Timestamp) -> () = people::set_last_seen;

        fn insert_session(new: &'a NewSession<'a>) -> () = sessions::insert;
        fn revoke_session(id: &'a SessionId, now: Timestamp) -> () = sessions::revoke;
        fn insert_refresh(session: &'a SessionId, hash: &'a [u8], expires_at: Timestamp)
            -> () = sessions::insert_refresh;
        fn spend_refresh(hash: &'a [u8], now: Timestamp) -> RefreshUse = sessions::spend_refresh;
        fn prune_sessions(before: Timestamp) -> () = sessions::prune;
        fn prune_log(before: Timestamp, keep: u64) -> u64 = log::prune;
        fn prune_notifications(before: &'a NotificationId) -> u64 = notifications::prune;

        fn insert_chat(new: &'a NewChat<'a>) -> () = chats::insert;
        fn delete_chat(chat: &'a ChatId) -> () = chats::delete;
        fn rename(chat: &'a ChatId, name: &'a ChatName) -> () = chats::rename;
        fn next_message(chat: &'a ChatId, now: Timestamp) -> (Seq, Rev) = chats::next_message;
        fn next_change(chat: &'a ChatId, activity: Option<Timestamp>) -> Rev = chats::next_change;

        fn insert_participants(
            chat: &'a ChatId,
            users: &'a [UserId],
            role: MemberRole,
            now: Timestamp,
            read_seq: Seq
        ) -> () = participants::insert;
        fn delete_participant(chat: &'a ChatId, user: &'a UserId)
            -> () = participants::delete;
        fn set_role(chat: &'a ChatId, user: &'a UserId, role: MemberRole)
            -> () = participants::set_role;
        fn demote_owner(chat: &'a ChatId) -> () = participants::demote_owner;
        fn raise_read(chat: &'a ChatId, user: &'a UserId, seq: Seq)
            -> bool = participants::raise_read;
        fn raise_delivered(user: &'a UserId, positions: &'a [(ChatId, Seq)])
            -> Vec<(ChatId, Seq)> = participants::raise_delivered;

        fn look_up(asked: &'a [Asked<'a>]) -> Vec<Found> = posting::look_up;
        fn append(rows: &'a Rows<'a>) -> () = posting::append;
        fn insert_message(new: &'a NewMessage<'a>) -> () = messages::insert;
        fn edit_message(id: &'a MessageId, content: &'a str, rev: Rev, now: Timestamp)
            -> () = messages::edit;
        fn delete_message(id: &'a MessageId, by: &'a UserId, rev: Rev, now: Timestamp)
            -> () = messages::delete;
        fn touch_message(id: &'a MessageId, rev: Rev) -> () = messages::touch;
        fn set_reaction(reaction: &'a NewReaction<'a>) -> bool = messages::set_reaction;
        fn insert_log(chat: &'a ChatId, entry: &'a LogEntry, now: Timestamp) -> () = log::insert;

        fn insert_notifications(new: &'a [NewNotification<'a>]) -> () = notifications::insert;
        fn read_notifications(
            user: &'a UserId,
            ids: Option<&'a [NotificationId]>,
            now: Timestamp
        ) -> () = notifications::mark_read;
    }
}

/// A column of rows, as PostgreSQL binds it.
fn array<T, U>(rows: impl Iterator<Item = T>, column: impl Fn(T) -> U) -> Vec<U> {
    rows.map(column).collect()
}

/// The questions whose plans are tested, and the types of their parameters on
/// PostgreSQL.
#[cfg(test)]
pub(super) fn questions() -> [(&'static str, super::sql::Sql, &'static str); 13] {
    [
        ("LIST", chats::LIST.into(), "text, bigint, text, bigint"),
        ("PARTICIPANTS", chats::PARTICIPANTS, "text[]"),
        ("LAST_MESSAGES", chats::LAST_MESSAGES, "text[], bigint[]"),
        ("UNREAD", participants::UNREAD.into(), "text, text"),
        ("REACTIONS", messages::REACTIONS, "text, text[]"),
        (
            "RANGE",
            messages::RANGE.into(),
            "text, bigint, bigint, bool, text",
        ),
        ("BY_SEQ", messages::BY_SEQ, "text, bigint[]"),
        ("REPEAT", messages::REPEAT.into(), "text, text, text"),
        ("HEAD", log::HEAD.into(), "text"),
        (
            "ENTRIES",
            log::ENTRIES.into(),
            "text, bigint, bigint, text, bigint",
        ),
        (
            "SEARCH",
            people::SEARCH.into(),
            "text, text, bigint, bigint",
        ),
        ("LOOK_UP", posting::LOOK_UP, "text[], text[], text[]"),
        ("PAGE", notifications::PAGE.into(), "text, text, bigint"),
    ]
}
