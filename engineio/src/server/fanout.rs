//! Sending to many sessions: the flush list.
//!
//! Waking a task for each of a thousand recipients costs more than writing in its place, and would
//! put their turns before everybody else's. So a [`Fanout`] only queues, and lists who has to be
//! written to. A *flusher*, of which each worker thread has its own list, first lets the input in
//! that waits (more may be sent because of it, and is then joined into the same write), and then
//! writes from each outbox straight to the socket, some at a time between other tasks' turns.
//! A session whose task is awake is left to it; one that polls, speaks TLS or would block is woken.

use std::{cell::LazyCell, collections::VecDeque, sync::Arc, vec};

use parking_lot::Mutex;
use tokio::{runtime::Handle, task::yield_now};

use super::{SendError, SessionHandle, backlog::Backlog, handle::Shared};
use crate::proto::{Frame, outbox::Enqueued};

/// Sessions that are written to before other tasks run.
const FLUSHED_AT_ONCE: usize = 64;

thread_local! {
    static LANE: LazyCell<Arc<Lane>> = const { LazyCell::new(Arc::default) };
}

/// Frames for many sessions, which are sent when it is dropped or [`Fanout::flush`]ed.
///
/// The frames are queued at once, so that the order of two fan-outs to one session is that of
/// their calls. To let them leave may wake tasks and is better done without a lock.
#[derive(Default)]
pub struct Fanout {
    listed: Vec<Arc<Shared>>,
    /// What waits for all may have grown, though nobody is listed.
    grown: Option<Arc<Backlog>>,
}

impl Fanout {
    /// For about so many sessions: the one allocation that is made.
    #[must_use]
    pub fn with_capacity(sessions: usize) -> Self {
        Self {
            listed: Vec::with_capacity(sessions),
            grown: None,
        }
    }

    /// Queues a frame for a session.
    ///
    /// # Errors
    /// [`SendError`] when the session is closed, or is closed over this frame.
    pub fn send(&mut self, session: &SessionHandle, frame: Frame) -> Result<(), SendError> {
        let enqueued = session.0.enqueue_listed(frame)?;
        self.list(session, enqueued);
        Ok(())
    }

    /// As [`Fanout::send`], but not for a client that is behind: `false`, and nothing is queued.
    ///
    /// # Errors
    /// As [`Fanout::send`].
    pub fn send_unless_congested(
        &mut self,
        session: &SessionHandle,
        frame: &Frame,
    ) -> Result<bool, SendError> {
        let enqueued = session.0.enqueue_listed_unless_congested(frame)?;
        if let Some(enqueued) = enqueued {
            self.list(session, enqueued);
        }
        Ok(enqueued.is_some())
    }

    /// Queues a frame for a session if its client takes it now: nothing else waits, and the stream
    /// is writable or a poll waits. Says whether it was queued.
    pub fn send_volatile(&mut self, session: &SessionHandle, frame: &Frame) -> bool {
        let enqueued = session.0.enqueue_listed_volatile(frame);
        if let Some(enqueued) = enqueued {
            self.list(session, enqueued);
        }
        enqueued.is_some()
    }

    /// Lets what was queued leave.
    pub fn flush(self) {
        drop(self);
    }

    fn list(&mut self, session: &SessionHandle, enqueued: Enqueued) {
        if self.grown.is_none() {
            self.grown = Some(Arc::clone(&session.0.backlog));
        }
        if enqueued == Enqueued::WakeNeeded {
            self.listed.push(Arc::clone(&session.0));
        }
    }
}

impl Drop for Fanout {
    fn drop(&mut self) {
        let listed = std::mem::take(&mut self.listed);
        if !listed.is_empty() {
            LANE.with(|lane| lane.add(listed));
        }
        if let Some(backlog) = self.grown.take() {
            backlog.relieve();
        }
    }
}

/// The lists of one thread. Its lock is held for a push or a take.
#[derive(Default)]
struct Lane(Mutex<Lists>);

#[derive(Default)]
struct Lists {
    waiting: VecDeque<Vec<Arc<Shared>>>,
    /// A flusher runs, or is about to.
    manned: bool,
}

impl Lane {
    fn add(self: &Arc<Self>, list: Vec<Arc<Shared>>) {
        let Ok(runtime) = Handle::try_current() else {
            // Not a thread of the runtime: nobody would flush here.
            return list.iter().for_each(|session| session.flush());
        };
        let mut lists = self.0.lock();
        lists.waiting.push_back(list);
        if !std::mem::replace(&mut lists.manned, true) {
            drop(lists);
            runtime.spawn(flush(Flusher::new(self)));
        }
    }

    /// `None`: nothing is left, and the flusher goes.
    fn next(&self) -> Option<Vec<Arc<Shared>>> {
        let mut lists = self.0.lock();
        let next = lists.waiting.pop_front();
        lists.manned = next.is_some();
        next
    }
}

/// What a flusher has taken. When it ends early, because the runtime does, nobody is left waiting.
struct Flusher {
    lane: Arc<Lane>,
    list: vec::IntoIter<Arc<Shared>>,
    done: bool,
}

impl Flusher {
    fn new(lane: &Arc<Lane>) -> Self {
        Self {
            lane: Arc::clone(lane),
            list: Vec::new().into_iter(),
            done: false,
        }
    }

    /// Flushes up to `most` sessions of one list.
    fn flush(&mut self, most: usize) {
        if self.list.len() == 0 {
            match self.lane.next() {
                Some(list) => self.list = list.into_iter(),
                None => self.done = true,
            }
        }
        for session in self.list.by_ref().take(most) {
            session.flush();
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        while !self.done {
            self.flush(usize::MAX);
        }
    }
}

async fn flush(mut flusher: Flusher) {
    while !flusher.done {
        yield_now().await;
        flusher.flush(FLUSHED_AT_ONCE);
    }
}
