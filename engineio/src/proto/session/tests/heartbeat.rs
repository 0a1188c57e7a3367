//! Pings, pongs and silence.

use super::*;

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
