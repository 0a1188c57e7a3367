//! The two traits over a PostgreSQL connection: each method names its statement.

use std::io;
use std::ops::{Deref, DerefMut};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tokio::time::timeout;

use super::super::statements::{reads, statements, writes};
use super::super::{
    Answer, Asked, ChatCursor, Credentials, Found, Head, History, KeptNotification, LogEntry,
    Login, NewChat, NewMessage, NewNotification, NewPerson, NewReaction, NewSession, Page, Read,
    RefreshUse, Repeat, SessionState, Standing, StoreError, Viewer, Write,
};
use super::{
    CONNECT_PATIENCE, STATEMENT_PATIENCE, chats, log, messages, notifications, people, posting,
    sessions,
};
use crate::chat::domain::{
    Chat, ChatId, ChatName, ClientMsgId, Limit, MemberRole, Message, MessageId, NotificationId,
    Person, Rev, SearchText, Seq, SessionId, Timestamp, User, UserId,
};
use crate::chat::storage::posting::Rows;

/// A connection of the pool, or the one that writes.
pub(in super::super) struct Connection<C> {
    pub(super) inner: C,
    /// Whether something was written, or an error has spoilt the transaction,
    /// since the last [`Write::take_touched`].
    touched: bool,
    /// Whether a statement failed in a way that may have broken the connection.
    suspect: bool,
}

/// The connection that writes. When it is lost, the next transaction makes
/// another one.
pub(in super::super) struct Lasting {
    options: PgConnectOptions,
    connection: PgConnection,
}

impl Lasting {
    pub(super) async fn open(options: PgConnectOptions) -> Result<Self, StoreError> {
        let connection = connect(&options).await?;
        Ok(Self {
            options,
            connection,
        })
    }

    /// Another connection in place of one that cannot be trusted any more. The
    /// server ends what the old one had begun.
    async fn renew(&mut self) -> Result<(), StoreError> {
        self.connection = connect(&self.options).await?;
        Ok(())
    }
}

impl Deref for Lasting {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lasting {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let connected = timeout(CONNECT_PATIENCE, options.connect()).await;
    Ok(connected.map_err(|_| silent())??)
}

/// The error of a server that does not answer.
fn silent() -> sqlx::Error {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

/// Bounds a statement on our side too: the server's own limit is of no use when
/// the network swallows everything.
async fn limited<T>(
    statement: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match timeout(STATEMENT_PATIENCE, statement).await {
        Ok(answer) => answer,
        Err(_) => Err(silent().into()),
    }
}

impl<C> Connection<C>
where
    C: DerefMut<Target = PgConnection> + Send,
{
    pub(super) fn new(inner: C) -> Self {
        Self {
            inner,
            touched: false,
            suspect: false,
        }
    }

    /// After an error, PostgreSQL refuses the rest of the transaction.
    fn check<T>(&mut self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &answer {
            self.touched = true;
            self.suspect |= error.is_temporary();
        }
        answer
    }

    fn run(&mut self, sql: &'static str) -> Answer<'_, ()> {
        Box::pin(async move {
            let statement = async {
                sqlx::raw_sql(sql).execute(&mut *self.inner).await?;
                Ok(())
            };
            let answer = limited(statement).await;
            self.check(answer)
        })
    }
}

impl<C> Read for Connection<C>
where
    C: DerefMut<Target = PgConnection> + Send,
{
    fn ping(&mut self) -> Answer<'_, ()> {
        self.run("SELECT 1")
    }

    reads!();
}

impl Write for Connection<Lasting> {
    fn begin(&mut self) -> Answer<'_, ()> {
        Box::pin(async move {
            if !self.suspect && self.run("BEGIN").await.is_ok() {
                return Ok(());
            }
            // Nothing was asked for yet, so nothing is lost.
            self.inner.renew().await?;
            self.suspect = false;
            self.run("BEGIN").await
        })
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
