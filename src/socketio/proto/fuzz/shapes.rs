//! Values of every shape that serde knows, through both parsers.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Instant;

use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

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
    long: String,
}

/// Fields beside others: written as a map whose length is not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flat {
    name: String,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// What is written and reads as something else.
#[derive(Serialize)]
struct OneWay {
    raw: Box<RawValue>,
    huge: (u128, i128, u128),
    endless: (f64, f32, f64),
}

/// A map of one entry, whatever its key.
struct Entry<K>(K);

impl<K: Serialize> Serialize for Entry<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(&self.0, &1)?;
        map.end()
    }
}

/// Target `sio_shapes`: a value of every shape is made of the input. Sent through either parser it
/// comes back the same, and read without a type both say the same of it.
pub fn sio_shapes(data: &[u8], now: Instant) {
    let mut chooser = Chooser { data };
    let everything = chooser.everything();
    check(&everything, now);
    let flat = chooser.flat();
    check(&flat, now);
    let pair = (everything.shape.clone(), everything.pair.clone());
    check_alike(&pair, now);
    check_alike(&chooser.one_way(), now);
    check_outermost(&mut chooser, now);
    check_keys(&mut chooser, now);
}

/// It comes back as it was, and as anything else it is an error and never more than that.
fn check<T>(value: &T, now: Instant)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    for args in check_alike(value, now).into_iter().flatten() {
        assert_eq!(&args.data::<T>().expect("one argument"), value);
        _ = args.data::<Vec<String>>();
        _ = args.data::<(u8, Option<Bytes>)>();
        _ = args.data::<u8>();
        _ = args.data::<Shape>();
        _ = args.data::<Value>();
        _ = args.data::<(Entirely, Shape)>();
        _ = args.decode::<BTreeMap<String, Bytes>>();
        args.data::<()>().expect("nothing is always there");
        args.data::<IgnoredAny>().expect("anything");
    }
}

/// A struct of which everything is optional.
#[derive(Deserialize)]
#[serde(default)]
#[allow(dead_code)]
#[derive(Default)]
struct Entirely {
    shape: Option<IgnoredAny>,
    unit: Option<()>,
    pair: Option<Pair>,
}

/// Both parsers say the same of it.
fn check_alike<T: Serialize + ?Sized>(value: &T, now: Instant) -> [Option<super::Args>; 2] {
    let [json, msgpack] = [Parser::Json, Parser::Msgpack].map(|parser| travel(parser, value, now));
    if let (Some(json), Some(msgpack)) = (&json, &msgpack) {
        assert_eq!(relay::values(json), relay::values(msgpack));
    }
    [json, msgpack]
}

/// What an event carries decides how many arguments it has.
fn check_outermost(chooser: &mut Chooser<'_>, now: Instant) {
    let (byte, number, text) = (chooser.byte(), chooser.number(), chooser.text());
    let one = |args: [Option<super::Args>; 2]| counts(args, 1);
    match byte % 20 {
        0 => counts(check_alike(&(), now), 0),
        1 => one(check_alike(&Nothing, now)),
        2 => one(check_alike(&Value::Null, now)),
        3 => one(check_alike(&text[..], now)),
        4 => one(check_alike(&(byte > 99), now)),
        5 => one(check_alike(&number, now)),
        6 => one(check_alike(&(number as u64), now)),
        7 => one(check_alike(&(number as i8), now)),
        8 => one(check_alike(&i128::from(number), now)),
        9 => one(check_alike(&0.5f32, now)),
        10 => one(check_alike(&(f64::from(byte) / 4.0), now)),
        11 => one(check_alike(&chooser.letter(), now)),
        12 => one(check_alike(&chooser.bytes(), now)),
        13 => one(check_alike(&Some(number), now)),
        14 => one(check_alike(&None::<u8>, now)),
        15 => one(check_alike(&chooser.shape(0), now)),
        16 => one(check_alike(&Pair('x', true), now)),
        17 => one(check_alike(&Wrapper(None), now)),
        18 => one(check_alike(&vec![number; usize::from(byte)], now)),
        _ => counts(check_alike(&(number, text, Nothing), now), 3),
    }
}

fn counts(args: [Option<super::Args>; 2], expected: usize) {
    for args in args.into_iter().flatten() {
        assert_eq!(relay::values(&args).len(), expected);
    }
}

/// A key is a text in both parsers, or in neither.
fn check_keys(chooser: &mut Chooser<'_>, now: Instant) {
    let (byte, number) = (chooser.byte(), chooser.number());
    match byte % 22 {
        0 => check_key(number as u8, now),
        1 => check_key(number as i16, now),
        2 => check_key(number as u128, now),
        3 => check_key(i128::from(number), now),
        4 => check_key(number as f32 / 4.0, now),
        5 => check_key(number as f64 / 4.0, now),
        6 => check_key(byte > 99, now),
        7 => check_key(chooser.letter(), now),
        8 => check_key(Name::Second, now),
        9 => check_key(Entry(number), now),
        10 => check_key(chooser.bytes(), now),
        11 => check_key(Some(number), now),
        12 => check_key(None::<u8>, now),
        13 => check_key((), now),
        14 => check_key(Nothing, now),
        15 => check_key(vec![number], now),
        16 => check_key((number, byte), now),
        17 => check_key(Pair('x', true), now),
        18 => check_key(chooser.shape(0), now),
        19 => check_key(chooser.flat(), now),
        20 => check_key(f64::NAN, now),
        _ => check_key(chooser.text(), now),
    }
}

fn check_key<K: Serialize>(key: K, now: Instant) {
    let value = (Entry(key), 0);
    let written = [Parser::Json, Parser::Msgpack].map(|parser| {
        let to = Envelope {
            parser,
            namespace: "/",
        };
        encode::event(to, Mark::Plain, "e", &value)
    });
    match written {
        [Ok(_), Ok(_)] => drop(check_alike(&value, now)),
        [Err(_), Err(_)] => {}
        [json, msgpack] => panic!("{:?} {:?}", json.err(), msgpack.err()),
    }
}

fn travel<T: Serialize + ?Sized>(parser: Parser, value: &T, now: Instant) -> Option<super::Args> {
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
            long: "x".repeat(usize::from(self.byte()) << (self.byte() & 0xf)),
        }
    }

    fn flat(&mut self) -> Flat {
        Flat {
            name: self.text(),
            rest: (0..self.byte() & 3)
                .map(|place| (format!("rest {place}"), Value::from(self.text())))
                .collect(),
        }
    }

    fn one_way(&mut self) -> OneWay {
        let raw = match self.byte() & 3 {
            0 => serde_json::value::to_raw_value(&self.text()),
            1 => serde_json::value::to_raw_value(&self.number()),
            _ => serde_json::value::to_raw_value(&self.flat()),
        };
        OneWay {
            raw: raw.expect("JSON"),
            huge: (u128::MAX, i128::MIN, u64::MAX.into()),
            endless: (f64::NAN, f32::INFINITY, -0.0),
        }
    }
}
