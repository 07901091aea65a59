//! What a peer says, in both dialects.

#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_fuzz::read_lines;

fuzz_target!(|stream: &[u8]| read_lines(stream));
