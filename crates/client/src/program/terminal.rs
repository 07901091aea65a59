//! A terminal that prints arriving lines while the user edits a line.
//!
//! One thread runs the line editor and another prints. Arriving lines are printed above the edited line, which the
//! editor then redraws. Only whole lines are printed, and only while the [`PrintGate`] is open.

use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use rustyline::ExternalPrinter;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::chat_formatter::ChatFormatter;
use super::completion::KnownNames;
use super::current_chat::CurrentChat;
use super::line_editor::{LineEditor, ReturnedLines};
use super::print_gate::PrintGate;
use super::signals;
use super::typed_text::TypedText;

/// The maximum number of items in the queue to the printing thread. [`Screen::show`] waits for room.
const SHOWN_LINES_MAX: usize = 256;

/// The maximum number of typed lines and pastes in the queue to the session.
const TYPED_LINES_MAX: usize = 256;

/// A print takes no further line when it has this number of bytes. Waiting lines share a print, because each print
/// redraws the edited line.
const PRINT_MAX_BYTES: usize = 64 * 1024;

/// The time between two attempts to interrupt the editor.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(50);

/// The maximum number of attempts to interrupt the editor.
const INTERRUPTS_MAX: u32 = 20;

/// The time limit for printing the last lines.
const LAST_LINES_TIMEOUT: Duration = Duration::from_secs(1);

/// The session's side of the editor thread. Dropping it does not stop the editor.
#[derive(Debug)]
pub(crate) struct EditorHandle {
    /// The typed lines and pastes. `recv` returns `None` when the user has left (by `/quit`, Ctrl-D, or Ctrl-C on an
    /// empty line) and all lines are taken.
    pub(crate) lines: mpsc::Receiver<TypedText>,
    /// `exited.changed()` returns when the user has left, even while lines are queued.
    pub(crate) exited: watch::Receiver<()>,
    /// Completes when the printing thread has printed all lines and ended.
    printed: oneshot::Receiver<()>,
}

/// The typing end of a fake terminal. Dropping it makes the user leave.
#[cfg(test)]
pub(crate) type FakeTypist = (mpsc::Sender<TypedText>, watch::Sender<()>);

/// The session's side of the printing thread.
#[derive(Clone, Debug)]
pub(crate) struct Screen(mpsc::Sender<ScreenItem>);

/// An item in the queue to the printing thread.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum ScreenItem {
    /// A line to print.
    Line(String),
    /// The chat has changed, so the prompt must change.
    NewChat,
    /// A returned line: it was not sent, because its chat was over. The editor shows it again.
    ReturnedLine(TypedText),
}

impl EditorHandle {
    /// Starts both threads on standard input and output. `names` is for completion; pass `None` in the line dialect,
    /// which has neither verbs nor chats.
    pub(crate) fn start(
        names: Option<KnownNames>,
        chat: CurrentChat,
        formatter: ChatFormatter,
    ) -> rustyline::Result<(Self, Screen)> {
        // Each thread drops its sender, `exited_tx` or `printed_tx`, to signal its end.
        let (typed, lines) = mpsc::channel(TYPED_LINES_MAX);
        let (exited_tx, exited) = watch::channel(());
        let (screen, shown) = mpsc::channel(SHOWN_LINES_MAX);
        let (printed_tx, printed) = oneshot::channel();
        let gate = Arc::new(PrintGate::default());
        let returned_lines = ReturnedLines::default();
        let mut editor = LineEditor::new(names, chat, formatter, gate.clone(), returned_lines.clone(), typed)?;
        let external_printer = editor.create_printer()?;
        thread::Builder::new().name("edit".to_owned()).spawn(move || {
            editor.run();
            drop(exited_tx);
        })?;
        thread::Builder::new().name("print".to_owned()).spawn(move || {
            run_printer(external_printer, shown, &gate, &returned_lines);
            drop(printed_tx);
        })?;
        Ok((Self { lines, exited, printed }, Screen(screen)))
    }

    /// A fake terminal without threads: the test sends typed lines and receives shown lines.
    #[cfg(test)]
    pub(crate) fn fake() -> (Self, Screen, FakeTypist, mpsc::Receiver<ScreenItem>) {
        let (typed, lines) = mpsc::channel(TYPED_LINES_MAX);
        let (exited_tx, exited) = watch::channel(());
        let (screen, shown) = mpsc::channel(SHOWN_LINES_MAX);
        (Self { lines, exited, printed: oneshot::channel().1 }, Screen(screen), (typed, exited_tx), shown)
    }

    /// Whether the user has not left.
    pub(crate) fn is_running(&self) -> bool {
        self.exited.has_changed().is_ok()
    }

    /// Ends the editor, so that it restores the terminal and saves the history.
    pub(crate) async fn interrupt(&mut self) {
        self.lines.close();
        for _ in 0..INTERRUPTS_MAX {
            // A signal between two lines has no effect on the editor, so the signal is repeated.
            signals::interrupt_editor();
            if timeout(INTERRUPT_INTERVAL, self.exited.changed()).await.is_ok() {
                return;
            }
        }
    }

    /// Waits, for a limited time, until all shown lines are printed. Drop every [`Screen`] first.
    pub(crate) async fn wait_until_printed(self) {
        let _ = timeout(LAST_LINES_TIMEOUT, self.printed).await;
    }
}

impl Screen {
    /// Prints `line` above the edited line. `line` must be sanitized and have no LF.
    pub(crate) async fn show(&self, line: String) {
        // An error means that the terminal is closed.
        let _ = self.0.send(ScreenItem::Line(line)).await;
    }

    /// Changes the prompt to the current chat.
    pub(crate) async fn show_new_chat(&self) {
        let _ = self.0.send(ScreenItem::NewChat).await;
    }

    /// Returns a line to the editor.
    pub(crate) async fn return_line(&self, text: TypedText) {
        let _ = self.0.send(ScreenItem::ReturnedLine(text)).await;
    }
}

/// Prints shown lines, several at once if they are available.
fn run_printer(
    mut printer: impl ExternalPrinter,
    mut shown: mpsc::Receiver<ScreenItem>,
    gate: &PrintGate,
    returned_lines: &ReturnedLines,
) {
    let mut next = shown.blocking_recv();
    while let Some(item) = next {
        next = None;
        match item {
            ScreenItem::Line(line) => {
                let mut text = line;
                text.push('\n');
                while let Ok(item) = shown.try_recv() {
                    match item {
                        ScreenItem::Line(line) if text.len() < PRINT_MAX_BYTES => {
                            text.push_str(&line);
                            text.push('\n');
                        }
                        item => {
                            next = Some(item);
                            break;
                        }
                    }
                }
                if gate.print_when_open(|| printer.print(text)).is_err() {
                    return;
                }
            }
            ScreenItem::NewChat => gate.restart_line(),
            ScreenItem::ReturnedLine(text) => {
                returned_lines.lock().unwrap_or_else(PoisonError::into_inner).append(&text);
                gate.restart_line();
            }
        }
        next = next.or_else(|| shown.blocking_recv());
    }
}
