//! What somebody missed: the log of a chat after a `rev` (CONTRACT sections
//! 5 and 9).

use std::collections::HashMap;

use super::ledger::{ChatUpdated, encode};
use super::sessions::Actor;
use crate::chat::Chat;
use crate::chat::domain::{
    self, CatchUp, ChatId, LoggedEvent, Message, MessageId, Rev, Seq, Timestamp, UserId,
};
use crate::chat::error::Error;
use crate::chat::storage::{Head, LogEntry, LogKind, Read};

/// Events in one answer to `join-chat` and `sync`.
pub(in crate::chat) const CATCH_UP_EVENTS: u32 = 100;

/// `message-deleted`.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageDeleted<'a> {
    chat_id: &'a ChatId,
    rev: Rev,
    message_id: &'a MessageId,
    seq: Seq,
    deleted_by: Option<&'a UserId>,
    deleted_at: Option<Timestamp>,
}

impl Chat {
    /// Where a chat stands, and what came after `since`.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`] for everybody who is not in it.
    pub(in crate::chat) async fn catch_up(
        &self,
        actor: &Actor,
        chat: &ChatId,
        since: Option<Rev>,
        limit: u32,
    ) -> Result<CatchUp, Error> {
        let mut read = self.store.read().await?;
        let head = match read.head(chat, &actor.user.id).await? {
            Some(head) => head,
            None => return Err(self.stranger(read.as_mut(), actor, chat).await),
        };
        let reset = since.is_some_and(|since| !reaches(&head, since));
        let mut answer = CatchUp {
            chat_id: chat.clone(),
            rev: head.rev,
            last_seq: head.last_seq,
            read_seq: head.read_seq,
            events: Vec::new(),
            more: false,
            reset,
        };
        if let Some(since) = since.filter(|since| !reset && *since < head.rev) {
            let mut entries = read.log(chat, since, head.rev, limit + 1).await?;
            answer.more = entries.len() > limit as usize;
            entries.truncate(limit as usize);
            answer.events = spell_out(read.as_mut(), chat, entries).await?;
        }
        Ok(answer)
    }

    /// Why somebody who is not in a chat gets nothing from it.
    async fn stranger(&self, read: &mut dyn Read, actor: &Actor, chat: &ChatId) -> Error {
        let user = &actor.user;
        match super::access::access(read, chat, &user.id, user.role).await {
            Ok(access) => access.participant().err().unwrap_or(Error::ChatNotFound),
            Err(error) => error,
        }
    }
}

/// Whether the log has everything after `since`.
fn reaches(head: &Head, since: Rev) -> bool {
    let first_missed = since.0 + 1;
    since <= head.rev
        && (since == head.rev || head.oldest.is_some_and(|oldest| oldest.0 <= first_missed))
}

/// The entries as the live events that they were.
async fn spell_out(
    read: &mut dyn Read,
    chat_id: &ChatId,
    entries: Vec<LogEntry>,
) -> Result<Vec<LoggedEvent>, Error> {
    let seqs: Vec<Seq> = entries.iter().filter_map(|entry| entry.seq).collect();
    let messages = read.messages_by_seq(chat_id, &seqs).await?;
    let messages: HashMap<Seq, Message> = messages
        .into_iter()
        .map(|message| (message.seq, message))
        .collect();
    let wants_chat = |entry: &LogEntry| entry.payload.is_none() && entry.seq.is_none();
    let chat = match entries.iter().any(wants_chat) {
        true => read.chat_for_everyone(chat_id).await?,
        false => None,
    };
    let mut events = Vec::with_capacity(entries.len());
    for entry in entries {
        let (rev, event) = (entry.rev, entry.kind.as_str());
        let message = entry.seq.and_then(|seq| messages.get(&seq));
        if let Some(payload) = payload(chat_id, entry, message, chat.as_ref())? {
            events.push(LoggedEvent {
                rev,
                event,
                payload,
            });
        }
    }
    Ok(events)
}

type Payload = Box<serde_json::value::RawValue>;

/// None when the chat was deleted while this was put together.
fn payload(
    chat_id: &ChatId,
    entry: LogEntry,
    message: Option<&Message>,
    chat: Option<&domain::Chat>,
) -> Result<Option<Payload>, Error> {
    if let Some(json) = entry.payload {
        let payload = serde_json::value::RawValue::from_string(json);
        return payload.map(Some).map_err(|error| {
            tracing::error!(%error, "the log has a payload that is no JSON");
            Error::Internal
        });
    }
    let rev = entry.rev;
    match (entry.kind, message, chat) {
        (LogKind::NewMessage | LogKind::MessageUpdated, Some(message), _) => {
            // As it is now, under the number of this change: a client that
            // counts by it must not skip what lies in between.
            encode(&Message {
                rev,
                ..message.clone()
            })
            .map(Some)
        }
        (LogKind::MessageDeleted, Some(message), _) => {
            let deleted = MessageDeleted {
                chat_id,
                rev,
                message_id: &message.id,
                seq: message.seq,
                deleted_by: None,
                deleted_at: message.deleted_at,
            };
            encode(&deleted).map(Some)
        }
        (LogKind::ChatUpdated, _, Some(chat)) => {
            let chat = domain::Chat {
                rev,
                ..chat.clone()
            };
            encode(&ChatUpdated {
                chat_id,
                rev,
                chat: &chat,
            })
            .map(Some)
        }
        _ => Ok(None),
    }
}
