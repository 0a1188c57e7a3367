//! What has happened to a connection and makes handlers run, in its order.

use std::cell::Cell;
use std::collections::VecDeque;

use super::ack::Waiter;
use super::connecting::{Attempt, Claim};
use super::handler::Event;
use super::reason::DisconnectReason;
use super::socket::Socket;
use crate::socketio::proto::args::Args;

/// Longest queue that a worker thread keeps for the next connection.
const SPARE_OCCASIONS: usize = 256;

/// Something that makes handlers run.
pub(super) enum Occasion {
    Asked(Attempt),
    /// CONNECT to a namespace that does not exist.
    Unknown(Box<str>),
    Connected(Socket, Claim),
    Event(Socket, Event),
    Answer(Waiter, Socket, Args),
    Disconnected(Socket, DisconnectReason),
}

thread_local! {
    /// The empty queue that no connection of this worker uses.
    static SPARE: Cell<VecDeque<Occasion>> = const { Cell::new(VecDeque::new()) };
}

/// What has come and was not begun. While that is nothing, as with every idle connection, it holds
/// no memory, and still what comes costs no allocation: the worker lends the queue.
#[derive(Default)]
pub(super) struct Occasions(VecDeque<Occasion>);

impl Occasions {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push(&mut self, occasion: Occasion) {
        if self.0.capacity() == 0 {
            self.0 = SPARE.take();
        }
        self.0.push_back(occasion);
    }

    pub(super) fn pop(&mut self) -> Option<Occasion> {
        self.0.pop_front()
    }

    pub(super) fn take(&mut self) -> impl Iterator<Item = Occasion> + use<> {
        std::mem::take(&mut self.0).into_iter()
    }

    /// Gives the queue back to the worker when everything was begun.
    pub(super) fn rest(&mut self) {
        if self.0.is_empty() && (1..=SPARE_OCCASIONS).contains(&self.0.capacity()) {
            SPARE.set(std::mem::take(&mut self.0));
        } else if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
    }
}
