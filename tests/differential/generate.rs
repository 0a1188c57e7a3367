//! Inputs: some by the grammar, some nearly so, some from the seeds of the fuzz targets.

use std::fs;
use std::path::Path;

/// Numbers that a seed decides (xorshift64*).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end.max(1)
    }

    pub(crate) fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// What stands in packets, and what nearly does.
const PIECES: [&str; 44] = [
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "-",
    "/",
    ",",
    "[",
    "]",
    "{",
    "}",
    "\"",
    ":",
    "\\",
    "/ns,",
    "\"a\"",
    "1e0",
    "0x1",
    " ",
    "+",
    "\u{a0}",
    "\u{feff}",
    "\u{1e}",
    "b",
    "AQ==",
    "null",
    "true",
    "-0",
    "1e999",
    "0.5",
    "\\ud83d",
    "\\ude00",
    "é",
    "😀",
    "_placeholder",
    "num",
    "\"connect\"",
    "9007199254740993",
    "\u{0}",
    "\n",
];

/// The inputs that are known, and chance.
pub(crate) struct Generator {
    pub(crate) chance: Chance,
    packets: Vec<String>,
    payloads: Vec<String>,
}

/// One message of a Socket.IO connection.
#[derive(Debug, Clone)]
pub(crate) enum Sent {
    Text(String),
    Binary(Vec<u8>),
}

impl Generator {
    pub(crate) fn new(seed: u64, seeds: &Path) -> Self {
        Self {
            chance: Chance::new(seed),
            packets: ["sio_packet", "sio_connection", "sio_json"]
                .iter()
                .flat_map(|target| read(&seeds.join(target)))
                .collect(),
            payloads: ["eio_packet", "eio_payload"]
                .iter()
                .flat_map(|target| read(&seeds.join(target)))
                .collect(),
        }
    }

    /// A packet and what follows it.
    pub(crate) fn messages(&mut self) -> Vec<Sent> {
        let text = match self.chance.below(4) {
            0 => self.known_packet(),
            _ => self.packet(),
        };
        let text = self.mutated(text, 3);
        let mut messages = vec![Sent::Text(text)];
        for _ in 0..self.chance.below(4) {
            messages.push(match self.chance.one_in(8) {
                true => Sent::Text(self.packet()),
                false => Sent::Binary(self.bytes()),
            });
        }
        messages
    }

    /// A polling payload.
    pub(crate) fn payload(&mut self) -> String {
        if self.chance.one_in(3) {
            let known = self.chance.below(self.payloads.len());
            let known = self.payloads[known].clone();
            return self.mutated(known, 2);
        }
        let mut records = Vec::new();
        for _ in 0..=self.chance.below(4) {
            let record = match self.chance.below(8) {
                0 => format!(
                    "b{}",
                    self.chance
                        .pick(&["", "AQ==", "AQ", "AQIDBA==", "!!", "AQI-"])
                ),
                kind => format!("{}{}", kind - 1, self.text()),
            };
            records.push(record);
        }
        let payload = records.join("\u{1e}");
        self.mutated(payload, 4)
    }

    fn known_packet(&mut self) -> String {
        let known = self.chance.below(self.packets.len());
        self.packets[known].clone()
    }

    /// Changes it a little, once in `rarely`.
    fn mutated(&mut self, text: String, rarely: usize) -> String {
        if !self.chance.one_in(rarely) {
            return text;
        }
        let mut characters: Vec<char> = text.chars().collect();
        for _ in 0..=self.chance.below(3) {
            let at = self.chance.below(characters.len() + 1);
            match self.chance.below(3) {
                0 => drop(characters.splice(at..(at + 1).min(characters.len()), [])),
                1 => drop(characters.splice(at..at, self.chance.pick(&PIECES).chars())),
                _ => {
                    let to = (at + self.chance.below(8)).min(characters.len());
                    let again: Vec<char> = characters[at..to].to_vec();
                    characters.splice(at..at, again);
                }
            }
        }
        characters.into_iter().collect()
    }

    fn packet(&mut self) -> String {
        let kind = self.chance.below(7);
        let count = match (kind, self.chance.below(6)) {
            (5 | 6, 0) => format!(
                "{}-",
                self.chance
                    .pick(&["", "0", "10", "11", "1e0", " 1", "+1", "01", "00001", "1.0"])
            ),
            (5 | 6, _) => format!("{}-", 1 + self.chance.below(3)),
            _ => String::new(),
        };
        let namespace = self
            .chance
            .pick(&["", "", "/ns,", "/ns", "/,", "/a?x=1,", "/é,"]);
        let id = self.chance.pick(&[
            "",
            "",
            "7",
            "0",
            "9007199254740991",
            "9007199254740992",
            "007",
            "1 2",
        ]);
        let data = match kind {
            0 | 4 if self.chance.one_in(3) => String::new(),
            0 | 4 => self.object(0),
            1 => String::new(),
            2 | 5 => self.list(true),
            _ => self.list(false),
        };
        format!("{kind}{count}{namespace}{id}{data}")
    }

