//! Who the client is, when a proxy stands before the server.
//!
//! A header of a request is the client's own word, unless the peer is a proxy that is trusted to
//! have written it. Addresses are read from the right, where the nearest proxy has put what it
//! saw, up to the first that is no trusted proxy itself.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use http::HeaderMap;
use http::header::FORWARDED;

/// What proxies add; in the order in which it is believed.
const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Headers that show that a request has come through a proxy, trusted or not.
const TRACES: [&str; 5] = [
    FORWARDED_FOR,
    "forwarded",
    "via",
    "x-real-ip",
    "x-forwarded-host",
];

/// The networks of the proxies whose word is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

/// An address, or all that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl TrustedProxies {
    /// Reads addresses and networks (`10.0.0.0/8`, `::1`), separated by commas; none in an empty
    /// text.
    ///
    /// # Errors
    /// The part that is neither, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let read = parts.map(|part| {
            Network::parse(part).ok_or_else(|| {
                format!("`{part}` is neither an address nor a network such as 10.0.0.0/8")
            })
        });
        read.collect::<Result<_, _>>().map(Self)
    }

    /// Whether this peer is one of them.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(peer))
    }

    /// The address of the client of a request that `peer` has sent.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        for hop in hops(headers).into_iter().rev() {
            if !self.trusts(client) {
                break;
            }
            // What is no address ends what can be believed.
            let Some(hop) = hop else { break };
            client = hop;
        }
        client
    }

    /// Whether a trusted proxy says that the client came by https.
    pub fn is_secure(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        let said = headers
            .get(FORWARDED_PROTO)
            .and_then(|value| value.to_str().ok());
        let nearest = said.and_then(|said| said.rsplit(',').next());
        self.trusts(peer) && nearest.is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"))
    }
}

/// Whether a request bears the traces of a proxy.
pub fn came_by_proxy(headers: &HeaderMap) -> bool {
    TRACES.iter().any(|name| headers.contains_key(*name))
}

/// The addresses of the way, the client's own word first. `None`: what is no address.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = |name: &str| -> Vec<String> {
        let values = headers.get_all(name).iter();
        let texts = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        texts
            .flat_map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>())
            .collect()
    };
    let found = lines(FORWARDED_FOR);
    if !found.is_empty() {
        return found.iter().map(|hop| address(hop)).collect();
    }
    let found = lines(FORWARDED.as_str());
    found.iter().map(|element| forwarded_for(element)).collect()
}

/// The parameter `for` of one element (RFC 7239, section 4).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let parameters = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut named = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    address(named.next()?.1.trim().trim_matches('"'))
}

/// An address with or without a port; one of IPv6 may stand in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.parse::<IpAddr>().ok();
    let bracketed = || text.strip_prefix('[')?.split_once(']')?.0.parse().ok();
    let with_port = || {
        text.parse::<std::net::SocketAddr>()
            .ok()
            .map(|address| address.ip())
    };
    let found = bare().or_else(bracketed).or_else(with_port);
    found.map(|address: IpAddr| address.to_canonical())
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    fn contains(self, other: IpAddr) -> bool {
        let prefix =
            |bytes: u128, width: u8| bytes.checked_shr(u32::from(width - self.bits)).unwrap_or(0);
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let wide = |address: std::net::Ipv4Addr| u128::from(u32::from(address));
                prefix(wide(own), 32) == prefix(wide(other), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                prefix(own.into(), 128) == prefix(other.into(), 128)
            }
            _ => false,
        }
    }
}

/// What counts as one address: all of IPv4, and the /64 of IPv6, which one customer has whole.
pub(super) fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) >> 64 << 64).into(),
        v4 => v4,
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(none)");
        }
        for (index, network) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { "," };
            write!(f, "{between}{}/{}", network.address, network.bits)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn client(trusted: &str, peer: &str, headers: &[(&'static str, &str)]) -> IpAddr {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a value"));
        }
        let trusted = TrustedProxies::parse(trusted).expect("networks");
        trusted.client(ip(peer), &map)
    }

    #[test]
    fn nobody_s_word_is_believed_unless_they_are_trusted() {
        let lie = [("x-forwarded-for", "10.9.9.9")];
        assert_eq!(client("", "203.0.113.7", &lie), ip("203.0.113.7"));
        assert_eq!(client("10.0.0.0/8", "203.0.113.7", &lie), ip("203.0.113.7"));
    }

    #[test]
    fn the_first_from_the_right_that_is_no_proxy_is_the_client() {
        let way = [
            ("x-forwarded-for", "1.1.1.1, 203.0.113.7"),
            ("x-forwarded-for", "10.0.0.2"),
        ];
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &way), ip("203.0.113.7"));
        let all_proxies = [("x-forwarded-for", "10.0.0.3, 10.0.0.2")];
        assert_eq!(
            client("10.0.0.0/8", "10.0.0.1", &all_proxies),
            ip("10.0.0.3")
        );
    }

    #[test]
    fn what_is_no_address_is_not_looked_behind() {
        let way = [("x-forwarded-for", "203.0.113.7, unknown, 10.0.0.2")];
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &way), ip("10.0.0.2"));
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &[]), ip("10.0.0.1"));
    }

    #[test]
    fn the_standard_header_is_read_where_the_other_is_missing() {
        let way = [(
            "forwarded",
            "for=\"[2001:db8::7]:4711\";proto=https, For=10.0.0.2:80",
        )];
        assert_eq!(client("10.0.0.0/8", "10.0.0.1", &way), ip("2001:db8::7"));
    }

    #[test]
    fn a_proxy_of_a_dual_stack_port_is_known_by_its_ipv4_address() {
        let way = [("x-forwarded-for", "203.0.113.7")];
        assert_eq!(
            client("127.0.0.1", "::ffff:127.0.0.1", &way),
            ip("203.0.113.7")
        );
    }

    #[test]
    fn networks_are_read_and_written_back() {
        let trusted = TrustedProxies::parse(" 10.0.0.0/8 , ::1").expect("networks");
        assert_eq!(trusted.to_string(), "10.0.0.0/8,::1/128");
        assert!(
            TrustedProxies::parse("0.0.0.0/0")
                .expect("all")
                .trusts(ip("8.8.8.8"))
        );
        for wrong in ["10.0.0.0/33", "::/129", "proxy", "10.0.0.0/x"] {
            TrustedProxies::parse(wrong).expect_err(wrong);
        }
    }

    #[test]
    fn https_is_believed_of_trusted_proxies_alone() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-proto", "https".parse().expect("a value"));
        let trusted = TrustedProxies::parse("10.0.0.1").expect("an address");
        assert!(trusted.is_secure(ip("10.0.0.1"), &headers));
        assert!(!trusted.is_secure(ip("10.0.0.2"), &headers));
    }

    #[test]
    fn a_customer_s_whole_network_counts_as_one() {
        assert_eq!(counted(ip("2001:db8::1:2")), counted(ip("2001:db8::ffff")));
        assert_ne!(counted(ip("2001:db8:0:1::1")), counted(ip("2001:db8::1")));
        assert_eq!(counted(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
    }
}
