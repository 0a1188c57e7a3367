//! Who may look: a name and a password, tried rarely, or the session that an earlier login began.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use engineio::Sid;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::socketio::server::connecting::random_sid;
use crate::socketio::{ConnectError, ConnectRequest};

/// How long a session lasts without a new login.
const SESSION_TIME: Duration = Duration::from_secs(12 * 60 * 60);
/// Sessions at a time; the oldest makes room.
const SESSIONS: usize = 64;
/// Failures are counted for so long.
const WINDOW: Duration = Duration::from_secs(60);
/// Failures of one address, and of all together, in that time.
const FAILURES_EACH: u32 = 10;
const FAILURES_ALL: u32 = 100;
/// Passwords that may wait to be checked; they are checked one at a time.
const MAX_WAITING: usize = 8;
/// A longer name or password is wrong without a check.
const MAX_BYTES: usize = 1024;

pub(super) type Verify = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Lets admins in.
pub(super) struct Gate {
    username: Box<str>,
    verify: Verify,
    places: Arc<Semaphore>,
    turn: Arc<Semaphore>,
    attempts: Mutex<Attempts>,
    sessions: Mutex<Sessions>,
}

/// Kept with a socket that has logged in: the session that its client is to be told.
pub(super) struct Begun(pub(super) Sid);

impl Gate {
    pub(super) fn new(username: &str, verify: Verify) -> Self {
        Self {
            username: username.into(),
            verify,
            places: Arc::new(Semaphore::new(MAX_WAITING)),
            turn: Arc::new(Semaphore::new(1)),
            attempts: Mutex::default(),
            sessions: Mutex::default(),
        }
    }

    /// Decides about a client that wants to join the namespace.
    pub(super) async fn admit(&self, request: &ConnectRequest) -> Result<(), ConnectError> {
        let auth = request.auth();
        let text = |name: &str| auth.get(name).and_then(Value::as_str).unwrap_or_default();
        let now = Instant::now();
        if self.sessions.lock().knows(text("sessionId"), now) {
            return Ok(());
        }
        let (username, password) = (text("username"), text("password"));
        // What the page sends before anybody has typed anything is no guess.
        if username.is_empty() && password.is_empty() {
            return Err(wrong());
        }
        let address = request.handshake().address().ip();
        if !self.attempts.lock().begin(address, now) {
            return Err(ConnectError::new(
                "too many attempts, try again in a minute",
            ));
        }
        if !self.is_right(username, password).await? {
            return Err(wrong());
        }
        self.attempts.lock().succeeded(address);
        let id = random_sid();
        self.sessions.lock().begin(id, now);
        request.set_data(Begun(id));
        Ok(())
    }

    /// Takes as long for an unknown name as for a wrong password.
    async fn is_right(&self, username: &str, password: &str) -> Result<bool, ConnectError> {
        if username.len() > MAX_BYTES || password.len() > MAX_BYTES {
            return Ok(false);
        }
        let busy = |_| ConnectError::new("too many log in at once, try again");
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(busy)?;
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let (verify, password) = (Arc::clone(&self.verify), password.to_owned());
        let checked = tokio::task::spawn_blocking(move || {
            let fits = verify(&password);
            drop((place, turn));
            fits
        });
        let fits = checked.await.unwrap_or(false);
        Ok(fits && *self.username == *username)
    }
}

/// The words that the official page knows.
fn wrong() -> ConnectError {
    ConnectError::new("invalid credentials")
}

/// Failures since the window began. An attempt counts as one until it has succeeded, so that
/// guesses at the same time do not pass together.
#[derive(Default)]
struct Attempts {
    since: Option<Instant>,
    all: u32,
    by_address: HashMap<IpAddr, u32>,
}

impl Attempts {
    /// Whether one more may be made.
    fn begin(&mut self, address: IpAddr, now: Instant) -> bool {
        if self
            .since
            .is_none_or(|since| now.duration_since(since) >= WINDOW)
        {
            *self = Self {
                since: Some(now),
                ..Self::default()
            };
        }
        if self.all >= FAILURES_ALL {
            return false;
        }
        let each = self.by_address.entry(network(address)).or_default();
        if *each >= FAILURES_EACH {
            return false;
        }
        *each += 1;
        self.all += 1;
        true
    }

    fn succeeded(&mut self, address: IpAddr) {
        if let Some(each) = self.by_address.get_mut(&network(address)) {
            *each = each.saturating_sub(1);
            self.all = self.all.saturating_sub(1);
        }
    }
}

/// What one customer has: an address of IPv4, a /64 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        address => address,
    }
}

/// Sessions by their secret, and when each began.
#[derive(Default)]
struct Sessions(HashMap<Sid, Instant>);

impl Sessions {
    fn begin(&mut self, id: Sid, now: Instant) {
        if self.0.len() >= SESSIONS
            && let Some(oldest) = self.0.iter().min_by_key(|(_, begun)| **begun)
        {
            let oldest = *oldest.0;
            self.0.remove(&oldest);
        }
        self.0.insert(id, now);
    }

    fn knows(&self, id: &str, now: Instant) -> bool {
        let begun = Sid::parse(id).and_then(|id| self.0.get(&id));
        begun.is_some_and(|begun| now.duration_since(*begun) < SESSION_TIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_network_has_ten_failures_a_minute_and_success_is_none() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        let near = |number: u32| address(&format!("2001:db8::{number}"));
        for number in 0..50 {
            assert!(attempts.begin(near(number), now), "{number}");
            attempts.succeeded(near(number));
        }
        for number in 0..FAILURES_EACH {
            assert!(attempts.begin(near(number), now), "{number}");
        }
        assert!(!attempts.begin(near(99), now));
        assert!(attempts.begin(address("2001:db8:0:1::1"), now));
        assert!(attempts.begin(near(1), now + WINDOW));
    }

    #[test]
    fn many_addresses_share_a_hundred() {
        let (mut attempts, now) = (Attempts::default(), Instant::now());
        let tried =
            (0..200).filter(|number| attempts.begin(address(&format!("10.0.0.{number}")), now));
        assert_eq!(tried.count(), FAILURES_ALL as usize);
        assert!(attempts.by_address.len() <= FAILURES_ALL as usize);
    }

    #[test]
    fn a_session_ends_with_its_time_and_the_oldest_makes_room() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        let ids: Vec<_> = (0..=SESSIONS).map(|_| random_sid()).collect();
        for (number, id) in (0..).zip(&ids) {
            sessions.begin(*id, now + Duration::from_secs(number));
        }
        let known = |id: &Sid, at| sessions.knows(id.as_str(), at);
        assert_eq!(sessions.0.len(), SESSIONS);
        assert!(!known(&ids[0], now));
        assert!(known(&ids[1], now + SESSION_TIME));
        assert!(!known(&ids[1], now + SESSION_TIME + Duration::from_secs(1)));
        assert!(!sessions.knows("", now) && !sessions.knows("nobody's", now));
    }
}
