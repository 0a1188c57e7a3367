//! The address to listen on.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The port when nothing says another.
const DEFAULT_PORT: u16 = 3000;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub host: Host,
    /// 0 picks a free one.
    pub port: u16,
}

/// The part before the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// Both loopback addresses, whatever the machine's host table says.
    Localhost,
    /// One address.
    Ip(IpAddr),
    /// A name, looked up when the server starts.
    Name(String),
}

impl Listen {
    /// The default, with a port of one's own where `port` gives one.
    pub(super) fn localhost(port: Option<u16>) -> Self {
        let port = port.unwrap_or(DEFAULT_PORT);
        Self {
            host: Host::Localhost,
            port,
        }
    }

    /// Reads `HOST:PORT`; an IPv6 address stands in brackets.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an address such as localhost:3000 or [::1]:3000");
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self {
                host: Host::Ip(address.ip()),
                port: address.port(),
            });
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if host.is_empty() || !host.chars().all(known) {
            return Err(wrong());
        }
        let host = match host {
            "localhost" => Host::Localhost,
            name => Host::Name(name.to_owned()),
        };
        Ok(Self {
            host,
            port: parse_port(port)?,
        })
    }

    /// The addresses to bind, the one to announce first.
    ///
    /// # Errors
    /// When the name cannot be looked up.
    pub async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let ips = match &self.host {
            Host::Localhost => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            Host::Ip(ip) => vec![*ip],
            Host::Name(name) => return look_up(name, self.port).await,
        };
        Ok(ips
            .into_iter()
            .map(|ip| SocketAddr::new(ip, self.port))
            .collect())
    }
}

async fn look_up(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host((name, port)).await;
    let found = found.map_err(|error| {
        let message = format!("cannot find the address of {name}: {error}");
        io::Error::new(error.kind(), message)
    })?;
    let mut found: Vec<_> = found.collect();
    found.dedup();
    Ok(found)
}

/// Reads a port.
pub(super) fn parse_port(text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a port between 0 and 65535"))
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Localhost => write!(f, "localhost:{}", self.port),
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_back() {
        for text in [
            "localhost:3000",
            "127.0.0.1:0",
            "[::1]:3000",
            "0.0.0.0:80",
            "chat.test:8080",
        ] {
            assert_eq!(Listen::parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_by_name() {
        for text in [
            "",
            "3000",
            "localhost",
            ":3000",
            "localhost:",
            "localhost:65536",
            "::1",
            "a b:1",
        ] {
            let message = Listen::parse(text).expect_err(text);
            assert!(message.contains('`'), "{message}");
        }
    }

    #[tokio::test]
    async fn localhost_means_both_families() {
        let addresses = Listen::localhost(Some(81))
            .addresses()
            .await
            .expect("loopback");
        assert_eq!(addresses[0].to_string(), "127.0.0.1:81");
        assert_eq!(addresses[1].to_string(), "[::1]:81");
    }
}
