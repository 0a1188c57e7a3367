//! One table: what each actor gets for each act on a chat.

use serde_json::{Value, json};

use super::{Someone, World};
use crate::chat::domain::Role;

/// Who acts, in the order of the columns below.
const ACTORS: [&str; 8] = [
    "anonymous",
    "stranger",
    "ex-member",
    "member",
    "moderator",
    "owner",
    "tutor",
    "admin",
];

/// An act on a group, and the code that each actor gets; `ok` for success. A
/// tutor is a stranger with a higher role in the system; an admin is not in
/// the chat.
const TABLE: &[(&str, [&str; 8])] = &[
    (
        "GET chat",
        [
            "unauthenticated",
            "not-found",
            "not-found",
            "ok",
            "ok",
            "ok",
            "not-found",
            "ok",
        ],
    ),
    (
        "GET messages",
        [
            "unauthenticated",
            "not-found",
            "not-found",
            "ok",
            "ok",
            "ok",
            "not-found",
            "ok",
        ],
    ),
    (
        "GET events",
        [
            "unauthenticated",
            "not-found",
            "not-found",
            "ok",
            "ok",
            "ok",
            "not-found",
            "forbidden",
        ],
    ),
    (
        "POST message",
        [
            "unauthenticated",
            "not-found",
            "not-found",
            "ok",
            "ok",
            "ok",
            "not-found",
            "forbidden",
        ],
    ),
    (
        "POST participant",
        [
            "unauthenticated",
            "not-found",
            "not-found",
            "ok",
            "ok",
            "ok",
            "not-found",
            "ok",
        ],
    ),
    (
        "DELETE member",
        [
            "unauthenticated",
            "not-found",
            "not-found",
            "forbidden",
            "ok",
            "ok",
            "not-found",
            "ok",
        ],
    ),
    (
        "DELETE owner",
        [
            "unauthenticated",
            "not-found",
            "not-found",
            "forbidden",
            "forbidden",
            "ok",
            "not-found",
            "ok",
        ],
    ),
    (
        "POST leave",
        [
            "unauthenticated",
            "not-found",
            "not-found",
            "ok",
            "ok",
            "ok",
            "not-found",
            "forbidden",
        ],
    ),
    (
        "join-chat",
        [
            "unauthenticated",
            "not-found",
            "not-found",
            "ok",
            "ok",
            "ok",
            "not-found",
            "forbidden",
        ],
    ),
    (
        "leave-chat",
        [
            "unauthenticated",
            "not-found",
            "not-found",
            "ok",
            "ok",
            "ok",
            "not-found",
            "forbidden",
        ],
    ),
    (
        "send-message",
        [
            "unauthenticated",
            "not-found",
            "not-found",
            "ok",
            "ok",
            "ok",
            "not-found",
            "forbidden",
        ],
    ),
    (
        "typing",
        [
            "unauthenticated",
            "not-found",
            "not-found",
            "ok",
            "ok",
            "ok",
            "not-found",
            "forbidden",
        ],
    ),
];

/// Acts that concern no chat: everybody with a token may.
const ALWAYS: &[(&str, &str)] = &[
    ("GET", "/api/chats"),
    ("POST", "/api/chats"),
    ("GET", "/api/users?search=an"),
    ("GET", "/api/auth/profile"),
    ("PUT", "/api/auth/password"),
    ("POST", "/api/auth/logout"),
];

struct Cast {
    people: Vec<(&'static str, Option<Someone>)>,
    /// Somebody who can be added, and one who can be removed.
    outsider: Someone,
    bystander: Someone,
}

async fn cast(world: &World) -> Cast {
    let mut people = Vec::new();
    for name in ACTORS {
        let role = match name {
            "tutor" => Role::Tutor,
            "admin" => Role::Admin,
            _ => Role::Student,
        };
        let someone = match name {
            "anonymous" => None,
            _ => Some(world.person_with(name, role).await),
        };
        people.push((name, someone));
    }
    let (outsider, bystander) = (
        world.person("outsider").await,
        world.person("bystander").await,
    );
    Cast {
        people,
        outsider,
        bystander,
    }
}

impl Cast {
    fn get(&self, name: &str) -> &Someone {
        let found = self.people.iter().find(|(known, _)| *known == name);
        found
            .and_then(|(_, someone)| someone.as_ref())
            .expect("an actor with an account")
    }

