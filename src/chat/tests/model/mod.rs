//! The state model: people who do random things over REST and sockets, with
//! clients that drop, lag and come back. At the end each client's state, made
//! of a snapshot and events, equals a fresh fetch, and no client ever saw a
//! gap, a repeat or a step back.
//!
//! `PARLANCE_MODEL_SEED` runs one seed, `PARLANCE_MODEL_RUNS` so many;
//! `PARLANCE_MODEL_CLIENTS` is how many come and go while others write.

mod acts;
mod chance;
mod device;
mod replica;

use std::collections::HashMap;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::world::text;
use super::{Someone, World};
use crate::chat::domain::Role;
use acts::Act;
use chance::Chance;
use device::Device;

const PEOPLE: [&str; 4] = ["Ann", "Bob", "Cid", "Dan"];

/// Rounds of one run; in each some devices act at the same time.
const ROUNDS: usize = 40;

/// What everybody may know without asking.
pub(super) struct Scene {
    world: World,
    people: Vec<Someone>,
    admin: Someone,
    chats: Vec<String>,
    /// Messages that somebody has seen an acknowledgement of: chat, seq, id.
    acknowledged: parking_lot::Mutex<Vec<(String, u64, String)>>,
}

impl Scene {
    async fn new(patient: bool) -> Self {
        let world = match patient {
            true => World::new().await,
            false => World::impatient().await,
        };
        let mut people = Vec::new();
        for name in PEOPLE {
            people.push(world.person(name).await);
        }
        let admin = world.person_with("Admin", Role::Admin).await;
        let [ann, bob, cid, _] = &people[..] else {
            panic!("four people");
        };
        let chats = vec![
            world.group(ann, &[bob, cid]).await,
            world.group(ann, &[bob]).await,
            world.direct(ann, bob).await,
        ];
        Self {
            world,
            people,
            admin,
            chats,
            acknowledged: parking_lot::Mutex::default(),
        }
    }

    /// A chat as an administrator sees it.
    async fn chat(&self, id: &str) -> Value {
        let path = format!("/api/chats/{id}");
        self.world.get(&self.admin, &path).await.data().clone()
    }

    /// All messages of a chat, page by page.
    async fn messages(&self, who: &Someone, id: &str) -> Vec<Value> {
        let mut messages: Vec<Value> = Vec::new();
        loop {
            let after = messages.last().map_or(json!(0), |last| last["seq"].clone());
            let path = format!("/api/chats/{id}/messages?after={after}&limit=100");
            let page = self.world.get(who, &path).await.data().clone();
            messages.extend(page["messages"].as_array().expect("a list").clone());
            if page["hasMoreAfter"] == json!(false) {
                return messages;
            }
        }
    }

    /// Who is in which chat by now, and how far it has come.
    async fn members(&self) -> HashMap<String, (Vec<String>, u64)> {
        let mut members = HashMap::new();
        for id in &self.chats {
            let chat = self.chat(id).await;
            let people = chat["participants"].as_array().expect("a list");
            let people = people.iter().map(|one| text(&one["userId"])).collect();
            members.insert(id.clone(), (people, chat["rev"].as_u64().expect("a rev")));
        }
        members
    }
}

async fn run(seed: u64) {
    let mut chance = Chance::new(seed);
    let mut scene = Scene::new(chance.one_in(2)).await;
    let mut devices: Vec<Device> = Vec::new();
    for person in 0..PEOPLE.len() {
        devices.push(Device::new(person));
        devices.push(Device::new(person));
    }
    for round in 0..ROUNDS {
        if round == ROUNDS / 2 && chance.one_in(2) {
            devices.iter_mut().for_each(Device::lose);
            scene.world = scene.world.restart().await;
        }
        let acts: Vec<Vec<Act>> = devices.iter().map(|_| acts::choose(&mut chance)).collect();
        let acting = devices.iter_mut().zip(acts);
        join_all(acting.map(|(device, acts)| device.act(&scene, acts))).await;
        let members = scene.members().await;
        for device in &mut devices {
            device.learn_membership(&scene, &members);
        }
    }
    let members = scene.members().await;
    for device in &mut devices {
        device.settle(&scene, &members).await;
    }
    for id in &scene.chats {
        check_chat(&scene, id).await;
    }
}

