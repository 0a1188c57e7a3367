//! What somebody missed: the log of a chat after a `rev` (CONTRACT sections
//! 5 and 9).

use std::collections::HashMap;
use std::time::Instant;

use super::ledger::{ChatUpdated, encode};
use super::sessions::Actor;
use crate::chat::Chat;
use crate::chat::domain::{self, CatchUp, ChatId, LoggedEvent, Message, Rev, Seq};
use crate::chat::error::Error;
use crate::chat::limits::Act;
use crate::chat::storage::{Head, LogEntry, LogKind, Read};

/// Events of one chat in one answer.
pub(in crate::chat) const CATCH_UP_EVENTS: u32 = 100;

/// Events of all chats in one answer to `sync`.
const SYNC_EVENTS: u32 = 1000;

/// Bytes of payload in one answer; one event may be larger.
const CATCH_UP_BYTES: usize = 512 * 1024;

/// What is left of an answer's size, over all chats that it is about.
pub(in crate::chat) struct Budget {
    events: u32,
    bytes: usize,
}

impl Budget {
    /// For up to so many events.
    pub(in crate::chat) fn events(events: u32) -> Self {
        Self {
            events,
            bytes: CATCH_UP_BYTES,
        }
    }

    /// Cuts what is over the budget off; true when something was.
    fn take(&mut self, events: &mut Vec<LoggedEvent>) -> bool {
        let mut fits = 0;
        for event in events.iter() {
            let size = event.payload.get().len();
            // The first one always fits, or a client would never get past it.
            let whole = self.bytes == CATCH_UP_BYTES;
            if self.events == 0 || (size > self.bytes && !whole) {
                break;
            }
            self.events -= 1;
            self.bytes = self.bytes.saturating_sub(size);
            fits += 1;
        }
        let cut = fits < events.len();
        events.truncate(fits);
        cut
    }
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
        budget: &mut Budget,
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
            let limit = budget.events.min(CATCH_UP_EVENTS);
            let mut entries = read.log(chat, since, head.rev, limit + 1).await?;
            answer.more = entries.len() > limit as usize;
            entries.truncate(limit as usize);
            answer.events = spell_out(read.as_mut(), chat, entries).await?;
            answer.more |= budget.take(&mut answer.events);
        }
        Ok(answer)
    }

    /// The same for several chats at once, without joining them. What cannot be
    /// told about one chat says nothing about the others.
    ///
    /// # Errors
    /// [`Error::RateLimited`]; [`Error::Unavailable`] for all of them.
    pub(in crate::chat) async fn sync(
        &self,
        actor: &Actor,
        positions: Vec<(ChatId, Rev)>,
    ) -> Result<Vec<(ChatId, Result<CatchUp, Error>)>, Error> {
        self.limits
            .count(Act::Join, actor.user.id.as_str(), Instant::now())?;
        let mut budget = Budget::events(SYNC_EVENTS);
        let mut answers = Vec::with_capacity(positions.len());
        for (chat, since) in positions {
            let answer = self.catch_up(actor, &chat, Some(since), &mut budget).await;
            match answer {
                Err(error) if error.is_retryable() => return Err(error),
                answer => answers.push((chat, answer)),
            }
        }
        Ok(answers)
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
