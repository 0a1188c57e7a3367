//! Messages and reactions.

use std::collections::HashMap;

use sqlx::FromRow;

use super::people::PersonRow;
use super::unreadable;
use crate::chat::domain::{
    Message, MessageKind, Person, Reaction, Reactions, Rev, Seq, SystemFact, SystemKind, Timestamp,
    UserId,
};
use crate::chat::storage::StoreError;

/// The columns of `messages` with the sender's name and role.
#[derive(FromRow)]
pub(in crate::chat::storage) struct MessageRow {
    id: String,
    chat_id: String,
    seq: i64,
    rev: i64,
    sender_id: Option<String>,
    sender_name: Option<String>,
    sender_role: Option<String>,
    content: String,
    client_msg_id: Option<String>,
    reply_to: Option<String>,
    mentions: Option<String>,
    system_kind: Option<String>,
    system_params: Option<String>,
    version: i64,
    created_at: i64,
    edited_at: Option<i64>,
    deleted_at: Option<i64>,
}

impl MessageRow {
    /// The message without its reactions.
    fn read(self) -> Result<Message, StoreError> {
        let sender = sender(self.sender_id.clone(), self.sender_name, self.sender_role)?;
        let system = system_fact(self.system_kind.as_deref(), self.system_params.as_deref())?;
        Ok(Message {
            id: self.id.into(),
            chat_id: self.chat_id.into(),
            seq: Seq(self.seq as u64),
            rev: Rev(self.rev as u64),
            sender_id: self.sender_id.map(UserId::from),
            sender,
            kind: if system.is_some() {
                MessageKind::System
            } else {
                MessageKind::Text
            },
            content: self.content,
            client_msg_id: self.client_msg_id,
            reply_to: self.reply_to.map(Into::into),
            mentions: mentions(self.mentions.as_deref())?,
            reactions: Reactions::default(),
            version: self.version as u32,
            created_at: Timestamp(self.created_at),
            edited_at: self.edited_at.map(Timestamp),
            deleted_at: self.deleted_at.map(Timestamp),
            system,
        })
    }
}

fn sender(
    id: Option<String>,
    name: Option<String>,
    role: Option<String>,
) -> Result<Option<Person>, StoreError> {
    match (id, name, role) {
        (Some(id), Some(name), Some(role)) => PersonRow { id, name, role }.read().map(Some),
        _ => Ok(None),
    }
}

fn system_fact(kind: Option<&str>, params: Option<&str>) -> Result<Option<SystemFact>, StoreError> {
    let Some(kind) = kind else { return Ok(None) };
    let kind = SystemKind::from_name(kind).ok_or_else(|| unreadable("system_kind"))?;
    let params = serde_json::from_str(params.unwrap_or_default());
    let params = params.map_err(|_| unreadable("system_params"))?;
    Ok(Some(SystemFact { kind, params }))
}

fn mentions(json: Option<&str>) -> Result<Vec<UserId>, StoreError> {
    let Some(json) = json else {
        return Ok(Vec::new());
    };
    let ids: Vec<String> = serde_json::from_str(json).map_err(|_| unreadable("mentions"))?;
    Ok(ids.into_iter().map(UserId::from).collect())
}
#[derive(FromRow)]
pub(in crate::chat::storage) struct ReactionRow {
    message_id: String,
    emoji: String,
    count: i64,
    mine: bool,
}

/// The messages of these rows, without their reactions.
pub(in crate::chat::storage) fn read_all(
    rows: Vec<MessageRow>,
) -> Result<Vec<Message>, StoreError> {
    rows.into_iter().map(MessageRow::read).collect()
}

/// Gives messages their reactions, in the order of the rows; `mine` is left out
/// when nobody in particular looks.
pub(in crate::chat::storage) fn add_reactions(
    messages: &mut [Message],
    rows: Vec<ReactionRow>,
    viewer: Option<&UserId>,
) {
    let mut grouped: HashMap<String, Reactions> = HashMap::new();
    for row in rows {
        let reaction = Reaction {
            emoji: row.emoji,
            count: row.count as u32,
            mine: viewer.map(|_| row.mine),
        };
        grouped.entry(row.message_id).or_default().0.push(reaction);
    }
    for message in messages {
        message.reactions = grouped.remove(message.id.as_str()).unwrap_or_default();
    }
}
