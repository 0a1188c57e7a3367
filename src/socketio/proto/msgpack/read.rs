//! MessagePack as a sequence of tokens, and the pass that every message goes through before
//! anything is made of it.

use super::super::json::{MAX_DEPTH, PRIVATE_KEY};

/// Why bytes are not an acceptable packet. The sender is to blame; its connection closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MsgpackError {
    /// It ends inside a value, or says that it has more elements than it has bytes.
    #[error("the message ends inside a value")]
    Truncated,
    /// Something stands after the packet.
    #[error("{bytes} bytes after the packet")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// The one byte that begins no value.
    #[error("no value begins with the byte at {at}")]
    NoValue {
        /// Its offset.
        at: usize,
    },
    /// A text that is not UTF-8.
    #[error("a text at byte {at} is not UTF-8")]
    NotUtf8 {
        /// Where it begins.
        at: usize,
    },
    /// Nested deeper than what any part of the server would follow.
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A key of a map that is neither a text nor a whole number.
    #[error("a key at byte {at} is neither a text nor a whole number")]
    Key {
        /// Its offset.
        at: usize,
    },
    /// A key that `serde_json` takes for one of its own.
    #[error("a key of the JSON library's own")]
    PrivateKey,
    /// The message is not a map.
    #[error("a packet is a map")]
    NotAPacket,
    /// A field of the packet is missing, or is nothing that stands there.
    #[error("the packet's field {name:?} is missing or wrong")]
    Field {
        /// Its name.
        name: &'static str,
    },
}

