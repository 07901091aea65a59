//! Where a transcript is played: the bare switchboard, and a real server over TCP.

mod bare;
mod tcp;

pub use bare::BareStage;
pub use tcp::TcpStage;

use switchboard_protocol::Dialect;

/// What somebody hears next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Received {
    /// A line, without its LF.
    Line(String),
    /// Nothing: the session is closed.
    End,
    /// Nothing yet, although it was waited for.
    Silence,
}

/// Somewhere that people can hold a dialogue with the server.
pub trait Stage {
    /// Opens a session for `who`.
    fn open(&mut self, who: &str, dialect: Dialect);
    /// Says `bytes`, a line or a part of one.
    fn send(&mut self, who: &str, bytes: &[u8]);
    /// What `who` hears next.
    fn receive(&mut self, who: &str) -> Received;
    /// The first thing that `who` was told up to now and did not hear yet, if there is one.
    fn receive_pending(&mut self, who: &str) -> Option<String>;
    /// Closes the side of `who` that speaks.
    fn half_close(&mut self, who: &str);
    /// Closes the session of `who`.
    fn close(&mut self, who: &str);
}
