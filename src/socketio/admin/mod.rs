//! The server's side of the official admin page, `@socket.io/admin-ui`: it shows sockets, rooms
//! and events of a running server, and can act on them.
//!
//! Nobody gets in without a name and a password. It is for looking unless commands are
//! [allowed](AdminOptions::allow_commands), and what admins are sent holds no header that could be a
//! secret, no query, no id of a session, and no arguments of events unless they are
//! [asked for](AdminOptions::show_arguments).
//!
//! ```
//! use parlance::socketio::{AdminOptions, Io};
//!
//! let admins = AdminOptions::new("admin", |password| password == "from a safe place, and hashed");
//! let io = Io::builder().instrument(admins).build();
//! # _ = io;
//! ```
//!
//! # What it costs
//!
//! While nobody watches, one look at a number for each event. While somebody does, every change is one packet for all
//! admins. An admin who does not keep up misses changes, and gets a new list of everything when they
//! do again; of events no more lines are sent than anybody can read. So the memory for an admin
//! is bounded as that for any client.

mod commands;
mod login;
mod totals;
mod view;
mod wire;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::server::connecting::random_sid;
use super::{IoBuilder, Socket};
use login::{Gate, Verify};
use view::View;

/// The namespace that the official page connects to if nothing else is said.
pub const ADMIN_NAMESPACE: &str = "/admin";

type Describe = Box<dyn Fn(&Socket) -> Value + Send + Sync>;
type Hides = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// How much admins see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AdminMode {
    /// Every socket, its rooms, and events as they come and go.
    #[default]
    Development,
    /// Totals alone: nothing is done for single sockets and events.
    Production,
}

/// Who may use the official admin page, and for what.
#[must_use]
pub struct AdminOptions {
    namespace: Box<str>,
    username: Box<str>,
    verify: Verify,
    server_id: String,
    mode: AdminMode,
    commands: bool,
    arguments: bool,
    describe: Option<Describe>,
    hides: Option<Hides>,
    max_listed: usize,
}

impl AdminOptions {
    /// For whoever knows this name and a password that `verify` accepts. It is called on a thread
    /// where it may take its time, for one password at a time, and not at all for addresses that
    /// have failed too often.
    pub fn new(username: &str, verify: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self {
            namespace: ADMIN_NAMESPACE.into(),
            username: username.into(),
            verify: Arc::new(verify),
            server_id: random_sid().as_str().to_owned(),
            mode: AdminMode::default(),
            commands: false,
            arguments: false,
            describe: None,
            hides: None,
            max_listed: 10_000,
        }
    }

    /// The namespace that the page connects to. Default [`ADMIN_NAMESPACE`].
    pub fn namespace(mut self, name: &str) -> Self {
        self.namespace = name.into();
        self
    }

    /// How much admins see. Default [`AdminMode::Development`].
    pub fn mode(mut self, mode: AdminMode) -> Self {
        self.mode = mode;
        self
    }

    /// Lets admins emit events, move sockets between rooms and disconnect them. This passes every
    /// rule that the application has for its own events. Default no: they only look.
    pub fn allow_commands(mut self, allow: bool) -> Self {
        self.commands = allow;
        self
    }

    /// Shows the arguments of events: what people write to each other, too. Default no.
    pub fn show_arguments(mut self, show: bool) -> Self {
        self.arguments = show;
        self
    }

    /// What is shown as the data of a socket. Default nothing.
    pub fn describe(mut self, describe: impl Fn(&Socket) -> Value + Send + Sync + 'static) -> Self {
        self.describe = Some(Box::new(describe));
        self
    }

    /// Rooms that admins are not shown, by name. Default none.
    pub fn hide_rooms(mut self, hides: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.hides = Some(Box::new(hides));
        self
    }

    /// What the page calls this server among others. Default by chance.
    pub fn server_id(mut self, id: impl Into<String>) -> Self {
        self.server_id = id.into();
        self
    }

    /// How many sockets are listed for an admin who comes; changes are told of all. Default 10,000.
    pub fn max_listed(mut self, max: usize) -> Self {
        self.max_listed = max;
        self
    }

    fn shows_sockets(&self) -> bool {
        self.mode == AdminMode::Development
    }

    fn shows_room(&self, room: &str) -> bool {
        !self.hides.as_ref().is_some_and(|hides| hides(room))
    }

    fn features(&self) -> Vec<&'static str> {
        let mut features = Vec::new();
        if self.commands {
            features.extend([
                "EMIT",
                "JOIN",
                "LEAVE",
                "DISCONNECT",
                "MJOIN",
                "MLEAVE",
                "MDISCONNECT",
            ]);
        }
        features.push("AGGREGATED_EVENTS");
        if self.shows_sockets() {
            features.push("ALL_EVENTS");
        }
        features
    }
}

impl fmt::Debug for AdminOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminOptions")
            .field("namespace", &self.namespace)
            .field("mode", &self.mode)
            .field("commands", &self.commands)
            .finish_non_exhaustive()
    }
}

impl IoBuilder {
    /// Lets the official admin page connect; see [`admin`](super::admin).
    pub fn instrument(self, options: AdminOptions) -> Self {
        let (name, mode) = (options.namespace.clone(), options.mode);
        let gate = Arc::new(Gate::new(&options.username, Arc::clone(&options.verify)));
        let commands = options.commands;
        let view = Arc::new(View::new(options));
        let attached = Arc::clone(&view);
        let builder = self.namespace(&name, |ns| {
            let ns = ns.use_middleware(move |request| {
                let gate = Arc::clone(&gate);
                async move { gate.admit(&request).await }
            });
            let ns = view.register_admins(ns);
            if commands {
                commands::register(&view, ns)
            } else {
                ns
            }
        });
        let builder = builder.on_built(move |io| attached.attach(io));
        match mode {
            AdminMode::Production => builder,
            AdminMode::Development => builder.every_namespace(move |ns| view.observe(ns)),
        }
    }
}
