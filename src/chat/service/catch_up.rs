//! What somebody missed: the log of a chat after a `rev` (CONTRACT sections
//! 5 and 9).

use std::collections::HashMap;
use std::time::Instant;

use super::ledger::{ChatUpdated, encode};
use super::recent::Missed;
use super::sessions::Actor;
use crate::chat::Chat;
use crate::chat::domain::{self, CatchUp, ChatId, LoggedEvent, Message, Rev, Seq, UserId};
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
        let user = &actor.user.id;
        let limit = budget.events.min(CATCH_UP_EVENTS) as usize;
        let mut place = self.place(user, chat, since, limit).await?;
        if let Some((_, _, Some(Missed::Past))) = &place {
            self.recall(chat).await?;
            place = self.place(user, chat, since, limit).await?;
        }
        let Some((head, read_seq, missed)) = place else {
            return Err(self.stranger(actor, chat).await);
        };
        let missed = match (missed, since) {
            (Some(Missed::Older | Missed::Past), Some(since)) => {
                self.older(user, chat, since, &head, limit).await?
            }
            (missed, _) => missed.unwrap_or(Missed::Events(Vec::new(), false)),
        };
        let reset = matches!(missed, Missed::Reset);
        let (mut events, mut more) = match missed {
            Missed::Events(events, more) => (events, more),
            Missed::Past | Missed::Older | Missed::Reset => (Vec::new(), false),
        };
        more |= budget.take(&mut events);
        Ok(CatchUp {
            chat_id: chat.clone(),
            rev: head.rev,
            last_seq: head.last_seq,
            read_seq,
            events,
            more,
            reset,
        })
    }

    /// Where a chat stands for a participant, and what they missed.
    async fn place(
        &self,
        user: &UserId,
        chat: &ChatId,
        since: Option<Rev>,
        limit: usize,
    ) -> Result<Option<(Head, Seq, Option<Missed>)>, Error> {
        let place = self.recent(chat, |snapshot| {
            let Some((head, read_seq)) = snapshot.head(user) else {
                return Ok::<_, Error>(None);
            };
            let missed = since.map(|since| snapshot.missed(since, limit));
            Ok(Some((head, read_seq, missed.transpose()?)))
        });
        Ok(place.await?.transpose()?.flatten())
    }

    /// What only the database still has.
    async fn older(
        &self,
        user: &UserId,
        chat: &ChatId,
        since: Rev,
        head: &Head,
        limit: usize,
    ) -> Result<Missed, Error> {
        let mut read = self.store.read().await?;
        let wanted = u32::try_from(limit + 1).unwrap_or(u32::MAX);
        let mut entries = read.log(chat, Some(user), since, head.rev, wanted).await?;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let events = spell_out(read.as_mut(), chat, entries).await?;
        Ok(Missed::Events(events, more))
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
    async fn stranger(&self, actor: &Actor, chat: &ChatId) -> Error {
        let refused = self.ask_participant(actor, chat).await.err();
        refused.unwrap_or(Error::ChatNotFound)
    }
}

/// The entries as the live events that they were.
pub(super) async fn spell_out(
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
