//! Namespaces, rooms and operators against a naive model: who gets what, and never twice.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::harness::{Client, pass};
use crate::socketio::{Broadcast, Io, Namespace, Socket};

const NAMESPACES: [&str; 3] = ["/", "/fixed", "/made-1"];
const ROOMS: [&str; 3] = ["a", "b", "c"];
const CLIENTS: usize = 4;

/// A socket of the model: which client's, in which namespace.
type Who = (usize, usize);

#[derive(Debug, Clone)]
enum Op {
    Join(Who, usize),
    Leave(Who, usize),
    Disconnect(Who),
    Move {
        namespace: usize,
        from: usize,
        to: usize,
        joins: bool,
    },
    Emit {
        namespace: usize,
        /// By a socket, which is left out then.
        by: Option<usize>,
        to: Vec<Place>,
        except: Vec<Place>,
        flags: u8,
    },
}

/// A room, or the room of a client's own id.
#[derive(Debug, Clone, Copy)]
enum Place {
    Room(usize),
    Own(usize),
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        3 => (0..ROOMS.len()).prop_map(Place::Room),
        1 => (0..CLIENTS).prop_map(Place::Own),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let who = || (0..CLIENTS, 0..NAMESPACES.len());
    let room = || 0..ROOMS.len();
    let places = || proptest::collection::vec(place(), 0..3);
    let by = proptest::option::of(0..CLIENTS);
    let emit = (0..NAMESPACES.len(), by, places(), places(), 0u8..4);
    prop_oneof![
        4 => (who(), room()).prop_map(|(who, room)| Op::Join(who, room)),
        2 => (who(), room()).prop_map(|(who, room)| Op::Leave(who, room)),
        1 => who().prop_map(Op::Disconnect),
        1 => (0..NAMESPACES.len(), room(), room(), any::<bool>()).prop_map(
            |(namespace, from, to, joins)| Op::Move { namespace, from, to, joins }
        ),
        5 => emit.prop_map(|(namespace, by, to, except, flags)| Op::Emit {
            namespace, by, to, except, flags,
        }),
    ]
}

struct World {
    io: Io,
    clients: Vec<Client>,
    sockets: BTreeMap<Who, Socket>,
    /// The naive model: the rooms of each socket that is connected.
    rooms: BTreeMap<Who, BTreeSet<usize>>,
    emitted: usize,
}

impl World {
    async fn new() -> Self {
        let io = Io::builder()
            .namespace("/fixed", |ns| ns)
            .dynamic_namespace("/made-*", |ns| ns)
            .build();
        let mut world = Self {
            io,
            clients: Vec::new(),
            sockets: BTreeMap::new(),
            rooms: BTreeMap::new(),
            emitted: 0,
        };
        for client in 0..CLIENTS {
            world.enter(client).await;
        }
        world
    }

    async fn enter(&mut self, number: usize) {
        let client = Client::open(&self.io).await;
        for (at, name) in NAMESPACES.iter().enumerate() {
            client.send(&[&format!("0{name},")]).await;
            pass(std::time::Duration::from_millis(1)).await;
            let sockets = self.namespace(at).sockets();
            let new = sockets
                .into_iter()
                .find(|socket| !self.sockets.values().any(|other| other == socket));
            self.sockets
                .insert((number, at), new.expect("a new socket"));
            self.rooms.insert((number, at), BTreeSet::new());
        }
        assert_eq!(client.receive().await.len(), NAMESPACES.len());
        self.clients.push(client);
    }

    fn namespace(&self, at: usize) -> Namespace {
        self.io.of(NAMESPACES[at]).expect("declared, or allowed")
    }

    fn name(&self, namespace: usize, place: Place) -> String {
        match place {
            Place::Room(room) => ROOMS[room].to_owned(),
            Place::Own(client) => self.sockets[&(client, namespace)].id().to_owned(),
        }
    }

    fn is_in(&self, (client, at): Who, place: Place) -> bool {
        match place {
            Place::Room(room) => self.rooms[&(client, at)].contains(&room),
            Place::Own(own) => own == client,
        }
    }

