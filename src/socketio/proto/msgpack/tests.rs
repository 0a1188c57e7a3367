//! Packets as `notepack.io` 2.2 writes them, and the two parsers against each other.

use bytes::Bytes;
use engineio::Frame;
use engineio::proto::frame::BinaryForm;
use engineio::proto::outbox::{Outbox, OutboxLimits};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::args::Args;
use super::super::codec::{self, DecodeError};
use super::super::encode::{self, Mark};
use super::super::names::NameError;
use super::super::packet::PacketKind;
use super::super::parser::{Envelope, Parser};
use super::super::payload::Payload;
use super::*;

const TO: Envelope<'_> = Envelope {
    parser: Parser::Msgpack,
    namespace: "/",
};

fn hex(text: &str) -> Bytes {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| std::str::from_utf8(pair).map(|pair| u8::from_str_radix(pair, 16));
    digits
        .map(|pair| byte(pair).expect("ASCII").expect("hex"))
        .collect()
}

/// The one message of a frame, out of its polling form.
fn message(frame: &Frame) -> Bytes {
    assert_eq!(frame.messages(), 1);
    let mut outbox = Outbox::new(OutboxLimits::default(), BinaryForm::Frames);
    let _ = outbox.enqueue(frame.clone()).expect("room");
    let payload = outbox.take_payload(&[]);
    let base64 = payload.strip_prefix(b"b").expect("binary");
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD.decode(base64);
    decoded.expect("base64").into()
}

fn event(message: &str) -> (Packet, Args) {
    let mut packet = decode(&hex(message)).expect("a packet");
    match std::mem::replace(&mut packet.content, Content::Disconnect) {
        Content::Event(name, args) => {
            packet.content = Content::Event(name, Args::none());
            (packet, args)
        }
        Content::Ack(args) => (packet, args),
        other => panic!("{other:?}"),
    }
}

