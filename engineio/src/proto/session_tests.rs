//! Every transition of the session, stepped with explicit time; then random sequences of
//! operations against a small model.

use std::io::IoSlice;

use proptest::prelude::*;

use super::*;
use crate::proto::{
    frame::{BinaryForm, Frame},
    fuzz::{Client, eio_session},
    outbox::OutboxLimits,
};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn settings() -> Settings {
    Settings {
        ping_interval: ms(300),
        ping_timeout: ms(200),
        upgrade_timeout: ms(100),
        close_timeout: ms(30_000),
        stall_timeout: ms(1_000),
        congestion_timeout: ms(500),
        write_timeout: ms(150),
    }
}

/// A session with its outbox and a clock that the test sets.
struct Rig {
    session: Session,
    outbox: Outbox,
    start: Instant,
    now: Instant,
}

impl Rig {
    fn new(transport: TransportKind) -> Self {
        let now = Instant::now();
        let limits = OutboxLimits {
            soft_bytes: 50,
            hard_bytes: 100,
            ..OutboxLimits::default()
        };
        let mut outbox = Outbox::new(limits, BinaryForm::Frames);
        if transport == TransportKind::Websocket {
            outbox.set_sink(Sink::Ready);
        }
        Self {
            session: Session::new(settings().into(), transport, now),
            outbox,
            start: now,
            now,
        }
    }

    fn polling() -> Self {
        Self::new(TransportKind::Polling)
    }

    fn streaming() -> Self {
        Self::new(TransportKind::Websocket)
    }

    /// A polling session whose client has probed a stream and got its answer.
    fn probing() -> Self {
        let mut rig = Self::polling();
        assert!(rig.session.handle_stream_attached(rig.now));
        rig.probe("2probe");
        assert_eq!(rig.session.poll_probe(), Some(PROBE_ANSWER));
        rig
    }

    /// Sets the clock to `at` milliseconds after the start and lets time-outs happen.
    fn at(&mut self, at: u64) -> &mut Self {
        self.now = self.start + ms(at);
        self.session.handle_timeout(self.now);
        self
    }

    fn send(&mut self, text: &str) {
        let _ = self.outbox.enqueue(Frame::text(text));
    }

    fn get(&mut self) -> Admission {
        self.session.handle_poll_opened()
    }

    fn reply(&mut self) -> Option<String> {
        let body = self.session.poll_reply(&mut self.outbox)?;
        Some(String::from_utf8(body.to_vec()).unwrap())
    }

    /// Opens a poll and gives its answer, if there is one at once.
    fn poll(&mut self) -> Option<String> {
        assert_eq!(self.get(), Admission::Granted);
        self.reply()
    }

    fn packet(&mut self, via: Via, text: &str) -> Option<String> {
        match self
            .session
            .handle_packet(via, Packet::decode(text).unwrap(), self.now)?
        {
            Message::Text(text) => Some(text.to_owned()),
            Message::Binary(data) => Some(format!("{data:?}")),
        }
    }

    fn post(&mut self, text: &str) -> Option<String> {
        self.packet(Via::Polling, text)
    }

    fn stream(&mut self, text: &str) -> Option<String> {
        self.packet(Via::Stream, text)
    }

    fn probe(&mut self, text: &str) {
        assert_eq!(self.packet(Via::Probe, text), None);
    }

    /// Everything that goes onto the stream now, without the WebSocket headers of short frames.
    fn written(&mut self) -> Vec<String> {
        self.session.poll_write(&mut self.outbox, self.now);
        let mut wire = Vec::new();
        while self.outbox.has_pending() {
            let mut slices = [IoSlice::new(&[]); 8];
            let filled = self.outbox.gather(&mut slices);
            let bytes = slices[..filled]
                .iter()
                .flat_map(|slice| slice.to_vec())
                .collect::<Vec<_>>();
            self.outbox.advance(bytes.len());
            wire.extend(bytes);
        }
        self.session.poll_write(&mut self.outbox, self.now);
        let mut frames = Vec::new();
        let mut rest = &wire[..];
        while let [0x81, len, tail @ ..] = rest {
            let (payload, next) = tail.split_at(usize::from(*len));
            frames.push(String::from_utf8(payload.to_vec()).unwrap());
            rest = next;
        }
        frames
    }

    fn event(&mut self) -> Option<Event> {
        self.session.poll_event()
    }

