//! How often the database is asked, and what happens when it does not answer.

use futures_util::future::join_all;
use serde_json::json;

use super::World;
use crate::chat::domain::{Content, Rev};
use crate::chat::error::Error;
use crate::chat::service::{Actor, Draft};
use crate::chat::storage::{counted, lock_everything};

fn draft(content: &str) -> Draft {
    Draft {
        content: Content::new(content).expect("a content"),
        client_msg_id: None,
        reply_to: None,
        mentions: Vec::new(),
    }
}

/// A group of one with messages.
async fn chat_with(world: &World, actor: &super::Someone, messages: usize) -> String {
    let chat = world.group(actor, &[]).await;
    let who = world
        .chat
        .authenticate(Some(&actor.token))
        .await
        .expect("known");
    let sends = (0..messages).map(|_| world.chat.send(&who, chat.as_str().into(), draft("x")));
    for sent in join_all(sends).await {
        sent.map(drop).expect("stored");
    }
    chat
}

/// How many statements `act` runs. What else goes on in the server is counted with it and can only
/// add, so it is done three times, and the least is its own.
async fn cost_of(mut act: impl AsyncFnMut()) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..3 {
        let ((), cost) = Box::pin(counted(act())).await;
        least = least.min(cost);
    }
    least
}

#[tokio::test]
async fn a_page_of_history_costs_the_same_for_one_message_and_for_a_hundred() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let mut costs = Vec::new();
    for messages in [1, 100] {
        let chat = chat_with(&world, &ann, messages).await;
        let path = format!("/api/chats/{chat}/messages?limit=100");
        let cost = cost_of(async || {
            let page = world.get(&ann, &path).await;
            let got = page.data()["messages"].as_array().map(Vec::len);
            assert_eq!(got, Some(messages));
        });
        costs.push(cost.await);
    }
    assert_eq!(costs[0], costs[1]);
}

#[tokio::test]
async fn replies_mentions_and_reactions_on_a_page_cost_nothing_more() {
    let world = World::new().await;
    let (ann, ben) = (world.person("Ann").await, world.person("Ben").await);
    let chat = world.group(&ann, &[&ben]).await;
    let path = format!("/api/chats/{chat}/messages");
    let mut last = world.say(&ann, &chat, "first").await;
    let page = format!("{path}?limit=100");
    let read = async || drop(world.get(&ann, &page).await);
    let one = cost_of(read).await;
    for number in 0..40 {
        let body =
            json!({"content": format!("{number}"), "replyTo": last["id"], "mentions": [ben.id]});
        last = world.post(&ann, &path, body).await.data().clone();
        let id = last["id"].as_str().expect("an id");
        let reaction = format!("{path}/{id}/reactions/x");
        world
            .call(Some(&ben.token), "PUT", &reaction, json!(null))
            .await
            .data();
    }
    let many = cost_of(read).await;
    let answer = world.get(&ann, &page).await;
    let messages = answer.data()["messages"].as_array().expect("messages");
    assert_eq!(messages.len(), 41);
    assert_eq!(messages[40]["replyTo"], messages[39]["id"]);
    assert_eq!(messages[40]["reactions"]["x"]["count"], 1);
    assert_eq!(one, many);
}

#[tokio::test]
async fn the_list_of_chats_costs_the_same_for_one_chat_and_for_many() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let mut costs = Vec::new();
    for chats in [1, 30] {
        for _ in costs.len()..chats {
            chat_with(&world, &ann, 2).await;
        }
        let cost = cost_of(async || {
            let page = world.get(&ann, "/api/chats?limit=100").await;
            assert!(page.data()["chats"].as_array().map(Vec::len) >= Some(chats));
        });
        costs.push(cost.await);
    }
    assert_eq!(costs[0], costs[1]);
}

#[tokio::test]
async fn making_a_chat_costs_the_same_for_one_other_and_for_many() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let mut others = Vec::new();
    for number in 0..6 {
        others.push(world.person(&format!("P{number}")).await);
    }
    let mut costs = Vec::new();
    for count in [1, 6] {
        let others: Vec<_> = others.iter().take(count).collect();
        costs.push(cost_of(async || drop(world.group(&ann, &others).await)).await);
    }
    assert_eq!(costs[0], costs[1]);
}

#[tokio::test]
async fn marking_messages_of_many_chats_as_delivered_costs_the_same_as_of_one() {
    let world = World::new().await;
    let (ann, ben) = (world.person("Ann").await, world.person("Ben").await);
    let mut items = Vec::new();
    for _ in 0..12 {
        let chat = world.group(&ann, &[&ben]).await;
        world.say(&ann, &chat, "x").await;
        items.push(json!({"chatId": chat, "seq": 1}));
    }
    let mut device = world.connect(&ben).await;
    let (alone, together) = items.split_at(3);
    let mut costs = Vec::new();
    for mut items in [alone.chunks(1), together.chunks(3)] {
        let cost = cost_of(async || {
            let items = items.next().expect("enough");
            let answer = device.ask("mark-delivered", json!({"items": items})).await;
            assert_eq!(answer["success"], true, "{answer}");
        });
        costs.push(cost.await);
    }
    assert_eq!(costs[0], costs[1]);
}

