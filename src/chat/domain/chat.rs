//! Chats and who is in them.

use serde::Serialize;
use serde_json::Value;

use super::fields::{Parse, Problem};
use super::id::{ChatId, UserId};
use super::message::Message;
use super::number::{Rev, Seq};
use super::time::Timestamp;

/// What a participant is in one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MemberRole {
    /// Made the group, or was handed it.
    Owner,
    /// May do what the owner may, except to roles and to the owner.
    Moderator,
    /// Everybody else, and both people of a direct chat.
    Member,
}

impl MemberRole {
    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Moderator => "moderator",
            Self::Member => "member",
        }
    }

    /// The role with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Owner, Self::Moderator, Self::Member]
            .into_iter()
            .find(|role| role.as_str() == name)
    }
}

impl Parse for MemberRole {
    fn parse(value: &Value) -> Result<Self, Problem> {
        let role = value.as_str().and_then(Self::from_name);
        role.ok_or_else(|| "must be owner, moderator or member".into())
    }
}

/// `Participant` of CONTRACT section 3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// Who.
    pub user_id: UserId,
    /// As they call themselves.
    pub name: String,
    /// In this chat.
    pub role: MemberRole,
    /// Since when.
    pub joined_at: Timestamp,
    /// The last message that they have read.
    pub read_seq: Seq,
    /// The last message that has reached a device of theirs.
    pub delivered_seq: Seq,
}

/// `Chat` of CONTRACT section 3. The last two fields depend on who looks, and
/// are left out of what goes to a whole room.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Chat {
    /// Which.
    pub id: ChatId,
    /// Null in direct chats.
    pub name: Option<String>,
    /// Whether it is a group.
    pub is_group: bool,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something last happened in it.
    pub updated_at: Timestamp,
    /// The number of the last message.
    pub last_seq: Seq,
    /// The number of the last change.
    pub rev: Rev,
    /// In the order in which they came.
    pub participants: Vec<Participant>,
    /// The last message, if there is one.
    pub last_message: Option<Message>,
    /// How far the person who asks has read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_seq: Option<Seq>,
    /// What the person who asks has not read; counts to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread_count: Option<u32>,
}
