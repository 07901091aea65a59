//! Stages for transcripts: the core alone, and a real server over TCP.

mod bare;
mod tcp;

pub use bare::BareStage;
pub use tcp::TcpStage;

use switchboard_protocol::Dialect;

/// The next thing that a client receives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Received {
    /// A line, without its LF.
    Line(String),
    /// The end of the session.
    End,
    /// Nothing within the timeout.
    Silence,
}

/// A server under test. Each of its sessions has the name of its client in the transcript.
pub trait Stage {
    /// Opens a session for `who`.
    fn open(&mut self, who: &str, dialect: Dialect);
    /// Sends `bytes`: a line, or a part of a line.
    fn send(&mut self, who: &str, bytes: &[u8]);
    /// Receives the next line of `who`, the end of the session, or silence.
    fn receive(&mut self, who: &str) -> Received;
    /// Returns a line that the server sent to `who` and that [`Self::receive`] has not returned yet. `None` means that
    /// there is no such line.
    fn receive_pending(&mut self, who: &str) -> Option<String>;
    /// Closes the sending side of `who`.
    fn half_close(&mut self, who: &str);
    /// Closes the session of `who`.
    fn close(&mut self, who: &str);
    /// Whether the stage follows directions. If not, transcripts with directions are not played on it.
    fn follows_directions(&self) -> bool {
        false
    }
    /// Follows a direction, such as `store holds`. Returns whether the stage knows it.
    fn follow(&mut self, _direction: &str) -> bool {
        false
    }
}
