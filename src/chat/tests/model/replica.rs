//! A chat as one client knows it: a snapshot, and the events after it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// What a client keeps of a chat.
pub(super) struct Replica {
    /// The last change that is part of it.
    pub(super) rev: u64,
    /// Up to here, live events may come although they are known: an answer
    /// overtook them.
    covered: u64,
    messages: BTreeMap<u64, Value>,
    name: Value,
    participants: Value,
    chat_rev: u64,
    /// Live events that came while the client waited to be told what it missed.
    early: Vec<(String, Value)>,
    /// The client has heard that events were left out, and must ask.
    pub(super) behind: bool,
}

/// The events that are logged, and so have a `rev` without a gap.
pub(super) const LOGGED: [&str; 5] = [
    "new-message",
    "message-updated",
    "message-deleted",
    "reaction-updated",
    "chat-updated",
];

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("not a number: {value}"))
}

/// A message as everybody sees it.
fn without_mine(mut message: Value) -> Value {
    if let Some(reactions) = message["reactions"].as_object_mut() {
        for reaction in reactions.values_mut().filter_map(Value::as_object_mut) {
            reaction.remove("mine");
        }
    }
    message
}

/// What of a participant is part of the log.
fn membership(participants: &Value) -> Value {
    let people = participants.as_array().expect("a list").iter();
    let person = |one: &Value| json!([one["userId"], one["name"], one["role"], one["joinedAt"]]);
    people.map(person).collect()
}

impl Replica {
    /// From a join at `rev`, and what was fetched after it.
    pub(super) fn new(rev: u64, chat: &Value, messages: Vec<Value>) -> Self {
        let messages = messages.into_iter().map(without_mine);
        Self {
            rev,
            covered: rev,
            messages: messages.map(|one| (number(&one["seq"]), one)).collect(),
            name: chat["name"].clone(),
            participants: membership(&chat["participants"]),
            chat_rev: number(&chat["rev"]),
            early: Vec::new(),
            behind: false,
        }
    }

    /// The part of an answer that says what was missed. True when there is more.
    pub(super) fn catch_up(&mut self, answer: &Value) -> bool {
        for logged in answer["events"].as_array().expect("a list") {
            let payload = &logged["payload"];
            assert_eq!(number(&logged["rev"]), number(&payload["rev"]));
            if number(&logged["rev"]) <= self.rev {
                continue;
            }
            self.apply(logged["event"].as_str().expect("a name"), payload);
        }
        if answer["more"] == json!(true) {
            return true;
        }
        let head = number(&answer["rev"]);
        assert!(
            self.rev >= head,
            "the answer ends at {} of {head}",
            self.rev
        );
        self.covered = self.covered.max(head);
        self.behind = false;
        for (name, payload) in std::mem::take(&mut self.early) {
            self.live(&name, &payload);
        }
        false
    }

    /// A live event.
    pub(super) fn live(&mut self, name: &str, payload: &Value) {
        let rev = number(&payload["rev"]);
        if self.behind {
            return self.early.push((name.to_owned(), payload.clone()));
        }
        if rev <= self.rev {
            assert!(rev <= self.covered, "{name} {rev} came twice");
            return;
        }
        self.apply(name, payload);
    }

    fn apply(&mut self, name: &str, payload: &Value) {
        let rev = number(&payload["rev"]);
        assert_eq!(rev, self.rev + 1, "a gap before {name}");
        self.rev = rev;
        match name {
            "new-message" | "message-updated" => self.put(rev, payload),
            "message-deleted" => self.change(rev, &payload["seq"], &payload["messageId"], |one| {
                one["content"] = json!("");
                one["deletedAt"] = payload["deletedAt"].clone();
            }),
            "reaction-updated" => self.react(rev, payload),
            "chat-updated" if rev > self.chat_rev => {
                self.chat_rev = rev;
                self.name = payload["chat"]["name"].clone();
                self.participants = membership(&payload["chat"]["participants"]);
                assert!(payload["chat"].get("unreadCount").is_none());
            }
            "chat-updated" => {}
            other => panic!("{other} is not logged"),
        }
    }

    fn put(&mut self, rev: u64, message: &Value) {
        let seq = number(&message["seq"]);
        let known = self.messages.get(&seq);
        if known.is_some_and(|known| number(&known["rev"]) >= rev) {
            return;
        }
        let text = message.to_string();
        assert!(
            !text.contains("\"mine\""),
            "a broadcast says `mine`: {text}"
        );
        self.messages.insert(seq, message.clone());
    }

    /// Changes a message, unless the snapshot had the change already.
    fn change(&mut self, rev: u64, seq: &Value, id: &Value, change: impl FnOnce(&mut Value)) {
        let message = self
            .messages
            .get_mut(&number(seq))
            .expect("a known message");
        assert_eq!(&message["id"], id);
        if number(&message["rev"]) < rev {
            change(message);
            message["rev"] = rev.into();
        }
    }

    fn react(&mut self, rev: u64, payload: &Value) {
        let found = self
            .messages
            .values()
            .find(|one| one["id"] == payload["messageId"]);
        let seq = found.expect("a known message")["seq"].clone();
        self.change(rev, &seq, &payload["messageId"], |one| {
            let reactions = one["reactions"].as_object_mut().expect("an object");
            set_count(reactions, payload);
        });
    }

    /// Compares with what was fetched afresh.
    pub(super) fn check(&self, who: &str, chat: &Value, fresh: Vec<Value>) {
        assert_eq!(self.rev, number(&chat["rev"]), "{who} stands at the head");
        assert_eq!(self.name, chat["name"], "{who}");
        assert_eq!(
            self.participants,
            membership(&chat["participants"]),
            "{who}"
        );
        assert_eq!(self.messages.len(), fresh.len(), "{who}");
        for (known, fresh) in self.messages.values().zip(fresh) {
            assert_eq!(*known, without_mine(fresh), "{who}");
        }
    }

    /// The id of some message that is known, and its number.
    pub(super) fn pick(&self, number: usize) -> Option<(String, u64)> {
        let at = number.checked_rem(self.messages.len())?;
        let (seq, message) = self.messages.iter().nth(at)?;
        Some((message["id"].as_str()?.to_owned(), *seq))
    }

    /// The number of the last message that is known.
    pub(super) fn last_seq(&self) -> u64 {
        self.messages.keys().next_back().copied().unwrap_or(0)
    }
}

fn set_count(reactions: &mut Map<String, Value>, payload: &Value) {
    let emoji = payload["emoji"].as_str().expect("an emoji");
    match number(&payload["count"]) {
        0 => drop(reactions.remove(emoji)),
        count => drop(reactions.insert(emoji.to_owned(), json!({"count": count}))),
    }
}
