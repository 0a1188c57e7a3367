//! Messages that share their statements. One question is asked for all, each
//! job decides by its answer, and what is to be stored goes in at once.

use std::collections::{HashMap, HashSet};

use super::{Asked, Found, Job, NewMessage, Standing, StoreError, Verdict, Write};
use crate::chat::domain::{ChatId, Rev, Seq, Timestamp, UserId};

/// A job that does nothing but append one message that refers to no other.
pub(crate) trait Posting: Send {
    /// What it must know first.
    fn asked(&self) -> Asked<'_>;
    /// Decides. It may be asked more than once; then only the last time counts.
    fn decide(&mut self, found: &Found) -> Decision;
    /// What it stores, after it has decided to.
    fn message(&self) -> Option<NewMessage<'_>>;
}

/// What a [`Posting`] decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Its message takes the next numbers of the chat.
    Append,
    /// It stores nothing.
    Refuse,
    /// It may be a repeat: it is run by itself when the others are stored.
    RunAlone,
}

/// Where a chat stands after the messages.
pub(super) struct ChatHead<'a> {
    pub(super) chat: &'a ChatId,
    pub(super) seq: Seq,
    pub(super) rev: Rev,
    pub(super) now: Timestamp,
}

/// How far a sender has read.
pub(super) struct Reader<'a> {
    pub(super) chat: &'a ChatId,
    pub(super) user: &'a UserId,
    pub(super) seq: Seq,
}

/// What goes into the tables: messages in the order of their numbers, and each
/// chat and each sender once.
pub(in crate::chat) struct Rows<'a> {
    pub(super) messages: Vec<NewMessage<'a>>,
    pub(super) heads: Vec<ChatHead<'a>>,
    pub(super) readers: Vec<Reader<'a>>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(messages: Vec<NewMessage<'a>>) -> Self {
        let mut heads: HashMap<&ChatId, ChatHead<'a>> = HashMap::new();
        let mut readers: HashMap<(&ChatId, &UserId), Reader<'a>> = HashMap::new();
        for new in &messages {
            let (chat, seq, rev, now) = (new.chat, new.seq, new.rev, new.now);
            let head = ChatHead {
                chat,
                seq,
                rev,
                now,
            };
            heads.insert(chat, head);
            if let Some(user) = new.sender {
                readers.insert((chat, user), Reader { chat, user, seq });
            }
        }
        Self {
            heads: heads.into_values().collect(),
            readers: readers.into_values().collect(),
            messages,
        }
    }
}

/// Runs jobs that are all [`Posting`]s. False when one of them has left
/// something behind that must be undone.
///
/// # Errors
/// When a statement fails: then nobody can tell whose fault it is.
pub(super) async fn run(
    connection: &mut dyn Write,
    jobs: &mut [Box<dyn Job>],
) -> Result<bool, StoreError> {
    let found = {
        let asked: Vec<Asked<'_>> = postings(jobs).map(Posting::asked).collect();
        connection.look_up(&asked).await?
    };
    let alone = decide(jobs, found);
    let messages: Vec<NewMessage<'_>> = postings(jobs).filter_map(Posting::message).collect();
    if !messages.is_empty() {
        connection.append(&Rows::new(messages)).await?;
    }
    for place in alone {
        connection.take_touched();
        let verdict = jobs[place].run(connection).await?;
        if verdict == Verdict::Undo && connection.take_touched() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn postings(jobs: &mut [Box<dyn Job>]) -> impl Iterator<Item = &dyn Posting> {
    let postings = jobs.iter_mut().filter_map(|job| job.posting());
    postings.map(|posting| &*posting)
}

/// What the messages of a run before this one have changed.
#[derive(Default)]
struct Overlay {
    heads: HashMap<ChatId, (Seq, Rev)>,
    read: HashMap<(ChatId, UserId), Seq>,
    named: HashSet<(ChatId, UserId, String)>,
}

impl Overlay {
    /// Brings an answer up to date.
    fn apply(&mut self, asked: &Asked<'_>, found: &mut Found) {
        let key = (asked.chat.clone(), asked.sender.clone());
        if let Some(id) = asked.client_msg_id {
            let (chat, sender) = key.clone();
            found.repeated |= !self.named.insert((chat, sender, id.as_str().to_owned()));
        }
        let Some(standing) = &mut found.standing else {
            return;
        };
        if let Some((seq, rev)) = self.heads.get(asked.chat) {
            (standing.last_seq, standing.rev) = (*seq, *rev);
        }
        if let Some(seq) = self.read.get(&key) {
            standing.read_seq = *seq;
        }
    }

    /// One more message of `sender` has the next numbers.
    fn append(&mut self, (chat, sender): (ChatId, UserId), standing: &Standing) {
        let (seq, rev) = (standing.last_seq.next(), standing.rev.next());
        self.heads.insert(chat.clone(), (seq, rev));
        self.read.insert((chat, sender), seq);
    }
}

/// Numbers the messages; gives the places of those that are to run alone.
fn decide(jobs: &mut [Box<dyn Job>], found: Vec<Found>) -> Vec<usize> {
    let mut overlay = Overlay::default();
    let mut alone = Vec::new();
    let postings = jobs.iter_mut().filter_map(|job| job.posting());
    for (place, (posting, mut found)) in postings.zip(found).enumerate() {
        let asked = posting.asked();
        overlay.apply(&asked, &mut found);
        let key = (asked.chat.clone(), asked.sender.clone());
        match (posting.decide(&found), &found.standing) {
            (Decision::Append, Some(standing)) => overlay.append(key, standing),
            (Decision::RunAlone, _) => alone.push(place),
            _ => {}
        }
    }
    alone
}
