//! A device of somebody: a connection that comes and goes, and what it knows.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::super::Client;
use super::super::world::text;
use super::acts::{Act, Way};
use super::replica::{LOGGED, Replica};
use super::{PEOPLE, Scene};

/// A device.
pub(super) struct Device {
    person: usize,
    client: Option<Client>,
    replicas: HashMap<String, Replica>,
    /// The chats in whose rooms it is live.
    live: HashSet<String>,
    /// Nothing later may reach it: the chats that its person was put out of.
    ends: HashMap<String, u64>,
    read: HashMap<String, u64>,
}

/// Codes that a well-behaved client may get for what it does at a bad moment.
const EXPECTED: [&str; 5] = [
    "validation-failed",
    "forbidden",
    "not-found",
    "conflict",
    "idempotency-mismatch",
];

fn check_answer(answer: &Value, what: &str) -> bool {
    let code = answer["error"]["code"].as_str();
    assert!(
        code.is_none_or(|code| EXPECTED.contains(&code)),
        "{what}: {answer}"
    );
    answer["success"] == json!(true)
}

impl Device {
    pub(super) fn new(person: usize) -> Self {
        Self {
            person,
            client: None,
            replicas: HashMap::new(),
            live: HashSet::new(),
            ends: HashMap::new(),
            read: HashMap::new(),
        }
    }

    /// The connection breaks.
    pub(super) fn lose(&mut self) {
        self.client = None;
        self.live.clear();
    }

    pub(super) async fn act(&mut self, scene: &Scene, acts: Vec<Act>) {
        for act in acts {
            self.one(scene, act).await;
        }
    }

    async fn one(&mut self, scene: &Scene, act: Act) {
        let id = |chat: usize| scene.chats[chat].clone();
        match act {
            Act::Connect => self.connect(scene).await,
            Act::Drop => self.lose(),
            Act::Listen => self.listen().await,
            Act::Join { chat } => self.join(scene, &id(chat)).await,
            Act::Part { chat } => self.part(&id(chat)).await,
            Act::Sync => self.sync().await,
            Act::Type { chat } => {
                let typing = json!({"chatId": id(chat), "isTyping": true});
                self.ask("typing", typing).await;
            }
            Act::Read { chat, way, back } => self.mark(scene, &id(chat), way, back).await,
            Act::Delivered { chat, back } => {
                let seq = self.seq(&id(chat), back);
                let items = json!({"items": [{"chatId": id(chat), "seq": seq}]});
                self.ask("mark-delivered", items).await;
            }
            act => self.change(scene, act).await,
        }
    }