    #[track_caller]
    fn assert_closed(&mut self, reason: CloseReason) {
        assert_eq!(self.event(), Some(Event::Closed(reason)));
        assert_eq!(self.event(), None, "the last event");
        assert!(self.session.is_closed());
        assert_eq!(self.session.poll_timeout(), None, "no timer is left");
    }

    #[track_caller]
    fn assert_open(&mut self) {
        assert_eq!(self.event(), None);
        assert!(!self.session.is_closed());
    }
}

// ---- polling ----

#[test]
fn a_poll_waits_until_there_is_data() {
    let mut rig = Rig::polling();
    assert_eq!(rig.poll(), None);
    rig.send("a");
    rig.send("b");
    assert_eq!(rig.reply().as_deref(), Some("4a\x1e4b"));
    assert!(!rig.session.has_poll());
}

#[test]
fn data_waits_until_there_is_a_poll() {
    let mut rig = Rig::polling();
    rig.send("a");
    assert_eq!(rig.reply(), None);
    assert_eq!(rig.poll().as_deref(), Some("4a"));
}

#[test]
fn messages_of_a_post_reach_the_application() {
    let mut rig = Rig::polling();
    assert_eq!(rig.post("4hello").as_deref(), Some("hello"));
    assert_eq!(rig.post("4").as_deref(), Some(""));
    assert!(rig.post("bAQ==").is_some());
}

#[test]
fn trap_29_a_second_poll_ends_the_session_and_the_first_gets_a_close_packet() {
    let mut rig = Rig::polling();
    assert_eq!(rig.poll(), None);
    assert_eq!(rig.get(), Admission::Overlap);
    assert_eq!(rig.reply().as_deref(), Some("1"));
    rig.assert_closed(CloseReason::TransportError);
    assert_eq!(rig.get(), Admission::Gone);
}

#[test]
fn a_second_post_ends_the_session() {
    let mut rig = Rig::polling();
    assert_eq!(rig.poll(), None);
    assert_eq!(rig.session.handle_post_overlap(), Admission::Overlap);
    assert_eq!(rig.reply().as_deref(), Some("1"));
    rig.assert_closed(CloseReason::TransportError);
}

#[test]
fn trap_30_an_aborted_poll_ends_the_session() {
    let mut rig = Rig::polling();
    assert_eq!(rig.poll(), None);
    rig.session.handle_poll_aborted();
    rig.assert_closed(CloseReason::TransportError);
}

#[test]
fn trap_27_a_close_packet_ends_the_waiting_poll_with_a_noop() {
    let mut rig = Rig::polling();
    assert_eq!(rig.poll(), None);
    assert_eq!(rig.post("1"), None);
    assert_eq!(rig.reply().as_deref(), Some("6"));
    rig.assert_closed(CloseReason::TransportClose);
    assert_eq!(rig.get(), Admission::Gone);
}

#[test]
fn trap_26_garbage_ends_the_session_with_a_parse_error() {
    let mut rig = Rig::polling();
    assert_eq!(rig.poll(), None);
    rig.session.handle_garbage(Via::Polling);
    assert_eq!(rig.reply().as_deref(), Some("1"));
    rig.assert_closed(CloseReason::ParseError);
}

#[test]
fn packets_after_the_end_are_ignored() {
    let mut rig = Rig::polling();
    assert_eq!(rig.post("1"), None);
    assert_eq!(rig.post("4late"), None);
    rig.assert_closed(CloseReason::TransportClose);
}

#[test]
fn trap_39_a_ping_of_the_client_ends_the_session() {
    for mut rig in [Rig::polling(), Rig::streaming()] {
        let via = match rig.session.transport() {
            TransportKind::Polling => Via::Polling,
            TransportKind::Websocket => Via::Stream,
        };
        assert_eq!(rig.packet(via, "2"), None);
        rig.assert_closed(CloseReason::TransportError);
    }
}

#[test]
fn trap_47_a_noop_and_what_else_only_a_server_sends_are_ignored() {
    let mut rig = Rig::streaming();
    for text in ["0{}", "5", "6", "3", "3surplus"] {
        assert_eq!(rig.stream(text), None);
        rig.assert_open();
    }
}

// ---- heartbeat ----

#[test]
fn trap_35_the_first_ping_comes_one_interval_after_the_start() {
    let mut rig = Rig::polling();
    assert_eq!(rig.poll(), None);
    rig.at(299);
    assert_eq!(rig.reply(), None);
    rig.at(300);
    assert_eq!(rig.reply().as_deref(), Some("2"));
}

