//! Sessions that clients give up at every stage leave nothing behind.

use std::time::Duration;

use engineio::Config;
use tokio::runtime::Handle;

use crate::{
    client::{Ws, frame},
    server::{Connect, InMemory, TestServer, config},
};

const WAVE: usize = 60;

/// Leaves one session at each stage of its life.
async fn abandon(server: &InMemory) {
    // After the open packet.
    let client = server.open().await;
    // In the probe, before and after it was answered.
    let silent = Ws::upgrade(server.connect(), &client.websocket_target()).await;
    let other = server.open().await;
    let mut probed = Ws::upgrade(server.connect(), &other.websocket_target()).await;
    probed.send("2probe").await;
    // In a POST that never ends.
    let posting = server.open().await;
    let mut post = server.connect();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n4a",
        posting.target()
    );
    post.write(head).await;
    // In a poll.
    let poll = server.begin_poll(&server.open().await).await;
    // In the middle of a message, and with the answer to a close outstanding.
    let (mut half, _) = server.websocket().await;
    half.http.write(&frame(0x81, b"4hello")[..5]).await;
    let (mut closing, _) = server.websocket().await;
    closing.send("1").await;
    // Half of them break their connections, half just fall silent.
    if rand_bit(&client.sid) {
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(3000)).await;
            drop((silent, probed, post, poll, half, closing));
        });
    }
}

fn rand_bit(sid: &str) -> bool {
    sid.as_bytes()[0].is_multiple_of(2)
}

async fn settle(server: &InMemory, tasks: usize) {
    let wait = async {
        while server.count() > 0 || Handle::current().metrics().num_alive_tasks() > tasks {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let settled = tokio::time::timeout(Duration::from_secs(20), wait).await;
    let left = (
        server.count(),
        Handle::current().metrics().num_alive_tasks(),
    );
    assert!(
        settled.is_ok(),
        "sessions and tasks left: {left:?}, before: {tasks} tasks"
    );
}

#[tokio::test(start_paused = true)]
async fn sessions_given_up_at_every_stage_leave_no_session_and_no_task() {
    let config = Config {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        upgrade_timeout: Duration::from_millis(200),
        body_idle_timeout: Duration::from_millis(200),
        ..config()
    };
    let server = TestServer::in_memory(config);
    let tasks = Handle::current().metrics().num_alive_tasks();
    for _ in 0..WAVE {
        abandon(&server).await;
    }
    assert!(server.count() > 0);
    settle(&server, tasks).await;
}
