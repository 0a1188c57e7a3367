//! Messages.

use crate::chat::domain::{ChatId, ClientMsgId, Message, MessageId, Rev, Seq, Timestamp, UserId};
use crate::chat::storage::rows::{MessageRow, ReactionRow, add_reactions, json_list, read_all};
use crate::chat::storage::sql::{Db, Sql, sql};
use crate::chat::storage::{History, NewMessage, NewReaction, Page, Repeat, StoreError, Viewer};

pub(super) const REACTIONS: Sql = sql!(
    "SELECT message_id, emoji, count(*) AS count,
                count(*) FILTER (WHERE user_id = $1) > 0 AS mine
         FROM reactions WHERE message_id ",
    among("$2"),
    " GROUP BY message_id, emoji ORDER BY min(created_at), emoji"
);

/// Completes messages with their reactions; `viewer` decides what is `mine`.
pub(super) async fn with_reactions(
    db: &mut Db<'_>,
    rows: Vec<MessageRow>,
    viewer: Option<&UserId>,
) -> Result<Vec<Message>, StoreError> {
    let mut messages = read_all(rows)?;
    if messages.is_empty() {
        return Ok(messages);
    }
    let rows = db
        .query(REACTIONS)
        .bind(viewer.map_or("", UserId::as_str))
        .bind_list(messages.iter().map(|message| message.id.as_str()))
        .fetch_all::<ReactionRow>()
        .await?;
    add_reactions(&mut messages, rows, viewer);
    Ok(messages)
}

pub(super) async fn history(
    db: &mut Db<'_>,
    chat: &ChatId,
    viewer: &Viewer,
    page: Page,
) -> Result<Option<History>, StoreError> {
    let place = db
        .query(
            "SELECT last_seq, rev FROM chats c WHERE c.id = $1 AND ($2 OR EXISTS
             (SELECT 1 FROM participants WHERE chat_id = $1 AND user_id = $3))",
        )
        .bind(chat.as_str())
        .bind(viewer.sees_all)
        .bind(viewer.user.as_str())
        .fetch_optional::<(i64, i64)>()
        .await?;
    let Some((last_seq, rev)) = place else {
        return Ok(None);
    };
    let (last_seq, rev) = (Seq(last_seq as u64), Rev(rev as u64));
    let (first, end) = page.range(last_seq);
    let rows = range(db, chat, viewer, first, end).await?;
    let messages = with_reactions(db, rows, Some(&viewer.user)).await?;
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
         WHERE m.chat_id = $1 AND m.seq BETWEEN $2 AND $3 AND ($4 OR EXISTS
             (SELECT 1 FROM participants WHERE chat_id = $1 AND user_id = $5))
         ORDER BY m.seq";

/// Who may see the chat is asked again, so that a removal in between counts.
async fn range(
    db: &mut Db<'_>,
    chat: &ChatId,
    viewer: &Viewer,
    first: Seq,
    end: Seq,
) -> Result<Vec<MessageRow>, StoreError> {
    db.query(RANGE)
        .bind(chat.as_str())
        .bind(first.0 as i64)
        .bind(end.0 as i64)
        .bind(viewer.sees_all)
        .bind(viewer.user.as_str())
        .fetch_all()
        .await
}

pub(super) async fn message(
    db: &mut Db<'_>,
    chat: &ChatId,
    id: &MessageId,
    viewer: &UserId,
) -> Result<Option<Message>, StoreError> {
    let row = db
        .query(
            "SELECT m.*, u.name AS sender_name, u.role AS sender_role
             FROM messages m LEFT JOIN users u ON u.id = m.sender_id
             WHERE m.id = $1 AND m.chat_id = $2",
        )
        .bind(id.as_str())
        .bind(chat.as_str())
        .fetch_optional::<MessageRow>()
        .await?;
    let rows = row.into_iter().collect();
    Ok(with_reactions(db, rows, Some(viewer)).await?.pop())
}

pub(super) const BY_SEQ: Sql = sql!(
    "SELECT m.*, u.name AS sender_name, u.role AS sender_role
         FROM messages m LEFT JOIN users u ON u.id = m.sender_id
         WHERE m.chat_id = $1 AND m.seq ",
    among("$2")
);

