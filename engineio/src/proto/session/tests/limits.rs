//! Clients that take too little, and applications that take nothing.

use super::*;

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

/// One packet in 100 ms, and two at once.
const PACE: PaceLimits = PaceLimits {
    packets_per_second: 10,
    packet_burst: 2,
    bytes_per_second: 1_000_000,
    byte_burst: 1_000_000,
};

fn paced() -> Rig {
    let settings = Settings {
        pace: Some(PACE),
        ..settings()
    };
    Rig::with(TransportKind::Websocket, settings)
}

#[test]
fn who_is_ahead_of_its_pace_is_not_read_for_a_while_and_loses_nothing() {
    let mut rig = paced();
    for text in ["4one", "4two"] {
        assert!(rig.stream(text).is_some() && rig.session.keeps_pace());
    }
    assert_eq!(rig.stream("4three").as_deref(), Some("three"));
    assert!(!rig.session.keeps_pace());
    assert_eq!(rig.session.poll_timeout(), Some(rig.start + ms(200)));
    rig.at(199);
    assert!(!rig.session.keeps_pace());
    rig.at(200);
    assert!(rig.session.keeps_pace());
    assert_eq!(rig.stream("4four").as_deref(), Some("four"));
    rig.assert_open();
}

#[test]
fn a_pong_that_could_not_be_read_is_not_missed() {
    let mut rig = paced();
    rig.at(290);
    for _ in 0..6 {
        rig.stream("4ahead");
    }
    rig.at(300);
    assert_eq!(rig.written(), ["2"], "the client still gets its pings");
    rig.at(789).assert_open();
    // Read again: the pong has the full time.
    rig.at(790).assert_open();
    assert!(rig.session.keeps_pace());
    rig.at(989).assert_open();
    rig.at(990).assert_closed(CloseReason::PingTimeout);
}

#[test]
fn back_pressure_and_pace_hold_back_each_on_its_own() {
    let mut rig = paced();
    rig.at(290);
    rig.session.handle_back_pressure(false, rig.now);
    for _ in 0..3 {
        rig.stream("4ahead");
    }
    rig.at(300).at(490);
    assert!(rig.session.keeps_pace());
    rig.at(800).assert_open();
    rig.session.handle_back_pressure(true, rig.now);
    rig.at(999).assert_open();
    rig.at(1000).assert_closed(CloseReason::PingTimeout);
}

#[test]
fn nobody_is_held_back_without_a_limit() {
    let mut rig = Rig::streaming();
    for _ in 0..100_000 {
        assert!(rig.stream("4again").is_some());
    }
    assert!(rig.session.keeps_pace());
}

#[test]
fn pongs_that_nobody_asked_for_end_the_session_and_answers_never_do() {
    let mut rig = Rig::streaming();
    for beat in 1..=1_000_u64 {
        rig.at(beat * 300).stream("3");
        rig.written();
    }
    for _ in 0..100 {
        rig.stream("3");
    }
    rig.assert_open();
    rig.stream("3");
    rig.assert_closed(CloseReason::Flood);
}

#[test]
fn packets_that_mean_nothing_count_together() {
    let mut rig = Rig::polling();
    for packet in ["0{}", "5", "6", "3"].repeat(25) {
        rig.post(packet);
    }
    rig.assert_open();
    rig.post("6");
    rig.assert_closed(CloseReason::Flood);
}
