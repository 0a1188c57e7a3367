//! The pace at which one client may send: so many packets and bytes a second, and more of them at
//! once after a pause.
//!
//! ```text
//!             a packet above the burst
//!   Reading ─────────────────────────────► Held back: nothing is read
//!      ▲                                       │
//!      └──── part of the burst is free again ──┘
//! ```
//! A client that is held back loses nothing: what it sends waits in its own buffers, in order. It
//! is read again when a tenth of a second's worth may come, so that a flood costs ten turns a
//! second and not one for each packet.
//!
//! What was sent is kept as a debt of time: each packet adds the time that it takes at the allowed
//! pace, and time pays it off.

use std::time::{Duration, Instant};

/// Debts are microseconds.
const SECOND: u32 = 1_000_000;
/// What must be free of a burst before a client that was held back is read again.
const RELIEF: u32 = SECOND / 10;

/// How fast a client may send. A rate of 0 counts as 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaceLimits {
    /// Packets a second, in the long run.
    pub packets_per_second: u32,
    /// Packets that may come at once.
    pub packet_burst: u32,
    /// Bytes of packets a second, in the long run.
    pub bytes_per_second: u32,
    /// Bytes that may come at once; not less than the longest packet, or each of those is paid for
    /// by a pause.
    pub byte_burst: u32,
}

/// What a client has sent of late.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Pace {
    /// Up to when the debts are paid off.
    since: Instant,
    packets: u32,
    bytes: u32,
    ignored: u32,
    held_back: bool,
}

impl Pace {
    /// Of a client that has sent nothing.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            packets: 0,
            bytes: 0,
            ignored: 0,
            held_back: false,
        }
    }

    /// Counts a packet of `len` bytes. `true` when it is the one that the client is held back for.
    pub fn handle_packet(&mut self, len: usize, limits: &PaceLimits, now: Instant) -> bool {
        self.pay_off(now);
        let packet = time_of(1, limits.packets_per_second);
        self.packets = self.packets.saturating_add(packet);
        let bytes = time_of(len, limits.bytes_per_second);
        self.bytes = self.bytes.saturating_add(bytes);
        let held_back = self.excess(limits) > 0 && !self.held_back;
        self.held_back |= held_back;
        held_back
    }

    /// Counts a packet that means nothing. `true` when `per_minute` of them have come already, as
    /// many as may within a minute; the largest number is no limit.
    pub fn handle_ignored(&mut self, per_minute: u32, now: Instant) -> bool {
        self.pay_off(now);
        let each = 60 * SECOND / per_minute.max(1);
        self.ignored = self.ignored.saturating_add(each);
        self.ignored > each.saturating_mul(per_minute)
    }

    /// Whether nothing is to be read.
    #[must_use]
    pub fn is_held_back(&self) -> bool {
        self.held_back
    }

    /// When [`Pace::handle_timeout`] is to be called, if at all.
    #[must_use]
    pub fn poll_timeout(&self, limits: &PaceLimits) -> Option<Instant> {
        let wait = self.excess(limits).saturating_add(RELIEF);
        self.held_back
            .then(|| self.since + Duration::from_micros(wait.into()))
    }

    /// The time may have come; `true` when the client is read again.
    pub fn handle_timeout(&mut self, limits: &PaceLimits, now: Instant) -> bool {
        let due = self.poll_timeout(limits).is_some_and(|due| now >= due);
        if due {
            self.held_back = false;
        }
        due
    }

    /// How much the debts are above what may come at once.
    fn excess(&self, limits: &PaceLimits) -> u32 {
        let burst = |count, rate| time_of(count, rate).max(RELIEF);
        let packets = burst(limits.packet_burst as usize, limits.packets_per_second);
        let bytes = burst(limits.byte_burst as usize, limits.bytes_per_second);
        let packets = self.packets.saturating_sub(packets);
        packets.max(self.bytes.saturating_sub(bytes))
    }

    fn pay_off(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since).as_micros();
        if passed == 0 {
            return;
        }
        // Whole microseconds alone: what is left of one counts the next time.
        self.since += Duration::from_micros(u64::try_from(passed).unwrap_or(u64::MAX));
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        for debt in [&mut self.packets, &mut self.bytes, &mut self.ignored] {
            *debt = debt.saturating_sub(passed);
        }
    }
}

