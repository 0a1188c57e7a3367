//! Many messages at once: the statements are as many for a hundred as for one.

use sqlx::SqliteConnection;

use crate::chat::domain::{ClientMsgId, UserId};
use crate::chat::storage::posting::Rows;
use crate::chat::storage::rows::{FoundRow, in_places, json_rows};
use crate::chat::storage::{Asked, Found, StoreError};

pub(super) const LOOK_UP: &str = "SELECT a.key AS place, c.is_group, c.last_seq, c.rev,
                coalesce(p.read_seq, 0) AS read_seq, p.role,
                EXISTS (SELECT 1 FROM messages m
                    WHERE m.chat_id = c.id AND m.sender_id = a.value ->> 1
                      AND m.client_msg_id = a.value ->> 2) AS repeated
         FROM json_each(?) a
         JOIN chats c ON c.id = a.value ->> 0
         LEFT JOIN participants p ON p.chat_id = c.id AND p.user_id = a.value ->> 1";

pub(super) async fn look_up(
    connection: &mut SqliteConnection,
    asked: &[Asked<'_>],
) -> Result<Vec<Found>, StoreError> {
    let rows = sqlx::query_as::<_, FoundRow>(LOOK_UP)
        .bind(json_rows(asked.iter().map(|asked| {
            let client_msg_id = asked.client_msg_id.map(ClientMsgId::as_str);
            (asked.chat.as_str(), asked.sender.as_str(), client_msg_id)
        })))
        .fetch_all(connection)
        .await?;
    in_places(rows, asked.len())
}

pub(super) async fn append(
    connection: &mut SqliteConnection,
    rows: &Rows<'_>,
) -> Result<(), StoreError> {
    insert_messages(connection, rows).await?;
    insert_log(connection, rows).await?;
    move_heads(connection, rows).await?;
    raise_read(connection, rows).await
}

async fn insert_messages(
    connection: &mut SqliteConnection,
    rows: &Rows<'_>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO messages
             (id, chat_id, seq, rev, sender_id, content, client_msg_id, body_hash, created_at)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
                value ->> 6, unhex(value ->> 7), value ->> 8
         FROM json_each(?)",
    )
    .bind(json_rows(rows.messages.iter().map(|new| {
        (
            new.id.as_str(),
            new.chat.as_str(),
            new.seq,
            new.rev,
            new.sender.map(UserId::as_str),
            new.content,
            new.client_msg_id.map(ClientMsgId::as_str),
            new.body_hash.map(hex),
            new.now.0,
        )
    })))
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_log(connection: &mut SqliteConnection, rows: &Rows<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO chat_events (chat_id, rev, kind, seq, created_at)
         SELECT value ->> 0, value ->> 1, 'new-message', value ->> 2, value ->> 3
         FROM json_each(?)",
    )
    .bind(json_rows(
        rows.messages
            .iter()
            .map(|new| (new.chat.as_str(), new.rev, new.seq, new.now.0)),
    ))
    .execute(connection)
    .await?;
    Ok(())
}

async fn move_heads(connection: &mut SqliteConnection, rows: &Rows<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE chats SET last_seq = a.value ->> 1, rev = a.value ->> 2,
                updated_at = max(updated_at, a.value ->> 3)
         FROM json_each(?) a WHERE chats.id = a.value ->> 0",
    )
    .bind(json_rows(rows.heads.iter().map(|head| {
        (head.chat.as_str(), head.seq, head.rev, head.now.0)
    })))
    .execute(connection)
    .await?;
    Ok(())
}

async fn raise_read(connection: &mut SqliteConnection, rows: &Rows<'_>) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE participants SET read_seq = max(read_seq, a.value ->> 2),
                delivered_seq = max(delivered_seq, a.value ->> 2)
         FROM json_each(?) a
         WHERE participants.chat_id = a.value ->> 0 AND participants.user_id = a.value ->> 1",
    )
    .bind(json_rows(rows.readers.iter().map(|reader| {
        (reader.chat.as_str(), reader.user.as_str(), reader.seq)
    })))
    .execute(connection)
    .await?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
