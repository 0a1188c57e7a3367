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

fn one(chance: &mut Chance) -> Act {
    let chat = chance.below(3);
    let way = if chance.one_in(2) {
        Way::Rest
    } else {
        Way::Socket
    };
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
