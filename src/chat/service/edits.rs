//! Changing and deleting messages, and reactions to them.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::access::{Access, access};
use super::ledger::{Command, Ledger, encode};
use super::publishing::Item;
use super::sessions::Actor;
use crate::chat::Chat;
use crate::chat::domain::{
    ChatId, Content, Emoji, Invalid, Message, MessageId, MessageKind, Person, Reactions, Rev, Seq,
    Timestamp, UserId,
};
use crate::chat::error::Error;
use crate::chat::limits::Act;
use crate::chat::storage::{LogEntry, LogKind, NewReaction};

/// Kinds of reactions to one message.
const MAX_REACTIONS: usize = 20;

/// Which message, and who wants to change it.
pub(in crate::chat) struct Target {
    pub(in crate::chat) chat: ChatId,
    pub(in crate::chat) message: MessageId,
}

/// `message-deleted`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct MessageDeleted<'a> {
    chat_id: &'a ChatId,
    rev: Rev,
    message_id: &'a MessageId,
    seq: Seq,
    deleted_by: &'a UserId,
    deleted_at: Timestamp,
}

/// `reaction-updated`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct ReactionUpdated<'a> {
    chat_id: &'a ChatId,
    rev: Rev,
    message_id: &'a MessageId,
    user_id: &'a UserId,
    emoji: &'a Emoji,
    added: bool,
    count: u32,
}

impl Target {
    /// The message, for somebody who may know of it.
    async fn find(&self, ledger: &mut Ledger<'_>, by: &Person) -> Result<(Access, Message), Error> {
        let access = access(ledger.db, &self.chat, &by.id, by.role).await?;
        let message = ledger.db.message(&self.chat, &self.message, &by.id).await?;
        Ok((
            access,
            message.ok_or(Error::NotFound("There is no such message in this chat"))?,
        ))
    }

    /// The message, for a participant.
    async fn find_as_participant(
        &self,
        ledger: &mut Ledger<'_>,
        by: &Person,
    ) -> Result<Message, Error> {
        let access = access(ledger.db, &self.chat, &by.id, by.role).await?;
        access.participant()?;
        Ok(self.find(ledger, by).await?.1)
    }
}

struct Edit {
    target: Target,
    by: Person,
    content: Content,
    if_version: Option<u64>,
    window_ms: i64,
}

impl Command for Edit {
    type Output = Message;

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Message, Error> {
        let mut message = self.target.find_as_participant(ledger, &self.by).await?;
        self.check(&message, ledger.now)?;
        let rev = ledger.db.next_change(&message.chat_id, None).await?;
        let (content, now) = (self.content.as_str(), ledger.now);
        ledger
            .db
            .edit_message(&message.id, content, rev, now)
            .await?;
        message.rev = rev;
        content.clone_into(&mut message.content);
        message.version += 1;
        message.edited_at = Some(now);
        let payload = encode(&message.clone().for_everyone())?;
        ledger
            .message_changed(&message, LogKind::MessageUpdated, payload, None)
            .await?;
        Ok(message)
    }
}

impl Edit {
    fn check(&self, message: &Message, now: Timestamp) -> Result<(), Error> {
        if message.sender_id.as_ref() != Some(&self.by.id) {
            return Err(Error::Forbidden("Only its author may change a message"));
        }
        if message.deleted_at.is_some() {
            return Err(Error::Conflict("The message has been deleted"));
        }
        if now.0 - message.created_at.0 >= self.window_ms {
            return Err(Error::EditWindowClosed);
        }
        match self.if_version {
            Some(version) if version != u64::from(message.version) => {
                Err(Error::Conflict("The message has changed meanwhile"))
            }
            _ => Ok(()),
        }
    }
}

struct Delete {
    target: Target,
    by: Person,
}

impl Command for Delete {
    type Output = Message;

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Message, Error> {
        let (access, mut message) = self.target.find(ledger, &self.by).await?;
        if message.kind == MessageKind::System {
            return Err(Error::Forbidden("What the system says cannot be deleted"));
        }
        if message.sender_id.as_ref() != Some(&self.by.id) || access.standing.role.is_none() {
            access.moderator()?;
        }
        if message.deleted_at.is_some() {
            return Ok(message);
        }
        let rev = ledger.db.next_change(&message.chat_id, None).await?;
        let now = ledger.now;
        ledger
            .db
            .delete_message(&message.id, &self.by.id, rev, now)
            .await?;
        message.rev = rev;
        message.content.clear();
        message.deleted_at = Some(now);
        let payload = encode(&MessageDeleted {
            chat_id: &message.chat_id,
            rev,
            message_id: &message.id,
            seq: message.seq,
            deleted_by: &self.by.id,
            deleted_at: now,
        })?;
        let kept = Some(payload.get().to_owned());
        ledger
            .message_changed(&message, LogKind::MessageDeleted, payload, kept)
            .await?;
        Ok(message)
    }
}

