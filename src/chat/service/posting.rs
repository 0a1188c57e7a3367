//! Messages that refer to nothing share the statements of their batch.

use std::sync::Arc;

use super::access::Access;
use super::ledger::{Pending, blank, row};
use super::messages::{Send, Sent};
use super::publishing::Item;
use super::receipts::read_by_sending;
use crate::chat::domain::ChatId;
use crate::chat::error::Error;
use crate::chat::storage::{
    Answer, Asked, Decision, Found, Job, NewMessage, Posting, StoreError, Verdict, Write,
};

/// A [`Send`] whose message refers to no other, and names nobody.
pub(super) struct Post(pub(super) Pending<Send>);

impl Job for Post {
    fn run<'a>(&'a mut self, connection: &'a mut dyn Write) -> Answer<'a, Verdict> {
        self.0.run(connection)
    }

    fn posting(&mut self) -> Option<&mut dyn Posting> {
        Some(self)
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        Box::new(self.0).finish(outcome);
    }
}

impl Posting for Post {
    fn asked(&self) -> Asked<'_> {
        let Send {
            chat,
            sender,
            draft,
            ..
        } = &self.0.command;
        Asked {
            chat,
            sender: &sender.id,
            client_msg_id: draft.client_msg_id.as_ref(),
        }
    }

    fn decide(&mut self, found: &Found) -> Decision {
        if found.repeated {
            self.0.outcome = None;
            return Decision::RunAlone;
        }
        match self.send(found) {
            Ok((sent, said)) => {
                self.0.outcome = Some(Ok(sent));
                self.0.said = said;
                Decision::Append
            }
            Err(error) => {
                self.0.outcome = Some(Err(error));
                Decision::Refuse
            }
        }
    }

    fn message(&self) -> Option<NewMessage<'_>> {
        let Some(Ok(sent)) = &self.0.outcome else {
            return None;
        };
        let command = &self.0.command;
        let client_msg_id = command.draft.client_msg_id.as_ref();
        Some(row(&sent.message, client_msg_id, command.body_hash()))
    }
}

impl Post {
    /// The message under the next numbers, and what has to be said about it.
    fn send(&self, found: &Found) -> Result<(Sent, Vec<(ChatId, Item)>), Error> {
        let Send { chat, sender, .. } = &self.0.command;
        let access = Access::of(found.standing.clone(), sender.role)?;
        access.participant()?;
        let standing = &access.standing;
        let (seq, rev) = (standing.last_seq.next(), standing.rev.next());
        let blank = blank(chat, seq, rev, self.0.chat.now());
        let message = Arc::new(self.0.command.text().message(blank));
        let mut said = vec![(chat.clone(), Item::Message(Arc::clone(&message)))];
        if standing.read_seq < standing.last_seq {
            said.push((chat.clone(), read_by_sending(chat, &sender.id, seq)?));
        }
        let duplicate = false;
        Ok((Sent { message, duplicate }, said))
    }
}
