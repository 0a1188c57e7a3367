//! Every row of the default rates (CONTRACT section 9).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::world::text;
use super::{Client, Someone, World};
use crate::chat::RateLimits;
use crate::chat::limits::Act;

struct Row {
    name: &'static str,
    /// The time that one act costs.
    cost: Duration,
    burst: u32,
}

/// The acts, by the name of an event or a route, with what their row says.
const ROWS: [(&str, u64, u32); 14] = [
    ("send-message", 200, 20),
    ("POST messages", 200, 20),
    ("typing", 500, 5),
    ("join-chat", 100, 50),
    ("sync", 100, 50),
    ("GET users", 500, 10),
    ("POST chats", 6000, 20),
    ("add-reaction", 100, 50),
    ("remove-reaction", 100, 50),
    ("PUT reaction", 100, 50),
    ("DELETE reaction", 100, 50),
    ("mark-read", 100, 50),
    ("POST read", 100, 50),
    ("mark-delivered", 100, 50),
];

struct Place {
    world: World,
    chat: String,
    message: String,
}

impl Place {
    async fn act(&self, who: &Someone, socket: &mut Client, name: &str) -> Value {
        let Self {
            world,
            chat,
            message,
        } = self;
        let token = Some(who.token.as_str());
        let path = format!("/api/chats/{chat}");
        let reaction = format!("{path}/messages/{message}/reactions/x");
        let (method, path, body) = match name {
            "POST messages" => ("POST", format!("{path}/messages"), json!({"content": "x"})),
            "GET users" => ("GET", "/api/users?search=an".to_owned(), Value::Null),
            "POST chats" => ("POST", "/api/chats".to_owned(), group()),
            "PUT reaction" => ("PUT", reaction, Value::Null),
            "DELETE reaction" => ("DELETE", reaction, Value::Null),
            "POST read" => ("POST", format!("{path}/read"), json!({"seq": 1})),
            event => return socket.ask(event, self.argument()).await,
        };
        world.call(token, method, &path, body).await.body
    }

    fn argument(&self) -> Value {
        let Self { chat, message, .. } = self;
        json!({"chatId": chat, "content": "x", "isTyping": true, "seq": 1, "messageId": message,
               "emoji": "x", "items": [{"chatId": chat, "seq": 1}], "positions": {chat.as_str(): 0}})
    }
}

fn group() -> Value {
    json!({"isGroup": true, "name": "G", "participantIds": []})
}

/// Acts until it is refused; the burst passed, and not much more.
async fn exhaust(place: &Place, who: &Someone, row: &Row) {
    let mut socket = place.world.connect(who).await;
    let began = Instant::now();
    let mut passed = 0;
    let refusal = loop {
        let answer = place.act(who, &mut socket, row.name).await;
        if answer["error"]["code"] == json!("rate-limited") {
            break answer;
        }
        passed += 1;
        let earned = began.elapsed().as_millis() / row.cost.as_millis();
        assert!(
            u128::from(passed) <= u128::from(row.burst) + earned + 1,
            "{}",
            row.name
        );
    };
    assert!(passed >= row.burst, "{}: {passed}", row.name);
    let wait = refusal["error"]["retryAfterMs"].as_u64().expect("a time");
    assert!(
        u128::from(wait) <= row.cost.as_millis(),
        "{}: {wait}",
        row.name
    );
    assert_eq!(refusal["error"]["retryable"], json!(true));
}

async fn place() -> (Place, Someone) {
    let world = World::with(|config| config.rate_limits = RateLimits::Default).await;
    let ann = world.person("Ann").await;
    let chat = text(&world.post(&ann, "/api/chats", group()).await.data()["id"]);
    let message = text(&world.say(&ann, &chat, "x").await["id"]);
    (
        Place {
            world,
            chat,
            message,
        },
        ann,
    )
}

#[tokio::test]
async fn every_act_has_its_rate_and_its_burst_for_each_person() {
    for (name, cost, burst) in ROWS {
        let (place, ann) = place().await;
        // Somebody whose buckets are full, in the same chat.
        let fresh = place.world.person("Fresh").await;
        let body = json!({"userId": fresh.id});
        let path = format!("/api/chats/{}/participants", place.chat);
        place.world.post(&ann, &path, body).await.data();
        let cost = Duration::from_millis(cost);
        exhaust(&place, &fresh, &Row { name, cost, burst }).await;
        let mut socket = place.world.connect(&ann).await;
        let other = place.act(&ann, &mut socket, name).await;
        assert_eq!(other["success"], json!(true), "{name}: {other}");
    }
}

#[tokio::test]
async fn an_address_has_three_hundred_entries_a_minute_for_all_accounts() {
    let (place, ann) = place().await;
    let began = Instant::now();
    let peer = "127.0.0.1";
    while place
        .world
        .chat
        .limits
        .count(Act::Enter, peer, began)
        .is_ok()
    {}
    // Nothing is earned meanwhile: as many again in the future are spent too.
    let later = began + Duration::from_secs(60);
    let mut more = 0;
    while place
        .world
        .chat
        .limits
        .count(Act::Enter, peer, later)
        .is_ok()
    {
        more += 1;
    }
    assert_eq!(more, 300);
    let login = json!({"email": ann.email, "password": super::world::PASSWORD});
    let register = json!({"name": "A", "email": "a@x.org", "password": "12345678"});
    for (path, body) in [("/api/auth/login", login), ("/api/auth/register", register)] {
        let refused = place.world.call(None, "POST", path, body).await;
        assert_eq!(refused.failure(), (429, "rate-limited", None), "{path}");
        assert!(refused.body["error"]["retryAfterMs"].as_u64() > Some(0));
    }
}
