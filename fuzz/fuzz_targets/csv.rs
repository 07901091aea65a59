//! Parses CSV files, and builds captures from their rows.

#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_fuzz::check_rows;

fuzz_target!(|file: &[u8]| check_rows(file));