/// The time that `count` take at a rate, in microseconds, rounded up.
fn time_of(count: usize, per_second: u32) -> u32 {
    let time = (count as u64)
        .saturating_mul(SECOND.into())
        .div_ceil(per_second.max(1).into());
    u32::try_from(time).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: PaceLimits = PaceLimits {
        packets_per_second: 100,
        packet_burst: 400,
        bytes_per_second: 1_000_000,
        byte_burst: 1_000_000,
    };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Sends until it is held back; gives the number of packets.
    fn flood(pace: &mut Pace, len: usize, now: Instant) -> u32 {
        (1..)
            .find(|_| pace.handle_packet(len, &LIMITS, now))
            .unwrap()
    }

    #[test]
    fn a_burst_passes_and_one_more_is_held_back_for_a_tenth_of_a_second() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!(flood(&mut pace, 10, now), 401);
        assert!(pace.is_held_back());
        // One packet too many, and ten that may come then.
        assert_eq!(pace.poll_timeout(&LIMITS), Some(now + ms(110)));
        assert!(!pace.handle_timeout(&LIMITS, now + ms(109)));
        assert!(pace.handle_timeout(&LIMITS, now + ms(110)));
        assert!(!pace.is_held_back());
        assert_eq!(pace.poll_timeout(&LIMITS), None);
        assert_eq!(flood(&mut pace, 10, now + ms(110)), 11);
    }

    #[test]
    fn bytes_have_a_pace_of_their_own() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!(flood(&mut pace, 100_000, now), 11);
        assert_eq!(pace.poll_timeout(&LIMITS), Some(now + ms(200)));
        // Whatever its length, a packet is taken when the client is read.
        let mut pace = Pace::new(now);
        assert_eq!(flood(&mut pace, 5_000_000, now), 1);
        assert_eq!(pace.poll_timeout(&LIMITS), Some(now + ms(4_100)));
    }

    #[test]
    fn who_keeps_to_the_pace_is_never_held_back() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        for packet in 0..10_000 {
            let at = now + ms(10 * packet);
            assert!(!pace.handle_packet(1_000, &LIMITS, at), "{packet}");
        }
        assert_eq!(flood(&mut pace, 1, now + ms(200_000)), 401);
    }

    #[test]
    fn part_of_a_microsecond_is_not_lost() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        flood(&mut pace, 1, now);
        pace.held_back = false;
        for step in 1..=1_000 {
            pace.handle_ignored(100, now + Duration::from_nanos(500) * step);
        }
        assert_eq!(pace.packets, 401 * 10_000 - 500);
    }

    #[test]
    fn so_many_may_mean_nothing_within_a_minute() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        assert!((0..100).all(|_| !pace.handle_ignored(100, now)));
        assert!(pace.handle_ignored(100, now));
        let mut pace = Pace::new(now);
        for second in 0..1_000 {
            assert!(!pace.handle_ignored(100, now + ms(1_000 * second)));
        }
        assert!(pace.handle_ignored(0, now + ms(1_000_000)));
        let mut pace = Pace::new(now);
        assert!((0..1_000).all(|_| !pace.handle_ignored(u32::MAX, now)));
    }

    proptest! {
        #[test]
        fn no_more_passes_than_the_burst_and_what_time_allows(
            sends in prop::collection::vec((0..200_u64, 0..3_000_usize), 1..2_000),
        ) {
            let start = Instant::now();
            let (mut pace, mut now) = (Pace::new(start), start);
            let (mut packets, mut bytes) = (0_f64, 0_f64);
            for (wait, len) in sends {
                now += ms(wait / 20);
                // The driver asks again and again; a time that is due is acted on at once.
                if pace.is_held_back() {
                    now = now.max(pace.poll_timeout(&LIMITS).unwrap());
                    prop_assert!(pace.handle_timeout(&LIMITS, now));
                }
                pace.handle_packet(len, &LIMITS, now);
                packets += 1.0;
                bytes += len as f64;
                let seconds = (now - start).as_secs_f64();
                prop_assert!(packets <= 401.0 + 100.0 * seconds + 0.01);
                prop_assert!(bytes <= 1_003_000.0 + 1_000_000.0 * seconds + 1.0);
            }
        }
    }
}