/// What stands at one place. Containers are followed by their elements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Token<'a> {
    Nil,
    /// `undefined`: an extension of type 0 and one byte.
    Undefined,
    Bool(bool),
    Unsigned(u64),
    /// Below zero.
    Signed(i64),
    Float(f64),
    Text(&'a str),
    /// A `Buffer`, or an `ArrayBuffer` in an extension of type 0.
    Bytes(&'a [u8]),
    /// A `Date`: milliseconds since 1970, in an extension of type 0 and eight bytes.
    Date(i64),
    /// Any other extension.
    Extension(i8, &'a [u8]),
    Array(u32),
    Map(u32),
}

/// Reads tokens from bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Offset of what comes next.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes on at an offset where this message was read before.
    pub(super) fn move_to(&mut self, at: usize) {
        self.at = at;
    }

    /// Bytes that were not read.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    #[expect(clippy::indexing_slicing, reason = "the place never passes the end")]
    fn take(&mut self, count: usize) -> Result<&'a [u8], MsgpackError> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..count).ok_or(MsgpackError::Truncated)?;
        self.at += count;
        Ok(taken)
    }

    #[expect(clippy::indexing_slicing, reason = "the place never passes the end")]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], MsgpackError> {
        let (taken, _) = self.bytes[self.at..]
            .split_first_chunk()
            .ok_or(MsgpackError::Truncated)?;
        self.at += N;
        Ok(*taken)
    }

    /// An unsigned number of 1, 2, 4 or 8 bytes, for the marker that is `n` after the first of its
    /// kind.
    fn number(&mut self, n: u8) -> Result<u64, MsgpackError> {
        Ok(match n {
            0 => u64::from(u8::from_be_bytes(self.array()?)),
            1 => u64::from(u16::from_be_bytes(self.array()?)),
            2 => u64::from(u32::from_be_bytes(self.array()?)),
            _ => u64::from_be_bytes(self.array()?),
        })
    }

    fn length(&mut self, n: u8) -> Result<usize, MsgpackError> {
        let length = self.number(n)?;
        usize::try_from(length).map_err(|_| MsgpackError::Truncated)
    }

    fn count(&mut self, n: u8) -> Result<u32, MsgpackError> {
        u32::try_from(self.number(n)?).map_err(|_| MsgpackError::Truncated)
    }

    fn signed(&mut self, n: u8) -> Result<Token<'a>, MsgpackError> {
        let number = match n {
            0 => i64::from(i8::from_be_bytes(self.array()?)),
            1 => i64::from(i16::from_be_bytes(self.array()?)),
            2 => i64::from(i32::from_be_bytes(self.array()?)),
            _ => i64::from_be_bytes(self.array()?),
        };
        Ok(u64::try_from(number).map_or(Token::Signed(number), Token::Unsigned))
    }

    fn text(&mut self, length: usize) -> Result<Token<'a>, MsgpackError> {
        let at = self.at;
        let text = std::str::from_utf8(self.take(length)?);
        text.map(Token::Text)
            .map_err(|_| MsgpackError::NotUtf8 { at })
    }

    fn extension(&mut self, length: usize) -> Result<Token<'a>, MsgpackError> {
        let [kind] = self.array()?;
        let data = self.take(length)?;
        Ok(match i8::from_be_bytes([kind]) {
            0 => Token::Bytes(data),
            kind => Token::Extension(kind, data),
        })
    }

    fn fixed_extension(&mut self, length: usize) -> Result<Token<'a>, MsgpackError> {
        let [kind] = self.array()?;
        let data = self.take(length)?;
        Ok(match (kind, data) {
            (0, [_]) => Token::Undefined,
            (0, &[a, b, c, d, e, f, g, h]) => {
                Token::Date(i64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
            _ => Token::Extension(i8::from_be_bytes([kind]), data),
        })
    }

    /// What stands here.
    ///
    /// # Errors
    /// Nothing whole does.
    pub(super) fn token(&mut self) -> Result<Token<'a>, MsgpackError> {
        let at = self.at;
        let [marker] = self.array()?;
        Ok(match marker {
            0x00..=0x7f => Token::Unsigned(marker.into()),
            0x80..=0x8f => Token::Map((marker & 0x0f).into()),
            0x90..=0x9f => Token::Array((marker & 0x0f).into()),
            0xa0..=0xbf => self.text((marker & 0x1f).into())?,
            0xc0 => Token::Nil,
            0xc1 => return Err(MsgpackError::NoValue { at }),
            0xc2 | 0xc3 => Token::Bool(marker == 0xc3),
            0xc4..=0xc6 => {
                let length = self.length(marker - 0xc4)?;
                Token::Bytes(self.take(length)?)
            }
            0xc7..=0xc9 => {
                let length = self.length(marker - 0xc7)?;
                self.extension(length)?
            }
            0xca => Token::Float(f32::from_be_bytes(self.array()?).into()),
            0xcb => Token::Float(f64::from_be_bytes(self.array()?)),
            0xcc..=0xcf => Token::Unsigned(self.number(marker - 0xcc)?),
            0xd0..=0xd3 => self.signed(marker - 0xd0)?,
            0xd4..=0xd8 => self.fixed_extension(1 << (marker - 0xd4))?,
            0xd9..=0xdb => {
                let length = self.length(marker - 0xd9)?;
                self.text(length)?
            }
            0xdc | 0xdd => Token::Array(self.count(marker - 0xdc + 1)?),
            0xde | 0xdf => Token::Map(self.count(marker - 0xde + 1)?),
            0xe0..=0xff => Token::Signed(i8::from_be_bytes([marker]).into()),
        })
    }

    /// What stands here, which stays to be read.
    pub(super) fn peek(&self) -> Result<Token<'a>, MsgpackError> {
        let mut ahead = *self;
        ahead.token()
    }

    /// Reads a whole value that may be nested `depth` levels deep, and says whether there are bytes
    /// in it. Nothing is allocated, and the time is that of the bytes there are.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(super) fn skip(&mut self, depth: u32) -> Result<bool, MsgpackError> {
        match self.token()? {
            Token::Bytes(_) => Ok(true),
            Token::Array(count) => self.skip_elements(count, depth, |_| Ok(())),
            Token::Map(count) => self.skip_elements(count, depth, Self::skip_key),
            _ => Ok(false),
        }
    }

    fn skip_elements(
        &mut self,
        count: u32,
        depth: u32,
        before: impl Fn(&mut Self) -> Result<(), MsgpackError>,
    ) -> Result<bool, MsgpackError> {
        let depth = depth.checked_sub(1).ok_or(MsgpackError::TooDeep)?;
        let mut has_bytes = false;
        for _ in 0..count {
            before(self)?;
            has_bytes |= self.skip(depth)?;
        }
        Ok(has_bytes)
    }

    fn skip_key(&mut self) -> Result<(), MsgpackError> {
        let at = self.at;
        match self.token()? {
            Token::Text(key) if key.starts_with(PRIVATE_KEY) => Err(MsgpackError::PrivateKey),
            Token::Text(_) | Token::Unsigned(_) | Token::Signed(_) => Ok(()),
            _ => Err(MsgpackError::Key { at }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scan(bytes: &[u8]) -> Result<bool, MsgpackError> {
        Reader::new(bytes).skip(MAX_DEPTH)
    }

    #[test]
    fn every_marker_reads_as_the_specification_says() {
        for (bytes, token) in [
            (&[0x7f][..], Token::Unsigned(127)),
            (&[0xcc, 200], Token::Unsigned(200)),
            (&[0xcd, 1, 0], Token::Unsigned(256)),
            (&[0xce, 0, 1, 0, 0], Token::Unsigned(65_536)),
            (&[0xcf, 0, 0, 0, 1, 0, 0, 0, 0], Token::Unsigned(1 << 32)),
            (&[0xe0], Token::Signed(-32)),
            (&[0xd0, 0x80], Token::Signed(-128)),
            (&[0xd1, 0x80, 0], Token::Signed(-32_768)),
            (&[0xd2, 0x80, 0, 0, 0], Token::Signed(i32::MIN.into())),
            (&[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], Token::Signed(i64::MIN)),
            (&[0xd0, 5], Token::Unsigned(5)),
            (&[0xca, 0x3f, 0xc0, 0, 0], Token::Float(1.5)),
            (&[0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], Token::Float(1.5)),
            (&[0xa2, b'h', b'i'], Token::Text("hi")),
            (&[0xd9, 2, b'h', b'i'], Token::Text("hi")),
            (&[0xda, 0, 1, b'h'], Token::Text("h")),
            (&[0xdb, 0, 0, 0, 1, b'h'], Token::Text("h")),
            (&[0xc4, 1, 7], Token::Bytes(&[7])),
            (&[0xc5, 0, 1, 7], Token::Bytes(&[7])),
            (&[0xc6, 0, 0, 0, 1, 7], Token::Bytes(&[7])),
            (&[0xc7, 1, 0, 7], Token::Bytes(&[7])),
            (&[0xc8, 0, 1, 0, 7], Token::Bytes(&[7])),
            (&[0xc9, 0, 0, 0, 1, 0, 7], Token::Bytes(&[7])),
            (&[0xc7, 1, 9, 7], Token::Extension(9, &[7])),
            (&[0xd4, 0, 0], Token::Undefined),
            (&[0xd4, 0xff, 7], Token::Extension(-1, &[7])),
            (&[0xd7, 0, 0, 0, 0, 0, 0, 0, 0, 5], Token::Date(5)),
            (&[0xd5, 0, 7, 8], Token::Extension(0, &[7, 8])),
            (&[0xdc, 1, 0], Token::Array(256)),
            (&[0xdf, 0, 0, 0, 2], Token::Map(2)),
        ] {
            let mut reader = Reader::new(bytes);
            assert_eq!(reader.token(), Ok(token), "{bytes:x?}");
            assert_eq!(reader.left(), 0, "{bytes:x?}");
            for cut in 0..bytes.len() {
                assert_eq!(
                    Reader::new(&bytes[..cut]).token(),
                    Err(MsgpackError::Truncated)
                );
            }
        }
        assert_eq!(scan(&[0x91, 0xc1]), Err(MsgpackError::NoValue { at: 1 }));
    }

    #[test]
    fn a_count_is_believed_only_as_far_as_there_are_bytes() {
        for claim in [0xdd, 0xdf, 0xdb, 0xc6, 0xc9] {
            let bytes = [claim, 0xff, 0xff, 0xff, 0xff, 0];
            assert_eq!(scan(&bytes), Err(MsgpackError::Truncated), "{claim:x}");
        }
    }

    #[test]
    fn nesting_beyond_the_depth_of_json_is_refused() {
        let nested = |levels: u32| {
            let mut bytes = vec![0x91; levels as usize];
            bytes.push(0xc0);
            scan(&bytes)
        };
        assert_eq!(nested(MAX_DEPTH), Ok(false));
        assert_eq!(nested(MAX_DEPTH + 1), Err(MsgpackError::TooDeep));
        assert_eq!(nested(1_000_000), Err(MsgpackError::TooDeep));
    }

    #[test]
    fn texts_are_utf8_and_keys_are_texts_or_whole_numbers() {
        assert_eq!(scan(&[0xa1, 0xff]), Err(MsgpackError::NotUtf8 { at: 1 }));
        assert_eq!(scan(&[0x81, 0xff, 0xc0]), Ok(false));
        for key in [0xc0, 0xc3, 0x90, 0x80] {
            assert_eq!(
                scan(&[0x81, key, 0xc0]),
                Err(MsgpackError::Key { at: 1 }),
                "{key:x}"
            );
        }
        let mut private = vec![0x81, 0xd9, 30];
        private.extend_from_slice(b"$serde_json::private::RawValue");
        private.push(0xa0);
        assert_eq!(scan(&private), Err(MsgpackError::PrivateKey));
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = scan(&bytes);
        }
    }
}