    async fn apply(&mut self, op: Op) {
        match op {
            Op::Join(who, room) => {
                self.sockets[&who].join(ROOMS[room]).expect("no limit");
                if let Some(rooms) = self.rooms.get_mut(&who) {
                    rooms.insert(room);
                }
            }
            Op::Leave(who, room) => {
                self.sockets[&who].leave(ROOMS[room]);
                if let Some(rooms) = self.rooms.get_mut(&who) {
                    rooms.remove(&room);
                }
            }
            Op::Disconnect(who) => {
                self.sockets[&who].disconnect(false);
                self.rooms.remove(&who);
            }
            Op::Move {
                namespace,
                from,
                to,
                joins,
            } => self.shift(namespace, from, to, joins),
            Op::Emit {
                namespace,
                by,
                to,
                except,
                flags,
            } => self.emit(namespace, by, &to, &except, flags).await,
        }
    }

    fn shift(&mut self, namespace: usize, from: usize, to: usize, joins: bool) {
        let meant = self.namespace(namespace);
        match joins {
            true => meant.to(ROOMS[from]).sockets_join(ROOMS[to]),
            false => meant.to(ROOMS[from]).sockets_leave(ROOMS[to]),
        }
        let of_namespace = self
            .rooms
            .iter_mut()
            .filter(|((_, at), _)| *at == namespace);
        for (_, rooms) in of_namespace.filter(|(_, rooms)| rooms.contains(&from)) {
            match joins {
                true => rooms.insert(to),
                false => rooms.remove(&to),
            };
        }
    }

    async fn emit(
        &mut self,
        namespace: usize,
        by: Option<usize>,
        to: &[Place],
        except: &[Place],
        flags: u8,
    ) {
        self.emitted += 1;
        let handle = self.namespace(namespace);
        let names = |places: &[Place]| -> Vec<String> {
            places
                .iter()
                .map(|place| self.name(namespace, *place))
                .collect()
        };
        let (to_names, except_names) = (names(to), names(except));
        let emitter = by.map(|client| self.sockets[&(client, namespace)].clone());
        let mut emit: Broadcast<'_> = match &emitter {
            Some(socket) => socket.broadcast(),
            None => handle.everybody(),
        };
        emit = to_names.iter().fold(emit, |emit, room| emit.to(room));
        emit = except_names
            .iter()
            .fold(emit, |emit, room| emit.except(room));
        if flags & 1 != 0 {
            emit = emit.local();
        }
        if flags & 2 != 0 {
            emit = emit.compress(false);
        }
        let meant: BTreeSet<usize> = (self.rooms.keys())
            .filter(|(client, at)| {
                let who = (*client, *at);
                *at == namespace
                    && Some(*client) != by
                    && (to.is_empty() || to.iter().any(|place| self.is_in(who, *place)))
                    && !except.iter().any(|place| self.is_in(who, *place))
            })
            .map(|(client, _)| *client)
            .collect();
        let found: Vec<_> = emit.fetch_sockets();
        assert_eq!(found.len(), meant.len(), "fetch_sockets");
        emit.emit("e", &self.emitted).expect("encodable");
        self.expect(namespace, &meant).await;
    }

    /// Everybody who is meant has got it once, and nobody else has got anything.
    async fn expect(&self, namespace: usize, meant: &BTreeSet<usize>) {
        let prefix = match namespace {
            0 => String::new(),
            at => format!("{},", NAMESPACES[at]),
        };
        let expected = format!(r#"2{prefix}["e",{}]"#, self.emitted);
        for (number, client) in self.clients.iter().enumerate() {
            // A mark for each client's end of what was emitted so far.
            client.send(&["0/none"]).await;
            let end = r#"4/none,{"message":"Invalid namespace"}"#;
            let got = client.receive_until(end).await;
            let events = got
                .iter()
                .filter(|packet| packet.starts_with('2') && packet.len() > 1);
            let events: Vec<_> = events.collect();
            match meant.contains(&number) {
                true => assert_eq!(events, [&expected]),
                false => assert!(events.is_empty(), "{events:?}"),
            }
        }
    }
}

fn in_stopped_time(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn recipients_are_those_of_a_naive_model(ops in proptest::collection::vec(op(), 1..19)) {
        in_stopped_time(async {
            let mut world = World::new().await;
            for op in ops {
                world.apply(op).await;
            }
        });
    }
}

#[test]
fn flags_change_nothing_that_arrives() {
    in_stopped_time(async {
        let mut world = World::new().await;
        for flags in 0..4 {
            world.emit(2, Some(0), &[], &[], flags).await;
        }
    });
}
