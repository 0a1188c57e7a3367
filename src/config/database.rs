//! Where the database is.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use crate::chat::postgres_address;

/// The file's name when no URL says another.
const DEFAULT_FILE: &str = "parlance.db";

/// A database that can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file; made when missing.
    Sqlite(PathBuf),
    /// A PostgreSQL database that is there.
    Postgres(PostgresUrl),
}

/// Where a PostgreSQL database is. It never shows its password.
#[derive(Clone)]
pub struct PostgresUrl {
    url: SecretString,
    /// Host, port and name, to be shown.
    shown: String,
}

impl Database {
    pub(super) fn in_folder(data_dir: &Path) -> Self {
        Self::Sqlite(data_dir.join(DEFAULT_FILE))
    }

    /// Reads `sqlite:PATH`, `sqlite://PATH` or `postgres://…`. Messages leave the URL out: it
    /// may hold a password.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        if let Some(rest) = url.strip_prefix("sqlite:") {
            return sqlite(rest.strip_prefix("//").unwrap_or(rest));
        }
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return postgres(url);
        }
        Err("is not a database URL such as sqlite:./data/parlance.db".to_owned())
    }

    /// The URL as it was given, with its password.
    pub(crate) fn url(&self) -> SecretString {
        match self {
            Self::Sqlite(_) => self.to_string().into(),
            Self::Postgres(postgres) => postgres.url.clone(),
        }
    }

    /// What keeps the data.
    pub fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }
}

fn sqlite(path: &str) -> Result<Database, String> {
    if path.is_empty() || path.contains(":memory:") {
        return Err("needs the path of a file, as in sqlite:./data/parlance.db".to_owned());
    }
    if path.contains('?') {
        return Err("takes no parameters after `?`".to_owned());
    }
    Ok(Database::Sqlite(path.into()))
}

fn postgres(url: &str) -> Result<Database, String> {
    let wrong = "is not a URL such as postgres://user:password@host/database?sslmode=verify-full";
    let shown = postgres_address(url).ok_or(wrong)?;
    let url = url.into();
    Ok(Database::Postgres(PostgresUrl { url, shown }))
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        self.url.expose_secret() == other.url.expose_secret()
    }
}

impl Eq for PostgresUrl {}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(postgres) => f.write_str(&postgres.shown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_urls_name_a_file() {
        for (url, path) in [
            ("sqlite:chat.db", "chat.db"),
            ("sqlite://chat.db", "chat.db"),
            ("sqlite:///var/chat.db", "/var/chat.db"),
        ] {
            assert_eq!(Database::parse(url), Ok(Database::Sqlite(path.into())));
        }
    }

    #[test]
    fn a_postgres_url_is_shown_without_its_secrets() {
        let url = "postgres://u:hunter2@db.example:5433/chat?sslmode=verify-full";
        let database = Database::parse(url).expect("good");
        assert_eq!(database.url().expose_secret(), url);
        assert_eq!(database.to_string(), "postgres://db.example:5433/chat");
        assert!(!format!("{database:?}").contains("hunter2"));
        let socket = Database::parse("postgres://u@%2Frun%2Fpostgresql/chat").expect("good");
        assert!(socket.to_string().starts_with("postgres:///run/postgresql"));
    }

    #[test]
    fn other_databases_are_refused_without_repeating_the_url() {
        for url in [
            "postgres://u:hunter2@h:none/db",
            "postgres://u:hunter2@h/db?sslmode=some",
            "postgres://u:hunter2@h",
            "mysql://u:hunter2@h",
            "sqlite:",
            "sqlite::memory:",
        ] {
            let message = Database::parse(url).expect_err(url);
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
