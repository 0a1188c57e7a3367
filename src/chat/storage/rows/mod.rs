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

/// A list as one JSON text. What is in it are texts, numbers and lists of them,
/// which JSON can always say.
pub(super) fn json_list<T: serde::Serialize>(list: impl Iterator<Item = T>) -> String {
    let list: Vec<T> = list.collect();
    serde_json::to_string(&list).unwrap_or_default()
}

/// Ids that are all of their rows.
pub(super) fn ids<I: From<String>>(rows: Vec<(String,)>) -> Vec<I> {
    rows.into_iter().map(|(id,)| id.into()).collect()
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
