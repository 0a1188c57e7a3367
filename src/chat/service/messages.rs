//! Messages: sending them, and reading what was said.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::access::access;
use super::ledger::{Command, Ledger, Text};
use super::posting::Post;
use super::sessions::Actor;
use crate::chat::Chat;
use crate::chat::domain::{
    ChatId, ClientMsgId, Content, Fields, Invalid, Message, MessageId, Person, Rev, Seq, UserId,
};
use crate::chat::error::Error;
use crate::chat::limits::Act;
use crate::chat::storage::Page;

/// People whom one message can name.
const MAX_MENTIONS: usize = 50;

/// `GET /api/chats/:id/messages`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct HistoryPage {
    messages: Vec<Message>,
    has_more_before: bool,
    has_more_after: bool,
    last_seq: Seq,
    rev: Rev,
}

/// A message that somebody wants to send.
pub(in crate::chat) struct Draft {
    pub(in crate::chat) content: Content,
    pub(in crate::chat) client_msg_id: Option<ClientMsgId>,
    pub(in crate::chat) reply_to: Option<MessageId>,
    pub(in crate::chat) mentions: Vec<UserId>,
}

impl Draft {
    /// From the body of a request or the argument of an event.
    ///
    /// # Errors
    /// The field that is missing or wrong.
    pub(in crate::chat) fn read(body: &Fields) -> Result<Self, Invalid> {
        Ok(Self {
            content: body.required("content")?,
            client_msg_id: body.optional("clientMsgId")?,
            reply_to: body.optional("replyTo")?,
            mentions: body.list("mentions", MAX_MENTIONS)?,
        })
    }

    /// What makes a repeat of a `clientMsgId` the same body.
    fn hash(&self) -> [u8; 32] {
        let parts = (&self.content, &self.reply_to, &self.mentions);
        Sha256::digest(serde_json::to_vec(&parts).unwrap_or_default()).into()
    }
}

/// A message that is stored.
pub(in crate::chat) struct Sent {
    pub(in crate::chat) message: Arc<Message>,
    /// It had been stored before.
    pub(in crate::chat) duplicate: bool,
}

/// Sends a message.
pub(super) struct Send {
    pub(super) chat: ChatId,
    pub(super) sender: Person,
    pub(super) draft: Draft,
    /// Of the body, when there is a `clientMsgId`.
    hash: Option<[u8; 32]>,
}

impl Command for Send {
    type Output = Sent;

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<Sent, Error> {
        let Self {
            chat,
            sender,
            draft: Draft {
                reply_to, mentions, ..
            },
            ..
        } = self;
        let access = access(ledger.db, chat, &sender.id, sender.role).await?;
        access.participant()?;
        if let Some(message) = self.repeated(ledger).await? {
            return Ok(Sent {
                message: Arc::new(message),
                duplicate: true,
            });
        }
        self.check_references(ledger).await?;
        let text = Text {
            reply_to: reply_to.as_ref(),
            mentions,
            ..self.text()
        };
        let message = ledger.append_text(chat, &text).await?;
        if access.standing.read_seq < access.standing.last_seq {
            ledger.read_by_sending(chat, &sender.id, message.seq)?;
        }
        Ok(Sent {
            message,
            duplicate: false,
        })
    }
}

impl Send {
    fn new(chat: ChatId, sender: Person, draft: Draft) -> Self {
        let hash = draft.client_msg_id.as_ref().map(|_| draft.hash());
        Self {
            chat,
            sender,
            draft,
            hash,
        }
    }

    /// Whether it names a message or people: that takes questions of its own.
    fn refers(&self) -> bool {
        self.draft.reply_to.is_some() || !self.draft.mentions.is_empty()
    }

    /// What it says, without what it refers to.
    pub(super) fn text(&self) -> Text<'_> {
        Text {
            sender: &self.sender,
            content: self.draft.content.as_str(),
            client_msg_id: self.draft.client_msg_id.as_ref(),
            body_hash: self.body_hash(),
            reply_to: None,
            mentions: &[],
        }
    }

    pub(super) fn body_hash(&self) -> Option<&[u8]> {
        self.hash.as_ref().map(<[u8; 32]>::as_slice)
    }

    /// What the sender stored under the same `clientMsgId`, as it is now.
    async fn repeated(&self, ledger: &mut Ledger<'_>) -> Result<Option<Message>, Error> {
        let (Some(id), Some(hash)) = (&self.draft.client_msg_id, &self.hash) else {
            return Ok(None);
        };
        match ledger.db.repeat(&self.chat, &self.sender.id, id).await? {
            None => Ok(None),
            Some(repeat) if repeat.body_hash == hash => Ok(Some(repeat.message)),
            Some(_) => Err(Error::IdempotencyMismatch),
        }
    }

    async fn check_references(&self, ledger: &mut Ledger<'_>) -> Result<(), Error> {
        let Draft {
            reply_to, mentions, ..
        } = &self.draft;
        if let Some(id) = reply_to
            && ledger
                .db
                .message(&self.chat, id, &self.sender.id)
                .await?
                .is_none()
        {
            return Err(Invalid::new("replyTo", "must be a message of this chat").into());
        }
        if !mentions.is_empty()
            && ledger.db.members_among(&self.chat, mentions).await?.len() != mentions.len()
        {
            return Err(Invalid::new("mentions", "must be participants of this chat").into());
        }
        Ok(())
    }
}

impl Chat {
    /// Stores a message. Nothing is awaited before it is queued, so messages of
    /// one socket are stored in the order in which they were sent.
    ///
    /// # Errors
    /// [`Error::IdempotencyMismatch`] when its `clientMsgId` was used for another.
    pub(in crate::chat) async fn send(
        self: &Arc<Self>,
        actor: &Actor,
        chat: ChatId,
        mut draft: Draft,
    ) -> Result<Sent, Error> {
        self.limits
            .count(Act::Send, actor.user.id.as_str(), Instant::now())?;
        let mut seen = std::collections::HashSet::new();
        draft.mentions.retain(|user| seen.insert(user.clone()));
        let command = Send::new(chat.clone(), actor.user.person(), draft);
        let sent = match command.refers() {
            true => self.commit(command).await?,
            false => {
                self.outcome(command, |pending| Box::new(Post(pending)))
                    .await?
            }
        };
        self.live.stop_typing(&chat, &actor.user.id);
        Ok(sent)
    }

    /// A page of messages.
    pub(in crate::chat) async fn history(
        &self,
        actor: &Actor,
        chat: &ChatId,
        page: Page,
    ) -> Result<HistoryPage, Error> {
        let history = self
            .store
            .read()
            .await?
            .history(chat, &actor.viewer(), page)
            .await?;
        let history = history.ok_or(Error::ChatNotFound)?;
        Ok(HistoryPage {
            messages: history.messages,
            has_more_before: history.has_more_before,
            has_more_after: history.has_more_after,
            last_seq: history.last_seq,
            rev: history.rev,
        })
    }
}
