//! What is copied: the tables of the schema, which are the same on both engines.

use sha2::{Digest, Sha256};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Flag,
    Bytes,
}

/// A table; those that others refer to come first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// What its rows are ordered by.
    pub(super) key: &'static str,
    pub(super) columns: &'static [(&'static str, Kind)],
}

/// A value of a row.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(Option<String>),
    Integer(Option<i64>),
    Flag(Option<bool>),
    Bytes(Option<Vec<u8>>),
}

impl Value {
    /// Adds it to a checksum so that no two rows look the same.
    pub(super) fn hash(&self, hasher: &mut Sha256) {
        match self {
            Self::Text(value) => hash(hasher, value.as_deref().map(str::as_bytes)),
            Self::Bytes(value) => hash(hasher, value.as_deref()),
            Self::Integer(value) => hash(hasher, value.map(i64::to_be_bytes).as_ref()),
            Self::Flag(value) => hash(hasher, value.map(|flag| [u8::from(flag)]).as_ref()),
        }
    }
}

fn hash<T: AsRef<[u8]> + ?Sized>(hasher: &mut Sha256, value: Option<&T>) {
    match value.map(AsRef::as_ref) {
        None => hasher.update([0]),
        Some(bytes) => {
            hasher.update([1]);
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        }
    }
}

impl Table {
    /// All rows in the order of their keys.
    pub(super) fn select(&self) -> String {
        let columns = self.names();
        format!("SELECT {columns} FROM {} ORDER BY {}", self.name, self.key)
    }

    /// Up to the rows.
    pub(super) fn insert(&self) -> String {
        format!("INSERT INTO {} ({}) ", self.name, self.names())
    }

    /// How many rows there are.
    pub(super) fn count(&self) -> String {
        format!("SELECT count(*) FROM {}", self.name)
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

/// Every table.
pub(super) const TABLES: [Table; 10] = [
    Table {
        name: "users",
        key: "id",
        columns: &[
            ("id", Kind::Text),
            ("name", Kind::Text),
            ("search_name", Kind::Text),
            ("email", Kind::Text),
            ("role", Kind::Text),
            ("password_hash", Kind::Text),
            ("created_at", Kind::Integer),
            ("last_seen_at", Kind::Integer),
        ],
    },
    Table {
        name: "sessions",
        key: "id",
        columns: &[
            ("id", Kind::Text),
            ("user_id", Kind::Text),
            ("created_at", Kind::Integer),
            ("expires_at", Kind::Integer),
            ("revoked_at", Kind::Integer),
        ],
    },
    Table {
        name: "refresh_tokens",
        key: "hash",
        columns: &[
            ("hash", Kind::Bytes),
            ("session_id", Kind::Text),
            ("expires_at", Kind::Integer),
            ("used_at", Kind::Integer),
        ],
    },
    Table {
        name: "chats",
        key: "id",
        columns: &[
            ("id", Kind::Text),
            ("name", Kind::Text),
            ("is_group", Kind::Flag),
            ("direct_key", Kind::Text),
            ("created_by", Kind::Text),
            ("created_at", Kind::Integer),
            ("updated_at", Kind::Integer),
            ("last_seq", Kind::Integer),
            ("rev", Kind::Integer),
        ],
    },
    Table {
        name: "participants",
        key: "chat_id, user_id",
        columns: &[
            ("chat_id", Kind::Text),
            ("user_id", Kind::Text),
            ("role", Kind::Text),
            ("joined_at", Kind::Integer),
            ("read_seq", Kind::Integer),
            ("delivered_seq", Kind::Integer),
        ],
    },
    Table {
        name: "messages",
        key: "chat_id, seq",
        columns: &[
            ("id", Kind::Text),
            ("chat_id", Kind::Text),
            ("seq", Kind::Integer),
            ("rev", Kind::Integer),
            ("sender_id", Kind::Text),
            ("content", Kind::Text),
            ("client_msg_id", Kind::Text),
            ("body_hash", Kind::Bytes),
            ("reply_to", Kind::Text),
            ("mentions", Kind::Text),
            ("system_kind", Kind::Text),
            ("system_params", Kind::Text),
            ("version", Kind::Integer),
            ("created_at", Kind::Integer),
            ("edited_at", Kind::Integer),
            ("deleted_at", Kind::Integer),
            ("deleted_by", Kind::Text),
        ],
    },
    Table {
        name: "reactions",
        key: "message_id, emoji, user_id",
        columns: &[
            ("message_id", Kind::Text),
            ("emoji", Kind::Text),
            ("user_id", Kind::Text),
            ("created_at", Kind::Integer),
        ],
    },
    Table {
        name: "chat_events",
        key: "chat_id, rev",
        columns: &[
            ("chat_id", Kind::Text),
            ("rev", Kind::Integer),
            ("kind", Kind::Text),
            ("seq", Kind::Integer),
            ("payload", Kind::Text),
            ("created_at", Kind::Integer),
        ],
    },
    Table {
        name: "notifications",
        key: "person_id, id",
        columns: &[
            ("person_id", Kind::Text),
            ("id", Kind::Text),
            ("kind", Kind::Text),
            ("chat_id", Kind::Text),
            ("user_id", Kind::Text),
            ("by_id", Kind::Text),
            ("message_id", Kind::Text),
            ("created_at", Kind::Integer),
            ("read_at", Kind::Integer),
        ],
    },
    Table {
        name: "name_parts",
        key: "part, user_id",
        columns: &[("part", Kind::Text), ("user_id", Kind::Text)],
    },
];