    /// What changes a chat, over REST or the socket.
    async fn change(&mut self, scene: &Scene, act: Act) {
        let user = |person: usize| scene.people[person].id.clone();
        let path = |chat: usize| format!("/api/chats/{}", scene.chats[chat]);
        match act {
            Act::Send {
                chat,
                way,
                long,
                name,
                reply,
            } => {
                let id = scene.chats[chat].clone();
                let body = self.draft(&id, long, name, reply);
                let path = format!("{}/messages", path(chat));
                let sent = self.request(scene, way, "POST", &path, "send-message", &id, body);
                let sent = sent.await;
                if let Some(message) = sent.filter(|sent| check_answer(sent, "send")) {
                    let message = &message["data"];
                    let seq = message["seq"].as_u64().expect("a seq");
                    scene
                        .acknowledged
                        .lock()
                        .push((id, seq, text(&message["id"])));
                }
            }
            Act::Edit { chat, way, message } => {
                let body = json!({"content": format!("edited {message}")});
                self.about(
                    scene,
                    way,
                    chat,
                    message,
                    ("PATCH", "edit-message", ""),
                    body,
                )
                .await;
            }
            Act::Delete { chat, way, message } => {
                self.about(
                    scene,
                    way,
                    chat,
                    message,
                    ("DELETE", "delete-message", ""),
                    json!({}),
                )
                .await;
            }
            Act::React {
                chat,
                way,
                message,
                emoji,
                wanted,
            } => {
                let emoji = ["a", "b", "c"][emoji];
                let route = if wanted {
                    ("PUT", "add-reaction")
                } else {
                    ("DELETE", "remove-reaction")
                };
                let (tail, body) = (format!("/reactions/{emoji}"), json!({"emoji": emoji}));
                self.about(scene, way, chat, message, (route.0, route.1, &tail), body)
                    .await;
            }
            Act::Rename { chat } => {
                self.rest(scene, "PATCH", &path(chat), json!({"name": "New name"}))
                    .await;
            }
            Act::Add { chat, person } => {
                let path = format!("{}/participants", path(chat));
                self.rest(scene, "POST", &path, json!({"userId": user(person)}))
                    .await;
            }
            // Ann stays, so that no chat ends.
            Act::Remove { chat, person } if person > 0 => {
                let path = format!("{}/participants/{}", path(chat), user(person));
                self.rest(scene, "DELETE", &path, Value::Null).await;
            }
            Act::Leave { chat } if self.person > 0 => {
                self.rest(scene, "POST", &format!("{}/leave", path(chat)), json!({}))
                    .await;
            }
            Act::SetRole { chat, person, role } => {
                let path = format!("{}/participants/{}", path(chat), user(person));
                let role = ["owner", "moderator", "member"][role];
                self.rest(scene, "PATCH", &path, json!({"role": role}))
                    .await;
            }
            _ => {}
        }
    }

    fn draft(&self, id: &str, long: bool, name: Option<usize>, reply: Option<usize>) -> Value {
        // Under one name always the same, from all devices of a person.
        let words = name.map_or_else(|| "hello".to_owned(), |name| format!("number {name}"));
        let long = long && name.is_none();
        let content = if long {
            format!("{words} {}", "x".repeat(1500))
        } else {
            words
        };
        let mut body = json!({"content": content});
        if let Some(name) = name {
            body["clientMsgId"] = json!(format!("c-{name}"));
        } else if let Some((message, _)) = reply.and_then(|at| self.replicas.get(id)?.pick(at)) {
            body["replyTo"] = json!(message);
        }
        body
    }

    async fn rest(&self, scene: &Scene, method: &str, path: &str, body: Value) {
        let token = Some(scene.people[self.person].token.as_str());
        let answer = scene.world.call(token, method, path, body).await;
        check_answer(&answer.body, path);
    }

    /// About a message that this device knows of.
    async fn about(
        &mut self,
        scene: &Scene,
        way: Way,
        chat: usize,
        message: usize,
        (method, event, tail): (&str, &str, &str),
        mut body: Value,
    ) {
        let id = scene.chats[chat].clone();
        let picked = self
            .replicas
            .get(&id)
            .and_then(|replica| replica.pick(message));
        let Some((message, _)) = picked else { return };
        let path = format!("/api/chats/{id}/messages/{message}{tail}");
        body["messageId"] = json!(message);
        let answer = self
            .request(scene, way, method, &path, event, &id, body)
            .await;
        if let Some(answer) = answer {
            check_answer(&answer, event);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "both spellings of one request")]
    async fn request(
        &mut self,
        scene: &Scene,
        way: Way,
        method: &str,
        path: &str,
        event: &str,
        id: &str,
        mut body: Value,
    ) -> Option<Value> {
        match way {
            Way::Rest => {
                let token = Some(scene.people[self.person].token.as_str());
                Some(scene.world.call(token, method, path, body).await.body)
            }
            Way::Socket => {
                body["chatId"] = json!(id);
                self.ask(event, body).await
            }
        }
    }

    /// Over the socket, when there is one. What came meanwhile is taken in.
    async fn ask(&mut self, event: &str, argument: Value) -> Option<Value> {
        let answer = self.client.as_mut()?.ask(event, argument).await;
        self.take_in();
        check_answer(&answer, event);
        Some(answer)
    }

    fn seq(&self, id: &str, back: usize) -> u64 {
        let last = self.replicas.get(id).map_or(0, Replica::last_seq);
        last.saturating_sub(back as u64)
    }

