//! Notifications.

use sqlx::{PgConnection, SqliteConnection};

use super::array;
use crate::chat::domain::{MessageId, NotificationId, Timestamp, UserId};
use crate::chat::storage::rows::{NotificationRow, json_list};
use crate::chat::storage::sql::{Db, sql};
use crate::chat::storage::{KeptNotification, NewNotification, PRUNED_AT_ONCE, StoreError};

/// A row for each person of each notification, in one statement.
pub(super) async fn insert(db: &mut Db<'_>, new: &[NewNotification<'_>]) -> Result<(), StoreError> {
    match db {
        Db::Sqlite(connection) => insert_nested(connection, new).await?,
        Db::Postgres(connection) => insert_columns(connection, new).await?,
    }
    Ok(())
}

/// JSON has lists in lists, so each notification is said once.
async fn insert_nested(
    connection: &mut SqliteConnection,
    new: &[NewNotification<'_>],
) -> sqlx::Result<()> {
    let rows = new.iter().map(|new| {
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
    });
    let done = sqlx::query(
        "INSERT INTO notifications
             (person_id, id, kind, chat_id, user_id, by_id, message_id, created_at)
         SELECT person.value, n.value ->> 0, n.value ->> 1, n.value ->> 2, n.value ->> 3,
                n.value ->> 4, n.value ->> 5, n.value ->> 6
         FROM json_each($1) n, json_each(n.value -> 7) person",
    )
    .bind(json_list(rows))
    .execute(connection);
    done.await.map(drop)
}

/// Arrays are as long as each other: a notification is repeated for each person.
async fn insert_columns(
    connection: &mut PgConnection,
    new: &[NewNotification<'_>],
) -> sqlx::Result<()> {
    let rows = || {
        let rows = new.iter();
        rows.flat_map(|new| new.people.iter().map(move |person| (person.as_str(), new)))
    };
    let done = sqlx::query(
        "INSERT INTO notifications
             (person_id, id, kind, chat_id, user_id, by_id, message_id, created_at)
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(array(rows(), |(person, _)| person))
    .bind(array(rows(), |(_, new)| new.id.as_str()))
    .bind(array(rows(), |(_, new)| new.kind.as_str()))
    .bind(array(rows(), |(_, new)| new.chat.as_str()))
    .bind(array(rows(), |(_, new)| new.user.map(UserId::as_str)))
    .bind(array(rows(), |(_, new)| new.by.map(UserId::as_str)))
    .bind(array(rows(), |(_, new)| new.message.map(MessageId::as_str)))
    .bind(array(rows(), |(_, new)| new.now.0))
    .execute(connection);
    done.await.map(drop)
}

pub(super) const PAGE: &str =
    "SELECT id, kind, chat_id, user_id, by_id, message_id, created_at, read_at
         FROM notifications WHERE person_id = $1 AND ($2 IS NULL OR id < $2)
         ORDER BY id DESC LIMIT $3";

/// Ids are in the order of their times, so they are the cursor too.
pub(super) async fn page(
    db: &mut Db<'_>,
    user: &UserId,
    before: Option<&str>,
    limit: u32,
) -> Result<Vec<KeptNotification>, StoreError> {
    let rows = db
        .query(PAGE)
        .bind(user.as_str())
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all::<NotificationRow>()
        .await?;
    rows.into_iter().map(NotificationRow::read).collect()
}

pub(super) async fn unread(db: &mut Db<'_>, user: &UserId) -> Result<u32, StoreError> {
    let (count,) = db
        .query("SELECT count(*) FROM notifications WHERE person_id = $1 AND read_at IS NULL")
        .bind(user.as_str())
        .fetch_one::<(i64,)>()
        .await?;
    Ok(count as u32)
}

pub(super) async fn mark_read(
    db: &mut Db<'_>,
    user: &UserId,
    ids: Option<&[NotificationId]>,
    now: Timestamp,
) -> Result<(), StoreError> {
    db.query(sql!(
        "UPDATE notifications SET read_at = $1
         WHERE person_id = $2 AND read_at IS NULL AND ($3 OR id ",
        among("$4"),
        ")"
    ))
    .bind(now.0)
    .bind(user.as_str())
    .bind(ids.is_none())
    .bind_list(ids.unwrap_or_default().iter().map(NotificationId::as_str))
    .execute()
    .await
}

/// Through the primary key: one look for each person.
pub(super) async fn prune(db: &mut Db<'_>, before: &NotificationId) -> Result<u64, StoreError> {
    db.query(
        "DELETE FROM notifications WHERE (person_id, id) IN
             (SELECT n.person_id, n.id FROM users u
              JOIN notifications n ON n.person_id = u.id AND n.id < $1 LIMIT $2)",
    )
    .bind(before.as_str())
    .bind(i64::from(PRUNED_AT_ONCE))
    .rows_affected()
    .await
}
