//! The driver: one task per session, which owns the [`Session`] and the application's [`Handler`].
//!
//! A turn of the task takes what has come (commands of requests, messages of the stream, time-outs,
//! the handler's own work), feeds it to the session and the handler, and then drains every output,
//! in one function. It repeats until there is nothing left to do, and only then says in the slot
//! that it sleeps: whatever is sent from inside the turn, or meanwhile from outside, wakes nobody.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{
    Handler,
    handle::{Command, PollReply, PostReply, Shared},
    registry::Registry,
};
use crate::{
    proto::{
        CloseReason, Message, Outbox, Packet, Session, TransportKind,
        frame::BinaryForm,
        outbox::Sink,
        payload::PayloadDecoder,
        session::{Admission, Event, Loss, Via},
    },
    transport::websocket::{Ended, Incoming, WebSocketStream, control_outbox},
};

/// Messages that one turn reads before it lets other tasks run.
const TURN_MESSAGES: usize = 128;
/// How long a waiting poll is held back when a POST has ended the session.
const POST_FAILED_GRACE: Duration = Duration::from_millis(250);

/// The state of a session's task.
pub(super) struct Driver<H: Handler> {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    session: Session,
    handler: H,
    poll: Option<oneshot::Sender<PollReply>>,
    post: Option<Post>,
    stream: Option<WebSocketStream>,
    probe: Option<Box<Probe>>,
    /// The code that the stream is closed with, when it broke the rules of WebSocket.
    close_code: Option<CloseCode>,
    max_packets: usize,
    post_failed: bool,
    congested: bool,
    closed: bool,
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
}

