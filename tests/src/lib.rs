//! Support for the end-to-end tests: transcripts and their stages, clients on sockets and terminals, browsers,
//! Wireshark, network namespaces, and the real programs as processes.

pub mod axe;
pub mod browser;
pub mod chat_page;
pub mod client_program;
pub mod namespace;
pub mod process;
pub mod relay;
pub mod stage;
pub mod store_gate;
pub mod stream;
pub mod terminal;
pub mod test_client;
pub mod transcript;
pub mod web_client;
pub mod wire_lab;
pub mod wireshark;
