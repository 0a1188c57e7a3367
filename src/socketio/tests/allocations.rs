//! What a broadcast allocates does not depend on who receives it.

use std::collections::BTreeMap;

use super::harness::Client;
use crate::socketio::{Event, Io, Socket};

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
    assert!(counts[&ROOMS[0]] <= 6, "{counts:?}");
}

/// Allocations of one event without an answer: its name, its arguments, the handler's future, and
/// the record that the test itself makes of the packet.
const PER_EVENT: u64 = 6;
/// More of them when it is answered: the frame and the block it holds.
const PER_ACK: u64 = 2;

#[test]
fn an_event_and_its_answer_cost_a_fixed_number_of_allocations() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let io = Io::builder()
        .namespace("/", |ns| {
            ns.on("e", async |_: Socket, event: Event| {
                if let Some(ack) = event.ack() {
                    ack.send_raw(event.raw()).expect("encodable");
                }
            })
        })
        .build();
    let client = runtime.block_on(Client::join(&io));
    let cost = |packet: &str, count: usize| {
        let packets = vec![packet; count];
        let send = || runtime.block_on(client.send(&packets));
        allocation_counter::measure(send).count_total
    };
    let each = |packet: &str, answered: bool| {
        cost(packet, 10);
        let (few, many) = (cost(packet, 10), cost(packet, 30));
        if answered {
            // The queue is emptied, so that it need not grow.
            runtime.block_on(client.receive());
        }
        (many - few).div_ceil(20)
    };
    let event = each("2[\"e\",\"some text\",1]", false);
    let answered = each("27[\"e\",\"some text\",1]", true);
    assert!(event <= PER_EVENT, "{event} allocations per event");
    assert!(
        answered <= event + PER_ACK,
        "{} allocations per answer",
        answered - event
    );
}
