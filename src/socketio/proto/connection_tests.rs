use super::*;
use proptest::prelude::*;

struct Client {
    connection: Connection<u32>,
    limits: ConnectionLimits,
    now: Instant,
}

/// What a message led to, without borrows.
#[derive(Debug, PartialEq)]
enum Outcome {
    Nothing,
    Connect(String, String),
    Disconnect(u32),
    Event(u32, String, Option<u64>, String, usize),
    Ack(u32, u64, String),
    Closed(&'static str),
}

impl Client {
    fn new() -> Self {
        let (limits, now) = (ConnectionLimits::default(), Instant::now());
        Self {
            connection: Connection::new(Parser::Json, &limits, now),
            limits,
            now,
        }
    }

    /// One that has joined `/` as socket 1.
    fn joined() -> Self {
        let mut client = Self::new();
        client.join("/", 1);
        client
    }

    fn join(&mut self, namespace: &str, socket: u32) {
        let connected = self.text(&format!("0{namespace},"));
        assert!(self.connection.accept(namespace, socket), "{connected:?}");
    }

    fn text(&mut self, text: &str) -> Outcome {
        outcome(self.connection.handle_text(text, &self.limits, self.now))
    }

    fn binary(&mut self, data: &'static [u8]) -> Outcome {
        outcome(
            self.connection
                .handle_binary(Bytes::from_static(data), &self.limits, self.now),
        )
    }

