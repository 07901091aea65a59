//! A terminal that prints arriving lines while the user edits a line.
//!
//! One thread runs the line editor and another prints. Arriving lines are printed above the edited line, which the
//! editor then redraws. Only whole lines are printed.
//!
//! While no line is being edited, the editor's printer writes directly to the terminal. If the editor drew its next
//! prompt at that moment, the two outputs would mix. So the printing thread waits at a [`PrintGate`], which is open
//! while a line is being edited.
//!
//! A closed gate could cause a deadlock: if the queue of typed lines is full, the editor waits for the session, the
//! session may wait for the printing thread, and the printing thread would wait at the gate. So the editor opens the
//! gate while it waits for room in the queue. It draws nothing in this time, so the printing thread can write directly
//! to the terminal.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{
    Cmd, ColorMode, CompletionType, ConditionalEventHandler, Config, Editor, Event, EventContext, EventHandler,
    ExternalPrinter, KeyEvent, Movement, RepeatCount,
};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::completion::{EditorHelper, KnownNames};
use super::history;
use super::signals;
use super::user_line::UserLine;

const PROMPT: &str = "> ";

/// The maximum number of lines in the queue to the printing thread. [`Screen::show`] waits for room.
const SHOWN_LINES_MAX: usize = 256;

/// The maximum number of typed lines in the queue to the session. A paste of this many lines does not block the editor.
const TYPED_LINES_MAX: usize = 256;

/// A print takes no further line when it has this number of bytes. Waiting lines share a print, because each print
/// redraws the edited line.
const PRINT_MAX_BYTES: usize = 64 * 1024;

/// After a line, the editor waits at most this long for a print in progress. A print that takes longer is itself
/// waiting for the editor, and the editor executes it when it edits the next line.
const PRINT_WAIT_MAX: Duration = Duration::from_millis(10);

/// The time between two attempts to interrupt the editor.
const INTERRUPT_INTERVAL: Duration = Duration::from_millis(50);

/// The maximum number of attempts to interrupt the editor.
const INTERRUPTS_MAX: u32 = 20;

/// The time limit for printing the last lines.
const LAST_LINES_TIMEOUT: Duration = Duration::from_secs(1);

/// The session's side of the editor thread. Dropping it does not stop the editor.
#[derive(Debug)]
pub(crate) struct EditorHandle {
    /// The typed lines without their LF. `recv` returns `None` when the user has left (by `/quit`, Ctrl-D, or Ctrl-C on
    /// an empty line) and all lines are taken.
    pub(crate) lines: mpsc::Receiver<String>,
    /// `exited.changed()` returns when the user has left, even while lines are queued.
    pub(crate) exited: watch::Receiver<()>,
    /// Completes when the printing thread has printed all lines and ended.
    printed: oneshot::Receiver<()>,
}

/// The typing end of a fake terminal. Dropping it makes the user leave.
#[cfg(test)]
pub(crate) type FakeTypist = (mpsc::Sender<String>, watch::Sender<()>);

/// The session's side of the printing thread.
#[derive(Clone, Debug)]
pub(crate) struct Screen(mpsc::Sender<String>);

impl EditorHandle {
    /// Starts both threads on standard input and output. `names` is for completion; pass `None` in the line dialect,
    /// which has no verbs.
    pub(crate) fn start(names: Option<KnownNames>) -> rustyline::Result<(Self, Screen)> {
        let gate = Arc::new(PrintGate::default());
        let mut editor = new_editor(names, gate.clone())?;
        let external_printer = editor.create_external_printer()?;

        // Each thread drops its sender, `exited_tx` or `printed_tx`, to signal its end.
        let (typed, lines) = mpsc::channel(TYPED_LINES_MAX);
        let (exited_tx, exited) = watch::channel(());
        let (screen, shown) = mpsc::channel(SHOWN_LINES_MAX);
        let (printed_tx, printed) = oneshot::channel();
        let editor_gate = gate.clone();
        thread::Builder::new().name("edit".to_owned()).spawn(move || {
            run_editor(editor, &typed, &editor_gate);
            drop(exited_tx);
        })?;
        thread::Builder::new().name("print".to_owned()).spawn(move || {
            run_printer(external_printer, shown, &gate);
            drop(printed_tx);
        })?;
        Ok((Self { lines, exited, printed }, Screen(screen)))
    }

