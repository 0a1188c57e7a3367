//! How many descriptors the process may have: each connection is one.

/// The limit that holds; `None` where the system does not say.
#[cfg(unix)]
pub fn limit() -> Option<u64> {
    // Without a limit the kernel's own holds, which is far away.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    Some(limit.current.unwrap_or(u64::MAX))
}

/// There is no such limit here.
#[cfg(not(unix))]
pub fn limit() -> Option<u64> {
    None
}

/// Raises the limit to what the process may ask for by itself: systems begin with a low one for the
/// sake of programs that cannot bear a high one.
#[cfg(unix)]
pub fn raise() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        // The old limit holds, and the settings go by it.
        tracing::debug!(%error, "the limit of descriptors stays");
    }
}

/// There is nothing to raise here.
#[cfg(not(unix))]
pub fn raise() {}
