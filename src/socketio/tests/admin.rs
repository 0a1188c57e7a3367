//! What the official admin page is told, and who may read it.

use std::time::Duration;

use serde_json::{Value, json};

use super::harness::{Client, pass, until};
use crate::socketio::{AdminMode, AdminOptions, Data, Io, IoBuilder, Socket};

const PASSWORD: &str = "the right one";

fn options() -> AdminOptions {
    AdminOptions::new("ada", |password| password == PASSWORD).server_id("one")
}

/// A server whose clients join rooms and talk to them.
fn talking() -> IoBuilder {
    Io::builder().namespace("/", |ns| {
        ns.on("enter", async |socket: Socket, Data(room): Data<String>| {
            _ = socket.join(&room);
        })
        .on("say", async |socket: Socket, Data(text): Data<String>| {
            _ = socket.namespace().to("room").emit("said", &text);
        })
    })
}

/// A connected admin: packets as events, by name.
struct Admin {
    client: Client,
    heard: Vec<(String, Value)>,
}

impl Admin {
    async fn connect(io: &Io) -> Self {
        let client = Client::open(io).await;
        let reply = login(&client, &json!({ "username": "ada", "password": PASSWORD })).await;
        let heard = Vec::new();
        let mut admin = Self { client, heard };
        admin.take(reply);
        admin.until("server_stats").await;
        admin
    }

    fn take(&mut self, packets: Vec<String>) {
        for packet in packets {
            let event = packet.strip_prefix("2/admin,");
            let list = event.and_then(|json| serde_json::from_str::<Vec<Value>>(json).ok());
            if let Some((name, args)) = list.as_deref().and_then(<[Value]>::split_first) {
                let name = name.as_str().expect("a name").to_owned();
                self.heard.push((name, Value::from(args)));
            }
        }
    }

    fn of(&self, name: &str) -> Vec<&Value> {
        let of_name = self.heard.iter().filter(|(known, _)| known == name);
        of_name.map(|(_, args)| args).collect()
    }

    /// Polls until an event of this name has come; its last arguments.
    async fn until(&mut self, name: &str) -> Value {
        let before = self.of(name).len();
        for _ in 0..1000 {
            if let Some(args) = self.of(name).get(before..).and_then(<[_]>::last) {
                return (*args).clone();
            }
            let packets = self.client.receive().await;
            if packets == ["2"] {
                self.client.request_pong().await;
            }
            self.take(packets);
        }
        panic!("{name} never came")
    }

    async fn send(&self, command: Value) {
        self.client.send(&[&format!("2/admin,{command}")]).await;
    }
}

