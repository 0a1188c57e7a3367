//! `cargo bench --bench hot_path`: the codec, the index of rooms and the broadcast, in process and
//! without sockets. With `--test` each is run once, which is what the tests do.

#![allow(missing_docs, reason = "what criterion makes has no documentation")]

mod work;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use engineio::Frame;

/// Broadcasts that wait in the outboxes before new ones are made: far below the hard mark.
const PILED_UP: u64 = 2_000;

fn codec(criterion: &mut Criterion) {
    criterion.bench_function("codec/decode event", |bench| bench.iter(work::decode));
    criterion.bench_function("codec/encode event", |bench| bench.iter(work::encode));
}

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan-out and flush, without locks");
    let frame = Frame::text("2[\"new-message\",\"some text of a usual length\"]");
    for recipients in [10, 1_000, 10_000] {
        let mut outboxes = work::outboxes(recipients);
        group.throughput(Throughput::Elements(recipients as u64));
        group.bench_function(BenchmarkId::from_parameter(recipients), |bench| {
            bench.iter(|| black_box(work::fan_out(&frame, &mut outboxes)));
        });
    }
}

fn broadcast(criterion: &mut Criterion) {
    let runtime = runtime();
    let _inside = runtime.enter();
    let mut group = criterion.benchmark_group("broadcast to a room");
    for recipients in [10, 1_000] {
        group.throughput(Throughput::Elements(recipients as u64));
        group.bench_function(BenchmarkId::from_parameter(recipients), |bench| {
            bench.iter_custom(|rounds| time_broadcasts(&runtime, recipients, rounds));
        });
    }
}

fn time_broadcasts(runtime: &tokio::runtime::Runtime, recipients: usize, rounds: u64) -> Duration {
    let mut took = Duration::ZERO;
    let mut left = rounds;
    while left > 0 {
        let io = runtime.block_on(work::room(recipients));
        let some = left.min(PILED_UP);
        let started = Instant::now();
        for _ in 0..some {
            io.to("room")
                .emit("new-message", &("some text", 1))
                .expect("encodable");
        }
        took += started.elapsed();
        left -= some;
        io.close();
    }
    took
}

fn rooms(criterion: &mut Criterion) {
    let runtime = runtime();
    let io = runtime.block_on(work::room(1_000));
    let socket = io.root().sockets().pop().expect("they are connected");
    criterion.bench_function("rooms/leave and join one of 1000", |bench| {
        bench.iter(|| {
            socket.leave("room");
            socket.join("room").expect("no limit");
        });
    });
    criterion.bench_function("rooms/join and leave an empty one", |bench| {
        bench.iter(|| {
            socket.join("empty").expect("no limit");
            socket.leave("empty");
        });
    });
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

criterion_group!(hot_path, codec, fan_out, broadcast, rooms);
criterion_main!(hot_path);
