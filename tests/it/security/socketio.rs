//! Socket.IO packets that no honest client sends.

use super::Attacked;
use crate::support::{End, Wire};

/// What follows each packet is the end of the connection, without a code.
async fn assert_closed_by(attacked: &mut Attacked, packets: &[&str]) {
    for packet in packets {
        let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
        wire.send(packet).await;
        let shown: String = packet.chars().take(60).collect();
        assert_eq!(wire.end().await, End::Close(None), "{shown}");
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn an_event_name_is_a_string() {
    let mut attacked = Attacked::start().await;
    let packets = [
        r#"42[{"toString":"foo"}]"#,
        "42[]",
        "42[null]",
        "42{}",
        "42",
        "42[[]]",
    ];
    assert_closed_by(&mut attacked, &packets).await;
}

#[tokio::test]
async fn names_that_the_server_uses_itself_are_refused() {
    let mut attacked = Attacked::start().await;
    let packets = [
        r#"42["connect"]"#,
        r#"42["connect_error",{}]"#,
        r#"42["disconnect"]"#,
        r#"42["disconnecting"]"#,
        r#"42["newListener"]"#,
        r#"42["removeListener"]"#,
    ];
    assert_closed_by(&mut attacked, &packets).await;
}

#[tokio::test]
async fn names_that_mean_something_in_javascript_are_ordinary() {
    let mut attacked = Attacked::start().await;
    let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
    for name in ["error", "__proto__", "constructor", "toString"] {
        wire.send(&format!(r#"42["{name}","x"]"#)).await;
    }
    wire.assert_served().await;
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn numbers_are_digits_and_not_too_many() {
    let mut attacked = Attacked::start().await;
    let many_digits = "9".repeat(50_000);
    let (id, attachments) = (
        format!(r#"42{many_digits}["a"]"#),
        format!(r#"45{many_digits}-["a"]"#),
    );
    let packets = [
        &id,
        &attachments,
        r#"4229007199254740993["a"]"#,
        r#"451e0-["a"]"#,
        r#"450x1-["a"]"#,
        r#"45+1-["a"]"#,
        r#"45 1-["a"]"#,
        r#"42 ["a"]"#,
        r#"421 2["a"]"#,
    ];
    assert_closed_by(&mut attacked, &packets).await;
}

#[tokio::test]
async fn the_number_of_attachments_is_judged_at_the_header() {
    let mut attacked = Attacked::start().await;
    let packets = [
        r#"45999999999-["a"]"#,
        r#"451832742252-["a",{"_placeholder":true,"num":0}]"#,
        r#"4511-["a"]"#,
        r#"450-["a"]"#,
        r#"45-["a"]"#,
        r#"45["a"]"#,
    ];
    assert_closed_by(&mut attacked, &packets).await;
}

#[tokio::test]
async fn a_placeholder_names_an_attachment() {
    let mut attacked = Attacked::start().await;
    for number in [
        r#""splice""#,
        "10",
        "1",
        "-1",
        "0.5",
        "1e99",
        "null",
        "{}",
        "[0]",
    ] {
        let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
        let header = format!(r#"451-["hello",{{"_placeholder":true,"num":{number}}}]"#);
        wire.send(&header).await;
        wire.send_binary(b"x").await;
        assert_eq!(wire.end().await, End::Close(None), "{number}");
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn text_and_binary_come_in_their_turn() {
    let mut attacked = Attacked::start().await;
    let mut early = Wire::joined(attacked.program.address, attacked.ann.token()).await;
    early.send_binary(b"nobody announced this").await;
    assert_eq!(early.end().await, End::Close(None));
    let mut inside = Wire::joined(attacked.program.address, attacked.ann.token()).await;
    inside
        .send(r#"451-["a",{"_placeholder":true,"num":0}]"#)
        .await;
    inside.send(r#"42["b"]"#).await;
    assert_eq!(inside.end().await, End::Close(None));
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn binary_is_taken_only_after_the_connect_packet() {
    let mut attacked = Attacked::start().await;
    for packet in [
        r#"452-["a",{"_placeholder":true,"num":0}]"#,
        r#"42["a"]"#,
        "43999[]",
        "41",
    ] {
        let mut wire = Wire::websocket(attacked.program.address).await;
        wire.send(packet).await;
        assert_eq!(wire.end().await, End::Close(None), "{packet}");
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn packets_of_no_type_and_of_the_server_close() {
    let mut attacked = Attacked::start().await;
    let packets = [
        "4",
        "4 ",
        "48",
        "47[]",
        "4x",
        r#"44{"message":"x"}"#,
        "40",
        "41/zzz,",
    ];
    assert_closed_by(&mut attacked, &packets).await;
}

#[tokio::test]
async fn json_that_is_no_json_closes() {
    let mut attacked = Attacked::start().await;
    let packets = [
        r#"42["a",1e999]"#,
        r#"42["a""#,
        r#"42["a",]"#,
        r#"42["a"]]"#,
        r#"42["a",'b']"#,
        r#"42["a",01]"#,
    ];
    assert_closed_by(&mut attacked, &packets).await;
}

#[tokio::test]
async fn nesting_beyond_any_stack_closes() {
    let mut attacked = Attacked::start().await;
    let deep = format!(r#"42["a",{}{}]"#, "[".repeat(6000), "]".repeat(6000));
    let deeper = format!(r#"42["a",{}{}]"#, "[".repeat(45_000), "]".repeat(45_000));
    let objects = format!(
        r#"42["a",{}1{}]"#,
        r#"{"a":"#.repeat(15_000),
        "}".repeat(15_000)
    );
    assert_closed_by(&mut attacked, &[&deep, &deeper, &objects]).await;
}

#[tokio::test]
async fn half_a_character_from_javascript_does_not_end_the_connection() {
    let mut attacked = Attacked::start().await;
    let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
    wire.send(r#"427["send-message",{"chatId":"x","content":"\ud83d"}]"#)
        .await;
    let answer = wire.text().await;
    assert!(answer.starts_with("437[{"), "{answer}");
    wire.assert_served().await;
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn a_stranger_namespace_is_refused_and_a_flood_of_them_closed() {
    let mut attacked = Attacked::start().await;
    let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
    wire.send("40/nope,").await;
    assert_eq!(
        wire.text().await,
        r#"44/nope,{"message":"Invalid namespace"}"#
    );
    for number in 0..10_000 {
        wire.send(&format!("40/dyn{number},")).await;
    }
    wire.gone().await;
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn answers_that_nobody_waits_for_are_ignored_until_they_are_a_flood() {
    let mut attacked = Attacked::start().await;
    let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
    for _ in 0..10 {
        wire.send("43999[]").await;
    }
    wire.assert_served().await;
    for _ in 0..200 {
        wire.send("43999[]").await;
    }
    wire.gone().await;
    attacked.assert_chatting().await;
}
