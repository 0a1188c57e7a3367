//! From polling to a stream.

use super::*;

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
