//! What admins see while they watch. While nobody does, a listener looks at one number and is done.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use engineio::{SessionHandle, TransportKind};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::totals::Totals;
use super::wire::{
    Config, NamespaceDetails, SerializedHandshake, SerializedSocket, ServerStats, SocketUpdated,
    iso, now, shown_event,
};
use super::{AdminOptions, login};
use crate::socketio::{
    DisconnectReason, Emitted, Event, Io, NamespaceBuilder, RoomEvent, Socket, WeakIo,
};

/// How often the totals are told.
const PERIOD: Duration = Duration::from_secs(2);
/// Sockets that are listed in one packet, and how many of the others are told of at a time.
const LISTED: usize = 500;
const PAGE: usize = 100;
/// How often an admin is looked at who is behind with the list.
const PATIENCE: Duration = Duration::from_millis(100);

/// What admins see.
pub(super) struct View {
    options: AdminOptions,
    hostname: String,
    io: OnceLock<WeakIo>,
    begun: Instant,
    /// Admins that are connected: a copy of what stands in `watch`.
    watchers: AtomicUsize,
    watch: Mutex<Watch>,
    /// Sockets that admins were shown as polling, with their namespaces.
    polling: Mutex<HashSet<(Box<str>, Box<str>)>>,
    stream: Mutex<Allowance>,
    hasher: RandomState,
}

#[derive(Default)]
struct Watch {
    watchers: usize,
    /// Somebody tells the totals.
    ticking: bool,
}

impl View {
    pub(super) fn new(options: AdminOptions) -> Self {
        Self {
            options,
            hostname: hostname(),
            io: OnceLock::new(),
            begun: Instant::now(),
            watchers: AtomicUsize::new(0),
            watch: Mutex::default(),
            polling: Mutex::default(),
            stream: Mutex::new(Allowance::new(Instant::now())),
            hasher: RandomState::new(),
        }
    }

    pub(super) fn attach(&self, io: &Io) {
        // Built once; a second server of the same options does not exist.
        _ = self.io.set(io.downgrade());
    }

    pub(super) fn io(&self) -> Option<Io> {
        self.io.get().and_then(WeakIo::upgrade)
    }

    /// The admins' own side of it.
    pub(super) fn register_admins(self: &Arc<Self>, ns: NamespaceBuilder) -> NamespaceBuilder {
        let (entering, drained, leaving) = (Arc::clone(self), Arc::clone(self), Arc::clone(self));
        ns.on_connect(move |socket| Arc::clone(&entering).welcome(socket))
            .on_drain(move |socket| {
                // What was left out meanwhile is made good by a new list.
                tokio::spawn(Arc::clone(&drained).list(socket.clone()));
            })
            .on_disconnect(move |_, _| {
                leaving.leave();
                std::future::ready(())
            })
    }

    /// Listens to what happens in a namespace.
    pub(super) fn observe(self: &Arc<Self>, ns: NamespaceBuilder) -> NamespaceBuilder {
        let [came, left, rooms, received, sent] = std::array::from_fn(|_| Arc::clone(self));
        ns.on_connect(move |socket| {
            came.socket_connected(&socket);
            std::future::ready(())
        })
        .on_disconnect(move |socket, reason| {
            left.socket_disconnected(&socket, reason);
            std::future::ready(())
        })
        .on_room_event_of(move |nsp, event| rooms.room_event(nsp, event))
        .prepend_any(move |socket, event| received.event_received(socket, event))
        .on_emit(move |emitted| sent.event_sent(emitted))
    }

    async fn welcome(self: Arc<Self>, socket: Socket) {
        if let Some(begun) = socket.data::<login::Begun>() {
            _ = socket.emit("session", begun.0.as_str());
        }
        let supported_features = self.options.features();
        _ = socket.emit("config", &Config { supported_features });
        // From now on changes are told: what changes while the list is made is not lost.
        self.enter();
        if let Some(io) = self.io() {
            _ = socket.emit("server_stats", &self.stats(&io, None));
        }
        self.list(socket).await;
    }

    fn enter(self: &Arc<Self>) {
        let mut watch = self.watch.lock();
        watch.watchers += 1;
        self.watchers.store(watch.watchers, Ordering::Release);
        if !std::mem::replace(&mut watch.ticking, true) {
            tokio::spawn(Arc::clone(self).keep_telling());
        }
    }

