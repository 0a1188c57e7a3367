//! From rows to the domain's objects, for every engine: their columns have the
//! same names and meanings. A row that does not read as what it must be is a
//! fault of the database, named by its column.

mod chats;
mod log;
mod messages;
mod people;

pub(super) use chats::{ChatRow, FoundRow, ParticipantRow, StandingRow, by_chat, in_places};
pub(super) use log::{HeadRow, LogRow, NotificationRow};
pub(super) use messages::{MessageRow, ReactionRow, add_reactions, read_all};
pub(super) use people::{CredentialsRow, PersonRow, RefreshRow, SessionRow, UserRow};

use super::StoreError;
use crate::chat::domain::Seq;

/// A list of ids as one JSON text.
pub(super) fn id_list<T: AsRef<str>>(ids: impl Iterator<Item = T>) -> String {
    let ids: Vec<serde_json::Value> = ids.map(|id| id.as_ref().into()).collect();
    serde_json::Value::from(ids).to_string()
}

/// Rows as one JSON text. What is in them are texts, numbers and lists of them,
/// which JSON can always say.
pub(super) fn json_rows<T: serde::Serialize>(rows: impl Iterator<Item = T>) -> String {
    let rows: Vec<T> = rows.collect();
    serde_json::to_string(&rows).unwrap_or_default()
}

/// Ids with the positions that go with them.
pub(super) fn positions<I: From<String>>(rows: Vec<(String, i64)>) -> Vec<(I, Seq)> {
    let rows = rows.into_iter();
    rows.map(|(id, seq)| (id.into(), Seq(seq as u64))).collect()
}

/// The fault of a column.
fn unreadable(column: &'static str) -> StoreError {
    StoreError::Query(sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: "a value that the schema does not allow".into(),
    })
}
