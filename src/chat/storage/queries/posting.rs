//! Many messages at once: the statements are as many for a hundred as for one.

use sqlx::{PgConnection, SqliteConnection};

use super::array;
use crate::chat::domain::{ClientMsgId, UserId};
use crate::chat::storage::posting::Rows;
use crate::chat::storage::rows::{FoundRow, in_places, json_list};
use crate::chat::storage::sql::{Db, Sql};
use crate::chat::storage::{Asked, Found, StoreError};

/// Only PostgreSQL has other writers to keep away: SQLite's one transaction
/// that writes has locked everything.
const LOCK: &str = "SELECT 1 FROM chats WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";

pub(super) const LOOK_UP: Sql = Sql {
    sqlite: "SELECT a.key AS place, c.is_group, c.last_seq, c.rev,
                coalesce(p.read_seq, 0) AS read_seq, p.role,
                EXISTS (SELECT 1 FROM messages m
                    WHERE m.chat_id = c.id AND m.sender_id = a.value ->> 1
                      AND m.client_msg_id = a.value ->> 2) AS repeated
         FROM json_each($1) a
         JOIN chats c ON c.id = a.value ->> 0
         LEFT JOIN participants p ON p.chat_id = c.id AND p.user_id = a.value ->> 1",
    postgres: "SELECT a.place - 1 AS place, c.is_group, c.last_seq, c.rev,
                coalesce(p.read_seq, 0) AS read_seq, p.role,
                EXISTS (SELECT 1 FROM messages m
                    WHERE m.chat_id = c.id AND m.sender_id = a.sender_id
                      AND m.client_msg_id = a.client_msg_id) AS repeated
         FROM unnest($1, $2, $3) WITH ORDINALITY AS a (chat_id, sender_id, client_msg_id, place)
         JOIN chats c ON c.id = a.chat_id
         LEFT JOIN participants p ON p.chat_id = c.id AND p.user_id = a.sender_id",
};

