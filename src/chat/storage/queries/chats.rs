//! Chats.

use std::collections::HashMap;

use super::messages::with_reactions;
use crate::chat::domain::{
    Chat, ChatId, ChatName, Message, Participant, Rev, Seq, Timestamp, UserId,
};
use crate::chat::storage::rows::{ChatRow, MessageRow, ParticipantRow, by_chat};
use crate::chat::storage::sql::{Db, Sql, sql};
use crate::chat::storage::{ChatCursor, NewChat, StoreError, Viewer};

pub(super) async fn for_viewer(
    db: &mut Db<'_>,
    chat: &ChatId,
    viewer: &Viewer,
) -> Result<Option<Chat>, StoreError> {
    one(db, chat, Some(viewer)).await
}

pub(super) async fn for_everyone(
    db: &mut Db<'_>,
    chat: &ChatId,
) -> Result<Option<Chat>, StoreError> {
    one(db, chat, None).await
}

/// A chat for a viewer who may see it, or for everyone.
async fn one(
    db: &mut Db<'_>,
    chat: &ChatId,
    viewer: Option<&Viewer>,
) -> Result<Option<Chat>, StoreError> {
    let row = db.query(
        "SELECT c.*, p.read_seq,
                (SELECT count(*) FROM (SELECT 1 FROM messages m
                     WHERE m.chat_id = c.id AND m.seq > p.read_seq
                       AND m.sender_id <> $2 AND m.deleted_at IS NULL LIMIT 100) unread) AS unread_count
         FROM chats c LEFT JOIN participants p ON p.chat_id = c.id AND p.user_id = $2
         WHERE c.id = $1 AND ($3 OR p.user_id IS NOT NULL)",
    )
    .bind(chat.as_str())
    .bind(viewer.map_or("", |viewer| viewer.user.as_str()))
    .bind(viewer.is_none_or(|viewer| viewer.sees_all))
    .fetch_optional::<ChatRow>()
    .await?;
    let rows = row.into_iter().collect();
    Ok(complete(db, rows, viewer.map(|viewer| &viewer.user))
        .await?
        .pop())
}

pub(super) const LIST: &str = "SELECT c.*,
                (SELECT count(*) FROM (SELECT 1 FROM messages m
                     WHERE m.chat_id = c.id AND m.seq > c.read_seq
                       AND m.sender_id <> $1 AND m.deleted_at IS NULL LIMIT 100) unread) AS unread_count
         FROM (SELECT c.*, p.read_seq FROM participants p JOIN chats c ON c.id = p.chat_id
               WHERE p.user_id = $1 AND ($2 IS NULL OR (c.updated_at, c.id) < ($2, $3))
               ORDER BY c.updated_at DESC, c.id DESC LIMIT $4) c
         ORDER BY c.updated_at DESC, c.id DESC";

pub(super) async fn chats(
    db: &mut Db<'_>,
    user: &UserId,
    cursor: Option<&ChatCursor>,
    limit: u32,
) -> Result<Vec<Chat>, StoreError> {
    let rows = db
        .query(LIST)
        .bind(user.as_str())
        .bind(cursor.map(|cursor| cursor.updated_at.0))
        .bind(cursor.map(|cursor| cursor.id.as_str()))
        .bind(i64::from(limit))
        .fetch_all::<ChatRow>()
        .await?;
    complete(db, rows, Some(user)).await
}

/// Adds participants and last messages: three queries for any number of chats.
async fn complete(
    db: &mut Db<'_>,
    rows: Vec<ChatRow>,
    viewer: Option<&UserId>,
) -> Result<Vec<Chat>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut participants = participants_of(db, &rows).await?;
    let mut last = last_messages(db, &rows, viewer).await?;
    let assembled = rows.into_iter().map(|row| {
        let participants = participants.remove(row.id()).unwrap_or_default();
        let last_message = last.remove(row.id());
        row.assemble(participants, last_message, viewer.is_some())
    });
    Ok(assembled.collect())
}

pub(super) const PARTICIPANTS: Sql = sql!(
    "SELECT p.chat_id, p.user_id, u.name, p.role, p.joined_at, p.read_seq, p.delivered_seq
         FROM participants p JOIN users u ON u.id = p.user_id
         WHERE p.chat_id ",
    among("$1"),
    " ORDER BY p.joined_at, p.user_id"
);

async fn participants_of(
    db: &mut Db<'_>,
    rows: &[ChatRow],
) -> Result<HashMap<String, Vec<Participant>>, StoreError> {
    let rows = db
        .query(PARTICIPANTS)
        .bind_list(rows.iter().map(ChatRow::id))
        .fetch_all::<ParticipantRow>()
        .await?;
    by_chat(rows)
}

