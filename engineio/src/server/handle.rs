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

use super::backlog::Backlog;
pub use crate::proto::session::CloseMode;
use crate::{
    proto::{
        Frame, Outbox, SessionId, TransportKind,
        outbox::{EnqueueError, Enqueued, OutboxLimits, Sink},
        session::Admission,
    },
    transport::websocket::{DirectStream, WebSocketStream},
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

    /// Queues a frame. To send to many sessions, use a [`Fanout`](super::Fanout).
    ///
    /// # Errors
    /// [`SendError`] when the session is closed, or is closed over this frame.
    pub fn send(&self, frame: Frame) -> Result<(), SendError> {
        let mut slot = self.0.lock();
        let enqueued = slot.make_room(&frame).enqueue(frame);
        self.0.settle(slot, enqueued)
    }

    /// Sends a frame if the client takes it now (nothing else waits, and the stream is writable or
    /// a poll waits), else drops it. Says whether it was taken.
    pub fn send_volatile(&self, frame: Frame) -> bool {
        let mut slot = self.0.lock();
        let enqueued = slot.outbox.enqueue_volatile(frame);
        enqueued.is_some_and(|enqueued| self.0.settle(slot, Ok(enqueued)).is_ok())
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
    pub(super) backlog: Arc<Backlog>,
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
    /// The session's stream, when others may write to it while the task sleeps.
    pub(super) direct: Option<DirectStream>,
    /// What the process-wide count holds of this session.
    counted_steps: u32,
    commands: Vec<Command>,
    waker: Option<Waker>,
}

impl Shared {
    pub(super) fn new(
        sid: SessionId,
        transport: TransportKind,
        limits: OutboxLimits,
        backlog: Arc<Backlog>,
    ) -> Self {
        let slot = Slot {
            outbox: Outbox::new(limits, crate::proto::frame::BinaryForm::Frames),
            transport,
            posting: false,
            closed: false,
            direct: None,
            counted_steps: 0,
            commands: Vec::new(),
            waker: None,
        };
        Self {
            sid,
            backlog,
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

    /// After a frame was offered: counts what waits, and wakes the task if it has to act.
    fn settle(
        &self,
        mut slot: MutexGuard<'_, Slot>,
        enqueued: Result<Enqueued, EnqueueError>,
    ) -> Result<(), SendError> {
        slot.count(&self.backlog);
        let (wake, result) = match enqueued {
            Ok(enqueued) => (enqueued, Ok(())),
            Err(EnqueueError::Closed) => (Enqueued::Queued, Err(SendError::Closed)),
            Err(EnqueueError::Full(enqueued)) => (enqueued, Err(SendError::SlowConsumer)),
        };
        let waker = match wake {
            Enqueued::WakeNeeded => slot.waker.take(),
            Enqueued::Queued => None,
        };
        drop(slot);
        waker.into_iter().for_each(Waker::wake);
        self.backlog.relieve();
        result
    }

    /// Queues a frame for a flusher; where it says [`Enqueued::WakeNeeded`], [`Shared::flush`] must
    /// follow.
    pub(super) fn enqueue_listed(&self, frame: Frame) -> Result<Enqueued, SendError> {
        self.list(self.lock(), frame)
    }

    /// As [`Shared::enqueue_listed`], but not for a client that is behind: `None`.
    pub(super) fn enqueue_listed_unless_congested(
        &self,
        frame: &Frame,
    ) -> Result<Option<Enqueued>, SendError> {
        let slot = self.lock();
        match slot.outbox.is_congested() {
            true => Ok(None),
            false => self.list(slot, frame.clone()).map(Some),
        }
    }

    fn list(&self, mut slot: MutexGuard<'_, Slot>, frame: Frame) -> Result<Enqueued, SendError> {
        match slot.make_room(&frame).enqueue_listed(frame) {
            Ok(enqueued) => {
                slot.count(&self.backlog);
                Ok(enqueued)
            }
            // Rare, so that a wake under the sender's locks does no harm.
            Err(error) => self.settle(slot, Err(error)).map(|()| Enqueued::Queued),
        }
    }

    /// As [`Shared::enqueue_listed`], but drops what cannot leave at once: `None`.
    pub(super) fn enqueue_listed_volatile(&self, frame: &Frame) -> Option<Enqueued> {
        let mut slot = self.lock();
        let takes = slot.outbox.takes_volatile();
        takes
            .then(|| slot.outbox.enqueue_listed(frame.clone()).ok())
            .flatten()
    }

    /// Writes what waits, in the place of the task, which sleeps on; wakes it when that is not
    /// possible, or not enough.
    pub(super) fn flush(&self) {
        let mut slot = self.lock();
        if !slot.outbox.begin_flush() {
            return;
        }
        slot.write_direct();
        slot.count(&self.backlog);
        let waker = match slot.outbox.needs_owner() {
            true => slot.call_owner(),
            false => None,
        };
        drop(slot);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Closes the session for what it has queued. Says how much that was.
    pub(super) fn overflow(&self) -> usize {
        let mut slot = self.lock();
        let queued = slot.outbox.queued_bytes();
        slot.outbox.overflow();
        let waker = slot.call_owner();
        drop(slot);
        waker.into_iter().for_each(Waker::wake);
        queued
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.backlog.adjust(self.slot.get_mut().counted_steps, 0);
    }
}

impl Slot {
    /// The outbox. When it is full for `frame`, the socket is asked first: many answers may be
    /// given in one turn to a client that reads them well.
    fn make_room(&mut self, frame: &Frame) -> &mut Outbox {
        if self.outbox.is_full_for(frame.wire_len()) {
            self.write_direct();
        }
        &mut self.outbox
    }

    /// Writes what waits as far as the stream takes it now. Its errors are left to the task, which
    /// meets them too.
    fn write_direct(&mut self) {
        if let (Some(direct), Sink::Ready) = (&self.direct, self.outbox.sink()) {
            let _ = direct.write(&mut self.outbox);
        }
    }

    /// Keeps the process-wide count true.
    pub(super) fn count(&mut self, backlog: &Backlog) {
        let steps = Backlog::steps(self.outbox.queued_bytes());
        if steps != self.counted_steps {
            backlog.adjust(self.counted_steps, steps);
            self.counted_steps = steps;
        }
    }

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
