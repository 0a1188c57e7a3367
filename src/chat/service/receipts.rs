//! How far people have read, and how far messages have reached them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::access::{Access, access};
use super::ledger::{Command, Ledger, encode};
use super::publishing::Item;
use super::sessions::Actor;
use crate::chat::Chat;
use crate::chat::domain::{ChatId, Invalid, Person, Seq, Timestamp, UserId};
use crate::chat::error::Error;
use crate::chat::limits::Act;
use crate::chat::storage::Asked;

/// The answer to `mark-read`.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct ReadState {
    read_seq: Seq,
    unread_count: u32,
}

/// `message-read` and `message-delivered`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct Receipt<'a> {
    chat_id: &'a ChatId,
    user_id: &'a UserId,
    seq: Seq,
    at: Timestamp,
}

/// `unread-updated`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct UnreadUpdated<'a> {
    chat_id: &'a ChatId,
    #[serde(flatten)]
    state: &'a ReadState,
}

struct MarkRead {
    chat: ChatId,
    reader: Person,
    seq: Seq,
}

impl Command for MarkRead {
    type Output = ReadState;

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<ReadState, Error> {
        let Self { chat, reader, seq } = self;
        let access = access(ledger.db, chat, &reader.id, reader.role).await?;
        check_position(&access, *seq, "seq")?;
        let raised = ledger.raise_read(chat, &reader.id, *seq).await?;
        if raised {
            ledger.receipt("message-read", chat, &reader.id, *seq)?;
        }
        let state = ledger.read_state(chat, &reader.id).await?;
        if raised {
            ledger.unread_updated(chat, &reader.id, &state)?;
        }
        Ok(state)
    }
}

struct MarkDelivered {
    receiver: Person,
    items: Vec<(ChatId, Seq)>,
}

impl Command for MarkDelivered {
    type Output = ();

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<(), Error> {
        let receiver = &self.receiver.id;
        self.check(ledger).await?;
        // Of a chat that is named more than once the furthest counts.
        let mut furthest = BTreeMap::new();
        for (chat, seq) in &self.items {
            let known = furthest.entry(chat.clone()).or_insert(*seq);
            *known = seq.max(known).to_owned();
        }
        let positions: Vec<_> = furthest.into_iter().collect();
        for (chat, seq) in ledger.db.raise_delivered(receiver, &positions).await? {
            ledger.receipt("message-delivered", &chat, receiver, seq)?;
        }
        Ok(())
    }
}

impl MarkDelivered {
    /// Asks for all chats at once.
    async fn check(&self, ledger: &mut Ledger<'_>) -> Result<(), Error> {
        let asked = self.items.iter().map(|(chat, _)| Asked {
            chat,
            sender: &self.receiver.id,
            client_msg_id: None,
        });
        let asked: Vec<_> = asked.collect();
        let found = ledger.db.look_up(&asked).await?;
        for ((_, seq), found) in self.items.iter().zip(found) {
            let access = Access::of(found.standing, self.receiver.role)?;
            check_position(&access, *seq, "items")?;
        }
        Ok(())
    }
}

/// A position must be one that the chat has reached.
fn check_position(access: &Access, seq: Seq, field: &'static str) -> Result<(), Error> {
    access.participant()?;
    if seq > access.standing.last_seq {
        return Err(Invalid::new(field, "must not be above the last message").into());
    }
    Ok(())
}

impl Ledger<'_> {
    async fn read_state(&mut self, chat: &ChatId, user: &UserId) -> Result<ReadState, Error> {
        let state = self.db.unread(chat, user).await?;
        let (read_seq, unread_count) = state.ok_or(Error::ChatNotFound)?;
        Ok(ReadState {
            read_seq,
            unread_count,
        })
    }

    fn receipt(
        &mut self,
        name: &'static str,
        chat_id: &ChatId,
        user_id: &UserId,
        seq: Seq,
    ) -> Result<(), Error> {
        let payload = encode(&Receipt {
            chat_id,
            user_id,
            seq,
            at: self.now,
        })?;
        self.say(chat_id, Item::Event { name, payload });
        Ok(())
    }

    fn unread_updated(
        &mut self,
        chat_id: &ChatId,
        user: &UserId,
        state: &ReadState,
    ) -> Result<(), Error> {
        let item = unread_updated(chat_id, user, state)?;
        self.say(chat_id, item);
        Ok(())
    }

    /// As [`read_by_sending`].
    pub(super) fn read_by_sending(
        &mut self,
        chat: &ChatId,
        user: &UserId,
        seq: Seq,
    ) -> Result<(), Error> {
        let item = read_by_sending(chat, user, seq)?;
        self.say(chat, item);
        Ok(())
    }
}

fn unread_updated(chat_id: &ChatId, user: &UserId, state: &ReadState) -> Result<Item, Error> {
    Ok(Item::ToPerson {
        user: user.clone(),
        name: "unread-updated",
        payload: encode(&UnreadUpdated { chat_id, state })?,
    })
}

/// Somebody has sent a message while others were not marked as read: their
/// devices learn that they are now. The room sees it by the message.
pub(super) fn read_by_sending(chat: &ChatId, user: &UserId, seq: Seq) -> Result<Item, Error> {
    let state = ReadState {
        read_seq: seq,
        unread_count: 0,
    };
    unread_updated(chat, user, &state)
}

impl Chat {
    /// Marks everything up to `seq` as read; never less than before.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the chat has not come that far.
    pub(in crate::chat) async fn mark_read(
        self: &Arc<Self>,
        actor: &Actor,
        chat: ChatId,
        seq: Seq,
    ) -> Result<ReadState, Error> {
        self.limits
            .count(Act::Mark, actor.user.id.as_str(), Instant::now())?;
        self.commit(MarkRead {
            chat,
            reader: actor.user.person(),
            seq,
        })
        .await
    }

    /// Marks messages of several chats as having reached somebody.
    ///
    /// # Errors
    /// As [`Chat::mark_read`]; then nothing is marked.
    pub(in crate::chat) async fn mark_delivered(
        self: &Arc<Self>,
        actor: &Actor,
        items: Vec<(ChatId, Seq)>,
    ) -> Result<(), Error> {
        self.limits
            .count(Act::Mark, actor.user.id.as_str(), Instant::now())?;
        self.commit(MarkDelivered {
            receiver: actor.user.person(),
            items,
        })
        .await
    }
}
