//! One table: what each actor gets for each act on a chat.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::world::{PASSWORD, text};
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

/// A route as the router has it, or an event; what makes a row of several for
/// one of them; and the code that each actor gets, `ok` for success. A tutor is
/// a stranger with a higher role in the system; an admin is not in the chat.
const TABLE: &[(&str, &str, [&str; 8])] = &[
    ("POST /api/auth/register", "", ANYBODY),
    ("POST /api/auth/login", "", ANYBODY),
    ("POST /api/auth/refresh", "", ANYBODY),
    ("POST /api/auth/logout", "", KNOWN),
    ("GET /api/auth/profile", "", KNOWN),
    ("GET /api/users", "", KNOWN),
    ("GET /api/users/{id}", "", KNOWN),
    ("GET /api/chats", "", KNOWN),
    ("POST /api/chats", "", KNOWN),
    ("GET /api/notifications", "", KNOWN),
    ("POST /api/notifications/read", "", KNOWN),
    ("GET /api/chats/{id}", "", SEEN_BY_ADMINS),
    ("PATCH /api/chats/{id}", "", MODERATORS),
    ("GET /api/chats/{id}/messages", "", SEEN_BY_ADMINS),
    ("POST /api/chats/{id}/messages", "", PARTICIPANTS),
    ("PATCH /api/chats/{id}/messages/{message_id}", "", AUTHORS),
    (
        "PATCH /api/chats/{id}/messages/{message_id}",
        "own",
        OWN_EDIT,
    ),
    (
        "DELETE /api/chats/{id}/messages/{message_id}",
        "",
        MODERATORS,
    ),
    (
        "DELETE /api/chats/{id}/messages/{message_id}",
        "own",
        OWN_DELETE,
    ),
    (
        "PUT /api/chats/{id}/messages/{message_id}/reactions/{emoji}",
        "",
        PARTICIPANTS,
    ),
    (
        "DELETE /api/chats/{id}/messages/{message_id}/reactions/{emoji}",
        "",
        PARTICIPANTS,
    ),
    ("POST /api/chats/{id}/read", "", PARTICIPANTS),
    ("GET /api/chats/{id}/events", "", PARTICIPANTS),
    ("POST /api/chats/{id}/participants", "", SEEN_BY_ADMINS),
    (
        "DELETE /api/chats/{id}/participants/{user_id}",
        "",
        MODERATORS,
    ),
    (
        "DELETE /api/chats/{id}/participants/{user_id}",
        "owner",
        OWNERS,
    ),
    ("PATCH /api/chats/{id}/participants/{user_id}", "", OWNERS),
    ("POST /api/chats/{id}/leave", "", PARTICIPANTS),
    ("join-chat", "", PARTICIPANTS),
    ("leave-chat", "", PARTICIPANTS),
    ("send-message", "", PARTICIPANTS),
    ("typing", "", PARTICIPANTS),
    ("mark-read", "", PARTICIPANTS),
    ("mark-delivered", "", PARTICIPANTS),
    ("edit-message", "", AUTHORS),
    ("edit-message", "own", OWN_EDIT),
    ("delete-message", "", MODERATORS),
    ("delete-message", "own", OWN_DELETE),
    ("add-reaction", "", PARTICIPANTS),
    ("remove-reaction", "", PARTICIPANTS),
    // Of a chat: what its own line of the answer says.
    ("sync", "", PARTICIPANTS),
    ("subscribe-presence", "", KNOWN),
    ("unsubscribe-presence", "", KNOWN),
    ("refresh-token", "", KNOWN),
    // The last, as it ends the tokens of the other rows.
    ("PUT /api/auth/password", "", KNOWN),
];