#[test]
fn trap_33_a_ping_waits_for_a_poll_and_its_timer_runs_meanwhile() {
    let mut rig = Rig::polling();
    rig.at(300);
    rig.at(450);
    assert_eq!(rig.poll().as_deref(), Some("2"));
    rig.at(500);
    rig.assert_closed(CloseReason::PingTimeout);
}

#[test]
fn trap_34_silence_ends_a_session_exactly_after_interval_and_time_out() {
    let mut rig = Rig::polling();
    rig.at(300).at(499).assert_open();
    rig.at(500).assert_closed(CloseReason::PingTimeout);
    assert_eq!(rig.get(), Admission::Gone);
}

#[test]
fn a_poll_that_waits_at_a_ping_time_out_gets_a_close_packet() {
    let mut rig = Rig::polling();
    rig.at(300);
    assert_eq!(rig.poll().as_deref(), Some("2"));
    assert_eq!(rig.poll(), None);
    rig.at(500);
    assert_eq!(rig.reply().as_deref(), Some("1"));
    rig.assert_closed(CloseReason::PingTimeout);
}

#[test]
fn trap_36_a_busy_session_is_pinged_all_the_same() {
    let mut rig = Rig::streaming();
    for at in (0..300).step_by(50) {
        rig.at(at);
        assert_eq!(rig.stream("4up").as_deref(), Some("up"));
        rig.send("down");
        assert_eq!(rig.written(), ["4down"]);
    }
    rig.at(300).send("down");
    assert_eq!(rig.written(), ["2", "4down"]);
}

#[test]
fn trap_37_the_next_ping_comes_one_interval_after_the_pong() {
    let mut rig = Rig::streaming();
    for round in 0..3 {
        rig.at(round * 350 + 300);
        assert_eq!(rig.written(), ["2"], "round {round}");
        rig.at(round * 350 + 350);
        assert_eq!(rig.stream("3"), None);
    }
    rig.assert_open();
}

#[test]
fn trap_38_other_packets_extend_the_wait_for_a_pong_once() {
    let mut rig = Rig::streaming();
    rig.at(300);
    rig.at(400).stream("4a");
    rig.at(450).stream("4b");
    rig.at(599).assert_open();
    rig.at(600).assert_closed(CloseReason::PingTimeout);
}

#[test]
fn a_ping_goes_before_queued_data() {
    let mut rig = Rig::streaming();
    rig.send("a");
    rig.at(300);
    assert_eq!(rig.written(), ["2", "4a"]);
}

// ---- upgrade ----

#[test]
fn an_upgrade_keeps_the_order_of_what_is_queued() {
    let mut rig = Rig::probing();
    rig.send("a");
    assert_eq!(
        rig.poll().as_deref(),
        Some("4a"),
        "data flows over polling until 5"
    );
    rig.send("b");
    rig.probe("5");
    assert_eq!(rig.event(), Some(Event::Upgraded));
    assert_eq!(rig.session.transport(), TransportKind::Websocket);
    rig.send("c");
    assert_eq!(rig.written(), ["4b", "4c"]);
    rig.assert_open();
}

#[test]
fn trap_42_polls_before_and_after_the_probe_end_with_a_noop() {
    let mut rig = Rig::polling();
    assert_eq!(rig.poll(), None);
    assert!(rig.session.handle_stream_attached(rig.now));
    assert_eq!(rig.reply(), None, "not before the probe is answered");
    rig.probe("2probe");
    assert_eq!(rig.reply(), None, "not before the probe is answered");
    assert_eq!(rig.session.poll_probe(), Some(PROBE_ANSWER));
    assert_eq!(rig.reply().as_deref(), Some("6"));
    assert_eq!(
        rig.poll().as_deref(),
        Some("6"),
        "a poll that arrives after the probe"
    );
}

#[test]
fn the_probe_and_the_upgrade_may_arrive_back_to_back() {
    let mut rig = Rig::polling();
    assert!(rig.session.handle_stream_attached(rig.now));
    rig.probe("2probe");
    rig.probe("5");
    assert_eq!(rig.event(), Some(Event::Upgraded));
}

#[test]
fn a_poll_that_waits_at_the_upgrade_ends_with_a_noop() {
    let mut rig = Rig::polling();
    assert!(rig.session.handle_stream_attached(rig.now));
    assert_eq!(rig.poll(), None);
    rig.probe("2probe");
    rig.probe("5");
    assert_eq!(rig.reply().as_deref(), Some("6"));
    rig.event();
    rig.assert_open();
}