/// Runs a session to its end.
pub(super) async fn run<H: Handler>(start: Start<H>) {
    let mut driver = Driver::new(start);
    let mut sleep = pin!(tokio::time::sleep(Duration::ZERO));
    let mut armed = None;
    poll_fn(|cx| {
        loop {
            if driver.poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let Some(due) = driver.poll_timeout() else {
                return Poll::Pending;
            };
            // A timer that is early costs one turn; resetting it at every pong would cost more.
            if armed.is_none_or(|armed| due < armed) {
                sleep.as_mut().reset(due.into());
                armed = Some(due);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            armed = None;
        }
    })
    .await;
}

/// The time, from the runtime's clock so that tests can stop it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Answers a poll a little later, unless its client leaves before: the reply of the POST that ended
/// the session goes first, because a client reports whichever it sees first.
fn reply_later(mut poll: oneshot::Sender<PollReply>, body: Bytes) {
    tokio::spawn(async move {
        if tokio::time::timeout(POST_FAILED_GRACE, poll.closed())
            .await
            .is_err()
        {
            let _ = poll.send(PollReply::Payload(body));
        }
    });
}

/// Whether another message may be taken in this turn.
fn may_read<H: Handler>(handler: &H, budget: &mut usize) -> bool {
    if *budget == 0 || !handler.wants_message() {
        return false;
    }
    *budget -= 1;
    true
}

impl<H: Handler> Driver<H> {
    fn new(start: Start<H>) -> Self {
        if start.stream.is_some() {
            start.shared.lock().outbox.set_sink(Sink::Ready);
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
            congested: false,
            closed: false,
        }
    }

    /// One turn. `Ready` when the session is closed and nothing of the handler is under way.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = now();
            self.session.handle_timeout(now);
            self.take_commands(now);
            let mut progress = self.read(cx, now);
            self.run_handler_timeout(now);
            let _ = self.handler.poll_tasks(cx);
            if self.apply_back_pressure(now) {
                progress = Progress::Yield;
            }
            self.drain(cx, now);
            if self.closed {
                // Once more: the handler has learnt of the end, and may have begun something.
                return self.handler.poll_tasks(cx);
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

    // ---- commands ----

    fn take_commands(&mut self, now: Instant) {
        let commands = self.shared.lock().take_commands();
        for command in commands {
            match command {
                Command::Poll(reply) => self.handle_poll(reply),
                Command::PollAborted => self.handle_poll_aborted(),
                Command::Post(body, reply) => self.handle_post(body, reply),
                Command::PostOverlap(reply) => {
                    let _ = reply.send(PostReply::Refused(self.session.handle_post_overlap()));
                }
                Command::PostFailed => {
                    self.post_failed = true;
                    self.session
                        .handle_transport_lost(Via::Polling, Loss::Failed);
                }
                Command::Attach(stream) => self.attach(*stream, now),
                Command::Close(mode) => self.session.close(mode, now),
            }
        }
    }

    fn handle_poll(&mut self, reply: oneshot::Sender<PollReply>) {
        match self.session.handle_poll_opened() {
            Admission::Granted => self.poll = Some(reply),
            refused => {
                let _ = reply.send(PollReply::Refused(refused));
            }
        }
    }

    /// The command may be older than the poll that waits now, so the poll itself is asked.
    fn handle_poll_aborted(&mut self) {
        if self.poll.as_ref().is_some_and(oneshot::Sender::is_closed) {
            self.poll = None;
            self.session.handle_poll_aborted();
        }
    }

    fn handle_post(&mut self, body: Bytes, reply: oneshot::Sender<PostReply>) {
        let admission = match self.post {
            // The client gave up an earlier POST whose packets are still being handled.
            Some(_) => self.session.handle_post_overlap(),
            None => self.session.handle_post(),
        };
        match admission {
            Admission::Granted => {
                let packets = PayloadDecoder::new(body, self.max_packets);
                self.post = Some(Post { packets, reply });
            }
            refused => {
                let _ = reply.send(PostReply::Refused(refused));
            }
        }
    }

    fn attach(&mut self, stream: WebSocketStream, now: Instant) {
        let outbox = control_outbox(stream.binary_form());
        if self.session.handle_stream_attached(now) {
            self.probe = Some(Box::new(Probe { stream, outbox }));
        } else {
            tokio::spawn(stream.finish(outbox, None));
        }
    }

    // ---- input ----

    fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Progress {
        let mut budget = TURN_MESSAGES;
        self.read_post(&mut budget, now);
        self.read_probe(cx, &mut budget, now);
        self.read_stream(cx, &mut budget, now);
        match budget {
            0 => Progress::Yield,
            _ => Progress::Idle,
        }
    }

    fn read_post(&mut self, budget: &mut usize, now: Instant) {
        while let Some(post) = &mut self.post {
            // The end needs no turn of the handler: a client must not wait for its answer because
            // the last packet has made the handler busy.
            if post.packets.is_done() {
                return self.finish_post(PostReply::Ok);
            }
            if !may_read(&self.handler, budget) {
                return;
            }
            match post.packets.next_packet() {
                Some(Ok(packet)) => {
                    if let Some(message) = self.session.handle_packet(Via::Polling, packet, now) {
                        self.handler.handle_message(message, now);
                    }
                }
                Some(Err(_)) => {
                    self.session.handle_garbage(Via::Polling);
                    self.finish_post(PostReply::Malformed);
                }
                None => self.finish_post(PostReply::Ok),
            }
        }
    }

    fn finish_post(&mut self, reply: PostReply) {
        if let Some(post) = self.post.take() {
            let _ = post.reply.send(reply);
        }
    }

    fn read_probe(&mut self, cx: &mut Context<'_>, budget: &mut usize, now: Instant) {
        while let Some(probe) = &mut self.probe
            && *budget > 0
        {
            *budget -= 1;
            if probe.stream.handle_timeout(now).is_err() {
                self.session.handle_transport_lost(Via::Probe, Loss::Failed);
            }
            match probe.stream.poll_message(cx, &mut probe.outbox, now) {
                Poll::Pending => return,
                Poll::Ready(Ok(Incoming::Text(text))) => match Packet::decode(&text) {
                    Ok(packet) => {
                        self.session.handle_packet(Via::Probe, packet, now);
                    }
                    Err(_) => self.session.handle_garbage(Via::Probe),
                },
                Poll::Ready(Ok(Incoming::Binary(_))) => self.session.handle_garbage(Via::Probe),
                Poll::Ready(Err(ended)) => {
                    self.close_code = ended.code;
                    self.session.handle_transport_lost(Via::Probe, ended.loss);
                }
            }
            self.drain(cx, now);
        }
    }

    fn read_stream(&mut self, cx: &mut Context<'_>, budget: &mut usize, now: Instant) {
        while self.stream.is_some() && !self.session.is_closed() && may_read(&self.handler, budget)
        {
            let Some(stream) = &mut self.stream else {
                return;
            };
            if let Err(ended) = stream.handle_timeout(now) {
                return self.lose_stream(ended);
            }
            let mut slot = self.shared.lock();
            let message = stream.poll_message(cx, &mut slot.outbox, now);
            drop(slot);
            match message {
                Poll::Pending => return,
                Poll::Ready(Ok(Incoming::Text(text))) => self.handle_text(&text, now),
                Poll::Ready(Ok(Incoming::Binary(data))) => {
                    self.handle_packet(Packet::Message(Message::Binary(data)), now);
                }
                Poll::Ready(Err(ended)) => return self.lose_stream(ended),
            }
        }
    }

    fn handle_text(&mut self, text: &str, now: Instant) {
        match Packet::decode(text) {
            Ok(packet) => self.handle_packet(packet, now),
            Err(_) => self.session.handle_garbage(Via::Stream),
        }
    }

    fn handle_packet(&mut self, packet: Packet<'_>, now: Instant) {
        if let Some(message) = self.session.handle_packet(Via::Stream, packet, now) {
            self.handler.handle_message(message, now);
        }
    }

    fn lose_stream(&mut self, ended: Ended) {
        self.close_code = ended.code;
        self.session.handle_transport_lost(Via::Stream, ended.loss);
    }

    fn run_handler_timeout(&mut self, now: Instant) {
        if !self.closed && self.handler.poll_timeout().is_some_and(|due| now >= due) {
            self.handler.handle_timeout(now);
        }
    }

    /// Tells the session whether the handler takes messages. `true`: it does again, so that there
    /// is something to read.
    fn apply_back_pressure(&mut self, now: Instant) -> bool {
        let wants = self.handler.wants_message();
        let resumed = wants && self.session.is_stalled();
        self.session.handle_back_pressure(wants, now);
        resumed || (wants && self.post.is_some())
    }

    // ---- output ----

    /// Drains every output of the session: the only place where anything leaves.
    fn drain(&mut self, cx: &mut Context<'_>, now: Instant) {
        loop {
            self.reply_to_poll();
            self.write_probe(cx);
            self.write_stream(cx, now);
            match self.session.poll_event() {
                None => break,
                Some(Event::Upgraded) => self.promote_probe(),
                Some(Event::DropProbe) => self.drop_probe(),
                Some(Event::Closed(reason)) => self.finish(reason, now),
            }
        }
        self.watch_congestion(now);
    }

    fn reply_to_poll(&mut self) {
        let reply = self.session.poll_reply(&mut self.shared.lock().outbox);
        let Some(body) = reply else { return };
        let Some(poll) = self.poll.take() else { return };
        if self.post_failed {
            reply_later(poll, body);
        } else if poll.send(PollReply::Payload(body)).is_err() {
            // The client left while the answer was made: what was in it is lost.
            self.session
                .handle_transport_lost(Via::Polling, Loss::Failed);
        }
    }

    fn write_probe(&mut self, cx: &mut Context<'_>) {
        let Some(probe) = &mut self.probe else { return };
        if let Some(answer) = self.session.poll_probe() {
            probe.outbox.push_control(answer);
        }
        if let Poll::Ready(Err(_)) = probe.stream.poll_flush(cx, &mut probe.outbox) {
            self.session.handle_transport_lost(Via::Probe, Loss::Failed);
        }
    }

    fn write_stream(&mut self, cx: &mut Context<'_>, now: Instant) {
        let mut slot = self.shared.lock();
        self.session.poll_write(&mut slot.outbox, now);
        let Some(stream) = &mut self.stream else {
            return;
        };
        if self.session.is_closed() {
            return;
        }
        let flushed = stream.poll_flush(cx, &mut slot.outbox);
        slot.outbox.set_sink(if flushed.is_pending() {
            Sink::Blocked
        } else {
            Sink::Ready
        });
        if let Poll::Ready(Err(_)) = flushed {
            self.session
                .handle_transport_lost(Via::Stream, Loss::Closed);
        }
        // A close that waited for the flush may be due now.
        self.session.poll_write(&mut slot.outbox, now);
    }

    fn promote_probe(&mut self) {
        let Some(probe) = self.probe.take() else {
            return;
        };
        let Probe { stream, mut outbox } = *probe;
        let mut slot = self.shared.lock();
        slot.outbox.adopt(&mut outbox);
        slot.outbox.set_sink(Sink::Ready);
        slot.transport = TransportKind::Websocket;
        drop(slot);
        self.stream = Some(stream);
    }

    fn drop_probe(&mut self) {
        if let Some(probe) = self.probe.take() {
            tokio::spawn(probe.stream.finish(probe.outbox, self.close_code.take()));
        }
    }

    fn watch_congestion(&mut self, now: Instant) {
        let congested = self.shared.lock().outbox.is_congested();
        if self.congested && !congested && !self.closed {
            self.handler.handle_drained(now);
        }
        self.congested = congested;
    }

    /// The session is over: everything that is not the handler's goes now.
    fn finish(&mut self, reason: CloseReason, now: Instant) {
        self.closed = true;
        self.reply_to_poll();
        self.finish_post(PostReply::Ok);
        let outbox = self.retire();
        if let Some(stream) = self.stream.take() {
            tokio::spawn(stream.finish(outbox, self.close_code));
        }
        self.handler.handle_close(reason, now);
    }

    /// Takes the session out of the registry and the slot out of use.
    fn retire(&self) -> Outbox {
        self.registry.remove(&self.shared.sid);
        let mut slot = self.shared.lock();
        slot.closed = true;
        // Whoever waits for the answer to a command learns that the session is gone.
        drop(slot.take_commands());
        let mut sealed = control_outbox(BinaryForm::default());
        sealed.seal();
        std::mem::replace(&mut slot.outbox, sealed)
    }
}

impl<H: Handler> Drop for Driver<H> {
    /// Also when the handler panicked, or the runtime stops: nothing of a session stays behind.
    fn drop(&mut self) {
        if !self.closed {
            self.retire();
        }
    }
}