    async fn mark(&mut self, scene: &Scene, id: &str, way: Way, back: usize) {
        let body = json!({"seq": self.seq(id, back)});
        let path = format!("/api/chats/{id}/read");
        let answer = self
            .request(scene, way, "POST", &path, "mark-read", id, body)
            .await;
        let Some(answer) = answer.filter(|answer| check_answer(answer, "mark-read")) else {
            return;
        };
        let read = answer["data"]["readSeq"].as_u64().expect("a seq");
        let before = self.read.insert(id.to_owned(), read).unwrap_or(0);
        // Whoever comes back into a group has read it all.
        assert!(
            read >= before,
            "{} read back from {before} to {read}",
            PEOPLE[self.person]
        );
    }

    async fn connect(&mut self, scene: &Scene) {
        if self.client.is_some() {
            return;
        }
        self.client = Some(scene.world.connect(&scene.people[self.person]).await);
        let known: Vec<String> = self.replicas.keys().cloned().collect();
        for id in known {
            self.join(scene, &id).await;
        }
    }

    /// Goes live, and learns what was missed, or everything.
    async fn join(&mut self, scene: &Scene, id: &str) {
        let Some(mut client) = self.client.take() else {
            return;
        };
        let rev = self.replicas.get(id).map(|replica| replica.rev);
        let argument = rev.map_or(json!(id), |rev| json!({"chatId": id, "rev": rev}));
        let joined = client.ask("join-chat", argument).await;
        self.client = Some(client);
        if !check_answer(&joined, "join-chat") {
            return self.take_in();
        }
        let joined = joined["data"].clone();
        assert_eq!(joined["reset"], json!(false));
        self.live.insert(id.to_owned());
        self.ends.remove(id);
        if rev.is_none() {
            self.fetch(scene, id, &joined).await;
        } else {
            self.go_on(id, joined).await;
        }
        self.take_in();
    }

    /// A snapshot, after the join.
    async fn fetch(&mut self, scene: &Scene, id: &str, joined: &Value) {
        let me = &scene.people[self.person];
        let chat = scene.world.get(me, &format!("/api/chats/{id}")).await;
        if chat.status != 200 {
            // Put out meanwhile.
            self.live.remove(id);
            return;
        }
        let history = scene
            .world
            .get(me, &format!("/api/chats/{id}/messages"))
            .await;
        if history.status != 200 {
            self.live.remove(id);
            return;
        }
        let messages = scene.messages(&scene.admin, id).await;
        let rev = joined["rev"].as_u64().expect("a rev");
        let replica = Replica::new(rev, chat.data(), messages);
        self.replicas.insert(id.to_owned(), replica);
    }

    /// Takes an answer in; while there is more, asks again.
    async fn go_on(&mut self, id: &str, mut answer: Value) {
        loop {
            let replica = self.replicas.get_mut(id).expect("a replica");
            if !replica.catch_up(&answer) {
                return;
            }
            let positions = json!({"positions": {id: replica.rev}});
            let client = self.client.as_mut().expect("a connection");
            let synced = client.ask("sync", positions).await;
            answer = synced["data"]["chats"][id].clone();
            if answer.get("error").is_some() {
                return;
            }
        }
    }

    async fn part(&mut self, id: &str) {
        if self.ask("leave-chat", json!(id)).await.is_some() {
            self.live.remove(id);
        }
    }

    /// What was missed in every chat that is known, without joining.
    async fn sync(&mut self) {
        let Some(mut client) = self.client.take() else {
            return;
        };
        let known = self.replicas.iter();
        let positions: HashMap<_, _> = known.map(|(id, one)| (id.clone(), one.rev)).collect();
        let synced = client.ask("sync", json!({"positions": positions})).await;
        self.client = Some(client);
        check_answer(&synced, "sync");
        for id in positions.keys() {
            let answer = synced["data"]["chats"][id].clone();
            if answer.get("error").is_none() {
                assert_eq!(answer["reset"], json!(false));
                self.go_on(id, answer).await;
            }
        }
        self.take_in();
    }

