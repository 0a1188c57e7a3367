//! How many connections and sessions are let in, in all and from one address.
//!
//! A place is held by a pass and given back when that is dropped. An address is forgotten with its
//! last pass, so that the table is never larger than what is connected; how often it has come of late
//! is remembered for as long as it matters.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use parking_lot::Mutex;

use super::proxies::counted;
use super::reply::{Failure, FailureDetail, Reply};
use crate::rates::{Buckets, Rate};

/// How long a client that was refused should wait, in milliseconds.
const RETRY_AFTER_MS: u64 = 5_000;
/// How long a connection may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many may be let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// Connections and sessions in all.
    pub total: u32,
    /// Limits of one address; none for load tests.
    pub per_address: Option<AddressLimits>,
}

/// How many may be let in from one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressLimits {
    /// Connections, and sessions, each.
    pub each: u32,
    /// Of both together, those that have not said yet who they are.
    pub pending: u32,
    /// New connections in a second; others wait for their turn.
    pub new_connections: u32,
    /// Requests in a minute that name a session that is not there.
    pub unknown_sessions: u32,
}

/// Why somebody was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The server has as many as it can have.
    Total,
    /// The address has as many connections as it may have.
    Connections,
    /// The address has as many sessions as it may have.
    Sessions,
    /// Too many of the address have not said who they are.
    Pending,
    /// Too many of the address wait for their turn.
    NewConnections,
    /// The address has asked for too many sessions that are not there.
    UnknownSessions,
}

impl Full {
    /// The label that it is counted by.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Total => "connections",
            Self::Connections => "address-connections",
            Self::Sessions => "address-sessions",
            Self::Pending => "address-pending",
            Self::NewConnections => "address-new-connections",
            Self::UnknownSessions => "address-unknown-sessions",
        }
    }

    /// The answer.
    pub fn reply(self) -> Reply {
        let (status, code, message) = match self {
            Self::Total => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The server has no room for more connections now",
            ),
            Self::UnknownSessions => (
                StatusCode::TOO_MANY_REQUESTS,
                "rate-limited",
                "There are too many requests for sessions that do not exist from this address",
            ),
            _ => (
                StatusCode::TOO_MANY_REQUESTS,
                "rate-limited",
                "There are too many connections from this address",
            ),
        };
        Reply::failure(&Failure {
            status,
            success: false,
            message: message.to_owned(),
            error: FailureDetail {
                code,
                field: None,
                retryable: true,
                retry_after_ms: Some(RETRY_AFTER_MS),
            },
        })
    }
}

/// Lets in.
#[derive(Debug)]
pub struct Admission {
    limits: AdmissionLimits,
    /// Held for one lookup; everything is counted in it, so that nothing is counted twice.
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    total: u32,
    addresses: HashMap<IpAddr, Counts>,
    arrivals: Buckets<IpAddr>,
    strays: Buckets<IpAddr>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: u32,
    sessions: u32,
    pending: u32,
}

/// What a pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Connection,
    Session,
}

