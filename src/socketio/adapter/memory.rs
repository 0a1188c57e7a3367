//! What one namespace of this process remembers for clients that lost their connection, under one
//! lock.
//!
//! The lock is held while a packet is put into the log and handed to its recipients, so that the
//! order of the log is the order in which everybody gets them. It is the outermost of the adapter.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use engineio::{Frame, Sid};
use parking_lot::Mutex;

use super::recovery::{Addressees, Log, Offset, RecoveryOptions, Session, Sessions, Taken};
use crate::socketio::server::socket::{EmitError, Socket};

pub(super) struct Memory {
    state: Mutex<State>,
    /// The log's head, for those who do not hold the lock.
    head: AtomicU64,
    max_missed_bytes: usize,
}

struct State {
    log: Log,
    sessions: Sessions<Socket>,
}

impl Memory {
    pub(super) fn new(options: RecoveryOptions, silence: Duration) -> Self {
        Self {
            state: Mutex::new(State {
                log: Log::new(&options, silence, first_number()),
                sessions: Sessions::new(&options),
            }),
            head: AtomicU64::new(0),
            max_missed_bytes: options.max_missed_bytes,
        }
    }

    pub(super) fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    #[cfg(test)]
    pub(super) fn sessions(&self) -> usize {
        self.state.lock().sessions.len()
    }

    pub(super) fn next_offset(&self) -> Offset {
        self.state.lock().log.next_offset()
    }

    /// Remembers a packet, and sends it in the same moment.
    pub(super) fn store(
        &self,
        offset: Offset,
        packet: Option<(Frame, Addressees)>,
        send: impl FnOnce(),
    ) {
        let mut state = self.state.lock();
        state.log.push(offset, packet, now());
        self.head.store(state.log.head(), Ordering::Release);
        send();
    }

    /// As [`store`](Self::store), for a packet that some do not get: they are told of it, and not
    /// sent it again.
    pub(super) fn store_for_those_who_keep_up(
        &self,
        offset: Offset,
        packet: Frame,
        mut to: Addressees,
        send: impl FnOnce() -> Vec<Socket>,
    ) -> Vec<Socket> {
        let mut state = self.state.lock();
        let behind = send();
        let behind_too = behind.iter().map(Socket::sid);
        to.left_out = to.left_out.iter().copied().chain(behind_too).collect();
        state.log.push(offset, Some((packet, to)), now());
        self.head.store(state.log.head(), Ordering::Release);
        behind
    }

    /// Sends to one socket, or remembers for it.
    pub(super) fn send(
        &self,
        socket: &Socket,
        frame: Frame,
        offset: Offset,
    ) -> Result<(), EmitError> {
        let mut state = self.state.lock();
        let waits = socket.pid().is_some_and(|pid| state.sessions.is_saved(pid));
        if !socket.connected() && !waits {
            return Err(EmitError::NotConnected);
        }
        let to = Addressees {
            rooms: Box::new([socket.id().into()]),
            except: Box::new([]),
            left_out: Box::new([]),
        };
        state.log.push(offset, Some((frame.clone(), to)), now());
        self.head.store(state.log.head(), Ordering::Release);
        match socket.send(frame) {
            Err(EmitError::NotConnected) => Ok(()),
            sent => sent,
        }
    }

    /// A socket is connected; says where in the log that was.
    pub(super) fn begin(&self, socket: &Socket) -> u64 {
        let mut state = self.state.lock();
        if let Some(pid) = socket.pid() {
            state.sessions.begin(pid, socket.key(), socket.clone());
        }
        state.log.head()
    }

    /// A socket is gone.
    pub(super) fn end(&self, socket: &Socket) {
        if let Some(pid) = socket.pid() {
            self.state.lock().sessions.end(pid, socket.key());
        }
    }

    pub(super) fn save(&self, session: Session) {
        self.state.lock().sessions.save(session, now());
    }

    /// Takes the session of `pid`. A socket that still has it ends: `end` takes it out of its rooms.
    pub(super) fn restore(
        &self,
        pid: &str,
        offset: Option<&str>,
        end: impl FnOnce(&Socket),
    ) -> Option<Session> {
        let pid = Sid::parse(pid)?;
        let now = now();
        let mut state = self.state.lock();
        state.log.forget(now);
        let taken = state.sessions.take(pid, now, Socket::may_be_recovered)?;
        let (mut session, lost) = match taken {
            Taken::Saved(session, lost) => (*session, lost),
            Taken::Live(socket) => {
                let session = Session::of(&socket);
                socket.supersede();
                end(&socket);
                (session?, now)
            }
        };
        session.cursor = state.log.resume_at(&session, offset, lost)?;
        session.returned = true;
        let missed: usize = state.log.missed(&session).map(Frame::wire_len).sum();
        (missed <= self.max_missed_bytes).then_some(session)
    }

    /// Sends what was missed, then `connect`; `enter` lists the socket, which misses nothing from
    /// then on.
    pub(super) fn resume<R>(
        &self,
        socket: &Socket,
        session: &Session,
        connect: Frame,
        enter: impl FnOnce() -> R,
    ) -> R {
        let mut state = self.state.lock();
        for frame in state.log.missed(session) {
            // A refusal means that the session is closing.
            _ = socket.session().send(frame.clone());
        }
        _ = socket.session().send(connect);
        state
            .sessions
            .begin(session.pid, socket.key(), socket.clone());
        enter()
    }
}

/// Beyond all numbers of an earlier process: nobody emits a million packets in a millisecond.
fn first_number() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| (since.as_millis() as u64) << 20)
}

/// The runtime's clock, as the engine uses it, so that tests can stop it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
