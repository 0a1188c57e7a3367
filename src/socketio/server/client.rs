//! What others hold of a connection, and how they reach its task.

use std::sync::atomic::{AtomicBool, Ordering};

use engineio::{Handshake, SessionHandle};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use super::socket::Socket;

/// A connection, as everybody but its own task sees it.
pub(crate) struct Client {
    session: SessionHandle,
    handshake: Handshake,
    /// What others want of the session's task. Held for a push or a take.
    mailbox: Mutex<Vec<Command>>,
    /// Something may be in the mailbox: the task asks several times in every turn.
    has_mail: AtomicBool,
    pub(super) waker: AtomicWaker,
}

/// What others want of the session's task.
pub(crate) enum Command {
    /// The server has disconnected this socket; the client was told, or is about to be.
    Dismissed(Socket),
    /// Disconnect every socket, then close the connection.
    DisconnectAll,
    /// Close the connection; the client is told nothing.
    Close,
    /// The client has come back on another connection: close this one at once.
    Abandon,
}

impl Client {
    pub(super) fn new(session: SessionHandle, handshake: Handshake) -> Self {
        Self {
            session,
            handshake,
            mailbox: Mutex::new(Vec::new()),
            has_mail: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }
    }

    pub(crate) fn session(&self) -> &SessionHandle {
        &self.session
    }

    pub(crate) fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    pub(crate) fn command(&self, command: Command) {
        self.post(command);
        self.wake();
    }

    /// Leaves a command for the next time that the task runs: [`wake`](Self::wake) must follow.
    pub(crate) fn post(&self, command: Command) {
        self.mailbox.lock().push(command);
        self.has_mail.store(true, Ordering::Release);
    }

    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    pub(super) fn take_commands(&self) -> Vec<Command> {
        match self.has_commands() && self.has_mail.swap(false, Ordering::Acquire) {
            true => std::mem::take(&mut *self.mailbox.lock()),
            false => Vec::new(),
        }
    }

    pub(super) fn has_commands(&self) -> bool {
        self.has_mail.load(Ordering::Acquire)
    }
}
