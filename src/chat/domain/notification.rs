//! What somebody is told wherever they are.

use serde::Serialize;

use super::chat::Chat;
use super::id::{ChatId, NotificationId};
use super::message::Message;
use super::person::Person;
use super::time::Timestamp;

/// Why somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NotificationKind {
    /// They are in a chat that they were not in.
    NewChat,
    /// Somebody came into a chat of theirs.
    ParticipantAdded,
    /// Somebody, perhaps they, was put out of it.
    ParticipantRemoved,
    /// Somebody went.
    ParticipantLeft,
    /// A message that they do not see live.
    NewMessage,
    /// The same, and it names them.
    Mention,
}

impl NotificationKind {
    const ALL: [Self; 6] = [
        Self::NewChat,
        Self::ParticipantAdded,
        Self::ParticipantRemoved,
        Self::ParticipantLeft,
        Self::NewMessage,
        Self::Mention,
    ];

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NewChat => "new-chat",
            Self::ParticipantAdded => "participant-added",
            Self::ParticipantRemoved => "participant-removed",
            Self::ParticipantLeft => "participant-left",
            Self::NewMessage => "new-message",
            Self::Mention => "mention",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// The payload of the event `notification` (CONTRACT section 6).
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// Which.
    pub id: NotificationId,
    /// Why.
    #[serde(rename = "type")]
    pub kind: NotificationKind,
    /// Where.
    pub chat_id: ChatId,
    /// The chat that somebody is now in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat: Option<Chat>,
    /// The person who came or went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Person>,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Person>,
    /// The message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// When.
    pub created_at: Timestamp,
}