impl Admission {
    /// With these limits.
    pub fn new(limits: AdmissionLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            table: Mutex::default(),
        })
    }

    /// Lets a connection in, after the time that it has to wait for its turn. `None` as address:
    /// that of a trusted proxy, which stands for many.
    ///
    /// # Errors
    /// Which limit was reached.
    pub fn connection(
        self: &Arc<Self>,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Result<(Pass, Duration), Full> {
        let pass = self.enter(address, Place::Connection)?;
        let wait = self.turn(address, now)?;
        // Who waits can say nothing yet, and must not take the place of who can.
        if !wait.is_zero() {
            pass.settle();
        }
        Ok((pass, wait))
    }

    /// Lets a session in.
    ///
    /// # Errors
    /// Which limit was reached.
    pub fn session(self: &Arc<Self>, address: IpAddr) -> Result<Pass, Full> {
        self.enter(Some(address), Place::Session)
    }

    /// Counts a request for a session that is not there.
    ///
    /// # Errors
    /// There were too many.
    pub fn unknown_session(&self, address: IpAddr, now: Instant) -> Result<(), Full> {
        let Some(limits) = self.limits.per_address else {
            return Ok(());
        };
        let rate = Rate::of(limits.unknown_sessions, Duration::from_secs(60));
        let mut table = self.table.lock();
        let taken = (table.strays).take(counted(address), rate, Duration::ZERO, now);
        taken.map(drop).map_err(|_| Full::UnknownSessions)
    }

    fn turn(&self, address: Option<IpAddr>, now: Instant) -> Result<Duration, Full> {
        let (Some(address), Some(limits)) = (address, self.limits.per_address) else {
            return Ok(Duration::ZERO);
        };
        let rate = Rate::of(limits.new_connections, Duration::from_secs(1));
        let mut table = self.table.lock();
        let taken = (table.arrivals).take(counted(address), rate, PATIENCE, now);
        taken.map_err(|_| Full::NewConnections)
    }

    fn enter(self: &Arc<Self>, address: Option<IpAddr>, place: Place) -> Result<Pass, Full> {
        let address = address.map(counted);
        let mut table = self.table.lock();
        // A session has come by a connection, which was counted.
        if place == Place::Connection && table.total >= self.limits.total {
            return Err(Full::Total);
        }
        if let Some(address) = address {
            let counts = table.addresses.get(&address);
            counts.map_or(Ok(()), |counts| self.check(counts, place))?;
            let counts = table.addresses.entry(address).or_default();
            *counts.of(place) += 1;
            counts.pending += 1;
        }
        table.total += 1;
        Ok(Pass {
            admission: Arc::clone(self),
            address,
            place,
            pending: AtomicBool::new(true),
        })
    }

    fn check(&self, counts: &Counts, place: Place) -> Result<(), Full> {
        let Some(limits) = self.limits.per_address else {
            return Ok(());
        };
        match place {
            Place::Connection if counts.connections >= limits.each => Err(Full::Connections),
            Place::Session if counts.sessions >= limits.each => Err(Full::Sessions),
            _ if counts.pending >= limits.pending => Err(Full::Pending),
            _ => Ok(()),
        }
    }
}

impl Counts {
    fn of(&mut self, place: Place) -> &mut u32 {
        match place {
            Place::Connection => &mut self.connections,
            Place::Session => &mut self.sessions,
        }
    }
}

/// A place that somebody has.
pub struct Pass {
    admission: Arc<Admission>,
    address: Option<IpAddr>,
    place: Place,
    pending: AtomicBool,
}

impl Pass {
    /// Their turn has come: from now on they are pending.
    pub fn begin(&self) {
        if self.pending.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(address) = self.address
            && let Some(counts) = self.admission.table.lock().addresses.get_mut(&address)
        {
            counts.pending += 1;
        }
    }