#[test]
fn trap_41_anything_but_a_probe_closes_only_the_stream() {
    for text in ["4a", "5", "2", "2probes", "3probe", "1", "6"] {
        let mut rig = Rig::polling();
        assert!(rig.session.handle_stream_attached(rig.now));
        rig.probe(text);
        assert_eq!(rig.event(), Some(Event::DropProbe), "{text}");
        rig.assert_open();
        rig.send("a");
        assert_eq!(rig.poll().as_deref(), Some("4a"), "polling lives");
        assert!(
            rig.session.handle_stream_attached(rig.now),
            "and may be upgraded again"
        );
    }
}

#[test]
fn garbage_on_a_probe_closes_only_the_stream() {
    let mut rig = Rig::probing();
    rig.session.handle_garbage(Via::Probe);
    assert_eq!(rig.event(), Some(Event::DropProbe));
    rig.assert_open();
}

#[test]
fn a_lost_probe_leaves_polling_alive() {
    for loss in [Loss::Closed, Loss::Failed] {
        let mut rig = Rig::probing();
        rig.session.handle_transport_lost(Via::Probe, loss);
        assert_eq!(rig.event(), Some(Event::DropProbe));
        rig.assert_open();
        assert_eq!(rig.poll(), None, "no noop without a probe");
    }
}

#[test]
fn trap_46_the_upgrade_time_out_closes_only_the_stream() {
    let mut rig = Rig::probing();
    assert_eq!(rig.session.poll_timeout(), Some(rig.start + ms(100)));
    rig.at(99).assert_open();
    rig.at(100);
    assert_eq!(rig.event(), Some(Event::DropProbe));
    rig.assert_open();
    assert_eq!(
        rig.session.poll_timeout(),
        Some(rig.start + ms(300)),
        "only the ping is left"
    );
}

#[test]
fn trap_45_a_second_stream_is_one_too_many() {
    let mut rig = Rig::probing();
    assert!(
        !rig.session.handle_stream_attached(rig.now),
        "while upgrading"
    );
    rig.probe("5");
    rig.event();
    assert!(
        !rig.session.handle_stream_attached(rig.now),
        "when upgraded"
    );
    rig.assert_open();
}

#[test]
fn trap_44_requests_of_an_upgraded_session_are_refused() {
    let mut rig = Rig::probing();
    rig.probe("5");
    rig.event();
    assert_eq!(rig.get(), Admission::Moved);
    assert_eq!(rig.session.handle_post(), Admission::Moved);
    assert_eq!(rig.session.handle_post_overlap(), Admission::Moved);
    rig.assert_open();
}

#[test]
fn trap_48_the_end_of_the_session_closes_the_probe_too() {
    let mut rig = Rig::probing();
    rig.post("1");
    assert_eq!(rig.event(), Some(Event::DropProbe));
    rig.assert_closed(CloseReason::TransportClose);
}

#[test]
fn trap_40_an_upgrade_forgives_an_outstanding_pong() {
    let mut rig = Rig::polling();
    rig.at(300);
    assert_eq!(rig.poll().as_deref(), Some("2"));
    rig.at(420);
    assert!(rig.session.handle_stream_attached(rig.now));
    rig.probe("2probe");
    rig.probe("5");
    rig.event();
    rig.at(510).assert_open();
    rig.at(720);
    assert_eq!(rig.written(), ["2"]);
}

// ---- closing ----

#[test]
fn trap_28_a_close_with_a_waiting_poll_answers_it_at_once() {
    let mut rig = Rig::polling();
    assert_eq!(rig.poll(), None);
    rig.session.close(CloseMode::Flush, rig.now);
    assert_eq!(rig.reply().as_deref(), Some("1"));
    rig.assert_closed(CloseReason::ForcedClose);
}

#[test]
fn trap_28_a_close_without_a_poll_waits_for_the_next() {
    let mut rig = Rig::polling();
    rig.session.close(CloseMode::Flush, rig.now);
    rig.assert_open();
    assert_eq!(rig.poll().as_deref(), Some("6\x1e1"));
    rig.assert_closed(CloseReason::ForcedClose);
}

#[test]
fn trap_28_queued_data_goes_out_before_the_close() {
    let mut rig = Rig::polling();
    assert_eq!(rig.poll(), None);
    rig.send("bye");
    rig.session.close(CloseMode::Flush, rig.now);
    assert_eq!(rig.reply().as_deref(), Some("4bye"));
    rig.assert_open();
    assert_eq!(rig.poll().as_deref(), Some("6\x1e1"));
    rig.assert_closed(CloseReason::ForcedClose);
}

