//! The sockets that a client may come back to: those that are connected, and what is kept of those
//! that lost their connection.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use engineio::Sid;

use super::{RecoveryOptions, Session};

enum Entry<L> {
    Live(L, u64),
    Saved(Box<Session>, Saving),
}

/// When a session was saved; each time is another one.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Saving {
    at: Instant,
    serial: u64,
}

/// What was found under a pid.
pub(in super::super) enum Taken<L> {
    /// A socket that is still connected: it is to be ended.
    Live(L),
    /// A session, and since when its client is gone.
    Saved(Box<Session>, Instant),
}

/// By pid; `L` stands for a connected socket.
pub(in super::super) struct Sessions<L> {
    entries: HashMap<Sid, Entry<L>>,
    /// The saved ones, oldest first. Those that were taken since are skipped.
    saved: VecDeque<(Sid, Saving)>,
    serial: u64,
    saved_count: usize,
    saved_bytes: usize,
    max_saved: usize,
    max_bytes: usize,
    max_age: Duration,
}

impl<L> Sessions<L> {
    pub(in super::super) fn new(options: &RecoveryOptions) -> Self {
        Self {
            entries: HashMap::new(),
            saved: VecDeque::new(),
            serial: 0,
            saved_count: 0,
            saved_bytes: 0,
            max_saved: options.max_sessions,
            max_bytes: options.max_bytes,
            max_age: options.max_disconnection_duration,
        }
    }

    /// A socket is connected.
    pub(in super::super) fn begin(&mut self, pid: Sid, key: u64, socket: L) {
        if let Some(Entry::Saved(session, _)) = self.entries.insert(pid, Entry::Live(socket, key)) {
            self.uncount(&session);
        }
    }

    /// A socket has left for good; does nothing when its session was saved or taken.
    pub(in super::super) fn end(&mut self, pid: Sid, key: u64) {
        if matches!(self.entries.get(&pid), Some(Entry::Live(_, live)) if *live == key) {
            self.entries.remove(&pid);
            self.shrink();
        }
    }