    /// They have said who they are, or what they want: nothing is pending any more.
    pub fn settle(&self) {
        if !self.pending.swap(false, Ordering::Relaxed) {
            return;
        }
        if let Some(address) = self.address
            && let Some(counts) = self.admission.table.lock().addresses.get_mut(&address)
        {
            counts.pending -= 1;
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.settle();
        let mut table = self.admission.table.lock();
        table.total -= 1;
        let Some(address) = self.address else { return };
        if let Entry::Occupied(mut entry) = table.addresses.entry(address) {
            let counts = entry.get_mut();
            *counts.of(self.place) -= 1;
            if counts.connections == 0 && counts.sessions == 0 {
                entry.remove();
            }
        }
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(total: u32, each: u32, pending: u32) -> Arc<Admission> {
        let per_address = Some(AddressLimits {
            each,
            pending,
            new_connections: 1_000,
            unknown_sessions: 3,
        });
        Admission::new(AdmissionLimits { total, per_address })
    }

    /// A connection that need not wait.
    fn connect(admission: &Arc<Admission>, address: Option<IpAddr>) -> Result<Pass, Full> {
        let (pass, wait) = admission.connection(address, Instant::now())?;
        assert_eq!(wait, Duration::ZERO);
        Ok(pass)
    }

    fn ip(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn an_address_has_its_connections_and_another_its_own() {
        let admission = admission(10, 2, 10);
        let first = connect(&admission, Some(ip(1))).expect("room");
        let _second = connect(&admission, Some(ip(1))).expect("room");
        assert_eq!(
            connect(&admission, Some(ip(1))).err(),
            Some(Full::Connections)
        );
        let _other = connect(&admission, Some(ip(2))).expect("room");
        let _session = admission.session(ip(1)).expect("counted apart");
        drop(first);
        connect(&admission, Some(ip(1))).expect("room again");
    }

    #[test]
    fn those_that_say_nothing_are_bounded_more_tightly() {
        let admission = admission(10, 5, 2);
        let one = connect(&admission, Some(ip(1))).expect("room");
        let _two = admission.session(ip(1)).expect("room");
        assert_eq!(admission.session(ip(1)).err(), Some(Full::Pending));
        one.settle();
        one.settle();
        let _three = admission.session(ip(1)).expect("room");
        assert_eq!(connect(&admission, Some(ip(1))).err(), Some(Full::Pending));
    }

    #[test]
    fn the_whole_is_bounded_for_proxies_too() {
        let admission = admission(2, 1, 1);
        let _one = connect(&admission, None).expect("room");
        let _two = connect(&admission, None).expect("no address to count by");
        assert_eq!(connect(&admission, None).err(), Some(Full::Total));
    }

    #[test]
    fn nothing_is_kept_of_who_has_gone() {
        let admission = admission(10, 5, 5);
        let passes = [admission.session(ip(1)), connect(&admission, Some(ip(2)))];
        drop(passes);
        let table = admission.table.lock();
        assert_eq!((table.total, table.addresses.len()), (0, 0));
    }

    #[test]
    fn without_limits_per_address_only_the_whole_is_bounded() {
        let admission = Admission::new(AdmissionLimits {
            total: 3,
            per_address: None,
        });
        let passes: Vec<_> = (0..3).map(|_| connect(&admission, Some(ip(1)))).collect();
        assert!(passes.iter().all(Result::is_ok));
        assert_eq!(connect(&admission, Some(ip(1))).err(), Some(Full::Total));
    }

    #[test]
    fn connections_beyond_the_pace_wait_for_their_turn_and_not_for_long() {
        let per_address = Some(AddressLimits {
            each: 100,
            pending: 100,
            new_connections: 2,
            unknown_sessions: 1,
        });
        let admission = Admission::new(AdmissionLimits {
            total: 100,
            per_address,
        });
        let now = Instant::now();
        let mut passes = Vec::new();
        let mut wait = |last: u8, at: Instant| {
            let (pass, wait) = admission.connection(Some(ip(last)), at)?;
            passes.push(pass);
            Ok(wait.as_millis())
        };
        assert_eq!([wait(1, now), wait(1, now)], [Ok(0); 2]);
        for turn in 1..=20 {
            assert_eq!(wait(1, now), Ok(500 * turn));
        }
        assert_eq!(wait(1, now), Err(Full::NewConnections));
        assert_eq!(wait(2, now), Ok(0), "another address has its own turns");
        assert_eq!(wait(1, now + Duration::from_secs(11)), Ok(0));
        let none = admission.connection(None, now).expect("a proxy's");
        assert_eq!(none.1, Duration::ZERO);
        let pending = |admission: &Admission| admission.table.lock().addresses[&ip(1)].pending;
        assert_eq!(pending(&admission), 2 + 1, "who waits is not pending");
        passes[2].begin();
        passes[2].begin();
        assert_eq!(pending(&admission), 2 + 1 + 1);
        // Who was refused has no place.
        assert_eq!(admission.table.lock().total, 22 + 1 + 1 + 1);
        drop((none, passes));
        assert_eq!(admission.table.lock().total, 0);
    }

    #[test]
    fn sessions_that_are_not_there_are_asked_for_so_often_and_no_more() {
        let admission = admission(1, 1, 1);
        let now = Instant::now();
        assert!((0..3).all(|_| admission.unknown_session(ip(1), now).is_ok()));
        let full = Err(Full::UnknownSessions);
        assert_eq!(admission.unknown_session(ip(1), now), full);
        assert_eq!(admission.unknown_session(ip(2), now), Ok(()));
        let later = now + Duration::from_secs(20);
        assert_eq!(admission.unknown_session(ip(1), later), Ok(()));
    }
}
