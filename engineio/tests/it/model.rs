//! Random operations of several clients on one server, in stopped time, against a small model: each
//! message arrives once and in order whatever carries it, a session has one transport, and at the
//! end nothing is left.

use std::time::Duration;

use engineio::{CloseMode, Frame, SessionHandle};
use proptest::prelude::*;
use tokio::{
    io::DuplexStream,
    runtime::{Builder, Handle},
    time::{Instant, sleep},
};

use crate::{
    client::{Http, Polling, Reply, Ws, WsFrame},
    server::{Connect, InMemory, Seen, TestServer, config},
};

const CLIENTS: usize = 3;
/// The longest that a session can outlive its client: an orderly close, after a ping time-out that
/// traffic has put off once.
const AFTERLIFE: Duration = Duration::from_secs(100);

#[derive(Debug, Clone, Copy)]
enum Op {
    OpenPolling,
    OpenStream,
    Poll,
    /// Messages of the client.
    Say(u32),
    /// Messages of the server.
    Send(u32),
    Probe,
    Upgrade,
    Wait(u64),
    Leave,
    Close(CloseMode),
    SecondPoll,
    SecondStream,
    CutPoll,
    CutPost,
    CutProbe,
    CutStream,
}

fn peaceful() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => Just(Op::OpenPolling),
        1 => Just(Op::OpenStream),
        6 => Just(Op::Poll),
        6 => (1..4_u32).prop_map(Op::Say),
        6 => (1..4_u32).prop_map(Op::Send),
        3 => Just(Op::Probe),
        4 => Just(Op::Upgrade),
        2 => (1..4000_u64).prop_map(Op::Wait),
        1 => Just(Op::SecondStream),
        1 => Just(Op::CutProbe),
    ]
}

fn any_op() -> impl Strategy<Value = Op> {
    let destructive = vec![
        Op::Leave,
        Op::Close(CloseMode::Flush),
        Op::Close(CloseMode::Discard),
        Op::SecondPoll,
        Op::CutPoll,
        Op::CutPost,
        Op::CutStream,
        Op::Wait(30_000),
    ];
    prop_oneof![
        5 => peaceful(),
        1 => prop::sample::select(destructive),
    ]
}

fn script(op: impl Strategy<Value = Op>) -> impl Strategy<Value = Vec<(usize, Op)>> {
    prop::collection::vec((0..CLIENTS, op), 0..70)
}

/// A client and what it knows of its session.
#[derive(Default)]
struct Client {
    session: Option<Known>,
    poll: Option<Http<DuplexStream>>,
    probe: Option<Ws<DuplexStream>>,
    stream: Option<Ws<DuplexStream>>,
}

struct Known {
    /// Which session of the test it is.
    number: usize,
    /// Where to poll.
    target: Option<Polling>,
    handle: SessionHandle,
    sent: u32,
    said: u32,
    heard: u32,
    echoed: u32,
    pinged: bool,
}

/// What a packet on its way to a client means.
enum Heard {
    Fine,
    /// The session is over.
    End,
}

impl Known {
    fn hear(&mut self, packet: &str, on_stream: bool) -> Heard {
        let next = |count: &mut u32, text: &str, number: usize| {
            assert_eq!(text, format!("{number}.{count}"), "once, and in order");
            *count += 1;
        };
        match packet.split_at(2.min(packet.len())) {
            ("4s", text) => next(&mut self.heard, text, self.number),
            ("4c", text) => next(&mut self.echoed, text, self.number),
            ("2", "") => self.pinged = true,
            ("6", "") => assert!(!on_stream, "no noop goes over a WebSocket"),
            ("1", "") => return Heard::End,
            _ => assert!(packet.starts_with('0') && on_stream, "{packet}"),
        }
        Heard::Fine
    }

    fn is_complete(&self) -> bool {
        self.heard == self.sent && self.echoed == self.said
    }
}

struct World {
    server: InMemory,
    clients: [Client; CLIENTS],
    opened: usize,
}

impl World {
    fn new() -> Self {
        Self {
            server: TestServer::in_memory(config()),
            clients: std::array::from_fn(|_| Client::default()),
            opened: 0,
        }
    }

    async fn ask(&self, head: &str, body: &str) -> Reply {
        let mut http = self.server.connect();
        http.send(head, "", body.as_bytes()).await;
        http.reply().await
    }

    async fn apply(&mut self, at: usize, op: Op) {
        match op {
            Op::OpenPolling | Op::OpenStream if self.clients[at].session.is_none() => {
                self.open(at, matches!(op, Op::OpenStream)).await;
            }
            Op::Wait(ms) => sleep(Duration::from_millis(ms)).await,
            op => {
                if let Some(known) = self.clients[at].session.take() {
                    self.apply_to(at, known, op).await;
                }
            }
        }
    }

