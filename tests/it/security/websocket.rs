//! WebSocket frames that no honest client sends.

use super::Attacked;
use crate::support::{End, Wire, frame, upgrade_head};

/// Ends with `code` after these bytes.
async fn assert_ends(attacked: &Attacked, name: &str, bytes: &[u8], code: u16) {
    let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
    wire.write(bytes).await;
    assert_eq!(wire.end().await, End::Close(Some(code)), "{name}");
}

#[tokio::test]
async fn frames_that_break_the_protocol_are_closed_with_1002() {
    let mut attacked = Attacked::start().await;
    for (name, bytes) in [
        ("unmasked", vec![0x81, 0x02, b'4', b'a']),
        ("RSV1", frame(0xc1, b"4a")),
        ("RSV2 and a ping", frame(0xb9, b"")),
        ("RSV3", frame(0x91, b"4a")),
        ("opcode 3", frame(0x83, b"4a")),
        ("ping of 126 bytes", frame(0x89, &[0; 126])),
        ("fragmented ping", frame(0x09, b"")),
        ("stray continuation", frame(0x80, b"4a")),
        (
            "text inside a text",
            [frame(0x01, b"4a"), frame(0x81, b"4b")].concat(),
        ),
        ("close of one byte", frame(0x88, b"x")),
        ("close with 999", frame(0x88, &999_u16.to_be_bytes())),
        ("close with 1005", frame(0x88, &1005_u16.to_be_bytes())),
        ("close with 5000", frame(0x88, &5000_u16.to_be_bytes())),
    ] {
        assert_ends(&attacked, name, &bytes, 1002).await;
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_closed_with_1007() {
    let mut attacked = Attacked::start().await;
    assert_ends(&attacked, "a text", &frame(0x81, b"4\xff"), 1007).await;
    assert_ends(&attacked, "a reason", &frame(0x88, b"\x03\xe8\xff"), 1007).await;
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn a_length_is_judged_before_anything_is_reserved_for_it() {
    let mut attacked = Attacked::start().await;
    let before = attacked.memory();
    let claim = |first, length: u64| [&[first, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
    for (name, bytes) in [
        ("2^30", claim(0x82, 1 << 30)),
        ("2^62", claim(0x81, 1 << 62)),
        ("2^63", claim(0x82, 1 << 63)),
        ("one too many", claim(0x82, 100_001)),
    ] {
        let code = if name == "2^63" { None } else { Some(1009) };
        let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
        wire.write(&bytes).await;
        let End::Close(closed) = wire.end().await else {
            panic!("{name}: cut off")
        };
        assert!(
            code.is_none_or(|code| closed == Some(code)),
            "{name}: {closed:?}"
        );
    }
    let grown = attacked.grown(before);
    assert!(grown < 16 << 20, "{grown} bytes");
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn fragments_are_counted_empty_ones_too() {
    let mut attacked = Attacked::start().await;
    let before = attacked.memory();
    for piece in [&b""[..], b"x"] {
        let mut bytes = frame(0x01, b"4");
        for _ in 0..100_000 {
            bytes.extend(frame(0x00, piece));
        }
        let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
        // The server stops reading long before the end.
        wire.write(&bytes).await;
        wire.gone().await;
        let code = frames_close(&attacked, piece).await;
        assert_eq!(code, End::Close(Some(1008)));
    }
    let grown = attacked.grown(before);
    assert!(grown < 16 << 20, "{grown} bytes");
    attacked.assert_chatting().await;
}

/// One fragment over the limit, so that the code can still be read.
async fn frames_close(attacked: &Attacked, piece: &[u8]) -> End {
    let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
    wire.write(frame(0x01, b"4")).await;
    for _ in 0..1024 {
        wire.write(frame(0x00, piece)).await;
    }
    wire.end().await
}

#[tokio::test]
async fn floods_of_control_frames_are_closed_with_1008() {
    let mut attacked = Attacked::start().await;
    for first in [0x89, 0x8a] {
        let mut wire = Wire::joined(attacked.program.address, attacked.ann.token()).await;
        wire.write(frame(first, b"x").repeat(100)).await;
        assert_eq!(wire.end().await, End::Close(Some(1008)));
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn no_extension_is_ever_agreed_on() {
    let mut attacked = Attacked::start().await;
    for offer in [
        "constructor; __proto__",
        "permessage-deflate; client_max_window_bits",
    ] {
        let mut wire = Wire::to(attacked.program.address).await;
        let more = format!("Sec-WebSocket-Extensions: {offer}\r\n");
        wire.write(upgrade_head("/socket.io/?EIO=4&transport=websocket", &more))
            .await;
        let answer = wire.answer().await;
        assert_eq!(answer.status, 101, "{offer}");
        assert_eq!(answer.header("sec-websocket-extensions"), None);
        // What only an extension may send is refused.
        wire.text().await;
        wire.write(frame(0xc1, b"x")).await;
        assert_eq!(wire.end().await, End::Close(Some(1002)));
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn too_much_head_is_431_and_read_in_linear_time() {
    let mut attacked = Attacked::start().await;
    let blanks = format!("Sec-WebSocket-Protocol: a{}b\r\n", " ".repeat(60_000));
    let lines = "x: y\r\n".repeat(3_000);
    for more in [blanks, lines] {
        let mut wire = Wire::to(attacked.program.address).await;
        wire.write(upgrade_head("/socket.io/?EIO=4&transport=websocket", &more))
            .await;
        assert_eq!(wire.answer().await.status, 431);
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn a_head_that_never_ends_is_not_kept() {
    let mut attacked = Attacked::start().await;
    let before = attacked.memory();
    let mut wire = Wire::to(attacked.program.address).await;
    wire.write("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\n")
        .await;
    for _ in 0..2_000 {
        wire.write(format!("x: {}\r\n", "y".repeat(2_000))).await;
    }
    wire.gone().await;
    let grown = attacked.grown(before);
    assert!(grown < 16 << 20, "{grown} bytes");
    attacked.assert_chatting().await;
}
