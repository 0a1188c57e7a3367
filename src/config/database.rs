//! Where the database is.

use std::fmt;
use std::path::{Path, PathBuf};

/// The file's name when no URL says another.
const DEFAULT_FILE: &str = "parlance.db";

/// A database that can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file; made when missing.
    Sqlite(PathBuf),
}

impl Database {
    pub(super) fn in_folder(data_dir: &Path) -> Self {
        Self::Sqlite(data_dir.join(DEFAULT_FILE))
    }

    /// Reads `sqlite:PATH` or `sqlite://PATH`. Messages leave the URL out: it
    /// may hold a password.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        if let Some(rest) = url.strip_prefix("sqlite:") {
            return sqlite(rest.strip_prefix("//").unwrap_or(rest));
        }
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            return Err("PostgreSQL is not supported yet; use sqlite:PATH".to_owned());
        }
        Err("is not a database URL such as sqlite:./data/parlance.db".to_owned())
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

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Sqlite(path) = self;
        write!(f, "sqlite:{}", path.display())
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
    fn other_databases_are_refused_without_repeating_the_url() {
        for url in [
            "postgres://u:hunter2@h/db",
            "mysql://u:hunter2@h",
            "sqlite:",
            "sqlite::memory:",
        ] {
            let message = Database::parse(url).expect_err(url);
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
