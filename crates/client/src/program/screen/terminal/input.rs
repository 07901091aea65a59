//! The events of the terminal: keys, pastes, the focus, and changes of its size.

use crossterm::event::KeyEvent;

#[cfg(not(unix))]
#[path = "input/crossterm_input.rs"]
mod reader;
#[cfg(unix)]
#[path = "input/tty_input.rs"]
mod reader;

pub(super) use reader::Input;

/// An event of the terminal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum TerminalEvent {
    Key(KeyEvent),
    /// Pasted text, as the terminal marks it, or several lines that arrived at once. Its line ends are LF.
    Paste(String),
    /// The terminal has got or lost the focus.
    Focus(bool),
    /// The size has changed.
    Resized,
    /// The program was stopped, and goes on.
    Continued,
    /// The terminal knows the keyboard protocol of kitty.
    HasKeyboardProtocol,
}