const OK: &str = "ok";
const NO: &str = "forbidden";
const HIDDEN: &str = "not-found";
const NOBODY: &str = "unauthenticated";
const SEEN_BY_ADMINS: [&str; 8] = [NOBODY, HIDDEN, HIDDEN, OK, OK, OK, HIDDEN, OK];
const PARTICIPANTS: [&str; 8] = [NOBODY, HIDDEN, HIDDEN, OK, OK, OK, HIDDEN, NO];
const MODERATORS: [&str; 8] = [NOBODY, HIDDEN, HIDDEN, NO, OK, OK, HIDDEN, OK];

const OWNERS: [&str; 8] = [NOBODY, HIDDEN, HIDDEN, NO, NO, OK, HIDDEN, OK];
/// Somebody else's message.
const AUTHORS: [&str; 8] = [NOBODY, HIDDEN, HIDDEN, NO, NO, NO, HIDDEN, NO];
/// One's own, for those who can have one.
const OWN_EDIT: [&str; 8] = [NOBODY, HIDDEN, HIDDEN, OK, OK, OK, HIDDEN, NO];
/// An admin may look for it here, and does not find it.
const OWN_DELETE: [&str; 8] = [NOBODY, HIDDEN, HIDDEN, OK, OK, OK, HIDDEN, HIDDEN];
const ANYBODY: [&str; 8] = [OK; 8];
const KNOWN: [&str; 8] = [NOBODY, OK, OK, OK, OK, OK, OK, OK];

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

    /// A message of the author's in the chat, or, if they cannot have one, in
    /// another one of theirs.
    async fn own_message(&self, world: &World, author: &Someone, chat: &str) -> String {
        let path = format!("/api/chats/{chat}/messages");
        let sent = world.post(author, &path, json!({"content": "mine"})).await;
        if sent.status == 201 {
            return text(&sent.data()["id"]);
        }
        let elsewhere = world.group(author, &[]).await;
        text(&world.say(author, &elsewhere, "mine").await["id"])
    }
}

/// Where a row is tried out.
struct Trial<'a> {
    world: &'a World,
    cast: &'a Cast,
    who: Option<&'a Someone>,
    chat: String,
    message: String,
}

impl Trial<'_> {
    async fn run(&self, name: &str, variant: &str) -> String {
        match name.split_once(' ') {
            Some((method, path)) => self.request(method, path, variant).await,
            None => self.emit(name).await,
        }
    }

    /// The token to use, and a refresh token to spend: of a session of its own
    /// for what ends or changes sessions.
    async fn tokens(&self, route: &str) -> (Option<String>, String) {
        if !matches!(
            route,
            "/api/auth/logout" | "/api/auth/password" | "/api/auth/refresh"
        ) {
            return (self.who.map(|who| who.token.clone()), String::new());
        }
        let email = &self.who.unwrap_or(&self.cast.outsider).email;
        let fresh = self.world.log_in(email).await;
        (self.who.map(|_| fresh.token), fresh.refresh_token)
    }

    async fn request(&self, method: &str, route: &str, variant: &str) -> String {
        let (token, refresh) = self.tokens(route).await;
        let target = match variant {
            "owner" => self.cast.get("owner"),
            _ => &self.cast.bystander,
        };
        let path = route
            .replace("{message_id}", &self.message)
            .replace("{user_id}", &target.id)
            .replace("{emoji}", "x");
        let path = match path.starts_with("/api/users") {
            true => path.replace("{id}", &self.cast.outsider.id),
            false => path.replace("{id}", &self.chat),
        };
        let (query, body) = self.parts(method, route, &refresh);
        let path = format!("{path}{query}");
        let answer = self.world.call(token.as_deref(), method, &path, body).await;
        code(&answer.body)
    }

    /// A query and a body that are right for a route.
    fn parts(&self, method: &str, route: &str, refresh: &str) -> (&'static str, Value) {
        let outsider = &self.cast.outsider;
        let email = format!("{}@example.net", crate::chat::domain::MessageId::generate());
        let body = match (method, route) {
            (_, "/api/auth/register") => json!({"name": "N", "email": email, "password": PASSWORD}),
            (_, "/api/auth/login") => json!({"email": outsider.email, "password": PASSWORD}),
            (_, "/api/auth/refresh") => json!({"refreshToken": refresh}),
            (_, "/api/auth/password") => {
                json!({"currentPassword": PASSWORD, "newPassword": PASSWORD})
            }
            ("POST", "/api/chats") => json!({"isGroup": true, "name": "N", "participantIds": []}),
            ("POST", "/api/notifications/read") => json!({"all": true}),
            ("PATCH", "/api/chats/{id}") => json!({"name": "Other"}),
            ("POST", "/api/chats/{id}/participants") => json!({"userId": outsider.id}),
            ("PATCH", "/api/chats/{id}/participants/{user_id}") => json!({"role": "moderator"}),
            ("POST", "/api/chats/{id}/read") => json!({"seq": 1}),
            ("GET" | "DELETE", _) => Value::Null,
            _ => json!({"content": "x"}),
        };
        let query = match route {
            "/api/users" => "?search=an",
            "/api/chats/{id}/events" => "?since=0",
            _ => "",
        };
        (query, body)
    }

    async fn emit(&self, event: &str) -> String {
        let Self {
            world,
            chat,
            message,
            ..
        } = self;
        let Some(who) = self.who else {
            let refused = super::Client::try_open(&world.io, None, "", None).await;
            let refused: Value = serde_json::from_str(&refused[2..]).expect("JSON");
            return text(&refused["data"]["code"]);
        };
        let mut argument = argument(chat, message);
        argument["token"] = json!(who.token);
        let answer = world.connect(who).await.ask(event, argument).await;
        match event {
            "sync" => {
                let error = &answer["data"]["chats"][chat]["error"]["code"];
                error.as_str().unwrap_or(OK).to_owned()
            }
            _ => code(&answer),
        }
    }
}

