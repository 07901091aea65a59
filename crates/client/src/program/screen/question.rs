//! Questions that stand above the input until the user answers them.

use super::composer::Composer;
use super::conversation_id::ConversationId;

/// A question before messages are sent. Enter says yes, and Escape goes back to the text.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Where the messages go.
    pub(crate) conversation: ConversationId,
    /// The question, and the keys that answer it.
    pub(crate) text: String,
    /// The messages that Enter sends.
    pub(crate) messages: Vec<String>,
    /// The messages that `l` sends: each line is one.
    pub(crate) lines: Option<Vec<String>>,
    /// The text as it was typed, for the way back.
    pub(crate) draft: Composer,
}
