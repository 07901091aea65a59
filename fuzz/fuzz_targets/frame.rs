//! Frames of every link type.

#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_fuzz::take_apart;

fuzz_target!(|bytes: &[u8]| take_apart(bytes));
