#![no_main]

// The protocol half alone, so that the server need not be built with sanitizers.
#[allow(dead_code, unreachable_pub)]
#[path = "../../src/socketio/proto/mod.rs"]
mod proto;

libfuzzer_sys::fuzz_target!(|data: &[u8]| proto::fuzz::sio_msgpack(data));
