//! What one idle connection holds, in live bytes of the heap. In a process of its own, because it
//! counts the whole process; ARCHITECTURE.md has the table of what they are.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use parlance::descriptors;
use parlance::socketio::{Event, Io, Socket};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Live bytes that an idle connection may hold: one that has joined a room, sent one event and got
/// its answer. Resident memory is a little more, by what the allocator rounds up.
const MOST_BYTES: usize = 2900;
/// Connections before anything is counted: they fill what is allocated once for all.
const FIRST: usize = 64;
/// Connections that are counted. A power of two with `FIRST` left out would catch every table just
/// after it has doubled; this many is in between.
const COUNTED: usize = 1000;
/// The same, where the process may not have descriptors enough.
const COUNTED_OF_FEW: usize = 200;
/// Descriptors that are no end of a connection.
const OTHER_DESCRIPTORS: u64 = 100;

/// What a browser sends beside the handshake's own headers.
const BROWSER: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/126.0.0.0 Safari/537.36\r\nOrigin: http://localhost:3000\r\nPragma: no-cache\r\n\
    Cache-Control: no-cache\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-US,en;q=0.9\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

#[test]
fn an_idle_connection_holds_no_more_than_it_needs() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let address = runtime.block_on(listen());
    let counted = counted();
    let mut clients: Vec<TcpStream> = Vec::with_capacity(FIRST + counted);
    clients.extend((0..FIRST).map(|_| connect(address)));
    let before = live_bytes();
    clients.extend((0..counted).map(|_| connect(address)));
    let each = (live_bytes() - before) / counted;
    assert!(
        each <= MOST_BYTES,
        "each of {counted} idle connections holds {each} bytes, {MOST_BYTES} are allowed"
    );
}

/// As many as both ends of their connections are allowed for.
fn counted() -> usize {
    descriptors::raise();
    let wanted = 2 * (FIRST + COUNTED) as u64 + OTHER_DESCRIPTORS;
    match descriptors::limit() {
        Some(limit) if limit < wanted => COUNTED_OF_FEW,
        _ => COUNTED,
    }
}

fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

async fn listen() -> SocketAddr {
    let io = Io::builder()
        .namespace("/", |ns| {
            ns.on_connect(async |socket: Socket| socket.join("bench").unwrap())
                .on("echo", async |_: Socket, event: Event| {
                    if let Some(ack) = event.ack() {
                        ack.send_raw(event.raw()).unwrap();
                    }
                })
        })
        .build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { io.serve(listener).await });
    address
}

/// A connection that has joined the namespace and had one event answered. Its own end keeps nothing
/// on the heap.
fn connect(address: SocketAddr) -> TcpStream {
    let mut tcp = TcpStream::connect(address).unwrap();
    tcp.write_all(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost:3000\r\n\
          Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    )
    .unwrap();
    tcp.write_all(BROWSER.as_bytes()).unwrap();
    tcp.write_all(b"\r\n").unwrap();
    read_until(&mut tcp, b"maxPayload");
    send(&mut tcp, b"40");
    read_until(&mut tcp, b"\"sid\"");
    send(&mut tcp, b"420[\"echo\",\"0123456789\"]");
    read_until(&mut tcp, b"430[\"0123456789\"]");
    tcp
}

/// One short text frame, the mask being zero.
fn send(tcp: &mut TcpStream, text: &[u8]) {
    let mut frame = [0; 64];
    frame[..2].copy_from_slice(&[0x81, 0x80 | u8::try_from(text.len()).unwrap()]);
    frame[6..6 + text.len()].copy_from_slice(text);
    tcp.write_all(&frame[..6 + text.len()]).unwrap();
}

fn read_until(tcp: &mut TcpStream, mark: &[u8]) {
    let mut buffer = [0; 2048];
    let mut filled = 0;
    while !buffer[..filled]
        .windows(mark.len())
        .any(|part| part == mark)
    {
        let read = tcp.read(&mut buffer[filled..]).unwrap();
        assert!(read > 0, "the server has closed");
        filled += read;
    }
}