    /// A fresh group with everybody in their places.
    async fn group(&self, world: &World) -> String {
        let (owner, former) = (self.get("owner"), self.get("ex-member"));
        let members = [
            former,
            self.get("member"),
            self.get("moderator"),
            &self.bystander,
        ];
        let id = world.group(owner, &members).await;
        let path = format!("/api/chats/{id}/participants/{}", former.id);
        world.delete(owner, &path).await.data();
        let path = format!("/api/chats/{id}/participants/{}", self.get("moderator").id);
        let body = json!({"role": "moderator"});
        world
            .call(Some(&owner.token), "PATCH", &path, body)
            .await
            .data();
        id
    }
}

async fn act(world: &World, cast: &Cast, who: Option<&Someone>, act: &str, id: &str) -> String {
    let chat = format!("/api/chats/{id}");
    let (method, path, body) = match act {
        "GET chat" => ("GET", chat, Value::Null),
        "GET messages" => ("GET", format!("{chat}/messages"), Value::Null),
        "GET events" => ("GET", format!("{chat}/events?since=0"), Value::Null),
        "POST message" => ("POST", format!("{chat}/messages"), json!({"content": "x"})),
        "POST participant" => (
            "POST",
            format!("{chat}/participants"),
            json!({"userId": cast.outsider.id}),
        ),
        "DELETE member" => (
            "DELETE",
            format!("{chat}/participants/{}", cast.bystander.id),
            Value::Null,
        ),
        "DELETE owner" => (
            "DELETE",
            format!("{chat}/participants/{}", cast.get("owner").id),
            Value::Null,
        ),
        "POST leave" => ("POST", format!("{chat}/leave"), Value::Null),
        event => return emit(world, who, event, id).await,
    };
    let token = who.map(|who| who.token.as_str());
    code(&world.call(token, method, &path, body).await.body)
}

async fn emit(world: &World, who: Option<&Someone>, event: &str, id: &str) -> String {
    let Some(who) = who else {
        let refused = super::Client::try_open(&world.io, None, "", None).await;
        let refused: Value = serde_json::from_str(&refused[2..]).expect("JSON");
        return refused["data"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
    };
    let argument = json!({"chatId": id, "content": "x", "isTyping": true});
    code(&world.connect(who).await.ask(event, argument).await)
}

fn code(body: &Value) -> String {
    if body["success"] == json!(true) {
        "ok"
    } else {
        body["error"]["code"].as_str().expect("a code")
    }
    .to_owned()
}

#[tokio::test]
async fn everybody_gets_what_the_table_says() {
    let world = World::new().await;
    let cast = cast(&world).await;
    for (name, expected) in TABLE {
        for ((actor, someone), expected) in cast.people.iter().zip(expected) {
            let id = cast.group(&world).await;
            let got = act(&world, &cast, someone.as_ref(), name, &id).await;
            assert_eq!(got, *expected, "{actor}: {name}");
        }
    }
}

#[tokio::test]
async fn a_chat_that_is_not_yours_looks_like_one_that_is_not_there() {
    let world = World::new().await;
    let cast = cast(&world).await;
    let id = cast.group(&world).await;
    let stranger = cast.get("stranger");
    for path in ["", "/messages", "/events?since=0"] {
        let real = world.get(stranger, &format!("/api/chats/{id}{path}")).await;
        let unreal = world
            .get(stranger, &format!("/api/chats/nowhere{path}"))
            .await;
        assert_eq!(
            (real.status, real.body),
            (unreal.status, unreal.body),
            "{path}"
        );
    }
    let mut socket = world.connect(stranger).await;
    for event in ["join-chat", "send-message", "typing", "leave-chat"] {
        let real = socket
            .ask(
                event,
                json!({"chatId": id, "content": "x", "isTyping": true}),
            )
            .await;
        let unreal = socket
            .ask(
                event,
                json!({"chatId": "no", "content": "x", "isTyping": true}),
            )
            .await;
        assert_eq!(real, unreal, "{event}");
    }
}

#[tokio::test]
async fn nothing_is_answered_without_a_valid_token() {
    let world = World::new().await;
    let forged = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.";
    for (method, path) in ALWAYS {
        for token in [None, Some(""), Some("x"), Some(forged)] {
            let answer = world.call(token, method, path, json!({})).await;
            assert_eq!(
                answer.failure(),
                (401, "unauthenticated", None),
                "{method} {path} {token:?}"
            );
        }
    }
}
