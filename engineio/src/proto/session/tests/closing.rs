//! Orderly ends, and others.

use super::*;

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
