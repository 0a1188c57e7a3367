//! The heartbeat: pings from the server, pongs from the client, and who is late.
//!
//! ```text
//!            ping_interval                    ping_timeout
//!   Resting ───────────────► Awaiting pong ───────────────► Lost
//!      ▲                        │    │ ▲
//!      └──────── pong ──────────┘    └─┘ any other packet, once: the wait starts again
//! ```

use std::time::{Duration, Instant};

/// The heartbeat of one session. Deadlines are exact: an answer that arrives at the deadline is
/// late.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    state: State,
    /// While the server itself does not read, a pong cannot be seen, so none is missed.
    suspended: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Resting { ping_at: Instant },
    Awaiting { pong_by: Instant, extended: bool },
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// Send a ping.
    Ping,
    /// The pong did not come in time.
    Lost,
}

impl Heartbeat {
    /// Starts the heartbeat. The first ping is due one `interval` from `now`, the moment the open
    /// packet is made.
    #[must_use]
    pub fn new(interval: Duration, timeout: Duration, now: Instant) -> Self {
        let state = State::Resting {
            ping_at: now + interval,
        };
        Self {
            interval,
            timeout,
            state,
            suspended: false,
        }
    }

    /// When [`Heartbeat::handle_timeout`] is to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Resting { ping_at } => Some(ping_at),
            State::Awaiting { .. } if self.suspended => None,
            State::Awaiting { pong_by, .. } => Some(pong_by),
        }
    }

    /// Says what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Beat> {
        if self.poll_timeout().is_none_or(|due| now < due) {
            return None;
        }
        match self.state {
            State::Resting { ping_at } => {
                // The wait counts from when the ping was due, so that a peer is lost exactly one
                // interval and one timeout after its last sign; but a process that was itself
                // stopped for a while must still give its peers a chance to answer.
                let pong_by = (ping_at + self.timeout).max(now + self.timeout / 2);
                self.state = State::Awaiting {
                    pong_by,
                    extended: false,
                };
                Some(Beat::Ping)
            }
            State::Awaiting { .. } => Some(Beat::Lost),
        }
    }

    /// How long a pong that arrives `now` took since its ping was due. None when no pong is awaited,
    /// or the wait for it has started again, so that nothing needs to be kept for this.
    #[must_use]
    pub fn round_trip(&self, now: Instant) -> Option<Duration> {
        match self.state {
            State::Awaiting {
                pong_by,
                extended: false,
            } => now.checked_duration_since(pong_by.checked_sub(self.timeout)?),
            _ => None,
        }
    }

    /// A pong arrived: the next ping is due one interval from now. `false`: nobody asked for it, and
    /// it changes nothing.
    pub fn handle_pong(&mut self, now: Instant) -> bool {
        let awaited = matches!(self.state, State::Awaiting { .. });
        if awaited {
            self.rest(now);
        }
        awaited
    }

    /// Another packet arrived: the peer lives, so the wait for its pong starts again, once.
    pub fn handle_traffic(&mut self, now: Instant) {
        if let State::Awaiting {
            extended: extended @ false,
            pong_by,
        } = &mut self.state
        {
            *extended = true;
            *pong_by = now + self.timeout;
        }
    }

    /// The transport changed: an answer may have been lost with the old one, so none is awaited any
    /// more, and the next ping is due one interval from now.
    pub fn handle_upgrade(&mut self, now: Instant) {
        if matches!(self.state, State::Awaiting { .. }) {
            self.rest(now);
        }
    }

    /// The server stops reading: no pong is missed until [`Heartbeat::resume`].
    pub fn suspend(&mut self) {
        self.suspended = true;
    }

    /// The server reads again: an awaited pong has the full time once more. Nothing changes when it
    /// has read all the time.
    pub fn resume(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.suspended, false) {
            return;
        }
        if let State::Awaiting { pong_by, .. } = &mut self.state {
            *pong_by = now + self.timeout;
        }
    }

    fn rest(&mut self, now: Instant) {
        self.state = State::Resting {
            ping_at: now + self.interval,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(300);
    const TIMEOUT: Duration = Duration::from_millis(200);

    #[test]
    fn the_round_trip_is_that_of_the_ping_alone() {
        let (mut heartbeat, now) = start();
        assert_eq!(heartbeat.round_trip(now), None);
        let pinged = now + INTERVAL;
        assert_eq!(heartbeat.handle_timeout(pinged), Some(Beat::Ping));
        let trip = Duration::from_millis(30);
        assert_eq!(heartbeat.round_trip(pinged + trip), Some(trip));
        heartbeat.handle_traffic(pinged + trip);
        assert_eq!(heartbeat.round_trip(pinged + trip * 2), None);
    }

    fn start() -> (Heartbeat, Instant) {
        let now = Instant::now();
        (Heartbeat::new(INTERVAL, TIMEOUT, now), now)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_first_ping_is_due_after_one_interval() {
        let (mut heartbeat, start) = start();
        assert_eq!(heartbeat.handle_timeout(start + ms(299)), None);
        assert_eq!(heartbeat.handle_timeout(start + ms(300)), Some(Beat::Ping));
    }

    #[test]
    fn silence_is_loss_exactly_one_interval_and_one_timeout_after_the_start() {
        let (mut heartbeat, start) = start();
        heartbeat.handle_timeout(start + ms(301));
        assert_eq!(heartbeat.handle_timeout(start + ms(499)), None);
        assert_eq!(heartbeat.handle_timeout(start + ms(500)), Some(Beat::Lost));
    }

    #[test]
    fn the_next_ping_follows_the_pong_by_one_interval() {
        let (mut heartbeat, start) = start();
        heartbeat.handle_timeout(start + ms(300));
        heartbeat.handle_pong(start + ms(350));
        assert_eq!(heartbeat.poll_timeout(), Some(start + ms(650)));
    }

    #[test]
    fn a_pong_without_a_ping_changes_nothing() {
        let (mut heartbeat, start) = start();
        heartbeat.handle_pong(start + ms(250));
        assert_eq!(heartbeat.poll_timeout(), Some(start + ms(300)));
    }

    #[test]
    fn other_traffic_extends_the_wait_once() {
        let (mut heartbeat, start) = start();
        heartbeat.handle_timeout(start + ms(300));
        heartbeat.handle_traffic(start + ms(400));
        heartbeat.handle_traffic(start + ms(450));
        assert_eq!(heartbeat.poll_timeout(), Some(start + ms(600)));
        assert_eq!(heartbeat.handle_timeout(start + ms(600)), Some(Beat::Lost));
    }

    #[test]
    fn an_upgrade_forgives_an_outstanding_pong() {
        let (mut heartbeat, start) = start();
        heartbeat.handle_timeout(start + ms(300));
        heartbeat.handle_upgrade(start + ms(400));
        assert_eq!(heartbeat.poll_timeout(), Some(start + ms(700)));
    }

    #[test]
    fn no_pong_is_missed_while_the_server_does_not_read() {
        let (mut heartbeat, start) = start();
        heartbeat.suspend();
        assert_eq!(heartbeat.handle_timeout(start + ms(300)), Some(Beat::Ping));
        assert_eq!(heartbeat.handle_timeout(start + ms(9000)), None);
        heartbeat.resume(start + ms(9000));
        assert_eq!(heartbeat.handle_timeout(start + ms(9199)), None);
        assert_eq!(heartbeat.handle_timeout(start + ms(9200)), Some(Beat::Lost));
    }

    #[test]
    fn a_process_that_was_stopped_gives_its_peers_time_to_answer() {
        let (mut heartbeat, start) = start();
        assert_eq!(
            heartbeat.handle_timeout(start + ms(60_000)),
            Some(Beat::Ping)
        );
        assert_eq!(heartbeat.handle_timeout(start + ms(60_099)), None);
    }
}
