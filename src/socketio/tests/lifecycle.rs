use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::harness::{Client, Log, only_socket, pass, until};
use crate::socketio::adapter::Metrics;
use crate::socketio::proto::offence::Offence;
use crate::socketio::{
    ConnectError, ConnectRequest, ConnectionLimits, DisconnectReason, Event, Io, NamespaceBuilder,
    Socket,
};

fn io(register: impl FnOnce(NamespaceBuilder) -> NamespaceBuilder) -> Io {
    Io::builder().namespace("/", register).build()
}

/// Writes down what happens to sockets.
fn logged(ns: NamespaceBuilder, log: &Log) -> NamespaceBuilder {
    let (connect, disconnecting, disconnect) = (log.clone(), log.clone(), log.clone());
    ns.on_connect(move |socket: Socket| {
        let log = connect.clone();
        async move {
            _ = socket.join("room");
            log.add("connect");
        }
    })
    .on_disconnecting(move |socket: Socket, reason: DisconnectReason| {
        let log = disconnecting.clone();
        async move { log.add(format!("disconnecting {} {reason}", socket.rooms().len())) }
    })
    .on_disconnect(move |socket: Socket, reason: DisconnectReason| {
        let log = disconnect.clone();
        async move { log.add(format!("disconnect {} {reason}", socket.rooms().len())) }
    })
}

