//! From rows to the domain's objects. A row that does not read as what it
//! must be is a fault of the database, named by its column.

use sqlx::FromRow;

use crate::chat::domain::{
    Message, MessageKind, Person, Reactions, Rev, Role, Seq, SystemFact, SystemKind, Timestamp,
    User, UserId,
};
use crate::chat::storage::StoreError;

/// A list of ids as one JSON text, for `json_each`.
pub(super) fn id_list<T: AsRef<str>>(ids: impl Iterator<Item = T>) -> String {
    let ids: Vec<serde_json::Value> = ids.map(|id| id.as_ref().into()).collect();
    serde_json::Value::from(ids).to_string()
}

/// The fault of a column.
pub(super) fn unreadable(column: &'static str) -> StoreError {
    StoreError::Query(sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: "a value that the schema does not allow".into(),
    })
}

#[derive(FromRow)]
pub(super) struct UserRow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) email: Option<String>,
    pub(super) role: String,
    pub(super) created_at: i64,
}

impl UserRow {
    pub(super) fn read(self) -> Result<User, StoreError> {
        Ok(User {
            id: self.id.into(),
            name: self.name,
            email: self.email,
            role: Role::from_name(&self.role).ok_or_else(|| unreadable("role"))?,
            created_at: Timestamp(self.created_at),
        })
    }
}

#[derive(FromRow)]
pub(super) struct PersonRow {
    id: String,
    name: String,
    role: String,
}

impl PersonRow {
    pub(super) fn read(self) -> Result<Person, StoreError> {
        let role = Role::from_name(&self.role).ok_or_else(|| unreadable("role"))?;
        Ok(Person {
            id: self.id.into(),
            name: self.name,
            role,
            avatar_url: None,
        })
    }
}

/// The columns of `messages` with the sender's name and role.
#[derive(FromRow)]
pub(super) struct MessageRow {
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
    pub(super) fn read(self) -> Result<Message, StoreError> {
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
