//! What the end-to-end tests are written with: transcripts and the stages they play on, people on sockets and at
//! terminals, browsers, Wireshark, networks of their own, and the real programs as processes of their own.

pub mod browser;
pub mod process;
pub mod stage;
pub mod terminal;
pub mod test_client;
pub mod transcript;
pub mod wire_lab;
pub mod wireshark;
