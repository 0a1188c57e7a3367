//! SQLite: WAL, a pool that reads and one connection that writes.

use std::path::Path;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Sqlite, SqliteConnection};

use super::connection::{Connection, Engine, Writing};
use super::sql::Db;
use super::{Answer, StoreError};
use crate::chat::config::Durability;

/// Readers never wait for the writer in WAL mode; more of them than cores
/// gains nothing but answers while one does a long read.
const READERS: u32 = 8;

/// How long a query waits for a connection of the pool.
const POOL_PATIENCE: Duration = Duration::from_secs(5);

/// How long a statement waits for a lock of another process.
const BUSY_TIMEOUT: Duration = Duration::from_millis(if cfg!(test) { 300 } else { 5000 });

impl Engine for PoolConnection<Sqlite> {
    const PATIENCE: Option<Duration> = None;

    fn db(&mut self) -> Db<'_> {
        Db::Sqlite(self)
    }
}

impl Engine for SqliteConnection {
    const PATIENCE: Option<Duration> = None;

    fn db(&mut self) -> Db<'_> {
        Db::Sqlite(self)
    }
}

impl Writing for SqliteConnection {
    // IMMEDIATE takes the write lock now: a deferred transaction could fail
    // half-way when another process wrote in between.
    fn begin(connection: &mut Connection<Self>) -> Answer<'_, ()> {
        connection.run("BEGIN IMMEDIATE")
    }
}

/// Opens the file, makes it when it is missing, and migrates it: the pool of
/// connections that read, and the one that writes.
pub(super) async fn open(
    path: &Path,
    durability: Durability,
) -> Result<(SqlitePool, Connection<SqliteConnection>), StoreError> {
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
    Ok((pool, Connection::new(writer)))
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
    let (pool, mut writer) = open(path, Durability::Full).await?;
    let journal = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut writer.engine)
        .await?;
    let synchronous = sqlx::query_scalar("PRAGMA synchronous")
        .fetch_one(&mut writer.engine)
        .await?;
    let foreign_keys = sqlx::query_scalar("PRAGMA foreign_keys")
        .fetch_one(&mut writer.engine)
        .await?;
    let mut relaxed = options(path, Durability::Relaxed).connect().await?;
    let write = sqlx::query("DELETE FROM users").execute(&pool).await;
    Ok(Pragmas {
        writer: (journal, synchronous, foreign_keys),
        relaxed_synchronous: sqlx::query_scalar("PRAGMA synchronous")
            .fetch_one(&mut relaxed)
            .await?,
        reader_refuses_writes: write.is_err(),
    })
}
