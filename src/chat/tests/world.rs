//! A whole application over a database in a temporary directory.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Client;
use super::description::check_reply;
use crate::chat::domain::{Email, Password, PersonName, Role};
use crate::chat::live::Port;
use crate::chat::storage::empty_database;
use crate::chat::{Chat, ChatConfig, NewUser, RateLimits, events, rest};
use crate::http::Router;
use crate::socketio::Io;

pub(super) const PASSWORD: &str = "correct horse";

/// The application, and where it keeps its data.
pub(super) struct World {
    pub(super) chat: Arc<Chat>,
    pub(super) io: Io,
    router: Router<Arc<Chat>>,
    place: Place,
}

/// Where the application keeps its data, and what its connections are like.
struct Place {
    url: SecretString,
    engine: engineio::Config,
    _directory: TempDir,
}

impl Place {
    async fn empty() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self {
            url: empty_database(directory.path()).await,
            engine: engineio::Config {
                // Clients here answer no pings, and a slow machine may take its time.
                ping_interval: Duration::from_secs(3600),
                ..engineio::Config::default()
            },
            _directory: directory,
        }
    }

    async fn chat(&self, adjust: impl FnOnce(&mut ChatConfig)) -> Arc<Chat> {
        let secret = *b"0123456789abcdef0123456789abcdef";
        let mut config = ChatConfig::new(self.url.clone(), secret);
        config.rate_limits = RateLimits::Off;
        adjust(&mut config);
        Chat::open(config).await.expect("the application opens")
    }
}

/// Somebody with an account and a token.
#[derive(Clone)]
pub(super) struct Someone {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) token: String,
    pub(super) refresh_token: String,
}

/// An answer of the REST API.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    /// The data of a success.
    #[track_caller]
    pub(super) fn data(&self) -> &Value {
        assert_eq!(
            self.body["success"],
            json!(true),
            "{}: {}",
            self.status,
            self.body
        );
        &self.body["data"]
    }

    /// Status, code and field of a failure.
    #[track_caller]
    pub(super) fn failure(&self) -> (u16, &str, Option<&str>) {
        assert_eq!(
            self.body["success"],
            json!(false),
            "{}: {}",
            self.status,
            self.body
        );
        assert!(
            self.body["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty())
        );
        let error = &self.body["error"];
        assert!(error["retryable"].is_boolean());
        (
            self.status,
            error["code"].as_str().expect("a code"),
            error["field"].as_str(),
        )
    }
}

impl World {
    /// The database that it keeps its data in.
    pub(super) fn url(&self) -> &SecretString {
        &self.place.url
    }

    pub(super) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// With a configuration of its own. Rates are off unless it says so.
    pub(super) async fn with(adjust: impl FnOnce(&mut ChatConfig)) -> Self {
        Self::open(Place::empty().await, adjust).await
    }

    /// In which a client is behind with a few kilobytes.
    pub(super) async fn impatient() -> Self {
        let mut place = Place::empty().await;
        place.engine.outbox.soft_bytes = 4096;
        place.engine.congestion_timeout = Duration::from_secs(60);
        Self::open(place, |_| ()).await
    }

    /// Whose sockets are something else's.
    pub(super) async fn on(port: Box<dyn Port>) -> Self {
        let place = Place::empty().await;
        let chat = place.chat(|_| ()).await;
        chat.live.attach(port);
        Self {
            chat,
            io: Io::builder().build(),
            router: rest::router(),
            place,
        }
    }

    async fn open(place: Place, adjust: impl FnOnce(&mut ChatConfig)) -> Self {
        let chat = place.chat(adjust).await;
        let io = Io::builder().engine(place.engine.clone());
        let io = io.namespace("/", |namespace| events::namespace(&chat, namespace));
        let io = io.build();
        chat.attach(&io);
        Self {
            chat,
            io,
            router: rest::router(),
            place,
        }
    }

    /// Ends it and starts it again over the same data.
    pub(super) async fn restart(self) -> Self {
        self.io.close();
        self.chat.close().await;
        Self::open(self.place, |_| ()).await
    }