    /// A fake terminal without threads: the test sends typed lines and receives shown lines.
    #[cfg(test)]
    pub(crate) fn fake() -> (Self, Screen, FakeTypist, mpsc::Receiver<String>) {
        let (typed, lines) = mpsc::channel(TYPED_LINES_MAX);
        let (exited_tx, exited) = watch::channel(());
        let (screen, shown) = mpsc::channel(SHOWN_LINES_MAX);
        (Self { lines, exited, printed: oneshot::channel().1 }, Screen(screen), (typed, exited_tx), shown)
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
        let _ = self.0.send(line).await;
    }
}

fn new_editor(names: Option<KnownNames>, gate: Arc<PrintGate>) -> rustyline::Result<Editor<EditorHelper, FileHistory>> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .history_ignore_space(true)
        .history_ignore_dups(true)?
        .color_mode(ColorMode::Disabled)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(EditorHelper::new(names, gate)));
    editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(ClearOrExit)));
    history::load(&mut editor);
    Ok(editor)
}

/// Edits lines until the user leaves.
fn run_editor(mut editor: Editor<EditorHelper, FileHistory>, typed: &mpsc::Sender<String>, gate: &PrintGate) {
    while !typed.is_closed() {
        let line = editor.readline(PROMPT);
        gate.close();
        match line {
            Ok(line) if UserLine::parse(&line, false) == UserLine::Quit => break,
            Ok(line) => {
                let _ = editor.add_history_entry(&line);
                if !send_lines(&line, typed, gate) {
                    break;
                }
            }
            // A signal ends only the edited line. The loop ends if the session has closed `typed`.
            Err(ReadlineError::Signal(_)) => {}
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    history::save(&mut editor);
    // No further line will be edited, so the gate stays open.
    gate.open_between_lines();
}

/// Sends typed or pasted text to the session, line by line. Returns `false` if the text has a line `/quit`, or if the
/// session has ended.
fn send_lines(text: &str, typed: &mpsc::Sender<String>, gate: &PrintGate) -> bool {
    for line in text.lines() {
        if UserLine::parse(line, false) == UserLine::Quit {
            return false;
        }
        match typed.try_send(line.to_owned()) {
            Ok(()) => {}
            Err(TrySendError::Full(line)) => {
                gate.open_between_lines();
                let sent = typed.blocking_send(line);
                gate.close();
                if sent.is_err() {
                    return false;
                }
            }
            Err(TrySendError::Closed(_)) => return false,
        }
    }
    true
}

/// Prints shown lines, several at once if they are available.
fn run_printer(mut printer: impl ExternalPrinter, mut shown: mpsc::Receiver<String>, gate: &PrintGate) {
    while let Some(line) = shown.blocking_recv() {
        let mut text = line;
        text.push('\n');
        while text.len() < PRINT_MAX_BYTES
            && let Ok(line) = shown.try_recv()
        {
            text.push_str(&line);
            text.push('\n');
        }
        if gate.print_when_open(|| printer.print(text)).is_err() {
            break;
        }
    }
}

/// Ctrl-C: clears the line, or leaves if the line is empty.
struct ClearOrExit;

impl ConditionalEventHandler for ClearOrExit {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        Some(if context.line().is_empty() { Cmd::Interrupt } else { Cmd::Kill(Movement::WholeBuffer) })
    }
}

/// Allows printing while a line is being edited and while the editor waits between two lines. Blocks printing while the
/// editor begins or ends a line.
#[derive(Debug, Default)]
pub(crate) struct PrintGate {
    state: Mutex<PrintGateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct PrintGateState {
    /// `None` while the gate is closed.
    open: Option<PrintMode>,
    /// The mode of the print in progress.
    printing: Option<PrintMode>,
}

/// How lines are printed while the gate is open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum PrintMode {
    /// The editor prints the lines and redraws the edited line.
    Editing,
    /// The printing thread writes directly to the terminal.
    BetweenLines,
}

impl PrintGate {
    /// Opens the gate when a line is being edited.
    pub(crate) fn open_while_editing(&self) {
        self.open_as(PrintMode::Editing);
    }

    /// Opens the gate when no line is being edited. The editor must close it before the next line.
    fn open_between_lines(&self) {
        self.open_as(PrintMode::BetweenLines);
    }

    fn open_as(&self, mode: PrintMode) {
        self.lock().open = Some(mode);
        self.changed.notify_all();
    }

    /// Closes the gate and waits for a print in progress. A print through the editor may itself wait until the editor
    /// edits the next line, so the wait for such a print is limited.
    fn close(&self) {
        let mut state = self.lock();
        state.open = None;
        let prints_through_editor = |state: &mut PrintGateState| state.printing == Some(PrintMode::Editing);
        let waited = self.changed.wait_timeout_while(state, PRINT_WAIT_MAX, prints_through_editor);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let prints_directly = |state: &mut PrintGateState| state.printing == Some(PrintMode::BetweenLines);
        drop(self.changed.wait_while(state, prints_directly).unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until the gate is open, then calls `print`.
    fn print_when_open<T>(&self, print: impl FnOnce() -> T) -> T {
        let mut state =
            self.changed.wait_while(self.lock(), |state| state.open.is_none()).unwrap_or_else(PoisonError::into_inner);
        state.printing = state.open;
        drop(state);
        let printed = print();
        self.lock().printing = None;
        self.changed.notify_all();
        printed
    }

    fn lock(&self) -> MutexGuard<'_, PrintGateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn close_waits_for_a_print_between_lines() {
        let gate = PrintGate::default();
        let (started_tx, started) = channel();
        let printed = Mutex::new(false);
        gate.open_between_lines();
        thread::scope(|scope| {
            scope.spawn(|| {
                gate.print_when_open(|| {
                    started_tx.send(()).expect("the test waits");
                    thread::sleep(3 * PRINT_WAIT_MAX);
                    *printed.lock().expect("no panic") = true;
                });
            });
            started.recv().expect("the print starts");
            gate.close();
            assert!(*printed.lock().expect("no panic"));
        });
    }

    #[test]
    fn close_does_not_wait_long_for_a_print_through_the_editor() {
        let gate = PrintGate::default();
        let (started_tx, started) = channel();
        let (resume, resumed) = channel();
        gate.open_while_editing();
        thread::scope(|scope| {
            let gate = &gate;
            scope.spawn(move || {
                gate.print_when_open(|| {
                    started_tx.send(()).expect("the test waits");
                    resumed.recv().expect("the editor resumes");
                });
            });
            started.recv().expect("the print starts");
            // This call must return before the print ends.
            gate.close();
            resume.send(()).expect("the print waits");
        });
    }

    #[test]
    fn pasted_text_is_sent_line_by_line_up_to_a_quit() {
        let gate = PrintGate::default();
        let (typed, mut lines) = mpsc::channel(TYPED_LINES_MAX);
        assert!(send_lines("one\ntwo", &typed, &gate));
        assert!(!send_lines("three\n/quit\nfour", &typed, &gate));
        drop(typed);
        let sent: Vec<_> = std::iter::from_fn(|| lines.blocking_recv()).collect();
        assert_eq!(sent, ["one", "two", "three"]);
    }

    #[test]
    fn lines_are_printed_while_the_editor_waits_for_room_in_its_queue() {
        let gate = PrintGate::default();
        let (typed, mut lines) = mpsc::channel(1);
        thread::scope(|scope| {
            scope.spawn(|| assert!(send_lines("one\ntwo\nthree", &typed, &gate)));
            // This test is a session that takes no typed line until it has printed a line.
            gate.print_when_open(|| ());
            for line in ["one", "two", "three"] {
                assert_eq!(lines.blocking_recv().as_deref(), Some(line));
            }
        });
    }
}
