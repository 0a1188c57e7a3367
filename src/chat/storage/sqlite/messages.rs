//! Messages.

use sqlx::SqliteConnection;

use crate::chat::domain::{ChatId, ClientMsgId, Message, MessageId, Rev, Seq, Timestamp, UserId};
use crate::chat::storage::rows::{MessageRow, ReactionRow, add_reactions, id_list, read_all};
use crate::chat::storage::{History, NewMessage, NewReaction, Page, Repeat, StoreError, Viewer};

pub(super) const REACTIONS: &str =
    "SELECT message_id, emoji, count(*) AS count, max(user_id = ?) AS mine
         FROM reactions WHERE message_id IN (SELECT value FROM json_each(?))
         GROUP BY message_id, emoji ORDER BY min(created_at), emoji";

/// Completes messages with their reactions; `viewer` decides what is `mine`.
pub(super) async fn with_reactions(
    connection: &mut SqliteConnection,
    rows: Vec<MessageRow>,
    viewer: Option<&UserId>,
) -> Result<Vec<Message>, StoreError> {
    let mut messages = read_all(rows)?;
    if messages.is_empty() {
        return Ok(messages);
    }
    let rows = sqlx::query_as::<_, ReactionRow>(REACTIONS)
        .bind(viewer.map_or("", UserId::as_str))
        .bind(id_list(messages.iter().map(|message| message.id.as_str())))
        .fetch_all(connection)
        .await?;
    add_reactions(&mut messages, rows, viewer);
    Ok(messages)
}

pub(super) async fn history(
    connection: &mut SqliteConnection,
    chat: &ChatId,
    viewer: &Viewer,
    page: Page,
) -> Result<Option<History>, StoreError> {
    let place: Option<(i64, i64)> = sqlx::query_as(
        "SELECT last_seq, rev FROM chats c WHERE c.id = ?1 AND (?2 OR EXISTS
             (SELECT 1 FROM participants WHERE chat_id = ?1 AND user_id = ?3))",
    )
    .bind(chat.as_str())
    .bind(viewer.sees_all)
    .bind(viewer.user.as_str())
    .fetch_optional(&mut *connection)
    .await?;
    let Some((last_seq, rev)) = place else {
        return Ok(None);
    };
    let (last_seq, rev) = (Seq(last_seq as u64), Rev(rev as u64));
    let (first, end) = page.range(last_seq);
    let rows = range(connection, chat, viewer, first, end).await?;
    let messages = with_reactions(connection, rows, Some(&viewer.user)).await?;
    Ok(Some(History {
        messages,
        has_more_before: first > Seq(1) && last_seq >= Seq(1),
        has_more_after: end < last_seq,
        last_seq,
        rev,
    }))
}

pub(super) const RANGE: &str = "SELECT m.*, u.name AS sender_name, u.role AS sender_role
         FROM messages m LEFT JOIN users u ON u.id = m.sender_id
         WHERE m.chat_id = ?1 AND m.seq BETWEEN ?2 AND ?3 AND (?4 OR EXISTS
             (SELECT 1 FROM participants WHERE chat_id = ?1 AND user_id = ?5))
         ORDER BY m.seq";

/// Who may see the chat is asked again, so that a removal in between counts.
async fn range(
    connection: &mut SqliteConnection,
    chat: &ChatId,
    viewer: &Viewer,
    first: Seq,
    end: Seq,
) -> Result<Vec<MessageRow>, StoreError> {
    Ok(sqlx::query_as(RANGE)
        .bind(chat.as_str())
        .bind(first.0 as i64)
        .bind(end.0 as i64)
        .bind(viewer.sees_all)
        .bind(viewer.user.as_str())
        .fetch_all(connection)
        .await?)
}

pub(super) async fn message(
    connection: &mut SqliteConnection,
    chat: &ChatId,
    id: &MessageId,
    viewer: &UserId,
) -> Result<Option<Message>, StoreError> {
    let row = sqlx::query_as::<_, MessageRow>(
        "SELECT m.*, u.name AS sender_name, u.role AS sender_role
         FROM messages m LEFT JOIN users u ON u.id = m.sender_id
         WHERE m.id = ? AND m.chat_id = ?",
    )
    .bind(id.as_str())
    .bind(chat.as_str())
    .fetch_optional(&mut *connection)
    .await?;
    let rows = row.into_iter().collect();
    Ok(with_reactions(connection, rows, Some(viewer)).await?.pop())
}

pub(super) const BY_SEQ: &str = "SELECT m.*, u.name AS sender_name, u.role AS sender_role
         FROM messages m LEFT JOIN users u ON u.id = m.sender_id
         WHERE m.chat_id = ? AND m.seq IN (SELECT value FROM json_each(?))";

