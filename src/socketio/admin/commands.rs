//! What admins may do where it was allowed: emit, let sockets join and leave rooms, disconnect them.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::Instant;

use super::view::View;
use super::wire::Arguments;
use crate::socketio::{Broadcast, Event, Namespace, NamespaceBuilder, Socket};

/// Commands of one admin that may come at once, and how long each costs.
const AT_ONCE: u32 = 20;
const COST: Duration = Duration::from_millis(100);

/// When an admin's allowance is full again.
struct Pace(Mutex<Instant>);

/// Answers the commands of the official page.
pub(super) fn register(view: &Arc<View>, mut ns: NamespaceBuilder) -> NamespaceBuilder {
    for command in [
        Command::Emit,
        Command::Join,
        Command::Leave,
        Command::Disconnect,
    ] {
        let view = Arc::clone(view);
        ns = ns.on(command.name(), move |admin: Socket, event: Event| {
            run(&view, command, &admin, &event);
            std::future::ready(())
        });
    }
    ns.on_connect(|admin: Socket| {
        admin.set_data(Pace(Mutex::new(Instant::now())));
        std::future::ready(())
    })
}

#[derive(Debug, Clone, Copy)]
enum Command {
    Emit,
    Join,
    Leave,
    Disconnect,
}

impl Command {
    fn name(self) -> &'static str {
        match self {
            Self::Emit => "emit",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Disconnect => "_disconnect",
        }
    }
}

fn run(view: &View, command: Command, admin: &Socket, event: &Event) {
    let name = command.name();
    if !admin
        .data::<Pace>()
        .is_some_and(|pace| pace.admits(Instant::now()))
    {
        tracing::warn!(
            command = name,
            "an admin's commands come too fast; one is ignored"
        );
        return;
    }
    let args = event.args::<Vec<Value>>().unwrap_or_default();
    let done = match command {
        Command::Emit => emit(view, args),
        Command::Join => move_sockets(view, &args, true),
        Command::Leave => move_sockets(view, &args, false),
        Command::Disconnect => disconnect(view, &args),
    };
    match done {
        Some(()) => tracing::info!(command = name, "an admin has given a command"),
        None => tracing::warn!(
            command = name,
            "a command of an admin does not fit; it is ignored"
        ),
    }
}

impl Pace {
    fn admits(&self, now: Instant) -> bool {
        let mut full_at = self.0.lock();
        let next = (*full_at).max(now) + COST;
        let admits = next <= now + COST * AT_ONCE;
        if admits {
            *full_at = next;
        }
        admits
    }
}

/// `nsp, filter, event, …arguments`
fn emit(view: &View, mut args: Vec<Value>) -> Option<()> {
    let arguments = args.split_off(args.len().min(3));
    let namespace = namespace(view, args.first())?;
    let event = args.get(2)?.as_str()?;
    let rooms = rooms(args.get(1))?;
    meant(&namespace, &rooms)
        .emit(event, &Arguments(arguments))
        .ok()
}

/// `nsp, room, filter`
fn move_sockets(view: &View, args: &[Value], joins: bool) -> Option<()> {
    let namespace = namespace(view, args.first())?;
    let room = args.get(1)?.as_str()?;
    let rooms = rooms(args.get(2))?;
    let meant = meant(&namespace, &rooms);
    match joins {
        true => meant.sockets_join(room),
        false => meant.sockets_leave(room),
    }
    Some(())
}

/// `nsp, close, filter`
fn disconnect(view: &View, args: &[Value]) -> Option<()> {
    let namespace = namespace(view, args.first())?;
    let close = args.get(1)?.as_bool()?;
    let rooms = rooms(args.get(2))?;
    meant(&namespace, &rooms).disconnect_sockets(close);
    Some(())
}

/// One that is there: none is made for an admin.
fn namespace(view: &View, name: Option<&Value>) -> Option<Namespace> {
    let name = name?.as_str()?;
    let all = view.io()?.namespaces();
    all.into_iter().find(|namespace| namespace.name() == name)
}

/// Ids of sockets or names of rooms: one, several, or none, which means everybody.
fn rooms(filter: Option<&Value>) -> Option<Vec<&str>> {
    match filter {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::String(room)) => Some(vec![room]),
        Some(Value::Array(rooms)) => rooms.iter().map(Value::as_str).collect(),
        Some(_) => None,
    }
}

fn meant<'a>(namespace: &'a Namespace, rooms: &[&'a str]) -> Broadcast<'a> {
    rooms
        .iter()
        .fold(namespace.everybody(), |meant, room| meant.to(room))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_have_a_pace() {
        let now = Instant::now();
        let pace = Pace(Mutex::new(now));
        let admitted = (0..100).filter(|_| pace.admits(now)).count();
        assert_eq!(admitted, AT_ONCE as usize);
        assert!(pace.admits(now + COST) && !pace.admits(now + COST));
    }
}
