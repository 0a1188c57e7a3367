//! The committed seeds of the fuzz targets, replayed.

use std::{fs, path::Path, time::Instant};

use engineio::proto::fuzz;

fn replay(target: &str, body: impl Fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/seeds")
        .join(target);
    let mut replayed = 0;
    for seed in fs::read_dir(seeds).unwrap() {
        body(&fs::read(seed.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed > 10, "the seeds of {target} are there");
}

#[test]
fn every_seed_of_eio_packet_holds() {
    replay("eio_packet", fuzz::eio_packet);
}

#[test]
fn every_seed_of_eio_payload_holds() {
    replay("eio_payload", fuzz::eio_payload);
}

#[test]
fn every_seed_of_eio_stream_holds() {
    let now = Instant::now();
    replay("eio_stream", |data| engineio::fuzz::eio_stream(data, now));
}

#[test]
fn every_seed_of_eio_session_holds() {
    let now = Instant::now();
    replay("eio_session", |data| fuzz::eio_session(data, now));
}

#[test]
fn every_seed_of_eio_handshake_holds() {
    let reference = |query: &[u8]| form_urlencoded::parse(query).into_owned().collect();
    replay("eio_handshake", |data| fuzz::eio_handshake(data, reference));
}
