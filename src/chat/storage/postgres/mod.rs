//! PostgreSQL: a pool that reads and one connection that writes.
//!
//! All SQL of this engine is in this directory. Lists are bound as arrays, so
//! that every statement is constant. Nothing waits without a bound: the server
//! ends statements and waiting for locks, and we give up on a server that does
//! not answer.

mod chats;
mod connection;
mod log;
mod messages;
mod notifications;
mod people;
mod posting;
mod sessions;

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection as _};

use super::{Answer, Read, Store, StoreError};
use crate::chat::config::Durability;
use connection::{Connection, Lasting};

/// Connections that read. PostgreSQL starts a process for each.
const READERS: u32 = 10;

/// How long a query waits for a connection of the pool.
const POOL_PATIENCE: Duration = Duration::from_secs(5);

/// How long a new connection may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// How long the server lets a statement run.
const STATEMENT_TIMEOUT: &str = "5s";

/// How long the server lets it wait for a lock.
const LOCK_TIMEOUT: &str = if cfg!(test) { "300ms" } else { "3s" };

/// How long the server keeps a transaction that nobody goes on with.
const IDLE_TIMEOUT: &str = "15s";

/// How long we wait for the answer to a statement.
const STATEMENT_PATIENCE: Duration = Duration::from_secs(8);

/// A connection that was used more recently than this is not asked first
/// whether it still works.
const TRUSTED: Duration = Duration::from_secs(1);

/// The pool of connections that read.
pub(super) struct Postgres {
    pool: PgPool,
}

/// Opens the database and migrates it.
pub(super) async fn open(
    url: &str,
    durability: Durability,
) -> Result<(Postgres, Connection<Lasting>), StoreError> {
    let options: PgConnectOptions = url.parse()?;
    let options = options
        .application_name("parlance")
        .disable_statement_logging();
    migrate(&options).await?;
    let options = options.options([
        ("statement_timeout", STATEMENT_TIMEOUT),
        ("lock_timeout", LOCK_TIMEOUT),
        ("idle_in_transaction_session_timeout", IDLE_TIMEOUT),
    ]);
    let synchronous = match durability {
        Durability::Full => "on",
        Durability::Relaxed => "off",
    };
    let writer = options
        .clone()
        .options([("synchronous_commit", synchronous)]);
    let writer = Lasting::open(writer).await?;
    let pool = PgPoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(POOL_PATIENCE)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move { Ok(meta.idle_for < TRUSTED || connection.ping().await.is_ok()) })
        })
        .connect_with(options.options([("default_transaction_read_only", "on")]))
        .await?;
    Ok((Postgres { pool }, Connection::new(writer)))
}

/// Host, port and name of the database of a URL, to be shown; none when it is
/// not one that can be used.
pub fn postgres_address(url: &str) -> Option<String> {
    let options: PgConnectOptions = url.parse().ok()?;
    let (port, database) = (options.get_port(), options.get_database()?);
    let host = match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => options.get_host().to_owned(),
    };
    Some(format!("postgres://{host}:{port}/{database}"))
}

/// On a connection of its own: building an index may take longer than any
/// statement of the application.
pub(super) async fn migrate(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = options.connect().await?;
    sqlx::migrate!("migrations/postgres")
        .run(&mut connection)
        .await?;
    Ok(connection.close().await?)
}

impl Store for Postgres {
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

/// What a statement binds as an array.
fn list<'a, T: 'a, U: 'a>(rows: impl Iterator<Item = T>, column: impl Fn(T) -> U) -> Vec<U> {
    rows.map(column).collect()
}

/// What the connections were opened with: `synchronous_commit` and the two
/// limits of the one that writes, and whether the others only read.
#[cfg(test)]
pub(super) async fn settings_of(
    url: &str,
    durability: Durability,
) -> Result<[String; 4], StoreError> {
    let (store, mut writer) = open(url, durability).await?;
    let show = |setting: &'static str| sqlx::query_scalar(setting);
    Ok([
        show("SHOW synchronous_commit")
            .fetch_one(&mut *writer.inner)
            .await?,
        show("SHOW statement_timeout")
            .fetch_one(&mut *writer.inner)
            .await?,
        show("SHOW lock_timeout")
            .fetch_one(&mut *writer.inner)
            .await?,
        show("SHOW default_transaction_read_only")
            .fetch_one(&store.pool)
            .await?,
    ])
}

/// The questions whose plans are tested, and the types of their parameters.
#[cfg(test)]
pub(super) const QUESTIONS: [(&str, &str, &str); 13] = [
    ("LIST", chats::LIST, "text, bigint, text, bigint"),
    ("PARTICIPANTS", chats::PARTICIPANTS, "text[]"),
    ("LAST_MESSAGES", chats::LAST_MESSAGES, "text[], bigint[]"),
    ("UNREAD", chats::UNREAD, "text, text"),
    ("REACTIONS", messages::REACTIONS, "text, text[]"),
    ("RANGE", messages::RANGE, "text, bigint, bigint, bool, text"),
    ("BY_SEQ", messages::BY_SEQ, "text, bigint[]"),
    ("REPEAT", messages::REPEAT, "text, text, text"),
    ("HEAD", log::HEAD, "text"),
    (
        "ENTRIES",
        log::ENTRIES,
        "text, bigint, bigint, text, bigint",
    ),
    ("SEARCH", people::SEARCH, "text, bigint, bigint"),
    ("LOOK_UP", posting::LOOK_UP, "text[], text[], text[]"),
    ("PAGE", notifications::PAGE, "text, text, bigint"),
];
