//! Parses and renders frames of every link type.

#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_fuzz::check_frame;

fuzz_target!(|bytes: &[u8]| check_frame(bytes));
