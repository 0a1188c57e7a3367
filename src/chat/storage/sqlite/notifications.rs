//! Notifications.

use sqlx::SqliteConnection;

use super::rows::id_list;
use crate::chat::domain::{MessageId, UserId};
use crate::chat::storage::{NewNotification, StoreError};

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    new: &NewNotification<'_>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO notifications
             (person_id, id, kind, chat_id, user_id, by_id, message_id, created_at)
         SELECT value, ?, ?, ?, ?, ?, ?, ? FROM json_each(?)",
    )
    .bind(new.id.as_str())
    .bind(new.kind.as_str())
    .bind(new.chat.as_str())
    .bind(new.user.map(UserId::as_str))
    .bind(new.by.map(UserId::as_str))
    .bind(new.message.map(MessageId::as_str))
    .bind(new.now.0)
    .bind(id_list(new.people.iter().map(UserId::as_str)))
    .execute(connection)
    .await?;
    Ok(())
}