    async fn open(&mut self, at: usize, over_stream: bool) {
        let target = match over_stream {
            true => {
                let target = "/engine.io/?EIO=4&transport=websocket";
                let ws = Ws::upgrade(self.server.connect(), target).await;
                self.clients[at].stream = Some(ws);
                // The session opens when the stream is handed over.
                sleep(Duration::from_millis(1)).await;
                None
            }
            false => Some(self.server.open().await),
        };
        self.clients[at].session = Some(Known {
            number: self.opened,
            target,
            handle: self.server.session(),
            sent: 0,
            said: 0,
            heard: 0,
            echoed: 0,
            pinged: false,
        });
        self.opened += 1;
    }

    /// Puts the session back, unless the operation has ended it.
    async fn apply_to(&mut self, at: usize, mut known: Known, op: Op) {
        let alive = match op {
            Op::Poll | Op::SecondPoll => self.poll(at, &known, matches!(op, Op::SecondPoll)).await,
            Op::Say(count) => self.say(at, &mut known, count).await,
            Op::Send(count) => {
                for _ in 0..count {
                    let text = format!("s{}.{}", known.number, known.sent);
                    known.sent += u32::from(known.handle.send(Frame::text(&text)).is_ok());
                }
                true
            }
            Op::Probe => self.probe(at, &known).await,
            Op::Upgrade => self.upgrade(at).await,
            Op::SecondStream => self.second_stream(at, &known).await,
            Op::Leave => self.say_packet(at, &known, "1").await && known.target.is_none(),
            Op::Close(mode) => {
                known.handle.close(mode);
                true
            }
            Op::CutPost => self.cut_post(&known).await,
            Op::CutPoll => self.clients[at].poll.take().is_none(),
            Op::CutStream => self.clients[at].stream.take().is_none(),
            Op::CutProbe => {
                self.clients[at].probe = None;
                true
            }
            Op::OpenPolling | Op::OpenStream | Op::Wait(_) => true,
        };
        match alive {
            true => self.clients[at].session = Some(known),
            false => self.clients[at] = Client::default(),
        }
    }

    /// Opens a poll; over a stream it must be refused. A second one ends the session.
    async fn poll(&mut self, at: usize, known: &Known, second: bool) -> bool {
        let Some(target) = &known.target else {
            return true;
        };
        let head = format!("GET {}", target.target());
        if self.clients[at].stream.is_some() {
            assert_eq!(self.ask(&head, "").await.status, 400);
        } else if self.clients[at].poll.is_none() {
            let mut poll = self.server.connect();
            poll.send(&head, "", b"").await;
            self.clients[at].poll = Some(poll);
        } else if second {
            // Unless the first had its answer already, and this one waits in its place.
            let answer = self.ask(&head, "");
            let answer = tokio::time::timeout(Duration::from_millis(1), answer).await;
            return answer.is_ok_and(|reply| reply.status != 400);
        }
        true
    }

    async fn say(&mut self, at: usize, known: &mut Known, count: u32) -> bool {
        let packets = (0..count).map(|n| format!("4c{}.{}", known.number, known.said + n));
        let packets: Vec<_> = packets.collect();
        let taken = match self.clients[at].stream {
            Some(_) => {
                let mut alive = true;
                for packet in &packets {
                    alive &= self.say_packet(at, known, packet).await;
                }
                alive
            }
            None => self.say_packet(at, known, &packets.join("\x1e")).await,
        };
        if taken {
            known.said += count;
        }
        taken
    }

    /// Sends by whatever carries the session. `false`: there is none any more.
    async fn say_packet(&mut self, at: usize, known: &Known, packet: &str) -> bool {
        if let Some(stream) = &mut self.clients[at].stream {
            return stream.try_send(packet).await;
        }
        let Some(target) = &known.target else {
            return false;
        };
        let reply = self.ask(&format!("POST {}", target.target()), packet).await;
        assert!([200, 400].contains(&reply.status), "{reply:?}");
        reply.status == 200
    }

    async fn probe(&mut self, at: usize, known: &Known) -> bool {
        let (Some(target), true) = (&known.target, self.clients[at].stream.is_none()) else {
            return true;
        };
        if self.clients[at].probe.is_none() {
            let Some(mut ws) = self.attach(target).await else {
                return false;
            };
            ws.try_send("2probe").await;
            self.clients[at].probe = Some(ws);
        }
        true
    }

    /// `None`: the session is gone.
    async fn attach(&self, target: &Polling) -> Option<Ws<DuplexStream>> {
        let http = self.server.connect();
        Ws::try_upgrade(http, &target.websocket_target()).await
    }

    /// As a client does it: when the probe is answered and no poll is under way.
    async fn upgrade(&mut self, at: usize) -> bool {
        let client = &mut self.clients[at];
        if client.poll.is_none()
            && let Some(mut probe) = client.probe.take()
        {
            let answer = tokio::time::timeout(Duration::from_millis(1), probe.read_frame()).await;
            if let Ok(Some(WsFrame(0x81, text))) = answer {
                assert_eq!(text, b"3probe");
                probe.try_send("5").await;
                client.stream = Some(probe);
            }
        }
        true
    }

