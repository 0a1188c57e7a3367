//! The API description: complete, kept in `docs/`, and true of real replies.
//!
//! [`check_reply`] and its likes are called for every answer and event that
//! any test of the application gets.

use std::collections::BTreeSet;

use serde_json::Value;

use super::schema::check;
use crate::chat::api::{asyncapi, openapi};
use crate::chat::{events, rest};

/// Checks an answer of the REST API, if the route is known.
#[track_caller]
pub(super) fn check_reply(method: &str, path: &str, status: u16, body: &Value) {
    let path = path.split('?').next().unwrap_or_default();
    let paths = openapi()["paths"].as_object().expect("paths");
    let found = paths.iter().find(|(template, _)| is_at(template, path));
    let operation = found.map(|(_, item)| &item[method.to_lowercase()]);
    let Some(operation) = operation.filter(|operation| operation.is_object()) else {
        return;
    };
    let responses = &operation["responses"];
    let answer = match responses.get(status.to_string()) {
        Some(answer) => answer,
        None => {
            assert!(status >= 400, "{method} {path}: {status} is not described");
            &responses["default"]
        }
    };
    let schema = &answer["content"]["application/json"]["schema"];
    check(
        openapi(),
        schema,
        body,
        &format!("{status} of {method} {path}"),
    );
}

fn is_at(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template
            .zip(path)
            .all(|(wanted, got)| wanted == got || wanted.starts_with('{'))
}

/// Checks an acknowledgement, if the event is known.
#[track_caller]
pub(super) fn check_ack(event: &str, answer: &Value) {
    let messages = &asyncapi()["channels"]["root"]["messages"];
    if let Some(message) = messages.get(format!("{event}.ack")) {
        check(
            asyncapi(),
            &message["payload"],
            answer,
            &format!("the answer to {event}"),
        );
    }
}

/// Checks an event of the server, which must be known.
#[track_caller]
pub(super) fn check_event(event: &str, payload: &Value) {
    let operation = &asyncapi()["operations"][event];
    assert_eq!(operation["action"], "send", "{event} is not described");
    let message = &asyncapi()["channels"]["root"]["messages"][event];
    check(asyncapi(), &message["payload"], payload, event);
}

fn operations(action: &str) -> BTreeSet<String> {
    let all = asyncapi()["operations"].as_object().expect("operations");
    let wanted = all.iter().filter(|(_, one)| one["action"] == action);
    wanted.map(|(name, _)| name.clone()).collect()
}

#[test]
fn every_route_is_described() {
    let paths = openapi()["paths"].as_object().expect("paths");
    let described: BTreeSet<String> = paths
        .iter()
        .filter(|(path, _)| path.starts_with("/api/"))
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("methods").keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let router = rest::router();
    let routes = router
        .routes()
        .map(|(method, path)| format!("{method} {path}"));
    assert_eq!(described, routes.collect());
}

#[test]
fn every_event_of_clients_is_described() {
    assert_eq!(
        operations("receive"),
        events::names().map(str::to_owned).collect()
    );
}

/// The names in the first column of a section's table.
fn contract(section: &str, end: &str) -> BTreeSet<String> {
    let contract = include_str!("../../../docs/CONTRACT.md");
    let from = contract.find(section).expect("the section");
    let text = &contract[from..from + contract[from..].find(end).expect("the next")];
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let first = rows.filter_map(|row| row.split('|').next());
    first
        .flat_map(|cell| cell.split('`'))
        .map(str::trim)
        .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_events_are_those_of_the_contract() {
    assert_eq!(operations("receive"), contract("## 5.", "## 6."));
    assert_eq!(operations("send"), contract("## 6.", "## 7."));
}

/// `PARLANCE_WRITE_DOCS=1` writes them anew.
#[test]
fn the_documents_in_docs_are_those_that_are_served() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
    for (name, document) in [("openapi", openapi()), ("asyncapi", asyncapi())] {
        let path = format!("{folder}/{name}.json");
        let text = serde_json::to_string_pretty(document).expect("JSON") + "\n";
        if std::env::var_os("PARLANCE_WRITE_DOCS").is_some() {
            std::fs::write(&path, &text).expect("docs can be written");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == text,
            "{path} is old: run this test with PARLANCE_WRITE_DOCS=1"
        );
    }
}
