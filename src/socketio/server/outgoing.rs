//! Events on their way out: encoded once, with an offset when they can be recovered, and told to
//! those who listen to them.

use std::borrow::Cow;
use std::fmt;

use engineio::Frame;
use serde::Serialize;

use super::namespace::Inner;
use super::socket::{EmitError, Socket};
use crate::socketio::adapter::{Delivery, Offset, Target};
use crate::socketio::proto::args::Args;
use crate::socketio::proto::encode::{self, EncodeError, Mark};
use crate::socketio::proto::packet::AckId;

/// Listens to what is emitted; see
/// [`NamespaceBuilder::on_any_outgoing`](super::namespace::NamespaceBuilder::on_any_outgoing).
pub(crate) type OutgoingListener = Box<dyn Fn(&Socket, &str, &Args) + Send + Sync>;

/// Listens to emits; see [`NamespaceBuilder::on_emit`](super::namespace::NamespaceBuilder::on_emit).
pub(crate) type EmitListener = Box<dyn Fn(&Emitted<'_>) + Send + Sync>;

/// An event that was emitted. What is not asked of it costs nothing.
pub struct Emitted<'a> {
    namespace: &'a Inner,
    event: &'a str,
    to: Recipients<'a>,
    args: &'a dyn Fn() -> Option<Args>,
}

/// Whom an event was emitted to.
#[derive(Clone, Copy)]
pub(super) enum Recipients<'a> {
    These(&'a [Socket]),
    Meant(&'a Target<'a>),
}

impl Emitted<'_> {
    /// The name of the namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace.name
    }

    /// The name of the event.
    pub fn event(&self) -> &str {
        self.event
    }

    /// Its arguments, encoded once more for whoever asks.
    pub fn args(&self) -> Option<Args> {
        (self.args)()
    }

    /// Whom it was emitted to, as far as they are connected to this node now. Who has missed it
    /// because it was volatile, or because they are behind, is among them.
    pub fn sockets(&self) -> Vec<Socket> {
        match self.to {
            Recipients::These(sockets) => sockets.to_vec(),
            Recipients::Meant(target) => self.namespace.adapter.sockets(target),
        }
    }
}

impl fmt::Debug for Emitted<'_> {
    /// Contents never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitted")
            .field("ns", &self.namespace())
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

/// An event that is about to leave.
pub(crate) struct Packet<'a> {
    pub(super) frame: Frame,
    /// There is one when the packet is remembered for those who lose their connection.
    pub(super) offset: Option<Offset>,
    pub(super) delivery: Delivery,
    /// The arguments, if anybody listens.
    args: Option<Cow<'a, Args>>,
}

impl Packet<'_> {
    pub(super) fn compress(mut self, compress: bool) -> Self {
        if !compress {
            self.frame = self.frame.compress(false);
        }
        self
    }
}

fn mark(offset: Option<&Offset>) -> Mark<'_> {
    offset.map_or(Mark::Plain, |offset| Mark::Offset(offset.as_str()))
}

impl Inner {
    pub(super) fn has_outgoing_listeners(&self) -> bool {
        !self.handlers.any_outgoing.is_empty()
    }

    /// The offset of an event, if it needs one: the official client takes any text at the end of a
    /// packet for one, also of a packet that is not remembered.
    fn offset(&self, delivery: Delivery, ends_with_text: impl FnOnce() -> bool) -> Option<Offset> {
        if !self.adapter.recovers() {
            return None;
        }
        let needed = delivery == Delivery::Queued || ends_with_text();
        needed.then(|| self.adapter.next_offset()).flatten()
    }

    pub(super) fn packet<T: Serialize + ?Sized>(
        &self,
        event: &str,
        data: &T,
        delivery: Delivery,
    ) -> Result<Packet<'static>, EmitError> {
        let offset = self.offset(delivery, || encode::ends_with_text(data));
        let frame = encode::event(self.envelope(), mark(offset.as_ref()), event, data)?;
        let args = match self.has_outgoing_listeners() {
            true => Some(Cow::Owned(encode::arguments(data)?)),
            false => None,
        };
        Ok(Packet {
            frame,
            offset,
            delivery,
            args,
        })
    }

    pub(super) fn raw_packet<'a>(
        &self,
        event: &str,
        args: &'a Args,
        delivery: Delivery,
    ) -> Result<Packet<'a>, EmitError> {
        let ends_with_text = || {
            let json = args.as_json();
            json.is_none_or(|json| json.is_empty() || json.ends_with('"'))
        };
        let offset = self.offset(delivery, ends_with_text);
        let frame = encode::raw_event(self.envelope(), mark(offset.as_ref()), event, args)?;
        let listened = self.has_outgoing_listeners();
        Ok(Packet {
            frame,
            offset,
            delivery,
            args: listened.then_some(Cow::Borrowed(args)),
        })
    }

    /// An event that is to be answered: it is never remembered.
    pub(super) fn question<T: Serialize + ?Sized>(
        &self,
        event: &str,
        data: &T,
        id: AckId,
    ) -> Result<Frame, EncodeError> {
        encode::event(self.envelope(), Mark::Ack(id), event, data)
    }

    pub(super) fn tell_outgoing(&self, sockets: &[Socket], event: &str, packet: &Packet<'_>) {
        if let Some(args) = &packet.args {
            self.tell(sockets, event, args);
        }
    }

    pub(super) fn tell_asked(
        &self,
        sockets: &[Socket],
        event: &str,
        args: &dyn Fn() -> Option<Args>,
    ) {
        if self.has_outgoing_listeners()
            && let Some(args) = args()
        {
            self.tell(sockets, event, &args);
        }
        self.announce(event, Recipients::These(sockets), args);
    }

    /// Counts an emit, and tells those who listen to emits.
    #[inline]
    pub(super) fn announce(
        &self,
        event: &str,
        to: Recipients<'_>,
        args: &dyn Fn() -> Option<Args>,
    ) {
        self.metrics.emitted.count();
        if !self.handlers.on_emit.is_empty() {
            let emitted = Emitted {
                namespace: self,
                event,
                to,
                args,
            };
            let listeners = &self.handlers.on_emit;
            listeners.iter().for_each(|listen| listen(&emitted));
        }
    }

    fn tell(&self, sockets: &[Socket], event: &str, args: &Args) {
        for socket in sockets {
            for listener in &self.handlers.any_outgoing {
                listener(socket, event, args);
            }
        }
    }
}
