//! A connection of either engine, and what the engines do differently beside
//! their statements: what they bound, what an error spoils, how a transaction begins.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::Pool;
use sqlx::pool::PoolConnection;
use tokio::time::timeout;

use super::sql::Db;
use super::{Answer, Read, Store, StoreError};

/// An engine's own connection.
pub(super) trait Engine: Send {
    /// How long the answer to a question or a change is waited for; without a
    /// bound where there is no network that could swallow it.
    const PATIENCE: Option<Duration>;

    /// What statements run over.
    fn db(&mut self) -> Db<'_>;

    /// A statement has failed. Whether that has spoilt the transaction, even if
    /// nothing was written.
    fn spoilt(&mut self, _error: &StoreError) -> bool {
        false
    }
}

/// One that writes.
pub(super) trait Writing: Engine + Sized {
    /// Begins a transaction.
    fn begin(connection: &mut Connection<Self>) -> Answer<'_, ()>;
}

/// A connection of the pool, or the one that writes.
pub(super) struct Connection<E> {
    pub(super) engine: E,
    /// Whether something was written, or an error has spoilt the transaction,
    /// since the last [`Write::take_touched`](super::Write::take_touched).
    pub(super) touched: bool,
}

impl<E: Engine> Connection<E> {
    pub(super) fn new(engine: E) -> Self {
        Self {
            engine,
            touched: false,
        }
    }

    /// Runs a statement that has neither parameters nor rows.
    pub(super) fn run(&mut self, sql: &'static str) -> Answer<'_, ()> {
        Box::pin(async move {
            let answer = limited(E::PATIENCE, self.engine.db().run(sql)).await;
            self.check(answer)
        })
    }

    /// Remembers what an error has spoilt.
    pub(super) fn check<T>(&mut self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &answer {
            self.touched |= self.engine.spoilt(error);
        }
        answer
    }
}

/// The answer, or an error when it takes too long.
pub(super) async fn limited<T>(
    patience: Option<Duration>,
    answer: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match patience {
        None => answer.await,
        Some(patience) => match timeout(patience, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(silent().into()),
        },
    }
}

/// The error of a server that does not answer.
pub(super) fn silent() -> sqlx::Error {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

impl<D: sqlx::Database> Store for Pool<D>
where
    PoolConnection<D>: Engine,
{
    fn read(&self) -> Answer<'_, Box<dyn Read>> {
        Box::pin(async {
            let connection = self.acquire().await?;
            Ok(Box::new(Connection::new(connection)) as Box<dyn Read>)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(Self::close(self))
    }
}