    fn leave(&self) {
        let mut watch = self.watch.lock();
        watch.watchers = watch.watchers.saturating_sub(1);
        self.watchers.store(watch.watchers, Ordering::Release);
    }

    fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Acquire) > 0
    }

    async fn keep_telling(self: Arc<Self>) {
        let Some(mut before) = self.io().map(|io| Totals::of(&io)) else {
            return;
        };
        loop {
            sleep(PERIOD).await;
            let (Some(io), true) = (self.io(), self.goes_on()) else {
                return;
            };
            let totals = Totals::of(&io);
            self.tell("server_stats", &self.stats(&io, Some((&before, &totals))));
            before = totals;
            self.tell_upgrades(&io);
        }
    }

    fn goes_on(&self) -> bool {
        let mut watch = self.watch.lock();
        watch.ticking = watch.watchers > 0;
        if !watch.ticking {
            self.polling.lock().clear();
        }
        watch.ticking
    }

    /// To all admins who keep up; the others get a new list when they do again.
    fn tell<T: Serialize + ?Sized>(&self, event: &str, data: &T) {
        let admins = self.io().and_then(|io| io.of(&self.options.namespace));
        let Some(admins) = admins else { return };
        if let Err(error) = admins.everybody().emit_unless_behind(event, data) {
            tracing::debug!(%error, event, "admins could not be told");
        }
    }

    fn stats(&self, io: &Io, between: Option<(&Totals, &Totals)>) -> ServerStats<'_> {
        let sessions = io.sessions();
        let polling = sessions.iter().map(SessionHandle::transport);
        let polling = polling.filter(|kind| *kind == TransportKind::Polling);
        let details = io.namespaces().into_iter().map(|ns| NamespaceDetails {
            name: ns.name().to_owned(),
            sockets_count: ns.sockets_count(),
        });
        let aggregated = between.map(|(before, now)| now.since(before));
        ServerStats {
            server_id: &self.options.server_id,
            hostname: &self.hostname,
            pid: std::process::id(),
            uptime: self.begun.elapsed().as_secs_f64(),
            clients_count: sessions.len(),
            polling_clients_count: polling.count(),
            aggregated_events: aggregated.unwrap_or_default(),
            namespaces: details.collect(),
        }
    }

    /// Tells one admin of every socket, as fast as they are taken. A list takes the place of what the
    /// page knew before, so there is one, and who does not fit into it is told as having come.
    async fn list(self: Arc<Self>, admin: Socket) {
        let Some(io) = self.io().filter(|_| self.options.shows_sockets()) else {
            return;
        };
        let sockets = io.namespaces().into_iter().flat_map(|ns| ns.sockets());
        let sockets: Vec<Socket> = sockets.take(self.options.max_listed).collect();
        drop(io);
        let (listed, more) = sockets.split_at(sockets.len().min(LISTED));
        let connected = listed.iter().filter(|socket| socket.connected());
        let shown: Vec<_> = connected.map(|socket| self.shown(socket)).collect();
        _ = admin.emit("all_sockets", &shown);
        tell_of_gone(&admin, listed);
        for page in more.chunks(PAGE) {
            while admin.is_behind() {
                sleep(PATIENCE).await;
            }
            if !admin.connected() {
                return;
            }
            for socket in page.iter().filter(|socket| socket.connected()) {
                let since = iso(socket.handshake().time());
                _ = admin.emit("socket_connected", &(self.shown(socket), since));
            }
            tell_of_gone(&admin, page);
        }
    }

    fn shown(&self, socket: &Socket) -> SerializedSocket {
        let (nsp, transport) = (socket.namespace().name(), socket.transport());
        if transport == TransportKind::Polling {
            let mut polling = self.polling.lock();
            polling.insert((nsp.into(), socket.id().into()));
        }
        let mut rooms = socket.rooms();
        rooms.retain(|room| self.options.shows_room(room));
        let describe = self.options.describe.as_ref();
        // The session's id is the client's secret; admins get another name for it.
        let client = self.hasher.hash_one(socket.session().id().as_str());
        SerializedSocket {
            id: socket.id().to_owned(),
            client_id: format!("{client:016x}"),
            nsp: nsp.to_owned(),
            data: describe.map_or_else(|| json!({}), |describe| describe(socket)),
            transport: transport.as_str(),
            rooms,
            handshake: SerializedHandshake::of(socket.handshake()),
        }
    }

    fn tell_upgrades(&self, io: &Io) {
        let shown: Vec<_> = self.polling.lock().iter().cloned().collect();
        for (nsp, id) in shown {
            let socket = io.of(&nsp).and_then(|ns| ns.socket(&id));
            let polls = socket
                .as_ref()
                .map(|socket| socket.transport() == TransportKind::Polling);
            if polls == Some(false) {
                self.tell("socket_updated", &SocketUpdated::upgraded(&nsp, &id));
            }
            if polls != Some(true) {
                self.polling.lock().remove(&(nsp, id));
            }
        }
    }

    fn socket_connected(&self, socket: &Socket) {
        if self.is_watched() {
            self.tell("socket_connected", &(self.shown(socket), now()));
        }
    }

    fn socket_disconnected(&self, socket: &Socket, reason: DisconnectReason) {
        if self.is_watched() {
            let nsp = socket.namespace().name();
            let gone = (nsp, socket.id(), reason.to_string(), now());
            self.tell("socket_disconnected", &gone);
        }
    }

    fn room_event(&self, nsp: &str, event: RoomEvent<'_>) {
        if !self.is_watched() {
            return;
        }
        match event {
            RoomEvent::Joined { room, .. } | RoomEvent::Left { room, .. }
                if !self.options.shows_room(room) => {}
            // Its own room comes with the socket itself, but the page does not see it go with it.
            RoomEvent::Joined { room, id } if room != id => {
                self.tell("room_joined", &(nsp, room, id, now()));
            }
            RoomEvent::Left { room, id } => self.tell("room_left", &(nsp, room, id, now())),
            _ => {}
        }
    }

    fn event_received(&self, socket: &Socket, event: &Event) {
        let nsp = socket.namespace().name();
        if self.takes(nsp, 1) == 1 {
            let args = self.options.arguments.then(|| event.raw());
            let shown = shown_event(event.name(), args);
            self.tell("event_received", &(nsp, socket.id(), shown, now()));
        }
    }

    fn event_sent(&self, emitted: &Emitted<'_>) {
        let nsp = emitted.namespace();
        if self.takes(nsp, 1) == 0 {
            return;
        }
        let sockets = emitted.sockets();
        let shown = 1 + self.takes(nsp, sockets.len().saturating_sub(1));
        let args = self.options.arguments.then(|| emitted.args()).flatten();
        let event = shown_event(emitted.event(), args.as_ref());
        for socket in sockets.iter().take(shown) {
            self.tell("event_sent", &(nsp, socket.id(), &event, now()));
        }
    }

    /// How many of so many lines about a namespace admins are shown now: none of their own, and
    /// no more than anybody can read.
    fn takes(&self, nsp: &str, lines: usize) -> usize {
        if !self.is_watched() || *nsp == *self.options.namespace {
            return 0;
        }
        self.stream.lock().take(lines, Instant::now())
    }
}

