//! What one segment holds is handled strictly in order, as the official server does.

use std::time::Duration;

use super::harness::{Client, Log, pass};
use crate::socketio::{Event, Io, NamespaceBuilder, Socket};

/// Events that ask back, echo, wait, and close.
fn full(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.on_connect(async |socket: Socket| _ = socket.emit("auth", &socket.auth()))
        .on("message", async |socket: Socket, event: Event| {
            _ = socket.emit_raw("message-back", event.raw());
        })
        .on("ask-ack", async |socket: Socket, event: Event| {
            let question = socket
                .timeout(Duration::from_secs(5))
                .emit_raw_with_ack("please-ack", event.raw());
            if let Ok(answer) = question.await {
                _ = socket.emit_raw("ack-was", &answer);
            }
        })
        .on("drop-me", async |socket: Socket, _: Event| {
            socket.close_connection();
        })
        .on("late", async |socket: Socket, event: Event| {
            pass(Duration::from_secs(1)).await;
            _ = socket.emit("late-back", &());
            if let Some(ack) = event.ack() {
                _ = ack.send(&());
            }
        })
}

async fn joined() -> (Io, Client) {
    let io = Io::builder().namespace("/", full).build();
    let client = Client::join(&io).await;
    (io, client)
}

/// `please-ack` of a poll, answered at once.
fn answers(packets: &[String]) -> Vec<String> {
    packets
        .iter()
        .filter_map(|packet| {
            let id = packet.strip_prefix('2')?.split('[').next()?;
            packet
                .contains("please-ack")
                .then(|| format!("3{id}[\"yes\"]"))
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn handlers_that_wait_for_their_client_do_not_stop_it_from_being_read() {
    let (_io, client) = joined().await;
    let questions: Vec<_> = (0..300).map(|i| format!(r#"2["ask-ack",{i}]"#)).collect();
    let questions: Vec<_> = questions.iter().map(String::as_str).collect();
    let started = tokio::time::Instant::now();
    let in_time = || started.elapsed() < Duration::from_secs(1);
    let converse = async {
        let mut done = 0;
        while done < 300 && in_time() {
            let packets = client.receive().await;
            done += packets
                .iter()
                .filter(|packet| packet.contains("ack-was"))
                .count();
            let answers = answers(&packets);
            let answers: Vec<_> = answers.iter().map(String::as_str).collect();
            for some in answers.chunks(100) {
                client.send(some).await;
            }
        }
    };
    client.send(&questions[..100]).await;
    client.send(&questions[100..200]).await;
    client.send(&questions[200..]).await;
    converse.await;
    assert!(in_time(), "nobody waits for a time-out");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_an_answer_goes_on_before_the_next_event() {
    let (_io, client) = joined().await;
    client
        .send(&[r#"2["ask-ack",1]"#, r#"2["ask-ack",2]"#])
        .await;
    assert_eq!(
        client.receive().await,
        [r#"20["please-ack",1]"#, r#"21["please-ack",2]"#]
    );
    client
        .send(&[
            r#"31["A"]"#,
            r#"2["message","B"]"#,
            r#"30["C"]"#,
            r#"2["message","D"]"#,
        ])
        .await;
    assert_eq!(
        client.receive().await,
        [
            r#"2["ack-was","A"]"#,
            r#"2["message-back","B"]"#,
            r#"2["ack-was","C"]"#,
            r#"2["message-back","D"]"#
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_old_socket_has_its_say_before_the_new_one_is_connected() {
    let io = Io::builder().namespace("/", full).build();
    let client = Client::open(&io).await;
    client.send(&["0", r#"2["message",1]"#, "1", "0"]).await;
    let packets = client.receive().await;
    let shapes: Vec<_> = packets
        .iter()
        .map(|packet| packet.split("{\"sid\"").next().unwrap_or_default())
        .collect();
    assert_eq!(
        shapes,
        [
            "0",
            r#"2["auth",{}]"#,
            r#"2["message-back",1]"#,
            "0",
            r#"2["auth",{}]"#
        ]
    );
    assert_eq!(io.root().sockets_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn replies_to_connects_come_in_their_order() {
    let io = Io::builder().namespace("/", |ns| ns).build();
    let client = Client::open(&io).await;
    client.send(&["0", "0/random"]).await;
    let packets = client.receive().await;
    assert!(packets[0].starts_with("0{"), "{packets:?}");
    assert!(packets[1].starts_with("4/random,"), "{packets:?}");
}

#[tokio::test(start_paused = true)]
async fn handlers_of_a_socket_that_left_send_nothing_to_its_successor() {
    let (_io, client) = joined().await;
    client.send(&[r#"27["late"]"#, "1", "0"]).await;
    assert!(client.receive().await[0].starts_with("0{"));
    pass(Duration::from_secs(2)).await;
    client.send(&[r#"2["message",1]"#]).await;
    assert_eq!(client.receive().await, [r#"2["message-back",1]"#]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_taken_after_the_server_has_closed_the_connection() {
    let io = Io::builder().namespace("/", full).build();
    let client = Client::join(&io).await;
    client
        .send(&[
            r#"2["message",9]"#,
            r#"2["drop-me"]"#,
            r#"2["message",1]"#,
            "1",
            "0",
        ])
        .await;
    assert_eq!(client.receive().await, [r#"2["message-back",9]"#]);
    assert!(client.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn a_socket_whose_connect_came_too_late_is_never_seen() {
    let log = Log::default();
    let (connect, disconnect) = (log.clone(), log.clone());
    let io = Io::builder()
        .namespace("/", full)
        .namespace("/b", |ns| {
            ns.on_connect(move |_| {
                connect.add("connect");
                async {}
            })
            .on_disconnect(move |_, _| {
                disconnect.add("disconnect");
                async {}
            })
        })
        .build();
    let client = Client::join(&io).await;
    client
        .send(&[r#"2["drop-me"]"#, "0/b,", "1/b,", "0/b,"])
        .await;
    assert!(client.is_closed().await);
    pass(Duration::from_secs(1)).await;
    assert!(log.lines().is_empty(), "{:?}", log.lines());
}
