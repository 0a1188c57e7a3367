//! `parlance backup` and `parlance migrate`: copies of everything.

use std::fmt::Write as _;

use secrecy::ExposeSecret as _;

use crate::chat::{self, Copied, TransferError};
use crate::config::{BackupOptions, Database, MigrateOptions, Problems};

/// Why a copy was not made.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The options are wrong.
    #[error(transparent)]
    Options(#[from] Problems),
    /// There is nothing to copy.
    #[error("there is no database at {0}")]
    NoSource(String),
    /// The copy itself.
    #[error("cannot copy {from}")]
    Copy {
        /// The original.
        from: String,
        /// What is wrong.
        source: TransferError,
    },
}

/// Copies the database into a new SQLite file, while the server runs.
///
/// # Errors
/// [`CommandError`]; then there is no file.
pub async fn backup(options: &BackupOptions) -> Result<String, CommandError> {
    let mut problems = Problems::default();
    let storage = options.storage.read(&mut problems);
    let from = storage
        .filter(|_| problems.is_empty())
        .ok_or(problems)?
        .database;
    must_exist(&from)?;
    let copied = chat::backup(from.url().expose_secret(), &options.to).await;
    copied.map_err(failed(&from))?;
    Ok(format!("copied {from} to {}\n", options.to.display()))
}

/// Moves everything into another, empty database.
///
/// # Errors
/// [`CommandError`]; then the target is as empty as before.
pub async fn migrate(options: &MigrateOptions) -> Result<String, CommandError> {
    let mut problems = Problems::default();
    let storage = options.storage.read(&mut problems);
    let to = problems.take("--to", Database::parse(options.to.expose_secret()));
    let (Some(storage), Some(to)) = (storage, to) else {
        return Err(problems.into());
    };
    // What is wrong with the settings file does not keep the rest from being read.
    if !problems.is_empty() {
        return Err(problems.into());
    }
    let from = storage.database;
    must_exist(&from)?;
    let copied = chat::migrate(from.url().expose_secret(), to.url().expose_secret()).await;
    Ok(summary(&from, &to, &copied.map_err(failed(&from))?))
}

/// A SQLite file would be made when it is missing.
fn must_exist(database: &Database) -> Result<(), CommandError> {
    match database {
        Database::Sqlite(path) if !path.exists() => {
            Err(CommandError::NoSource(database.to_string()))
        }
        _ => Ok(()),
    }
}

fn failed(from: &Database) -> impl FnOnce(TransferError) -> CommandError {
    let from = from.to_string();
    |source| CommandError::Copy { from, source }
}

/// A line for each table: its rows, and the checksum that both sides have.
fn summary(from: &Database, to: &Database, copied: &[Copied]) -> String {
    let mut text = format!("moved {from} to {to}; the checksums of both are the same\n");
    for Copied {
        table,
        rows,
        checksum,
    } in copied
    {
        let checksum: String = checksum[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{table:<16} {rows:>10} rows  {checksum}");
    }
    text
}
