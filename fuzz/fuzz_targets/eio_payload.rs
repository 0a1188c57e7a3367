#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| engineio::proto::fuzz::eio_payload(data));