struct React {
    target: Target,
    by: Person,
    emoji: Emoji,
    wanted: bool,
}

impl Command for React {
    type Output = Reactions;

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Reactions, Error> {
        let message = self.target.find_as_participant(ledger, &self.by).await?;
        self.check(&message)?;
        let Self {
            by, emoji, wanted, ..
        } = self;
        let (wanted, now) = (*wanted, ledger.now);
        let new = NewReaction {
            message: &message.id,
            emoji,
            user: &by.id,
            wanted,
            now,
        };
        if !ledger.db.set_reaction(&new).await? {
            return Ok(message.reactions);
        }
        let rev = ledger.db.next_change(&message.chat_id, None).await?;
        ledger.db.touch_message(&message.id, rev).await?;
        let (_, message) = self.target.find(ledger, by).await?;
        let payload = encode(&ReactionUpdated {
            chat_id: &message.chat_id,
            rev,
            message_id: &message.id,
            user_id: &by.id,
            emoji,
            added: wanted,
            count: count(&message, emoji),
        })?;
        let kept = Some(payload.get().to_owned());
        ledger
            .message_changed(&message, LogKind::ReactionUpdated, payload, kept)
            .await?;
        Ok(message.reactions)
    }
}

impl React {
    fn check(&self, message: &Message) -> Result<(), Error> {
        if message.deleted_at.is_some() {
            return Err(Error::Conflict("The message has been deleted"));
        }
        let is_new = count(message, &self.emoji) == 0;
        if self.wanted && is_new && message.reactions.0.len() >= MAX_REACTIONS {
            return Err(Invalid::new("emoji", "cannot be added: 20 kinds are enough").into());
        }
        Ok(())
    }
}

fn count(message: &Message, emoji: &Emoji) -> u32 {
    let known = message
        .reactions
        .0
        .iter()
        .find(|reaction| reaction.emoji == emoji.as_str());
    known.map_or(0, |reaction| reaction.count)
}

impl Ledger<'_> {
    /// Logs a change of a message, and shows it to the room.
    async fn message_changed(
        &mut self,
        message: &Message,
        kind: LogKind,
        payload: Box<serde_json::value::RawValue>,
        kept: Option<String>,
    ) -> Result<(), Error> {
        let (rev, seq) = (message.rev, Some(message.seq));
        let entry = LogEntry {
            rev,
            kind,
            seq,
            payload: kept,
        };
        self.db
            .insert_log(&message.chat_id, &entry, self.now)
            .await?;
        let name = kind.as_str();
        self.say(&message.chat_id, Item::Logged { rev, name, payload });
        Ok(())
    }
}

impl Chat {
    /// Changes what a message says.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for everybody but its author,
    /// [`Error::EditWindowClosed`], [`Error::Conflict`].
    pub(in crate::chat) async fn edit(
        self: &Arc<Self>,
        actor: &Actor,
        target: Target,
        content: Content,
        if_version: Option<u64>,
    ) -> Result<Message, Error> {
        let window_ms = i64::try_from(self.config.edit_window.as_millis()).unwrap_or(i64::MAX);
        self.commit(Edit {
            target,
            by: actor.user.person(),
            content,
            if_version,
            window_ms,
        })
        .await
    }

    /// Deletes a message; a tombstone stays. Once more changes nothing.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for members who are not its author.
    pub(in crate::chat) async fn delete(
        self: &Arc<Self>,
        actor: &Actor,
        target: Target,
    ) -> Result<Message, Error> {
        self.commit(Delete {
            target,
            by: actor.user.person(),
        })
        .await
    }

    /// Adds a reaction to a message, or takes it away. Once more changes
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the message is deleted.
    pub(in crate::chat) async fn react(
        self: &Arc<Self>,
        actor: &Actor,
        target: Target,
        emoji: Emoji,
        wanted: bool,
    ) -> Result<Reactions, Error> {
        self.limits
            .count(Act::Mark, actor.user.id.as_str(), Instant::now())?;
        self.commit(React {
            target,
            by: actor.user.person(),
            emoji,
            wanted,
        })
        .await
    }
}
