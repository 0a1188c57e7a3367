//! Handshakes that are given up at four stages leave nothing behind: no session, no task (and so no
//! timer), no file descriptor, no byte. In a process of its own, because it counts the whole process.
//!
//! The clock stands still while a wave rises, so that its peak is the same on any machine; then it
//! is turned until the server has given everything up. A wave is 10,000 handshakes where the process
//! may have 4,096 file descriptors, else a short one; `WAVE` sets the number at each stage.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    alloc::System,
    net::SocketAddr,
    sync::mpsc,
    time::{Duration, Instant},
};

use engineio::{Application, Config, Handler, Handshake, Message, Server, SessionHandle};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How long what was given up may take to go on the server's clock: its longest time-out, and the
/// time that a closing stream lingers.
const SETTLED: Duration = Duration::from_secs(20);
/// One turn of the server's clock.
const TURN: Duration = Duration::from_millis(50);
/// How long a wave may take to settle on the machine's own clock.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of so many clients one falls silent; the others break their connections.
const SILENT_ONE_IN: usize = 8;
/// Sessions of each stage.
const FULL_WAVE: usize = 2500;
/// Sessions of each stage in the short form.
const SHORT_WAVE: usize = 100;
/// What the full size takes: both ends of the connections whose clients fall silent, and more.
const FULL_DESCRIPTORS: usize = 4096;
/// Sessions of each stage before anything is counted: they fill what is allocated once for all.
const FIRST_WAVE: usize = 64;
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// `2probe` in a masked text frame, the mask being zero.
const PROBE: &[u8] = b"\x81\x86\0\0\0\x002probe";

struct Silent;

struct SilentSession(#[allow(dead_code, reason = "kept like an application would")] SessionHandle);

impl Application for Silent {
    type Handler = SilentSession;

    fn open(&self, _handshake: Handshake, session: SessionHandle) -> SilentSession {
        SilentSession(session)
    }
}

impl Handler for SilentSession {
    fn handle_message(&mut self, _message: Message<'_>, _now: Instant) {}
}

fn config() -> Config {
    let time = Duration::from_secs(5);
    Config {
        ping_interval: time,
        ping_timeout: time,
        upgrade_timeout: time,
        body_idle_timeout: time,
        ..Config::default()
    }
}

async fn accept(listener: TcpListener, server: Server<Silent>) {
    loop {
        let (tcp, peer) = listener.accept().await.unwrap();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(5))
            .serve_connection(TokioIo::new(tcp), server.service(peer))
            .with_upgrades();
        tokio::spawn(connection);
    }
}

/// What may leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    sessions: usize,
    tasks: usize,
    descriptors: usize,
}

struct Rig {
    server: Server<Silent>,
    address: SocketAddr,
}

impl Rig {
    async fn start() -> Self {
        let server = Server::new(config(), Silent);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(accept(listener, server.clone()));
        Self { server, address }
    }

    fn held(&self) -> Held {
        Held {
            sessions: self.server.clients_count(),
            tasks: Handle::current().metrics().num_alive_tasks(),
            descriptors: std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
        }
    }

    /// Turns the clock until no more is held than `before`.
    async fn settle(&self, before: Held) {
        let (begun, mut turned) = (Instant::now(), Duration::ZERO);
        while self.server.clients_count() > 0 || self.held() != before {
            let in_time = turned < SETTLED || begun.elapsed() < PATIENCE;
            assert!(in_time, "{:?} is left of {before:?}", self.held());
            tokio::time::advance(TURN).await;
            turned += TURN;
            // Lets the sockets have their say.
            for _ in 0..16 {
                tokio::task::yield_now().await;
            }
        }
        self.server.closed().await;
    }