pub(super) async fn by_seq(
    connection: &mut SqliteConnection,
    chat: &ChatId,
    seqs: &[Seq],
) -> Result<Vec<Message>, StoreError> {
    let list: Vec<u64> = seqs.iter().map(|seq| seq.0).collect();
    let rows = sqlx::query_as::<_, MessageRow>(BY_SEQ)
        .bind(chat.as_str())
        .bind(serde_json::Value::from(list).to_string())
        .fetch_all(&mut *connection)
        .await?;
    with_reactions(connection, rows, None).await
}

pub(super) const REPEAT: &str = "SELECT id, body_hash FROM messages
         WHERE chat_id = ? AND sender_id = ? AND client_msg_id = ?";

pub(super) async fn repeat(
    connection: &mut SqliteConnection,
    chat: &ChatId,
    sender: &UserId,
    client_msg_id: &ClientMsgId,
) -> Result<Option<Repeat>, StoreError> {
    let found: Option<(String, Vec<u8>)> = sqlx::query_as(REPEAT)
        .bind(chat.as_str())
        .bind(sender.as_str())
        .bind(client_msg_id.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let Some((id, body_hash)) = found else {
        return Ok(None);
    };
    let message = message(connection, chat, &id.into(), sender).await?;
    Ok(message.map(|message| Repeat { message, body_hash }))
}

pub(super) async fn insert(
    connection: &mut SqliteConnection,
    new: &NewMessage<'_>,
) -> Result<(), StoreError> {
    let mentions =
        (!new.mentions.is_empty()).then(|| id_list(new.mentions.iter().map(UserId::as_str)));
    let params = new
        .system
        .and_then(|system| serde_json::to_string(&system.params).ok());
    sqlx::query(
        "INSERT INTO messages
             (id, chat_id, seq, rev, sender_id, content, client_msg_id, body_hash, reply_to,
              mentions, system_kind, system_params, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.as_str())
    .bind(new.chat.as_str())
    .bind(new.seq.0 as i64)
    .bind(new.rev.0 as i64)
    .bind(new.sender.map(UserId::as_str))
    .bind(new.content)
    .bind(new.client_msg_id.map(ClientMsgId::as_str))
    .bind(new.body_hash)
    .bind(new.reply_to.map(MessageId::as_str))
    .bind(mentions)
    .bind(new.system.map(|system| system.kind.as_str()))
    .bind(params)
    .bind(new.now.0)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn for_person(
    connection: &mut SqliteConnection,
    user: &UserId,
    ids: &[MessageId],
) -> Result<Vec<Message>, StoreError> {
    let rows = sqlx::query_as::<_, MessageRow>(
        "SELECT m.*, u.name AS sender_name, u.role AS sender_role
         FROM messages m
         JOIN participants p ON p.chat_id = m.chat_id AND p.user_id = ?
         LEFT JOIN users u ON u.id = m.sender_id
         WHERE m.id IN (SELECT value FROM json_each(?))",
    )
    .bind(user.as_str())
    .bind(id_list(ids.iter().map(MessageId::as_str)))
    .fetch_all(&mut *connection)
    .await?;
    with_reactions(connection, rows, None).await
}

pub(super) async fn edit(
    connection: &mut SqliteConnection,
    id: &MessageId,
    content: &str,
    rev: Rev,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE messages SET content = ?, version = version + 1, rev = ?, edited_at = ?
         WHERE id = ?",
    )
    .bind(content)
    .bind(rev.0 as i64)
    .bind(now.0)
    .bind(id.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn delete(
    connection: &mut SqliteConnection,
    id: &MessageId,
    by: &UserId,
    rev: Rev,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE messages SET content = '', rev = ?, deleted_at = ?, deleted_by = ? WHERE id = ?",
    )
    .bind(rev.0 as i64)
    .bind(now.0)
    .bind(by.as_str())
    .bind(id.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn touch(
    connection: &mut SqliteConnection,
    id: &MessageId,
    rev: Rev,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE messages SET rev = ? WHERE id = ?")
        .bind(rev.0 as i64)
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn set_reaction(
    connection: &mut SqliteConnection,
    reaction: &NewReaction<'_>,
) -> Result<bool, StoreError> {
    let sql = if reaction.wanted {
        "INSERT INTO reactions (message_id, emoji, user_id, created_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM reactions
         WHERE message_id = ?1 AND emoji = ?2 AND user_id = ?3 AND ?4 IS NOT NULL"
    };
    let done = sqlx::query(sql)
        .bind(reaction.message.as_str())
        .bind(reaction.emoji.as_str())
        .bind(reaction.user.as_str())
        .bind(reaction.now.0)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}
