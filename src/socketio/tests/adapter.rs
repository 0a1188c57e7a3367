//! The contract of every [`Adapter`]. One that is new adds a line to [`contract!`].

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::harness::{Client, only_socket};
use crate::socketio::adapter::{Adapter, LocalAdapter};
use crate::socketio::{Io, JoinError, Socket};

type Make = fn() -> Box<dyn Adapter>;

macro_rules! contract {
    ($adapter:ident: $make:expr => $($test:ident),* $(,)?) => {
        mod $adapter {
            use super::*;

            $(#[tokio::test(start_paused = true)]
            async fn $test() {
                super::$test($make).await;
            })*

            #[test]
            fn recipients_are_those_of_a_naive_model() {
                super::recipients_are_those_of_a_naive_model($make);
            }

            #[test]
            fn concurrent_broadcasts_have_one_order_for_everybody() {
                super::concurrent_broadcasts_have_one_order_for_everybody($make);
            }
        }
    };
}

contract!(local: || Box::new(LocalAdapter::new(8)) =>
    a_socket_alone_is_in_the_room_of_its_id,
    who_is_in_several_rooms_gets_one_packet,
    a_room_ends_with_its_last_member,
    limits_are_told_to_who_joins,
    many_sockets_can_be_moved_at_once,
);

fn server(make: Make) -> Io {
    Io::builder()
        .adapter(move |_| make())
        .namespace("/", |ns| ns)
        .namespace("/other", |ns| ns)
        .build()
}

/// Some clients in `/` with their sockets, all packets read.
async fn joined(io: &Io, count: usize) -> Vec<(Client, Socket)> {
    let mut all: Vec<(Client, Socket)> = Vec::new();
    for _ in 0..count {
        let client = Client::join(io).await;
        let known = |socket: &Socket| all.iter().any(|(_, other)| other == socket);
        let socket = io
            .root()
            .sockets()
            .into_iter()
            .find(|socket| !known(socket))
            .expect("a new socket");
        all.push((client, socket));
    }
    all
}

