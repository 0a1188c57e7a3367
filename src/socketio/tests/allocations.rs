//! What a broadcast allocates does not depend on who receives it.

use std::collections::BTreeMap;

use super::harness::Client;
use crate::socketio::Io;

/// Rooms of these many sockets, each within the next.
const ROOMS: [usize; 3] = [10, 1_000, 10_000];

#[tokio::test]
async fn a_broadcast_allocates_the_same_for_ten_and_for_ten_thousand() {
    let io = Io::builder().build();
    for _ in 0..ROOMS[2] {
        let client = Client::open(&io).await;
        client.send(&["0"]).await;
    }
    let sockets = io.root().sockets();
    assert_eq!(sockets.len(), ROOMS[2]);
    for size in ROOMS {
        for socket in &sockets[..size] {
            socket.join(&size.to_string()).expect("no limit");
        }
    }
    io.to("nobody").emit("warm", &"up").expect("encodable");
    // A queue has room for four frames from its first on: the reply to CONNECT and these three.
    let counts = ROOMS.map(|size| {
        let room = size.to_string();
        let emit = || {
            io.to(&room)
                .emit("e", &("some text", 1))
                .expect("encodable");
        };
        (size, allocation_counter::measure(emit).count_total)
    });
    let counts = BTreeMap::from(counts);
    assert!(
        counts.values().all(|count| *count == counts[&ROOMS[0]]),
        "{counts:?}"
    );
    assert!(counts[&ROOMS[0]] <= 8, "{counts:?}");
}
