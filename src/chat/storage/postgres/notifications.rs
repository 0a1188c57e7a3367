//! Notifications.

use sqlx::PgConnection;

use super::list;
use crate::chat::domain::{MessageId, NotificationId, Timestamp, UserId};
use crate::chat::storage::rows::NotificationRow;
use crate::chat::storage::{KeptNotification, NewNotification, PRUNED_AT_ONCE, StoreError};

/// A row for each person of each notification, in one statement.
pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &[NewNotification<'_>],
) -> Result<(), StoreError> {
    let rows = || {
        let rows = new.iter();
        rows.flat_map(|new| new.people.iter().map(move |person| (person.as_str(), new)))
    };
    sqlx::query(
        "INSERT INTO notifications
             (person_id, id, kind, chat_id, user_id, by_id, message_id, created_at)
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(list(rows(), |(person, _)| person))
    .bind(list(rows(), |(_, new)| new.id.as_str()))
    .bind(list(rows(), |(_, new)| new.kind.as_str()))
    .bind(list(rows(), |(_, new)| new.chat.as_str()))
    .bind(list(rows(), |(_, new)| new.user.map(UserId::as_str)))
    .bind(list(rows(), |(_, new)| new.by.map(UserId::as_str)))
    .bind(list(rows(), |(_, new)| new.message.map(MessageId::as_str)))
    .bind(list(rows(), |(_, new)| new.now.0))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) const PAGE: &str =
    "SELECT id, kind, chat_id, user_id, by_id, message_id, created_at, read_at
         FROM notifications WHERE person_id = $1 AND ($2 IS NULL OR id < $2)
         ORDER BY id DESC LIMIT $3";

/// Ids are in the order of their times, so they are the cursor too.
pub(super) async fn page(
    connection: &mut PgConnection,
    user: &UserId,
    before: Option<&str>,
    limit: u32,
) -> Result<Vec<KeptNotification>, StoreError> {
    let rows = sqlx::query_as::<_, NotificationRow>(PAGE)
        .bind(user.as_str())
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?;
    rows.into_iter().map(NotificationRow::read).collect()
}

pub(super) async fn unread(
    connection: &mut PgConnection,
    user: &UserId,
) -> Result<u32, StoreError> {
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM notifications WHERE person_id = $1 AND read_at IS NULL",
    )
    .bind(user.as_str())
    .fetch_one(connection)
    .await?;
    Ok(count as u32)
}

pub(super) async fn mark_read(
    connection: &mut PgConnection,
    user: &UserId,
    ids: Option<&[NotificationId]>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE notifications SET read_at = $1
         WHERE person_id = $2 AND read_at IS NULL
           AND ($3 IS NULL OR id = ANY($3))",
    )
    .bind(now.0)
    .bind(user.as_str())
    .bind(ids.map(|ids| list(ids.iter(), NotificationId::as_str)))
    .execute(connection)
    .await?;
    Ok(())
}

/// Through the primary key: one look for each person.
pub(super) async fn prune(
    connection: &mut PgConnection,
    before: &NotificationId,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "DELETE FROM notifications WHERE (person_id, id) IN
             (SELECT n.person_id, n.id FROM users u
              JOIN notifications n ON n.person_id = u.id AND n.id < $1 LIMIT $2)",
    )
    .bind(before.as_str())
    .bind(i64::from(PRUNED_AT_ONCE))
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