    /// A request as it stands.
    pub(super) async fn request(&self, request: Request<Full<Bytes>>) -> Answer {
        let peer = SocketAddr::from(([127, 0, 0, 1], 9));
        let (method, path) = (
            request.method().to_string(),
            request.uri().path().to_owned(),
        );
        let chat = Arc::clone(&self.chat);
        let (parts, body) = self.router.handle(chat, request, peer).await.into_parts();
        let body = body.collect().await.expect("a full body").to_bytes();
        let body = serde_json::from_slice(&body).expect("every reply is JSON");
        let status = parts.status.as_u16();
        check_reply(&method, &path, status, &body);
        Answer { status, body }
    }

    /// A request with a JSON body, or none for `null`.
    pub(super) async fn call(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        body: Value,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        request = request.header("content-type", "application/json");
        self.request(request.body(Full::new(body.into())).expect("a request"))
            .await
    }

    pub(super) async fn get(&self, who: &Someone, path: &str) -> Answer {
        self.call(Some(&who.token), "GET", path, Value::Null).await
    }

    pub(super) async fn post(&self, who: &Someone, path: &str, body: Value) -> Answer {
        self.call(Some(&who.token), "POST", path, body).await
    }

    pub(super) async fn delete(&self, who: &Someone, path: &str) -> Answer {
        self.call(Some(&who.token), "DELETE", path, Value::Null)
            .await
    }

    /// A student with an account who is logged in.
    pub(super) async fn person(&self, name: &str) -> Someone {
        self.person_with(name, Role::Student).await
    }

    pub(super) async fn person_with(&self, name: &str, role: Role) -> Someone {
        let email = format!("{name}@example.org").to_lowercase();
        let new = NewUser {
            name: PersonName::new(name).expect("a name"),
            email: Email::new(&email).expect("an address"),
            password: Password::new(PASSWORD).expect("a password"),
            role,
        };
        self.chat
            .create_user(new)
            .await
            .expect("the account is made");
        self.log_in(&email).await
    }

    pub(super) async fn log_in(&self, email: &str) -> Someone {
        let body = json!({"email": email, "password": PASSWORD});
        let answer = self.call(None, "POST", "/api/auth/login", body).await;
        Someone::entered(answer.data(), email)
    }

    /// A group of `owner` with `others`; its id.
    pub(super) async fn group(&self, owner: &Someone, others: &[&Someone]) -> String {
        let ids: Vec<&str> = others.iter().map(|other| other.id.as_str()).collect();
        let body = json!({"name": "Group", "isGroup": true, "participantIds": ids});
        let made = self.post(owner, "/api/chats", body).await;
        assert_eq!(made.status, 201);
        text(&made.data()["id"])
    }

    /// The direct chat of two people; its id.
    pub(super) async fn direct(&self, one: &Someone, other: &Someone) -> String {
        let body = json!({"participantIds": [other.id]});
        text(&self.post(one, "/api/chats", body).await.data()["id"])
    }

    /// Sends a message over REST.
    pub(super) async fn say(&self, who: &Someone, chat: &str, content: &str) -> Value {
        let path = format!("/api/chats/{chat}/messages");
        let sent = self.post(who, &path, json!({"content": content})).await;
        assert_eq!(sent.status, 201, "{}", sent.body);
        self.settled(chat).await;
        sent.data().clone()
    }

    /// A connected socket that has got its `ready`.
    pub(super) async fn connect(&self, who: &Someone) -> Client {
        let mut client = Client::open(&self.io, json!({"token": who.token})).await;
        let ready = client.event("ready").await;
        assert_eq!(ready["userId"], json!(who.id));
        client
    }

    /// A connected socket in a chat's room.
    pub(super) async fn join(&self, who: &Someone, chat: &str) -> Client {
        let mut client = self.connect(who).await;
        let joined = client.ask("join-chat", json!(chat)).await;
        assert_eq!(joined["success"], json!(true), "{joined}");
        client
    }

    /// Waits until everything that a chat has to say by now has been said.
    pub(super) async fn settled(&self, chat: &str) {
        self.chat.settled(&chat.into()).await;
    }
}

impl Someone {
    pub(super) fn entered(data: &Value, email: &str) -> Self {
        Self {
            id: text(&data["user"]["id"]),
            email: email.to_owned(),
            token: text(&data["token"]),
            refresh_token: text(&data["refreshToken"]),
        }
    }
}

#[track_caller]
pub(super) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {value}"))
        .to_owned()
}
