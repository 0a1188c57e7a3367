//! Who is online: somebody with a socket, and for a while after the last one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::alarms::Alarms;
use crate::chat::domain::{Timestamp, UserId};

/// Nobody is called offline for a connection that comes back within this time.
const GRACE: Duration = Duration::from_secs(10);

/// Everybody who is online.
#[derive(Default)]
pub(super) struct Presence {
    sockets: HashMap<UserId, usize>,
    /// Those without a socket, and when the last one went.
    leaving: Alarms<UserId, Timestamp>,
}

impl Presence {
    /// A socket has come. True when its person was offline.
    pub(super) fn come(&mut self, user: &UserId) -> bool {
        let count = self.sockets.entry(user.clone()).or_default();
        *count += 1;
        *count == 1 && self.leaving.cancel(user).is_none()
    }

    /// A socket has gone.
    pub(super) fn go(&mut self, user: &UserId, now: Instant, wall: Timestamp) {
        let Some(count) = self.sockets.get_mut(user) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.sockets.remove(user);
            self.leaving.set(user.clone(), now + GRACE, wall);
        }
    }

    /// Those who have stayed away, and since when.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<(UserId, Timestamp)> {
        self.leaving.due(now)
    }

    /// When the next of them will have.
    pub(super) fn next(&self) -> Option<Instant> {
        self.leaving.next()
    }

    /// Whether somebody is online; those in their time of grace are.
    pub(super) fn is_online(&self, user: &UserId) -> bool {
        self.sockets.contains_key(user) || self.leaving.contains(user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_goes_offline_ten_seconds_after_the_last_socket() {
        let mut presence = Presence::default();
        let (ann, now) = (UserId::from("ann"), Instant::now());
        assert!(presence.come(&ann));
        assert!(!presence.come(&ann));
        presence.go(&ann, now, Timestamp(1));
        assert_eq!(presence.next(), None);
        presence.go(&ann, now, Timestamp(2));
        assert!(presence.is_online(&ann));
        assert!(presence.expire(now + Duration::from_secs(9)).is_empty());
        assert!(!presence.come(&ann), "back within the time of grace");
        assert!(presence.expire(now + Duration::from_secs(99)).is_empty());
        presence.go(&ann, now, Timestamp(3));
        assert_eq!(presence.expire(now + GRACE), [(ann.clone(), Timestamp(3))]);
        assert!(!presence.is_online(&ann));
        presence.go(&ann, now, Timestamp(4));
        assert!(presence.come(&ann));
    }
}
