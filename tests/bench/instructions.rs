//! Does one kind of work a number of times, for `tests/bench/instructions` to count instructions:
//! `instructions decode|encode|fan-out|broadcast ROUNDS`.

mod work;

use std::hint::black_box;

use engineio::Frame;

/// Recipients of one fan-out or broadcast.
const RECIPIENTS: usize = 100;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().expect("the kind of work");
    let rounds = arguments.next().and_then(|rounds| rounds.parse().ok());
    let rounds: usize = rounds.expect("the number of rounds");
    match kind.as_str() {
        "decode" => repeat(rounds, || _ = black_box(work::decode())),
        "encode" => repeat(rounds, || _ = black_box(work::encode())),
        "fan-out" => {
            let frame = Frame::text("2[\"new-message\",\"some text of a usual length\"]");
            let mut outboxes = work::outboxes(RECIPIENTS);
            repeat(rounds, || {
                _ = black_box(work::fan_out(&frame, &mut outboxes));
            });
        }
        "broadcast" => broadcast(rounds),
        _ => panic!("no such work: {kind}"),
    }
}

fn repeat(rounds: usize, mut work: impl FnMut()) {
    (0..rounds).for_each(|_| work());
}

fn broadcast(rounds: usize) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    let io = runtime.block_on(work::room(RECIPIENTS));
    let _inside = runtime.enter();
    repeat(rounds, || {
        io.to("room")
            .emit("new-message", &("some text", 1))
            .expect("encodable");
    });
}