#[tokio::test(start_paused = true)]
async fn trap_83_the_reply_to_connect_comes_before_what_the_handler_emits() {
    let io = io(|ns| ns.on_connect(async |socket: Socket| _ = socket.emit("auth", &socket.auth())));
    let client = Client::open(&io).await;
    client.send(&["0"]).await;
    let packets = client.receive().await;
    assert!(packets[0].starts_with("0{\"sid\":\""), "{packets:?}");
    assert_eq!(packets[1], r#"2["auth",{}]"#, "trap 81");
    let client = Client::open(&io).await;
    client.send(&[r#"0{"token":"123"}"#]).await;
    assert_eq!(client.receive().await[1], r#"2["auth",{"token":"123"}]"#);
}

#[tokio::test(start_paused = true)]
async fn a_socket_has_an_id_of_its_own_of_twenty_characters() {
    let io = io(|ns| ns);
    let client = Client::open(&io).await;
    client.send(&["0"]).await;
    let reply = client.receive().await.remove(0);
    let socket = only_socket(&io);
    assert_eq!(
        reply,
        format!(r#"0{{"sid":"{}"}}"#, socket.id()),
        "and nothing but the id"
    );
    assert_eq!(socket.id().len(), 20);
    assert_ne!(socket.id(), socket.session().id().as_str());
    assert_eq!(io.socket(socket.id()), Some(socket));
}

#[tokio::test(start_paused = true)]
async fn trap_58_an_unknown_namespace_is_refused_by_name() {
    let io = io(|ns| ns);
    let client = Client::join(&io).await;
    client.send(&["0/random"]).await;
    assert_eq!(
        client.receive().await,
        [r#"4/random,{"message":"Invalid namespace"}"#]
    );
    assert_eq!(io.root().sockets_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn trap_59_a_middleware_refuses_with_a_message_and_data() {
    let io = io(|ns| {
        ns.use_middleware(
            async |request: ConnectRequest| match request.auth()["token"].as_str() {
                Some("right") => {
                    request.set_data(String::from("Ada"));
                    Ok(())
                }
                Some(_) => Err(ConnectError::with_data("wrong", json!({"code": 42}))),
                None => Err(ConnectError::new("missing")),
            },
        )
    });
    let client = Client::open(&io).await;
    client.send(&["0"]).await;
    assert_eq!(client.receive().await, [r#"4{"message":"missing"}"#]);
    client.send(&[r#"0{"token":"x"}"#]).await;
    assert_eq!(
        client.receive().await,
        [r#"4{"message":"wrong","data":{"code":42}}"#]
    );
    client.send(&[r#"0{"token":"right"}"#]).await;
    assert!(client.receive().await[0].starts_with("0{"));
    assert_eq!(
        only_socket(&io).data::<String>().as_deref(),
        Some(&"Ada".to_owned())
    );
    assert_eq!(only_socket(&io).data::<u8>(), None);
}

#[tokio::test(start_paused = true)]
async fn middlewares_run_one_after_another_up_to_the_first_refusal() {
    let log = Log::default();
    let (first, second) = (log.clone(), log.clone());
    let io = io(|ns| {
        ns.use_middleware(move |_| {
            let log = first.clone();
            async move {
                pass(Duration::from_secs(1)).await;
                log.add("first");
                Err(ConnectError::new("no"))
            }
        })
        .use_middleware(move |_| {
            let log = second.clone();
            async move {
                log.add("second");
                Ok(())
            }
        })
    });
    let client = Client::open(&io).await;
    client.send(&["0"]).await;
    assert_eq!(client.receive().await, [r#"4{"message":"no"}"#]);
    assert_eq!(log.lines(), ["first"]);
}

#[tokio::test(start_paused = true)]
async fn trap_82_a_middleware_that_finishes_after_the_client_left_connects_nobody() {
    let log = Log::default();
    let decided = log.clone();
    let io = io(|ns| {
        logged(ns, &log).use_middleware(move |_| {
            let log = decided.clone();
            async move {
                pass(Duration::from_secs(5)).await;
                log.add("decided");
                Ok(())
            }
        })
    });
    let client = Client::open(&io).await;
    client.send(&["0"]).await;
    client.close().await;
    log.wait(1).await;
    pass(Duration::from_secs(60)).await;
    assert_eq!(log.lines(), ["decided"]);
    assert_eq!(io.root().sockets_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn trap_88_disconnecting_sees_the_rooms_and_disconnect_does_not() {
    let log = Log::default();
    let io = io(|ns| logged(ns, &log));
    let client = Client::join(&io).await;
    client.send(&["1"]).await;
    let lines = log.wait(3).await;
    let reason = "client namespace disconnect";
    assert_eq!(
        lines,
        [
            "connect".into(),
            format!("disconnecting 2 {reason}"),
            format!("disconnect 0 {reason}")
        ]
    );
    assert_eq!((io.root().sockets_count(), io.root().rooms_count()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn reasons_have_the_official_texts() {
    for reason in [
        "transport close",
        "ping timeout",
        "server namespace disconnect",
        "server shutting down",
        "forced close",
        "client namespace disconnect",
    ] {
        let log = Log::default();
        let io = io(|ns| logged(ns, &log));
        let client = Client::join(&io).await;
        match reason {
            "transport close" => client.close().await,
            "ping timeout" => pass(Duration::from_secs(60)).await,
            "server namespace disconnect" => only_socket(&io).disconnect(true),
            "server shutting down" => io.close(),
            "forced close" => client.send(&["2[]"]).await,
            _ => client.send(&["1"]).await,
        }
        // The close of a polling session waits for the next poll.
        if matches!(reason, "forced close" | "server namespace disconnect") {
            client.is_closed().await;
        }
        let lines = log.wait(3).await;
        assert_eq!(
            lines[1..],
            [
                format!("disconnecting 2 {reason}"),
                format!("disconnect 0 {reason}")
            ]
        );
        assert_eq!(io.root().sockets_count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_disconnect_tells_the_client_and_nothing_follows_it() {
    let log = Log::default();
    let io = io(|ns| logged(ns, &log));
    let client = Client::join(&io).await;
    let socket = only_socket(&io);
    assert!(socket.connected());
    socket.disconnect(false);
    assert!(!socket.connected());
    assert!(socket.emit("late", &()).is_err());
    log.wait(3).await;
    io.to("room").emit("late", &()).expect("encodable");
    io.emit("late", &()).expect("encodable");
    assert_eq!(client.receive().await, ["1"]);
    client.send(&["0"]).await;
    assert!(
        client.receive().await[0].starts_with("0{"),
        "the connection lives, and may join again"
    );
}

#[tokio::test(start_paused = true)]
async fn disconnecting_with_the_connection_ends_every_namespace() {
    let log = Log::default();
    let io = Io::builder()
        .namespace("/", |ns| logged(ns, &log))
        .namespace("/b", |ns| logged(ns, &log))
        .build();
    let client = Client::join(&io).await;
    client.send(&["0/b,"]).await;
    log.wait(2).await;
    client.receive().await;
    only_socket(&io).disconnect(true);
    let lines = log.wait(6).await;
    assert_eq!(
        lines
            .iter()
            .filter(|line| *line == "disconnect 0 server namespace disconnect")
            .count(),
        2
    );
    let packets = client.receive().await;
    assert_eq!(packets[..2], ["1", "1/b,"], "{packets:?}");
    assert!(client.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn trap_90_the_end_of_the_server_discards_what_waits_and_that_of_one_connection_sends_it() {
    let io = io(|ns| ns);
    let client = Client::join(&io).await;
    only_socket(&io).emit("waits", &()).expect("connected");
    only_socket(&io).close_connection();
    assert_eq!(client.receive().await, [r#"2["waits"]"#]);
    assert!(client.is_closed().await);
    let client = Client::join(&io).await;
    only_socket(&io).emit("waits", &()).expect("connected");
    io.close();
    until(|| io.root().sockets_count() == 0).await;
    assert!(!client.receive().await[0].contains("waits"));
}

#[tokio::test(start_paused = true)]
async fn trap_84_joining_after_the_disconnect_does_nothing() {
    let io = io(|ns| ns);
    let client = Client::join(&io).await;
    let socket = only_socket(&io);
    client.close().await;
    until(|| io.root().sockets_count() == 0).await;
    socket.join("room").expect("no limit");
    assert!(socket.rooms().is_empty());
    assert_eq!(io.root().rooms_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn trap_84_events_behind_a_disconnect_are_ignored() {
    let log = Log::default();
    let seen = log.clone();
    let io = io(|ns| {
        ns.on("kick", async |socket: Socket, _: Event| {
            socket.disconnect(false);
        })
        .on("m", move |_: Socket, _: Event| {
            let log = seen.clone();
            async move { log.add("m") }
        })
    });
    let client = Client::join(&io).await;
    client
        .send(&[r#"2["m"]"#, r#"2["kick"]"#, r#"2["m"]"#, r#"2["m"]"#])
        .await;
    assert_eq!(client.receive().await, ["1"]);
    assert_eq!(log.lines(), ["m"]);
}

#[tokio::test(start_paused = true)]
async fn leaving_and_joining_in_one_breath_is_handled_in_order() {
    let log = Log::default();
    let io = io(|ns| {
        logged(ns, &log).on("m", async |socket: Socket, _: Event| {
            _ = socket.emit("n", &());
        })
    });
    let client = Client::join(&io).await;
    client.send(&["1", "0", r#"2["m"]"#]).await;
    let packets = client.receive().await;
    assert!(
        packets[0].starts_with("0{") && packets[1] == r#"2["n"]"#,
        "{packets:?}"
    );
    assert_eq!(log.lines().len(), 4);
    assert_eq!(io.root().sockets_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn trap_61_a_violation_closes_the_whole_connection() {
    let log = Log::default();
    let io = Io::builder()
        .namespace("/", |ns| logged(ns, &log))
        .namespace("/b", |ns| logged(ns, &log))
        .build();
    for bad in [
        "0",
        "2[]",
        "2/none,[\"m\"]",
        "4",
        "bAQ==",
        r#"511-["m"]"#,
        r#"2["disconnecting"]"#,
    ] {
        let client = Client::join(&io).await;
        client.send(&["0/b,"]).await;
        client.send(&[bad, r#"2["m"]"#]).await;
        assert!(client.is_closed().await, "{bad}");
        until(|| io.root().sockets_count() == 0).await;
    }
    let forced = log
        .lines()
        .iter()
        .filter(|line| *line == "disconnect 0 forced close")
        .count();
    assert_eq!(forced, 14);
}

#[tokio::test(start_paused = true)]
async fn trap_64_who_joins_nothing_in_time_is_closed() {
    let io = Io::builder()
        .connect_timeout(Duration::from_secs(1))
        .build();
    let client = Client::open(&io).await;
    pass(Duration::from_millis(999)).await;
    assert_eq!(io.clients_count(), 1);
    pass(Duration::from_millis(2)).await;
    assert!(client.is_closed().await);
    let client = Client::join(&io).await;
    client.send(&["1"]).await;
    pass(Duration::from_secs(10)).await;
    assert!(!client.is_closed().await, "trap 62: it stays, and pings");
}

#[tokio::test(start_paused = true)]
async fn half_a_binary_event_closes_after_thirty_seconds_and_is_counted() {
    let metrics = Arc::<Metrics>::default();
    let io = Io::builder().metrics(Arc::clone(&metrics)).build();
    let client = Client::join(&io).await;
    client
        .send(&[r#"51-["m",{"_placeholder":true,"num":0}]"#])
        .await;
    // The heartbeat goes on between a packet and its attachments.
    assert_eq!(client.receive().await, ["2"]);
    client.request_pong().await;
    assert!(client.is_closed().await);
    assert_eq!(metrics.violations(Offence::AttachmentsTimeout).get(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_namespace_more_than_allowed_closes_and_is_counted() {
    let metrics = Arc::<Metrics>::default();
    let io = (0..17).fold(Io::builder(), |io, number| {
        io.namespace(&format!("/n{number}"), |ns| ns)
    });
    let io = io.metrics(Arc::clone(&metrics)).build();
    let client = Client::open(&io).await;
    for number in 0..16 {
        client.send(&[&format!("0/n{number},")]).await;
    }
    assert_eq!(metrics.violations(Offence::Namespaces).get(), 0);
    client.send(&["0/n16,"]).await;
    assert!(client.is_closed().await);
    assert_eq!(metrics.violations(Offence::Namespaces).get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_the_socket_of_the_handler_and_no_other() {
    let log = Log::default();
    let io = io(|ns| {
        logged(ns, &log)
            .on("panic", async |_: Socket, _: Event| bug())
            .on("late-panic", async |_: Socket, _: Event| {
                pass(Duration::from_secs(1)).await;
                bug();
            })
            .on("m", async |_: Socket, event: Event| {
                if let Some(ack) = event.ack() {
                    _ = ack.send(&());
                }
            })
    });
    let honest = Client::join(&io).await;
    for bug in [r#"2["panic"]"#, r#"2["late-panic"]"#] {
        let client = Client::join(&io).await;
        client.send(&[bug]).await;
        assert!(
            client.is_closed().await,
            "its connection closes, so that it comes back"
        );
    }
    honest.send(&[r#"25["m"]"#]).await;
    assert_eq!(honest.receive().await, ["35[]"]);
    let forced = log
        .lines()
        .iter()
        .filter(|line| *line == "disconnect 0 forced server close")
        .count();
    assert_eq!(forced, 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_of_two_namespaces_leaves_the_other() {
    let io = Io::builder()
        .namespace("/", |ns| ns.on("panic", async |_: Socket, _: Event| bug()))
        .namespace("/b", |ns| {
            ns.on("m", async |socket: Socket, _: Event| {
                _ = socket.emit("n", &());
            })
        })
        .build();
    let client = Client::join(&io).await;
    client.send(&["0/b,", r#"2["panic"]"#]).await;
    client.receive_until("1").await;
    client.send(&[r#"2/b,["m"]"#]).await;
    assert_eq!(client.receive().await, [r#"2/b,["n"]"#]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_connects_closes() {
    let limits = ConnectionLimits {
        refusals_per_minute: 3,
        ..ConnectionLimits::default()
    };
    let io = Io::builder().limits(limits).build();
    let client = Client::join(&io).await;
    client.send(&["0/a", "0/b", "0/c"]).await;
    assert_eq!(client.receive().await.len(), 3);
    client.send(&["0/d"]).await;
    assert!(client.is_closed().await);
}

/// Not of the type `!`: that is nothing that a handler may give back.
fn bug() {
    panic!("a bug");
}
