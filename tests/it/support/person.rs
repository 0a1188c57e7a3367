//! Somebody with an account.

use std::net::SocketAddr;

use http::Method;
use serde_json::{Value, json};

use super::live::Live;
use super::rest::{Answer, request};

/// Everybody's.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Somebody who is logged in.
pub(crate) struct Person {
    address: SocketAddr,
    pub(crate) id: String,
    token: String,
}

impl Person {
    /// Somebody new at this server.
    pub(crate) async fn register(address: SocketAddr, name: &str) -> Self {
        let email = format!("{}@example.com", name.to_lowercase());
        let body = json!({ "name": name, "email": email, "password": PASSWORD });
        let path = "/api/auth/register";
        let data = request(address, Method::POST, path, None, body)
            .await
            .expect(201);
        Self {
            address,
            id: text(&data["user"]["id"]),
            token: text(&data["token"]),
        }
    }

    /// The same person at another server on the same data.
    pub(crate) fn at(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    /// The access token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, body).await
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        request(self.address, method, path, Some(&self.token), body).await
    }

    /// A chat of the two; its id.
    pub(crate) async fn direct_chat(&self, other: &Person) -> String {
        let body = json!({ "participantIds": [other.id] });
        text(&self.post("/api/chats", body).await.expect(201)["id"])
    }

    /// A chat that they are alone in: nobody is notified, so that only messages are committed.
    pub(crate) async fn lonely_chat(&self) -> String {
        let body = json!({ "name": "Group", "isGroup": true, "participantIds": [] });
        text(&self.post("/api/chats", body).await.expect(201)["id"])
    }

    /// A live connection in their name.
    pub(crate) async fn connect(&self) -> Live {
        let mut live = Live::open(self.address).await;
        live.join(&json!({ "token": self.token }))
            .await
            .expect("let in");
        live
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}
