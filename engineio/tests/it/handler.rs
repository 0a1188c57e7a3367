//! What a handler may rely on: its turns, its work in flight, back-pressure, its faults.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use engineio::{
    Application, CloseMode, CloseReason, Config, Frame, Handler, Handshake, Message, Server,
    SessionHandle,
};
use tokio::sync::{Notify, mpsc};

use crate::{
    client::{Polling, Ws, frame, soon},
    server::{TestServer, config},
};

/// Together far more than an outbox may hold.
const LARGE_BYTES: usize = 200_000;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An application whose handler does what the text of a message says.
struct App {
    gate: Arc<Notify>,
    turns: Arc<AtomicUsize>,
    messages: Arc<AtomicUsize>,
    events: mpsc::UnboundedSender<&'static str>,
}

struct Session {
    session: SessionHandle,
    gate: Arc<Notify>,
    turns: Arc<AtomicUsize>,
    /// How many of all sessions together have come.
    messages: Arc<AtomicUsize>,
    events: mpsc::UnboundedSender<&'static str>,
    task: Option<Task>,
    due: Option<Instant>,
}

impl Application for App {
    type Handler = Session;

    fn open(&self, _handshake: Handshake, session: SessionHandle) -> Session {
        let _ = session.send(Frame::text("greeting"));
        Session {
            session,
            gate: Arc::clone(&self.gate),
            turns: Arc::clone(&self.turns),
            messages: Arc::clone(&self.messages),
            events: self.events.clone(),
            task: None,
            due: None,
        }
    }
}

impl Handler for Session {
    fn handle_message(&mut self, message: Message<'_>, now: Instant) {
        let Message::Text(text) = message else { return };
        let (session, gate) = (self.session.clone(), Arc::clone(&self.gate));
        let before = self.messages.fetch_add(1, Ordering::Relaxed);
        match text {
            "how many" => drop(session.send(Frame::text(&before.to_string()))),
            "work" => {
                self.task = Some(Box::pin(async move {
                    gate.notified().await;
                    let _ = session.send(Frame::text("done"));
                }));
            }
            "brief work" => self.task = Some(Box::pin(async {})),
            "timer" => self.due = Some(now + Duration::from_millis(20)),
            "panic" => panic!("on purpose"),
            "close" => {
                let _ = session.send(Frame::text("bye"));
                session.close(CloseMode::Flush);
            }
            "large" => drop(session.send(Frame::text(&"x".repeat(LARGE_BYTES)))),
            text => drop(session.send(Frame::text(text))),
        }
    }

    fn wants_message(&self) -> bool {
        self.task.is_none()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    fn handle_timeout(&mut self, _now: Instant) {
        self.due = None;
        let _ = self.session.send(Frame::text("rang"));
    }

    fn poll_tasks(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.turns.fetch_add(1, Ordering::Relaxed);
        let Some(task) = &mut self.task else {
            return Poll::Ready(());
        };
        if task.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.task = None;
        let _ = self.events.send("task done");
        Poll::Ready(())
    }

    fn handle_close(&mut self, reason: CloseReason, _now: Instant) {
        let _ = self.events.send(reason.as_str());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.events.send("dropped");
    }
}

struct Rig {
    server: TestServer,
    gate: Arc<Notify>,
    turns: Arc<AtomicUsize>,
    events: mpsc::UnboundedReceiver<&'static str>,
}

impl Rig {
    async fn with(config: Config) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let (gate, turns) = (Arc::<Notify>::default(), Arc::<AtomicUsize>::default());
        let app = App {
            gate: Arc::clone(&gate),
            turns: Arc::clone(&turns),
            messages: Arc::default(),
            events: sender,
        };
        let server = TestServer::serving(&Server::new(config, app)).await;
        Self {
            server,
            gate,
            turns,
            events,
        }
    }

    async fn start() -> Self {
        Self::with(config()).await
    }

    async fn event(&mut self) -> &'static str {
        soon("event", self.events.recv()).await.unwrap()
    }

    async fn open(&self) -> Ws {
        let (mut ws, _) = Ws::open(&self.server).await;
        assert_eq!(ws.text().await, "4greeting");
        ws
    }
}

