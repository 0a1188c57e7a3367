//! One table: what each actor gets for each act on a chat.

use serde_json::{Value, json};

use super::world::text;
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
    ("GET chat", SEEN_BY_ADMINS),
    ("GET messages", SEEN_BY_ADMINS),
    ("GET events", PARTICIPANTS),
    ("POST message", PARTICIPANTS),
    ("POST participant", SEEN_BY_ADMINS),
    ("DELETE member", MODERATORS),
    (
        "DELETE owner",
        [NOBODY, HIDDEN, HIDDEN, NO, NO, OK, HIDDEN, OK],
    ),
    ("POST leave", PARTICIPANTS),
    ("PATCH chat", MODERATORS),
    (
        "PATCH role",
        [NOBODY, HIDDEN, HIDDEN, NO, NO, OK, HIDDEN, OK],
    ),
    (
        "PATCH message",
        [NOBODY, HIDDEN, HIDDEN, NO, NO, NO, HIDDEN, NO],
    ),
    ("DELETE message", MODERATORS),
    ("PUT reaction", PARTICIPANTS),
    ("DELETE reaction", PARTICIPANTS),
    ("POST read", PARTICIPANTS),
    ("join-chat", PARTICIPANTS),
    ("leave-chat", PARTICIPANTS),
    ("send-message", PARTICIPANTS),
    ("typing", PARTICIPANTS),
    ("mark-read", PARTICIPANTS),
    ("mark-delivered", PARTICIPANTS),
    (
        "edit-message",
        [NOBODY, HIDDEN, HIDDEN, NO, NO, NO, HIDDEN, NO],
    ),
    ("delete-message", MODERATORS),
    ("add-reaction", PARTICIPANTS),
    ("remove-reaction", PARTICIPANTS),
];

const OK: &str = "ok";
const NO: &str = "forbidden";
const HIDDEN: &str = "not-found";
const NOBODY: &str = "unauthenticated";
const SEEN_BY_ADMINS: [&str; 8] = [NOBODY, HIDDEN, HIDDEN, OK, OK, OK, HIDDEN, OK];
const PARTICIPANTS: [&str; 8] = [NOBODY, HIDDEN, HIDDEN, OK, OK, OK, HIDDEN, NO];
const MODERATORS: [&str; 8] = [NOBODY, HIDDEN, HIDDEN, NO, OK, OK, HIDDEN, OK];

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

    /// A fresh group with everybody in their places, and a message of the
    /// bystander's in it.
    async fn group(&self, world: &World) -> (String, String) {
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
        let message = world.say(&self.bystander, &id, "x").await;
        (id, text(&message["id"]))
    }
}

async fn act(
    world: &World,
    cast: &Cast,
    who: Option<&Someone>,
    act: &str,
    (id, message): &(String, String),
) -> String {
    let chat = format!("/api/chats/{id}");
    let message_path = format!("{chat}/messages/{message}");
    let bystander = format!("{chat}/participants/{}", cast.bystander.id);
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
        "DELETE member" => ("DELETE", bystander, Value::Null),
        "DELETE owner" => (
            "DELETE",
            format!("{chat}/participants/{}", cast.get("owner").id),
            Value::Null,
        ),
        "POST leave" => ("POST", format!("{chat}/leave"), Value::Null),
        "PATCH chat" => ("PATCH", chat, json!({"name": "Other"})),
        "PATCH role" => ("PATCH", bystander, json!({"role": "moderator"})),
        "PATCH message" => ("PATCH", message_path, json!({"content": "y"})),
        "DELETE message" => ("DELETE", message_path, Value::Null),
        "PUT reaction" => ("PUT", format!("{message_path}/reactions/x"), Value::Null),
        "DELETE reaction" => ("DELETE", format!("{message_path}/reactions/x"), Value::Null),
        "POST read" => ("POST", format!("{chat}/read"), json!({"seq": 1})),
        event => return emit(world, who, event, id, message).await,
    };
    let token = who.map(|who| who.token.as_str());
    code(&world.call(token, method, &path, body).await.body)
}

async fn emit(
    world: &World,
    who: Option<&Someone>,
    event: &str,
    id: &str,
    message: &str,
) -> String {
    let Some(who) = who else {
        let refused = super::Client::try_open(&world.io, None, "", None).await;
        let refused: Value = serde_json::from_str(&refused[2..]).expect("JSON");
        return refused["data"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
    };
    let argument = json!({"chatId": id, "content": "x", "isTyping": true, "seq": 1,
                          "items": [{"chatId": id, "seq": 1}], "messageId": message, "emoji": "x"});
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
            let place = cast.group(&world).await;
            let got = act(&world, &cast, someone.as_ref(), name, &place).await;
            assert_eq!(got, *expected, "{actor}: {name}");
        }
    }
}

#[tokio::test]
async fn a_chat_that_is_not_yours_looks_like_one_that_is_not_there() {
    let world = World::new().await;
    let cast = cast(&world).await;
    let (id, message) = cast.group(&world).await;
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
    let events = TABLE
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !name.contains(' '));
    for event in events {
        let argument = |id: &str| {
            json!({"chatId": id, "content": "x", "isTyping": true, "seq": 1, "emoji": "x",
                   "items": [{"chatId": id, "seq": 1}], "messageId": message})
        };
        let real = socket.ask(event, argument(&id)).await;
        let unreal = socket.ask(event, argument("nowhere")).await;
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
