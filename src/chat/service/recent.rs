//! Chats that people come back to: where each stands, who is in it, and its
//! last changes. After a restart thousands ask for the same; one of them asks
//! the database, and the others wait for its answer.
//!
//! What is kept is brought up to date by each commit before that is told, or
//! forgotten; so nobody reads here what was true before an answer that they have.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::value::RawValue;
use tokio::sync::OnceCell;

use super::catch_up::spell_out;
use super::ledger::encode;
use super::publishing::Item;
use crate::chat::Chat;
use crate::chat::domain::{ChatId, LoggedEvent, Message, Rev, Seq, UserId};
use crate::chat::error::Error;
use crate::chat::storage::{Head, LogKind};

/// Changes that are kept of one chat.
const RING: u32 = 256;

/// Bytes of text that are kept of one chat.
const RING_BYTES: usize = 128 * 1024;

/// Chats that are kept.
const CHATS: usize = 512;

/// A chat that nobody has come back to for so long is forgotten.
const UNUSED: Duration = Duration::from_secs(60);

/// All chats that are kept.
#[derive(Default)]
pub(in crate::chat) struct Recent {
    chats: Mutex<HashMap<ChatId, Entry>>,
}

struct Entry {
    flight: Arc<Flight>,
    used: Instant,
}

/// Questions to the database, and their answers for everybody who waits.
#[derive(Default)]
struct Flight {
    /// None when there is no such chat; an error once for all who wait.
    place: OnceCell<Result<Option<Mutex<Snapshot>>, Error>>,
    /// The changes before those that were seen live; asked for when somebody
    /// has missed them.
    past: OnceCell<Result<(), Error>>,
}

impl Flight {
    fn landed(&self) -> Option<&Mutex<Snapshot>> {
        match self.place.get() {
            Some(Ok(Some(snapshot))) => Some(snapshot),
            _ => None,
        }
    }
}

/// A chat as it stands.
pub(super) struct Snapshot {
    head: Head,
    /// How far each participant has read.
    read: HashMap<UserId, Seq>,
    ring: VecDeque<Kept>,
    bytes: usize,
    /// Whether the ring has what was before it was made.
    has_past: bool,
}

/// A change that is kept.
struct Kept {
    rev: Rev,
    event: &'static str,
    size: usize,
    payload: Payload,
}

enum Payload {
    /// Encoded when somebody asks for it.
    Message(Arc<Message>),
    Encoded(Box<RawValue>),
}

/// What somebody missed.
pub(super) enum Missed {
    /// The changes after their position, and whether there are more.
    Events(Vec<LoggedEvent>, bool),
    /// It was not asked for yet.
    Past,
    /// It goes further back than what is kept.
    Older,
    /// More than the log has, or of another log.
    Reset,
}

impl Recent {
    /// The flight that everybody who asks now takes.
    fn flight(&self, chat: &ChatId) -> Arc<Flight> {
        let (used, mut chats) = (Instant::now(), self.chats.lock());
        if !chats.contains_key(chat) && chats.len() >= CHATS {
            let oldest = chats.iter().min_by_key(|(_, entry)| entry.used);
            let oldest = oldest.map(|(id, _)| id.clone());
            oldest.map(|id| chats.remove(&id));
        }
        let entry = chats.entry(chat.clone()).or_insert_with(|| Entry {
            flight: Arc::default(),
            used,
        });
        entry.used = used;
        Arc::clone(&entry.flight)
    }

    /// The flight of a chat that is kept already.
    fn known(&self, chat: &ChatId) -> Option<Arc<Flight>> {
        let chats = self.chats.lock();
        chats.get(chat).map(|entry| Arc::clone(&entry.flight))
    }

    /// Asks storage again for every chat.
    pub(super) fn clear(&self) {
        self.chats.lock().clear();
    }

    fn forget(&self, chat: &ChatId, flight: &Arc<Flight>) {
        let mut chats = self.chats.lock();
        if chats
            .get(chat)
            .is_some_and(|entry| Arc::ptr_eq(&entry.flight, flight))
        {
            chats.remove(chat);
        }
    }