#[tokio::test]
async fn trap_18_what_is_sent_at_the_opening_comes_with_the_next_poll() {
    let rig = Rig::start().await;
    let client = Polling::open(&rig.server).await;
    assert_eq!(client.poll().await.text(), "4greeting");
}

#[tokio::test]
async fn messages_wait_while_the_handler_is_busy() {
    let rig = Rig::start().await;
    let mut ws = rig.open().await;
    ws.send("4work").await;
    ws.send("4next").await;
    let early = tokio::time::timeout(Duration::from_millis(50), ws.read_frame()).await;
    assert!(early.is_err(), "nothing is read while the handler is busy");
    rig.gate.notify_one();
    assert_eq!(ws.text().await, "4done");
    assert_eq!(ws.text().await, "4next");
}

#[tokio::test]
async fn one_that_sends_much_at_once_does_not_hold_up_another() {
    let rig = Rig::start().await;
    let (mut busy, mut other) = (rig.open().await, rig.open().await);
    let burst = frame(0x81, b"4x").repeat(2_000);
    // The server has its turn when both have been sent, and comes to the busy one first.
    busy.http.write(burst).await;
    other.send("4how many").await;
    let before: usize = other.text().await[1..].parse().unwrap();
    assert!(before > 0, "the other one was first: nothing is shown");
    assert!(
        before < 300,
        "{before} messages came before that of the other"
    );
}

#[tokio::test]
async fn what_was_read_with_it_is_handled_when_the_work_ends_in_the_same_turn() {
    let rig = Rig::start().await;
    let mut ws = rig.open().await;
    let frames: Vec<u8> = ["4brief work", "4next", "4brief work", "4last"]
        .iter()
        .flat_map(|text| frame(0x81, text.as_bytes()))
        .collect();
    ws.http.write(frames).await;
    assert_eq!(ws.text().await, "4next");
    assert_eq!(ws.text().await, "4last");
}

#[tokio::test]
async fn a_post_pauses_in_the_middle_while_the_handler_is_busy() {
    let rig = Rig::start().await;
    let client = Polling::open(&rig.server).await;
    assert_eq!(client.poll().await.text(), "4greeting");
    let post = async { client.post("4first\x1e4work\x1e4last").await };
    let watch = async {
        assert_eq!(client.poll().await.text(), "4first");
        rig.gate.notify_one();
    };
    let (reply, ()) = tokio::join!(post, watch);
    assert_eq!(reply.text(), "ok");
    let mut rest = client.poll().await.text().to_owned();
    while !rest.ends_with("4last") {
        rest = format!("{rest}\x1e{}", client.poll().await.text());
    }
    assert_eq!(rest, "4done\x1e4last");
}

#[tokio::test]
async fn a_handler_that_stays_busy_ends_its_session_but_may_finish() {
    let config = Config {
        stall_timeout: Duration::from_millis(50),
        ..config()
    };
    let mut rig = Rig::with(config).await;
    let mut ws = rig.open().await;
    ws.send("4work").await;
    ws.assert_closed(None).await;
    assert_eq!(rig.event().await, "stalled");
    assert!(
        rig.events.try_recv().is_err(),
        "its work is still under way"
    );
    rig.gate.notify_one();
    assert_eq!(rig.event().await, "task done");
    assert_eq!(rig.event().await, "dropped");
}

#[tokio::test]
async fn work_goes_on_after_the_end_until_it_is_done() {
    let mut rig = Rig::start().await;
    let client = Polling::open(&rig.server).await;
    let mut poll = client.begin_poll().await;
    assert_eq!(poll.reply().await.text(), "4greeting");
    let post = tokio::spawn({
        let (target, mut http) = (client.target(), poll);
        async move {
            http.send(&format!("POST {target}"), "", b"4work").await;
            http.reply().await
        }
    });
    assert_eq!(soon("post", post).await.unwrap().text(), "ok");
    drop(client.begin_poll().await);
    assert_eq!(rig.event().await, "transport error");
    assert_eq!(rig.server.count(), 0, "the session is gone at once");
    rig.gate.notify_one();
    assert_eq!(rig.event().await, "task done");
    assert_eq!(rig.event().await, "dropped");
}