pub(super) async fn look_up(
    db: &mut Db<'_>,
    asked: &[Asked<'_>],
) -> Result<Vec<Found>, StoreError> {
    let rows = match db {
        Db::Sqlite(connection) => find(connection, asked).await?,
        Db::Postgres(connection) => lock_and_find(connection, asked).await?,
    };
    in_places(rows, asked.len())
}

async fn find(
    connection: &mut SqliteConnection,
    asked: &[Asked<'_>],
) -> sqlx::Result<Vec<FoundRow>> {
    let rows = asked.iter().map(|asked| {
        let client_msg_id = asked.client_msg_id.map(ClientMsgId::as_str);
        (asked.chat.as_str(), asked.sender.as_str(), client_msg_id)
    });
    let found = sqlx::query_as(LOOK_UP.sqlite).bind(json_list(rows));
    found.fetch_all(connection).await
}

/// Locks the chats first, in a statement of its own: what the second one sees
/// is then as it stays.
async fn lock_and_find(
    connection: &mut PgConnection,
    asked: &[Asked<'_>],
) -> sqlx::Result<Vec<FoundRow>> {
    let chats = array(asked.iter(), |asked| asked.chat.as_str());
    sqlx::query(LOCK)
        .bind(&chats)
        .execute(&mut *connection)
        .await?;
    sqlx::query_as(LOOK_UP.postgres)
        .bind(chats)
        .bind(array(asked.iter(), |asked| asked.sender.as_str()))
        .bind(array(asked.iter(), |asked| {
            asked.client_msg_id.map(ClientMsgId::as_str)
        }))
        .fetch_all(connection)
        .await
}

pub(super) async fn append(db: &mut Db<'_>, rows: &Rows<'_>) -> Result<(), StoreError> {
    match db {
        Db::Sqlite(connection) => append_by_tables(connection, rows).await?,
        Db::Postgres(connection) => append_at_once(connection, rows).await?,
    }
    Ok(())
}

/// SQLite changes one table in a statement; there are no round trips to save.
async fn append_by_tables(connection: &mut SqliteConnection, rows: &Rows<'_>) -> sqlx::Result<()> {
    insert_messages(connection, rows).await?;
    insert_log(connection, rows).await?;
    move_heads(connection, rows).await?;
    raise_read(connection, rows).await
}

async fn insert_messages(connection: &mut SqliteConnection, rows: &Rows<'_>) -> sqlx::Result<()> {
    let messages = rows.messages.iter().map(|new| {
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
    });
    let done = sqlx::query(
        "INSERT INTO messages
             (id, chat_id, seq, rev, sender_id, content, client_msg_id, body_hash, created_at)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
                value ->> 6, unhex(value ->> 7), value ->> 8
         FROM json_each($1)",
    )
    .bind(json_list(messages))
    .execute(connection);
    done.await.map(drop)
}

async fn insert_log(connection: &mut SqliteConnection, rows: &Rows<'_>) -> sqlx::Result<()> {
    let messages = rows.messages.iter();
    let changes = messages.map(|new| (new.chat.as_str(), new.rev, new.seq, new.now.0));
    let done = sqlx::query(
        "INSERT INTO chat_events (chat_id, rev, kind, seq, created_at)
         SELECT value ->> 0, value ->> 1, 'new-message', value ->> 2, value ->> 3
         FROM json_each($1)",
    )
    .bind(json_list(changes))
    .execute(connection);
    done.await.map(drop)
}

async fn move_heads(connection: &mut SqliteConnection, rows: &Rows<'_>) -> sqlx::Result<()> {
    let heads = rows.heads.iter();
    let heads = heads.map(|head| (head.chat.as_str(), head.seq, head.rev, head.now.0));
    let done = sqlx::query(
        "UPDATE chats SET last_seq = a.value ->> 1, rev = a.value ->> 2,
                updated_at = max(updated_at, a.value ->> 3)
         FROM json_each($1) a WHERE chats.id = a.value ->> 0",
    )
    .bind(json_list(heads))
    .execute(connection);
    done.await.map(drop)
}

async fn raise_read(connection: &mut SqliteConnection, rows: &Rows<'_>) -> sqlx::Result<()> {
    let readers = rows.readers.iter();
    let readers = readers.map(|reader| (reader.chat.as_str(), reader.user.as_str(), reader.seq));
    let done = sqlx::query(
        "UPDATE participants SET read_seq = max(read_seq, a.value ->> 2),
                delivered_seq = max(delivered_seq, a.value ->> 2)
         FROM json_each($1) a
         WHERE participants.chat_id = a.value ->> 0 AND participants.user_id = a.value ->> 1",
    )
    .bind(json_list(readers))
    .execute(connection);
    done.await.map(drop)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// One statement for the four tables, so one round trip.
async fn append_at_once(connection: &mut PgConnection, rows: &Rows<'_>) -> sqlx::Result<()> {
    let (new, heads, readers) = (&rows.messages, &rows.heads, &rows.readers);
    let done = sqlx::query(
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
    .bind(array(new.iter(), |new| new.id.as_str()))
    .bind(array(new.iter(), |new| new.chat.as_str()))
    .bind(array(new.iter(), |new| new.seq.0 as i64))
    .bind(array(new.iter(), |new| new.rev.0 as i64))
    .bind(array(new.iter(), |new| new.sender.map(UserId::as_str)))
    .bind(array(new.iter(), |new| new.content))
    .bind(array(new.iter(), |new| new.client_msg_id.map(ClientMsgId::as_str)))
    .bind(array(new.iter(), |new| new.body_hash))
    .bind(array(new.iter(), |new| new.now.0))
    .bind(array(heads.iter(), |head| head.chat.as_str()))
    .bind(array(heads.iter(), |head| head.seq.0 as i64))
    .bind(array(heads.iter(), |head| head.rev.0 as i64))
    .bind(array(heads.iter(), |head| head.now.0))
    .bind(array(readers.iter(), |reader| reader.chat.as_str()))
    .bind(array(readers.iter(), |reader| reader.user.as_str()))
    .bind(array(readers.iter(), |reader| reader.seq.0 as i64))
    .execute(connection);
    done.await.map(drop)
}
