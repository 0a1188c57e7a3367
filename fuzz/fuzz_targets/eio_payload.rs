#![no_main]

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

// Reading allocates at most twice what came, whatever came: measured while nothing is kept.
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let body = data.to_vec().into();
    let region = Region::new(COUNTED);
    parlance_fuzz::engineio::read_payload(body);
    let allocated = region.change().bytes_allocated;
    assert!(
        allocated <= 2 * data.len() + 4096,
        "{allocated} bytes of {}",
        data.len()
    );
    parlance_fuzz::run("eio_payload", data);
});
