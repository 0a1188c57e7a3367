//! Chats and participants.

use std::collections::HashMap;

use sqlx::FromRow;

use super::unreadable;
use crate::chat::domain::{Chat, MemberRole, Message, Participant, Rev, Seq, Timestamp};
use crate::chat::storage::{Found, Standing, StoreError};

#[derive(FromRow)]
pub(in crate::chat::storage) struct ChatRow {
    id: String,
    name: Option<String>,
    is_group: bool,
    created_by: String,
    created_at: i64,
    updated_at: i64,
    last_seq: i64,
    rev: i64,
    read_seq: Option<i64>,
    unread_count: i64,
}

impl ChatRow {
    pub(in crate::chat::storage) fn id(&self) -> &str {
        &self.id
    }

    /// The number of its last message.
    pub(in crate::chat::storage) fn last_seq(&self) -> i64 {
        self.last_seq
    }

    pub(in crate::chat::storage) fn assemble(
        self,
        participants: Vec<Participant>,
        last_message: Option<Message>,
        personal: bool,
    ) -> Chat {
        Chat {
            id: self.id.into(),
            name: self.name,
            is_group: self.is_group,
            created_by: self.created_by.into(),
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
            last_seq: Seq(self.last_seq as u64),
            rev: Rev(self.rev as u64),
            participants,
            last_message,
            read_seq: personal.then(|| Seq(self.read_seq.unwrap_or(0) as u64)),
            unread_count: personal.then_some(self.unread_count as u32),
        }
    }
}

#[derive(FromRow)]
pub(in crate::chat::storage) struct ParticipantRow {
    chat_id: String,
    user_id: String,
    name: String,
    role: String,
    joined_at: i64,
    read_seq: i64,
    delivered_seq: i64,
}

impl ParticipantRow {
    fn read(self) -> Result<Participant, StoreError> {
        Ok(Participant {
            user_id: self.user_id.into(),
            name: self.name,
            role: MemberRole::from_name(&self.role).ok_or_else(|| unreadable("role"))?,
            joined_at: Timestamp(self.joined_at),
            read_seq: Seq(self.read_seq as u64),
            delivered_seq: Seq(self.delivered_seq as u64),
        })
    }
}

/// Participants by the ids of their chats, each list in the order of the rows.
pub(in crate::chat::storage) fn by_chat(
    rows: Vec<ParticipantRow>,
) -> Result<HashMap<String, Vec<Participant>>, StoreError> {
    let mut grouped: HashMap<String, Vec<Participant>> = HashMap::new();
    for mut row in rows {
        let chat = std::mem::take(&mut row.chat_id);
        grouped.entry(chat).or_default().push(row.read()?);
    }
    Ok(grouped)
}

#[derive(FromRow)]
pub(in crate::chat::storage) struct StandingRow {
    is_group: bool,
    last_seq: i64,
    rev: i64,
    read_seq: i64,
    role: Option<String>,
}

impl StandingRow {
    pub(in crate::chat::storage) fn read(self) -> Result<Standing, StoreError> {
        let role = self
            .role
            .map(|role| MemberRole::from_name(&role).ok_or_else(|| unreadable("role")));
        Ok(Standing {
            is_group: self.is_group,
            last_seq: Seq(self.last_seq as u64),
            rev: Rev(self.rev as u64),
            read_seq: Seq(self.read_seq as u64),
            role: role.transpose()?,
        })
    }
}

/// What was found for one of many that were asked for.
#[derive(FromRow)]
pub(in crate::chat::storage) struct FoundRow {
    place: i64,
    #[sqlx(flatten)]
    standing: StandingRow,
    repeated: bool,
}

/// An answer for each that was asked for, in the order of the questions.
pub(in crate::chat::storage) fn in_places(
    rows: Vec<FoundRow>,
    asked: usize,
) -> Result<Vec<Found>, StoreError> {
    let mut found: Vec<Found> = std::iter::repeat_with(Found::default).take(asked).collect();
    for row in rows {
        let place = usize::try_from(row.place).map_err(|_| unreadable("place"))?;
        let found = found.get_mut(place).ok_or_else(|| unreadable("place"))?;
        found.standing = Some(row.standing.read()?);
        found.repeated = row.repeated;
    }
    Ok(found)
}