pub(super) const LAST_MESSAGES: Sql = Sql {
    sqlite: "SELECT m.*, u.name AS sender_name, u.role AS sender_role
         FROM json_each($1) place
         JOIN messages m ON m.chat_id = place.value ->> 0 AND m.seq = place.value ->> 1
         LEFT JOIN users u ON u.id = m.sender_id",
    postgres: "SELECT m.*, u.name AS sender_name, u.role AS sender_role
         FROM unnest($1, $2) AS place (chat_id, seq)
         JOIN messages m ON m.chat_id = place.chat_id AND m.seq = place.seq
         LEFT JOIN users u ON u.id = m.sender_id",
};

/// The message that each row's `last_seq` names, so that the two agree.
async fn last_messages(
    db: &mut Db<'_>,
    rows: &[ChatRow],
    viewer: Option<&UserId>,
) -> Result<HashMap<String, Message>, StoreError> {
    let places = rows.iter().map(|row| (row.id(), row.last_seq()));
    let rows = db
        .query(LAST_MESSAGES)
        .bind_pairs(places)
        .fetch_all::<MessageRow>()
        .await?;
    let messages = with_reactions(db, rows, viewer).await?;
    Ok(messages
        .into_iter()
        .map(|message| (message.chat_id.to_string(), message))
        .collect())
}

pub(super) async fn direct(db: &mut Db<'_>, key: &str) -> Result<Option<ChatId>, StoreError> {
    let row = db
        .query("SELECT id FROM chats WHERE direct_key = $1")
        .bind(key)
        .fetch_optional::<(String,)>()
        .await?;
    Ok(row.map(|(id,)| id.into()))
}

pub(super) async fn insert(db: &mut Db<'_>, new: &NewChat<'_>) -> Result<(), StoreError> {
    db.query(
        "INSERT INTO chats (id, name, is_group, direct_key, created_by, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new.id.as_str())
    .bind(new.name.map(ChatName::as_str))
    .bind(new.direct_key.is_none())
    .bind(new.direct_key)
    .bind(new.created_by.as_str())
    .bind(new.now.0)
    .bind(new.now.0)
    .execute()
    .await
}

pub(super) async fn delete(db: &mut Db<'_>, chat: &ChatId) -> Result<(), StoreError> {
    db.query("DELETE FROM chats WHERE id = $1")
        .bind(chat.as_str())
        .execute()
        .await
}

pub(super) async fn rename(
    db: &mut Db<'_>,
    chat: &ChatId,
    name: &ChatName,
) -> Result<(), StoreError> {
    db.query("UPDATE chats SET name = $1 WHERE id = $2")
        .bind(name.as_str())
        .bind(chat.as_str())
        .execute()
        .await
}

pub(super) async fn next_message(
    db: &mut Db<'_>,
    chat: &ChatId,
    now: Timestamp,
) -> Result<(Seq, Rev), StoreError> {
    let (seq, rev) = db
        .query(
            "UPDATE chats SET last_seq = last_seq + 1, rev = rev + 1,
                    updated_at = CASE WHEN updated_at < $1 THEN $1 ELSE updated_at END
             WHERE id = $2 RETURNING last_seq, rev",
        )
        .bind(now.0)
        .bind(chat.as_str())
        .fetch_one::<(i64, i64)>()
        .await?;
    Ok((Seq(seq as u64), Rev(rev as u64)))
}

pub(super) async fn next_change(
    db: &mut Db<'_>,
    chat: &ChatId,
    activity: Option<Timestamp>,
) -> Result<Rev, StoreError> {
    let (rev,) = db
        .query(
            "UPDATE chats SET rev = rev + 1,
                    updated_at = CASE WHEN updated_at < $1 THEN $1 ELSE updated_at END
             WHERE id = $2 RETURNING rev",
        )
        .bind(activity.map(|time| time.0))
        .bind(chat.as_str())
        .fetch_one::<(i64,)>()
        .await?;
    Ok(Rev(rev as u64))
}

pub(super) async fn for_person(
    db: &mut Db<'_>,
    user: &UserId,
    ids: &[ChatId],
) -> Result<Vec<Chat>, StoreError> {
    let rows = db
        .query(sql!(
            "SELECT c.*, p.read_seq, CAST(0 AS bigint) AS unread_count
             FROM participants p JOIN chats c ON c.id = p.chat_id
             WHERE p.user_id = $1 AND c.id ",
            among("$2")
        ))
        .bind(user.as_str())
        .bind_list(ids.iter().map(ChatId::as_str))
        .fetch_all::<ChatRow>()
        .await?;
    complete(db, rows, None).await
}
