//! Parses lines of a client and of a server, in both dialects.

#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_fuzz::check_lines;

fuzz_target!(|stream: &[u8]| check_lines(stream));
