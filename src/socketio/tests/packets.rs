//! Middlewares and listeners of single packets, events of rooms, and what goes between servers.

use std::sync::Arc;
use std::time::Duration;

use super::harness::{Client, Log, only_socket, until};
use crate::socketio::{Args, Event, EventError, FailedEvent, Io, RoomEvent, Socket};

#[tokio::test(start_paused = true)]
async fn a_packet_middleware_refuses_and_the_error_handler_is_told() {
    let log = Log::default();
    let (handled, failed) = (log.clone(), log.clone());
    let io = Io::builder()
        .namespace("/", |ns| {
            ns.use_packet(async |_: Socket, name: Arc<str>, args: Args| {
                match (&*name, args.is_empty()) {
                    ("m", true) => Err("no argument".into()),
                    _ => Ok(()),
                }
            })
            .on("m", move |_: Socket, _: Event| {
                let log = handled.clone();
                async move { log.add("m") }
            })
            .on_error(move |_, error: FailedEvent| {
                let log = failed.clone();
                async move {
                    assert!(matches!(error.error, EventError::Refused(_)));
                    log.add(format!("{} refused: {}", error.name, error.error));
                }
            })
        })
        .build();
    let client = Client::join(&io).await;
    client
        .send(&[r#"2["m",1]"#, r#"20["m"]"#, r#"2["m",2]"#])
        .await;
    assert_eq!(log.wait(3).await, ["m", "m refused: no argument", "m"]);
    only_socket(&io).emit("next", &()).expect("connected");
    assert_eq!(
        client.receive().await,
        [r#"2["next"]"#],
        "nothing was sent about it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_does_not_run_for_a_socket_that_a_packet_middleware_has_sent_away() {
    let log = Log::default();
    let handled = log.clone();
    let io = Io::builder()
        .namespace("/", |ns| {
            ns.use_packet(async |socket: Socket, name: Arc<str>, _: Args| {
                if &*name == "bad" {
                    socket.disconnect(false);
                }
                Ok(())
            })
            .on_fallback(move |_: Socket, event: Event| {
                let log = handled.clone();
                async move { log.add(event.name()) }
            })
        })
        .build();
    let client = Client::join(&io).await;
    client.send(&[r#"2["good"]"#, r#"2["bad"]"#]).await;
    until(|| io.root().sockets_count() == 0).await;
    assert_eq!(log.lines(), ["good"]);
}

#[tokio::test(start_paused = true)]
async fn listeners_see_every_event_in_their_order_before_it_is_handled() {
    let log = Log::default();
    let [handled, first, second] = [(); 3].map(|()| log.clone());
    let io = Io::builder()
        .namespace("/", |ns| {
            ns.on_any(move |_, event| second.add(format!("second {}", event.name())))
                .prepend_any(move |_, event| first.add(format!("first {}", event.name())))
                .on("m", move |_: Socket, _: Event| {
                    let log = handled.clone();
                    async move { log.add("handled") }
                })
        })
        .build();
    let client = Client::join(&io).await;
    client.send(&[r#"2["m"]"#, r#"2["unknown"]"#]).await;
    assert_eq!(
        log.wait(5).await,
        [
            "first m",
            "second m",
            "handled",
            "first unknown",
            "second unknown"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn trap_89_outgoing_listeners_see_broadcasts_and_questions_but_no_answers() {
    let log = Log::default();
    let seen = log.clone();
    let io = Io::builder()
        .namespace("/", |ns| {
            ns.on_any_outgoing(move |_, event, args| {
                seen.add(format!("{event} {}", args.as_json().unwrap_or_default()));
            })
            .on("m", async |_: Socket, event: Event| {
                _ = event.ack().expect("asked").send(&());
            })
            .on("ask", async |socket: Socket, args: Args| {
                drop(socket.emit_raw_with_ack("asked raw", &args));
            })
        })
        .build();
    let client = Client::join(&io).await;
    let _other = Client::join(&io).await;
    client.send(&[r#"20["m"]"#]).await;
    assert_eq!(client.receive().await, ["30[]"]);
    io.emit("all", &("x", 1)).expect("encodable");
    let socket = &io.root().sockets()[0];
    socket.emit("one", &()).expect("connected");
    drop(socket.emit_with_ack("asked", &2));
    client.send(&[r#"2["ask",3,{}]"#]).await;
    assert_eq!(
        log.lines(),
        [
            r#"all "x",1"#,
            r#"all "x",1"#,
            "one ",
            "asked 2",
            "asked raw 3,{}"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn rooms_tell_when_they_are_made_joined_left_and_deleted() {
    let log = Log::default();
    let seen = log.clone();
    let io = Io::builder()
        .namespace("/", |ns| {
            ns.on_room_event(move |event| {
                let line = match event {
                    RoomEvent::Created { room } if room.len() < 20 => format!("create {room}"),
                    RoomEvent::Joined { room, .. } if room.len() < 20 => format!("join {room}"),
                    RoomEvent::Left { room, .. } if room.len() < 20 => format!("leave {room}"),
                    RoomEvent::Deleted { room } if room.len() < 20 => format!("delete {room}"),
                    RoomEvent::Created { .. } => "create own".to_owned(),
                    RoomEvent::Joined { .. } => "join own".to_owned(),
                    RoomEvent::Left { .. } => "leave own".to_owned(),
                    RoomEvent::Deleted { .. } => "delete own".to_owned(),
                };
                seen.add(line);
            })
        })
        .build();
    let client = Client::join(&io).await;
    let socket = only_socket(&io);
    socket.join("a").expect("no limit");
    socket.join("a").expect("no limit");
    socket.join("b").expect("no limit");
    socket.leave("a");
    client.close().await;
    until(|| io.root().sockets_count() == 0).await;
    assert_eq!(
        log.lines(),
        [
            "create own",
            "join own",
            "create a",
            "join a",
            "create b",
            "join b",
            "leave a",
            "delete a",
            "leave b",
            "delete b",
            "leave own",
            "delete own"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_event_for_the_other_servers_reaches_nobody_here() {
    let io = Io::builder()
        .namespace("/", |ns| ns.on_server_side("ping", async |_, args| args))
        .build();
    io.root().server_side_emit("ping", &1).expect("encodable");
    let second = Duration::from_secs(1);
    let replies = io
        .root()
        .server_side_emit_with_ack("ping", &1, second)
        .await;
    let replies = replies.expect("encodable");
    assert_eq!((replies.replies.len(), replies.missing), (0, 0));
    let answer = io.root().handle_server_side("ping", Args::none()).await;
    assert!(answer.is_some_and(|answer| answer.is_empty()));
    assert!(
        io.root()
            .handle_server_side("other", Args::none())
            .await
            .is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_joins_again_as_soon_as_it_was_dismissed_is_let_in() {
    let io = Io::builder()
        .namespace("/", |ns| ns.on("m", async |_: Socket, _: Event| {}))
        .build();
    for _ in 0..20 {
        let client = Client::join(&io).await;
        let socket = only_socket(&io);
        // The task learns of it together with what the client sends at once.
        socket.disconnect(false);
        client.send(&["0", r#"2["m"]"#]).await;
        let packets = client.receive_until("1").await;
        let rest = match packets.last().map(String::as_str) {
            Some("1") => client.receive().await,
            _ => packets,
        };
        assert!(
            rest.iter().any(|packet| packet.starts_with("0{")),
            "{rest:?}"
        );
        client.close().await;
        until(|| io.root().sockets_count() == 0).await;
    }
}
