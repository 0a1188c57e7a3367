//! What people do.

use super::chance::Chance;

/// Which way a request goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way {
    Rest,
    Socket,
}

/// One thing that somebody does, with numbers that pick what it is about.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Send {
        chat: usize,
        way: Way,
        long: bool,
        name: Option<usize>,
        reply: Option<usize>,
    },
    Edit {
        chat: usize,
        way: Way,
        message: usize,
    },
    Delete {
        chat: usize,
        way: Way,
        message: usize,
    },
    React {
        chat: usize,
        way: Way,
        message: usize,
        emoji: usize,
        wanted: bool,
    },
    Read {
        chat: usize,
        way: Way,
        back: usize,
    },
    Delivered {
        chat: usize,
        back: usize,
    },
    Type {
        chat: usize,
    },
    Rename {
        chat: usize,
    },
    Add {
        chat: usize,
        person: usize,
    },
    Remove {
        chat: usize,
        person: usize,
    },
    Leave {
        chat: usize,
    },
    SetRole {
        chat: usize,
        person: usize,
        role: usize,
    },
    /// Into the live room, and out of it.
    Join {
        chat: usize,
    },
    Part {
        chat: usize,
    },
    Sync,
    /// Reads what has come.
    Listen,
    /// The connection breaks, and comes back later.
    Drop,
    Connect,
}

/// What one device does in a round: mostly nothing, so that it lags.
pub(super) fn choose(chance: &mut Chance) -> Vec<Act> {
    let count = [0, 0, 1, 1, 2, 4][chance.below(6)];
    (0..count).map(|_| one(chance)).collect()
}

/// What one device does in a round in which others write: it comes, goes, breaks off and lags.
pub(super) fn come_and_go(chance: &mut Chance) -> Vec<Act> {
    let chat = chance.below(3);
    match chance.below(10) {
        0..=2 => Vec::new(),
        3 => vec![Act::Listen],
        4..=6 => vec![Act::Connect, Act::Join { chat }, Act::Listen],
        7 => vec![Act::Sync, Act::Part { chat }],
        8 => vec![Act::Drop],
        _ => vec![Act::Drop, Act::Connect, Act::Join { chat }],
    }
}

/// A message as it comes, one way or the other.
pub(super) fn write(chance: &mut Chance) -> Act {
    Act::Send {
        chat: chance.below(3),
        way: way(chance),
        long: chance.one_in(3),
        name: None,
        reply: None,
    }
}

fn way(chance: &mut Chance) -> Way {
    match chance.one_in(2) {
        true => Way::Rest,
        false => Way::Socket,
    }
}

fn one(chance: &mut Chance) -> Act {
    let chat = chance.below(3);
    let way = way(chance);
    let (message, person) = (chance.below(1000), chance.below(4));
    match chance.below(40) {
        0..=11 => Act::Send {
            chat,
            way,
            long: chance.one_in(3),
            name: chance.one_in(2).then(|| chance.below(30)),
            reply: chance.one_in(4).then_some(message),
        },
        12..=13 => Act::Edit { chat, way, message },
        14..=15 => Act::Delete { chat, way, message },
        16..=18 => Act::React {
            chat,
            way,
            message,
            emoji: chance.below(3),
            wanted: !chance.one_in(3),
        },
        19..=20 => Act::Read {
            chat,
            way,
            back: chance.below(6),
        },
        21 => Act::Delivered {
            chat,
            back: chance.below(6),
        },
        22 => Act::Type { chat },
        23 => Act::Rename { chat },
        24..=25 => Act::Add { chat, person },
        26 => Act::Remove { chat, person },
        27 => Act::Leave { chat },
        28 => Act::SetRole {
            chat,
            person,
            role: chance.below(3),
        },
        29..=30 => Act::Join { chat },
        31 => Act::Part { chat },
        32 => Act::Sync,
        33..=35 => Act::Listen,
        36 => Act::Drop,
        _ => Act::Connect,
    }
}
