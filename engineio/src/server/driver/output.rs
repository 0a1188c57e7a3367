//! What goes out: everything that a session wants done after an input, in one function.

use std::{
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{Driver, Probe, finish_stream};
use crate::{
    proto::{
        CloseReason, Outbox, TransportKind,
        frame::BinaryForm,
        outbox::Sink,
        session::{Event, Loss, Via},
    },
    server::{
        Handler,
        handle::{Payload, PollReply, PostReply},
        registry::Running,
    },
    transport::websocket::control_outbox,
};

/// How long a waiting poll is held back when a POST has ended the session.
const POST_FAILED_GRACE: Duration = Duration::from_millis(250);

/// Answers a poll a little later, unless its client leaves before: the reply of the POST that ended
/// the session goes first, because a client reports whichever it sees first.
fn reply_later(mut poll: oneshot::Sender<PollReply>, payload: Payload, running: Running) {
    tokio::spawn(async move {
        if tokio::time::timeout(POST_FAILED_GRACE, poll.closed())
            .await
            .is_err()
        {
            let _ = poll.send(PollReply::Payload(payload));
        }
        drop(running);
    });
}

impl<H: Handler> Driver<H> {
    /// Drains every output of the session: the only place where anything leaves.
    pub(super) fn drain(&mut self, cx: &mut Context<'_>, now: Instant) {
        loop {
            self.reply_to_poll();
            self.write_probe(cx);
            self.write_stream(cx, now);
            match self.session.poll_event() {
                None => break,
                Some(Event::Upgraded) => self.promote_probe(now),
                Some(Event::DropProbe) => self.drop_probe(),
                Some(Event::Closed(reason)) => self.finish(reason, now),
            }
        }
        self.watch_congestion(now);
    }

    fn reply_to_poll(&mut self) {
        if self.session.transport() == TransportKind::Websocket && !self.session.has_poll() {
            return;
        }
        let mut slot = self.shared.lock();
        // Asked first, because the reply empties the outbox; and only when there may be one.
        let compressible = self.session.has_poll() && slot.outbox.is_compressible();
        let reply = self.session.poll_reply(&mut slot.outbox);
        slot.count(&self.shared.backlog);
        drop(slot);
        let Some(body) = reply else { return };
        let payload = Payload { body, compressible };
        let Some(poll) = self.poll.take() else { return };
        if self.post_failed {
            reply_later(poll, payload, self.registry.begin());
        } else if poll.send(PollReply::Payload(payload)).is_err() {
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
        slot.count(&self.shared.backlog);
        // The rest of a long queue is for the next turn: others wait for theirs, and who wants to
        // add to this queue waits for its lock.
        self.unwritten = flushed.is_ready() && slot.outbox.has_pending();
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

    fn promote_probe(&mut self, now: Instant) {
        let Some(probe) = self.probe.take() else {
            return;
        };
        let Probe {
            stream,
            mut outbox,
            since,
        } = *probe;
        let metrics = self.registry.metrics();
        metrics.upgrades.count();
        metrics
            .upgrade_time
            .observe_time(now.saturating_duration_since(since));
        let mut slot = self.shared.lock();
        slot.outbox.adopt(&mut outbox);
        slot.outbox.set_sink(Sink::Ready);
        slot.transport = TransportKind::Websocket;
        slot.direct = stream.direct();
        drop(slot);
        self.stream = Some(stream);
    }

    fn drop_probe(&mut self) {
        if let Some(probe) = self.probe.take() {
            let code = self.close_code.take();
            finish_stream(&self.registry, probe.stream, probe.outbox, code);
        }
    }

    fn watch_congestion(&mut self, now: Instant) {
        let relieved = self.shared.lock().outbox.take_relieved();
        if relieved && !self.closed {
            self.handler.handle_drained(now);
        }
    }

    /// The session is over: everything that is not the handler's goes now.
    fn finish(&mut self, reason: CloseReason, now: Instant) {
        self.closed = true;
        self.registry.metrics().closed(reason).count();
        self.reply_to_poll();
        // What is left of it is not looked at.
        self.finish_post(match reason {
            CloseReason::Flood => PostReply::Malformed,
            _ => PostReply::Ok,
        });
        let outbox = self.retire();
        if let Some(stream) = self.stream.take() {
            finish_stream(&self.registry, stream, outbox, self.close_code);
        }
        self.handler.handle_close(reason, now);
    }

    /// Takes the session out of the registry and the slot out of use.
    pub(super) fn retire(&self) -> Outbox {
        self.registry.remove(&self.shared.sid);
        let mut slot = self.shared.lock();
        slot.closed = true;
        slot.direct = None;
        // Whoever waits for the answer to a command learns that the session is gone.
        drop(slot.take_commands());
        let mut sealed = control_outbox(BinaryForm::default());
        sealed.seal();
        let outbox = std::mem::replace(&mut slot.outbox, sealed);
        slot.count(&self.shared.backlog);
        outbox
    }
}