pub(super) async fn by_seq(
    db: &mut Db<'_>,
    chat: &ChatId,
    seqs: &[Seq],
) -> Result<Vec<Message>, StoreError> {
    let rows = db
        .query(BY_SEQ)
        .bind(chat.as_str())
        .bind_list(seqs.iter().map(|seq| seq.0 as i64))
        .fetch_all::<MessageRow>()
        .await?;
    with_reactions(db, rows, None).await
}

pub(super) const REPEAT: &str = "SELECT id, body_hash FROM messages
         WHERE chat_id = $1 AND sender_id = $2 AND client_msg_id = $3";

pub(super) async fn repeat(
    db: &mut Db<'_>,
    chat: &ChatId,
    sender: &UserId,
    client_msg_id: &ClientMsgId,
) -> Result<Option<Repeat>, StoreError> {
    let found = db
        .query(REPEAT)
        .bind(chat.as_str())
        .bind(sender.as_str())
        .bind(client_msg_id.as_str())
        .fetch_optional::<(String, Vec<u8>)>()
        .await?;
    let Some((id, body_hash)) = found else {
        return Ok(None);
    };
    let message = message(db, chat, &id.into(), sender).await?;
    Ok(message.map(|message| Repeat { message, body_hash }))
}

pub(super) async fn insert(db: &mut Db<'_>, new: &NewMessage<'_>) -> Result<(), StoreError> {
    let mentions =
        (!new.mentions.is_empty()).then(|| json_list(new.mentions.iter().map(UserId::as_str)));
    let params = new
        .system
        .and_then(|system| serde_json::to_string(&system.params).ok());
    db.query(
        "INSERT INTO messages
             (id, chat_id, seq, rev, sender_id, content, client_msg_id, body_hash, reply_to,
              mentions, system_kind, system_params, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
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
    .execute()
    .await
}

pub(super) async fn for_person(
    db: &mut Db<'_>,
    user: &UserId,
    ids: &[MessageId],
) -> Result<Vec<Message>, StoreError> {
    let rows = db
        .query(sql!(
            "SELECT m.*, u.name AS sender_name, u.role AS sender_role
             FROM messages m
             JOIN participants p ON p.chat_id = m.chat_id AND p.user_id = $1
             LEFT JOIN users u ON u.id = m.sender_id
             WHERE m.id ",
            among("$2")
        ))
        .bind(user.as_str())
        .bind_list(ids.iter().map(MessageId::as_str))
        .fetch_all::<MessageRow>()
        .await?;
    with_reactions(db, rows, None).await
}

pub(super) async fn edit(
    db: &mut Db<'_>,
    id: &MessageId,
    content: &str,
    rev: Rev,
    now: Timestamp,
) -> Result<(), StoreError> {
    db.query(
        "UPDATE messages SET content = $1, version = version + 1, rev = $2, edited_at = $3
         WHERE id = $4",
    )
    .bind(content)
    .bind(rev.0 as i64)
    .bind(now.0)
    .bind(id.as_str())
    .execute()
    .await
}

pub(super) async fn delete(
    db: &mut Db<'_>,
    id: &MessageId,
    by: &UserId,
    rev: Rev,
    now: Timestamp,
) -> Result<(), StoreError> {
    db.query(
        "UPDATE messages SET content = '', rev = $1, deleted_at = $2, deleted_by = $3 WHERE id = $4",
    )
    .bind(rev.0 as i64)
    .bind(now.0)
    .bind(by.as_str())
    .bind(id.as_str())
    .execute()
    .await
}

pub(super) async fn touch(db: &mut Db<'_>, id: &MessageId, rev: Rev) -> Result<(), StoreError> {
    db.query("UPDATE messages SET rev = $1 WHERE id = $2")
        .bind(rev.0 as i64)
        .bind(id.as_str())
        .execute()
        .await
}

pub(super) async fn set_reaction(
    db: &mut Db<'_>,
    reaction: &NewReaction<'_>,
) -> Result<bool, StoreError> {
    let sql = if reaction.wanted {
        "INSERT INTO reactions (message_id, emoji, user_id, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING"
    } else {
        "DELETE FROM reactions
         WHERE message_id = $1 AND emoji = $2 AND user_id = $3 AND $4 IS NOT NULL"
    };
    let changed = db
        .query(sql)
        .bind(reaction.message.as_str())
        .bind(reaction.emoji.as_str())
        .bind(reaction.user.as_str())
        .bind(reaction.now.0)
        .rows_affected()
        .await?;
    Ok(changed > 0)
}
