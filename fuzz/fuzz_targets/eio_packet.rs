#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| parlance_fuzz::run("eio_packet", data));
