//! The chat that fills the terminal.
//!
//! ```text
//! keys, pastes ─┐                 ┌─▶ view ──▶ terminal
//! network ──────┼─ Event ─▶ App ──┤
//! clock ────────┘                 └─ Effect ─▶ network, bell, files
//! ```
//!
//! The [`App`](app::App) decides everything and touches nothing: it takes events, changes its state and returns effects.
//! So a test needs no terminal, no network and no clock.

mod app;
mod chat;
mod clock;
mod command_history;
mod completion;
mod composer;
mod conversation;
mod conversation_id;
mod discovery;
mod event;
mod help;
mod local_time;
mod log_files;
mod mention;
mod moment;
mod network;
mod overlay;
mod preferences;
mod question;
mod sentences;
mod server_list;
mod slash_command;
mod split;
mod stage;
mod start;
mod terminal;
mod text;
mod timeline;
mod view;

pub(crate) use chat::{ChatOptions, run};
pub(crate) use terminal::can_be_filled as can_fill_terminal;
