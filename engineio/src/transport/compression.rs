//! Compression of answers: which encoding a client takes, and its making, for the replies to polls
//! and for files.
//!
//! Only what the server sends is compressed. Bodies of requests never are inflated, and
//! WebSockets negotiate nothing: a small message that grows when it is read would pass every limit.

use std::io::{self, Write};

use bytes::Bytes;
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};
use http::{HeaderMap, HeaderValue, header};
use tokio::sync::OnceCell;

/// Payloads longer than this are compressed on the runtime's blocking threads: 64 KiB take about a
/// millisecond, in which other sessions would wait.
const INLINE_BYTES: usize = 64 * 1024;
/// Fast, and close to what slower ones reach on JSON.
const BROTLI_QUALITY: u32 = 4;
/// 2^18 bytes of window; a larger one costs memory with every reply.
const BROTLI_WINDOW: u32 = 18;
/// A weight of 1, in thousandths.
const FULL_WEIGHT: u16 = 1000;

/// A content coding (RFC 9110 section 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// gzip.
    Gzip,
    /// Deflate with the zlib wrapper.
    Deflate,
    /// Brotli.
    Br,
}

impl Encoding {
    /// In the order in which a `*` is answered.
    const ALL: [Self; 3] = [Self::Gzip, Self::Deflate, Self::Br];

    /// Its name in `Content-Encoding`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Br => "br",
        }
    }

    /// The encoding that a client likes best; `None` when it is none, or none of ours. Among equal
    /// weights the client's own order decides; a named encoding comes before those of a `*`.
    #[must_use]
    pub fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let items = accepted(headers);
        let identity = rank(&items, "identity", false);
        let ranked = Self::ALL
            .into_iter()
            .filter_map(|encoding| Some((rank(&items, encoding.name(), true)?, encoding)));
        // `min_by_key` gives the first of equal ones.
        let (best, encoding) = ranked.min_by_key(|(rank, _)| *rank)?;
        identity
            .is_none_or(|identity| best < identity)
            .then_some(encoding)
    }

    /// Compresses a body; on a blocking thread when it is long.
    ///
    /// # Errors
    /// The blocking thread was lost.
    pub async fn encode(self, body: Bytes) -> io::Result<Bytes> {
        if body.len() <= INLINE_BYTES {
            return self.compress(&body);
        }
        let compressed = tokio::task::spawn_blocking(move || self.compress(&body)).await;
        compressed.unwrap_or_else(|lost| Err(io::Error::other(lost)))
    }

    fn compress(self, body: &[u8]) -> io::Result<Bytes> {
        let out = Vec::with_capacity(body.len() / 2);
        let compressed = match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(out, Compression::default());
                encoder.write_all(body)?;
                encoder.finish()?
            }
            // HTTP's `deflate` has the zlib wrapper (RFC 9110 section 8.4.1.2).
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(out, Compression::default());
                encoder.write_all(body)?;
                encoder.finish()?
            }
            Self::Br => {
                let mut encoder =
                    brotli::CompressorWriter::new(out, 4096, BROTLI_QUALITY, BROTLI_WINDOW);
                encoder.write_all(body)?;
                encoder.into_inner()
            }
        };
        Ok(compressed.into())
    }
}

/// A body that never changes: it is compressed when an encoding is first asked for, once for each.
#[derive(Debug)]
pub struct FixedBody {
    plain: &'static [u8],
    compressed: [OnceCell<Bytes>; Encoding::ALL.len()],
}

impl FixedBody {
    /// Nothing is compressed yet.
    #[must_use]
    pub fn new(plain: &'static [u8]) -> Self {
        Self {
            plain,
            compressed: Default::default(),
        }
    }

    /// The body in an encoding; as it is, and `None`, where that is not shorter, or fails.
    pub async fn encoded(&self, encoding: Option<Encoding>) -> (Option<Encoding>, Bytes) {
        let plain = Bytes::from_static(self.plain);
        let made =
            encoding.and_then(|encoding| Some((encoding, self.compressed.get(encoding as usize)?)));
        let Some((encoding, made)) = made else {
            return (None, plain);
        };
        match made
            .get_or_try_init(|| encoding.encode(plain.clone()))
            .await
        {
            Ok(shorter) if shorter.len() < plain.len() => (Some(encoding), shorter.clone()),
            _ => (None, plain),
        }
    }
}

impl From<Encoding> for HeaderValue {
    fn from(encoding: Encoding) -> Self {
        Self::from_static(encoding.name())
    }
}

/// One item of `Accept-Encoding`: the name in lower case, and the weight in thousandths.
type Item = (String, u16);

fn accepted(headers: &HeaderMap) -> Vec<Item> {
    let values = headers
        .get_all(header::ACCEPT_ENCODING)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .filter_map(parse_item)
        .collect()
}