/// What came since, without waiting for more.
async fn drain(io: &Io, client: &Client, socket: &Socket) -> Vec<String> {
    if !socket.connected() {
        return Vec::new();
    }
    socket.emit("end", &()).expect("connected");
    let mut packets = client.receive_until(r#"2["end"]"#).await;
    packets.pop();
    let _ = io;
    packets
}

async fn a_socket_alone_is_in_the_room_of_its_id(make: Make) {
    let io = server(make);
    let all = joined(&io, 3).await;
    let (a, b) = (&all[0].1, &all[1].1);
    assert_eq!(a.rooms(), [a.id()]);
    a.join(a.id()).expect("no limit");
    a.leave(a.id());
    assert_eq!(a.rooms(), [a.id()], "it cannot be left");
    io.to(b.id()).emit("e", &1).expect("encodable");
    a.to(a.id()).emit("e", &2).expect("encodable");
    io.except(b.id()).emit("e", &3).expect("encodable");
    assert_eq!(drain(&io, &all[0].0, a).await, [r#"2["e",3]"#]);
    assert_eq!(drain(&io, &all[1].0, b).await, [r#"2["e",1]"#]);
    a.join(b.id()).expect("no limit");
    io.to(b.id()).emit("e", &4).expect("encodable");
    assert_eq!(
        drain(&io, &all[0].0, a).await,
        [r#"2["e",4]"#],
        "another may listen at it"
    );
    assert_eq!(drain(&io, &all[1].0, b).await, [r#"2["e",4]"#]);
    assert_eq!(
        io.root().rooms_count(),
        1,
        "rooms of ids are never made for their sockets"
    );
    assert_eq!(io.of("/other").expect("declared").sockets_count(), 0);
}

async fn who_is_in_several_rooms_gets_one_packet(make: Make) {
    let io = server(make);
    let all = joined(&io, 3).await;
    for (room, member) in [("x", 0), ("x", 1), ("y", 1), ("y", 2), ("z", 2)] {
        all[member].1.join(room).expect("no limit");
    }
    io.to("x")
        .to("y")
        .to("x")
        .to(all[1].1.id())
        .emit("e", &1)
        .expect("encodable");
    io.to("x")
        .to("y")
        .except("z")
        .emit("e", &2)
        .expect("encodable");
    all[0]
        .1
        .to("x")
        .except("y")
        .emit("e", &3)
        .expect("encodable");
    all[1].1.broadcast().emit("e", &4).expect("encodable");
    let expected = [vec![1, 2, 4], vec![1, 2], vec![1, 4]];
    for ((client, socket), expected) in all.iter().zip(expected) {
        let expected: Vec<_> = expected.iter().map(|n| format!(r#"2["e",{n}]"#)).collect();
        assert_eq!(drain(&io, client, socket).await, expected);
    }
}

async fn a_room_ends_with_its_last_member(make: Make) {
    let io = server(make);
    let all = joined(&io, 2).await;
    all[0].1.join("r").expect("no limit");
    all[0].1.join("r").expect("twice is once");
    all[1].1.join("r").expect("no limit");
    assert_eq!(all[0].1.rooms(), [all[0].1.id(), "r"]);
    all[0].1.leave("r");
    all[0].1.leave("r");
    assert_eq!(io.root().fetch_sockets("r"), [all[1].1.clone()]);
    all[1].1.disconnect(false);
    assert_eq!((io.root().rooms_count(), io.root().sockets_count()), (0, 1));
}

async fn limits_are_told_to_who_joins(make: Make) {
    let io = server(make);
    let _client = Client::join(&io).await;
    let socket = only_socket(&io);
    assert_eq!(
        socket.join(&"r".repeat(129)),
        Err(JoinError::NameTooLong { bytes: 129 })
    );
    for room in 0..8 {
        socket.join(&room.to_string()).expect("within the limit");
    }
    assert_eq!(socket.join("9"), Err(JoinError::TooManyRooms { limit: 8 }));
    assert_eq!(socket.join("1"), Ok(()), "it is in it");
    socket.leave("1");
    assert_eq!(socket.join("9"), Ok(()));
}

async fn many_sockets_can_be_moved_at_once(make: Make) {
    let io = server(make);
    let all = joined(&io, 3).await;
    all[0].1.join("a").expect("no limit");
    all[1].1.join("a").expect("no limit");
    io.root().sockets_join("b", "a");
    assert_eq!(io.root().fetch_sockets("b").len(), 2);
    io.root().sockets_leave("b", "a");
    assert!(io.root().fetch_sockets("b").is_empty());
    io.to("b").emit("e", &1).expect("encodable");
    io.root().disconnect_sockets("a", false);
    assert_eq!(io.root().sockets(), [all[2].1.clone()]);
    assert_eq!(
        all[0].0.receive().await,
        ["1"],
        "and nothing of what was emitted after they left"
    );
}

#[derive(Debug, Clone)]
enum Op {
    Join(usize, usize),
    Leave(usize, usize),
    Disconnect(usize),
    Emit {
        rooms: Vec<usize>,
        except: Vec<usize>,
        from: Option<usize>,
    },
}

const SOCKETS: usize = 5;
const ROOMS: [&str; 4] = ["a", "b", "c", "d"];

fn op() -> impl Strategy<Value = Op> {
    let rooms = || proptest::collection::vec(0..ROOMS.len() + SOCKETS, 0..4);
    prop_oneof![
        4 => (0..SOCKETS, 0..ROOMS.len()).prop_map(|(socket, room)| Op::Join(socket, room)),
        2 => (0..SOCKETS, 0..ROOMS.len()).prop_map(|(socket, room)| Op::Leave(socket, room)),
        1 => (0..SOCKETS).prop_map(Op::Disconnect),
        6 => (rooms(), rooms(), proptest::option::of(0..SOCKETS))
            .prop_map(|(rooms, except, from)| Op::Emit { rooms, except, from }),
    ]
}

/// Rooms as sets, recipients by going through everybody.
struct Model {
    connected: [bool; SOCKETS],
    rooms: [BTreeSet<usize>; SOCKETS],
    received: [Vec<usize>; SOCKETS],
}

impl Model {
    fn is_in(&self, socket: usize, room: usize) -> bool {
        match room.checked_sub(ROOMS.len()) {
            Some(own) => own == socket,
            None => self.rooms[socket].contains(&room),
        }
    }

    fn emit(&mut self, number: usize, rooms: &[usize], except: &[usize], from: Option<usize>) {
        for socket in 0..SOCKETS {
            let meant = rooms.is_empty() || rooms.iter().any(|&room| self.is_in(socket, room));
            let spared =
                from == Some(socket) || except.iter().any(|&room| self.is_in(socket, room));
            if self.connected[socket] && meant && !spared {
                self.received[socket].push(number);
            }
        }
    }
}

fn recipients_are_those_of_a_naive_model(make: Make) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    let runtime = runtime.expect("a runtime");
    proptest!(ProptestConfig::with_cases(64), |(ops in proptest::collection::vec(op(), 1..60))| {
        runtime.block_on(compare_with_model(make, ops))?;
    });
}

async fn compare_with_model(make: Make, ops: Vec<Op>) -> Result<(), TestCaseError> {
    let io = server(make);
    let all = joined(&io, SOCKETS).await;
    let sockets: Vec<Socket> = all.iter().map(|(_, socket)| socket.clone()).collect();
    let name = |room: &usize| match room.checked_sub(ROOMS.len()) {
        Some(own) => sockets[own].id(),
        None => ROOMS[*room],
    };
    let mut model = Model {
        connected: [true; SOCKETS],
        rooms: Default::default(),
        received: Default::default(),
    };
    let mut packets: [Vec<String>; SOCKETS] = Default::default();
    for (number, op) in ops.into_iter().enumerate() {
        match op {
            Op::Join(socket, room) => {
                sockets[socket].join(ROOMS[room]).expect("within the limit");
                if model.connected[socket] {
                    model.rooms[socket].insert(room);
                }
            }
            Op::Leave(socket, room) => {
                sockets[socket].leave(ROOMS[room]);
                model.rooms[socket].remove(&room);
            }
            Op::Disconnect(socket) => {
                packets[socket].extend(drain(&io, &all[socket].0, &sockets[socket]).await);
                sockets[socket].disconnect(false);
                model.connected[socket] = false;
                model.rooms[socket].clear();
            }
            Op::Emit {
                rooms,
                except,
                from,
            } => {
                let everybody = io.root().everybody();
                let mut emit = from.map_or(everybody, |from| sockets[from].broadcast());
                emit = rooms.iter().fold(emit, |emit, room| emit.to(name(room)));
                emit = except
                    .iter()
                    .fold(emit, |emit, room| emit.except(name(room)));
                emit.emit("e", &number).expect("encodable");
                model.emit(number, &rooms, &except, from);
            }
        }
    }
    for (index, (client, socket)) in all.iter().enumerate() {
        packets[index].extend(drain(&io, client, socket).await);
        let expected: Vec<_> = model.received[index]
            .iter()
            .map(|number| format!(r#"2["e",{number}]"#))
            .collect();
        prop_assert_eq!(&packets[index], &expected);
        prop_assert_eq!(
            socket.rooms().len(),
            model.rooms[index].len() + usize::from(model.connected[index])
        );
    }
    Ok(())
}

fn concurrent_broadcasts_have_one_order_for_everybody(make: Make) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let io = server(make);
        let all = joined(&io, 4).await;
        for (_, socket) in &all {
            socket.join("r").expect("no limit");
        }
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let io = &io;
                scope.spawn(move || {
                    for number in 0..500 {
                        io.to("r").emit("e", &(thread, number)).expect("encodable");
                    }
                });
            }
        });
        let first = drain(&io, &all[0].0, &all[0].1).await;
        assert_eq!(first.len(), 1500);
        for (client, socket) in &all[1..] {
            assert_eq!(drain(&io, client, socket).await, first);
        }
    });
}