    /// Takes over what a commit has changed, before anybody is told of it.
    pub(super) fn note(
        &self,
        said: &[(ChatId, Item)],
        read: &[(ChatId, UserId, Seq)],
        now: Instant,
    ) {
        let mut chats = self.chats.lock();
        if chats.is_empty() {
            return;
        }
        for (chat, item) in said {
            keep(&mut chats, chat, now, |snapshot| snapshot.note(item));
        }
        for (chat, user, seq) in read {
            keep(&mut chats, chat, now, |snapshot| {
                snapshot.note_read(user, *seq);
                true
            });
        }
    }
}

/// Brings a chat up to date, or forgets it: when `note` says so, when nobody
/// has asked for long, and while its flight has not landed, which may have read
/// what was before.
fn keep(
    chats: &mut HashMap<ChatId, Entry>,
    chat: &ChatId,
    now: Instant,
    note: impl FnOnce(&mut Snapshot) -> bool,
) {
    let Some(entry) = chats.get(chat) else { return };
    let used = now.saturating_duration_since(entry.used) < UNUSED;
    let snapshot = entry.flight.landed().filter(|_| used);
    let kept = snapshot.is_some_and(|snapshot| note(&mut snapshot.lock()));
    if !kept {
        chats.remove(chat);
    }
}

impl Snapshot {
    /// Where the chat stands for a participant.
    pub(super) fn head(&self, user: &UserId) -> Option<(Head, Seq)> {
        Some((self.head, *self.read.get(user)?))
    }

    /// What came after `since`, up to `limit` changes.
    ///
    /// # Errors
    /// [`Error::Internal`] when a change cannot be encoded.
    pub(super) fn missed(&mut self, since: Rev, limit: usize) -> Result<Missed, Error> {
        if !self.head.reaches(since) {
            return Ok(Missed::Reset);
        }
        let first = self.ring.partition_point(|kept| kept.rev <= since);
        let reaches = since == self.head.rev
            || self
                .ring
                .get(first)
                .is_some_and(|kept| kept.rev == since.next());
        if !reaches {
            return Ok(match self.has_past {
                true => Missed::Older,
                false => Missed::Past,
            });
        }
        let after = self.ring.range_mut(first..).take(limit);
        let events: Result<Vec<_>, Error> = after.map(Kept::event).collect();
        let more = self.ring.len() - first > limit;
        Ok(Missed::Events(events?, more))
    }

    /// False when it is no longer true, and must be asked for again.
    fn note(&mut self, item: &Item) -> bool {
        match item {
            Item::Message(message) => self.note_message(message),
            Item::Event { .. } | Item::Notify { .. } | Item::ToPerson { .. } => true,
            Item::Presence { .. } | Item::CaughtUp(_) | Item::Settled(_) => true,
            Item::Logged { .. } => false,
            Item::PeopleChanged | Item::Evict(_) | Item::Dissolve => false,
        }
    }

    fn note_message(&mut self, message: &Arc<Message>) -> bool {
        if message.rev <= self.head.rev {
            return true;
        }
        if message.rev != self.head.rev.next() {
            return false;
        }
        (self.head.rev, self.head.last_seq) = (message.rev, message.seq);
        self.head.oldest.get_or_insert(message.rev);
        if let Some(user) = &message.sender_id {
            self.note_read(user, message.seq);
        }
        self.push(Kept {
            rev: message.rev,
            event: LogKind::NewMessage.as_str(),
            size: message.content.len(),
            payload: Payload::Message(Arc::clone(message)),
        });
        true
    }

    fn note_read(&mut self, user: &UserId, seq: Seq) {
        if let Some(read) = self.read.get_mut(user) {
            *read = seq.max(*read);
        }
    }

    /// The last number that the ring does not have.
    fn before_ring(&self) -> Rev {
        let first = self
            .ring
            .front()
            .map_or(self.head.rev.next(), |kept| kept.rev);
        Rev(first.0.saturating_sub(1))
    }

    /// Puts what was before the ring into it.
    fn add_past(&mut self, events: Vec<LoggedEvent>) {
        let end = self.before_ring();
        for event in events.into_iter().rev().skip_while(|event| event.rev > end) {
            let kept = Kept::from(event);
            self.bytes += kept.size;
            self.ring.push_front(kept);
        }
        self.has_past = true;
        self.shrink();
    }

