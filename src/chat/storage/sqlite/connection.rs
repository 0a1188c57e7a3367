//! The two traits over a SQLite connection: each method names its statement.

use std::ops::DerefMut;

use sqlx::SqliteConnection;

use super::super::{
    Answer, ChatCursor, Credentials, Head, History, LogEntry, Login, NewChat, NewMessage,
    NewNotification, NewPerson, NewSession, Page, Read, RefreshUse, Repeat, SessionState, Standing,
    Viewer, Write,
};
use super::{chats, log, messages, notifications, people, sessions};
use crate::chat::domain::{
    Chat, ChatId, ChatName, ClientMsgId, Limit, MemberRole, Message, MessageId, Person, Rev,
    SearchText, Seq, SessionId, Timestamp, User, UserId,
};

/// A connection of the pool, or the one that writes.
pub(in super::super) struct Connection<C>(pub(super) C);

impl<C> Connection<C>
where
    C: DerefMut<Target = SqliteConnection> + Send,
{
    fn run(&mut self, sql: &'static str) -> Answer<'_, ()> {
        Box::pin(async move {
            sqlx::query(sql).execute(&mut *self.0).await?;
            Ok(())
        })
    }
}

impl<C> Read for Connection<C>
where
    C: DerefMut<Target = SqliteConnection> + Send,
{
    fn ping(&mut self) -> Answer<'_, ()> {
        self.run("SELECT 1")
    }

    fn user<'a>(&'a mut self, id: &'a UserId) -> Answer<'a, Option<User>> {
        Box::pin(people::user(&mut self.0, id))
    }

    fn credentials<'a>(&'a mut self, login: Login<'a>) -> Answer<'a, Option<Credentials>> {
        Box::pin(people::credentials(&mut self.0, login))
    }

    fn session<'a>(
        &'a mut self,
        user: &'a UserId,
        session: &'a SessionId,
    ) -> Answer<'a, Option<(User, SessionState)>> {
        Box::pin(sessions::session(&mut self.0, user, session))
    }

    fn other_sessions<'a>(
        &'a mut self,
        user: &'a UserId,
        except: &'a SessionId,
    ) -> Answer<'a, Vec<SessionId>> {
        Box::pin(sessions::others(&mut self.0, user, except))
    }

    fn search<'a>(&'a mut self, text: &'a SearchText, limit: Limit) -> Answer<'a, Vec<Person>> {
        Box::pin(people::search(&mut self.0, text, limit))
    }

    fn people<'a>(&'a mut self, ids: &'a [UserId]) -> Answer<'a, Vec<Person>> {
        Box::pin(people::people(&mut self.0, ids))
    }

    fn standing<'a>(
        &'a mut self,
        chat: &'a ChatId,
        user: &'a UserId,
    ) -> Answer<'a, Option<Standing>> {
        Box::pin(chats::standing(&mut self.0, chat, user))
    }

    fn chat<'a>(&'a mut self, chat: &'a ChatId, viewer: &'a Viewer) -> Answer<'a, Option<Chat>> {
        Box::pin(chats::chat(&mut self.0, chat, Some(viewer)))
    }

    fn chats<'a>(
        &'a mut self,
        user: &'a UserId,
        cursor: Option<&'a ChatCursor>,
        limit: u32,
    ) -> Answer<'a, Vec<Chat>> {
        Box::pin(chats::chats(&mut self.0, user, cursor, limit))
    }

    fn direct_chat<'a>(&'a mut self, key: &'a str) -> Answer<'a, Option<ChatId>> {
        Box::pin(chats::direct(&mut self.0, key))
    }

    fn participants<'a>(&'a mut self, chat: &'a ChatId) -> Answer<'a, Vec<UserId>> {
        Box::pin(chats::participants(&mut self.0, chat))
    }

    fn longest_standing<'a>(
        &'a mut self,
        chat: &'a ChatId,
        except: &'a UserId,
    ) -> Answer<'a, Option<Person>> {
        Box::pin(chats::longest_standing(&mut self.0, chat, except))
    }

    fn history<'a>(
        &'a mut self,
        chat: &'a ChatId,
        viewer: &'a Viewer,
        page: Page,
    ) -> Answer<'a, Option<History>> {
        Box::pin(messages::history(&mut self.0, chat, viewer, page))
    }

    fn message<'a>(
        &'a mut self,
        chat: &'a ChatId,
        id: &'a MessageId,
        viewer: &'a UserId,
    ) -> Answer<'a, Option<Message>> {
        Box::pin(messages::message(&mut self.0, chat, id, viewer))
    }

    fn repeat<'a>(
        &'a mut self,
        chat: &'a ChatId,
        sender: &'a UserId,
        client_msg_id: &'a ClientMsgId,
    ) -> Answer<'a, Option<Repeat>> {
        Box::pin(messages::repeat(&mut self.0, chat, sender, client_msg_id))
    }

    fn members_among<'a>(
        &'a mut self,
        chat: &'a ChatId,
        ids: &'a [UserId],
    ) -> Answer<'a, Vec<UserId>> {
        Box::pin(chats::members_among(&mut self.0, chat, ids))
    }

    fn head<'a>(&'a mut self, chat: &'a ChatId, user: &'a UserId) -> Answer<'a, Option<Head>> {
        Box::pin(log::head(&mut self.0, chat, user))
    }

    fn log<'a>(
        &'a mut self,
        chat: &'a ChatId,
        since: Rev,
        head: Rev,
        limit: u32,
    ) -> Answer<'a, Vec<LogEntry>> {
        Box::pin(log::entries(&mut self.0, chat, since, head, limit))
    }

    fn messages_by_seq<'a>(
        &'a mut self,
        chat: &'a ChatId,
        seqs: &'a [Seq],
    ) -> Answer<'a, Vec<Message>> {
        Box::pin(messages::by_seq(&mut self.0, chat, seqs))
    }

    fn chat_for_everyone<'a>(&'a mut self, chat: &'a ChatId) -> Answer<'a, Option<Chat>> {
        Box::pin(chats::chat(&mut self.0, chat, None))
    }
}

