//! Commands, and the transaction that they run in.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::to_raw_value;
use tokio::sync::oneshot;

use super::publishing::Item;
use crate::chat::Chat;
use crate::chat::domain::{
    self, ChatId, Message, MessageId, MessageKind, Reactions, Rev, Seq, SystemFact, Timestamp,
};
use crate::chat::error::Error;
use crate::chat::storage::failpoint;
use crate::chat::storage::{
    Answer, Job, LogEntry, LogKind, NewMessage, StoreError, Verdict, Write,
};

/// How long somebody waits for the outcome of a command. It stays open after
/// that: the command may yet be committed.
const PATIENCE: Duration = Duration::from_secs(15);

/// Up to this many participants the log keeps a copy of the chat with each
/// change. For larger chats catch-up shows the chat as it is by then: a copy
/// for each of a thousand joins would be as large as all of its messages.
const MAX_LOGGED_PARTICIPANTS: usize = 64;

/// Something that changes what is stored. All of it happens, or nothing.
pub(super) trait Command: Send + Sync + 'static {
    /// What comes of it.
    type Output: Send + 'static;
    /// Does it. It may run again when the transaction had to be repeated.
    fn apply(
        &self,
        ledger: &mut Ledger<'_>,
    ) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

/// An open transaction, and what has to be said once it is committed.
pub(super) struct Ledger<'a> {
    pub(super) db: &'a mut dyn Write,
    pub(super) now: Timestamp,
    said: Vec<(ChatId, Item)>,
    read: Vec<(ChatId, domain::UserId, Seq)>,
}

/// A chat change as it is broadcast.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::chat) struct ChatUpdated<'a> {
    pub(super) chat_id: &'a ChatId,
    pub(super) rev: Rev,
    pub(super) chat: &'a domain::Chat,
}

/// A text that somebody writes, already checked.
pub(super) struct Text<'a> {
    pub(super) sender: &'a domain::Person,
    pub(super) content: &'a str,
    pub(super) client_msg_id: Option<&'a domain::ClientMsgId>,
    pub(super) body_hash: Option<&'a [u8]>,
    pub(super) reply_to: Option<&'a MessageId>,
    pub(super) mentions: &'a [domain::UserId],
}

impl Text<'_> {
    /// The message that it makes of a blank one.
    pub(super) fn message(&self, blank: Message) -> Message {
        Message {
            sender_id: Some(self.sender.id.clone()),
            sender: Some(self.sender.clone()),
            kind: MessageKind::Text,
            content: self.content.to_owned(),
            client_msg_id: self.client_msg_id.map(|id| id.as_str().to_owned()),
            reply_to: self.reply_to.cloned(),
            mentions: self.mentions.to_vec(),
            ..blank
        }
    }
}

impl Ledger<'_> {
    /// Says something about a chat after the commit, in its turn.
    pub(super) fn say(&mut self, chat: &ChatId, item: Item) {
        self.said.push((chat.clone(), item));
    }

    /// Raises how far somebody has read; false when they had already.
    pub(super) async fn raise_read(
        &mut self,
        chat: &ChatId,
        user: &domain::UserId,
        seq: Seq,
    ) -> Result<bool, Error> {
        let raised = self.db.raise_read(chat, user, seq).await?;
        if raised {
            self.read.push((chat.clone(), user.clone(), seq));
        }
        Ok(raised)
    }

    /// Appends a message of a person, who has then read up to it.
    pub(super) async fn append_text(
        &mut self,
        chat: &ChatId,
        text: &Text<'_>,
    ) -> Result<Arc<Message>, Error> {
        let (seq, rev) = self.db.next_message(chat, self.now).await?;
        let message = Arc::new(text.message(blank(chat, seq, rev, self.now)));
        self.store(&message, text.client_msg_id, text.body_hash)
            .await?;
        self.db.raise_read(chat, &text.sender.id, seq).await?;
        Ok(message)
    }

    /// Appends what the system has to say about a chat.
    pub(super) async fn append_fact(
        &mut self,
        chat: &ChatId,
        fact: SystemFact,
    ) -> Result<(), Error> {
        let (seq, rev) = self.db.next_message(chat, self.now).await?;
        let message = Message {
            content: fact.text(),
            system: Some(fact),
            ..blank(chat, seq, rev, self.now)
        };
        self.store(&Arc::new(message), None, None).await
    }

    async fn store(
        &mut self,
        message: &Arc<Message>,
        client_msg_id: Option<&domain::ClientMsgId>,
        body_hash: Option<&[u8]>,
    ) -> Result<(), Error> {
        let new = row(message, client_msg_id, body_hash);
        self.db.insert_message(&new).await?;
        let (rev, seq) = (message.rev, Some(message.seq));
        let entry = LogEntry {
            rev,
            kind: LogKind::NewMessage,
            seq,
            payload: None,
        };
        self.db
            .insert_log(&message.chat_id, &entry, self.now)
            .await?;
        self.say(&message.chat_id, Item::Message(Arc::clone(message)));
        Ok(())
    }

    /// Logs that the chat itself has changed, and shows it as it is now.
    pub(super) async fn chat_updated(&mut self, chat_id: &ChatId) -> Result<domain::Chat, Error> {
        let rev = self.db.next_change(chat_id, Some(self.now)).await?;
        let chat = self
            .db
            .chat_for_everyone(chat_id)
            .await?
            .ok_or(Error::ChatNotFound)?;
        let payload = encode(&ChatUpdated {
            chat_id,
            rev,
            chat: &chat,
        })?;
        let kept = chat.participants.len() <= MAX_LOGGED_PARTICIPANTS;
        let entry = LogEntry {
            rev,
            kind: LogKind::ChatUpdated,
            seq: None,
            payload: kept.then(|| payload.get().to_owned()),
        };
        self.db.insert_log(chat_id, &entry, self.now).await?;
        let name = LogKind::ChatUpdated.as_str();
        self.say(chat_id, Item::Logged { rev, name, payload });
        Ok(chat)
    }
}

