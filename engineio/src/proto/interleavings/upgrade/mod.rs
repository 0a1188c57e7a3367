//! An upgrade, from the first poll to the stream: the requests of its client, the session's task as
//! the driver runs it, senders, a flusher, the clock, and a client that gives up. Each message
//! arrives once and in order, both ways; at most one transport carries the session; nothing is lost
//! unless its client is, and every session comes to its end.

mod client;
mod plans;
mod task;

use std::{
    fmt::Debug,
    sync::Arc,
    time::{Duration, Instant},
};

use self::{
    client::{Client, Line},
    task::{Command, Turn, control_outbox, write},
};
use super::{Scene, contents};
use crate::proto::{
    Frame, Outbox, Session, TransportKind,
    outbox::{EnqueueError, Enqueued, Sink},
    session::Settings,
};

const UPGRADE_TIMEOUT: Duration = Duration::from_millis(100);
const PING_INTERVAL: Duration = Duration::from_millis(300);

/// Who takes the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    /// Sends one frame, and wakes the task where it must.
    Sender,
    /// Queues one frame for the flusher.
    Caster,
    /// Writes in the place of the task.
    Flusher,
    /// The session's task.
    Owner,
    /// The application closes the session when all is sent.
    Closer,
    /// The client sends a GET.
    Get,
    /// The client says something: in a POST, or on its stream.
    Say,
    /// The client opens a WebSocket, and sends `2probe`.
    Attach,
    /// A second WebSocket is opened.
    AttachAgain,
    /// The client reads what has come on its stream.
    Read,
    /// The client sends `5`.
    Upgrade,
    /// The WebSocket breaks.
    Break,
    /// The client is gone, with all its connections.
    Leave,
    /// The clock.
    Time,
}

/// What the client does.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// It sends `5` without waiting for anything, as no official client does.
    hasty: bool,
    sends: usize,
    casts: usize,
    says: usize,
    /// Bytes that the stream takes until the client reads.
    room: usize,
    /// How often something breaks, or the client leaves.
    faults: usize,
    attaches_again: bool,
    /// Passes at once, some time.
    time: Option<Duration>,
    closes: bool,
}

const PLAN: Plan = Plan {
    hasty: false,
    sends: 1,
    casts: 1,
    says: 1,
    room: 16,
    faults: 0,
    attaches_again: false,
    time: None,
    closes: false,
};

#[derive(Clone)]
struct Upgrade {
    plan: Plan,
    session: Session,
    now: Instant,
    /// The slot that is shared.
    outbox: Outbox,
    commands: Vec<Command>,
    direct: bool,
    listed: usize,
    queued: String,
    /// The task.
    turn: Turn,
    woken: bool,
    /// Its steps since anybody else took one.
    steps: usize,
    holds_get: bool,
    probe: Option<Outbox>,
    streaming: bool,
    waits_for_room: bool,
    told: String,
    client: Client,
    /// Something broke, or the client left.
    faulty: bool,
    /// It left a poll behind.
    aborted: bool,
    late: bool,
}

impl Upgrade {
    fn new(plan: Plan, now: Instant) -> Self {
        let settings = Settings {
            ping_interval: PING_INTERVAL,
            ping_timeout: Duration::from_millis(200),
            upgrade_timeout: UPGRADE_TIMEOUT,
            ..Settings::default()
        };
        Self {
            plan,
            session: Session::new(Arc::new(settings), TransportKind::Polling, now),
            now,
            outbox: control_outbox(),
            commands: Vec::new(),
            direct: false,
            listed: 0,
            queued: String::new(),
            turn: Turn::Begun,
            woken: false,
            steps: 0,
            holds_get: false,
            probe: None,
            streaming: false,
            waits_for_room: false,
            told: String::new(),
            client: Client::default(),
            faulty: false,
            aborted: false,
            late: false,
        }
    }
    fn next_frame(&self) -> (String, Frame) {
        let text = self.queued.len().to_string();
        let frame = Frame::text(&text);
        (text, frame)
    }

    fn send(&mut self) {
        let (text, frame) = self.next_frame();
        match self.outbox.enqueue(frame) {
            Ok(enqueued) => {
                self.queued.push_str(&text);
                self.woken |= enqueued == Enqueued::WakeNeeded;
            }
            Err(error) => assert_eq!(error, EnqueueError::Closed),
        }
    }

    fn cast(&mut self) {
        let (text, frame) = self.next_frame();
        match self.outbox.enqueue_listed(frame) {
            Ok(enqueued) => {
                self.queued.push_str(&text);
                self.listed += usize::from(enqueued == Enqueued::WakeNeeded);
            }
            Err(error) => assert_eq!(error, EnqueueError::Closed),
        }
    }

    fn flush(&mut self) {
        if !self.outbox.begin_flush() {
            return;
        }
        if self.direct && self.outbox.sink() == Sink::Ready {
            let _ = write(&mut self.outbox, &mut self.client.line);
        }
        if self.outbox.needs_owner() {
            self.woken |= self.outbox.call_owner() == Enqueued::WakeNeeded;
        }
    }

    fn push(&mut self, command: Command) {
        if self.turn == Turn::Over {
            return self.drop_command(command);
        }
        self.commands.push(command);
        self.woken |= self.outbox.call_owner() == Enqueued::WakeNeeded;
    }

    /// Nobody takes it: who waits for its answer learns that the session is gone.
    fn drop_command(&mut self, command: Command) {
        match command {
            Command::Get => self.refuse_get(),
            Command::Attach | Command::AttachAgain => self.end_line(),
            Command::Post(_) => self.client.gone = true,
            Command::GetAborted | Command::Close => {}
        }
    }

