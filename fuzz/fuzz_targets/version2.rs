//! Parses lines of a client and of a server that speak version 2.

#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_fuzz::check_version2_lines;

fuzz_target!(|stream: &[u8]| check_version2_lines(stream));
