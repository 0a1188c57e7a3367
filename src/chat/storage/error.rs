//! What storage can fail with.

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
    #[error("the database URL must start with sqlite: (got {0:?})")]
    Url(String),
}

/// Primary result codes of SQLite that pass: BUSY, LOCKED, READONLY, IOERR,
/// FULL, CANTOPEN. Their extended codes have the same low byte.
const TEMPORARY: [u32; 6] = [5, 6, 8, 10, 13, 14];

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

fn is_temporary(error: &dyn sqlx::error::DatabaseError) -> bool {
    let code = error.code().and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| TEMPORARY.contains(&(code & 0xFF)))
}