/// Those who have left while they were listed: that may have been said before the list was.
fn tell_of_gone(admin: &Socket, listed: &[Socket]) {
    for gone in listed.iter().filter(|socket| !socket.connected()) {
        let reason = DisconnectReason::TransportClose.to_string();
        let gone = (gone.namespace().name(), gone.id(), reason, now());
        _ = admin.emit("socket_disconnected", &gone);
    }
}

fn hostname() -> String {
    let known = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let known = known.or_else(|| std::env::var("HOSTNAME").ok());
    known.unwrap_or_default().trim().to_owned()
}

/// Lines about events that admins are shown in a second, and how many may come at once.
const LINES_PER_SECOND: u32 = 200;
const LINES_AT_ONCE: u32 = 400;

/// How many lines may still be shown.
struct Allowance {
    left: f64,
    since: Instant,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self {
            left: LINES_AT_ONCE.into(),
            since: now,
        }
    }

    fn take(&mut self, wanted: usize, now: Instant) -> usize {
        let more = now.duration_since(self.since).as_secs_f64() * f64::from(LINES_PER_SECOND);
        self.left = (self.left + more).min(LINES_AT_ONCE.into());
        self.since = now;
        let taken = wanted.min(self.left as usize);
        self.left -= taken as f64;
        taken
    }
}
