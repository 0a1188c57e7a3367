//! The driver: one task per session, which owns the [`Session`] and the application's [`Handler`].
//!
//! A turn of the task takes what has come (commands of requests, messages of the stream, time-outs,
//! the handler's own work), feeds it to the session and the handler, and then drains every output,
//! in one function. It repeats until there is nothing left to do, and only then says in the slot
//! that it sleeps: whatever is sent from inside the turn, or meanwhile from outside, wakes nobody.

mod input;
mod output;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, time::Sleep};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{
    Handler,
    handle::{PollReply, PostReply, Shared},
    registry::{Registry, Running},
};
use crate::{
    proto::{Outbox, Session, outbox::Sink, payload::PayloadDecoder},
    transport::websocket::WebSocketStream,
};

/// The state of a session's task.
pub(super) struct Driver<H: Handler> {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    session: Session,
    handler: H,
    poll: Option<oneshot::Sender<PollReply>>,
    /// Boxed, because most sessions never have one.
    post: Option<Box<Post>>,
    stream: Option<WebSocketStream>,
    probe: Option<Box<Probe>>,
    /// The code that the stream is closed with, when it broke the rules of WebSocket.
    close_code: Option<CloseCode>,
    max_packets: usize,
    post_failed: bool,
    /// A long queue was written in part, and the stream takes more.
    unwritten: bool,
    closed: bool,
    /// Dropped last, when nothing of the session is left.
    _running: Running,
}

/// A POST whose packets are being handled. It pauses while the handler wants no messages.
struct Post {
    packets: PayloadDecoder,
    reply: oneshot::Sender<PostReply>,
}

/// A stream that has not taken over.
struct Probe {
    stream: WebSocketStream,
    outbox: Outbox,
    since: Instant,
}

/// Whether a step has left work for the same turn, or for the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Idle,
    Yield,
}

/// What a session starts with.
pub(super) struct Start<H> {
    pub(super) shared: Arc<Shared>,
    pub(super) registry: Arc<Registry>,
    pub(super) session: Session,
    pub(super) handler: H,
    pub(super) stream: Option<WebSocketStream>,
    pub(super) max_packets: usize,
    pub(super) running: Running,
}

/// The task of a session, which runs it to its end. A future by hand: the compiler would keep what
/// an `async fn` is given twice, for as long as the session lives.
pub(super) struct SessionTask<H: Handler> {
    driver: Driver<H>,
    /// One timer for everything that has a time-out.
    sleep: Pin<Box<Sleep>>,
    /// When the timer fires, if it is set.
    armed: Option<Instant>,
}

// Nothing in it is ever pinned but the timer, which is so by itself.
impl<H: Handler> Unpin for SessionTask<H> {}

impl<H: Handler> SessionTask<H> {
    pub(super) fn new(start: Start<H>) -> Self {
        Self {
            driver: Driver::new(start),
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
            armed: None,
        }
    }
}

impl<H: Handler> Future for SessionTask<H> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.driver.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(due) = this.driver.poll_timeout() else {
            return Poll::Pending;
        };
        // A timer that is early costs one turn; resetting it at every pong would cost more.
        if this.armed.is_none_or(|armed| due < armed) {
            this.sleep.as_mut().reset(due.into());
            this.armed = Some(due);
        }
        if this.sleep.as_mut().poll(cx).is_ready() {
            this.armed = None;
            // Through the scheduler: a handler whose time is always due must not hang others.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// The time, from the runtime's clock so that tests can stop it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl<H: Handler> Driver<H> {
    fn new(start: Start<H>) -> Self {
        if let Some(stream) = &start.stream {
            let mut slot = start.shared.lock();
            slot.outbox.set_sink(Sink::Ready);
            slot.direct = stream.direct();
        }
        Self {
            shared: start.shared,
            registry: start.registry,
            session: start.session,
            handler: start.handler,
            poll: None,
            post: None,
            stream: start.stream,
            probe: None,
            close_code: None,
            max_packets: start.max_packets,
            post_failed: false,
            unwritten: false,
            closed: false,
            _running: start.running,
        }
    }

    /// One turn. `Ready` when the session is closed and nothing of the handler is under way.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = now();
            self.session.handle_timeout(now);
            self.take_commands(now);
            let mut progress = self.read(cx, now);
            let held = !self.takes_messages();
            self.run_handler_timeout(now);
            let _ = self.handler.poll_tasks(cx);
            self.drain(cx, now);
            if self.closed {
                // Once more: the handler has learnt of the end, and may have begun something.
                return self.handler.poll_tasks(cx);
            }
            if self.apply_back_pressure(held, now) || self.unwritten {
                progress = Progress::Yield;
            }
            if progress == Progress::Yield {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.shared.lock().park(cx) {
                return Poll::Pending;
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let streams = self
            .stream
            .iter()
            .chain(self.probe.iter().map(|probe| &probe.stream));
        let streams = streams.filter_map(WebSocketStream::poll_timeout);
        let handler = if self.closed {
            None
        } else {
            self.handler.poll_timeout()
        };
        streams
            .chain(self.session.poll_timeout())
            .chain(handler)
            .min()
    }
}

/// Closes a stream, and counts as work until it is closed.
fn finish_stream(
    registry: &Registry,
    stream: WebSocketStream,
    outbox: Outbox,
    code: Option<CloseCode>,
) {
    let running = registry.begin();
    tokio::spawn(async move {
        stream.finish(outbox, code).await;
        drop(running);
    });
}

impl<H: Handler> Drop for Driver<H> {
    /// Also when the handler panicked, or the runtime stops: nothing of a session stays behind.
    fn drop(&mut self) {
        if !self.closed {
            self.retire();
        }
    }
}
