//! What the end-to-end tests are written with: transcripts and the stages they play on, people on sockets and at
//! terminals, browsers, Wireshark, networks of their own, and the real programs as processes of their own.

pub mod browser;
pub mod live;
pub mod people;
pub mod process;
pub mod stage;
pub mod terminal;
pub mod transcript;
pub mod wireshark;
