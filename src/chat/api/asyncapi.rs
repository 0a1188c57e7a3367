//! The AsyncAPI document of the events.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::events::{ASKED, Asked, TOLD};
use super::{Schemas, info, object, of};
use crate::http::Failure;

/// The document that `/api-docs/asyncapi.json` shows.
pub fn asyncapi() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(build);
    &DOCUMENT
}

fn build() -> Value {
    let mut schemas = Schemas::default();
    let failure = of::<Failure>(&mut schemas);
    let (mut messages, mut operations) = (Map::new(), Map::new());
    for asked in &ASKED {
        messages.insert(asked.name.to_owned(), message(asked.name, &argument(asked)));
        let ack = format!("{}.ack", asked.name);
        let data = (asked.data)(&mut schemas);
        messages.insert(
            ack.clone(),
            message(&ack, &acknowledgement(&data, &failure)),
        );
        operations.insert(asked.name.to_owned(), receive(asked, &ack));
    }
    for told in &TOLD {
        let payload = (told.payload)(&mut schemas);
        messages.insert(told.name.to_owned(), message(told.name, &payload));
        operations.insert(told.name.to_owned(), send(told.name, told.to));
    }
    json!({
        "asyncapi": "3.0.0",
        "info": info("Parlance: events"),
        "defaultContentType": "application/json",
        "channels": {"root": {
            "address": "/socket.io/",
            "title": "Socket.IO, namespace /",
            "messages": messages,
        }},
        "operations": operations,
        "components": {"schemas": schemas.into_value()},
    })
}

fn message(name: &str, payload: &Value) -> Value {
    json!({"name": name, "payload": payload})
}

fn place(name: &str) -> Value {
    json!({"$ref": format!("#/channels/root/messages/{name}")})
}

fn receive(asked: &Asked, ack: &str) -> Value {
    let channel = json!({"$ref": "#/channels/root"});
    json!({
        "action": "receive",
        "summary": asked.summary,
        "channel": channel,
        "messages": [place(asked.name)],
        "reply": {"channel": channel, "messages": [place(ack)]},
    })
}

fn send(name: &str, to: &str) -> Value {
    json!({
        "action": "send",
        "summary": format!("To {to}."),
        "channel": {"$ref": "#/channels/root"},
        "messages": [place(name)],
    })
}

fn argument(asked: &Asked) -> Value {
    let full = object(asked.fields);
    match asked.short {
        true => json!({"oneOf": [{"type": "string"}, full]}),
        false => full,
    }
}

fn acknowledgement(data: &Value, failure: &Value) -> Value {
    let success = json!({
        "type": "object",
        "properties": {
            "success": {"const": true},
            "data": data,
            "duplicate": {"type": "boolean"},
        },
        "required": ["success", "data"],
    });
    json!({"oneOf": [success, failure]})
}
