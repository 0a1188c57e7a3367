//! Copies of a whole store: a consistent one while the server runs, and one in
//! the other engine. What was copied is read back, and its checksums are
//! compared before anything is committed.

mod link;
mod tables;
#[cfg(test)]
mod tests;

use std::path::Path;

use sqlx::{ConnectOptions as _, Connection as _};

use super::{StoreError, sqlite};
use crate::chat::config::Durability;
use link::Link;
use tables::{TABLES, Table};

/// Rows that are inserted by one statement.
const CHUNK: usize = 500;

/// Why a copy was not made. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// One of the two databases failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is something already where the copy should go.
    #[error("the target is not empty; a copy is made into a new one")]
    NotEmpty,
    /// What was read back differs from what was written.
    #[error("the copy of {0} differs from the original")]
    Differs(&'static str),
    /// The copy does not pass the engine's own check.
    #[error("the copy is damaged: {0}")]
    Damaged(String),
    /// The file cannot be made.
    #[error("cannot write the copy")]
    File(#[from] std::io::Error),
}

impl From<sqlx::Error> for TransferError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What was copied of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Its name.
    pub table: &'static str,
    /// How many rows.
    pub rows: u64,
    /// SHA-256 over all of them in the order of their keys, the same on both
    /// engines.
    pub checksum: [u8; 32],
}

/// Writes a consistent copy of a store into a new SQLite file, while a server
/// works on the original. `from` is a database URL.
///
/// # Errors
/// [`TransferError`]; then there is no file.
pub async fn backup(from: &str, to: &Path) -> Result<(), TransferError> {
    // Made here, so that nobody else's file is written over.
    let file = new_private_file(to)?;
    let copied = match sqlite_path(from) {
        Some(path) => vacuum_into(path, to).await,
        None => copy_into_file(from, to).await,
    };
    let copied = match copied {
        Ok(()) => check(to).await,
        failed => failed,
    };
    if copied.is_err() {
        std::fs::remove_file(to)?;
        return copied;
    }
    file.sync_all()?;
    Ok(())
}

/// Copies a store into an empty database of either engine. The original cannot
/// be written meanwhile: whoever tries is told that storage is unavailable.
///
/// # Errors
/// [`TransferError`]; then the target is as empty as before.
pub async fn migrate(from: &str, to: &str) -> Result<Vec<Copied>, TransferError> {
    let mut source = Link::open(from).await?;
    let mut target = Link::open(to).await?;
    source.begin_copy().await?;
    let copied = fill(&mut source, &mut target).await;
    source.end_copy().await?;
    copied
}

/// All tables or nothing, in one transaction of the target.
async fn fill(source: &mut Link, target: &mut Link) -> Result<Vec<Copied>, TransferError> {
    target.begin().await?;
    for table in &TABLES {
        if target.count(table).await? > 0 {
            return Err(TransferError::NotEmpty);
        }
    }
    let mut copied = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        copied.push(copy(source, target, table).await?);
    }
    target.commit().await?;
    Ok(copied)
}

async fn copy(
    source: &mut Link,
    target: &mut Link,
    table: &'static Table,
) -> Result<Copied, TransferError> {
    let written = source.read(table, Some(target)).await?;
    let kept = target.read(table, None).await?;
    if written == kept {
        Ok(kept)
    } else {
        Err(TransferError::Differs(table.name))
    }
}

fn sqlite_path(url: &str) -> Option<&Path> {
    let path = url.strip_prefix("sqlite:")?;
    Some(path.strip_prefix("//").unwrap_or(path).as_ref())
}

fn new_private_file(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// One transaction of a connection of its own; the writer goes on meanwhile.
async fn vacuum_into(from: &Path, to: &Path) -> Result<(), TransferError> {
    let options = sqlite::options(from, Durability::Full).create_if_missing(false);
    let mut source = options.connect().await?;
    sqlx::query("VACUUM INTO ?")
        .bind(to.to_string_lossy().into_owned())
        .execute(&mut source)
        .await?;
    Ok(source.close().await?)
}

async fn copy_into_file(from: &str, to: &Path) -> Result<(), TransferError> {
    let mut source = Link::open(from).await?;
    let mut target = Link::open(&format!("sqlite:{}", to.display())).await?;
    source.begin_snapshot().await?;
    let copied = fill(&mut source, &mut target).await;
    source.end_copy().await?;
    target.close().await?;
    copied.map(drop)
}

/// Asks SQLite whether a file is whole, and leaves it in one piece.
async fn check(path: &Path) -> Result<(), TransferError> {
    let mut copy = sqlite::options(path, Durability::Full)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Delete)
        .connect()
        .await?;
    let said: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut copy)
        .await?;
    copy.close().await?;
    match said.as_str() {
        "ok" => Ok(()),
        _ => Err(TransferError::Damaged(said)),
    }
}