    fn pass(&mut self, seconds: u64) -> Result<(), Violation> {
        self.now += Duration::from_secs(seconds);
        match self.connection.poll_timeout() {
            Some(due) if due <= self.now => self.connection.handle_timeout(self.now),
            _ => Ok(()),
        }
    }
}

fn outcome(received: Result<Received<'_, u32>, Violation>) -> Outcome {
    match received {
        Ok(Received::Nothing) => Outcome::Nothing,
        Ok(Received::Connect { namespace, auth }) => {
            Outcome::Connect(namespace.into_owned(), auth.into_owned())
        }
        Ok(Received::Disconnect { socket }) => Outcome::Disconnect(socket),
        Ok(Received::Event {
            socket,
            name,
            ack_id,
            args,
        }) => Outcome::Event(
            *socket,
            name.into(),
            ack_id,
            args.as_json().expect("JSON").to_owned(),
            args.attachments().len(),
        ),
        Ok(Received::Ack { socket, id, args }) => {
            Outcome::Ack(*socket, id, args.as_json().expect("JSON").to_owned())
        }
        Err(violation) => Outcome::Closed(match violation {
            Violation::Decode(_) => "decode",
            Violation::Assembly(_) => "assembly",
            Violation::IllegalPlaceholder => "placeholder",
            Violation::UnexpectedText => "text",
            Violation::UnfinishedAttachments => "unfinished",
            Violation::UnexpectedBinary => "unexpected binary",
            Violation::NotJoined => "not joined",
            Violation::SecondConnect => "second connect",
            Violation::WrongDirection => "wrong direction",
            Violation::ConnectTimeout | Violation::AttachmentsTimeout => "time-out",
            Violation::TooManyNamespaces => "too many namespaces",
            Violation::Flood => "flood",
        }),
    }
}

fn event(socket: u32, name: &str, ack_id: Option<u64>, raw: &str, attachments: usize) -> Outcome {
    Outcome::Event(socket, name.to_owned(), ack_id, raw.to_owned(), attachments)
}

#[test]
fn a_client_joins_then_speaks() {
    let mut client = Client::new();
    assert_eq!(
        client.text(r#"0{"token":"123"}"#),
        Outcome::Connect("/".into(), r#"{"token":"123"}"#.into())
    );
    assert!(client.connection.accept("/", 1));
    assert_eq!(
        client.text(r#"2["m",1,"2"]"#),
        event(1, "m", None, r#"1,"2""#, 0)
    );
    assert_eq!(client.text(r#"2456["m"]"#), event(1, "m", Some(456), "", 0));
    assert_eq!(client.text("37[1]"), Outcome::Ack(1, 7, "1".into()));
    assert_eq!(client.text("38"), Outcome::Ack(1, 8, String::new()));
}

#[test]
fn trap_61_events_before_connect_and_second_connects_close() {
    for text in [
        r#"2["m"]"#,
        "31[]",
        "1",
        r#"2/ns,["m"]"#,
        "1/ns,",
        r#"51-["m",{"_placeholder":true,"num":0}]"#,
    ] {
        assert_eq!(
            Client::new().text(text),
            Outcome::Closed("not joined"),
            "{text}"
        );
    }
    assert_eq!(
        Client::joined().text("0"),
        Outcome::Closed("second connect")
    );
    assert_eq!(
        Client::joined().text(r#"2/ns,["m"]"#),
        Outcome::Closed("not joined")
    );
    assert_eq!(
        Client::joined().text("1/zzz,"),
        Outcome::Closed("not joined")
    );
}

#[test]
fn trap_61_so_they_do_while_middlewares_decide() {
    for (text, closed) in [
        ("0", "second connect"),
        (r#"2["m"]"#, "not joined"),
        ("1", "not joined"),
    ] {
        let mut client = Client::new();
        client.text("0");
        assert_eq!(client.text(text), Outcome::Closed(closed), "{text}");
    }
}

#[test]
fn trap_58_an_unknown_namespace_is_refused_and_the_connection_stays() {
    let mut client = Client::joined();
    assert_eq!(
        client.text("0/random"),
        Outcome::Connect("/random".into(), String::new())
    );
    client
        .connection
        .reject_unknown("/random", &client.limits, client.now)
        .expect("once is fine");
    assert_eq!(client.text(r#"2["m"]"#), event(1, "m", None, "", 0));
    assert_eq!(
        client.text("0/random"),
        Outcome::Connect("/random".into(), String::new()),
        "it may try again"
    );
}

#[test]
fn trap_62_the_connection_outlives_its_last_namespace() {
    let mut client = Client::joined();
    assert_eq!(client.text("1"), Outcome::Disconnect(1));
    assert_eq!(client.connection.joined(), 0);
    assert!(
        client.pass(3600).is_ok(),
        "trap 64: the time-out is not armed again"
    );
}

#[test]
fn trap_63_an_event_after_leaving_closes() {
    let mut client = Client::joined();
    client.text("1");
    assert_eq!(client.text(r#"2["m"]"#), Outcome::Closed("not joined"));
}

#[test]
fn leaving_and_joining_at_once_is_handled_in_order() {
    let mut client = Client::joined();
    assert_eq!(client.text("1"), Outcome::Disconnect(1));
    assert_eq!(
        client.text("0"),
        Outcome::Connect("/".into(), String::new())
    );
    assert!(client.connection.accept("/", 2));
    assert_eq!(client.text(r#"2["m"]"#), event(2, "m", None, "", 0));
}

#[test]
fn trap_64_who_joins_nothing_in_time_is_closed() {
    let mut client = Client::new();
    assert!(client.pass(44).is_ok());
    assert!(matches!(client.pass(1), Err(Violation::ConnectTimeout)));
    let mut client = Client::new();
    client.text("0/random");
    client.connection.reject("/random");
    assert!(client.pass(45).is_err(), "a refused CONNECT joins nothing");
    let mut client = Client::joined();
    assert!(client.pass(45).is_ok());
}

#[test]
fn trap_65_and_67_malformed_packets_close() {
    for text in [
        "",
        " ",
        "2",
        "2{}",
        "2abc[\"m\"]",
        "2[]",
        "2[true]",
        "0[]",
        "0null",
        "1{}",
        "7",
        "2[\"connect\"]",
    ] {
        assert_eq!(
            Client::joined().text(text),
            Outcome::Closed("decode"),
            "{text:?}"
        );
    }
    assert_eq!(
        Client::joined().text(r#"4{"message":"m"}"#),
        Outcome::Closed("wrong direction")
    );
}

#[test]
fn attachments_complete_an_event() {
    let mut client = Client::joined();
    let header = r#"52-7["m",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#;
    assert_eq!(client.text(header), Outcome::Nothing);
    assert_eq!(client.binary(b"one"), Outcome::Nothing);
    let raw = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;
    assert_eq!(
        client.binary(b""),
        event(1, "m", Some(7), raw, 2),
        "trap 74: an empty one counts"
    );
    assert_eq!(
        client.text("61-3[{\"_placeholder\":true,\"num\":0}]"),
        Outcome::Nothing
    );
    assert!(matches!(client.binary(b"x"), Outcome::Ack(1, 3, _)));
}

#[test]
fn trap_73_text_between_attachments_and_binary_without_a_header_close() {
    let mut client = Client::joined();
    client.text(r#"51-["m"]"#);
    assert_eq!(client.text(r#"2["m"]"#), Outcome::Closed("unfinished"));
    assert_eq!(
        Client::joined().binary(b"x"),
        Outcome::Closed("unexpected binary")
    );
    let mut client = Client::joined();
    client.text(r#"51-["m"]"#);
    client.binary(b"x");
    assert_eq!(client.binary(b"x"), Outcome::Closed("unexpected binary"));
}

#[test]
fn trap_72_placeholders_out_of_range_close_at_the_header() {
    for num in ["\"splice\"", "10", "1", "-1", "0.5", "1e99", "null"] {
        let header = format!(r#"51-["hello",{{"_placeholder":true,"num":{num}}}]"#);
        assert_eq!(
            Client::joined().text(&header),
            Outcome::Closed("placeholder"),
            "{num}"
        );
    }
}

#[test]
fn half_an_event_is_given_up_after_thirty_seconds() {
    let mut client = Client::joined();
    client.text(r#"52-["m"]"#);
    assert!(client.pass(29).is_ok());
    client.binary(b"x");
    assert!(matches!(client.pass(1), Err(Violation::AttachmentsTimeout)));
}

#[test]
fn attachments_share_one_limit_of_bytes() {
    let mut client = Client::joined();
    client.limits.max_attachment_bytes = 10;
    client.text(r#"53-["m"]"#);
    assert_eq!(client.binary(b"12345"), Outcome::Nothing);
    assert_eq!(client.binary(b"12345"), Outcome::Nothing);
    assert_eq!(client.binary(b"1"), Outcome::Closed("assembly"));
}

#[test]
fn trap_84_what_a_dismissed_client_had_sent_is_ignored() {
    let mut client = Client::joined();
    client.text(r#"51-["m"]"#);
    assert_eq!(client.connection.dismiss("/"), Some(1));
    assert_eq!(client.connection.dismiss("/"), None);
    assert_eq!(client.binary(b"x"), Outcome::Nothing);
    for text in [r#"2["m"]"#, "31[]", "1"] {
        assert_eq!(client.text(text), Outcome::Nothing, "{text}");
    }
    client.join("/", 2);
    assert_eq!(
        client.text(r#"2["m"]"#),
        event(2, "m", None, "", 0),
        "and it may come back"
    );
}

#[test]
fn trap_82_a_decision_for_a_client_that_left_counts_for_nothing() {
    let mut client = Client::new();
    client.text("0");
    assert_eq!(client.connection.close().count(), 0);
    assert!(!client.connection.accept("/", 1));
    assert_eq!(client.connection.poll_timeout(), None);
}

#[test]
fn closing_gives_every_joined_socket_once() {
    let mut client = Client::joined();
    client.join("/a", 2);
    client.text("0/pending,");
    assert_eq!(client.connection.close().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(client.connection.close().count(), 0);
}

#[test]
fn answers_without_an_id_are_ignored_up_to_a_hundred_a_minute() {
    let mut client = Client::joined();
    for _ in 0..100 {
        assert_eq!(client.text("3[]"), Outcome::Nothing);
    }
    assert_eq!(client.text("3[]"), Outcome::Closed("flood"));
    let mut client = Client::joined();
    for _ in 0..300 {
        client.pass(1).expect("nothing is due");
        assert_eq!(
            client.text("3[]"),
            Outcome::Nothing,
            "spread over five minutes they are harmless"
        );
    }
}

#[test]
fn namespaces_are_bounded_in_number_and_rate() {
    let mut client = Client::joined();
    for extra in 0..15 {
        client.join(&format!("/{extra}"), extra);
    }
    assert_eq!(
        client.text("0/one-more,"),
        Outcome::Closed("too many namespaces")
    );
    let mut client = Client::new();
    for _ in 0..20 {
        client.text("0/random");
        client
            .connection
            .reject_unknown("/random", &client.limits, client.now)
            .expect("allowed");
    }
    client.text("0/random");
    assert!(
        client
            .connection
            .reject_unknown("/random", &client.limits, client.now)
            .is_err()
    );
    let mut client = Client::new();
    for _ in 0..32 {
        client.text("0/a,");
        client.connection.reject("/a");
    }
    assert_eq!(client.text("0/a,"), Outcome::Closed("flood"));
}

#[derive(Debug, Clone)]
enum Op {
    Text(String),
    Binary,
    Accept(bool),
    Dismiss,
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let packets = prop_oneof![
        Just("0".to_owned()),
        Just("1".to_owned()),
        Just(r#"2["m",1]"#.to_owned()),
        Just("31[1]".to_owned()),
        (0u16..13).prop_map(|count| format!(r#"5{count}-["m"]"#)),
        ".{0,12}",
    ];
    prop_oneof![
        6 => packets.prop_map(Op::Text),
        6 => Just(Op::Binary),
        2 => any::<bool>().prop_map(Op::Accept),
        1 => Just(Op::Dismiss),
        1 => (0u64..40).prop_map(Op::Pass),
    ]
}

proptest! {
    /// Whatever comes, an event is given only for a joined socket, attachments are never more than
    /// were announced, and nothing is kept after the close.
    #[test]
    fn any_sequence_is_survived(ops in proptest::collection::vec(op(), 0..60)) {
        let mut client = Client::new();
        for op in ops {
            let outcome = match op {
                Op::Text(text) => client.text(&text),
                Op::Binary => client.binary(b"1234567890"),
                Op::Accept(true) => { client.connection.accept("/", 1); Outcome::Nothing }
                Op::Accept(false) => { client.connection.reject("/"); Outcome::Nothing }
                Op::Dismiss => { client.connection.dismiss("/"); Outcome::Nothing }
                Op::Pass(seconds) => match client.pass(seconds) {
                    Ok(()) => Outcome::Nothing,
                    Err(_) => Outcome::Closed("time-out"),
                },
            };
            match outcome {
                Outcome::Event(_, _, _, _, attachments) => {
                    prop_assert!(client.connection.get("/").is_some());
                    prop_assert!(attachments <= 10);
                }
                Outcome::Closed(_) => {
                    client.connection.close().for_each(drop);
                    prop_assert_eq!(client.connection.poll_timeout(), None);
                    prop_assert_eq!(client.connection.joined(), 0);
                    break;
                }
                _ => {}
            }
        }
    }
}

/// The messages are those that `notepack.io` writes.
#[test]
fn trap_80_with_msgpack_the_rules_are_the_same_and_every_packet_is_binary() {
    let (limits, now) = (ConnectionLimits::default(), Instant::now());
    let mut connection: Connection<u32> = Connection::new(Parser::Msgpack, &limits, now);
    let message = |bytes: &'static [u8]| Bytes::from_static(bytes);
    let connect = message(b"\x83\xa4type\x00\xa4data\xd4\x00\x00\xa3nsp\xa1/");
    let event = message(b"\x84\xa4type\x02\xa4data\x92\xa1e\xc4\x01\x07\xa2id\x05\xa3nsp\xa1/");
    let early = connection.handle_binary(event.clone(), &limits, now);
    assert!(matches!(early, Err(Violation::NotJoined)));
    match connection.handle_binary(connect.clone(), &limits, now) {
        Ok(Received::Connect { namespace, auth }) => assert_eq!((&*namespace, &*auth), ("/", "")),
        other => panic!("{other:?}"),
    }
    assert!(connection.accept("/", 1));
    match connection.handle_binary(event, &limits, now) {
        Ok(Received::Event {
            socket,
            name,
            ack_id,
            args,
        }) => {
            assert_eq!((*socket, &*name, ack_id), (1, "e", Some(5)));
            assert_eq!(args.data::<Bytes>().expect("bytes"), &[7][..]);
        }
        other => panic!("{other:?}"),
    }
    let again = connection.handle_binary(connect, &limits, now);
    assert!(matches!(again, Err(Violation::SecondConnect)));
    let text = connection.handle_text("0", &limits, now);
    assert!(matches!(text, Err(Violation::UnexpectedText)));
    let nonsense = connection.handle_binary(message(b"\xc1"), &limits, now);
    assert!(matches!(nonsense, Err(Violation::Decode(_))));
}