/// All that any event wants to know.
fn argument(chat: &str, message: &str) -> Value {
    json!({"chatId": chat, "content": "x", "isTyping": true, "seq": 1, "messageId": message,
           "emoji": "x", "items": [{"chatId": chat, "seq": 1}], "userIds": [],
           "positions": {chat: 0}})
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
    for (name, variant, expected) in TABLE {
        for ((actor, someone), expected) in cast.people.iter().zip(expected) {
            let of_a_chat = name.contains("/api/chats/{id}") || !name.contains(' ');
            let (chat, mut message) = match of_a_chat {
                true => cast.group(&world).await,
                false => Default::default(),
            };
            let who = someone.as_ref();
            if let ("own", Some(author)) = (*variant, who) {
                message = cast.own_message(&world, author, &chat).await;
            }
            let trial = Trial {
                world: &world,
                cast: &cast,
                who,
                chat,
                message,
            };
            let got = trial.run(name, variant).await;
            assert_eq!(got, *expected, "{actor}: {name} {variant}");
        }
    }
}

#[test]
fn the_table_has_every_route_and_every_event_and_no_other() {
    let router = crate::chat::rest::router();
    let routes = router
        .routes()
        .map(|(method, path)| format!("{method} {path}"));
    let events = crate::chat::events::names().map(str::to_owned);
    let known: BTreeSet<String> = routes.chain(events).collect();
    let rows: BTreeSet<String> = TABLE.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(rows, known);
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
    for event in crate::chat::events::names() {
        let real = socket.ask(event, argument(&id, &message)).await;
        let unreal = socket.ask(event, argument("nowhere", &message)).await;
        let renamed = real.to_string().replace(&id, "nowhere");
        assert_eq!(renamed, unreal.to_string(), "{event}");
    }
}

#[tokio::test]
async fn nothing_is_answered_without_a_valid_token() {
    let world = World::new().await;
    let forged = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.";
    let guarded = TABLE.iter().filter(|(.., expected)| expected[0] == NOBODY);
    let routes = guarded.filter_map(|(name, ..)| name.split_once(' '));
    for (method, path) in routes {
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
