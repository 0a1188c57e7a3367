//! Handlers as plain async functions.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::harness::{Client, Log};
use crate::socketio::{
    Ack, Args, BoxError, ConnectRequest, Data, Event, EventError, FailedEvent, FromEvent, Io,
    NamespaceBuilder, Payload, Socket, State, TryData,
};

fn root(register: impl FnOnce(NamespaceBuilder) -> NamespaceBuilder) -> Io {
    Io::builder().namespace("/", register).build()
}

#[derive(Deserialize)]
struct Message {
    room: String,
    text: Option<String>,
}

struct Counter(AtomicUsize);

async fn say(socket: Socket, Data(message): Data<Message>, ack: Ack) {
    assert!(socket.connected());
    _ = ack.send(&(message.room, message.text));
}

#[tokio::test(start_paused = true)]
async fn parameters_are_made_of_what_the_client_sent() {
    let io = Io::builder()
        .state(Counter(AtomicUsize::new(41)))
        .namespace("/", |ns| {
            ns.on("say", say)
                .on("ping", async |ack: Ack| _ = ack.send(&"pong"))
                .on(
                    "count",
                    async |State(counter): State<Counter>,
                           Data((by, name)): Data<(usize, String)>,
                           ack: Ack| {
                        let now = counter.0.fetch_add(by, Ordering::Relaxed) + by;
                        _ = ack.send(&(name, now));
                    },
                )
                .on("bytes", async |ack: Ack, Data(bytes): Data<Bytes>| {
                    _ = ack.send(&bytes.len());
                })
                .on("nothing", async || {})
                .on("any", async |ack: Ack, args: Args| _ = ack.send_raw(&args))
                .on("mixed", async |Data(any): Data<(Payload, u8)>, ack: Ack| {
                    _ = ack.send(&any);
                })
                .on("whole", async |socket: Socket, event: Event| {
                    _ = socket.emit("name", event.name());
                })
        })
        .build();
    let client = Client::join(&io).await;
    for (packets, answer) in [
        (
            &[r#"21["say",{"room":"r","text":"hi"}]"#][..],
            r#"31["r","hi"]"#,
        ),
        (&[r#"22["say",{"room":"r"}]"#], r#"32["r",null]"#),
        (&[r#"23["ping",1,2]"#], r#"33["pong"]"#),
        (&[r#"24["count",1,"n","more"]"#], r#"34["n",42]"#),
        (
            &[r#"51-5["bytes",{"_placeholder":true,"num":0}]"#, "bYWI="],
            "35[2]",
        ),
        (&[r#"2["nothing",1]"#, r#"26["any",1,{}]"#], "36[1,{}]"),
        (
            &[
                r#"51-7["mixed",[{"_placeholder":true,"num":0}],3]"#,
                "bAQ==",
            ],
            r#"61-7[[{"_placeholder":true,"num":0}],3]"#,
        ),
        (&[r#"2["whole"]"#], r#"2["name","whole"]"#),
    ] {
        client.send(packets).await;
        assert_eq!(client.receive().await[0], answer, "{packets:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tuple_and_an_array_are_several_arguments_and_a_list_is_one() {
    let io = root(|ns| {
        ns.on(
            "read",
            async |socket: Socket, Data([a, b]): Data<[u8; 2]>| {
                _ = socket.emit("tuple", &(a, b));
                _ = socket.emit("array", &[a, b]);
                _ = socket.emit("slice", &[a, b][..]);
                _ = socket.emit("list", &vec![a, b]);
            },
        )
    });
    let client = Client::join(&io).await;
    client.send(&[r#"2["read",1,2]"#]).await;
    assert_eq!(
        client.receive().await,
        [
            r#"2["tuple",1,2]"#,
            r#"2["array",1,2]"#,
            r#"2["slice",[1,2]]"#,
            r#"2["list",[1,2]]"#
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_ask_for_the_server_whose_it_is() {
    let io = Io::builder()
        .namespace("/", |ns| {
            ns.on_connect(async |socket: Socket| {
                let io = socket.io().expect("it is being asked");
                assert_eq!(io.root().sockets_count(), 1);
            })
            .on("where", async |io: Io, ack: Ack| {
                let other = io.of("/other").expect("declared below");
                _ = ack.send(&(io.path(), other.name()));
            })
        })
        .namespace("/other", |ns| ns)
        .build();
    let client = Client::join(&io).await;
    client.send(&[r#"20["where"]"#]).await;
    assert_eq!(client.receive().await, [r#"30["/socket.io/","/other"]"#]);
    let kept = io.downgrade();
    drop((client, io));
    assert!(kept.upgrade().is_none(), "the server keeps itself");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_waits_for_is_not_sent() {
    let io = root(|ns| {
        ns.on("m", async |socket: Socket, ack: Ack| {
            assert!(!ack.is_awaited());
            ack.send(&1).expect("nothing to send");
            _ = socket.emit("done", &());
        })
    });
    let client = Client::join(&io).await;
    client.send(&[r#"2["m"]"#]).await;
    assert_eq!(client.receive().await, [r#"2["done"]"#]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_goes_to_the_hook_which_may_answer() {
    let log = Log::default();
    let said = log.clone();
    let io = root(|ns| {
        ns.on("say", say)
            .on("pair", async |_: Data<(u8, String)>| {})
            .on("state", async |_: State<Counter>| {})
            .on_error(move |_: Socket, failed: FailedEvent| {
                let kind = match &failed.error {
                    EventError::Payload(_) => "payload",
                    EventError::NoState { .. } => "state",
                    EventError::Handler(_) => "handler",
                    EventError::Refused(_) => "refused",
                };
                said.add(format!("{} {kind}", failed.name));
                async move {
                    if let Some(ack) = failed.ack {
                        _ = ack.send(&json!({"error": failed.error.to_string()}));
                    }
                }
            })
    });
    let client = Client::join(&io).await;
    client
        .send(&[
            r#"2["say",7]"#,
            r#"2["pair",1]"#,
            r#"2["state"]"#,
            r#"28["say",{"room":1}]"#,
        ])
        .await;
    let answer = client.receive().await.remove(0);
    let error: Value = serde_json::from_str(&answer[2..]).expect("JSON");
    let text = error[0]["error"].as_str().expect("a text");
    assert!(
        text.starts_with("arguments do not fit: invalid type"),
        "{text}"
    );
    assert_eq!(
        log.lines(),
        ["say payload", "pair payload", "state state", "say payload"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_fail_with_any_error() {
    let log = Log::default();
    let said = log.clone();
    let io = root(|ns| {
        ns.on(
            "join",
            async |socket: Socket, Data(room): Data<String>| -> Result<(), BoxError> {
                socket.join(&room)?;
                socket.emit("joined", &room)?;
                Ok(())
            },
        )
        .on("text", async || -> Result<(), &str> { Err("it failed") })
        .on("asked", async || -> Result<(), String> { Err("no".into()) })
        .on_error(move |_: Socket, failed: FailedEvent| {
            said.add(format!("{}: {failed}", failed.name));
            async move {
                if let Some(ack) = failed.ack {
                    _ = ack.send("failed");
                }
            }
        })
    });
    let client = Client::join(&io).await;
    let long = "x".repeat(129);
    client
        .send(&[
            r#"2["join","r"]"#,
            &format!(r#"2["join","{long}"]"#),
            r#"2["text"]"#,
            r#"24["asked"]"#,
        ])
        .await;
    let received = client.receive_until(r#"34["failed"]"#).await;
    assert_eq!(received[0], r#"2["joined","r"]"#);
    assert_eq!(
        log.lines(),
        [
            "join: room name of 129 bytes, 128 allowed",
            "text: it failed",
            "asked: no"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_hook_what_does_not_fit_harms_nobody() {
    let io = root(|ns| {
        ns.on("say", say)
            .on("m", async |ack: Ack| _ = ack.send(&()))
    });
    let client = Client::join(&io).await;
    client.send(&[r#"21["say",[]]"#, r#"22["m"]"#]).await;
    assert_eq!(client.receive().await, ["32[]"]);
}

#[tokio::test(start_paused = true)]
async fn who_wants_to_see_what_does_not_fit_is_called() {
    let io = root(|ns| {
        ns.on("n", async |TryData(n): TryData<u8>, ack: Ack| {
            _ = ack.send(&n.is_ok());
        })
    });
    let client = Client::join(&io).await;
    client.send(&[r#"21["n",7]"#]).await;
    assert_eq!(client.receive().await, ["31[true]"]);
    client.send(&[r#"22["n","x"]"#]).await;
    assert_eq!(client.receive().await, ["32[false]"]);
}

#[tokio::test(start_paused = true)]
async fn data_beside_a_socket_is_put_and_replaced_at_any_time() {
    let io = root(|ns| {
        ns.on_connect(async |socket: Socket| socket.set_data("new".to_owned()))
            .on(
                "rename",
                async |socket: Socket, Data(name): Data<String>| {
                    socket.set_data(name);
                },
            )
            .on("name", async |socket: Socket, ack: Ack| {
                _ = ack.send(&socket.data::<String>().as_deref());
            })
    });
    let client = Client::join(&io).await;
    client
        .send(&[r#"21["name"]"#, r#"2["rename","ann"]"#, r#"22["name"]"#])
        .await;
    assert_eq!(client.receive().await, [r#"31["new"]"#, r#"32["ann"]"#]);
}

/// A parameter of the application's own.
struct Nick(String);

impl FromEvent for Nick {
    fn from_event(socket: &Socket, _: &Event) -> Result<Self, EventError> {
        match socket.data::<String>() {
            Some(nick) => Ok(Self((*nick).clone())),
            None => Err(EventError::Handler("no nick".into())),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_application_adds_parameters_of_its_own() {
    let io = root(|ns| {
        ns.use_middleware(async |request: ConnectRequest| {
            request.set_data("ann".to_owned());
            Ok(())
        })
        .on("who", async |Nick(nick): Nick, ack: Ack| {
            _ = ack.send(&nick);
        })
    });
    let client = Client::join(&io).await;
    client.send(&[r#"21["who"]"#]).await;
    assert_eq!(client.receive().await, [r#"31["ann"]"#]);
}
