//! The committed seeds of the fuzz targets, replayed.

use std::{fs, path::Path};

fn replay(target: &str, body: fn(&[u8])) {
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
    replay("eio_packet", engineio::proto::fuzz::eio_packet);
}

#[test]
fn every_seed_of_eio_payload_holds() {
    replay("eio_payload", engineio::proto::fuzz::eio_payload);
}
