//! What the client and the others have in mind.

use std::time::Instant;

use super::{super::play, PING_INTERVAL, PLAN, Plan, UPGRADE_TIMEOUT, Upgrade};

fn check(plans: &[Plan]) {
    let now = Instant::now();
    for plan in plans {
        let met = play(&Upgrade::new(*plan, now));
        assert!(met > 1000, "{met} states");
    }
}

#[test]
fn in_no_order_does_an_upgrade_lose_a_message() {
    check(&[
        PLAN,
        Plan {
            sends: 2,
            casts: 0,
            ..PLAN
        },
        Plan {
            attaches_again: true,
            casts: 0,
            ..PLAN
        },
        Plan {
            hasty: true,
            room: 5,
            casts: 0,
            ..PLAN
        },
    ]);
}

#[test]
fn in_no_order_is_a_session_stuck_whose_client_gives_up() {
    check(&[
        Plan {
            faults: 1,
            says: 0,
            ..PLAN
        },
        Plan {
            faults: 2,
            casts: 0,
            says: 0,
            ..PLAN
        },
        Plan {
            faults: 1,
            hasty: true,
            room: 5,
            casts: 0,
            says: 0,
            ..PLAN
        },
    ]);
}

#[test]
fn in_no_order_does_the_clock_split_an_upgrade() {
    let late = Plan {
        time: Some(UPGRADE_TIMEOUT),
        casts: 0,
        ..PLAN
    };
    let pinged = Plan {
        time: Some(PING_INTERVAL),
        casts: 0,
        says: 0,
        ..PLAN
    };
    check(&[
        late,
        pinged,
        Plan {
            hasty: true,
            room: 5,
            says: 0,
            ..late
        },
        Plan {
            hasty: true,
            room: 5,
            ..pinged
        },
    ]);
}

#[test]
fn in_no_order_does_a_close_overtake_what_was_sent_before_it() {
    check(&[
        Plan {
            closes: true,
            ..PLAN
        },
        Plan {
            closes: true,
            hasty: true,
            room: 5,
            casts: 0,
            says: 0,
            ..PLAN
        },
        Plan {
            closes: true,
            faults: 1,
            casts: 0,
            says: 0,
            ..PLAN
        },
    ]);
}
