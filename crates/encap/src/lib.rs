//! The wire lab: builds the frames that carry chat messages, and analyses captured frames.
//!
//! ```text
//! CSV ─▶ rows ─▶ build: segments, packets, frames ─▶ capture ─▶ file
//!                                                        │
//! file, or a live interface ─▶ capture ─▶ wire: layers ──┴─▶ show, analyze, compare, report
//! ```

pub mod analyze;
pub mod build;
pub mod capture;
pub mod compare;
pub mod diagnostic;
pub mod dissector;
pub mod report;
pub mod rows;
pub mod send;
#[cfg(test)]
mod short_reads;
pub mod show;
pub mod side;
pub mod time;
pub mod wire;