impl<C> Write for Connection<C>
where
    C: DerefMut<Target = SqliteConnection> + Send,
{
    // IMMEDIATE takes the write lock now: a deferred transaction could fail
    // half-way when another process wrote in between.
    fn begin(&mut self) -> Answer<'_, ()> {
        self.run("BEGIN IMMEDIATE")
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

    fn insert_person<'a>(&'a mut self, new: &'a NewPerson<'a>) -> Answer<'a, bool> {
        Box::pin(people::insert(&mut self.0, new))
    }

    fn upsert_host_person<'a>(&'a mut self, new: &'a NewPerson<'a>) -> Answer<'a, ()> {
        Box::pin(people::upsert_host(&mut self.0, new))
    }

    fn set_password<'a>(&'a mut self, user: &'a UserId, hash: &'a str) -> Answer<'a, ()> {
        Box::pin(people::set_password(&mut self.0, user, hash))
    }

    fn insert_session<'a>(&'a mut self, new: &'a NewSession<'a>) -> Answer<'a, ()> {
        Box::pin(sessions::insert(&mut self.0, new))
    }

    fn revoke_session<'a>(&'a mut self, id: &'a SessionId, now: Timestamp) -> Answer<'a, ()> {
        Box::pin(sessions::revoke(&mut self.0, id, now))
    }

    fn insert_refresh<'a>(
        &'a mut self,
        session: &'a SessionId,
        hash: &'a [u8],
        expires_at: Timestamp,
    ) -> Answer<'a, ()> {
        Box::pin(sessions::insert_refresh(
            &mut self.0,
            session,
            hash,
            expires_at,
        ))
    }

    fn spend_refresh<'a>(&'a mut self, hash: &'a [u8], now: Timestamp) -> Answer<'a, RefreshUse> {
        Box::pin(sessions::spend_refresh(&mut self.0, hash, now))
    }

    fn prune_sessions(&mut self, before: Timestamp) -> Answer<'_, ()> {
        Box::pin(sessions::prune(&mut self.0, before))
    }

    fn insert_chat<'a>(&'a mut self, new: &'a NewChat<'a>) -> Answer<'a, ()> {
        Box::pin(chats::insert(&mut self.0, new))
    }

    fn delete_chat<'a>(&'a mut self, chat: &'a ChatId) -> Answer<'a, ()> {
        Box::pin(chats::delete(&mut self.0, chat))
    }

    fn insert_participant<'a>(
        &'a mut self,
        chat: &'a ChatId,
        user: &'a UserId,
        role: MemberRole,
        now: Timestamp,
        read_seq: Seq,
    ) -> Answer<'a, ()> {
        Box::pin(chats::insert_participant(
            &mut self.0,
            chat,
            user,
            role,
            now,
            read_seq,
        ))
    }

    fn delete_participant<'a>(&'a mut self, chat: &'a ChatId, user: &'a UserId) -> Answer<'a, ()> {
        Box::pin(chats::delete_participant(&mut self.0, chat, user))
    }

    fn set_role<'a>(
        &'a mut self,
        chat: &'a ChatId,
        user: &'a UserId,
        role: MemberRole,
    ) -> Answer<'a, ()> {
        Box::pin(chats::set_role(&mut self.0, chat, user, role))
    }

    fn demote_owner<'a>(&'a mut self, chat: &'a ChatId) -> Answer<'a, ()> {
        Box::pin(chats::demote_owner(&mut self.0, chat))
    }

    fn rename<'a>(&'a mut self, chat: &'a ChatId, name: &'a ChatName) -> Answer<'a, ()> {
        Box::pin(chats::rename(&mut self.0, chat, name))
    }

    fn next_message<'a>(&'a mut self, chat: &'a ChatId, now: Timestamp) -> Answer<'a, (Seq, Rev)> {
        Box::pin(chats::next_message(&mut self.0, chat, now))
    }

    fn next_change<'a>(&'a mut self, chat: &'a ChatId, now: Timestamp) -> Answer<'a, Rev> {
        Box::pin(chats::next_change(&mut self.0, chat, now))
    }

    fn insert_message<'a>(&'a mut self, new: &'a NewMessage<'a>) -> Answer<'a, ()> {
        Box::pin(messages::insert(&mut self.0, new))
    }

    fn insert_log<'a>(
        &'a mut self,
        chat: &'a ChatId,
        entry: &'a LogEntry,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        Box::pin(log::insert(&mut self.0, chat, entry, now))
    }

    fn raise_read<'a>(
        &'a mut self,
        chat: &'a ChatId,
        user: &'a UserId,
        seq: Seq,
    ) -> Answer<'a, ()> {
        Box::pin(chats::raise_read(&mut self.0, chat, user, seq))
    }

    fn insert_notification<'a>(&'a mut self, new: &'a NewNotification<'a>) -> Answer<'a, ()> {
        Box::pin(notifications::insert(&mut self.0, new))
    }
}
