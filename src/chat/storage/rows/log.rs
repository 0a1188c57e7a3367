//! The log of changes, and notifications.

use sqlx::FromRow;

use super::unreadable;
use crate::chat::domain::{MessageId, NotificationKind, Rev, Seq, Timestamp, UserId};
use crate::chat::storage::{Head, KeptNotification, LogEntry, LogKind, StoreError};

#[derive(FromRow)]
pub(in crate::chat::storage) struct HeadRow {
    rev: i64,
    last_seq: i64,
    oldest: Option<i64>,
}

impl HeadRow {
    pub(in crate::chat::storage) fn read(self) -> Head {
        Head {
            rev: Rev(self.rev as u64),
            last_seq: Seq(self.last_seq as u64),
            oldest: self.oldest.map(|rev| Rev(rev as u64)),
        }
    }
}

#[derive(FromRow)]
pub(in crate::chat::storage) struct LogRow {
    rev: i64,
    kind: String,
    seq: Option<i64>,
    payload: Option<String>,
}

impl LogRow {
    pub(in crate::chat::storage) fn read(self) -> Result<LogEntry, StoreError> {
        Ok(LogEntry {
            rev: Rev(self.rev as u64),
            kind: LogKind::from_name(&self.kind).ok_or_else(|| unreadable("kind"))?,
            seq: self.seq.map(|seq| Seq(seq as u64)),
            payload: self.payload,
        })
    }
}

#[derive(FromRow)]
pub(in crate::chat::storage) struct NotificationRow {
    id: String,
    kind: String,
    chat_id: String,
    user_id: Option<String>,
    by_id: Option<String>,
    message_id: Option<String>,
    created_at: i64,
    read_at: Option<i64>,
}

impl NotificationRow {
    pub(in crate::chat::storage) fn read(self) -> Result<KeptNotification, StoreError> {
        Ok(KeptNotification {
            id: self.id.into(),
            kind: NotificationKind::from_name(&self.kind).ok_or_else(|| unreadable("kind"))?,
            chat: self.chat_id.into(),
            user: self.user_id.map(UserId::from),
            by: self.by_id.map(UserId::from),
            message: self.message_id.map(MessageId::from),
            created_at: Timestamp(self.created_at),
            read_at: self.read_at.map(Timestamp),
        })
    }
}