    /// Reads what has come, and asks for what was left out.
    async fn listen(&mut self) {
        self.ask("typing", json!({"chatId": "nowhere", "isTyping": false}))
            .await;
        if self.replicas.values().any(|replica| replica.behind) {
            self.sync().await;
        }
    }

    /// What was read while something else was waited for, in its order.
    fn take_in(&mut self) {
        let Some(client) = &mut self.client else {
            return;
        };
        for (name, payload) in client.take_kept() {
            let id = payload["chatId"].as_str().unwrap_or_default();
            if name == "sync-required" {
                self.fall_behind(&payload);
            } else if name == "notification" && payload["type"] == json!("new-chat") {
                // Put out and in again: the room was left in between.
                self.live.remove(id);
                self.ends.remove(id);
            } else if LOGGED.contains(&name.as_str()) {
                let rev = payload["rev"].as_u64().expect("a rev");
                let end = self.ends.get(id);
                assert!(
                    end.is_none_or(|end| rev <= *end),
                    "{name} {rev} after the removal"
                );
                if let Some(replica) = self.replicas.get_mut(id) {
                    replica.live(&name, &payload);
                }
            }
        }
    }

    fn fall_behind(&mut self, payload: &Value) {
        let id = payload["chatId"].as_str().expect("a chat");
        let rev = payload["rev"].as_u64().expect("a rev");
        if let Some(replica) = self.replicas.get_mut(id) {
            assert!(
                replica.behind || rev <= replica.rev,
                "something was left out before {rev}, unsaid"
            );
            replica.behind = true;
        }
    }

    /// Who is in by now: whoever is not hears nothing that is committed later.
    pub(super) fn learn_membership(
        &mut self,
        scene: &Scene,
        members: &HashMap<String, (Vec<String>, u64)>,
    ) {
        for (id, (people, rev)) in members {
            if people.contains(&scene.people[self.person].id) {
                self.ends.remove(id);
                continue;
            }
            self.ends.entry(id.clone()).or_insert(*rev);
            self.live.remove(id);
        }
    }

    /// Comes to rest, and compares with a fresh fetch.
    pub(super) async fn settle(
        &mut self,
        scene: &Scene,
        members: &HashMap<String, (Vec<String>, u64)>,
    ) {
        self.connect(scene).await;
        let me = &scene.people[self.person];
        for (id, (people, _)) in members {
            if !people.contains(&me.id) {
                self.replicas.remove(id);
                continue;
            }
            // Those who were live all the time are compared as they are. The first time may drain
            // their queue: that events were left out is said after it.
            for _ in 0..2 {
                scene.world.settled(id).await;
                self.listen().await;
            }
            if !self.live.contains(id) || !self.replicas.contains_key(id) {
                self.join(scene, id).await;
            }
            let chat = scene.world.get(me, &format!("/api/chats/{id}")).await;
            let messages = scene.messages(me, id).await;
            self.check_unread(chat.data(), &messages);
            let replica = &self.replicas[id];
            replica.check(PEOPLE[self.person], chat.data(), messages);
        }
    }

    fn check_unread(&self, chat: &Value, messages: &[Value]) {
        let read = chat["readSeq"].as_u64();
        let unread = messages.iter().filter(|one| {
            one["seq"].as_u64() > read
                && one["type"] == json!("text")
                && one["deletedAt"].is_null()
                && one["senderId"] != chat_viewer(self, chat)
        });
        let count = unread.count().min(100);
        assert_eq!(chat["unreadCount"], json!(count), "{}", PEOPLE[self.person]);
    }
}

/// The id of the device's person, as the chat lists it.
fn chat_viewer(device: &Device, chat: &Value) -> Value {
    let people = chat["participants"].as_array().expect("a list");
    let found = people
        .iter()
        .find(|one| one["name"] == json!(PEOPLE[device.person]));
    found.expect("a participant")["userId"].clone()
}
