//! The modes of the terminal that the program changes, and the way back.
//!
//! The way back is needed in a panic, too, so the state is static: a program has one terminal.

use std::env;
use std::io::{self, Write as _};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crossterm::terminal::{disable_raw_mode, enable_raw_mode};

use super::output::FrameBuffer;

/// The alternate screen, marks around pastes, reports of the focus, and a question for the keyboard protocol of kitty.
/// A terminal ignores a mode that it does not know.
const TAKE: &[u8] = b"\x1b[?1049h\x1b[2J\x1b[?2004h\x1b[?1004h\x1b[?u";

/// The way back from [`TAKE`] and from the middle of a frame.
const GIVE_BACK: &[u8] = b"\x1b[?2026l\x1b[?1004l\x1b[?2004l\x1b[0m\x1b[?25h\x1b[?1049l";

/// Modified keys that have no code of their own come as escape sequences. The terminal keeps this setting for the
/// alternate screen only.
const ENABLE_KEYBOARD_PROTOCOL: &[u8] = b"\x1b[>1u";
const DISABLE_KEYBOARD_PROTOCOL: &[u8] = b"\x1b[<1u";

/// The longest wait for a terminal that does not take the bytes of the way back.
const GIVE_BACK_TIMEOUT: Duration = Duration::from_secs(1);

/// Whether the program has the terminal.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether the keyboard protocol is enabled.
static HAS_KEYBOARD_PROTOCOL: AtomicBool = AtomicBool::new(false);

/// The changed modes of the terminal. Dropping it restores them.
#[derive(Debug)]
pub(super) struct TerminalModes(());

impl TerminalModes {
    /// Changes the modes for a chat that fills the terminal. A panic restores them before its message is printed.
    pub(super) fn take() -> io::Result<Self> {
        static PANIC_HOOK: Once = Once::new();
        PANIC_HOOK.call_once(|| {
            let print_message = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                give_back();
                print_message(info);
            }));
        });
        #[cfg(windows)]
        if !crossterm::ansi_support::supports_ansi() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        take_again()?;
        Ok(Self(()))
    }
}

impl Drop for TerminalModes {
    fn drop(&mut self) {
        give_back();
    }
}

/// Changes the modes again, after [`give_back`]. After an error, they are restored.
pub(super) fn take_again() -> io::Result<()> {
    IS_TAKEN.store(true, Ordering::SeqCst);
    let taking = || {
        enable_raw_mode()?;
        let mut stdout = io::stdout().lock();
        stdout.write_all(TAKE)?;
        stdout.flush()
    };
    taking().inspect_err(|_| give_back())
}

/// Adds the request for the keyboard protocol to the next frame.
pub(super) fn enable_keyboard_protocol(frame: &mut FrameBuffer) {
    if !HAS_KEYBOARD_PROTOCOL.swap(true, Ordering::SeqCst) {
        frame.push(ENABLE_KEYBOARD_PROTOCOL);
    }
}

/// Fails if a panic of another task has restored the modes. Then nothing may be drawn any more.
pub(super) fn check_taken() -> io::Result<()> {
    if IS_TAKEN.load(Ordering::SeqCst) { Ok(()) } else { Err(io::Error::other("a part of the program has failed")) }
}

/// Whether the program has the terminal.
pub(super) fn is_taken() -> bool {
    IS_TAKEN.load(Ordering::SeqCst)
}

/// Restores the modes, unless they are restored already.
pub(super) fn give_back() {
    if !IS_TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut bytes = Vec::new();
    if HAS_KEYBOARD_PROTOCOL.swap(false, Ordering::SeqCst) {
        bytes.extend_from_slice(DISABLE_KEYBOARD_PROTOCOL);
    }
    bytes.extend_from_slice(GIVE_BACK);
    // A frame may be on its way to a terminal that takes no bytes. Then this thread must not wait for ever.
    let (written_tx, written) = mpsc::channel();
    let writing = thread::Builder::new().spawn(move || {
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
        let _ = written_tx.send(());
    });
    if writing.is_ok() {
        let _ = written.recv_timeout(GIVE_BACK_TIMEOUT);
    }
    let _ = disable_raw_mode();
}

/// Stops all processes of this job until the shell continues them. Without a shell that could do so, the kernel
/// discards the signal.
pub(super) fn stop_process_group() {
    #[cfg(unix)]
    {
        // Other processes of the job, such as a script that has started this program, must stop as well.
        let _ = rustix::process::kill_current_process_group(rustix::process::Signal::TSTP);
    }
}

/// Whether the terminal can show text at any place.
pub(crate) fn can_be_filled() -> bool {
    cfg!(windows) || can_move_cursor(&env::var("TERM").unwrap_or_default())
}

/// Whether a terminal of this type (TERM) can show text at any place.
fn can_move_cursor(term: &str) -> bool {
    !matches!(term, "" | "dumb" | "cons25" | "emacs" | "network" | "unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_of_an_unknown_or_simple_type_is_not_filled() {
        for (term, expected) in [("", false), ("dumb", false), ("emacs", false), ("xterm", true), ("linux", true)] {
            assert_eq!(can_move_cursor(term), expected, "{term:?}");
        }
    }
}
