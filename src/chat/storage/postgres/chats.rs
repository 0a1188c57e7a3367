//! Chats and participants.

use std::collections::HashMap;

use sqlx::PgConnection;

use super::list;
use super::messages::with_reactions;
use crate::chat::domain::{
    Chat, ChatId, ChatName, MemberRole, Message, Participant, Person, Rev, Seq, Timestamp, UserId,
};
use crate::chat::storage::rows::{
    ChatRow, MessageRow, ParticipantRow, PersonRow, StandingRow, by_chat, positions,
};
use crate::chat::storage::{ChatCursor, NewChat, Standing, StoreError, Viewer};

pub(super) async fn for_viewer(
    connection: &mut PgConnection,
    chat: &ChatId,
    viewer: &Viewer,
) -> Result<Option<Chat>, StoreError> {
    one(connection, chat, Some(viewer)).await
}

pub(super) async fn for_everyone(
    connection: &mut PgConnection,
    chat: &ChatId,
) -> Result<Option<Chat>, StoreError> {
    one(connection, chat, None).await
}

/// A chat for a viewer who may see it, or for everyone.
async fn one(
    connection: &mut PgConnection,
    chat: &ChatId,
    viewer: Option<&Viewer>,
) -> Result<Option<Chat>, StoreError> {
    let row = sqlx::query_as::<_, ChatRow>(
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
    .fetch_optional(&mut *connection)
    .await?;
    let rows = row.into_iter().collect();
    Ok(
        complete(connection, rows, viewer.map(|viewer| &viewer.user))
            .await?
            .pop(),
    )
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
    connection: &mut PgConnection,
    user: &UserId,
    cursor: Option<&ChatCursor>,
    limit: u32,
) -> Result<Vec<Chat>, StoreError> {
    let rows = sqlx::query_as::<_, ChatRow>(LIST)
        .bind(user.as_str())
        .bind(cursor.map(|cursor| cursor.updated_at.0))
        .bind(cursor.map(|cursor| cursor.id.as_str()))
        .bind(i64::from(limit))
        .fetch_all(&mut *connection)
        .await?;
    complete(connection, rows, Some(user)).await
}

/// Adds participants and last messages: three queries for any number of chats.
async fn complete(
    connection: &mut PgConnection,
    rows: Vec<ChatRow>,
    viewer: Option<&UserId>,
) -> Result<Vec<Chat>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = rows.iter().map(ChatRow::id).collect();
    let mut participants = participants_of(connection, &ids).await?;
    let mut last = last_messages(connection, &rows, viewer).await?;
    let assembled = rows.into_iter().map(|row| {
        let participants = participants.remove(row.id()).unwrap_or_default();
        let last_message = last.remove(row.id());
        row.assemble(participants, last_message, viewer.is_some())
    });
    Ok(assembled.collect())
}

pub(super) const PARTICIPANTS: &str =
    "SELECT p.chat_id, p.user_id, u.name, p.role, p.joined_at, p.read_seq, p.delivered_seq
         FROM participants p JOIN users u ON u.id = p.user_id
         WHERE p.chat_id = ANY($1)
         ORDER BY p.joined_at, p.user_id";

async fn participants_of(
    connection: &mut PgConnection,
    ids: &[&str],
) -> Result<HashMap<String, Vec<Participant>>, StoreError> {
    let rows = sqlx::query_as::<_, ParticipantRow>(PARTICIPANTS)
        .bind(ids)
        .fetch_all(connection)
        .await?;
    by_chat(rows)
}

pub(super) const LAST_MESSAGES: &str = "SELECT m.*, u.name AS sender_name, u.role AS sender_role
         FROM unnest($1, $2) AS place (chat_id, seq)
         JOIN messages m ON m.chat_id = place.chat_id AND m.seq = place.seq
         LEFT JOIN users u ON u.id = m.sender_id";

/// The message that each row's `last_seq` names, so that the two agree.
async fn last_messages(
    connection: &mut PgConnection,
    rows: &[ChatRow],
    viewer: Option<&UserId>,
) -> Result<HashMap<String, Message>, StoreError> {
    let chats: Vec<&str> = rows.iter().map(ChatRow::id).collect();
    let seqs: Vec<i64> = rows.iter().map(ChatRow::last_seq).collect();
    let rows = sqlx::query_as::<_, MessageRow>(LAST_MESSAGES)
        .bind(chats)
        .bind(seqs)
        .fetch_all(&mut *connection)
        .await?;
    let messages = with_reactions(connection, rows, viewer).await?;
    Ok(messages
        .into_iter()
        .map(|message| (message.chat_id.to_string(), message))
        .collect())
}