#[test]
fn an_orderly_close_ends_after_its_time_out() {
    let mut rig = Rig::polling();
    rig.session.close(CloseMode::Flush, rig.now);
    rig.at(29_999).assert_open();
    rig.at(30_000).assert_closed(CloseReason::ForcedClose);
}

#[test]
fn while_closing_no_time_out_stays_due() {
    for mut rig in [Rig::polling(), Rig::streaming()] {
        for _ in 0..5 {
            rig.send("0123456789");
        }
        rig.session.poll_write(&mut rig.outbox, rig.now);
        rig.session.handle_back_pressure(false, rig.now);
        rig.session.close(CloseMode::Flush, rig.now);
        while let Some(due) = rig.session.poll_timeout() {
            assert!(due > rig.now, "a turn without progress");
            rig.at((due - rig.start).as_millis() as u64);
            rig.session.poll_write(&mut rig.outbox, rig.now);
        }
        rig.assert_closed(CloseReason::ForcedClose);
    }
}

#[test]
fn messages_that_arrive_while_closing_are_ignored() {
    let mut rig = Rig::polling();
    rig.session.close(CloseMode::Flush, rig.now);
    assert_eq!(rig.post("4late"), None);
}

#[test]
fn nothing_can_be_sent_while_closing() {
    let mut rig = Rig::polling();
    rig.session.close(CloseMode::Flush, rig.now);
    rig.session.poll_write(&mut rig.outbox, rig.now);
    assert!(rig.outbox.enqueue(Frame::text("late")).is_err());
}

#[test]
fn trap_90_discarding_closes_at_once() {
    let mut rig = Rig::polling();
    rig.send("lost");
    rig.session.close(CloseMode::Discard, rig.now);
    rig.assert_closed(CloseReason::ForcedClose);
}

#[test]
fn discarding_answers_a_waiting_poll() {
    let mut rig = Rig::polling();
    assert_eq!(rig.poll(), None);
    rig.session.close(CloseMode::Discard, rig.now);
    assert_eq!(rig.reply().as_deref(), Some("1"));
    rig.assert_closed(CloseReason::ForcedClose);
}

#[test]
fn discarding_overrides_an_orderly_close() {
    let mut rig = Rig::polling();
    rig.session.close(CloseMode::Flush, rig.now);
    rig.session.close(CloseMode::Discard, rig.now);
    rig.assert_closed(CloseReason::ForcedClose);
}

#[test]
fn a_stream_is_flushed_before_it_is_closed() {
    let mut rig = Rig::streaming();
    rig.send("bye");
    rig.session.close(CloseMode::Flush, rig.now);
    rig.session.poll_write(&mut rig.outbox, rig.now);
    rig.assert_open();
    assert_eq!(rig.written(), ["4bye"]);
    rig.assert_closed(CloseReason::ForcedClose);
}

#[test]
fn a_session_that_is_closing_may_finish_its_upgrade() {
    let mut rig = Rig::probing();
    rig.send("bye");
    rig.session.close(CloseMode::Flush, rig.now);
    rig.probe("5");
    assert_eq!(rig.event(), Some(Event::Upgraded));
    assert_eq!(rig.written(), ["4bye"]);
    rig.assert_closed(CloseReason::ForcedClose);
}

#[test]
fn trap_52_a_close_packet_on_a_stream_closes_it() {
    let mut rig = Rig::streaming();
    assert_eq!(rig.stream("1"), None);
    rig.assert_closed(CloseReason::TransportClose);
}

#[test]
fn a_lost_stream_ends_the_session() {
    for (loss, reason) in [
        (Loss::Closed, CloseReason::TransportClose),
        (Loss::Failed, CloseReason::TransportError),
    ] {
        let mut rig = Rig::streaming();
        rig.session.handle_transport_lost(Via::Stream, loss);
        rig.assert_closed(reason);
    }
}

// ---- limits ----

#[test]
fn a_full_outbox_ends_the_session() {
    let mut rig = Rig::streaming();
    for _ in 0..20 {
        rig.send("0123456789");
    }
    rig.session.poll_write(&mut rig.outbox, rig.now);
    rig.assert_closed(CloseReason::SlowConsumer);
}

#[test]
fn an_outbox_that_stays_congested_ends_the_session() {
    let mut rig = Rig::streaming();
    for _ in 0..5 {
        rig.send("0123456789");
    }
    rig.session.poll_write(&mut rig.outbox, rig.now);
    assert!(rig.outbox.is_congested());
    rig.at(300).at(310).stream("3");
    rig.at(499).assert_open();
    rig.at(500).assert_closed(CloseReason::SlowConsumer);
}

