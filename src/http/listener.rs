//! Opening the port.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted; the system caps it.
const BACKLOG: u32 = 4096;

/// How often a free port is looked for that is free in both address families.
const PORT_TRIES: u32 = 16;

/// Binds every address; with port 0 all of them get the same picked port.
/// A further address whose family the machine lacks is left out.
///
/// # Errors
/// What the system says, with the address that it says it about.
pub(super) fn bind_all(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut tries = 1;
    loop {
        match bind_once(addresses) {
            Err(error) if picks_port(addresses) && is_taken(&error) && tries < PORT_TRIES => {
                tries += 1;
            }
            result => return result,
        }
    }
}

fn bind_once(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::with_capacity(addresses.len());
    for &address in addresses {
        let mut address = address;
        if let Some(first) = listeners.first() {
            address.set_port(first.local_addr()?.port());
        }
        match bind(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) if !listeners.is_empty() && lacks_family(&error) => {
                tracing::warn!(%address, %error, "not listening on this address");
            }
            Err(error) => {
                let message = match hint(address, error.kind()) {
                    Some(hint) => format!("cannot listen on {address}: {hint} ({error})"),
                    None => format!("cannot listen on {address}: {error}"),
                };
                return Err(io::Error::new(error.kind(), message));
            }
        }
    }
    Ok(listeners)
}

/// What an operator can do about it.
fn hint(address: SocketAddr, kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::AddrInUse => Some("another program listens there"),
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            Some("a port below 1024 takes root, or the capability CAP_NET_BIND_SERVICE")
        }
        io::ErrorKind::AddrNotAvailable => Some("this machine does not have the address"),
        _ => None,
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restarted server must not wait for the connections of the last one to
    // be forgotten; on Windows the same option would let two servers share.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn picks_port(addresses: &[SocketAddr]) -> bool {
    addresses.first().is_some_and(|address| address.port() == 0)
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

/// EADDRNOTAVAIL, or EAFNOSUPPORT, for which the standard library has no kind.
fn lacks_family(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(EAFNOSUPPORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_picked_port_is_the_same_in_both_families() {
        let both = ["127.0.0.1:0", "[::1]:0"].map(|text| text.parse().expect("an address"));
        let listeners = bind_all(&both).expect("loopback");
        let port = |listener: &TcpListener| listener.local_addr().expect("bound").port();
        assert_ne!(port(&listeners[0]), 0);
        assert!(listeners.iter().all(|one| port(one) == port(&listeners[0])));
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let first = bind_all(&["127.0.0.1:0".parse().expect("an address")]).expect("free");
        let address = first[0].local_addr().expect("bound");
        let error = bind_all(&[address]).expect_err("taken");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