/// Everything that comes in answer to a CONNECT to the admins' namespace.
async fn login(client: &Client, auth: &Value) -> Vec<String> {
    client.send(&[&format!("0/admin,{auth}")]).await;
    client.receive().await
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_in_without_the_name_and_the_password() {
    let io = talking().instrument(options()).build();
    let client = Client::open(&io).await;
    for auth in [
        json!({}),
        json!({ "sessionId": null }),
        json!({ "sessionId": "AAAAAAAAAAAAAAAAAAAA" }),
        json!({ "username": "ada" }),
        json!({ "username": "ada", "password": "the wrong one" }),
        json!({ "username": "ben", "password": PASSWORD }),
        json!({ "username": ["ada"], "password": { "$ne": 1 } }),
        json!({ "username": "ada", "password": PASSWORD.repeat(1000) }),
    ] {
        let reply = login(&client, &auth).await;
        assert_eq!(
            reply,
            [r#"4/admin,{"message":"invalid credentials"}"#],
            "{auth}"
        );
    }
    assert_eq!(io.of("/admin").expect("declared").sockets_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_lets_its_client_in_again_without_the_password() {
    let io = talking().instrument(options()).build();
    let admin = Admin::connect(&io).await;
    let session = admin.of("session")[0][0].clone();
    assert_eq!(session.as_str().map(str::len), Some(20));
    let again = Client::open(&io).await;
    let reply = login(&again, &json!({ "sessionId": session })).await;
    assert!(reply[0].starts_with(r#"0/admin,{"sid":""#), "{reply:?}");
    assert!(!reply.iter().any(|packet| packet.contains("session")));
}

#[tokio::test(start_paused = true)]
async fn guesses_of_one_address_are_few_a_minute_whatever_the_password() {
    let io = talking().instrument(options()).build();
    let client = Client::open(&io).await;
    let wrong = json!({ "username": "ada", "password": "a guess" });
    let right = json!({ "username": "ada", "password": PASSWORD });
    for _ in 0..10 {
        assert!(login(&client, &wrong).await[0].contains("invalid credentials"));
    }
    for auth in [&wrong, &right] {
        assert!(login(&client, auth).await[0].contains("too many attempts"));
    }
    pass(Duration::from_secs(61)).await;
    let client = Client::open(&io).await;
    assert!(login(&client, &right).await[0].starts_with("0/admin,"));
}

#[tokio::test(start_paused = true)]
async fn sockets_rooms_and_events_are_shown_as_they_come_and_go() {
    let describe = |socket: &Socket| json!({ "is": socket.namespace().name() });
    let io = talking().instrument(options().describe(describe)).build();
    let early = Client::join(&io).await;
    let mut admin = Admin::connect(&io).await;
    assert_eq!(
        *admin.of("config")[0],
        json!([{ "supportedFeatures": ["AGGREGATED_EVENTS", "ALL_EVENTS"] }])
    );
    let listed = admin.of("all_sockets")[0].clone();
    let listed = listed[0].as_array().expect("a list");
    let shown = listed.iter().find(|socket| socket["nsp"] == "/");
    let shown = shown.expect("the one that was there");
    let id = shown["id"].as_str().expect("an id");
    assert_eq!(shown["transport"], "polling");
    assert_eq!(shown["rooms"], json!([id]));
    assert_eq!(shown["data"], json!({ "is": "/" }));
    assert_eq!(shown["handshake"]["address"], "127.0.0.1");
    assert_eq!(shown["handshake"]["url"], "/socket.io/");

    early.send(&[r#"2["enter","room"]"#]).await;
    let joined = admin.until("room_joined").await;
    assert_eq!(joined[1], "room");
    assert_eq!(joined[2], id);
    assert!(joined[3].as_str().is_some_and(|time| time.ends_with('Z')));
    assert_eq!(admin.of("event_received")[0][2], json!(["enter"]));
    early.send(&[r#"2["say","hello"]"#]).await;
    let sent = admin.until("event_sent").await;
    assert_eq!((&sent[1], &sent[2]), (&json!(id), &json!(["said"])));

    let late = Client::join(&io).await;
    assert_eq!(admin.until("socket_connected").await[0]["nsp"], "/");
    late.close().await;
    let gone = admin.until("socket_disconnected").await;
    assert_eq!(gone[2], "transport close");
    early.send(&["1"]).await;
    let before = admin.of("room_left").len();
    admin.until("room_left").await;
    let left: Vec<_> = admin.of("room_left")[before..]
        .iter()
        .map(|args| args[1].clone())
        .collect();
    assert_eq!(
        left,
        ["room", id],
        "its own room, too: the page keeps it otherwise"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hidden_room_is_neither_listed_nor_told_of() {
    let hidden = options().hide_rooms(|room| room.starts_with("secret:"));
    let io = talking().instrument(hidden).build();
    let client = Client::join(&io).await;
    client.send(&[r#"2["enter","secret:1"]"#]).await;
    let mut admin = Admin::connect(&io).await;
    client
        .send(&[r#"2["enter","secret:2"]"#, r#"2["enter","room"]"#])
        .await;
    assert_eq!(admin.until("room_joined").await[1], "room");
    client.send(&["1"]).await;
    admin.until("socket_disconnected").await;
    let all = format!("{:?}", admin.heard);
    assert!(
        all.contains("\"room\"") && !all.contains("secret:"),
        "{all}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_totals_are_told_every_two_seconds() {
    let io = talking()
        .instrument(options().mode(AdminMode::Production))
        .build();
    let mut admin = Admin::connect(&io).await;
    let client = Client::join(&io).await;
    client.send(&[r#"2["say","hello"]"#]).await;
    let stats = admin.until("server_stats").await;
    let stats = &stats[0];
    assert_eq!(stats["serverId"], "one");
    assert_eq!(
        (&stats["clientsCount"], &stats["pollingClientsCount"]),
        (&json!(2), &json!(2))
    );
    let counted = |kind: &str| {
        let events = stats["aggregatedEvents"].as_array().expect("a list");
        events
            .iter()
            .find(|event| event["type"] == kind)
            .map(|event| event["count"].clone())
    };
    assert_eq!(counted("rawConnection"), Some(json!(1)));
    assert_eq!(
        counted("packetsIn"),
        Some(json!(2)),
        "CONNECT and the event"
    );
    assert_eq!(counted("bytesIn"), Some(json!(1 + 16)));
    let namespaces = stats["namespaces"].as_array().expect("a list");
    assert!(namespaces.contains(&json!({ "name": "/", "socketsCount": 1 })));
    let named: Vec<_> = admin.heard.iter().map(|(name, _)| name.as_str()).collect();
    assert!(
        named
            .iter()
            .all(|name| ["session", "config", "server_stats"].contains(name)),
        "nothing of single sockets: {named:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn no_secret_and_no_text_reaches_an_admin_who_did_not_ask_for_it() {
    let secrets = ["a-cookie", "a-bearer", "a-token", "a text", "forwarded-for"];
    for asked in [false, true] {
        let io = talking()
            .instrument(options().show_arguments(asked))
            .build();
        let client = Client::open_with(
            &io,
            "&token=a-token",
            &[
                ("cookie", "a-cookie"),
                ("authorization", "Bearer a-bearer"),
                ("x-real-ip", "forwarded-for"),
            ],
        )
        .await;
        client
            .send(&[r#"0{"token":"a-token"}"#, r#"2["enter","room"]"#])
            .await;
        let mut admin = Admin::connect(&io).await;
        client.send(&[r#"2["say","a text"]"#]).await;
        admin.until("event_sent").await;
        let all = format!("{:?}", admin.heard);
        let sids: Vec<_> = io
            .sessions()
            .iter()
            .map(|session| session.id().as_str().to_owned())
            .collect();
        for secret in secrets.into_iter().chain(sids.iter().map(String::as_str)) {
            let may = asked && secret == "a text";
            assert_eq!(all.contains(secret), may, "{secret} in {all}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn commands_do_nothing_unless_they_were_allowed() {
    let io = talking().instrument(options()).build();
    let client = Client::join(&io).await;
    let admin = Admin::connect(&io).await;
    admin.send(json!(["join", "/", "room", null])).await;
    admin.send(json!(["_disconnect", "/", true, null])).await;
    client.send(&[r#"2["enter","another"]"#]).await;
    until(|| io.root().sockets()[0].rooms().len() > 1).await;
    assert_eq!(io.root().sockets()[0].rooms()[1..], ["another"]);
}

#[tokio::test(start_paused = true)]
async fn commands_that_were_allowed_emit_move_and_disconnect() {
    let io = talking().instrument(options().allow_commands(true)).build();
    let (ann, ben) = (Client::join(&io).await, Client::join(&io).await);
    let admin = Admin::connect(&io).await;
    let features = admin.of("config")[0][0]["supportedFeatures"].to_string();
    assert!(features.contains("MDISCONNECT"), "{features}");
    let [id, other] = [0, 1].map(|place| io.root().sockets()[place].id().to_owned());
    admin.send(json!(["join", "/", "room", id])).await;
    until(|| io.root().fetch_sockets("room").len() == 1).await;
    admin
        .send(json!(["emit", "/", "room", "news", 1, "two"]))
        .await;
    assert_eq!(ann.receive().await, [r#"2["news",1,"two"]"#]);
    admin.send(json!(["leave", "/", "room", [id]])).await;
    until(|| io.root().rooms_count() == 0).await;
    for nonsense in [
        json!(["emit"]),
        json!(["emit", "/nowhere", null, "x"]),
        json!(["emit", "/", 5, "x"]),
        json!(["emit", "/", null, "disconnect"]),
        json!(["join", "/", {}, null]),
        json!(["_disconnect", "/", "yes", null]),
    ] {
        admin.send(nonsense).await;
    }
    admin.send(json!(["_disconnect", "/", false, other])).await;
    assert_eq!(ben.receive().await, ["1"]);
    assert_eq!(io.root().sockets_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_admin_who_does_not_read_costs_a_bounded_amount_and_sees_it_all_when_they_do() {
    let io = talking().instrument(options()).build();
    _ = Client::join(&io).await;
    let mut admin = Admin::connect(&io).await;
    let member = io.root().sockets().remove(0);
    let waiting = || {
        let sessions = io.sessions();
        sessions
            .iter()
            .map(engineio::SessionHandle::queued_bytes)
            .max()
    };
    for _ in 0..20_000 {
        _ = member.join("a room with a name that is long enough to fill a queue sooner");
        member.leave("a room with a name that is long enough to fill a queue sooner");
    }
    let soft = engineio::Config::default().outbox.soft_bytes;
    assert!(waiting().is_some_and(|bytes| bytes >= soft && bytes < soft + 4096));
    _ = member.join("room");
    let listed = admin.until("all_sockets").await;
    assert!(
        listed.to_string().contains(r#""room""#),
        "the list has what was left out"
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_flood_of_events_no_more_is_shown_than_can_be_read() {
    let io = talking().instrument(options()).build();
    for _ in 0..50 {
        _ = Client::join(&io).await;
    }
    let mut admin = Admin::connect(&io).await;
    for number in 0..1000 {
        io.emit("news", &number).expect("encodable");
    }
    admin.until("server_stats").await;
    let shown = admin.of("event_sent").len();
    assert!((400..800).contains(&shown), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_anything_while_nobody_watches() {
    let io = talking().instrument(options()).build();
    let admin = Admin::connect(&io).await;
    admin.client.close().await;
    until(|| io.of("/admin").expect("declared").sockets_count() == 0).await;
    pass(Duration::from_secs(10)).await;
    let before = io.metrics().emitted.get();
    let client = Client::join(&io).await;
    client
        .send(&[r#"2["enter","room"]"#, r#"2["say","hello"]"#])
        .await;
    pass(Duration::from_secs(10)).await;
    assert_eq!(
        io.metrics().emitted.get(),
        before + 1,
        "the one to the room"
    );
}

#[tokio::test(start_paused = true)]
async fn namespaces_that_rules_allow_are_shown_too() {
    let builder = talking().dynamic_namespace("/tenant-*", |ns| ns);
    let io = builder.instrument(options()).build();
    let mut admin = Admin::connect(&io).await;
    let client = Client::open(&io).await;
    client.send(&["0/tenant-1"]).await;
    let came = loop {
        let came = admin.until("socket_connected").await;
        if came[0]["nsp"] != "/admin" {
            break came;
        }
    };
    assert_eq!(came[0]["nsp"], "/tenant-1");
}
