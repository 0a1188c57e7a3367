//! What comes in: commands of requests, posts, messages of the streams, back-pressure.

use std::{
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Driver, Post, Probe, Progress, finish_stream};
use crate::{
    metrics::Metrics,
    proto::{
        Message, Packet, Session,
        payload::PayloadDecoder,
        session::{Admission, Loss, Via},
    },
    server::{
        Handler,
        handle::{Command, PollReply, PostReply},
    },
    transport::websocket::{Ended, Incoming, WebSocketStream, control_outbox},
};

/// Messages that one turn reads before it lets other tasks run.
const TURN_MESSAGES: usize = 128;
/// Bytes that one turn reads, but for the end of a message: what comes of them is written before
/// more is read, so that answers do not pile up in front of a socket that would have taken them.
const TURN_BYTES: usize = 64 * 1024;

/// What one turn may still read.
struct Budget {
    messages: usize,
    bytes: usize,
}

impl Budget {
    const FULL: Self = Self {
        messages: TURN_MESSAGES,
        bytes: TURN_BYTES,
    };

    fn is_spent(&self) -> bool {
        self.messages == 0 || self.bytes == 0
    }

    fn spend(&mut self, bytes: usize) {
        self.messages -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// Before the session takes the packet, which ends the wait for it.
fn note_pong(metrics: &Metrics, session: &Session, packet: &Packet<'_>, now: Instant) {
    if let Packet::Pong(_) = packet
        && let Some(time) = session.round_trip(now)
    {
        metrics.ping_round_trip.observe_time(time);
    }
}

impl<H: Handler> Driver<H> {
    pub(super) fn take_commands(&mut self, now: Instant) {
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
                self.post = Some(Box::new(Post { packets, reply }));
            }
            refused => {
                let _ = reply.send(PostReply::Refused(refused));
            }
        }
    }

    fn attach(&mut self, stream: WebSocketStream, now: Instant) {
        let outbox = control_outbox(stream.binary_form());
        if self.session.handle_stream_attached(now) {
            self.probe = Some(Box::new(Probe {
                stream,
                outbox,
                since: now,
            }));
        } else {
            finish_stream(&self.registry, stream, outbox, None);
        }
    }

    pub(super) fn read(&mut self, cx: &mut Context<'_>, now: Instant) -> Progress {
        let mut budget = Budget::FULL;
        let kept_pace = self.session.keeps_pace();
        self.read_post(&mut budget, now);
        self.read_probe(cx, &mut budget, now);
        self.read_stream(cx, &mut budget, now);
        if kept_pace && !self.session.keeps_pace() {
            self.registry.metrics().held_back.count();
        }
        match budget.is_spent() {
            true => Progress::Yield,
            false => Progress::Idle,
        }
    }

    /// Whether messages are taken now: not while the client is ahead of its pace.
    pub(super) fn takes_messages(&self) -> bool {
        self.session.keeps_pace() && self.wants_messages()
    }

    /// Whether messages are wanted: not while the handler is busy, nor while the client does not
    /// take what it has asked for already.
    fn wants_messages(&self) -> bool {
        self.handler.wants_message() && !self.shared.lock().outbox.is_congested()
    }

    fn read_post(&mut self, budget: &mut Budget, now: Instant) {
        loop {
            let takes_messages = self.takes_messages();
            let Some(post) = &mut self.post else { return };
            // Its reply is for whoever tells why.
            if self.session.is_closed() {
                return;
            }
            // The end needs no turn of the handler: a client must not wait for its answer because
            // the last packet has made the handler busy.
            if post.packets.is_done() {
                return self.finish_post(PostReply::Ok);
            }
            if budget.is_spent() || !takes_messages {
                return;
            }
            match post.packets.next_packet() {
                Some(Ok(packet)) => {
                    budget.spend(packet.data_len());
                    let metrics = self.registry.metrics();
                    note_pong(metrics, &self.session, &packet, now);
                    if let Some(message) = self.session.handle_packet(Via::Polling, packet, now) {
                        metrics.note_message(&message);
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

    pub(super) fn finish_post(&mut self, reply: PostReply) {
        if let Some(post) = self.post.take() {
            let _ = post.reply.send(reply);
        }
    }

    fn read_probe(&mut self, cx: &mut Context<'_>, budget: &mut Budget, now: Instant) {
        while let Some(probe) = &mut self.probe
            && !budget.is_spent()
        {
            budget.spend(0);
            if probe.stream.handle_timeout(now).is_err() {
                self.session.handle_transport_lost(Via::Probe, Loss::Failed);
            }
            let mut control = Vec::new();
            let message = probe.stream.poll_message(cx, now, &mut control);
            probe.outbox.push_control(&control);
            match message {
                Poll::Pending => return,
                Poll::Ready(Ok(Incoming::Text(text))) => match Packet::decode(&text) {
                    Ok(packet) => {
                        self.session.handle_packet(Via::Probe, packet, now);
                    }
                    Err(_) => self.session.handle_garbage(Via::Probe),
                },
                Poll::Ready(Ok(Incoming::Binary(_))) => self.session.handle_garbage(Via::Probe),
                Poll::Ready(Err(ended)) => {
                    self.note_end(ended);
                    self.session.handle_transport_lost(Via::Probe, ended.loss);
                }
            }
            self.drain(cx, now);
        }
    }

    fn read_stream(&mut self, cx: &mut Context<'_>, budget: &mut Budget, now: Instant) {
        // Also while nothing is read: a time-out that is due must not stay due.
        let watched = self
            .stream
            .as_ref()
            .map(|stream| stream.handle_timeout(now));
        if let Some(Err(ended)) = watched {
            return self.lose_stream(ended);
        }
        while !self.session.is_closed() && !budget.is_spent() && self.takes_messages() {
            let Some(stream) = &mut self.stream else {
                return;
            };
            let mut control = Vec::new();
            let message = stream.poll_message(cx, now, &mut control);
            if !control.is_empty() {
                self.shared.lock().outbox.push_control(&control);
            }
            match message {
                Poll::Pending => return,
                Poll::Ready(Ok(Incoming::Text(text))) => {
                    budget.spend(text.len());
                    self.handle_text(&text, now);
                }
                Poll::Ready(Ok(Incoming::Binary(data))) => {
                    budget.spend(data.len());
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
        let metrics = self.registry.metrics();
        note_pong(metrics, &self.session, &packet, now);
        if let Some(message) = self.session.handle_packet(Via::Stream, packet, now) {
            metrics.note_message(&message);
            self.handler.handle_message(message, now);
        }
    }

    fn lose_stream(&mut self, ended: Ended) {
        self.note_end(ended);
        self.session.handle_transport_lost(Via::Stream, ended.loss);
    }

    /// A stream that broke the rules of WebSocket is closed with a code, and counted by it.
    fn note_end(&mut self, ended: Ended) {
        self.close_code = ended.code;
        if let Some(code) = ended.code {
            self.registry.metrics().violations(code.into()).count();
        }
    }

    pub(super) fn run_handler_timeout(&mut self, now: Instant) {
        if !self.closed && self.handler.poll_timeout().is_some_and(|due| now >= due) {
            self.handler.handle_timeout(now);
        }
    }

    /// Tells the session whether messages are taken. `true`: they are again after the reading was
    /// `held` up. What was left unread wakes nobody, so the next turn must look.
    pub(super) fn apply_back_pressure(&mut self, held: bool, now: Instant) -> bool {
        let wants = self.wants_messages();
        self.session.handle_back_pressure(wants, now);
        let takes = wants && self.session.keeps_pace();
        takes && (held || self.post.is_some())
    }
}