pub(super) async fn standing(
    connection: &mut PgConnection,
    chat: &ChatId,
    user: &UserId,
) -> Result<Option<Standing>, StoreError> {
    let row = sqlx::query_as::<_, StandingRow>(
        "SELECT c.is_group, c.last_seq, c.rev, coalesce(p.read_seq, 0) AS read_seq, p.role
         FROM chats c LEFT JOIN participants p ON p.chat_id = c.id AND p.user_id = $1
         WHERE c.id = $2",
    )
    .bind(user.as_str())
    .bind(chat.as_str())
    .fetch_optional(connection)
    .await?;
    row.map(StandingRow::read).transpose()
}

pub(super) async fn direct(
    connection: &mut PgConnection,
    key: &str,
) -> Result<Option<ChatId>, StoreError> {
    let id: Option<String> = sqlx::query_scalar("SELECT id FROM chats WHERE direct_key = $1")
        .bind(key)
        .fetch_optional(connection)
        .await?;
    Ok(id.map(ChatId::from))
}

pub(super) async fn participants(
    connection: &mut PgConnection,
    chat: &ChatId,
) -> Result<Vec<UserId>, StoreError> {
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT user_id FROM participants WHERE chat_id = $1")
            .bind(chat.as_str())
            .fetch_all(connection)
            .await?;
    Ok(ids.into_iter().map(UserId::from).collect())
}

pub(super) async fn read_positions(
    connection: &mut PgConnection,
    chat: &ChatId,
) -> Result<Vec<(UserId, Seq)>, StoreError> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT user_id, read_seq FROM participants WHERE chat_id = $1")
            .bind(chat.as_str())
            .fetch_all(connection)
            .await?;
    Ok(positions(rows))
}

pub(super) async fn people_in(
    connection: &mut PgConnection,
    chat: &ChatId,
) -> Result<u32, StoreError> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM participants WHERE chat_id = $1")
        .bind(chat.as_str())
        .fetch_one(connection)
        .await?;
    Ok(count as u32)
}

pub(super) async fn members_among(
    connection: &mut PgConnection,
    chat: &ChatId,
    ids: &[UserId],
) -> Result<Vec<UserId>, StoreError> {
    let found: Vec<String> = sqlx::query_scalar(
        "SELECT user_id FROM participants
         WHERE chat_id = $1 AND user_id = ANY($2)",
    )
    .bind(chat.as_str())
    .bind(list(ids.iter(), UserId::as_str))
    .fetch_all(connection)
    .await?;
    Ok(found.into_iter().map(UserId::from).collect())
}

