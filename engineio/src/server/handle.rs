//! What others hold of a session: its handle, and behind it the one lock that they share with the
//! session's task.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Waker},
};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

pub use crate::proto::{outbox::Enqueued, session::CloseMode};
use crate::{
    proto::{
        Frame, Outbox, SessionId, TransportKind,
        outbox::{EnqueueError, OutboxLimits},
        session::Admission,
    },
    transport::websocket::WebSocketStream,
};

/// Why a frame was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The session is closed, or about to be.
    #[error("the session is closed")]
    Closed,
    /// The client takes less than it is sent. The session is being closed for it.
    #[error("the client is too slow")]
    SlowConsumer,
}

/// A handle on a session. Cheap to clone, valid for ever: what is sent to a closed session is
/// refused.
///
/// A handle may be used from anywhere. What is sent from within the session's own task (in any
/// method of its [`Handler`](super::Handler)) wakes nobody: the task sends it before it sleeps.
#[derive(Clone)]
pub struct SessionHandle(pub(super) Arc<Shared>);

impl SessionHandle {
    /// The session's id. It is a secret between the client and the server.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        &self.0.sid
    }

    /// Queues a frame.
    ///
    /// # Errors
    /// [`SendError`] when the session is closed, or is closed over this frame.
    pub fn send(&self, frame: Frame) -> Result<(), SendError> {
        let enqueued = self.enqueue(frame)?;
        self.wake_if(enqueued);
        Ok(())
    }

    /// Queues a frame without waking the session's task, for a sender that serves many sessions:
    /// where it says [`Enqueued::WakeNeeded`], [`SessionHandle::wake`] must follow.
    ///
    /// # Errors
    /// As [`SessionHandle::send`].
    pub fn enqueue(&self, frame: Frame) -> Result<Enqueued, SendError> {
        let enqueued = self.0.lock().outbox.enqueue(frame);
        self.queued(enqueued)
    }

    /// Queues a frame like [`SessionHandle::enqueue`], but not for a client that is behind: then it
    /// is dropped, and the answer is `None`.
    ///
    /// # Errors
    /// As [`SessionHandle::send`].
    pub fn enqueue_unless_congested(&self, frame: Frame) -> Result<Option<Enqueued>, SendError> {
        let mut slot = self.0.lock();
        if slot.outbox.is_congested() {
            return Ok(None);
        }
        let enqueued = slot.outbox.enqueue(frame);
        drop(slot);
        self.queued(enqueued).map(Some)
    }

    fn queued(&self, enqueued: Result<Enqueued, EnqueueError>) -> Result<Enqueued, SendError> {
        enqueued.map_err(|error| match error {
            EnqueueError::Closed => SendError::Closed,
            EnqueueError::Full(enqueued) => {
                self.wake_if(enqueued);
                SendError::SlowConsumer
            }
        })
    }

    /// Sends a frame if the client takes it now (nothing else waits, and the stream is writable or
    /// a poll waits), else drops it. Says whether it was taken.
    pub fn send_volatile(&self, frame: Frame) -> bool {
        let enqueued = self.0.lock().outbox.enqueue_volatile(frame);
        if let Some(enqueued) = enqueued {
            self.wake_if(enqueued);
        }
        enqueued.is_some()
    }

    /// Wakes the session's task.
    pub fn wake(&self) {
        self.0.wake();
    }

    /// Closes the session; nothing can be sent afterwards.
    pub fn close(&self, mode: CloseMode) {
        self.0.lock().outbox.seal();
        self.0.push(Command::Close(mode));
    }

    /// The transport that carries the session now.
    #[must_use]
    pub fn transport(&self) -> TransportKind {
        self.0.lock().transport
    }

    /// Whether the session takes no frames any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.lock().outbox.is_sealed()
    }

    /// Whether the client is behind: its queue passed the soft limit and has not drained since.
    /// [`Handler::handle_drained`](super::Handler::handle_drained) tells when it has.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.0.lock().outbox.is_congested()
    }

    /// Bytes that wait for the client.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.0.lock().outbox.queued_bytes()
    }

    fn wake_if(&self, enqueued: Enqueued) {
        if enqueued == Enqueued::WakeNeeded {
            self.wake();
        }
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle").finish_non_exhaustive()
    }
}

/// What a request wants of the session's task.
pub(crate) enum Command {
    /// A GET waits for an answer.
    Poll(oneshot::Sender<PollReply>),
    /// The GET that waited may be gone.
    PollAborted,
    /// The body of a POST.
    Post(Bytes, oneshot::Sender<PostReply>),
    /// A second POST came while one was being read.
    PostOverlap(oneshot::Sender<PostReply>),
    /// A POST ended the session: it was too long, broke off, or was none. Its own reply is made by
    /// its request.
    PostFailed,
    /// A WebSocket was opened for the session.
    Attach(Box<WebSocketStream>),
    /// The application closes the session.
    Close(CloseMode),
}

/// The body of an answer to a GET.
pub(crate) struct Payload {
    pub(crate) body: Bytes,
    /// Whether every frame in it may be compressed.
    pub(crate) compressible: bool,
}

/// The answer to a GET.
pub(crate) enum PollReply {
    Payload(Payload),
    Refused(Admission),
}

/// The answer to a POST.
pub(crate) enum PostReply {
    Ok,
    /// The body does not parse; the session is closed.
    Malformed,
    Refused(Admission),
}

/// What a session's task shares with everybody else.
pub(crate) struct Shared {
    pub(super) sid: SessionId,
    slot: Mutex<Slot>,
}

/// Behind the session's one lock, which is held for single operations and never across an await.
pub(crate) struct Slot {
    pub(super) outbox: Outbox,
    pub(super) transport: TransportKind,
    /// A POST is being read.
    pub(super) posting: bool,
    /// The session's task is over, or about to be: nobody takes commands.
    pub(super) closed: bool,
    commands: Vec<Command>,
    waker: Option<Waker>,
}

impl Shared {
    pub(super) fn new(sid: SessionId, transport: TransportKind, limits: OutboxLimits) -> Self {
        let slot = Slot {
            outbox: Outbox::new(limits, crate::proto::frame::BinaryForm::Frames),
            transport,
            posting: false,
            closed: false,
            commands: Vec::new(),
            waker: None,
        };
        Self {
            sid,
            slot: Mutex::new(slot),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock()
    }

    /// Hands a command to the session's task. When that is over, the command is dropped, and with
    /// it the channel of the one who waits for its answer.
    pub(super) fn push(&self, command: Command) {
        let mut slot = self.lock();
        if slot.closed {
            return;
        }
        slot.commands.push(command);
        let waker = slot.call_owner();
        drop(slot);
        waker.into_iter().for_each(Waker::wake);
    }

    fn wake(&self) {
        let waker = self.lock().waker.take();
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Slot {
    fn call_owner(&mut self) -> Option<Waker> {
        match self.outbox.call_owner() {
            Enqueued::WakeNeeded => self.waker.take(),
            Enqueued::Queued => None,
        }
    }

    /// The task runs; it takes what was asked of it since.
    pub(super) fn take_commands(&mut self) -> Vec<Command> {
        self.outbox.unpark();
        std::mem::take(&mut self.commands)
    }

    /// The task is about to sleep. `false`: there is more to do.
    pub(super) fn park(&mut self, cx: &Context<'_>) -> bool {
        if !self.commands.is_empty() || !self.outbox.park() {
            return false;
        }
        if !self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            self.waker = Some(cx.waker().clone());
        }
        true
    }
}