/// What arrives of a value that is emitted.
fn travelled<T: Serialize + ?Sized>(data: &T) -> Args {
    let frame = encode::event(TO, Mark::Plain, "e", data).expect("encodable");
    match decode(&message(&frame)).expect("a packet").content {
        Content::Event(_, args) => args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn trap_80_a_packet_of_notepack_is_one_map_with_type_data_nsp_id_and_options() {
    let packet = decode(&hex("83a47479706500a464617461d40000a36e7370a12f")).expect("CONNECT");
    assert_eq!(&*packet.namespace, "/");
    assert!(matches!(packet.content, Content::Connect(auth) if auth.is_empty()));
    let packet = decode(&hex(
        "83a47479706500a46461746183a5746f6b656ea3313233a16ed40000a164d700000000dd9aa6e000a36e7370a72f637573746f6d",
    ));
    let packet = packet.expect("CONNECT");
    assert_eq!(&*packet.namespace, "/custom");
    let Content::Connect(auth) = packet.content else {
        panic!("not a CONNECT");
    };
    let auth: Value = serde_json::from_str(&auth).expect("JSON");
    assert_eq!(
        auth,
        json!({"token": "123", "d": "2000-02-29T00:00:00.000Z"})
    );
    let disconnect = "83a47479706501a76f7074696f6e7381a8636f6d7072657373c3a36e7370a12f";
    let packet = decode(&hex(disconnect)).expect("DISCONNECT");
    assert!(matches!(packet.content, Content::Disconnect));
    let (packet, args) = event("84a47479706503a2696407a46461746190a36e7370a12f");
    assert_eq!((packet.ack_id, args.is_empty()), (Some(7), true));
}

#[test]
fn trap_79_and_80_arguments_read_as_they_would_out_of_json() {
    let (packet, args) = event(
        "85a47479706502a46461746199a162c4020102c7010003d4000082a175d40000a16bc0d7000000000000000000cbbff8000000000000cb7ff8000000000000cf0020000000000000a76f7074696f6e7381a8636f6d7072657373c3a26964cd01c8a36e7370a12f",
    );
    assert_eq!(packet.ack_id, Some(456));
    assert!(matches!(&packet.content, Content::Event(name, _) if &**name == "b"));
    assert!(args.has_binary());
    type Sent = (Bytes, Bytes, Value, Value, String, f64, Option<f64>, u64);
    let sent: Sent = args.data().expect("the arguments");
    assert_eq!(
        (&sent.0[..], &sent.1[..], &sent.2),
        (&[1, 2][..], &[3][..], &Value::Null)
    );
    assert_eq!(sent.3, json!({"k": null}), "undefined is left out");
    assert_eq!(sent.4, "1970-01-01T00:00:00.000Z");
    assert_eq!((sent.5, sent.6, sent.7), (-1.5, None, 1 << 53));
}

#[test]
fn arguments_are_sent_on_byte_for_byte() {
    let (_, args) = event(
        "84a47479706502a46461746194a76d65737361676501a13281a13391c3a76f7074696f6e7381a8636f6d7072657373c3a36e7370a12f",
    );
    let frame = encode::raw_event(TO, Mark::Plain, "message-back", &args).expect("encodable");
    let expected =
        "83a47479706502a36e7370a12fa46461746194ac6d6573736167652d6261636b01a13281a13391c3";
    assert_eq!(message(&frame), hex(expected));
    let frame = encode::raw_ack(TO, 7, &args).expect("encodable");
    let expected = "84a47479706503a36e7370a12fa2696407a4646174619301a13281a13391c3";
    assert_eq!(message(&frame), hex(expected));
}

#[test]
fn the_server_writes_what_the_client_of_npm_checks_for() {
    let sent = |frame: Frame| {
        let message = message(&frame);
        Value::deserialize(&mut Reader::new(&message)).expect("a value")
    };
    let custom = Envelope {
        namespace: "/custom",
        ..TO
    };
    assert_eq!(
        sent(encode::connect(custom, "abc", None)),
        json!({"type": 0, "nsp": "/custom", "data": {"sid": "abc"}})
    );
    assert_eq!(sent(encode::disconnect(TO)), json!({"type": 1, "nsp": "/"}));
    assert_eq!(
        sent(encode::connect_error(TO, "no", Some(&json!({"code": 42})))),
        json!({"type": 4, "nsp": "/", "data": {"message": "no", "data": {"code": 42}}})
    );
    assert_eq!(
        sent(encode::ack(TO, 7, &()).expect("encodable")),
        json!({"type": 3, "nsp": "/", "id": 7, "data": []})
    );
}

#[test]
fn a_message_that_is_no_packet_is_a_typed_error() {
    let refused = |value: &Value| {
        let mut out = Vec::new();
        value
            .serialize(ser::Writer::new(&mut out))
            .expect("encodable");
        decode(&out.into()).expect_err("refused")
    };
    let field = |name| DecodeError::Msgpack(MsgpackError::Field { name });
    for (value, error) in [
        (json!([2]), DecodeError::Msgpack(MsgpackError::NotAPacket)),
        (json!({"nsp": "/"}), field("type")),
        (json!({"type": 5, "nsp": "/"}), DecodeError::UnknownType),
        (json!({"type": "2", "nsp": "/"}), DecodeError::UnknownType),
        (json!({"type": 0}), field("nsp")),
        (json!({"type": 0, "nsp": "x"}), field("nsp")),
        (json!({"type": 0, "nsp": 1}), field("nsp")),
        (
            json!({"type": 0, "nsp": format!("/{}", "a".repeat(256))}),
            DecodeError::NamespaceTooLong { bytes: 257 },
        ),
        (
            json!({"type": 3, "nsp": "/", "id": -1, "data": []}),
            field("id"),
        ),
        (
            json!({"type": 3, "nsp": "/", "id": 1u64 << 53, "data": []}),
            DecodeError::AckIdTooLarge,
        ),
        (
            json!({"type": 2, "nsp": "/", "data": ["disconnect"]}),
            DecodeError::Name(NameError::Reserved),
        ),
        (
            json!({"type": 2, "nsp": "/", "data": [true]}),
            DecodeError::Name(NameError::NotAName),
        ),
    ] {
        assert_eq!(refused(&value), error, "{value}");
    }
    for (kind, data) in [
        (PacketKind::Connect, json!([])),
        (PacketKind::Connect, json!(null)),
        (PacketKind::Disconnect, json!(null)),
        (PacketKind::Event, json!([])),
        (PacketKind::Event, json!({})),
        (PacketKind::Ack, json!("x")),
    ] {
        let value = json!({"type": kind as u8 - b'0', "nsp": "/", "data": data});
        assert_eq!(
            refused(&value),
            DecodeError::InvalidPayload { kind },
            "{value}"
        );
    }
    let mut trailing = hex("82a47479706501a36e7370a12f").to_vec();
    assert!(decode(&trailing.clone().into()).is_ok());
    trailing.push(0);
    assert_eq!(
        decode(&trailing.into()).expect_err("refused"),
        DecodeError::Msgpack(MsgpackError::Trailing { bytes: 1 })
    );
}

#[test]
fn a_number_is_a_name_as_with_the_json_parser() {
    let frame = encode::event(TO, Mark::Plain, "12", &()).expect("encodable");
    let mut bytes = message(&frame).to_vec();
    let at = bytes.len() - 3;
    bytes.splice(at.., [12]);
    let packet = decode(&bytes.into()).expect("a packet");
    assert!(matches!(packet.content, Content::Event(name, _) if &*name == "12"));
}

#[test]
fn a_tuple_is_several_arguments_and_everything_else_is_one() {
    let list = |args: Args| args.decode::<Vec<Value>>().expect("a list");
    assert_eq!(list(travelled(&())), Vec::<Value>::new());
    assert_eq!(list(travelled(&Value::Null)), [Value::Null]);
    assert_eq!(list(travelled("x")), ["x"]);
    assert_eq!(list(travelled(&vec![1, 2])), [json!([1, 2])]);
    assert_eq!(
        list(travelled(&(1, "2", json!({"3": [true]})))),
        [json!(1), json!("2"), json!({"3": [true]})]
    );
    assert_eq!(list(travelled(&((1, 2), [3]))), [json!([1, 2]), json!([3])]);
}

#[test]
fn finished_json_is_written_as_its_value() {
    #[derive(Serialize)]
    struct Answer {
        data: Box<serde_json::value::RawValue>,
    }
    let data = serde_json::value::to_raw_value(&json!({"a": [1, {"b": null}]})).expect("JSON");
    let answer: Value = travelled(&Answer { data }).data().expect("a value");
    assert_eq!(answer, json!({"data": {"a": [1, {"b": null}]}}));
}

#[test]
fn every_shape_of_serde_comes_back() {
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    enum Shape {
        Unit,
        Newtype(u8),
        Tuple(u8, String),
        Struct { x: Option<i64> },
    }
    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Everything {
        shapes: Vec<Shape>,
        bytes: Bytes,
        numbers: (u64, i64, f32, f64, u128, i8),
        map: std::collections::BTreeMap<i32, char>,
        #[serde(flatten)]
        rest: std::collections::BTreeMap<String, Value>,
    }
    let everything = Everything {
        shapes: vec![
            Shape::Unit,
            Shape::Newtype(1),
            Shape::Tuple(2, "x".into()),
            Shape::Struct { x: Some(-300) },
            Shape::Struct { x: None },
        ],
        bytes: Bytes::from_static(b"\xff\x00"),
        numbers: (u64::MAX, i64::MIN, 0.1, -1e300, 7, -128),
        map: [(-1, 'ä'), (70_000, '😀')].into(),
        rest: [("more".to_owned(), json!([1.5, true, null]))].into(),
    };
    let back: Everything = travelled(&everything).data().expect("everything");
    assert_eq!(back, everything);
    let float: Value = travelled(&0.1f32).data().expect("a number");
    assert_eq!(float, json!(0.1), "the digits that JSON would have");
}

/// A map of one entry.
struct FloatKey(f64);

impl Serialize for FloatKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.0, 1)])
    }
}

