//! Questions that stand above the input until the user answers them.

use super::conversation_id::ConversationId;

/// A question. Enter says yes, and Escape says no.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The question, and the keys that answer it.
    pub(crate) text: String,
    pub(crate) action: Action,
}

/// What a yes does.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Send(Messages),
    /// Sends the failed messages of the current conversation again.
    SendAgain,
    /// Leaves the room of this name.
    Leave(String),
    /// Ends the program, although messages are lost.
    Quit,
}

/// Messages that wait for a yes. Their text stays in the input: a key that changes it closes the question.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    pub(crate) conversation: ConversationId,
    /// The `peer_generation` at the moment of the question.
    pub(crate) peer_generation: u32,
    /// The messages that Enter sends.
    pub(crate) texts: Vec<String>,
    /// The messages that Alt-Enter sends: each line is one.
    pub(crate) lines: Option<Vec<String>>,
}
