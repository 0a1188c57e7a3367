//! What is counted at the port.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use engineio::metrics::Counter;
use parking_lot::Mutex;

use super::count::{Family, Gauge};

/// At most one refusal in this time is logged.
const LOG_PAUSE: Duration = Duration::from_secs(1);

/// Counters of the port.
#[derive(Debug, Default)]
pub struct Port {
    /// Connections that are served with HTTP; a WebSocket is none any more.
    pub connections: Gauge,
    /// Answers by status.
    pub responses: Family,
    /// What was refused before anybody looked into it, by reason.
    pub refused: Family,
    /// Connections that had to wait for their turn.
    pub delayed: Counter,
    /// Attempts to log in, by outcome.
    pub logins: Family,
    sample: Mutex<Sample>,
}

/// A log that cannot be filled: what comes too soon after a line is counted in the next.
#[derive(Debug, Default)]
struct Sample {
    last: Option<Instant>,
    unsaid: u64,
}

impl Sample {
    /// How many went unsaid before this one, if it is to be said.
    fn take(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now < last + LOG_PAUSE) {
            self.unsaid += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

impl Port {
    /// Counts a refusal, and says so in the log now and then.
    pub fn refuse(&self, reason: &'static str, address: IpAddr) {
        self.refused.count(reason);
        let sampled = self.sample.lock().take(Instant::now());
        if let Some(unsaid) = sampled {
            tracing::warn!(reason, %address, unsaid, "refused");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_too_soon_is_counted_in_the_next_line() {
        let mut sample = Sample::default();
        let now = Instant::now();
        assert_eq!(sample.take(now), Some(0));
        assert_eq!(sample.take(now + LOG_PAUSE / 2), None);
        assert_eq!(sample.take(now + LOG_PAUSE / 2), None);
        assert_eq!(sample.take(now + LOG_PAUSE), Some(2));
    }
}
