//! Connection state recovery on the wire, as `socket.io-client` speaks it.

use std::time::Duration;

use bytes::Bytes;
use engineio::proto::outbox::OutboxLimits;
use serde_json::Value;

use super::harness::{Client, Log, only_socket, pass, until};
use crate::socketio::adapter::{Adapter, LocalAdapter};
use crate::socketio::{
    ConnectRequest, DisconnectReason, Event, Io, IoBuilder, RecoveryOptions, RoomEvent, Socket,
};

fn recovering(options: RecoveryOptions) -> IoBuilder {
    Io::builder()
        .connection_state_recovery(options)
        .namespace("/", |ns| {
            ns.on("join", async |socket: Socket, event: Event| {
                _ = socket.join(&event.data::<String>().unwrap_or_default());
            })
        })
}

fn io() -> Io {
    recovering(RecoveryOptions::default()).build()
}

/// What the reply to CONNECT says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Granted {
    sid: String,
    pid: String,
}

fn granted(packet: &str) -> Granted {
    let reply: Value = serde_json::from_str(&packet[1..]).expect("the reply to CONNECT");
    let text = |key: &str| reply[key].as_str().expect("a text").to_owned();
    Granted {
        sid: text("sid"),
        pid: text("pid"),
    }
}

async fn connect(io: &Io, packet: &str) -> (Client, Vec<String>) {
    let client = Client::open(io).await;
    client.send(&[packet]).await;
    let packets = client.receive().await;
    (client, packets)
}

async fn join(io: &Io) -> (Client, Granted) {
    let (client, packets) = connect(io, "0").await;
    (client, granted(&packets[0]))
}

