//! How packets are written: the two parsers that the official client knows.

/// The form of the packets. Both ends must use the same one; handlers do not notice which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Parser {
    /// The default of every client: a header and JSON as text, bytes as attachments behind it.
    #[default]
    Json,
    /// npm `socket.io-msgpack-parser`: each packet is one binary message, bytes stand where they
    /// belong.
    Msgpack,
}

/// What every packet of a namespace has in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope<'a> {
    pub(crate) parser: Parser,
    pub(crate) namespace: &'a str,
}

#[cfg(test)]
impl<'a> Envelope<'a> {
    pub(crate) const fn json(namespace: &'a str) -> Self {
        Self {
            parser: Parser::Json,
            namespace,
        }
    }
}
