//! Numbers, texts and headers, with the markers that `notepack.io` would choose.

pub(super) fn put_unsigned(out: &mut Vec<u8>, value: u64) {
    let bytes = value.to_be_bytes();
    match value {
        0..=0x7f => out.push(bytes[7]),
        0x80..=0xff => out.extend_from_slice(&[0xcc, bytes[7]]),
        0x100..=0xffff => put(out, 0xcd, &bytes[6..]),
        0x1_0000..=0xffff_ffff => put(out, 0xce, &bytes[4..]),
        _ => put(out, 0xcf, &bytes),
    }
}

pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    let bytes = value.to_be_bytes();
    match value {
        0.. => put_unsigned(out, value.unsigned_abs()),
        -0x20.. => out.push(bytes[7]),
        -0x80.. => put(out, 0xd0, &bytes[7..]),
        -0x8000.. => put(out, 0xd1, &bytes[6..]),
        -0x8000_0000.. => put(out, 0xd2, &bytes[4..]),
        _ => put(out, 0xd3, &bytes),
    }
}

pub(super) fn put(out: &mut Vec<u8>, marker: u8, bytes: &[u8]) {
    out.push(marker);
    out.extend_from_slice(bytes);
}

/// The markers of one kind: those that hold a small count themselves, and those before a count of
/// one, two and four bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    Map,
    Text,
    Bytes,
}

impl Kind {
    fn markers(self) -> (Option<(u8, usize)>, Option<u8>, u8, u8) {
        match self {
            Self::List => (Some((0x90, 0x0f)), None, 0xdc, 0xdd),
            Self::Map => (Some((0x80, 0x0f)), None, 0xde, 0xdf),
            Self::Text => (Some((0xa0, 0x1f)), Some(0xd9), 0xda, 0xdb),
            Self::Bytes => (None, Some(0xc4), 0xc5, 0xc6),
        }
    }
}

/// The header of a container or a text. Counts beyond 32 bits have no form; nothing of that length
/// gets through the engine.
pub(super) fn put_count(out: &mut Vec<u8>, kind: Kind, count: usize) {
    let (small, byte, two, four) = kind.markers();
    let bytes = (count as u64).to_be_bytes();
    match (small, byte) {
        (Some((marker, most)), _) if count <= most => out.push(marker | bytes[7]),
        (_, Some(marker)) if count <= 0xff => put(out, marker, &bytes[7..]),
        _ if count <= 0xffff => put(out, two, &bytes[6..]),
        _ => put(out, four, &bytes[4..]),
    }
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_count(out, Kind::Text, text.len());
    out.extend_from_slice(text.as_bytes());
}
