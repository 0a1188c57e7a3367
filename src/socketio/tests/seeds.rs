//! The committed seeds of the fuzz targets, replayed.

use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::socketio::proto::fuzz;

fn replay(target: &str, body: impl Fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let mut replayed = 0;
    for seed in fs::read_dir(seeds).expect("seeds are committed") {
        body(&fs::read(seed.expect("a seed").path()).expect("a seed"));
        replayed += 1;
    }
    assert!(replayed > 10, "the seeds of {target} are there");
}

fn replay_in_time(target: &str, body: impl Fn(&[u8], Instant)) {
    let now = Instant::now();
    replay(target, |data| body(data, now));
}

#[test]
fn every_seed_of_sio_packet_holds() {
    replay("sio_packet", fuzz::sio_packet);
}

#[test]
fn every_seed_of_sio_msgpack_holds() {
    replay("sio_msgpack", fuzz::sio_msgpack);
}

#[test]
fn every_seed_of_sio_connection_holds() {
    replay_in_time("sio_connection", fuzz::sio_connection);
}

#[test]
fn every_seed_of_sio_json_holds() {
    replay("sio_json", fuzz::sio_json);
}

#[test]
fn every_seed_of_sio_assembly_holds() {
    replay_in_time("sio_assembly", fuzz::sio_assembly);
}

#[test]
fn every_seed_of_sio_relay_holds() {
    replay_in_time("sio_relay", fuzz::sio_relay);
}

#[test]
fn every_seed_of_sio_shapes_holds() {
    replay_in_time("sio_shapes", fuzz::sio_shapes);
}
