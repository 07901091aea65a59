//! Decodes the frames of a client of the WebSocket.

#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_fuzz::check_websocket;

fuzz_target!(|stream: &[u8]| check_websocket(stream));
