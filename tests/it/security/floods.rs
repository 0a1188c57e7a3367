//! Much of what is allowed once: the server's memory does not follow.

use std::time::Duration;

use super::Attacked;
use crate::support::{Wire, frame, soon};

/// What one attack may add to the program's memory at its height, in bytes;
/// each of them would take many times as much of a server that kept it all.
const ROOM: u64 = 24 << 20;

fn assert_small(attacked: &Attacked, before: u64) {
    let grown = attacked.grown(before);
    assert!(grown < ROOM, "{grown} bytes");
}

#[tokio::test]
async fn pongs_start_nothing_and_too_many_end_the_session() {
    let mut attacked = Attacked::start().await;
    let before = attacked.memory();
    let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
    let pong = frame(0x81, b"3");
    wire.write(pong.repeat(100_000)).await;
    wire.gone().await;
    assert_small(&attacked, before);
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn half_a_binary_packet_keeps_nothing_beyond_its_connection() {
    let mut attacked = Attacked::start().await;
    let before = attacked.memory();
    for _ in 0..200 {
        let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
        wire.send(r#"452-["a",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#)
            .await;
        wire.send_binary(&[0; 90_000]).await;
    }
    assert_small(&attacked, before);
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn attachments_together_stay_within_one_message() {
    let mut attacked = Attacked::start().await;
    let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
    let places: Vec<String> = (0..4)
        .map(|number| format!(r#"{{"_placeholder":true,"num":{number}}}"#))
        .collect();
    wire.send(&format!(r#"454-["a",{}]"#, places.join(",")))
        .await;
    for _ in 0..4 {
        wire.send_binary(&[0; 90_000]).await;
    }
    wire.gone().await;
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn a_reader_that_never_reads_is_cut_off() {
    let mut attacked = Attacked::with(&["--rate-limits=off"]).await;
    let before = attacked.memory();
    let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
    // Each answer is larger than its question, and none of them is read.
    let question = r#"429["get-nothing-like-this",{"filler":"#;
    let question = frame(
        0x81,
        format!(r#"{question}"{}"}}]"#, "x".repeat(100)).as_bytes(),
    );
    let flood = question.repeat(200);
    let writing = async {
        for _ in 0..500 {
            wire.write(&flood).await;
        }
    };
    // Whether the server stops reading or cuts off, this cannot go on for ever.
    let _ = tokio::time::timeout(Duration::from_secs(5), writing).await;
    assert_small(&attacked, before);
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn rooms_cannot_be_joined_without_end() {
    // As fast as they come: at the usual pace nothing could pile up.
    let mut attacked = Attacked::with(&["--packets-per-second=1000000"]).await;
    let before = attacked.memory();
    let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
    for number in 0..20_000 {
        let chat = format!("00000000-0000-0000-0000-{number:012}");
        wire.send(&format!(r#"42["join-chat",{{"chatId":"{chat}"}}]"#))
            .await;
    }
    // A ping of the client is an error, which is met behind all that came before it.
    wire.send("2").await;
    wire.gone().await;
    assert_small(&attacked, before);
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn silent_connections_and_half_requests_keep_little() {
    let mut attacked = Attacked::start().await;
    let before = attacked.memory();
    let mut held = Vec::new();
    for number in 0..300 {
        let mut wire = Wire::to(attacked.program.address).await;
        if number % 2 == 0 {
            wire.write("GET /socket.io/?EIO=4&tra").await;
        }
        held.push(wire);
    }
    soon("an honest chat among them", attacked.assert_chatting()).await;
    drop(held);
    assert_small(&attacked, before);
}
