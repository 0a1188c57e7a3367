//! The two traits over a SQLite connection: each method names its statement.

use std::ops::DerefMut;

use sqlx::SqliteConnection;

use super::super::statements::{reads, statements, writes};
use super::super::{
    Answer, Asked, ChatCursor, Credentials, Found, Head, History, KeptNotification, LogEntry,
    Login, NewChat, NewMessage, NewNotification, NewPerson, NewReaction, NewSession, Page, Read,
    RefreshUse, Repeat, SessionState, Standing, StoreError, Viewer, Write,
};
use super::{chats, log, messages, notifications, people, posting, sessions};
use crate::chat::domain::{
    Chat, ChatId, ChatName, ClientMsgId, Limit, MemberRole, Message, MessageId, NotificationId,
    Person, Rev, SearchText, Seq, SessionId, Timestamp, User, UserId,
};
use crate::chat::storage::posting::Rows;

/// A connection of the pool, or the one that writes.
pub(in super::super) struct Connection<C> {
    pub(super) inner: C,
    /// Whether something was written since the last [`Write::take_touched`].
    touched: bool,
}

impl<C> Connection<C>
where
    C: DerefMut<Target = SqliteConnection> + Send,
{
    pub(super) fn new(inner: C) -> Self {
        Self {
            inner,
            touched: false,
        }
    }

    /// An error of SQLite leaves the transaction as it was.
    #[expect(clippy::unused_self, reason = "as every engine's connection has it")]
    fn check<T>(&mut self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        answer
    }

    fn run(&mut self, sql: &'static str) -> Answer<'_, ()> {
        Box::pin(async move {
            sqlx::query(sql).execute(&mut *self.inner).await?;
            Ok(())
        })
    }
}

/// A file needs no bound beside that on waiting for locks.
async fn limited<T>(statement: impl Future<Output = T>) -> T {
    statement.await
}

impl<C> Read for Connection<C>
where
    C: DerefMut<Target = SqliteConnection> + Send,
{
    fn ping(&mut self) -> Answer<'_, ()> {
        self.run("SELECT 1")
    }

    reads!();
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

    fn take_touched(&mut self) -> bool {
        std::mem::take(&mut self.touched)
    }

    writes!();
}
