//! Checks of untrusted input. Each check runs the programs' code on arbitrary bytes and asserts properties of the
//! result.
//!
//! The fuzz targets call these functions. `crates/encap/tests/mutations.rs` includes this file as a module, so that the
//! tests also run the checks, without libFuzzer.

mod capture;
mod csv;
mod frame;
mod lines;
mod version2;
mod websocket;

pub use capture::check_capture;
pub use csv::check_rows;
pub use frame::{LINK_TYPES, check_frame};
pub use lines::check_lines;
pub use version2::check_version2_lines;
pub use websocket::check_websocket;
