use std::time::Duration;

use bytes::Bytes;
use engineio::proto::outbox::OutboxLimits;
use serde_json::Value;

use super::harness::{Client, Log, only_socket, pass};
use crate::socketio::proto::encode;
use crate::socketio::{AckError, EmitError, Event, Io, NamespaceBuilder, Socket};

fn io(register: impl FnOnce(NamespaceBuilder) -> NamespaceBuilder) -> Io {
    Io::builder().namespace("/", register).build()
}

fn echo(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.on("message", async |socket: Socket, event: Event| {
        _ = socket.emit_raw("message-back", event.raw());
    })
    .on("message-with-ack", async |_: Socket, event: Event| {
        if let Some(ack) = event.ack() {
            _ = ack.send_raw(event.raw());
        }
    })
}

#[tokio::test(start_paused = true)]
async fn events_and_answers_are_sent_on_byte_for_byte() {
    let io = io(echo);
    let client = Client::join(&io).await;
    for (sent, received) in [
        (
            r#"2["message",1,"2",{"3":[true]}]"#,
            r#"2["message-back",1,"2",{"3":[true]}]"#,
        ),
        (r#"2["message"]"#, r#"2["message-back"]"#),
        (
            r#"2456["message-with-ack",1,"2",{"3":[false]}]"#,
            r#"3456[1,"2",{"3":[false]}]"#,
        ),
        (r#"20["message-with-ack",null]"#, "30[null]"),
        (r#"21["message-with-ack"]"#, "31[]"),
    ] {
        client.send(&[sent]).await;
        assert_eq!(client.receive().await, [received]);
    }
}

#[tokio::test(start_paused = true)]
async fn trap_55_attachments_follow_their_header() {
    let io = io(echo);
    let client = Client::join(&io).await;
    let placeholders = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    client
        .send(&[
            &format!(r#"52-["message",{placeholders}]"#),
            "bAQID",
            "bBAUG",
        ])
        .await;
    assert_eq!(
        client.receive().await,
        [
            &format!(r#"52-["message-back",{placeholders}]"#),
            "bAQID",
            "bBAUG"
        ]
    );
    client
        .send(&[
            &format!(r#"52-789["message-with-ack",{placeholders}]"#),
            "bAQID",
            "bBAUG",
        ])
        .await;
    assert_eq!(
        client.receive().await,
        [&format!("62-789[{placeholders}]"), "bAQID", "bBAUG"]
    );
}

#[tokio::test(start_paused = true)]
async fn handlers_start_in_the_order_of_their_events_and_wait_beside_each_other() {
    let log = Log::default();
    let (slow, quick) = (log.clone(), log.clone());
    let io = io(|ns| {
        ns.on("slow", move |_: Socket, event: Event| {
            let log = slow.clone();
            async move {
                let seconds = event.data::<u64>().expect("a number");
                log.add(format!("begin {seconds}"));
                pass(Duration::from_secs(seconds)).await;
                log.add(format!("end {seconds}"));
            }
        })
        .on("quick", move |_: Socket, _: Event| {
            let log = quick.clone();
            async move { log.add("quick") }
        })
    });
    let client = Client::join(&io).await;
    client
        .send(&[r#"2["slow",2]"#, r#"2["slow",1]"#, r#"2["quick"]"#])
        .await;
    assert_eq!(
        log.wait(5).await,
        ["begin 2", "begin 1", "quick", "end 1", "end 2"]
    );
}

#[tokio::test(start_paused = true)]
async fn no_event_is_handled_before_the_connect_handler_has_begun() {
    let log = Log::default();
    let (connect, event) = (log.clone(), log.clone());
    let io = io(|ns| {
        ns.on_connect(move |_| {
            let log = connect.clone();
            async move { log.add("connect") }
        })
        .on("m", move |_: Socket, _: Event| {
            event.add("m");
            async {}
        })
    });
    let client = Client::open(&io).await;
    client.send(&["0", r#"2["m"]"#]).await;
    assert_eq!(log.wait(2).await, ["connect", "m"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_handlers_all_wait_is_not_read_and_keeps_its_connection() {
    let log = Log::default();
    let seen = log.clone();
    let io = io(|ns| {
        ns.on("slow", move |_: Socket, _: Event| {
            let log = seen.clone();
            async move {
                log.add("begin");
                pass(Duration::from_secs(20)).await;
            }
        })
    });
    let client = Client::join(&io).await;
    let events = vec![r#"2["slow"]"#; 100];
    tokio::join!(client.send(&events), async {
        pass(Duration::from_secs(10)).await;
        assert_eq!(log.lines().len(), 64, "the bound on handlers that wait");
        pass(Duration::from_secs(11)).await;
        assert_eq!(
            log.lines().len(),
            100,
            "the rest follows when they are done"
        );
    });
    assert_eq!(io.root().sockets_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn unhandled_events_go_to_the_catch_all_or_nowhere() {
    let io_with = io(|ns| {
        ns.on_fallback(async |socket: Socket, event: Event| _ = socket.emit("was", event.name()))
    });
    let client = Client::join(&io_with).await;
    client.send(&[r#"2["error","x"]"#]).await;
    assert_eq!(client.receive().await, [r#"2["was","error"]"#]);
    client.send(&["2[12]"]).await;
    assert_eq!(client.receive().await, [r#"2["was","12"]"#]);
    let io_without = io(echo);
    let client = Client::join(&io_without).await;
    client
        .send(&[r#"21["error","x"]"#, r#"22["message-with-ack"]"#])
        .await;
    assert_eq!(
        client.receive().await,
        ["32[]"],
        "no answer to the unknown one"
    );
}

#[tokio::test(start_paused = true)]
async fn trap_70_an_answer_is_sent_once() {
    let io = io(|ns| {
        ns.on("m", async |socket: Socket, event: Event| {
            let first = event.ack();
            assert!(event.ack().is_none());
            _ = first.expect("the client waits").send(&1);
            _ = socket.emit("end", &event.has_ack());
        })
    });
    let client = Client::join(&io).await;
    client.send(&[r#"27["m"]"#]).await;
    assert_eq!(client.receive().await, ["37[1]", r#"2["end",true]"#]);
    client.send(&[r#"399[1]"#, "3[]"]).await;
    assert!(
        !client.is_closed().await,
        "answers that nobody waits for are ignored"
    );
}

#[tokio::test(start_paused = true)]
async fn trap_76_the_server_asks_with_one_counter_per_namespace() {
    let io = io(|ns| ns);
    let one = Client::join(&io).await;
    let first = only_socket(&io);
    let two = Client::join(&io).await;
    let second = io
        .root()
        .sockets()
        .into_iter()
        .find(|socket| *socket != first)
        .expect("the other");
    let (a, b) = (
        first.emit_with_ack("q", &1),
        second.emit_with_ack("q", &(1, 2)),
    );
    assert_eq!(one.receive().await, [r#"20["q",1]"#]);
    assert_eq!(two.receive().await, [r#"21["q",1,2]"#]);
    one.send(&[r#"30["x",{"y":1}]"#]).await;
    two.send(&[r#"61-1[{"_placeholder":true,"num":0}]"#, "bAQID"])
        .await;
    let (text, value) = a
        .await
        .expect("an answer")
        .decode::<(String, Value)>()
        .expect("two arguments");
    assert_eq!((text.as_str(), value["y"].as_u64()), ("x", Some(1)));
    assert_eq!(
        b.await.expect("an answer").data::<Bytes>().expect("bytes"),
        Bytes::from_static(&[1, 2, 3])
    );
}

#[tokio::test(start_paused = true)]
async fn trap_77_a_missing_answer_is_an_error_after_the_time_out() {
    let io = io(|ns| ns);
    let client = Client::join(&io).await;
    let socket = only_socket(&io);
    let answer = socket
        .timeout(Duration::from_secs(3))
        .emit_with_ack("q", &());
    assert!(matches!(answer.await, Err(AckError::TimedOut)));
    assert_eq!(client.receive().await, [r#"20["q"]"#]);
    client.send(&["30[]"]).await;
    assert!(!client.is_closed().await, "the late answer is ignored");
    let answer = socket.emit_with_ack("q", &());
    client.close().await;
    assert!(matches!(answer.await, Err(AckError::Disconnected)));
    assert!(matches!(
        socket.emit_with_ack("q", &()).await,
        Err(AckError::Emit(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn answers_that_a_client_owes_are_bounded() {
    let io = io(|ns| ns);
    let _client = Client::join(&io).await;
    let socket = only_socket(&io);
    let waiting: Vec<_> = (0..1000).map(|_| socket.emit_with_ack("q", &())).collect();
    assert!(matches!(
        socket.emit_with_ack("q", &()).await,
        Err(AckError::TooMany(_))
    ));
    drop(waiting);
    let answer = socket
        .timeout(Duration::from_millis(1))
        .emit_with_ack("q", &());
    assert!(
        matches!(answer.await, Err(AckError::TimedOut)),
        "who gives up makes room"
    );
}

#[tokio::test(start_paused = true)]
async fn trap_87_a_broadcast_collects_answers_and_says_who_is_missing() {
    let io = io(|ns| ns);
    let nobody = io
        .to("nowhere")
        .emit_with_ack("q", &())
        .await
        .expect("encodable");
    assert!(nobody.replies.is_empty() && nobody.missing == 0);
    let (one, two) = (Client::join(&io).await, Client::join(&io).await);
    let question = io
        .root()
        .everybody()
        .timeout(Duration::from_secs(1))
        .emit_with_ack("q", &());
    one.receive_until(r#"21["q"]"#).await;
    two.receive_until(r#"21["q"]"#).await;
    one.send(&["31[7]"]).await;
    let answers = question.await.expect("encodable");
    assert_eq!((answers.replies.len(), answers.missing), (1, 1));
    assert_eq!(answers.replies[0].1.data::<u8>().expect("a number"), 7);
}

#[tokio::test(start_paused = true)]
async fn trap_85_volatile_packets_are_dropped_unless_they_can_leave_now() {
    let io = io(|ns| ns);
    let client = Client::join(&io).await;
    let socket = only_socket(&io);
    // No poll waits: nothing can leave.
    socket.volatile().emit("v", &1).expect("encodable");
    io.root().volatile().emit("v", &2).expect("encodable");
    let poll = async { client.receive().await };
    let emits = async {
        pass(Duration::from_millis(5)).await;
        socket
            .volatile()
            .emit("v", &(3, Bytes::from_static(b"x")))
            .expect("encodable");
        socket.volatile().emit("v", &4).expect("encodable");
    };
    let (packets, ()) = tokio::join!(poll, emits);
    assert_eq!(
        packets,
        [r#"51-["v",3,{"_placeholder":true,"num":0}]"#, "beA=="],
        "one unit, and of two one survives"
    );
    socket.emit("n", &1).expect("encodable");
    socket.volatile().emit("v", &5).expect("encodable");
    assert_eq!(
        client.receive().await,
        [r#"2["n",1]"#],
        "right after a normal one it is dropped"
    );
}

#[tokio::test(start_paused = true)]
async fn compress_false_keeps_the_payload_plain_whoever_it_is_for() {
    let io = io(echo);
    let client = Client::join(&io).await;
    let socket = only_socket(&io);
    let long = "x".repeat(5000);
    let args = encode::arguments(&long).expect("encodable");
    let root = io.root();
    for (emit, compressed) in [
        (&|| socket.emit("m", &long) as _, true),
        (&|| socket.compress(true).emit("m", &long), true),
        (&|| socket.compress(false).emit("m", &long), false),
        (&|| socket.compress(false).emit_raw("m", &args), false),
        (&|| root.everybody().emit("m", &long), true),
        (&|| root.everybody().compress(false).emit("m", &long), false),
        (
            &|| root.everybody().compress(false).emit_raw("m", &args),
            false,
        ),
        (
            &|| {
                let everybody = root.everybody().compress(false);
                everybody.emit_unless_behind("m", &long).map(drop)
            },
            false,
        ),
    ] as [(&dyn Fn() -> Result<(), EmitError>, bool); 8]
    {
        emit().expect("connected");
        assert_eq!(client.receives_gzip().await, compressed);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_behind_is_left_out_and_told_of_by_name() {
    let log = Log::default();
    let (seen, drained) = (log.clone(), log.clone());
    let io = Io::builder()
        .engine(engineio::Config {
            outbox: OutboxLimits {
                soft_bytes: 1000,
                ..OutboxLimits::default()
            },
            ..engineio::Config::default()
        })
        .namespace("/", |ns| {
            ns.on_any_outgoing(move |socket, event, _| seen.add(format!("{event} {}", socket.id())))
                .on_drain(move |socket| drained.add(format!("drained {}", socket.id())))
        })
        .build();
    let slow = Client::join(&io).await;
    let slow_socket = only_socket(&io);
    slow_socket
        .emit("long", &"x".repeat(2000))
        .expect("connected");
    let quick = Client::join(&io).await;
    let everybody = io.root().everybody();
    let behind = everybody.emit_unless_behind("news", &1).expect("encodable");
    assert_eq!(behind, std::slice::from_ref(&slow_socket));
    assert_eq!(quick.receive().await, [r#"2["news",1]"#]);
    assert_eq!(slow.receive().await.len(), 1, "the long one alone");
    let behind = everybody.emit_unless_behind("news", &2).expect("encodable");
    assert_eq!(behind, []);
    assert_eq!(slow.receive().await, [r#"2["news",2]"#]);
    let id = slow_socket.id();
    let lines = log.lines();
    let of_slow = lines.iter().filter_map(|line| line.strip_suffix(id));
    assert_eq!(of_slow.collect::<Vec<_>>(), ["long ", "drained ", "news "]);
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_handlers_hold_eight_mebibytes_is_not_read_until_some_are_done() {
    let log = Log::default();
    let begun = log.clone();
    let io = io(|ns| {
        ns.on("m", move |_: Socket, _: Event| {
            let log = begun.clone();
            async move {
                log.add("begun");
                pass(Duration::from_secs(10)).await;
            }
        })
    });
    let client = Client::join(&io).await;
    let event = format!(r#"2["m","{}"]"#, "x".repeat(900_000));
    let sending = tokio::spawn(async move {
        for _ in 0..12 {
            client.send(&[&event]).await;
        }
        client
    });
    pass(Duration::from_secs(1)).await;
    assert_eq!(log.lines().len(), 10, "ten hold nine million bytes");
    pass(Duration::from_secs(10)).await;
    assert_eq!(log.lines().len(), 12);
    let client = sending.await.expect("no panic");
    assert_eq!(io.root().sockets_count(), 1);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn trap_75_a_namespace_keeps_its_query() {
    let io = Io::builder().namespace("/a?x=1", echo).build();
    let client = Client::open(&io).await;
    client.send(&["0/a?x=1,", r#"2/a?x=1,["message",1]"#]).await;
    assert_eq!(
        client
            .receive_until(r#"2/a?x=1,["message-back",1]"#)
            .await
            .len(),
        2
    );
}