#[test]
fn arguments_nest_as_deeply_as_those_of_the_other_parser() {
    let nested = |depth: usize| {
        // The list of the arguments is the first level.
        let mut bytes = hex("83a36e7370a12fa47479706502a46461746192a161").to_vec();
        bytes.extend(vec![0x91; depth - 1]);
        bytes.push(0xc0);
        decode(&bytes.into()).map(drop)
    };
    let text = |depth: usize| {
        format!(
            r#"2["a",{}0{}]"#,
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        )
    };
    let json = |depth| codec::decode(&text(depth), 10).map(drop);
    assert_eq!((nested(127), json(127)), (Ok(()), Ok(())));
    let deep = |error: Result<(), DecodeError>| {
        error.is_err_and(|error| error.to_string().starts_with("nested"))
    };
    assert!(deep(nested(128)) && deep(json(128)));
}

#[test]
fn what_has_no_form_is_an_error_and_what_is_not_finite_is_null() {
    let map = std::collections::HashMap::from([(vec![1], 1)]);
    assert!(encode::event(TO, Mark::Plain, "e", &map).is_err());
    assert!(encode::event(TO, Mark::Plain, "e", &FloatKey(f64::NAN)).is_err());
    let value: Value = travelled(&FloatKey(0.5)).data().expect("a map");
    let some = std::collections::HashMap::from([(Some(7), 1)]);
    let known: Value = travelled(&some).data().expect("a map");
    assert_eq!(known, json!({"7": 1}));
    assert_eq!(value, json!({"0.5": 1}));
    let value: Value = travelled(&[f64::NAN, f64::INFINITY][..])
        .data()
        .expect("a value");
    assert_eq!(value, json!([null, null]));
}

