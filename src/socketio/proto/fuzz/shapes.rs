//! Values of every shape that serde knows, through both parsers.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::encode::{self, EncodeError, MAX_ATTACHMENTS, Mark};
use super::super::parser::{Envelope, Parser};
use super::relay;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(Box<Shape>),
    Tuple(Bytes, String),
    Struct { x: Option<i64>, list: Vec<Shape> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Nothing;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapper(Option<Bytes>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pair(char, bool);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Name {
    First,
    Second,
}

/// One of everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    shape: Shape,
    small: (i8, i16, i32, i64, u8, u16, u32, u64),
    wide: (i128, u128),
    floats: (f32, f64),
    nothing: Nothing,
    unit: (),
    wrapper: Wrapper,
    pair: Pair,
    by_number: BTreeMap<i64, Option<bool>>,
    by_name: BTreeMap<Name, u8>,
    by_letter: BTreeMap<char, Nothing>,
    by_truth: BTreeMap<bool, String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// Target `sio_shapes`: a value of every shape is made of the input. Sent through either parser it
/// comes back the same, and read without a type both say the same of it.
pub fn sio_shapes(data: &[u8], now: Instant) {
    let mut chooser = Chooser { data };
    let everything = chooser.everything();
    let json = travel(Parser::Json, &everything, now);
    let msgpack = travel(Parser::Msgpack, &everything, now);
    let pair = (everything.shape.clone(), everything.pair.clone());
    let tuple = travel(Parser::Msgpack, &pair, now);
    if let Some(tuple) = &tuple {
        let again: (Shape, Pair) = tuple.decode().expect("two arguments");
        assert_eq!(again, pair);
    }
    for args in [&json, &msgpack].into_iter().flatten() {
        assert_eq!(args.data::<Everything>().expect("one argument"), everything);
        // Another type than it has is an error, and never more than that.
        _ = args.data::<Vec<String>>();
        _ = args.data::<(u8, Option<Bytes>)>();
        _ = args.data::<Shape>();
        _ = args.data::<Value>();
        _ = args.decode::<BTreeMap<String, Bytes>>();
    }
    if let (Some(json), Some(msgpack)) = (json, msgpack) {
        assert_eq!(relay::values(&json), relay::values(&msgpack));
    }
}

fn travel<T: Serialize>(parser: Parser, value: &T, now: Instant) -> Option<super::Args> {
    let to = Envelope {
        parser,
        namespace: "/",
    };
    match encode::event(to, Mark::Ack(1), "e", value) {
        Ok(frame) => Some(relay::read_back(parser, &frame, now).args),
        Err(EncodeError::TooManyAttachments { got }) => {
            assert!(got > usize::from(MAX_ATTACHMENTS) && parser == Parser::Json);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Makes values of bytes; when they are used up, everything is small.
struct Chooser<'a> {
    data: &'a [u8],
}

impl Chooser<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.data.split_first().unwrap_or((&0, &[]));
        self.data = rest;
        *first
    }

    fn number(&mut self) -> i64 {
        let mut bytes = [0; 8];
        for byte in bytes.iter_mut().take(usize::from(self.byte() & 7) + 1) {
            *byte = self.byte();
        }
        i64::from_le_bytes(bytes)
    }

    fn bytes(&mut self) -> Bytes {
        let length = usize::from(self.byte() & 0x1f).min(self.data.len());
        let (taken, rest) = self.data.split_at(length);
        self.data = rest;
        Bytes::copy_from_slice(taken)
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    fn letter(&mut self) -> char {
        char::from_u32(self.number() as u32 % 0x11_0000).unwrap_or('x')
    }

    fn shape(&mut self, depth: u8) -> Shape {
        match self.byte() % if depth < 20 { 4 } else { 1 } {
            0 => Shape::Unit,
            1 => Shape::Newtype(Box::new(self.shape(depth + 1))),
            2 => Shape::Tuple(self.bytes(), self.text()),
            _ => Shape::Struct {
                x: (self.byte() & 1 == 1).then(|| self.number()),
                list: (0..self.byte() & 3)
                    .map(|_| self.shape(depth + 1))
                    .collect(),
            },
        }
    }

    fn everything(&mut self) -> Everything {
        let number = self.number();
        Everything {
            shape: self.shape(0),
            small: (
                number as i8,
                number as i16,
                number as i32,
                number,
                number as u8,
                number as u16,
                number as u32,
                number as u64,
            ),
            wide: (number.into(), u128::from(number.unsigned_abs())),
            // Short in every notation, so that only the parsers can be wrong about them.
            floats: (
                f32::from(number as i16) / 4.0,
                f64::from(number as i32) / 8.0,
            ),
            nothing: Nothing,
            unit: (),
            wrapper: Wrapper((self.byte() & 1 == 1).then(|| self.bytes())),
            pair: Pair(self.letter(), self.byte() & 1 == 1),
            by_number: (0..self.byte() & 3)
                .map(|_| (self.number(), (self.byte() & 1 == 1).then_some(true)))
                .collect(),
            by_name: [(Name::First, self.byte()), (Name::Second, 1)].into(),
            by_letter: [(self.letter(), Nothing)].into(),
            by_truth: [(self.byte() & 1 == 1, self.text())].into(),
            rest: (0..self.byte() & 3)
                .map(|place| (format!("rest {place}"), Value::from(self.text())))
                .collect(),
        }
    }
}
