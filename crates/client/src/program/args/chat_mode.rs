//! The mode of a chat, which is the program without a subcommand.

use switchboard_protocol::Dialect;

use super::Options;

/// How the user and the program exchange lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ChatMode {
    /// The chat fills the terminal.
    FullScreen,
    /// The user types lines of the protocol at a terminal, and the kernel edits them.
    Plain,
    /// Standard input has lines of the protocol, or nobody reads the output at a terminal.
    Script,
}

impl ChatMode {
    /// Chooses the mode. `is_at_terminal`: standard input and output are a terminal. `can_be_filled`: it can show text at
    /// any place.
    pub(crate) fn choose(options: &Options, is_at_terminal: bool, can_be_filled: bool) -> Self {
        let is_plain = options.plain || options.dialect == Dialect::Line || !can_be_filled;
        match is_at_terminal && !options.json {
            true if is_plain => Self::Plain,
            true => Self::FullScreen,
            false => Self::Script,
        }
    }
}