#[test]
fn an_outbox_that_drains_is_forgiven() {
    let mut rig = Rig::streaming();
    for _ in 0..5 {
        rig.send("0123456789");
    }
    assert_eq!(rig.written().len(), 5);
    rig.at(300).at(310).stream("3");
    rig.at(600).assert_open();
}

/// The stream takes `bytes` of what waits, and no more.
fn take(rig: &mut Rig, bytes: usize) {
    rig.outbox.advance(bytes);
    rig.outbox.set_sink(Sink::Blocked);
    rig.session.poll_write(&mut rig.outbox, rig.now);
}

#[test]
fn a_stream_that_takes_no_byte_ends_the_session() {
    let mut rig = Rig::streaming();
    rig.send("0123456789");
    take(&mut rig, 0);
    assert_eq!(rig.session.poll_timeout(), Some(rig.start + ms(150)));
    rig.at(100);
    take(&mut rig, 0);
    rig.at(149).assert_open();
    rig.at(150).assert_closed(CloseReason::SlowConsumer);
}

#[test]
fn one_byte_in_time_is_enough() {
    let mut rig = Rig::streaming();
    rig.send("0123456789");
    take(&mut rig, 0);
    rig.at(149);
    take(&mut rig, 1);
    rig.at(298).assert_open();
    rig.at(299).assert_closed(CloseReason::SlowConsumer);
}

#[test]
fn a_stream_with_nothing_to_take_is_not_stuck() {
    let mut rig = Rig::streaming();
    rig.send("0123456789");
    take(&mut rig, 0);
    rig.at(100);
    assert_eq!(rig.written().len(), 1);
    rig.at(250).assert_open();
}

#[test]
fn a_stuck_stream_ends_an_orderly_close_too() {
    let mut rig = Rig::streaming();
    rig.send("0123456789");
    rig.session.close(CloseMode::Flush, rig.now);
    take(&mut rig, 0);
    rig.at(150).assert_closed(CloseReason::SlowConsumer);
}

#[test]
fn what_waits_for_a_poll_is_not_stuck() {
    let mut rig = Rig::polling();
    rig.send("0123456789");
    assert_eq!(rig.reply(), None);
    rig.session.poll_write(&mut rig.outbox, rig.now);
    rig.at(250).assert_open();
}

#[test]
fn back_pressure_is_not_taken_for_a_dead_peer_but_has_a_limit_of_its_own() {
    let mut rig = Rig::streaming();
    rig.at(250);
    rig.session.handle_back_pressure(false, rig.now);
    rig.at(300);
    assert_eq!(rig.written(), ["2"], "the client still gets its pings");
    rig.at(1249).assert_open();
    rig.at(1250).assert_closed(CloseReason::Stalled);
}

#[test]
fn after_back_pressure_a_pong_has_the_full_time_again() {
    let mut rig = Rig::streaming();
    rig.at(250);
    rig.session.handle_back_pressure(false, rig.now);
    rig.at(300).at(700);
    rig.session.handle_back_pressure(true, rig.now);
    rig.at(899).assert_open();
    rig.at(900).assert_closed(CloseReason::PingTimeout);
}

// ---- random operations ----

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_happens_each_message_arrives_once_and_in_order(ops in prop::collection::vec(any::<u8>(), 0..120)) {
        eio_session(&ops, Instant::now());
    }

    #[test]
    fn a_well_behaved_client_receives_everything(
        upgrade_at in 0..30_usize, steps in prop::collection::vec(0..4_u8, 30)
    ) {
        let mut client = Client::new(Instant::now());
        for (index, step) in steps.into_iter().enumerate() {
            let polling = client.session.transport() == TransportKind::Polling;
            if index == upgrade_at {
                prop_assert!(client.session.handle_stream_attached(Instant::now()));
                client.hear(Via::Probe, "2probe");
            } else if index == upgrade_at + 3 {
                client.hear(Via::Probe, "5");
            } else if step > 1 || !polling || client.session.has_poll() {
                client.send(step);
            } else {
                client.get();
            }
            client.drain();
            client.check();
        }
        if client.session.transport() == TransportKind::Polling && !client.session.has_poll() {
            client.get();
            client.drain();
        }
        prop_assert_eq!(client.received, client.sent);
        prop_assert!(!client.closed);
    }
}
