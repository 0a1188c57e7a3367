//! SQLite: WAL, a pool that reads and one connection that writes.
//!
//! All SQL of this engine is in this directory. Lists of ids are bound as one
//! JSON text and unfolded by `json_each`, so that every statement is constant.

mod chats;
mod connection;
mod log;
mod messages;
mod notifications;
mod people;
mod posting;
mod sessions;

use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, SqliteConnection};

use super::{Answer, Read, Store, StoreError};
use crate::chat::config::Durability;
use connection::Connection;

/// Readers never wait for the writer in WAL mode; more of them than cores
/// gains nothing but answers while one does a long read.
const READERS: u32 = 8;

/// How long a query waits for a connection of the pool.
const POOL_PATIENCE: Duration = Duration::from_secs(5);

/// How long a statement waits for a lock of another process.
const BUSY_TIMEOUT: Duration = Duration::from_millis(if cfg!(test) { 300 } else { 5000 });

/// The pool of connections that read.
pub(super) struct Sqlite {
    pool: SqlitePool,
}

/// Opens the file, makes it when it is missing, and migrates it.
pub(super) async fn open(
    path: &Path,
    durability: Durability,
) -> Result<(Sqlite, Connection<Box<SqliteConnection>>), StoreError> {
    let options = options(path, durability);
    let mut writer = options.connect().await?;
    migrate(&mut writer).await?;
    let pool = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(POOL_PATIENCE)
        // A file does not hang up; asking before every use would double the work.
        .test_before_acquire(false)
        .connect_with(options.pragma("query_only", "ON"))
        .await?;
    Ok((Sqlite { pool }, Connection::new(Box::new(writer))))
}

/// Brings the schema up to date.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    Ok(sqlx::migrate!("migrations/sqlite").run(connection).await?)
}

pub(super) fn options(path: &Path, durability: Durability) -> SqliteConnectOptions {
    let synchronous = match durability {
        Durability::Full => SqliteSynchronous::Full,
        Durability::Relaxed => SqliteSynchronous::Normal,
    };
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging()
}

impl Store for Sqlite {
    fn read(&self) -> Answer<'_, Box<dyn Read>> {
        Box::pin(async {
            let connection = self.pool.acquire().await?;
            Ok(Box::new(Connection::new(connection)) as Box<dyn Read>)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.pool.close())
    }
}

/// What the connections were opened with.
#[cfg(test)]
pub(super) struct Pragmas {
    /// `journal_mode`, `synchronous`, `foreign_keys`.
    pub(super) writer: (String, i64, i64),
    pub(super) relaxed_synchronous: i64,
    pub(super) reader_refuses_writes: bool,
}

#[cfg(test)]
pub(super) async fn pragmas_of(path: &Path) -> Result<Pragmas, StoreError> {
    let (store, mut writer) = open(path, Durability::Full).await?;
    let journal = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut *writer.inner)
        .await?;
    let synchronous = sqlx::query_scalar("PRAGMA synchronous")
        .fetch_one(&mut *writer.inner)
        .await?;
    let foreign_keys = sqlx::query_scalar("PRAGMA foreign_keys")
        .fetch_one(&mut *writer.inner)
        .await?;
    let mut relaxed = options(path, Durability::Relaxed).connect().await?;
    let write = sqlx::query("DELETE FROM users").execute(&store.pool).await;
    Ok(Pragmas {
        writer: (journal, synchronous, foreign_keys),
        relaxed_synchronous: sqlx::query_scalar("PRAGMA synchronous")
            .fetch_one(&mut relaxed)
            .await?,
        reader_refuses_writes: write.is_err(),
    })
}

/// The questions whose plans are tested.
#[cfg(test)]
pub(super) const QUESTIONS: [(&str, &str); 13] = [
    ("LIST", chats::LIST),
    ("PARTICIPANTS", chats::PARTICIPANTS),
    ("LAST_MESSAGES", chats::LAST_MESSAGES),
    ("UNREAD", chats::UNREAD),
    ("REACTIONS", messages::REACTIONS),
    ("RANGE", messages::RANGE),
    ("BY_SEQ", messages::BY_SEQ),
    ("REPEAT", messages::REPEAT),
    ("HEAD", log::HEAD),
    ("ENTRIES", log::ENTRIES),
    ("SEARCH", people::SEARCH),
    ("LOOK_UP", posting::LOOK_UP),
    ("PAGE", notifications::PAGE),
];