    /// One too many, beside a probe or a stream: it is closed, and nothing else happens.
    async fn second_stream(&mut self, at: usize, known: &Known) -> bool {
        let client = &self.clients[at];
        let taken = client.probe.is_some() || client.stream.is_some();
        let (Some(target), true) = (&known.target, taken) else {
            return true;
        };
        if let Some(mut second) = self.attach(target).await
            && !second.is_ended().await
        {
            // Only in the place of a probe that took too long.
            let client = &mut self.clients[at];
            let mut first = client.probe.take().expect("nothing replaces a stream");
            assert!(first.is_ended().await || known.handle.is_closed());
        }
        true
    }

    async fn cut_post(&mut self, known: &Known) -> bool {
        let Some(target) = &known.target else {
            return true;
        };
        let mut http = self.server.connect();
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n4c",
            target.target()
        );
        http.write(head).await;
        sleep(Duration::from_millis(1)).await;
        false
    }

    /// Lets every client read what has come, and answer pings.
    async fn settle(&mut self) {
        sleep(Duration::from_millis(1)).await;
        for at in 0..CLIENTS {
            let Some(mut known) = self.clients[at].session.take() else {
                continue;
            };
            let alive = self.listen(at, &mut known).await;
            let answered = !alive || !std::mem::take(&mut known.pinged) || {
                self.say_packet(at, &known, "3").await
            };
            match alive && answered {
                true => self.clients[at].session = Some(known),
                false => self.clients[at] = Client::default(),
            }
        }
    }

    /// `false`: the session has ended.
    async fn listen(&mut self, at: usize, known: &mut Known) -> bool {
        let client = &mut self.clients[at];
        if let Some(poll) = &mut client.poll
            && poll.has_arrived().await
        {
            let reply = poll.reply().await;
            client.poll = None;
            let mut packets = reply.text().split('\x1e');
            return reply.status == 200
                && packets.all(|packet| matches!(known.hear(packet, false), Heard::Fine));
        }
        while let Some(stream) = &mut client.stream
            && let Ok(frame) =
                tokio::time::timeout(Duration::from_millis(1), stream.read_frame()).await
        {
            let Some(WsFrame(0x81, text)) = frame else {
                return false;
            };
            known.hear(std::str::from_utf8(&text).unwrap(), true);
        }
        true
    }

    /// Every message of a client was seen once and in order.
    fn check_seen(&mut self) {
        let mut next = vec![0; self.opened];
        for seen in self.server.seen() {
            if let Seen::Text(text) = seen {
                let (number, count) = text[1..].split_once('.').unwrap();
                let expected = &mut next[number.parse::<usize>().unwrap()];
                assert_eq!(count, expected.to_string(), "once, and in order");
                *expected += 1;
            }
        }
    }

    /// All clients vanish: whatever they had must go.
    async fn vanish(&mut self) {
        let begun = Instant::now();
        self.clients = std::array::from_fn(|_| Client::default());
        self.server.emptied().await;
        assert!(begun.elapsed() <= AFTERLIFE, "{:?}", begun.elapsed());
        // The connections' own tasks see their ends.
        sleep(Duration::from_millis(1)).await;
        let left = Handle::current().metrics().num_alive_tasks();
        assert_eq!(left, 0, "no task, and so no timer, is left");
    }
}

fn in_stopped_time(test: impl Future<Output = ()>) {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_clients_do_messages_keep_their_order_and_nothing_is_left(script in script(any_op())) {
        in_stopped_time(async {
            let mut world = World::new();
            for (at, op) in script {
                world.apply(at, op).await;
                world.settle().await;
            }
            world.check_seen();
            world.vanish().await;
        });
    }

    #[test]
    fn clients_that_keep_the_rules_lose_nothing_and_stay(script in script(peaceful())) {
        in_stopped_time(async {
            let mut world = World::new();
            for (at, op) in script {
                world.apply(at, op).await;
                // Nobody is away for long, so that no pong is late.
                for at in 0..CLIENTS {
                    world.settle().await;
                    world.apply(at, Op::Poll).await;
                }
            }
            for at in 0..CLIENTS {
                world.apply(at, Op::Upgrade).await;
                world.apply(at, Op::Poll).await;
                world.settle().await;
            }
            let open = world.clients.iter().filter(|client| client.session.is_some()).count();
            assert_eq!(open, world.opened, "nobody was turned away");
            for known in world.clients.iter().filter_map(|client| client.session.as_ref()) {
                assert!(known.is_complete(), "{} of {}", known.heard, known.sent);
            }
            world.check_seen();
            world.vanish().await;
        });
    }
}
