//! The log of changes.

use crate::chat::domain::{ChatId, Rev, Timestamp, UserId};
use crate::chat::storage::rows::{HeadRow, LogRow};
use crate::chat::storage::sql::Db;
use crate::chat::storage::{Head, LogEntry, PRUNED_AT_ONCE, StoreError};

pub(super) const HEAD: &str = "SELECT c.rev, c.last_seq,
                (SELECT min(rev) FROM chat_events WHERE chat_id = c.id) AS oldest
         FROM chats c WHERE c.id = $1";

pub(super) async fn head(db: &mut Db<'_>, chat: &ChatId) -> Result<Option<Head>, StoreError> {
    let row = db
        .query(HEAD)
        .bind(chat.as_str())
        .fetch_optional::<HeadRow>()
        .await?;
    Ok(row.map(HeadRow::read))
}

pub(super) const ENTRIES: &str = "SELECT rev, kind, seq, payload FROM chat_events
         WHERE chat_id = $1 AND rev > $2 AND rev <= $3 AND ($4 IS NULL OR EXISTS
             (SELECT 1 FROM participants WHERE chat_id = $1 AND user_id = $4))
         ORDER BY rev LIMIT $5";

pub(super) async fn entries(
    db: &mut Db<'_>,
    chat: &ChatId,
    viewer: Option<&UserId>,
    since: Rev,
    head: Rev,
    limit: u32,
) -> Result<Vec<LogEntry>, StoreError> {
    let rows = db
        .query(ENTRIES)
        .bind(chat.as_str())
        .bind(since.0 as i64)
        .bind(head.0 as i64)
        .bind(viewer.map(UserId::as_str))
        .bind(i64::from(limit))
        .fetch_all::<LogRow>()
        .await?;
    rows.into_iter().map(LogRow::read).collect()
}

pub(super) async fn insert(
    db: &mut Db<'_>,
    chat: &ChatId,
    entry: &LogEntry,
    now: Timestamp,
) -> Result<(), StoreError> {
    db.query(
        "INSERT INTO chat_events (chat_id, rev, kind, seq, payload, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(chat.as_str())
    .bind(entry.rev.0 as i64)
    .bind(entry.kind.as_str())
    .bind(entry.seq.map(|seq| seq.0 as i64))
    .bind(entry.payload.as_deref())
    .bind(now.0)
    .execute()
    .await
}

/// The inner query looks at the oldest entries of chats that have too many, by
/// the primary key, so it never costs more than what it can delete.
pub(super) async fn prune(
    db: &mut Db<'_>,
    before: Timestamp,
    keep: u64,
) -> Result<u64, StoreError> {
    db.query(
        "DELETE FROM chat_events WHERE (chat_id, rev) IN
             (SELECT e.chat_id, e.rev FROM chats c
              JOIN chat_events e ON e.chat_id = c.id AND e.rev <= c.rev - $2
               AND e.rev < $3 + (SELECT min(rev) FROM chat_events WHERE chat_id = c.id)
              WHERE c.rev > $2 AND e.created_at < $1)",
    )
    .bind(before.0)
    .bind(i64::try_from(keep).unwrap_or(i64::MAX))
    .bind(i64::from(PRUNED_AT_ONCE))
    .rows_affected()
    .await
}
