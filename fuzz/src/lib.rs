//! What is done with bytes that nobody meant: all that the programs do with such bytes, and what has to hold of any.
//!
//! The fuzz targets call this, and so does `crates/encap/tests/mutations.rs`, which has this file for a module of its own:
//! so it is compiled and kept true wherever the tests run, and libFuzzer is needed by nobody but a fuzzer.

mod capture;
mod csv;
mod frame;
mod lines;

pub use capture::check_capture;
pub use csv::check_rows;
pub use frame::{LINK_TYPES, check_frame};
pub use lines::check_lines;
