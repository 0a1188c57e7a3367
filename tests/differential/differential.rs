//! Parlance's parsers beside the official ones, and its WebSocket beside that of npm's `ws`: the same
//! inputs, the same verdicts and values, but for a closed list of differences ([`divergences`]). What
//! Parlance writes the official parsers read, and the other way round.
//!
//! ```text
//! cargo run --example differential -- [SECONDS [SEED]]
//! ```
//! Needs Node.js and the packages of `tests/js`. Ends with status 1 at the first fault.

#![allow(missing_docs, clippy::print_stdout)]

mod divergences;
mod frames;
mod generate;
mod ours;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engineio::proto::frame::BinaryForm;
use engineio::proto::outbox::{Outbox, OutboxLimits};
use parlance::socketio::Payload;
use parlance::socketio::proto::encode::event_frame;
use serde_json::{Value, json};

use generate::{Generator, Sent};

/// The key `__proto__` as it is compared.
const PROTO: &str = "5f5f70726f746f5f5f:";

/// Questions that are asked at once.
const BATCH: usize = 500;

/// The official parsers, in a process of their own.
struct Reference {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Reference {
    fn start(tests: &Path) -> Self {
        let mut process = Command::new("node")
            .arg(tests.join("differential/reference.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs");
        Self {
            questions: process.stdin.take().expect("piped"),
            answers: BufReader::new(process.stdout.take().expect("piped")),
            process,
        }
    }

    fn ask(&mut self, questions: &[Value]) -> Vec<Value> {
        let line = serde_json::to_string(questions).expect("JSON");
        writeln!(self.questions, "{line}").expect("node reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("node answers");
        serde_json::from_str(&answer).expect("a line of JSON")
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How often each difference of the list was met.
type Met = BTreeMap<&'static str, usize>;

/// A difference that is not on the list.
struct Fault(String);

fn question(messages: &[Sent]) -> Value {
    let parts = messages.iter().map(|message| match message {
        Sent::Text(text) => json!(text),
        Sent::Binary(bytes) => json!({ "hex": ours::hex(bytes) }),
    });
    json!(["socketio", parts.collect::<Vec<Value>>()])
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .map(|text| text.as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Compares what was made of the messages of a connection; gives the values, if both took all.
fn compare(
    messages: &[Sent],
    answer: &Value,
    met: &mut Met,
) -> Result<Option<Vec<Payload>>, Fault> {
    let read = ours::read(messages);
    let fault = |what: &str| Err(Fault(format!("{what}\nours {read:?}\nofficial {answer}")));
    let official = texts(&answer["packets"]);
    let odd = answer["odd"] == true;
    if let Some((place, violation)) = &read.refused {
        let agreed = official.len() == read.packets.len() && !answer["error"].is_null();
        let text = match &messages[*place] {
            Sent::Text(text) => text,
            Sent::Binary(_) => "",
        };
        if !agreed {
            match divergences::refusal(text, violation, odd) {
                Some(reason) => *met.entry(reason).or_default() += 1,
                None => return fault("refused, and not by the official parser"),
            }
        }
        let both = read.packets.len().min(official.len());
        return match odd || read.packets[..both] == official[..both] {
            true => Ok(None),
            false => fault("other packets before the refusal"),
        };
    }
    if odd {
        *met.entry("an object with the key _placeholder is a placeholder if that is its first")
            .or_default() += 1;
        return Ok(None);
    }
    if !answer["error"].is_null() {
        return fault("taken, and refused by the official parser");
    }
    if read.packets != official {
        return fault("other packets");
    }
    for (packet, encoded) in official
        .iter()
        .zip(answer["encoded"].as_array().expect("a list"))
    {
        let again = ours::read(&sent(encoded));
        // `JSON.stringify` writes no sign before a zero.
        let packet = packet.replace("d8000000000000000", "d0000000000000000");
        if again.packets == [packet.as_str()] || is_undefined(&packet) {
            continue;
        }
        if packet.contains(PROTO) {
            let lost = "beside bytes the official encoder loses the key __proto__";
            *met.entry(lost).or_default() += 1;
        } else {
            return Err(Fault(format!(
                "what the official encoder wrote reads as {again:?}\n{encoded}\n{answer}"
            )));
        }
    }
    Ok(Some(read.values))
}

/// The official encoder leaves an empty list out where there is none.
fn is_undefined(packet: &str) -> bool {
    packet == "an answer to nobody" || packet.ends_with('-')
}

fn sent(parts: &Value) -> Vec<Sent> {
    let parts = parts.as_array().map(Vec::as_slice).unwrap_or_default();
    parts
        .iter()
        .map(|part| match part.as_str() {
            Some(text) => Sent::Text(text.to_owned()),
            None => Sent::Binary(unhex(part["hex"].as_str().expect("bytes"))),
        })
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("ASCII");
            u8::from_str_radix(pair, 16).expect("hexadecimal")
        })
        .collect()
}

/// What Parlance sends with these values, and how they are compared.
fn written(values: Vec<Payload>) -> Option<(Value, String)> {
    let values = Payload::List(values);
    let frame = event_frame("/ns", "e", &values).ok()?;
    let mut outbox = Outbox::new(OutboxLimits::default(), BinaryForm::Frames);
    let _ = outbox.enqueue(frame).expect("room");
    let payload = outbox.take_payload(&[]);
    let payload = std::str::from_utf8(&payload).expect("text");
    let event = Payload::List(vec![Payload::Text("e".to_owned()), values]);
    let expected = format!("2 {} - {}", ours::hex(b"/ns"), ours::plain(&event));
    Some((json!(["payload", payload]), expected))
}

fn socketio(
    generator: &mut Generator,
    reference: &mut Reference,
    met: &mut Met,
) -> Result<(), Fault> {
    let inputs: Vec<Vec<Sent>> = (0..BATCH).map(|_| generator.messages()).collect();
    let questions: Vec<Value> = inputs.iter().map(|messages| question(messages)).collect();
    let mut back = Vec::new();
    for (messages, answer) in inputs.iter().zip(reference.ask(&questions)) {
        let values = compare(messages, &answer, met)
            .map_err(|Fault(fault)| Fault(format!("{messages:?}\n{fault}")))?;
        back.extend(values.and_then(written));
    }
    let questions: Vec<Value> = back.iter().map(|(question, _)| question.clone()).collect();
    for ((question, expected), answer) in back.iter().zip(reference.ask(&questions)) {
        let forged =
            answer["odd"] == true || question.to_string().contains("_placeholder\\\":\\\"");
        if texts(&answer["packets"]) != [expected.as_str()] && !forged {
            return Err(Fault(format!(
                "what Parlance wrote: {question}\nexpected {expected}\nofficial {answer}"
            )));
        }
    }
    Ok(())
}

fn engineio(
    generator: &mut Generator,
    reference: &mut Reference,
    met: &mut Met,
) -> Result<(), Fault> {
    let inputs: Vec<String> = (0..BATCH).map(|_| generator.payload()).collect();
    let questions: Vec<Value> = inputs
        .iter()
        .map(|text| json!(["engineio", text]))
        .collect();
    for (text, answer) in inputs.iter().zip(reference.ask(&questions)) {
        let (packets, refused) = ours::read_payload(text);
        let fault = |what: &str| {
            Err(Fault(format!(
                "{what}: {text:?}\nours {packets:?} {refused:?}\nofficial {answer}"
            )))
        };
        let official = texts(&answer["packets"]);
        let both = packets.len().min(official.len());
        let shown: Vec<&String> = packets.iter().map(|(shown, _)| shown).collect();
        if !shown
            .iter()
            .zip(&official)
            .all(|(ours, official)| *ours == official)
        {
            return fault("other packets");
        }
        let official_refused = official.last().is_some_and(|last| last == "error");
        match refused {
            None if official_refused || official.len() != packets.len() => {
                return fault("taken, and refused by the official parser");
            }
            Some(error) if official.get(both).is_none_or(|packet| packet != "error") => {
                let record = text.split('\u{1e}').nth(both).unwrap_or_default();
                match divergences::payload_refusal(record, &error) {
                    Some(reason) => *met.entry(reason).or_default() += 1,
                    None => return fault("refused, and not by the official parser"),
                }
            }
            _ => {}
        }
        let encoded = answer["encoded"].as_array().expect("a list");
        let same = |((shown, ours), official): (&(String, String), &Value)| {
            !shown.starts_with("message") || official == ours
        };
        if !packets.iter().zip(encoded).all(same) {
            return fault("written in another way");
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let number = |text: Option<String>| text.map(|text| text.parse::<u64>().expect("a number"));
    let seconds = number(arguments.next()).unwrap_or(60);
    let seed = number(arguments.next()).unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(1, |time| time.as_millis() as u64)
    });
    println!("seed {seed}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut generator = Generator::new(seed, &root.join("fuzz/seeds"));
    let mut reference = Reference::start(&root.join("tests"));
    let (mut met, begun, mut inputs) = (Met::new(), Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(seconds) {
        let round = match inputs / BATCH % 4 {
            3 => frames::websocket(&mut generator, &mut reference, &mut met),
            2 => engineio(&mut generator, &mut reference, &mut met),
            _ => socketio(&mut generator, &mut reference, &mut met),
        };
        if let Err(Fault(fault)) = round {
            println!("FAULT\n{fault}");
            return ExitCode::FAILURE;
        }
        inputs += BATCH;
    }
    println!("{inputs} inputs without a fault; of the known differences:");
    for (reason, times) in met {
        println!("{times:>8}  {reason}");
    }
    ExitCode::SUCCESS
}