    fn list(&mut self, named: bool) -> String {
        let mut items = Vec::new();
        if named {
            let names = [
                "\"a\"",
                "\"message\"",
                "12",
                "1.5e3",
                "\"connect\"",
                "\"error\"",
                "null",
                "\"conn\\u0065ct\"",
                "\"\\ud800\"",
            ];
            items.push(self.chance.pick(&names).to_owned());
        }
        for _ in 0..self.chance.below(4) {
            items.push(self.value(0));
        }
        format!("[{}]", items.join(","))
    }

    fn object(&mut self, depth: usize) -> String {
        let mut entries = Vec::new();
        for place in 0..self.chance.below(4) {
            let key = self.chance.pick(&[
                "a",
                "__proto__",
                "constructor",
                "é",
                "1",
                "num",
                "_placeholder",
                "\\u0061",
            ]);
            // Keys that V8 would sort, and repeated ones, are rare.
            let key = if self.chance.one_in(6) {
                key.to_owned()
            } else {
                format!("k{place}")
            };
            entries.push(format!("\"{key}\":{}", self.value(depth + 1)));
        }
        format!("{{{}}}", entries.join(","))
    }

    fn value(&mut self, depth: usize) -> String {
        match self.chance.below(if depth > 4 { 4 } else { 8 }) {
            0 => self.number(),
            1 => format!("\"{}\"", self.escaped()),
            2 => self.chance.pick(&["null", "true", "false"]).to_owned(),
            3 => format!(
                r#"{{"_placeholder":true,"num":{}}}"#,
                self.chance.pick(&[
                    "0",
                    "0",
                    "1",
                    "2",
                    "0.5",
                    "-0",
                    "1.0",
                    "9",
                    "null",
                    "\"splice\""
                ])
            ),
            4 | 5 => self.object(depth),
            _ => {
                let items: Vec<String> = (0..self.chance.below(3))
                    .map(|_| self.value(depth + 1))
                    .collect();
                format!("[{}]", items.join(" , "))
            }
        }
    }

    fn number(&mut self) -> String {
        match self.chance.below(8) {
            0 => self
                .chance
                .pick(&[
                    "-0",
                    "0",
                    "1e999",
                    "1e-999",
                    "1E400",
                    "1e308",
                    "18446744073709551617",
                    "-9223372036854775809",
                    "0.1",
                    "5e-324",
                ])
                .to_owned(),
            1 => f64::from_bits(self.chance.next())
                .to_string()
                .replace("NaN", "1")
                .replace("inf", "2"),
            2 => format!("{:e}", f64::from_bits(self.chance.next() >> 1))
                .replace("NaN", "1")
                .replace("inf", "2"),
            3 => format!("{}.{}", self.chance.below(1000), self.chance.next()),
            4 => self.chance.next().to_string(),
            _ => (self.chance.below(2000) as i64 - 1000).to_string(),
        }
    }

    fn text(&mut self) -> String {
        (0..self.chance.below(5))
            .map(|_| {
                self.chance
                    .pick(&["a", "probe", "é", "😀", "\"", "\u{0}", "0", " "])
            })
            .collect()
    }

    fn escaped(&mut self) -> String {
        let pieces = [
            "a",
            "é",
            "😀",
            "\\n",
            "\\u0000",
            "\\ud83d",
            "\\ude00",
            "\\ud83d\\ude00",
            "\\\\",
            "\\/",
            " ",
            "\u{7f}",
            "\u{2028}",
        ];
        (0..self.chance.below(6))
            .map(|_| self.chance.pick(&pieces))
            .collect()
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.chance.below(6))
            .map(|_| self.chance.next() as u8)
            .collect()
    }
}

/// The seeds of a target that are texts.
fn read(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).expect("the seeds of the fuzz targets");
    let mut texts: Vec<String> = files
        .filter_map(|file| String::from_utf8(fs::read(file.ok()?.path()).ok()?).ok())
        .filter(|text| text.len() < 4096)
        .collect();
    texts.sort();
    texts
}