#[tokio::test]
async fn messages_that_wait_together_share_their_statements() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let cost =
        async |messages| cost_of(async || drop(chat_with(&world, &ann, messages).await)).await;
    let (one, many) = (cost(1).await, cost(64).await);
    assert!(many <= one + 2, "{one} statements for one, {many} for 64");
}

#[tokio::test]
async fn ten_thousand_who_come_back_ask_the_database_as_often_as_one() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let (ben, cem) = (world.person("Ben").await, world.person("Cem").await);
    let chat = world.group(&ann, &[&ben, &cem]).await;
    let who = world
        .chat
        .authenticate(Some(&ann.token))
        .await
        .expect("known");
    for _ in 0..50 {
        let sent = world
            .chat
            .send(&who, chat.as_str().into(), draft("x"))
            .await;
        sent.map(drop).expect("stored");
    }
    let world = world.restart().await;
    let mut actors: Vec<Actor> = Vec::new();
    for someone in [&ann, &ben, &cem] {
        actors.push(
            world
                .chat
                .authenticate(Some(&someone.token))
                .await
                .expect("known"),
        );
    }
    let (world, chat) = (&world, chat.as_str());
    let come_back = async |count: usize| {
        world.chat.forget_recent();
        let actors = actors.iter().cycle().take(count);
        let all = actors.map(|actor| world.chat.sync(actor, vec![(chat.into(), Rev(20))]));
        for answer in join_all(all).await {
            let (_, caught_up) = answer.expect("answered").remove(0);
            assert_eq!(caught_up.expect("theirs").events.len(), 30);
        }
    };
    let one = cost_of(async || come_back(1).await).await;
    let all = cost_of(async || come_back(10_000).await).await;
    assert!(one > 0);
    assert_eq!(all, one);
}

#[tokio::test]
async fn a_kept_chat_follows_every_change() {
    let world = World::new().await;
    let (ann, ben) = (world.person("Ann").await, world.person("Ben").await);
    let chat = world.group(&ann, &[&ben]).await;
    let mut live = world.join(&ben, &chat).await;
    let first = world.say(&ann, &chat, "one").await;
    let since = |rev: &serde_json::Value| json!({"chatId": chat, "rev": rev});
    let answer = live.ask("join-chat", since(&json!(0))).await;
    let seen = answer["data"]["events"]
        .as_array()
        .cloned()
        .expect("events");
    assert_eq!(seen.last().expect("one")["payload"]["content"], "one");
    world.say(&ann, &chat, "two").await;
    let answer = live.ask("join-chat", since(&first["rev"])).await;
    assert_eq!(answer["data"]["events"][0]["payload"]["content"], "two");
    let deleted = json!({"chatId": chat, "messageId": first["id"]});
    world
        .join(&ann, &chat)
        .await
        .ask("delete-message", deleted)
        .await;
    let answer = live.ask("join-chat", since(&json!(0))).await;
    assert!(!answer.to_string().contains("\"one\""), "{answer}");
    let read = live
        .ask("mark-read", json!({"chatId": chat, "seq": 2}))
        .await;
    assert_eq!(read["success"], true, "{read}");
    let answer = live.ask("join-chat", since(&json!(0))).await;
    assert_eq!(answer["data"]["readSeq"], 2, "{answer}");
    let path = format!("/api/chats/{chat}/participants/{}", ben.id);
    assert!(world.delete(&ann, &path).await.status < 300);
    let answer = live.ask("join-chat", since(&json!(0))).await;
    assert_eq!(answer["error"]["code"], "not-found", "{answer}");
}

#[tokio::test]
async fn a_database_that_is_locked_is_unavailable_in_bounded_time_and_then_well_again() {
    let world = World::new().await;
    let ann = world.person("Ann").await;
    let chat = chat_with(&world, &ann, 1).await;
    let who = world
        .chat
        .authenticate(Some(&ann.token))
        .await
        .expect("known");
    let lock = lock_everything(world.url()).await;
    let sends = (0..64).map(|_| world.chat.send(&who, chat.as_str().into(), draft("x")));
    let (sent, asked) = counted(join_all(sends)).await;
    for sent in sent {
        assert_eq!(sent.map(|_| ()), Err(Error::Unavailable));
    }
    assert!(asked <= 1, "{asked} statements waited for the lock");
    drop(lock);
    let sent = world
        .chat
        .send(&who, chat.as_str().into(), draft("x"))
        .await;
    // Nothing of what was refused was stored.
    assert_eq!(sent.expect("stored").message.seq.0, 2);
}