#[test]
fn an_extension_of_another_kind_reads_as_notepack_has_it() {
    let item = Bytes::from_static(&[0xd6, 0xff, 1, 2, 3, 4]);
    let args = Args::msgpack(item, 1, false);
    let (kind, data): (i8, Bytes) = args.decode::<((i8, Bytes),)>().expect("a pair").0;
    assert_eq!((kind, &data[..]), (-1, &[1, 2, 3, 4][..]));
}

#[test]
fn arguments_of_the_other_parser_are_written_anew() {
    let attachment = Bytes::from_static(b"\x01\x02");
    let json = Args::unnamed(
        r#"[{"a":{"_placeholder":true,"num":0},"b":1.5},"x"]"#.into(),
        vec![attachment.clone()],
    );
    let frame = encode::raw_event(TO, Mark::Plain, "e", &json).expect("encodable");
    let Content::Event(_, args) = decode(&message(&frame)).expect("a packet").content else {
        panic!("not an event");
    };
    assert_eq!(
        args.payloads().expect("values"),
        json.payloads().expect("values")
    );
    let back = encode::raw_event(Envelope::json("/"), Mark::Plain, "e", &args).expect("encodable");
    assert_eq!(back.messages(), 2);
}

fn any_payload() -> impl Strategy<Value = Payload> {
    let leaf = prop_oneof![
        Just(Payload::Null),
        any::<bool>().prop_map(Payload::Bool),
        any::<i64>().prop_map(|number| Payload::Number(number.into())),
        any::<u64>().prop_map(|number| Payload::Number(number.into())),
        any::<f64>().prop_filter_map("finite", |number| {
            serde_json::Number::from_f64(number).map(Payload::Number)
        }),
        ".{0,40}".prop_map(Payload::Text),
        proptest::collection::vec(any::<u8>(), 0..300)
            .prop_map(|bytes| Payload::Bytes(bytes.into())),
    ];
    leaf.prop_recursive(4, 64, 20, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..20).prop_map(Payload::List),
            proptest::collection::vec((".{0,8}", inner), 0..20).prop_map(Payload::Map),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_the_same(payloads in proptest::collection::vec(any_payload(), 0..4), id in proptest::option::of(0..1u64 << 53)) {
        let tuple = Payload::List(payloads);
        let frame = encode::event(TO, id.map_or(Mark::Plain, Mark::Ack), "e", &(&tuple, 7)).expect("encodable");
        let packet = decode(&message(&frame)).expect("a packet");
        prop_assert_eq!(packet.ack_id, id);
        let Content::Event(_, args) = packet.content else {
            panic!("not an event");
        };
        prop_assert_eq!(args.payloads().expect("values"), [tuple, Payload::Number(7.into())]);
    }

    #[test]
    fn both_parsers_give_a_handler_the_same_value(payload in any_payload()) {
        let text = serde_json::to_string(&payload).expect("JSON");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        let travelled: Value = travelled(&value).data().expect("a value");
        prop_assert_eq!(travelled, value);
    }

    #[test]
    fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        super::super::fuzz::sio_msgpack(&bytes);
    }

    #[test]
    fn decoding_never_panics_on_what_looks_like_a_packet(
        kind in 0u8..6,
        data in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut bytes = hex("83a36e7370a12fa474797065").to_vec();
        bytes.push(kind);
        bytes.extend_from_slice(b"\xa4data");
        bytes.extend_from_slice(&data);
        super::super::fuzz::sio_msgpack(&bytes);
    }
}
