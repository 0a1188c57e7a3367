//! Notifications.

use sqlx::SqliteConnection;

use crate::chat::domain::{MessageId, NotificationId, Timestamp, UserId};
use crate::chat::storage::rows::{NotificationRow, id_list, json_rows};
use crate::chat::storage::{KeptNotification, NewNotification, PRUNED_AT_ONCE, StoreError};

/// A row for each person of each notification, in one statement.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    new: &[NewNotification<'_>],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO notifications
             (person_id, id, kind, chat_id, user_id, by_id, message_id, created_at)
         SELECT person.value, n.value ->> 0, n.value ->> 1, n.value ->> 2, n.value ->> 3,
                n.value ->> 4, n.value ->> 5, n.value ->> 6
         FROM json_each(?) n, json_each(n.value -> 7) person",
    )
    .bind(json_rows(new.iter().map(|new| {
        (
            new.id.as_str(),
            new.kind.as_str(),
            new.chat.as_str(),
            new.user.map(UserId::as_str),
            new.by.map(UserId::as_str),
            new.message.map(MessageId::as_str),
            new.now.0,
            new.people,
        )
    })))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) const PAGE: &str =
    "SELECT id, kind, chat_id, user_id, by_id, message_id, created_at, read_at
         FROM notifications WHERE person_id = ?1 AND (?2 IS NULL OR id < ?2)
         ORDER BY id DESC LIMIT ?3";

/// Ids are in the order of their times, so they are the cursor too.
pub(super) async fn page(
    connection: &mut SqliteConnection,
    user: &UserId,
    before: Option<&str>,
    limit: u32,
) -> Result<Vec<KeptNotification>, StoreError> {
    let rows = sqlx::query_as::<_, NotificationRow>(PAGE)
        .bind(user.as_str())
        .bind(before)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.into_iter().map(NotificationRow::read).collect()
}

pub(super) async fn unread(
    connection: &mut SqliteConnection,
    user: &UserId,
) -> Result<u32, StoreError> {
    let count = sqlx::query_scalar(
        "SELECT count(*) FROM notifications WHERE person_id = ? AND read_at IS NULL",
    )
    .bind(user.as_str())
    .fetch_one(connection)
    .await?;
    Ok(count)
}

pub(super) async fn mark_read(
    connection: &mut SqliteConnection,
    user: &UserId,
    ids: Option<&[NotificationId]>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE notifications SET read_at = ?1
         WHERE person_id = ?2 AND read_at IS NULL
           AND (?3 IS NULL OR id IN (SELECT value FROM json_each(?3)))",
    )
    .bind(now.0)
    .bind(user.as_str())
    .bind(ids.map(|ids| id_list(ids.iter().map(NotificationId::as_str))))
    .execute(connection)
    .await?;
    Ok(())
}

/// Through the primary key: one look for each person.
pub(super) async fn prune(
    connection: &mut SqliteConnection,
    before: &NotificationId,
) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "DELETE FROM notifications WHERE (person_id, id) IN
             (SELECT n.person_id, n.id FROM users u
              JOIN notifications n ON n.person_id = u.id AND n.id < ?1 LIMIT ?2)",
    )
    .bind(before.as_str())
    .bind(PRUNED_AT_ONCE)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
