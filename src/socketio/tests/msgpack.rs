//! A server with the MessagePack parser, whose clients poll: every packet is binary, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::harness::Client;
use crate::socketio::proto::msgpack::{Reader, Writer};
use crate::socketio::{Ack, Args, ConnectError, Data, Io, NamespaceBuilder, Parser, Socket};

fn server(register: impl FnOnce(NamespaceBuilder) -> NamespaceBuilder) -> Io {
    Io::builder()
        .parser(Parser::Msgpack)
        .namespace("/", register)
        .build()
}

fn packed<T: Serialize>(packet: &T) -> String {
    let mut bytes = Vec::new();
    packet
        .serialize(Writer::new(&mut bytes))
        .expect("encodable");
    format!("b{}", STANDARD.encode(bytes))
}

fn unpacked(record: &str) -> Value {
    let base64 = record.strip_prefix('b').expect("a binary record");
    let bytes = STANDARD.decode(base64).expect("base64");
    Value::deserialize(&mut Reader::new(&bytes)).expect("a packet")
}

async fn send(client: &Client, packet: Value) {
    client.send(&[&packed(&packet)]).await;
}

async fn receive(client: &Client) -> Vec<Value> {
    let records = client.receive().await;
    records.iter().map(|record| unpacked(record)).collect()
}

async fn join(io: &Io) -> Client {
    let client = Client::open(io).await;
    send(&client, json!({"type": 0, "nsp": "/"})).await;
    let granted = receive(&client).await.remove(0);
    assert_eq!(
        (&granted["type"], &granted["nsp"]),
        (&json!(0), &json!("/"))
    );
    assert_eq!(granted["data"]["sid"].as_str().map(str::len), Some(20));
    client
}

#[tokio::test(start_paused = true)]
async fn trap_80_handlers_and_operators_are_the_same() {
    let io = server(|ns| {
        ns.on("sum", async |Data((a, b)): Data<(u32, u32)>, ack: Ack| {
            _ = ack.send(&(a + b, "done"));
        })
        .on("echo", async |socket: Socket, args: Args| {
            _ = socket.emit_raw("back", &args);
        })
        .on("ask", async |socket: Socket| {
            let answer = socket
                .emit_with_ack("question", &7)
                .await
                .expect("an answer");
            _ = socket.emit("answered", &answer.data::<String>().expect("a text"));
        })
    });
    let client = join(&io).await;
    send(
        &client,
        json!({"type": 2, "nsp": "/", "id": 4, "data": ["sum", 1, 2], "options": {"compress": true}}),
    )
    .await;
    assert_eq!(
        receive(&client).await,
        [json!({"type": 3, "nsp": "/", "id": 4, "data": [3, "done"]})]
    );
    send(
        &client,
        json!({"type": 2, "nsp": "/", "data": ["echo", {"a": [1.5]}, null]}),
    )
    .await;
    assert_eq!(
        receive(&client).await,
        [json!({"type": 2, "nsp": "/", "data": ["back", {"a": [1.5]}, null]})]
    );
    send(&client, json!({"type": 2, "nsp": "/", "data": ["ask"]})).await;
    let question = receive(&client).await.remove(0);
    assert_eq!(question["data"], json!(["question", 7]));
    send(
        &client,
        json!({"type": 3, "nsp": "/", "id": question["id"], "data": ["yes"]}),
    )
    .await;
    assert_eq!(
        receive(&client).await[0]["data"],
        json!(["answered", "yes"])
    );
    io.root().sockets()[0].join("room").expect("room");
    io.to("room").emit("news", &(1, "x")).expect("encodable");
    assert_eq!(receive(&client).await[0]["data"], json!(["news", 1, "x"]));
    io.root().sockets()[0].disconnect(false);
    assert_eq!(receive(&client).await, [json!({"type": 1, "nsp": "/"})]);
}

#[tokio::test(start_paused = true)]
async fn bytes_stand_where_they_belong() {
    #[derive(Serialize)]
    struct Upload<'a> {
        r#type: u8,
        nsp: &'a str,
        id: u8,
        data: (&'a str, Bytes),
    }
    let io = server(|ns| {
        ns.on("upload", async |Data(bytes): Data<Bytes>, ack: Ack| {
            _ = ack.send(&bytes.len());
        })
    });
    let client = join(&io).await;
    let upload = Upload {
        r#type: 2,
        nsp: "/",
        id: 1,
        data: ("upload", Bytes::from_static(&[0xff; 300])),
    };
    client.send(&[&packed(&upload)]).await;
    assert_eq!(receive(&client).await[0]["data"], json!([300]));
}

#[tokio::test(start_paused = true)]
async fn refusals_are_packets_too_and_what_is_no_packet_ends_the_connection() {
    let io = server(|ns| ns.use_middleware(async |_| Err(ConnectError::new("no"))));
    let client = Client::open(&io).await;
    send(
        &client,
        json!({"type": 0, "nsp": "/", "data": {"token": "x"}}),
    )
    .await;
    send(&client, json!({"type": 0, "nsp": "/unknown"})).await;
    let refusal = |nsp, message| json!({"type": 4, "nsp": nsp, "data": {"message": message}});
    assert_eq!(
        receive(&client).await,
        [refusal("/", "no"), refusal("/unknown", "Invalid namespace")]
    );
    for bad in [
        "bwQ==",
        "0",
        &packed(&json!({"type": 2, "nsp": "/", "data": ["early"]})),
    ] {
        let client = Client::open(&io).await;
        client.send(&[bad]).await;
        assert!(client.is_closed().await, "{bad}");
    }
}

#[tokio::test]
async fn a_broadcast_is_encoded_once_whoever_gets_it() {
    let io = server(|ns| ns);
    for _ in 0..1000 {
        let client = Client::open(&io).await;
        send(&client, json!({"type": 0, "nsp": "/"})).await;
    }
    let sockets = io.root().sockets();
    assert_eq!(sockets.len(), 1000);
    let counts = [10, 100, 1000].map(|size| {
        let room = size.to_string();
        for socket in &sockets[..size] {
            socket.join(&room).expect("no limit");
        }
        let emit = || {
            io.to(&room)
                .emit("e", &("some text", 1))
                .expect("encodable");
        };
        allocation_counter::measure(emit).count_total
    });
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
}
