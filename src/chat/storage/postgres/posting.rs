//! Many messages at once: the statements are as many for a hundred as for one.

use sqlx::PgConnection;

use super::list;
use crate::chat::domain::{ClientMsgId, UserId};
use crate::chat::storage::posting::Rows;
use crate::chat::storage::rows::{FoundRow, in_places};
use crate::chat::storage::{Asked, Found, StoreError};

const LOCK: &str = "SELECT 1 FROM chats WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";

pub(super) const LOOK_UP: &str = "SELECT a.place - 1 AS place, c.is_group, c.last_seq, c.rev,
                coalesce(p.read_seq, 0) AS read_seq, p.role,
                EXISTS (SELECT 1 FROM messages m
                    WHERE m.chat_id = c.id AND m.sender_id = a.sender_id
                      AND m.client_msg_id = a.client_msg_id) AS repeated
         FROM unnest($1, $2, $3) WITH ORDINALITY AS a (chat_id, sender_id, client_msg_id, place)
         JOIN chats c ON c.id = a.chat_id
         LEFT JOIN participants p ON p.chat_id = c.id AND p.user_id = a.sender_id";

/// Locks the chats first, in a statement of its own: what the second one sees
/// is then as it stays.
pub(super) async fn look_up(
    connection: &mut PgConnection,
    asked: &[Asked<'_>],
) -> Result<Vec<Found>, StoreError> {
    let chats = list(asked.iter(), |asked| asked.chat.as_str());
    sqlx::query(LOCK)
        .bind(&chats)
        .execute(&mut *connection)
        .await?;
    let rows = sqlx::query_as::<_, FoundRow>(LOOK_UP)
        .bind(chats)
        .bind(list(asked.iter(), |asked| asked.sender.as_str()))
        .bind(list(asked.iter(), |asked| {
            asked.client_msg_id.map(ClientMsgId::as_str)
        }))
        .fetch_all(connection)
        .await?;
    in_places(rows, asked.len())
}

/// One statement for the four tables.
pub(super) async fn append(
    connection: &mut PgConnection,
    rows: &Rows<'_>,
) -> Result<(), StoreError> {
    let (new, heads, readers) = (&rows.messages, &rows.heads, &rows.readers);
    sqlx::query(
        "WITH new AS (
             SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)
                 AS new (id, chat_id, seq, rev, sender_id, content, client_msg_id, body_hash, created_at)
         ), stored AS (
             INSERT INTO messages
                 (id, chat_id, seq, rev, sender_id, content, client_msg_id, body_hash, created_at)
             SELECT * FROM new
         ), logged AS (
             INSERT INTO chat_events (chat_id, rev, kind, seq, created_at)
             SELECT chat_id, rev, 'new-message', seq, created_at FROM new
         ), moved AS (
             UPDATE chats SET last_seq = head.seq, rev = head.rev,
                    updated_at = greatest(updated_at, head.now)
             FROM unnest($10, $11, $12, $13) AS head (chat_id, seq, rev, now)
             WHERE chats.id = head.chat_id
         )
         UPDATE participants SET read_seq = greatest(read_seq, reader.seq),
                delivered_seq = greatest(delivered_seq, reader.seq)
         FROM unnest($14, $15, $16) AS reader (chat_id, user_id, seq)
         WHERE participants.chat_id = reader.chat_id AND participants.user_id = reader.user_id",
    )
    .bind(list(new.iter(), |new| new.id.as_str()))
    .bind(list(new.iter(), |new| new.chat.as_str()))
    .bind(list(new.iter(), |new| new.seq.0 as i64))
    .bind(list(new.iter(), |new| new.rev.0 as i64))
    .bind(list(new.iter(), |new| new.sender.map(UserId::as_str)))
    .bind(list(new.iter(), |new| new.content))
    .bind(list(new.iter(), |new| new.client_msg_id.map(ClientMsgId::as_str)))
    .bind(list(new.iter(), |new| new.body_hash))
    .bind(list(new.iter(), |new| new.now.0))
    .bind(list(heads.iter(), |head| head.chat.as_str()))
    .bind(list(heads.iter(), |head| head.seq.0 as i64))
    .bind(list(heads.iter(), |head| head.rev.0 as i64))
    .bind(list(heads.iter(), |head| head.now.0))
    .bind(list(readers.iter(), |reader| reader.chat.as_str()))
    .bind(list(readers.iter(), |reader| reader.user.as_str()))
    .bind(list(readers.iter(), |reader| reader.seq.0 as i64))
    .execute(connection)
    .await?;
    Ok(())
}