#[tokio::test]
async fn the_end_of_the_server_waits_for_the_work_of_its_handlers() {
    let mut rig = Rig::start().await;
    let mut ws = rig.open().await;
    // Both are read in one turn, so that the answer to the first says that the work has begun.
    let both = [frame(0x81, b"4first"), frame(0x81, b"4work")].concat();
    ws.http.write(both).await;
    assert_eq!(ws.text().await, "4first");
    rig.server.close();
    ws.assert_close_frame(None).await;
    drop(ws);
    assert_eq!(rig.event().await, "forced close");
    assert_eq!(rig.server.count(), 0, "the session itself is gone");
    let early = tokio::time::timeout(Duration::from_millis(100), rig.server.closed());
    assert!(early.await.is_err(), "its work is under way");
    rig.gate.notify_one();
    soon("the end", rig.server.closed()).await;
    assert_eq!(rig.event().await, "task done");
    assert_eq!(rig.event().await, "dropped");
}

#[tokio::test]
async fn a_handler_has_a_timer() {
    let rig = Rig::start().await;
    let mut ws = rig.open().await;
    ws.send("4timer").await;
    assert_eq!(ws.text().await, "4rang");
}

#[tokio::test]
async fn a_handler_may_close_its_session() {
    let mut rig = Rig::start().await;
    let mut ws = rig.open().await;
    ws.send("4close").await;
    assert_eq!(ws.text().await, "4bye");
    ws.assert_closed(None).await;
    assert_eq!(rig.event().await, "forced close");
    assert_eq!(rig.event().await, "dropped");
}

#[tokio::test]
async fn a_handler_that_panics_takes_only_its_own_session_along() {
    let rig = Rig::start().await;
    let mut ws = rig.open().await;
    let mut other = rig.open().await;
    ws.send("4panic").await;
    ws.http.ended().await;
    assert_eq!(rig.server.count(), 1);
    other.send("4alive").await;
    assert_eq!(other.text().await, "4alive");
}

#[tokio::test]
async fn a_panic_answers_the_requests_that_wait() {
    let rig = Rig::start().await;
    let client = Polling::open(&rig.server).await;
    assert_eq!(client.poll().await.text(), "4greeting");
    let mut poll = client.begin_poll().await;
    client.post("6").await;
    assert_eq!(client.post("4panic").await.status, 400);
    assert_eq!(poll.reply().await.status, 400);
    client.assert_gone().await;
}

#[tokio::test]
async fn what_is_sent_inside_a_turn_wakes_nobody() {
    let rig = Rig::start().await;
    let mut ws = rig.open().await;
    ws.send("4warm").await;
    ws.text().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let before = rig.turns.load(Ordering::Relaxed);
    for _ in 0..10 {
        ws.send("4echo").await;
        ws.text().await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let turns = rig.turns.load(Ordering::Relaxed) - before;
    assert!((10..=12).contains(&turns), "{turns} turns for 10 messages");
}

#[tokio::test]
async fn a_slow_message_is_noticed_while_the_handler_is_busy() {
    let config = Config {
        body_timeout: Duration::from_millis(100),
        ..config()
    };
    let mut rig = Rig::with(config).await;
    let mut ws = rig.open().await;
    let half = &crate::client::frame(0x81, b"4half")[..8];
    ws.http
        .write([&crate::client::frame(0x81, b"4work"), half].concat())
        .await;
    // Read behind the message that makes the handler busy, or not at all: either is fine, a
    // turning task is not.
    tokio::time::sleep(Duration::from_millis(150)).await;
    let turns = rig.turns.load(Ordering::Relaxed);
    assert!(turns < 20, "{turns} turns");
    rig.gate.notify_one();
    assert_eq!(rig.event().await, "task done");
}

#[tokio::test]
async fn large_answers_to_pipelined_messages_do_not_close_a_client_that_reads() {
    let rig = Rig::start().await;
    let mut ws = rig.open().await;
    let count = 50;
    ws.http.write(frame(0x81, b"4large").repeat(count)).await;
    for _ in 0..count {
        assert_eq!(ws.text().await.len(), 1 + LARGE_BYTES);
    }
}

#[tokio::test]
async fn nothing_is_sent_after_a_close_in_the_same_turn() {
    let rig = Rig::start().await;
    let mut ws = rig.open().await;
    let both = [frame(0x81, b"4close"), frame(0x81, b"4late")].concat();
    ws.http.write(both).await;
    assert_eq!(ws.text().await, "4bye");
    ws.assert_closed(None).await;
}