/// A message as it is stored.
pub(super) fn row<'a>(
    message: &'a Message,
    client_msg_id: Option<&'a domain::ClientMsgId>,
    body_hash: Option<&'a [u8]>,
) -> NewMessage<'a> {
    NewMessage {
        id: &message.id,
        chat: &message.chat_id,
        seq: message.seq,
        rev: message.rev,
        sender: message.sender_id.as_ref(),
        content: &message.content,
        client_msg_id,
        body_hash,
        reply_to: message.reply_to.as_ref(),
        mentions: &message.mentions,
        system: message.system.as_ref(),
        now: message.created_at,
    }
}

/// A message of the system that says nothing yet.
pub(super) fn blank(chat: &ChatId, seq: Seq, rev: Rev, now: Timestamp) -> Message {
    Message {
        id: MessageId::generate(),
        chat_id: chat.clone(),
        seq,
        rev,
        sender_id: None,
        sender: None,
        kind: MessageKind::System,
        content: String::new(),
        client_msg_id: None,
        reply_to: None,
        mentions: Vec::new(),
        reactions: Reactions::default(),
        version: 1,
        created_at: now,
        edited_at: None,
        deleted_at: None,
        system: None,
    }
}

/// JSON that cannot fail to be made, short of a fault of ours.
pub(super) fn encode<T: serde::Serialize>(
    value: &T,
) -> Result<Box<serde_json::value::RawValue>, Error> {
    to_raw_value(value).map_err(|error| {
        tracing::error!(%error, "an event could not be encoded");
        Error::Internal
    })
}

impl Chat {
    /// Commits a command. When it comes back, what it changed is durable, and
    /// what has to be said about it is queued.
    ///
    /// # Errors
    /// The command's own; [`Error::Unavailable`] when the outcome is open.
    pub(super) async fn commit<C: Command>(
        self: &Arc<Self>,
        command: C,
    ) -> Result<C::Output, Error> {
        self.outcome(command, |pending| Box::new(pending)).await
    }

    /// Queues a command as a job of some kind, and waits for its outcome.
    pub(super) async fn outcome<C: Command>(
        self: &Arc<Self>,
        command: C,
        job: impl FnOnce(Pending<C>) -> Box<dyn Job>,
    ) -> Result<C::Output, Error> {
        self.publishing.admit().await;
        let (reply, answer) = oneshot::channel();
        let pending = Pending::new(self, command, Some(reply));
        self.writer.submit(job(pending)).await?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(Error::Unavailable),
        }
    }

    /// Queues a command whose outcome nobody waits for.
    pub(super) async fn enqueue<C: Command>(self: &Arc<Self>, command: C) {
        let pending = Pending::new(self, command, None);
        if let Err(error) = self.writer.submit(Box::new(pending)).await {
            tracing::warn!(%error, "a change could not be queued");
        }
    }
}

/// A command in the writer's queue.
pub(super) struct Pending<C: Command> {
    pub(super) chat: Arc<Chat>,
    pub(super) command: C,
    reply: Option<Reply<C>>,
    /// What came of it, if the commit succeeds.
    pub(super) outcome: Option<Result<C::Output, Error>>,
    /// What has to be said then.
    pub(super) said: Vec<(ChatId, Item)>,
    /// Who has then read up to where.
    read: Vec<(ChatId, domain::UserId, Seq)>,
}

impl<C: Command> Pending<C> {
    pub(super) fn new(chat: &Arc<Chat>, command: C, reply: Option<Reply<C>>) -> Self {
        Self {
            chat: Arc::clone(chat),
            command,
            reply,
            outcome: None,
            said: Vec::new(),
            read: Vec::new(),
        }
    }
}

/// Where whoever waits for a command is told.
type Reply<C> = oneshot::Sender<Result<<C as Command>::Output, Error>>;

impl<C: Command> Job for Pending<C> {
    fn run<'a>(&'a mut self, connection: &'a mut dyn Write) -> Answer<'a, Verdict> {
        Box::pin(async move {
            let now = self.chat.now();
            let mut ledger = Ledger {
                db: connection,
                now,
                said: Vec::new(),
                read: Vec::new(),
            };
            let outcome = self.command.apply(&mut ledger).await;
            let verdict = match outcome {
                Ok(_) => Ok(Verdict::Keep),
                // That is storage speaking, not a rule.
                Err(Error::Unavailable) => Err(StoreError::NotCommitted),
                Err(_) => Ok(Verdict::Undo),
            };
            (self.said, self.read) = (ledger.said, ledger.read);
            self.outcome = Some(outcome);
            verdict
        })
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Err(error), _) => Err(error.into()),
            (Ok(()), None) => Err(Error::Internal),
        };
        if outcome.is_ok() {
            self.chat
                .recent
                .note(&self.said, &self.read, Instant::now());
            failpoint::crash(failpoint::BEFORE_PUBLISH);
            self.chat.publish(self.said);
        }
        failpoint::crash(failpoint::BEFORE_ACK);
        if let Some(reply) = self.reply {
            // Whoever asked may have given up waiting.
            let _ = reply.send(outcome);
        }
    }
}