    #[cfg(test)]
    pub(in super::super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the session of this pid waits for its client.
    pub(in super::super) fn is_saved(&self, pid: Sid) -> bool {
        matches!(self.entries.get(&pid), Some(Entry::Saved(..)))
    }

    /// Keeps what is left of a socket, unless somebody has taken it meanwhile.
    pub(in super::super) fn save(&mut self, session: Session, now: Instant) {
        let expected = match self.entries.get(&session.pid) {
            Some(Entry::Live(_, key)) => *key == session.key,
            Some(Entry::Saved(..)) => false,
            None => session.returned,
        };
        if !expected {
            return;
        }
        self.saved_count += 1;
        self.saved_bytes += session.cost();
        self.serial += 1;
        let (pid, serial) = (session.pid, self.serial);
        let saving = Saving { at: now, serial };
        self.saved.push_back((pid, saving));
        self.entries
            .insert(pid, Entry::Saved(Box::new(session), saving));
        self.forget(now);
    }

    /// Takes what is there for a pid; a second asker finds nothing. `may_take` is asked about a
    /// socket that is connected.
    pub(in super::super) fn take(
        &mut self,
        pid: Sid,
        now: Instant,
        may_take: impl FnOnce(&L) -> bool,
    ) -> Option<Taken<L>> {
        self.forget(now);
        if let Some(Entry::Live(socket, _)) = self.entries.get(&pid)
            && !may_take(socket)
        {
            return None;
        }
        Some(match self.entries.remove(&pid)? {
            Entry::Live(socket, _) => Taken::Live(socket),
            Entry::Saved(session, saving) => {
                self.uncount(&session);
                Taken::Saved(session, saving.at)
            }
        })
    }

    /// Lets go of sessions that nobody came back for, and of the oldest when there are too many.
    pub(in super::super) fn forget(&mut self, now: Instant) {
        while let Some((pid, saving)) = self.saved.front() {
            let expired = now.saturating_duration_since(saving.at) > self.max_age;
            let full = self.saved_count > self.max_saved || self.saved_bytes > self.max_bytes;
            let (pid, saving) = (*pid, *saving);
            let is_there =
                matches!(self.entries.get(&pid), Some(Entry::Saved(_, at)) if *at == saving);
            if is_there && !expired && !full {
                break;
            }
            self.saved.pop_front();
            if is_there && let Some(Entry::Saved(session, _)) = self.entries.remove(&pid) {
                self.uncount(&session);
            }
        }
        // Whoever comes back leaves a name behind in the middle.
        if self.saved.len() > 64 + 2 * self.saved_count {
            let entries = &self.entries;
            self.saved.retain(|(pid, saving)| {
                matches!(entries.get(pid), Some(Entry::Saved(_, at)) if at == saving)
            });
        }
        self.shrink();
    }

    /// A wave of sockets must not leave its size behind.
    fn shrink(&mut self) {
        if self.entries.capacity() > 64 + 4 * self.entries.len() {
            self.entries.shrink_to(2 * self.entries.len());
            self.saved.shrink_to(2 * self.saved.len());
        }
    }

    fn uncount(&mut self, session: &Session) {
        self.saved_count -= 1;
        self.saved_bytes -= session.cost();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(120);

    fn pid(number: u8) -> Sid {
        Sid::from_random([number; Sid::LEN])
    }

    fn session(number: u8, key: u64) -> Session {
        Session {
            sid: pid(number),
            pid: pid(number),
            rooms: Vec::new(),
            data: Vec::new(),
            since: 0,
            cursor: 0,
            key,
            returned: false,
        }
    }

    fn sessions(max_sessions: usize) -> Sessions<u64> {
        Sessions::new(&RecoveryOptions {
            max_sessions,
            ..RecoveryOptions::default()
        })
    }

    fn save(sessions: &mut Sessions<u64>, number: u8, now: Instant) {
        sessions.begin(pid(number), number.into(), number.into());
        sessions.save(session(number, number.into()), now);
    }

    #[test]
    fn a_session_is_given_to_one_asker_and_can_be_given_back() {
        let now = Instant::now();
        let mut sessions = sessions(10);
        save(&mut sessions, 1, now);
        let taken = sessions.take(pid(1), now, |_| true);
        let Some(Taken::Saved(mut session, _)) = taken else {
            panic!("it was saved");
        };
        assert!(sessions.take(pid(1), now, |_| true).is_none());
        session.returned = true;
        sessions.save(*session, now);
        assert!(sessions.is_saved(pid(1)));
    }

    #[test]
    fn a_connected_socket_is_taken_and_its_late_end_saves_nothing() {
        let now = Instant::now();
        let mut sessions = sessions(10);
        sessions.begin(pid(1), 5, 5);
        assert!(sessions.take(pid(1), now, |_| false).is_none());
        assert!(matches!(
            sessions.take(pid(1), now, |_| true),
            Some(Taken::Live(5))
        ));
        sessions.save(session(1, 5), now);
        sessions.begin(pid(1), 6, 6);
        sessions.save(session(1, 5), now);
        sessions.end(pid(1), 5);
        assert!(matches!(
            sessions.take(pid(1), now, |_| true),
            Some(Taken::Live(6))
        ));
    }

    #[test]
    fn sessions_are_forgotten_by_age_and_by_number() {
        let now = Instant::now();
        let mut sessions = sessions(2);
        for number in 1..=3 {
            save(
                &mut sessions,
                number,
                now + Duration::from_secs(number.into()),
            );
        }
        assert!(!sessions.is_saved(pid(1)), "the oldest went");
        let late = now + Duration::from_secs(2) + AGE;
        assert!(sessions.take(pid(2), late, |_| true).is_some());
        assert!(sessions.take(pid(3), late + AGE, |_| true).is_none());
        assert_eq!((sessions.saved_count, sessions.saved_bytes), (0, 0));
        assert!(sessions.saved.is_empty() && sessions.entries.is_empty());
    }

    #[test]
    fn a_wave_does_not_leave_its_size_behind() {
        let now = Instant::now();
        let mut sessions = sessions(10_000);
        for number in 0..5000_u64 {
            let pid = Sid::from_random(std::array::from_fn(|at| (number >> (at % 8)) as u8));
            sessions.begin(pid, number, number);
            sessions.save(
                Session {
                    pid,
                    key: number,
                    ..session(1, number)
                },
                now,
            );
        }
        assert!(sessions.entries.capacity() >= 1000);
        sessions.forget(now + 2 * AGE);
        let capacity = sessions.entries.capacity().max(sessions.saved.capacity());
        assert!(capacity <= 64, "{capacity}");
    }

    #[test]
    fn coming_and_going_leaves_nothing_behind() {
        let now = Instant::now();
        let mut sessions = sessions(10);
        for _ in 0..10_000 {
            save(&mut sessions, 1, now);
            sessions.take(pid(1), now, |_| true);
        }
        assert!(sessions.saved.len() < 200 && sessions.entries.is_empty());
    }
}