/// What holds for a chat whoever looks.
async fn check_chat(scene: &Scene, id: &str) {
    let messages = scene.messages(&scene.admin, id).await;
    let seqs: Vec<u64> = messages
        .iter()
        .filter_map(|one| one["seq"].as_u64())
        .collect();
    let head = scene.chat(id).await["lastSeq"].as_u64().expect("a seq");
    assert_eq!(seqs, (1..=head).collect::<Vec<_>>(), "no gap, no repeat");
    let mut names: Vec<_> = messages
        .iter()
        .filter(|one| !one["clientMsgId"].is_null())
        .map(|one| (text(&one["senderId"]), text(&one["clientMsgId"])))
        .collect();
    names.sort();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "one clientMsgId, one message");
    for (chat, seq, message) in scene.acknowledged.lock().iter() {
        let stored = messages.get(*seq as usize - 1);
        let found = stored.is_some_and(|one| one["id"] == json!(message));
        assert!(
            chat != id || found,
            "message {seq} was acknowledged and is gone"
        );
    }
}

/// A number that the environment sets.
fn set(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The seeds of this run, each named before it is used.
#[allow(clippy::print_stderr, reason = "the seed of a failure")]
fn seeds(runs: u64) -> impl Iterator<Item = u64> {
    let seeds = match set("PARLANCE_MODEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = u64::from(std::process::id());
            first..first + set("PARLANCE_MODEL_RUNS").unwrap_or(runs)
        }
    };
    seeds.inspect(|seed| eprintln!("PARLANCE_MODEL_SEED={seed}"))
}

#[tokio::test]
async fn every_client_ends_with_what_a_fresh_fetch_says() {
    for seed in seeds(3) {
        run(seed).await;
    }
}

/// Rounds of writing at full speed.
const STORM: usize = 12;

/// Messages of a writer in a round.
const BURST: usize = 6;

#[tokio::test]
async fn many_who_come_and_go_while_others_write_miss_nothing_and_hear_nothing_twice() {
    let clients = set("PARLANCE_MODEL_CLIENTS").unwrap_or(40) as usize;
    for seed in seeds(1) {
        storm(seed, clients).await;
    }
}

/// The seam between what was missed and what comes live, with many at it at
/// once. Every client has a small queue, so that whoever lags is left out.
async fn storm(seed: u64, clients: usize) {
    let mut chance = Chance::new(seed);
    let scene = Scene::new(false).await;
    let mut writers: Vec<Device> = (0..2).map(Device::new).collect();
    let mut devices: Vec<Device> = (0..clients).map(|number| Device::new(number % 2)).collect();
    for writer in &mut writers {
        writer.act(&scene, vec![Act::Connect]).await;
    }
    for _ in 0..STORM {
        let bursts: Vec<Vec<Act>> = writers
            .iter()
            .map(|_| (0..BURST).map(|_| acts::write(&mut chance)).collect())
            .collect();
        let moves: Vec<Vec<Act>> = devices
            .iter()
            .map(|_| acts::come_and_go(&mut chance))
            .collect();
        let writing = writers.iter_mut().zip(bursts);
        let moving = devices.iter_mut().zip(moves);
        join_all(
            writing
                .chain(moving)
                .map(|(device, acts)| device.act(&scene, acts)),
        )
        .await;
    }
    let members = scene.members().await;
    for device in writers.iter_mut().chain(&mut devices) {
        device.settle(&scene, &members).await;
    }
    for id in &scene.chats {
        check_chat(&scene, id).await;
    }
}
