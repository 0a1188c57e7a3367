//! The log of a chat's changes, as catch-up hands it out.

use serde::Serialize;
use serde_json::value::RawValue;

use super::id::ChatId;
use super::number::{Rev, Seq};

/// One durable change: the event that was sent live when it happened.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct LoggedEvent {
    /// Its number.
    pub rev: Rev,
    /// The name of the live event.
    pub event: &'static str,
    /// The payload of the live event.
    #[schema(value_type = Object)]
    pub payload: Box<RawValue>,
}

/// What somebody missed in one chat (CONTRACT sections 5 and 9).
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CatchUp {
    /// Which chat.
    pub chat_id: ChatId,
    /// The head of the chat at this moment.
    pub rev: Rev,
    /// The number of its last message.
    pub last_seq: Seq,
    /// How far the person who asks has read.
    pub read_seq: Seq,
    /// In the order of `rev`.
    pub events: Vec<LoggedEvent>,
    /// There is more after the last event.
    pub more: bool,
    /// The log cannot answer: load the history anew.
    pub reset: bool,
}
