//! Polls, posts, and what the client may not send.

use super::*;

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