pub(super) async fn longest_standing(
    connection: &mut PgConnection,
    chat: &ChatId,
    except: &UserId,
) -> Result<Option<Person>, StoreError> {
    let row = sqlx::query_as::<_, PersonRow>(
        "SELECT u.id, u.name, u.role FROM participants p JOIN users u ON u.id = p.user_id
         WHERE p.chat_id = $1 AND p.user_id <> $2 ORDER BY p.joined_at, p.user_id LIMIT 1",
    )
    .bind(chat.as_str())
    .bind(except.as_str())
    .fetch_optional(connection)
    .await?;
    row.map(PersonRow::read).transpose()
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    new: &NewChat<'_>,
) -> Result<(), StoreError> {
    sqlx::query(
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
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn delete(connection: &mut PgConnection, chat: &ChatId) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM chats WHERE id = $1")
        .bind(chat.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn insert_participants(
    connection: &mut PgConnection,
    chat: &ChatId,
    users: &[UserId],
    role: MemberRole,
    now: Timestamp,
    read_seq: Seq,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO participants (chat_id, user_id, role, joined_at, read_seq, delivered_seq)
         SELECT $1, unnest($2), $3, $4, $5, $5",
    )
    .bind(chat.as_str())
    .bind(list(users.iter(), UserId::as_str))
    .bind(role.as_str())
    .bind(now.0)
    .bind(read_seq.0 as i64)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn delete_participant(
    connection: &mut PgConnection,
    chat: &ChatId,
    user: &UserId,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM participants WHERE chat_id = $1 AND user_id = $2")
        .bind(chat.as_str())
        .bind(user.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn set_role(
    connection: &mut PgConnection,
    chat: &ChatId,
    user: &UserId,
    role: MemberRole,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE participants SET role = $1 WHERE chat_id = $2 AND user_id = $3")
        .bind(role.as_str())
        .bind(chat.as_str())
        .bind(user.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn demote_owner(
    connection: &mut PgConnection,
    chat: &ChatId,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE participants SET role = 'moderator' WHERE chat_id = $1 AND role = 'owner'")
        .bind(chat.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn rename(
    connection: &mut PgConnection,
    chat: &ChatId,
    name: &ChatName,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE chats SET name = $1 WHERE id = $2")
        .bind(name.as_str())
        .bind(chat.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn next_message(
    connection: &mut PgConnection,
    chat: &ChatId,
    now: Timestamp,
) -> Result<(Seq, Rev), StoreError> {
    let (seq, rev): (i64, i64) = sqlx::query_as(
        "UPDATE chats SET last_seq = last_seq + 1, rev = rev + 1, updated_at = greatest(updated_at, $1)
         WHERE id = $2 RETURNING last_seq, rev",
    )
    .bind(now.0)
    .bind(chat.as_str())
    .fetch_one(connection)
    .await?;
    Ok((Seq(seq as u64), Rev(rev as u64)))
}

pub(super) async fn next_change(
    connection: &mut PgConnection,
    chat: &ChatId,
    activity: Option<Timestamp>,
) -> Result<Rev, StoreError> {
    let rev: i64 = sqlx::query_scalar(
        "UPDATE chats SET rev = rev + 1, updated_at = greatest(updated_at, coalesce($1, 0))
         WHERE id = $2 RETURNING rev",
    )
    .bind(activity.map(|time| time.0))
    .bind(chat.as_str())
    .fetch_one(connection)
    .await?;
    Ok(Rev(rev as u64))
}

pub(super) async fn raise_read(
    connection: &mut PgConnection,
    chat: &ChatId,
    user: &UserId,
    seq: Seq,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE participants SET read_seq = $1, delivered_seq = greatest(delivered_seq, $1)
         WHERE chat_id = $2 AND user_id = $3 AND read_seq < $1",
    )
    .bind(seq.0 as i64)
    .bind(chat.as_str())
    .bind(user.as_str())
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn raise_delivered(
    connection: &mut PgConnection,
    user: &UserId,
    reached: &[(ChatId, Seq)],
) -> Result<Vec<(ChatId, Seq)>, StoreError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "UPDATE participants SET delivered_seq = place.seq
         FROM unnest($2, $3) AS place (chat_id, seq)
         WHERE participants.chat_id = place.chat_id AND participants.user_id = $1
           AND participants.delivered_seq < place.seq
         RETURNING participants.chat_id, participants.delivered_seq",
    )
    .bind(user.as_str())
    .bind(list(reached.iter(), |(chat, _)| chat.as_str()))
    .bind(list(reached.iter(), |(_, seq)| seq.0 as i64))
    .fetch_all(connection)
    .await?;
    Ok(positions(rows))
}

pub(super) const UNREAD: &str = "SELECT p.read_seq,
                (SELECT count(*) FROM (SELECT 1 FROM messages m
                     WHERE m.chat_id = p.chat_id AND m.seq > p.read_seq
                       AND m.sender_id <> $2 AND m.deleted_at IS NULL LIMIT 100) unread)
         FROM participants p WHERE p.chat_id = $1 AND p.user_id = $2";

pub(super) async fn unread(
    connection: &mut PgConnection,
    chat: &ChatId,
    user: &UserId,
) -> Result<Option<(Seq, u32)>, StoreError> {
    let row: Option<(i64, i64)> = sqlx::query_as(UNREAD)
        .bind(chat.as_str())
        .bind(user.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|(read, unread)| (Seq(read as u64), unread as u32)))
}

pub(super) async fn for_person(
    connection: &mut PgConnection,
    user: &UserId,
    ids: &[ChatId],
) -> Result<Vec<Chat>, StoreError> {
    let rows = sqlx::query_as::<_, ChatRow>(
        "SELECT c.*, NULL::bigint AS read_seq, 0::bigint AS unread_count
         FROM participants p JOIN chats c ON c.id = p.chat_id
         WHERE p.user_id = $1 AND c.id = ANY($2)",
    )
    .bind(user.as_str())
    .bind(list(ids.iter(), ChatId::as_str))
    .fetch_all(&mut *connection)
    .await?;
    complete(connection, rows, None).await
}