/// Comes back as the official client does, and gives what it gets.
async fn come_back(io: &Io, who: &Granted, offset: Option<&str>) -> (Client, Vec<String>) {
    let offset = offset.map_or(String::new(), |offset| format!(r#","offset":"{offset}""#));
    connect(io, &format!(r#"0{{"pid":"{}"{offset}}}"#, who.pid)).await
}

/// The offset at the end of an event.
fn offset(packet: &str) -> String {
    let args: Value =
        serde_json::from_str(&packet[packet.find('[').expect("an array")..]).expect("an event");
    let last = args.as_array().and_then(|args| args.last());
    last.and_then(Value::as_str).expect("an offset").to_owned()
}

async fn lose(io: &Io, client: &Client) {
    let before = io.root().sockets_count();
    client.close().await;
    until(|| io.root().sockets_count() < before).await;
}

#[tokio::test(start_paused = true)]
async fn row_1_the_reply_to_connect_has_a_pid_only_when_state_is_recovered() {
    let (_, packets) = connect(&io(), "0").await;
    let who = granted(&packets[0]);
    assert_eq!((who.sid.len(), who.pid.len()), (20, 20));
    assert_ne!(who.sid, who.pid);
    let (_, packets) = connect(&Io::builder().build(), "0").await;
    assert!(!packets[0].contains("pid"), "{packets:?}");
}

#[tokio::test(start_paused = true)]
async fn row_2_an_event_ends_with_an_offset() {
    let io = io();
    let (client, _) = join(&io).await;
    let socket = only_socket(&io);
    socket.emit("a", &1).expect("connected");
    socket.emit("b", &()).expect("connected");
    io.emit("bin", &Bytes::from_static(&[1]))
        .expect("encodable");
    let packets = client.receive().await;
    let offsets: Vec<_> = [0, 1, 2].map(|at| offset(&packets[at])).into();
    assert_eq!(packets[0], format!(r#"2["a",1,"{}"]"#, offsets[0]));
    assert_eq!(packets[1], format!(r#"2["b","{}"]"#, offsets[1]));
    let placeholder = r#"{"_placeholder":true,"num":0}"#;
    assert_eq!(
        packets[2..],
        [
            format!(r#"51-["bin",{placeholder},"{}"]"#, offsets[2]),
            "bAQ==".to_owned()
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn row_3_questions_and_volatile_events_carry_no_offset_unless_a_text_would_be_taken_for_one()
{
    let io = io();
    let (client, _) = join(&io).await;
    let socket = only_socket(&io);
    let waits = socket.emit_with_ack("q", &"text");
    assert_eq!(client.receive().await, [r#"20["q","text"]"#]);
    drop(waits);
    for (send, ends) in [(Value::from(7), "7]"), (Value::from("text"), "\"]")] {
        let receive = client.receive();
        let emit = async {
            pass(Duration::from_millis(1)).await;
            io.root().volatile().emit("v", &send).expect("encodable");
        };
        let (packets, ()) = tokio::join!(receive, emit);
        assert!(packets[0].ends_with(ends), "{packets:?}");
        if send.is_string() {
            assert_ne!(
                offset(&packets[0]),
                "text",
                "it would poison the client's offset"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_emitted_to_those_who_keep_up_is_replayed_to_them_alone() {
    let options = RecoveryOptions::default();
    let io = recovering(options)
        .engine(engineio::Config {
            outbox: OutboxLimits {
                soft_bytes: 1000,
                ..OutboxLimits::default()
            },
            ..engineio::Config::default()
        })
        .build();
    let (slow, slow_one) = join(&io).await;
    let (quick, quick_one) = join(&io).await;
    let long = "x".repeat(2000);
    io.to(&slow_one.sid).emit("long", &long).expect("encodable");
    let everybody = io.root().everybody();
    let emit = || {
        everybody
            .emit_unless_behind("news", "text")
            .expect("encodable")
    };
    assert_eq!(emit().len(), 1, "one is behind");
    let news = quick.receive().await;
    assert_ne!(
        offset(&news[0]),
        "text",
        "it would poison the client's offset"
    );
    for client in [&slow, &quick] {
        lose(&io, client).await;
    }
    assert!(emit().is_empty(), "nobody is there");
    let (_quick, packets) = come_back(&io, &quick_one, Some(&offset(&news[0]))).await;
    assert!(packets[0].starts_with(r#"2["news","text","#), "{packets:?}");
    assert_eq!((packets.len(), granted(&packets[1])), (2, quick_one));
    let (_slow, packets) = come_back(&io, &slow_one, None).await;
    assert!(packets[0].starts_with(r#"2["long","#), "{packets:?}");
    assert_eq!(packets.len(), 3, "and what was emitted after it was gone");
}

#[tokio::test(start_paused = true)]
async fn row_4_a_pid_that_is_no_text_connects_anew() {
    let io = io();
    let (client, who) = join(&io).await;
    lose(&io, &client).await;
    for auth in [
        r#"{"pid":1,"offset":"x"}"#.to_owned(),
        format!(r#"{{"pid":"{}","offset":1}}"#, who.pid),
        r#"{"offset":"x"}"#.to_owned(),
    ] {
        let (_, packets) = connect(&io, &format!("0{auth}")).await;
        assert_ne!(granted(&packets[0]).sid, who.sid);
    }
}

#[tokio::test(start_paused = true)]
async fn row_5_what_was_missed_comes_before_the_reply_with_its_own_offsets() {
    let io = recovering(RecoveryOptions::default())
        .namespace("/", |ns| {
            ns.use_middleware(async |request: ConnectRequest| {
                request.set_data(request.auth()["name"].as_str().map(str::to_owned));
                Ok(())
            })
        })
        .build();
    let (client, packets) = connect(&io, r#"0{"name":"Ada"}"#).await;
    let who = granted(&packets[0]);
    client.send(&[r#"2["join","room"]"#]).await;
    io.emit("seen", &1).expect("encodable");
    let seen = client.receive().await;
    lose(&io, &client).await;
    io.to("room").emit("missed", &2).expect("encodable");
    io.to("elsewhere").emit("missed", &3).expect("encodable");
    io.except("room").emit("missed", &4).expect("encodable");
    io.root().volatile().emit("missed", &5).expect("encodable");
    io.to(&who.sid).emit("missed", &6).expect("encodable");
    let (_again, packets) = come_back(&io, &who, Some(&offset(&seen[0]))).await;
    assert_eq!(packets.len(), 3, "{packets:?}");
    assert!(
        packets[0].starts_with(r#"2["missed",2,"#) && packets[1].starts_with(r#"2["missed",6,"#)
    );
    assert!(offset(&packets[0]) < offset(&packets[1]));
    assert_eq!(granted(&packets[2]), who);
    let socket = only_socket(&io);
    assert!(socket.recovered());
    assert_eq!(socket.rooms(), [who.sid.as_str(), "room"]);
    assert_eq!(
        socket.data::<Option<String>>().as_deref(),
        Some(&Some("Ada".to_owned())),
        "its data, and no middleware was asked"
    );
}

#[tokio::test(start_paused = true)]
async fn row_6_what_cannot_be_recovered_connects_anew_and_nobody_is_told() {
    let io = io();
    for offset in ["", "nonsense", "zzzzzzzzzzz"] {
        let (client, who) = join(&io).await;
        lose(&io, &client).await;
        let (again, packets) = come_back(&io, &who, Some(offset)).await;
        let now = granted(&packets[0]);
        assert!(now.sid != who.sid && now.pid != who.pid);
        assert!(!only_socket(&io).recovered());
        lose(&io, &again).await;
    }
    let (client, who) = join(&io).await;
    lose(&io, &client).await;
    pass(Duration::from_secs(121)).await;
    let (_client, packets) = come_back(&io, &who, None).await;
    assert_ne!(granted(&packets[0]).sid, who.sid, "it came too late");
}

#[tokio::test(start_paused = true)]
async fn row_7_who_was_disconnected_on_purpose_does_not_come_back() {
    for reason in [
        "client",
        "server",
        "server with close",
        "parse error",
        "ping timeout",
        "transport",
    ] {
        let io = io();
        let (client, who) = join(&io).await;
        match reason {
            "client" => client.send(&["1"]).await,
            "server" => only_socket(&io).disconnect(false),
            "server with close" => only_socket(&io).disconnect(true),
            "parse error" => client.post("9").await,
            "ping timeout" => pass(Duration::from_secs(46)).await,
            _ => client.close().await,
        }
        until(|| io.root().sockets_count() == 0).await;
        let (_client, packets) = come_back(&io, &who, None).await;
        let recovered = granted(packets.last().expect("a reply")).sid == who.sid;
        let lost = matches!(reason, "ping timeout" | "transport");
        assert_eq!(recovered, lost, "{reason}");
    }
}

#[test]
fn row_7_every_end_that_nobody_wanted_may_be_recovered() {
    use DisconnectReason::*;
    let may = DisconnectReason::may_be_recovered;
    for lost in [
        TransportError,
        TransportClose,
        ForcedClose,
        PingTimeout,
        SlowConsumer,
        Stalled,
        ServerShuttingDown,
        ForcedServerClose,
    ] {
        assert!(may(lost), "{lost}");
    }
    for wanted in [
        ClientNamespaceDisconnect,
        ServerNamespaceDisconnect,
        ParseError,
    ] {
        assert!(!may(wanted), "{wanted}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_is_announced_in_its_rooms() {
    let log = Log::default();
    let seen = log.clone();
    let io = recovering(RecoveryOptions::default())
        .namespace("/", |ns| {
            ns.on_room_event(move |event| match event {
                RoomEvent::Joined { room, id } => {
                    seen.add(if room == id { "own" } else { room });
                }
                RoomEvent::Created { room: "room" } => seen.add("made"),
                _ => {}
            })
        })
        .build();
    let (client, who) = join(&io).await;
    client.send(&[r#"2["join","room"]"#]).await;
    until(|| io.root().rooms_count() == 1).await;
    lose(&io, &client).await;
    let (_again, _) = come_back(&io, &who, None).await;
    let once = ["own", "made", "room"];
    assert_eq!(log.lines(), [once, once].concat());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_for_good_leaves_nothing_behind() {
    let silence = Duration::from_secs(60);
    let adapter = LocalAdapter::new(8).with_recovery(RecoveryOptions::default(), silence);
    let io = io();
    let (_client, _) = join(&io).await;
    let socket = only_socket(&io);
    adapter.add(&socket);
    assert_eq!(adapter.remembered_sessions(), 1);
    adapter.remove(&socket);
    assert_eq!(adapter.remembered_sessions(), 0);
}

#[tokio::test(start_paused = true)]
async fn row_8_a_session_is_given_out_once_and_an_open_connection_is_evicted() {
    let log = Log::default();
    let seen = log.clone();
    let io = recovering(RecoveryOptions::default())
        .namespace("/", |ns| {
            ns.on_disconnecting(move |socket: Socket, reason| {
                let log = seen.clone();
                async move { log.add(format!("{reason} {}", socket.rooms().len())) }
            })
        })
        .build();
    let (client, who) = join(&io).await;
    client.send(&[r#"2["join","room"]"#]).await;
    until(|| io.root().rooms_count() == 1).await;
    let old = only_socket(&io);
    let (again, packets) = come_back(&io, &who, None).await;
    assert_eq!(granted(&packets[0]), who);
    assert!(!old.connected() && old.emit("late", &()).is_err());
    assert!(only_socket(&io) != old && only_socket(&io).recovered());
    assert_eq!(log.wait(1).await, ["forced close 2"]);
    assert!(client.is_closed().await);
    assert_eq!(io.root().sockets_count(), 1);
    assert_eq!(io.socket(&who.sid), Some(only_socket(&io)));
    io.to("room").emit("now", &()).expect("encodable");
    assert_eq!(
        again.receive().await.len(),
        1,
        "the successor is in the room, once"
    );
    // The eviction has left nothing that the pid would find but the successor.
    let (_third, packets) = come_back(&io, &who, None).await;
    assert_eq!(granted(packets.last().expect("a reply")), who);
    assert_eq!(io.root().sockets_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn row_9_what_was_not_for_the_socket_is_not_replayed() {
    let io = io();
    let (client, who) = join(&io).await;
    let (_, _) = join(&io).await;
    let socket = io.socket(&who.sid).expect("connected");
    io.to("room").emit("before", &()).expect("encodable");
    client.send(&[r#"2["join","room"]"#]).await;
    until(|| io.root().rooms_count() == 1).await;
    socket.to("room").emit("own", &()).expect("encodable");
    socket.broadcast().emit("own", &()).expect("encodable");
    io.to("room")
        .except(&who.sid)
        .emit("but", &())
        .expect("encodable");
    io.in_("room")
        .in_(&who.sid)
        .emit("once", &())
        .expect("encodable");
    client.receive().await;
    lose(&io, &client).await;
    let (_again, packets) = come_back(&io, &who, None).await;
    assert_eq!(packets.len(), 2, "{packets:?}");
    assert!(packets[0].starts_with(r#"2["once","#));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_received_nothing_yet_is_recovered() {
    let io = io();
    let (client, who) = join(&io).await;
    lose(&io, &client).await;
    io.emit("first", &()).expect("encodable");
    let (_again, packets) = come_back(&io, &who, None).await;
    assert!(packets[0].starts_with(r#"2["first","#), "{packets:?}");
    assert_eq!(granted(&packets[1]), who);
}

#[tokio::test(start_paused = true)]
async fn what_was_replayed_and_lost_again_is_replayed_again() {
    let io = io();
    let (client, who) = join(&io).await;
    client.send(&[r#"2["join","room"]"#]).await;
    until(|| io.root().rooms_count() == 1).await;
    lose(&io, &client).await;
    io.to("room").emit("missed", &()).expect("encodable");
    for _ in 0..2 {
        let again = Client::open(&io).await;
        again.send(&[&format!(r#"0{{"pid":"{}"}}"#, who.pid)]).await;
        // It is gone before it has read anything.
        lose(&io, &again).await;
    }
    let (_again, packets) = come_back(&io, &who, None).await;
    assert!(packets[0].starts_with(r#"2["missed","#), "{packets:?}");
    assert_eq!((packets.len(), granted(&packets[1])), (2, who));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_idle_for_an_hour_is_recovered() {
    let io = io();
    let (client, who) = join(&io).await;
    io.emit("old", &()).expect("encodable");
    let last = offset(&client.receive().await[0]);
    for _ in 0..150 {
        assert_eq!(client.receive().await, ["2"]);
        client.request_pong().await;
    }
    io.to("nobody")
        .emit("makes the log forget", &())
        .expect("encodable");
    lose(&io, &client).await;
    io.emit("missed", &()).expect("encodable");
    let (_again, packets) = come_back(&io, &who, Some(&last)).await;
    assert!(packets[0].starts_with(r#"2["missed","#), "{packets:?}");
    assert_eq!(granted(&packets[1]), who);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_a_handler_that_outlives_the_connection_is_missed_not_lost() {
    let io = io();
    let (client, who) = join(&io).await;
    let socket = only_socket(&io);
    lose(&io, &client).await;
    socket.emit("late", &()).expect("its client may come back");
    let (_again, packets) = come_back(&io, &who, None).await;
    assert!(packets[0].starts_with(r#"2["late","#), "{packets:?}");
}

#[tokio::test(start_paused = true)]
async fn who_has_missed_too_much_begins_anew() {
    let options = RecoveryOptions {
        max_missed_bytes: 1000,
        ..RecoveryOptions::default()
    };
    let io = recovering(options).build();
    let (client, who) = join(&io).await;
    lose(&io, &client).await;
    io.emit("long", &"x".repeat(1000)).expect("encodable");
    let (_again, packets) = come_back(&io, &who, None).await;
    assert_ne!(granted(&packets[0]).sid, who.sid);
}

#[tokio::test(start_paused = true)]
async fn middlewares_may_be_asked_about_who_is_recovered_and_a_refusal_costs_nothing() {
    let options = RecoveryOptions {
        skip_middlewares: false,
        ..RecoveryOptions::default()
    };
    let log = Log::default();
    let asked = log.clone();
    let io = recovering(options)
        .namespace("/", |ns| {
            ns.use_middleware(move |_| {
                let log = asked.clone();
                async move {
                    log.add("asked");
                    match log.lines().len() {
                        2 => Err(crate::socketio::ConnectError::new("not now")),
                        _ => Ok(()),
                    }
                }
            })
        })
        .build();
    let (client, packets) = connect(&io, "0").await;
    let who = granted(&packets[0]);
    lose(&io, &client).await;
    let (_, packets) = come_back(&io, &who, None).await;
    assert_eq!(packets, [r#"4{"message":"not now"}"#]);
    let (_again, packets) = come_back(&io, &who, None).await;
    assert_eq!(granted(&packets[0]), who);
    assert_eq!(log.lines().len(), 3);
}
