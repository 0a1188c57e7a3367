//! What storage can fail with.

use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

/// Storage failed; the client is never to blame.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It is busy, full, or away: the same request may succeed later. When it
    /// comes from a commit, the outcome is open.
    #[error("storage is unavailable: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The queue of the writer stayed full, or its answer stayed out.
    #[error("the writer does not keep up")]
    Overloaded,
    /// The transaction that a job was part of failed; the outcome is open.
    #[error("the transaction was not committed")]
    NotCommitted,
    /// A query failed, or a row does not read as what it must be.
    #[error("a query failed: {0}")]
    Query(#[source] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("a migration failed: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The database URL is none that is known.
    #[error("the database URL must start with sqlite: or postgres:")]
    Url,
}

/// Primary result codes of SQLite that pass: BUSY, LOCKED, READONLY, IOERR,
/// FULL, CANTOPEN. Their extended codes have the same low byte.
const TEMPORARY: [u32; 6] = [5, 6, 8, 10, 13, 14];

/// How SQLSTATEs of PostgreSQL that pass begin: the connection, a transaction
/// that others have stopped, a server that only reads, is full, stops or starts,
/// a statement or a lock that took too long, a fault of its system.
const TEMPORARY_STATES: [&str; 9] = [
    "08", "25006", "40", "53", "55P03", "57014", "57P", "58", "25P03",
];

impl StoreError {
    /// Whether the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::Overloaded | Self::NotCommitted
        )
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let temporary = match &error {
            sqlx::Error::Database(error) => is_temporary(error.as_ref()),
            sqlx::Error::Io(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            _ => false,
        };
        if temporary {
            Self::Unavailable(error)
        } else {
            Self::Query(error)
        }
    }
}

fn is_temporary(error: &dyn DatabaseError) -> bool {
    let Some(code) = error.code() else {
        return false;
    };
    if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        return TEMPORARY_STATES.iter().any(|state| code.starts_with(state));
    }
    let primary = code.parse::<u32>().map(|code| code & 0xFF);
    primary.is_ok_and(|primary| TEMPORARY.contains(&primary))
}
