use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::{SavedRoom, frame};
use super::*;

const SILENCE: Duration = Duration::from_secs(65);

/// The number of the first packet.
const NUMBER: u64 = 7 << 40;

fn options(max_packets: usize, max_bytes: usize) -> RecoveryOptions {
    RecoveryOptions {
        max_packets,
        max_bytes,
        ..RecoveryOptions::default()
    }
}

fn log(max_packets: usize, max_bytes: usize) -> Log {
    Log::new(&options(max_packets, max_bytes), SILENCE, NUMBER)
}

fn session(rooms: &[(&str, u64)], since: u64) -> Session {
    let sid = Sid::from_random([1; Sid::LEN]);
    let saved = |(name, since): &(&str, u64)| SavedRoom {
        name: (*name).into(),
        since: *since,
    };
    Session {
        sid,
        pid: sid,
        rooms: rooms.iter().map(saved).collect(),
        data: Vec::new(),
        since,
        cursor: since,
        key: 0,
        returned: false,
    }
}

fn to(rooms: &[&str]) -> Addressees {
    Addressees::of(&Target {
        rooms: rooms.to_vec(),
        ..Target::default()
    })
}

fn emit(log: &mut Log, to: Addressees, now: Instant) -> Offset {
    let offset = log.next_offset();
    log.push(offset, Some((frame(10), to)), now);
    offset
}

#[test]
fn what_followed_the_offset_was_missed() {
    let now = Instant::now();
    let mut log = log(100, 1 << 20);
    let first = emit(&mut log, to(&[]), now);
    emit(&mut log, to(&["room"]), now);
    emit(&mut log, to(&["elsewhere"]), now);
    let mut session = session(&[("room", 0)], 0);
    session.cursor = log
        .resume_at(&session, Some(first.as_str()), now)
        .expect("known");
    assert_eq!(log.missed(&session).count(), 1);
    session.cursor = log
        .resume_at(&session, None, now)
        .expect("nothing is forgotten");
    assert_eq!(
        log.missed(&session).count(),
        2,
        "no offset: since the beginning"
    );
}

#[test]
fn what_was_emitted_before_a_room_was_joined_is_not_replayed() {
    let now = Instant::now();
    let mut log = log(100, 1 << 20);
    let before = emit(&mut log, to(&[]), now);
    emit(&mut log, to(&["room"]), now);
    let mut session = session(&[("room", log.head())], 0);
    emit(&mut log, to(&["room"]), now);
    session.cursor = log
        .resume_at(&session, Some(before.as_str()), now)
        .expect("known");
    assert_eq!(log.missed(&session).count(), 1);
}

#[test]
fn a_text_that_is_no_offset_recovers_nothing() {
    let now = Instant::now();
    let mut log = log(100, 1 << 20);
    emit(&mut log, to(&[]), now);
    let session = session(&[], 0);
    for text in ["", "hello", "00000000000", Offset::new(NUMBER + 2).as_str()] {
        assert_eq!(log.resume_at(&session, Some(text), now), None, "{text}");
    }
}

#[test]
fn an_offset_that_an_earlier_server_gave_hides_nothing() {
    let now = Instant::now();
    let mut earlier = log(100, 1 << 20);
    let stale: Vec<_> = (0..8).map(|_| emit(&mut earlier, to(&[]), now)).collect();
    let mut log = Log::new(&options(100, 1 << 20), SILENCE, NUMBER + 1000);
    for _ in 0..3 {
        emit(&mut log, to(&[]), now);
    }
    let mut session = session(&[], log.head());
    for _ in 0..4 {
        emit(&mut log, to(&[]), now);
    }
    for offset in stale {
        session.cursor = log
            .resume_at(&session, Some(offset.as_str()), now)
            .expect("nothing is forgotten");
        assert_eq!(log.missed(&session).count(), 4);
    }
}

#[test]
fn a_client_that_was_idle_for_long_has_missed_nothing() {
    let start = Instant::now();
    let mut log = log(100, 1 << 20);
    let last = emit(&mut log, to(&[]), start);
    let lost = start + Duration::from_secs(3_600);
    log.forget(lost);
    assert_eq!(log.packets.len(), 0);
    let mut session = session(&[], 0);
    emit(&mut log, to(&[]), lost + Duration::from_secs(1));
    for offset in [None, Some(last.as_str())] {
        session.cursor = log.resume_at(&session, offset, lost).expect("no gap");
        assert_eq!(log.missed(&session).count(), 1);
    }
}

#[test]
fn what_had_to_be_forgotten_early_is_a_gap_for_those_who_may_have_missed_it() {
    let now = Instant::now();
    let mut log = log(2, 1 << 20);
    let first = emit(&mut log, to(&[]), now);
    for _ in 0..3 {
        emit(&mut log, to(&[]), now);
    }
    let session = session(&[], 0);
    assert_eq!(log.resume_at(&session, Some(first.as_str()), now), None);
    let later = now + SILENCE + Duration::from_secs(1);
    assert!(
        log.resume_at(&session, Some(first.as_str()), later)
            .is_some()
    );
}

proptest! {
    #[test]
    fn the_bounds_hold_and_nothing_remembered_is_lost(
        steps in proptest::collection::vec((0usize..2_000, 0u64..40), 1..200),
    ) {
        let mut now = Instant::now();
        let mut log = log(50, 20_000);
        let mut emitted = Vec::new();
        let session = session(&[], 0);
        for (bytes, seconds) in steps {
            now += Duration::from_secs(seconds);
            let offset = log.next_offset();
            log.push(offset, Some((frame(bytes), to(&[]))), now);
            emitted.push(offset);
            prop_assert!(log.packets.len() <= 50 && log.bytes <= 20_000);
            let costs: usize = log.packets.iter().map(Stored::cost).sum();
            prop_assert_eq!(log.bytes, costs);
            prop_assert_eq!(log.places.len(), log.packets.len());
            let kept = &emitted[emitted.len() - log.packets.len()..];
            for (at, offset) in kept.iter().enumerate() {
                let mut session = Session { data: Vec::new(), rooms: Vec::new(), ..session };
                session.cursor = log.resume_at(&session, Some(offset.as_str()), now)
                    .expect("it is remembered");
                prop_assert_eq!(log.missed(&session).count(), kept.len() - at - 1);
            }
        }
    }
}
