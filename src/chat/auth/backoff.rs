//! What slows the guessing of one account's password down: five failures are
//! free, then the wait doubles from 1 s to 15 min (CONTRACT section 9).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::chat::domain::Email;

const FREE: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// Failures are forgotten after this much quiet.
const MEMORY: Duration = Duration::from_secs(60 * 60);

/// Above this many accounts the forgotten ones are swept out.
const SWEEP_ABOVE: usize = 10_000;

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn wait(self) -> Duration {
        match self.count.checked_sub(FREE) {
            None => Duration::ZERO,
            Some(over) => (FIRST_WAIT * (1 << over.min(20))).min(LONGEST_WAIT),
        }
    }
}

/// Failed logins by e-mail address, whether or not it has an account.
#[derive(Default)]
pub(crate) struct Backoff(Mutex<HashMap<String, Failures>>);

impl Backoff {
    /// Begins an attempt. It counts as failed until [`Backoff::succeeded`]
    /// says otherwise, so that parallel guesses do not pass together.
    ///
    /// # Errors
    /// How long to wait.
    pub(crate) fn begin(&self, email: &Email, now: Instant) -> Result<(), Duration> {
        let mut accounts = self.0.lock();
        if accounts.len() > SWEEP_ABOVE {
            accounts.retain(|_, failures| now.duration_since(failures.last) < MEMORY);
        }
        let fresh = Failures {
            count: 0,
            last: now,
        };
        let failures = accounts.entry(email.as_str().to_owned()).or_insert(fresh);
        let quiet = now.duration_since(failures.last);
        if quiet >= MEMORY {
            *failures = fresh;
        } else if quiet < failures.wait() {
            return Err(failures.wait() - quiet);
        }
        *failures = Failures {
            count: failures.count.saturating_add(1),
            last: now,
        };
        Ok(())
    }

    /// The password was right: nothing is held against the account.
    pub(crate) fn succeeded(&self, email: &Email) {
        self.0.lock().remove(email.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> Email {
        Email::new("ann@x.org").expect("an address")
    }

    #[test]
    fn five_failures_are_free_and_then_the_wait_doubles() {
        let backoff = Backoff::default();
        let mut now = Instant::now();
        for _ in 0..5 {
            assert_eq!(backoff.begin(&ann(), now), Ok(()));
        }
        for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            let wait = Duration::from_secs(expected);
            assert_eq!(backoff.begin(&ann(), now), Err(wait));
            now += wait;
            assert_eq!(backoff.begin(&ann(), now), Ok(()));
        }
    }

    #[test]
    fn success_and_a_long_quiet_wipe_the_slate() {
        let backoff = Backoff::default();
        let now = Instant::now();
        for _ in 0..5 {
            assert_eq!(backoff.begin(&ann(), now), Ok(()));
        }
        backoff.succeeded(&ann());
        for _ in 0..5 {
            assert_eq!(backoff.begin(&ann(), now), Ok(()));
        }
        assert!(backoff.begin(&ann(), now).is_err());
        assert_eq!(backoff.begin(&ann(), now + MEMORY), Ok(()));
        assert_eq!(backoff.begin(&ann(), now + MEMORY), Ok(()));
    }
}
