//! Upgrades while numbered messages go both ways: each arrives once, and in order.

use std::sync::Arc;

use engineio::{Frame, SessionHandle};

use crate::{
    client::{Polling, Ws, soon},
    server::{Seen, TestServer},
};

/// Messages of the server, sent while the transport changes.
const FROM_SERVER: usize = 40;
/// Messages of the client over polling, then over the WebSocket.
const FROM_CLIENT: [usize; 2] = [12, 12];

/// What a client received: the server's own numbers, and the echoes of its own.
#[derive(Default)]
struct Received {
    server: Vec<usize>,
    echoes: Vec<usize>,
}

impl Received {
    fn take(&mut self, payload: &str) {
        for packet in payload.split('\x1e') {
            match packet.split_at(2.min(packet.len())) {
                ("4s", number) => self.server.push(number.parse().unwrap()),
                ("4c", number) => self.echoes.push(number.parse().unwrap()),
                _ => assert_eq!(packet, "6", "nothing else is sent"),
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.server.len() >= FROM_SERVER && self.echoes.len() >= client_total()
    }
}

fn client_total() -> usize {
    FROM_CLIENT.iter().sum()
}

async fn send_numbers(session: SessionHandle) {
    for number in 0..FROM_SERVER {
        session.send(Frame::text(&format!("s{number}"))).unwrap();
        tokio::task::yield_now().await;
    }
}

/// Posts the first numbers of the client, one or several to a request, as the client does.
async fn post_numbers(client: &Polling, round: usize) {
    let numbers: Vec<_> = (0..FROM_CLIENT[0]).map(|n| format!("4c{n}")).collect();
    for batch in numbers.chunks(1 + round % 3) {
        assert_eq!(client.post(batch.join("\x1e")).await.text(), "ok");
    }
}

/// Polls as the client does, until the probe is answered and the poll after it has ended.
async fn poll_until_noop(client: &Polling, received: &mut Received) {
    loop {
        let reply = client.poll().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        received.take(reply.text());
        if reply.text() == "6" {
            return;
        }
    }
}

async fn upgrade(server: &TestServer, round: usize) -> Received {
    let client = Polling::open(server).await;
    let sender = tokio::spawn(send_numbers(server.session()));
    let mut received = Received::default();
    let mut ws = Ws::connect(server, &client.websocket_target()).await;
    let probe = async {
        if round.is_multiple_of(2) {
            tokio::task::yield_now().await;
        }
        ws.send("2probe").await;
        assert_eq!(ws.text().await, "3probe");
    };
    let polls = poll_until_noop(&client, &mut received);
    tokio::join!(probe, polls, post_numbers(&client, round));
    ws.send("5").await;
    for number in FROM_CLIENT[0]..client_total() {
        ws.send(&format!("4c{number}")).await;
    }
    while !received.is_complete() {
        received.take(&ws.text().await);
    }
    sender.await.unwrap();
    // Whatever came twice would come before this.
    ws.send("1").await;
    ws.assert_closed(None).await;
    received
}

#[tokio::test]
async fn two_hundred_upgrades_under_traffic_both_ways_lose_double_and_reorder_nothing() {
    let mut server = TestServer::start().await;
    let expected: Vec<usize> = (0..client_total()).collect();
    for round in 0..200 {
        let received = upgrade(&server, round).await;
        let sent: Vec<usize> = (0..FROM_SERVER).collect();
        assert_eq!(received.server, sent, "round {round}: from the server");
        assert_eq!(received.echoes, expected, "round {round}: echoes");
        assert_eq!(server.seen().await, Seen::Opened, "round {round}");
        for number in &expected {
            let seen = server.seen().await;
            assert_eq!(seen, Seen::Text(format!("c{number}")), "round {round}");
        }
        let end = soon("end", server.seen()).await;
        assert!(matches!(end, Seen::Closed(_)), "round {round}: {end:?}");
        server.assert_unseen();
    }
    let sessions = Arc::clone(&server.sessions);
    assert_eq!(sessions.lock().unwrap().len(), 200, "opened once each");
}
