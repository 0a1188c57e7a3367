//! Handshakes that are given up at four stages leave nothing behind: no session, no task, no file
//! descriptor, no byte. In a process of its own, because it counts the whole process.
//!
//! `WAVE=2500` makes 10,000 handshakes of a wave; the short form is the default.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    alloc::System,
    future::Future,
    net::SocketAddr,
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
    time::{interval, timeout},
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How long what was given up may take to go, far longer than its time-outs.
const SETTLED: Duration = Duration::from_secs(30);
/// What the server keeps whatever has passed: room for 16 entries in each table of sessions. Shared
/// out over a wave it is 40 bytes a session, and no part of a session is as small.
const TABLES: usize = 16 * 1024;
/// Sessions of each stage in the short form.
const SHORT_WAVE: usize = 100;
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

/// Nothing may time out while the wave of `count` still rises, or its peak would depend on how busy
/// the machine is: 5 ms for each.
fn config(count: usize) -> Config {
    let patience = Duration::from_millis(300 + 5 * count as u64);
    Config {
        ping_interval: patience,
        ping_timeout: Duration::from_millis(200),
        upgrade_timeout: patience,
        body_idle_timeout: patience,
        body_timeout: patience * 2,
        ..Config::default()
    }
}

async fn accept(listener: TcpListener, server: Server<Silent>) {
    loop {
        let (tcp, peer) = listener.accept().await.unwrap();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(200))
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
    async fn start(count: usize) -> Self {
        let server = Server::new(config(count), Silent);
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

    /// Waits until no more is held than `before`.
    async fn settle(&self, before: Held) {
        let mut ticks = interval(Duration::from_millis(20));
        let settled = timeout(SETTLED, async {
            while self.held() != before {
                ticks.tick().await;
            }
            self.server.closed().await;
        });
        let settled = settled.await;
        assert!(settled.is_ok(), "{:?} is left of {before:?}", self.held());
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
            // Half of them break their connections; of the others the server gets tired.
            if number.is_multiple_of(2) {
                tokio::spawn(until_ended([silent, probed, posting]));
            }
        }
        peak
    }
}

async fn read(tcp: &mut TcpStream) -> String {
    let mut reply = [0; 1024];
    let read = timeout(Duration::from_secs(1), tcp.read(&mut reply));
    let read = read.await.expect("a reply within 1000 ms").unwrap();
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

/// Two waves after a first one, which fills what is allocated once for all.
async fn three_waves(count: usize) {
    let rig = Rig::start(count).await;
    let before = rig.held();
    rig.wave(count).await;
    rig.settle(before).await;
    let start = live_bytes();
    let first = rig.wave(count).await;
    rig.settle(before).await;
    let second = rig.wave(count).await;
    rig.settle(before).await;
    let left = live_bytes();
    let facts = format!("start {start}, left {left}, peaks {first} and {second} bytes");
    assert!(left <= start + TABLES, "{facts}");
    assert!(second <= first + first / 20, "{facts}");
}

fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(test);
}

#[test]
fn handshakes_given_up_at_four_stages_leave_no_session_task_descriptor_or_byte() {
    let wave = std::env::var("WAVE")
        .ok()
        .and_then(|text| text.parse().ok());
    run(three_waves(wave.unwrap_or(SHORT_WAVE)));
}