    fn check(&self) {
        assert!(self.queued.starts_with(&self.client.heard), "in order");
        assert!("012".starts_with(&self.told), "in order");
        assert!(self.told.len() <= self.client.said);
        assert!(!(self.streaming && self.probe.is_some()), "one stream");
        assert!(self.streaming || !self.direct);
    }

    /// Without anybody else, the session comes to its end by itself.
    fn run_out(mut self) {
        for _ in 0..10 {
            while self.can_act(Actor::Owner) {
                self.take_turn();
            }
            let Some(due) = self.session.poll_timeout() else {
                break;
            };
            assert!(due > self.now, "what is due was acted on");
            (self.now, self.woken, self.steps) = (due, true, 0);
        }
        assert_eq!(self.turn, Turn::Over);
        assert!(!self.holds_get && self.probe.is_none() && !self.outbox.has_pending());
    }
}

impl Scene for Upgrade {
    type Actor = Actor;
    const ACTORS: &'static [Actor] = &[
        Actor::Sender,
        Actor::Caster,
        Actor::Flusher,
        Actor::Owner,
        Actor::Closer,
        Actor::Get,
        Actor::Say,
        Actor::Attach,
        Actor::AttachAgain,
        Actor::Read,
        Actor::Upgrade,
        Actor::Break,
        Actor::Leave,
        Actor::Time,
    ];

    fn can_act(&self, actor: Actor) -> bool {
        let (plan, client) = (&self.plan, &self.client);
        let open = client.line.as_ref().is_some_and(|line| !line.cut);
        let ready = client.paused && !client.getting;
        match actor {
            Actor::Sender => plan.sends > 0,
            Actor::Caster => plan.casts > 0,
            Actor::Flusher => self.listed > 0,
            Actor::Owner => match self.turn {
                Turn::Asleep => self.woken,
                Turn::Over => false,
                _ => true,
            },
            Actor::Closer => plan.closes && plan.sends + plan.casts == 0,
            Actor::Read => client.has_to_read(),
            Actor::Break => plan.faults > 0 && open,
            Actor::Time => plan.time.is_some(),
            Actor::AttachAgain => plan.attaches_again,
            _ if client.gone => false,
            Actor::Leave => plan.faults > 0,
            Actor::Get => !client.getting && !client.paused && !client.moved,
            Actor::Say => {
                client.said < plan.says && !client.posting && (client.moved || !client.paused)
            }
            Actor::Attach => client.line.is_none(),
            Actor::Upgrade => open && !client.moved && !client.posting && (ready || plan.hasty),
        }
    }

    fn act(&mut self, actor: Actor) {
        if actor != Actor::Owner {
            self.steps = 0;
        }
        match actor {
            Actor::Sender => {
                self.plan.sends -= 1;
                self.send();
            }
            Actor::Caster => {
                self.plan.casts -= 1;
                self.cast();
            }
            Actor::Flusher => {
                self.listed -= 1;
                self.flush();
            }
            Actor::Owner => self.take_turn(),
            Actor::Closer => {
                self.plan.closes = false;
                self.outbox.seal();
                self.push(Command::Close);
            }
            Actor::Get => {
                self.client.getting = true;
                self.push(Command::Get);
            }
            Actor::Say => self.say(),
            Actor::Attach => {
                let room = self.plan.room;
                let up = vec!["2probe"];
                self.client.line = Some(Line {
                    up,
                    room,
                    ..Line::default()
                });
                self.push(Command::Attach);
            }
            Actor::AttachAgain => {
                self.plan.attaches_again = false;
                self.push(Command::AttachAgain);
            }
            Actor::Read => {
                self.client.read();
                self.woken |= std::mem::take(&mut self.waits_for_room);
            }
            Actor::Upgrade => self.upgrade(),
            Actor::Break | Actor::Leave => {
                self.plan.faults -= 1;
                self.faulty = true;
                match actor {
                    Actor::Break => self.cut(),
                    _ => self.leave(),
                }
            }
            Actor::Time => {
                self.now += self.plan.time.take().unwrap_or_default();
                (self.late, self.woken) = (true, true);
            }
        }
        self.check();
    }

    fn state(&self) -> impl Debug {
        let slot = (
            &self.outbox,
            contents(&self.outbox),
            &self.commands,
            self.direct,
            self.listed,
            &self.queued,
        );
        let probe = self.probe.as_ref().map(|probe| (probe, contents(probe)));
        let task = (
            self.turn,
            self.woken,
            self.holds_get,
            probe,
            self.streaming,
            self.waits_for_room,
            &self.told,
        );
        let rest = (
            &self.plan,
            self.now,
            &self.client,
            self.faulty,
            self.aborted,
        );
        (&self.session, slot, task, rest)
    }

    fn check_end(&self) {
        if !self.client.gone {
            assert_eq!(self.client.heard, self.queued, "all of it");
            assert_eq!(self.told.len(), self.plan.says, "all of it");
            assert_eq!(self.turn, Turn::Asleep);
        } else if !self.faulty {
            // It was told that the session is over.
            assert_eq!(self.client.heard, self.queued, "all of it");
            assert_eq!(self.turn, Turn::Over);
        }
        let noticed = self.aborted || self.streaming && self.client.gone;
        assert!(!noticed || self.turn == Turn::Over, "not by a time-out");
        self.clone().run_out();
    }
}
