//! Tests of both homes.

mod behaviour;
mod home;
mod model;
mod search;
mod sqlite_file;