    fn push(&mut self, kept: Kept) {
        self.bytes += kept.size;
        self.ring.push_back(kept);
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.ring.len() > RING as usize || self.bytes > RING_BYTES {
            let Some(oldest) = self.ring.pop_front() else {
                return;
            };
            self.bytes -= oldest.size;
        }
    }
}

impl Kept {
    fn event(&mut self) -> Result<LoggedEvent, Error> {
        if let Payload::Message(message) = &self.payload {
            self.payload = Payload::Encoded(encode(message.as_ref())?);
        }
        let payload = match &self.payload {
            Payload::Encoded(payload) => payload.clone(),
            Payload::Message(message) => encode(message.as_ref())?,
        };
        Ok(LoggedEvent {
            rev: self.rev,
            event: self.event,
            payload,
        })
    }
}

impl From<LoggedEvent> for Kept {
    fn from(event: LoggedEvent) -> Self {
        Self {
            rev: event.rev,
            event: event.event,
            size: event.payload.get().len(),
            payload: Payload::Encoded(event.payload),
        }
    }
}

impl Chat {
    /// Calls `look` with a chat as it stands; none when there is no such chat.
    /// However many ask at once, the database is asked once.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when storage is away.
    pub(super) async fn recent<T>(
        &self,
        chat: &ChatId,
        look: impl FnOnce(&mut Snapshot) -> T,
    ) -> Result<Option<T>, Error> {
        let flight = self.recent.flight(chat);
        let landed = flight.place.get_or_init(|| self.snapshot(chat)).await;
        match landed {
            Ok(Some(snapshot)) => Ok(Some(look(&mut snapshot.lock()))),
            outcome => {
                self.recent.forget(chat, &flight);
                outcome.as_ref().map(|_| None).map_err(Clone::clone)
            }
        }
    }

    /// As after a restart.
    #[cfg(test)]
    pub(in crate::chat) fn forget_recent(&self) {
        self.recent.chats.lock().clear();
    }

    /// Whether somebody is in a chat, when that is known without asking.
    pub(super) fn is_known_participant(&self, chat: &ChatId, user: &UserId) -> bool {
        let flight = self.recent.known(chat);
        let snapshot = flight.as_ref().and_then(|flight| flight.landed());
        snapshot.is_some_and(|snapshot| snapshot.lock().head(user).is_some())
    }

    /// Makes sure that the last changes of a chat are kept. However many ask at
    /// once, the database is asked once.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when storage is away.
    pub(super) async fn recall(&self, chat: &ChatId) -> Result<(), Error> {
        let flight = self.recent.flight(chat);
        let Some(snapshot) = flight.landed() else {
            return Ok(());
        };
        let asked = flight.past.get_or_init(|| self.add_past(chat, snapshot));
        let recalled = asked.await.clone();
        if recalled.is_err() {
            self.recent.forget(chat, &flight);
        }
        recalled
    }

    async fn add_past(&self, chat: &ChatId, snapshot: &Mutex<Snapshot>) -> Result<(), Error> {
        let end = snapshot.lock().before_ring();
        let since = Rev(end.0.saturating_sub(RING.into()));
        let mut read = self.store.read().await?;
        let entries = read.log(chat, None, since, end, RING).await?;
        let events = spell_out(read.as_mut(), chat, entries).await?;
        snapshot.lock().add_past(events);
        Ok(())
    }

    /// Asks the database. Where the chat stands comes first: who is removed
    /// meanwhile gets nothing that came after their removal.
    async fn snapshot(&self, chat: &ChatId) -> Result<Option<Mutex<Snapshot>>, Error> {
        let mut read = self.store.read().await?;
        let Some(head) = read.head(chat).await? else {
            return Ok(None);
        };
        let positions = read.read_positions(chat).await?;
        Ok(Some(Mutex::new(Snapshot {
            head,
            read: positions.into_iter().collect(),
            ring: VecDeque::new(),
            bytes: 0,
            has_past: false,
        })))
    }
}
