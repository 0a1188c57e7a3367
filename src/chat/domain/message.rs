//! Messages.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::id::{ChatId, MessageId, UserId};
use super::number::{Rev, Seq};
use super::person::Person;
use super::time::Timestamp;

/// Who wrote a message: a person, or the system itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageKind {
    /// Written by a person.
    Text,
    /// Says that something about the chat changed.
    System,
}

/// What a system message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SystemKind {
    /// Somebody came in.
    ParticipantAdded,
    /// Somebody was put out.
    ParticipantRemoved,
    /// Somebody went.
    ParticipantLeft,
    /// The group has another name.
    ChatRenamed,
    /// The group has another owner.
    OwnerChanged,
}

impl SystemKind {
    const ALL: [Self; 5] = [
        Self::ParticipantAdded,
        Self::ParticipantRemoved,
        Self::ParticipantLeft,
        Self::ChatRenamed,
        Self::OwnerChanged,
    ];

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ParticipantAdded => "participant-added",
            Self::ParticipantRemoved => "participant-removed",
            Self::ParticipantLeft => "participant-left",
            Self::ChatRenamed => "chat-renamed",
            Self::OwnerChanged => "owner-changed",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Who and what a system message is about, as far as it applies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemParams {
    /// The person it happened to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Their name; the new name of the chat when it was renamed.
    pub name: String,
    /// Who did it, when that is somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_id: Option<String>,
    /// The name of who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_name: Option<String>,
}

/// The fact that a system message states, for clients that translate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SystemFact {
    /// What happened.
    pub kind: SystemKind,
    /// To whom, by whom.
    pub params: SystemParams,
}

impl SystemFact {
    /// The fact in English.
    pub fn text(&self) -> String {
        let SystemParams { name, by_name, .. } = &self.params;
        match (self.kind, by_name) {
            (SystemKind::ParticipantAdded, Some(by)) => format!("{by} added {name}"),
            (SystemKind::ParticipantAdded, None) => format!("{name} joined"),
            (SystemKind::ParticipantRemoved, Some(by)) => format!("{by} removed {name}"),
            (SystemKind::ParticipantRemoved, None) => format!("{name} was removed"),
            (SystemKind::ParticipantLeft, _) => format!("{name} left"),
            (SystemKind::ChatRenamed, _) => format!("The chat is now called {name}"),
            (SystemKind::OwnerChanged, Some(by)) => format!("{by} made {name} the owner"),
            (SystemKind::OwnerChanged, None) => format!("{name} is now the owner"),
        }
    }
}

/// How many people reacted with one emoji.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// Which.
    pub emoji: String,
    /// How many people.
    pub count: u32,
    /// Whether the person who asks is one of them; none in broadcasts.
    pub mine: Option<bool>,
}

/// `{"<emoji>":{count,mine}}`, oldest kind first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reactions(pub Vec<Reaction>);

/// What the wire says of one emoji.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ReactionCount {
    /// How many people.
    count: u32,
    /// Whether the person who asks is one of them; left out in broadcasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    mine: Option<bool>,
}

impl Serialize for Reactions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for Reaction { emoji, count, mine } in &self.0 {
            map.serialize_entry(
                emoji,
                &ReactionCount {
                    count: *count,
                    mine: *mine,
                },
            )?;
        }
        map.end()
    }
}

/// `Message` of CONTRACT section 3.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Which.
    pub id: MessageId,
    /// Where.
    pub chat_id: ChatId,
    /// Its number in the chat.
    pub seq: Seq,
    /// The number of its last change.
    pub rev: Rev,
    /// Null for the system.
    pub sender_id: Option<UserId>,
    /// Null for the system.
    pub sender: Option<Person>,
    /// Text or system.
    #[serde(rename = "type")]
    pub kind: MessageKind,
    /// As it was written; empty when deleted.
    pub content: String,
    /// What the sender's client calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<String>,
    /// The message that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// Participants that it names.
    pub mentions: Vec<UserId>,
    /// Who liked it.
    #[schema(value_type = std::collections::HashMap<String, ReactionCount>)]
    pub reactions: Reactions,
    /// 1, and one more for every edit.
    pub version: u32,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub edited_at: Option<Timestamp>,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
    /// What a system message says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<SystemFact>,
}

impl Message {
    /// The message as everybody may see it: nobody's own marks.
    #[must_use]
    pub fn for_everyone(mut self) -> Self {
        for reaction in &mut self.reactions.0 {
            reaction.mine = None;
        }
        self
    }
}
