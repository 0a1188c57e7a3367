//! Embeds the official browser client.
fn main() {}
