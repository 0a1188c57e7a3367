//! How often one person may do what (CONTRACT section 9): a token bucket for
//! each person and kind of act, kept as the one time at which it is full.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::config::RateLimits;
use super::error::Error;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Act {
    /// Sending a message.
    Send,
    /// Saying that one types.
    Typing,
    /// Joining a chat, or catching up.
    Join,
    /// Searching for people.
    Search,
    /// Making a chat.
    NewChat,
    /// Reactions and receipts.
    Mark,
    /// Login and registration, by address.
    Enter,
}

impl Act {
    /// The time that one act costs, and how many may come at once.
    fn rate(self, logins_a_minute: u32) -> (Duration, u32) {
        match self {
            Self::Send => (Duration::from_millis(200), 20),
            Self::Typing => (Duration::from_millis(500), 5),
            Self::Join => (Duration::from_millis(100), 50),
            Self::Search => (Duration::from_millis(500), 10),
            Self::NewChat => (Duration::from_secs(6), 20),
            Self::Mark => (Duration::from_millis(100), 50),
            Self::Enter => {
                let a_minute = logins_a_minute.max(1);
                (Duration::from_secs(60) / a_minute, a_minute)
            }
        }
    }
}

/// Above this many buckets those that are full again are swept out.
const SWEEP_ABOVE: usize = 10_000;

/// The buckets.
pub(super) struct Limits {
    mode: RateLimits,
    logins_a_minute: u32,
    full_at: Mutex<HashMap<(Act, String), Instant>>,
}

impl Limits {
    pub(super) fn new(mode: RateLimits, logins_a_minute: u32) -> Self {
        Self {
            mode,
            logins_a_minute,
            full_at: Mutex::default(),
        }
    }

    /// Whether limits hold at all.
    pub(super) fn hold(&self) -> bool {
        self.mode == RateLimits::Default
    }

    /// Counts one act of `who`.
    ///
    /// # Errors
    /// [`Error::RateLimited`] with the time until the next may come.
    pub(super) fn count(&self, act: Act, who: &str, now: Instant) -> Result<(), Error> {
        if !self.hold() {
            return Ok(());
        }
        let (cost, burst) = act.rate(self.logins_a_minute);
        let mut full_at = self.full_at.lock();
        if full_at.len() > SWEEP_ABOVE {
            full_at.retain(|_, full| *full > now);
        }
        let full = full_at.entry((act, who.to_owned())).or_insert(now);
        let next = (*full).max(now) + cost;
        match next
            .saturating_duration_since(now)
            .checked_sub(cost * burst)
        {
            Some(wait) if !wait.is_zero() => Err(Error::RateLimited(wait)),
            _ => {
                *full = next;
                Ok(())
            }
        }
    }

    /// Takes back one act of `who` that came to nothing.
    pub(super) fn give_back(&self, act: Act, who: &str) {
        let (cost, _) = act.rate(self.logins_a_minute);
        if let Some(full) = self.full_at.lock().get_mut(&(act, who.to_owned()))
            && let Some(earlier) = full.checked_sub(cost)
        {
            *full = earlier;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_to_nothing_is_given_back() {
        let limits = Limits::new(RateLimits::Default, 300);
        let now = Instant::now();
        for _ in 0..100 {
            assert_eq!(limits.count(Act::NewChat, "ann", now), Ok(()));
            limits.give_back(Act::NewChat, "ann");
        }
        assert!((0..20).all(|_| limits.count(Act::NewChat, "ann", now).is_ok()));
        assert!(limits.count(Act::NewChat, "ann", now).is_err());
    }

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let limits = Limits::new(RateLimits::Default, 300);
        let now = Instant::now();
        for _ in 0..20 {
            assert_eq!(limits.count(Act::Send, "ann", now), Ok(()));
        }
        let wait = Duration::from_millis(200);
        assert_eq!(
            limits.count(Act::Send, "ann", now),
            Err(Error::RateLimited(wait))
        );
        assert_eq!(limits.count(Act::Send, "bob", now), Ok(()));
        assert_eq!(limits.count(Act::Typing, "ann", now), Ok(()));
        assert_eq!(limits.count(Act::Send, "ann", now + wait), Ok(()));
        assert_eq!(
            limits.count(Act::Send, "ann", now + wait),
            Err(Error::RateLimited(wait))
        );
    }

    #[test]
    fn a_class_may_log_in_at_once_from_one_address_and_then_by_and_by() {
        let limits = Limits::new(RateLimits::Default, 30);
        let now = Instant::now();
        assert!((0..30).all(|_| limits.count(Act::Enter, "10.0.0.1", now).is_ok()));
        let wait = Duration::from_secs(2);
        assert_eq!(
            limits.count(Act::Enter, "10.0.0.1", now),
            Err(Error::RateLimited(wait))
        );
        assert_eq!(limits.count(Act::Enter, "10.0.0.1", now + wait), Ok(()));
    }

    #[test]
    fn switched_off_nothing_is_counted() {
        let limits = Limits::new(RateLimits::Off, 300);
        let now = Instant::now();
        assert!((0..1000).all(|_| limits.count(Act::Send, "ann", now).is_ok()));
        assert!(limits.full_at.lock().is_empty());
    }
}
