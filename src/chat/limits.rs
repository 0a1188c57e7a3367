//! How often one person may do what (CONTRACT section 9): a bucket for each
//! person and kind of act; and how many connections one person may have.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::config::RateLimits;
use super::domain::UserId;
use super::error::Error;
use crate::rates::{Buckets, Rate};

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
    fn rate(self, logins_a_minute: u32) -> Rate {
        let (cost, burst) = match self {
            Self::Send => (200, 20),
            Self::Typing => (500, 5),
            Self::Join => (100, 50),
            Self::Search => (500, 10),
            Self::NewChat => (6_000, 20),
            Self::Mark => (100, 50),
            Self::Enter => return Rate::of(logins_a_minute, Duration::from_secs(60)),
        };
        let cost = Duration::from_millis(cost);
        Rate { cost, burst }
    }
}

/// The buckets.
pub(super) struct Limits {
    mode: RateLimits,
    logins_a_minute: u32,
    buckets: Mutex<Buckets<(Act, String)>>,
    connections_per_person: u32,
    connections: Arc<Mutex<HashMap<UserId, u32>>>,
}

/// How long who has too many connections should wait.
const CONNECTIONS_WAIT: Duration = Duration::from_secs(5);

/// One of the connections that a person may have; given back when it is dropped.
pub(super) struct Held {
    connections: Arc<Mutex<HashMap<UserId, u32>>>,
    who: UserId,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut connections = self.connections.lock();
        if let Some(count) = connections.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                connections.remove(&self.who);
            }
        }
    }
}

impl Limits {
    pub(super) fn new(mode: RateLimits, logins_a_minute: u32, connections_per_person: u32) -> Self {
        Self {
            mode,
            logins_a_minute,
            buckets: Mutex::default(),
            connections_per_person,
            connections: Arc::default(),
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
        let (key, rate) = ((act, who.to_owned()), act.rate(self.logins_a_minute));
        let taken = (self.buckets.lock()).take(key, rate, Duration::ZERO, now);
        taken.map(drop).map_err(Error::RateLimited)
    }

    /// One more connection of `who`.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when they have as many as they may have.
    pub(super) fn hold_connection(&self, who: &UserId) -> Result<Held, Error> {
        let mut connections = self.connections.lock();
        let count = connections.entry(who.clone()).or_default();
        if self.hold() && *count >= self.connections_per_person {
            return Err(Error::RateLimited(CONNECTIONS_WAIT));
        }
        *count += 1;
        Ok(Held {
            connections: Arc::clone(&self.connections),
            who: who.clone(),
        })
    }

    /// Takes back one act of `who` that came to nothing.
    pub(super) fn give_back(&self, act: Act, who: &str) {
        let rate = act.rate(self.logins_a_minute);
        (self.buckets.lock()).give_back(&(act, who.to_owned()), rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_to_nothing_is_given_back() {
        let limits = Limits::new(RateLimits::Default, 300, 50);
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
        let limits = Limits::new(RateLimits::Default, 300, 50);
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
        let limits = Limits::new(RateLimits::Default, 30, 50);
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
    fn a_person_has_so_many_connections_and_another_their_own() {
        let (ann, bob) = (UserId::from("ann"), UserId::from("bob"));
        let limits = Limits::new(RateLimits::Default, 300, 2);
        let held = [limits.hold_connection(&ann), limits.hold_connection(&ann)];
        assert!(held.iter().all(Result::is_ok));
        let refused = limits.hold_connection(&ann).err();
        assert_eq!(refused, Some(Error::RateLimited(CONNECTIONS_WAIT)));
        let other = limits.hold_connection(&bob);
        assert!(other.is_ok());
        drop((held, other));
        assert!(limits.connections.lock().is_empty());

        let limits = Limits::new(RateLimits::Off, 300, 2);
        let held: Vec<_> = (0..9).map(|_| limits.hold_connection(&ann)).collect();
        assert!(held.iter().all(Result::is_ok));
    }

    #[test]
    fn switched_off_nothing_is_counted() {
        let limits = Limits::new(RateLimits::Off, 300, 50);
        let now = Instant::now();
        assert!((0..1000).all(|_| limits.count(Act::Send, "ann", now).is_ok()));
        assert_eq!(limits.buckets.lock().len(), 0);
    }
}
