//! The chat that fills the terminal.
//!
//! ```text
//! keys, pastes ─┐                 ┌─▶ view ──▶ terminal
//! network ──────┼─ Event ─▶ App ──┤
//! clock ────────┘                 └─ Effect ─▶ network, bell, files
//! ```
//!
//! The [`App`](app::App) decides everything and touches nothing: it takes events, changes its state and returns effects. So a test
//! needs no terminal, no network and no clock.

mod command_history;
mod composer;
mod conversation_id;
mod event;
mod log_files;
mod moment;
mod server_list;
mod slash_command;
mod start;
mod text;
mod timeline;
