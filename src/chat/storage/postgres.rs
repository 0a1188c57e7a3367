//! PostgreSQL: a pool that reads and one connection that writes.
//!
//! Nothing waits without a bound: the server ends statements and waiting for
//! locks, and we give up on a server that does not answer.

use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection as _, PgConnection, Postgres};
use tokio::time::timeout;

use super::connection::{Connection, Engine, Writing, silent};
use super::sql::Db;
use super::{Answer, StoreError};
use crate::chat::config::Durability;

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

impl Engine for PoolConnection<Postgres> {
    const PATIENCE: Option<Duration> = Some(STATEMENT_PATIENCE);

    fn db(&mut self) -> Db<'_> {
        Db::Postgres(self)
    }
}

/// The connection that writes. When it is lost, the next transaction makes
/// another one.
pub(super) struct Lasting {
    options: PgConnectOptions,
    connection: PgConnection,
    /// Whether a statement failed in a way that may have broken it.
    suspect: bool,
}

impl Lasting {
    async fn open(options: PgConnectOptions) -> Result<Self, StoreError> {
        let connection = connect(&options).await?;
        Ok(Self {
            options,
            connection,
            suspect: false,
        })
    }

    /// Another connection in place of one that cannot be trusted any more. The
    /// server ends what the old one had begun.
    async fn renew(&mut self) -> Result<(), StoreError> {
        self.connection = connect(&self.options).await?;
        self.suspect = false;
        Ok(())
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let connected = timeout(CONNECT_PATIENCE, options.connect()).await;
    Ok(connected.map_err(|_| silent())??)
}

impl Engine for Lasting {
    const PATIENCE: Option<Duration> = Some(STATEMENT_PATIENCE);

    fn db(&mut self) -> Db<'_> {
        Db::Postgres(&mut self.connection)
    }

    /// After an error, PostgreSQL refuses the rest of the transaction.
    fn spoilt(&mut self, error: &StoreError) -> bool {
        self.suspect |= error.is_temporary();
        true
    }
}

impl Writing for Lasting {
    fn begin(connection: &mut Connection<Self>) -> Answer<'_, ()> {
        Box::pin(async move {
            if !connection.engine.suspect && connection.run("BEGIN").await.is_ok() {
                return Ok(());
            }
            // Nothing was asked for yet, so nothing is lost.
            connection.engine.renew().await?;
            connection.run("BEGIN").await
        })
    }
}

/// Opens the database and migrates it: the pool of connections that read, and
/// the one that writes.
pub(super) async fn open(
    url: &str,
    durability: Durability,
) -> Result<(PgPool, Connection<Lasting>), StoreError> {
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
    Ok((pool, Connection::new(writer)))
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

/// What the connections were opened with: `synchronous_commit` and the two
/// limits of the one that writes, and whether the others only read.
#[cfg(test)]
pub(super) async fn settings_of(
    url: &str,
    durability: Durability,
) -> Result<[String; 4], StoreError> {
    let (pool, mut writer) = open(url, durability).await?;
    let show = |setting: &'static str| sqlx::query_scalar(setting);
    Ok([
        show("SHOW synchronous_commit")
            .fetch_one(&mut writer.engine.connection)
            .await?,
        show("SHOW statement_timeout")
            .fetch_one(&mut writer.engine.connection)
            .await?,
        show("SHOW lock_timeout")
            .fetch_one(&mut writer.engine.connection)
            .await?,
        show("SHOW default_transaction_read_only")
            .fetch_one(&pool)
            .await?,
    ])
}
