//! Tests of both homes, and of the threads around them.

mod behaviour;
mod full_disk;
pub(crate) mod home;
mod kill;
mod model;
mod search;
mod sqlite_file;
mod writer;