    async fn connect(&self, head: &str, headers: &str) -> TcpStream {
        let mut tcp = TcpStream::connect(self.address).await.unwrap();
        let head = format!("{head} HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
        tcp.write_all(head.as_bytes()).await.unwrap();
        tcp
    }

    /// Opens a session and lets its connection go.
    async fn open(&self) -> String {
        let mut tcp = self
            .connect("GET /engine.io/?EIO=4&transport=polling", "")
            .await;
        let reply = read(&mut tcp).await;
        let (_, sid) = reply.split_once(r#""sid":""#).unwrap();
        format!("EIO=4&sid={}", &sid[..20])
    }

    async fn attach(&self) -> TcpStream {
        let query = self.open().await;
        let head = format!("GET /engine.io/?transport=websocket&{query}");
        let mut tcp = self.connect(&head, UPGRADE).await;
        assert!(read(&mut tcp).await.starts_with("HTTP/1.1 101"));
        tcp
    }

    async fn probe(&self) -> TcpStream {
        let mut tcp = self.attach().await;
        tcp.write_all(PROBE).await.unwrap();
        assert!(read(&mut tcp).await.ends_with("3probe"));
        tcp
    }

    async fn half_post(&self) -> TcpStream {
        let query = self.open().await;
        let head = format!("POST /engine.io/?transport=polling&{query}");
        let mut tcp = self.connect(&head, "Content-Length: 99\r\n").await;
        tcp.write_all(b"4half of a mess").await.unwrap();
        tcp
    }

    /// Gives `count` sessions up at each stage; gives the bytes that were alive at the most.
    async fn wave(&self, count: usize) -> usize {
        let mut peak = 0;
        for number in 0..count {
            self.open().await;
            let silent = self.attach().await;
            let probed = self.probe().await;
            let posting = self.half_post().await;
            peak = peak.max(live_bytes());
            if number.is_multiple_of(SILENT_ONE_IN) {
                tokio::spawn(until_ended([silent, probed, posting]));
            }
        }
        // A POST that breaks off ends its session; the others have to wait for the clock.
        assert!(self.server.clients_count() >= 3 * count);
        peak
    }
}

async fn read(tcp: &mut TcpStream) -> String {
    let mut reply = [0; 1024];
    let read = tcp.read(&mut reply).await.unwrap();
    String::from_utf8_lossy(&reply[..read]).into_owned()
}

/// Reads, and answers nothing, until the server has ended every connection.
async fn until_ended(connections: [TcpStream; 3]) {
    for mut tcp in connections {
        let mut reply = [0; 64];
        while tcp.read(&mut reply).await.is_ok_and(|read| read > 0) {}
    }
}

fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    // What grew or shrank in place is counted in the first two already.
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Time that stands still, but for `advance`: tokio turns its own stopped clock whenever nothing
/// else is to be done, except while a blocking task runs.
struct StoppedClock(#[allow(dead_code, reason = "its end is the signal")] mpsc::Sender<()>);

impl StoppedClock {
    fn stop() -> Self {
        tokio::time::pause();
        let (sender, receiver) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || receiver.recv());
        Self(sender)
    }
}

/// Time-outs wake every session of a wave at once, and the runtime's queue of woken tasks never
/// shrinks: it is made wide before anything is counted.
async fn widen_run_queue(tasks: usize) {
    let tasks: Vec<_> = (0..tasks).map(|_| tokio::spawn(async {})).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Two waves after a small one.
async fn waves(count: usize) {
    let _clock = StoppedClock::stop();
    widen_run_queue(8 * count).await;
    let rig = Rig::start().await;
    let before = rig.held();
    rig.wave(FIRST_WAVE).await;
    rig.settle(before).await;
    let start = live_bytes();
    let first = rig.wave(count).await;
    rig.settle(before).await;
    let between = live_bytes();
    let second = rig.wave(count).await;
    rig.settle(before).await;
    let left = live_bytes();
    let facts = format!("live {start}, {between}, {left}; peaks {first} and {second} bytes");
    #[allow(
        clippy::print_stdout,
        reason = "figures for whoever runs the full size"
    )]
    {
        println!("{facts}");
    }
    assert_eq!([between, left], [start; 2], "{facts}");
    // The two differ by how the sessions' ids fall into the tables.
    assert!(second <= first + first / 100, "{facts}");
}

fn wave_size() -> usize {
    let asked = std::env::var("WAVE").ok();
    if let Some(size) = asked.and_then(|text| text.parse().ok()) {
        return size;
    }
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = files.and_then(|rest| rest.split_whitespace().next());
    match soft.and_then(|soft| soft.parse::<usize>().ok()) {
        Some(soft) if soft >= FULL_DESCRIPTORS => FULL_WAVE,
        _ => SHORT_WAVE,
    }
}

#[test]
fn handshakes_given_up_at_four_stages_leave_no_session_task_descriptor_or_byte() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(waves(wave_size()));
}