fn parse_item(item: &str) -> Option<Item> {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next()?.to_ascii_lowercase();
    let weight = parts.find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    let weight = match weight {
        None => FULL_WEIGHT,
        Some(text) => {
            let weight: f32 = text.parse().ok()?;
            (0.0..=1.0).contains(&weight).then_some(())?;
            (weight * f32::from(FULL_WEIGHT)) as u16
        }
    };
    Some((name, weight))
}

/// Where an encoding stands with the client, lower is better: by weight, then named before `*`,
/// then by its place. `None`: it is not taken.
fn rank(items: &[Item], name: &str, by_wildcard: bool) -> Option<(u16, bool, usize)> {
    let find = |name: &str| items.iter().position(|item| item.0 == name);
    let named = find(name);
    let place = named.or_else(|| by_wildcard.then(|| find("*")).flatten())?;
    let weight = items.get(place)?.1;
    (weight > 0).then_some((FULL_WEIGHT - weight, named.is_none(), place))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::{GzDecoder, ZlibDecoder};

    use super::*;

    fn negotiate(accept: &str) -> Option<Encoding> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, accept.parse().unwrap());
        Encoding::negotiate(&headers)
    }

    #[test]
    fn the_order_of_the_client_decides_among_equal_weights() {
        assert_eq!(negotiate("gzip, deflate, br"), Some(Encoding::Gzip));
        assert_eq!(negotiate("br, gzip"), Some(Encoding::Br));
        assert_eq!(negotiate("deflate,gzip;q=1.0"), Some(Encoding::Deflate));
        assert_eq!(negotiate("zstd, br, gzip"), Some(Encoding::Br));
    }

    #[test]
    fn a_higher_weight_comes_first() {
        assert_eq!(negotiate("gzip;q=0.5, br;q=0.8"), Some(Encoding::Br));
        assert_eq!(negotiate("GZIP ; Q=0.001"), Some(Encoding::Gzip));
        assert_eq!(negotiate("gzip;q=0, deflate"), Some(Encoding::Deflate));
    }

    #[test]
    fn a_wildcard_stands_for_what_is_not_named() {
        assert_eq!(negotiate("*"), Some(Encoding::Gzip));
        assert_eq!(negotiate("*, br"), Some(Encoding::Br), "a name is closer");
        assert_eq!(negotiate("gzip;q=0, *"), Some(Encoding::Deflate));
        assert_eq!(negotiate("*;q=0"), None);
    }

    #[test]
    fn who_prefers_plain_bytes_gets_them() {
        assert_eq!(negotiate("identity, gzip"), None);
        assert_eq!(negotiate("gzip;q=0.5, identity"), None);
        assert_eq!(negotiate("gzip, identity"), Some(Encoding::Gzip));
        assert_eq!(negotiate("gzip, *;q=0"), Some(Encoding::Gzip));
    }

    #[test]
    fn what_is_not_understood_is_not_used() {
        for accept in [
            "",
            ",",
            "zstd",
            "gzip;q=x",
            "gzip;q=2",
            "gzip;q=-1",
            "gzip;q=nan",
        ] {
            assert_eq!(negotiate(accept), None, "{accept}");
        }
        assert_eq!(Encoding::negotiate(&HeaderMap::new()), None);
    }

    #[test]
    fn several_headers_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT_ENCODING, "gzip;q=0.5".parse().unwrap());
        headers.append(header::ACCEPT_ENCODING, "br".parse().unwrap());
        assert_eq!(Encoding::negotiate(&headers), Some(Encoding::Br));
    }

    #[tokio::test]
    async fn a_fixed_body_is_compressed_once_and_never_made_longer() {
        let body = FixedBody::new(&[b'a'; 5000]);
        for encoding in Encoding::ALL {
            let (used, first) = body.encoded(Some(encoding)).await;
            let (_, second) = body.encoded(Some(encoding)).await;
            assert_eq!(used, Some(encoding));
            assert_eq!(
                first,
                encoding.encode(vec![b'a'; 5000].into()).await.unwrap()
            );
            assert_eq!(first.as_ptr(), second.as_ptr(), "{encoding:?}");
        }
        assert_eq!(body.encoded(None).await.1.len(), 5000);
        let short = FixedBody::new(b"{}").encoded(Some(Encoding::Gzip)).await;
        assert_eq!(short, (None, Bytes::from_static(b"{}")));
    }

    #[tokio::test]
    async fn every_encoding_gives_the_body_back() {
        for len in [0, 1, 5000, INLINE_BYTES + 1] {
            let body: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            for encoding in Encoding::ALL {
                let encoded = encoding.encode(body.clone().into()).await.unwrap();
                let mut decoded = Vec::new();
                match encoding {
                    Encoding::Gzip => GzDecoder::new(&encoded[..]).read_to_end(&mut decoded),
                    Encoding::Deflate => ZlibDecoder::new(&encoded[..]).read_to_end(&mut decoded),
                    Encoding::Br => {
                        brotli::Decompressor::new(&encoded[..], 4096).read_to_end(&mut decoded)
                    }
                }
                .unwrap();
                assert!(decoded == body, "{encoding:?} of {len} bytes");
            }
        }
    }
}
