//! A terminal with a line being typed, and lines that arrive meanwhile.
//!
//! One thread runs the line editor, one prints. What arrives is printed above the line that is being typed, which the
//! editor then draws again: only whole lines are printed, so nothing is ever cut.
//!
//! The editor's printer writes straight to the terminal between two lines, and that would tear the next prompt if it
//! were drawn at that moment. So printing waits at a [`Gate`] that is open while a line is being edited.
//!
//! Only an editor that edits lets anything be printed, so it must never wait for the session, which may be waiting to
//! print. That is why typed lines wait in a queue without a bound: it holds what one person typed or pasted.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{
    Cmd, ColorMode, CompletionType, ConditionalEventHandler, Config, Editor, Event, EventContext, EventHandler,
    ExternalPrinter, KeyEvent, Movement, RepeatCount,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::completion::{Assistant, Names};
use super::history;
use super::typed::Typed;

const PROMPT: &str = "> ";

/// Lines that wait to be printed at most; whoever shows more, waits.
const QUEUE_MAX: usize = 256;

/// How much is printed at once at most, in bytes: each print draws the line that is being typed again.
const PRINT_MAX_BYTES: usize = 64 * 1024;

/// How long the last lines may take to be printed.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The terminal, as the lines typed on it. Dropping it does not stop the editor: only the person at it does.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// Lines, in order, without their end. `None` once the person has left (by `/quit`, Ctrl-D, or Ctrl-C on an empty
    /// line) and all lines were taken. From then on a Ctrl-C ends the program, as the editor no longer catches it.
    pub(crate) lines: mpsc::UnboundedReceiver<String>,
    printed: oneshot::Receiver<()>,
}

/// The terminal, as what is shown on it.
#[derive(Clone, Debug)]
pub(crate) struct Screen(mpsc::Sender<String>);

impl Terminal {
    /// Starts to edit lines on standard input and output. `names` is what completes a name.
    pub(crate) fn start(names: Names) -> rustyline::Result<(Self, Screen)> {
        let gate = Arc::new(Gate::default());
        let mut editor = editor(names, gate.clone())?;
        let external = editor.create_external_printer()?;

        let (typed, lines) = mpsc::unbounded_channel();
        let (screen, shown) = mpsc::channel(QUEUE_MAX);
        let (last, printed) = oneshot::channel();
        let editing_gate = gate.clone();
        thread::Builder::new().name("edit".to_owned()).spawn(move || {
            edit(editor, &typed, &editing_gate);
        })?;
        thread::Builder::new().name("print".to_owned()).spawn(move || {
            print(external, shown, &gate);
            drop(last);
        })?;
        Ok((Self { lines, printed }, Screen(screen)))
    }

    /// A terminal that is none: what is typed on it is sent, and what it shows is received.
    #[cfg(test)]
    pub(crate) fn fake() -> (Self, Screen, mpsc::UnboundedSender<String>, mpsc::Receiver<String>) {
        let (typed, lines) = mpsc::unbounded_channel();
        let (screen, shown) = mpsc::channel(QUEUE_MAX);
        (Self { lines, printed: oneshot::channel().1 }, Screen(screen), typed, shown)
    }

    /// Waits, for a short time, until all that was shown is printed. Call it once every [`Screen`] is gone.
    pub(crate) async fn printed(self) {
        let _ = timeout(LAST_LINES, self.printed).await;
    }
}

impl Screen {
    /// Shows `line`, which has no end and is safe to show, above the line that is being typed.
    pub(crate) async fn show(&self, line: String) {
        // An error means that the terminal is gone, and with it whoever would read the line.
        let _ = self.0.send(line).await;
    }
}

fn editor(names: Names, gate: Arc<Gate>) -> rustyline::Result<Editor<Assistant, FileHistory>> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .history_ignore_space(true)
        .history_ignore_dups(true)?
        .color_mode(ColorMode::Disabled)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Assistant::new(names, gate)));
    editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(ClearOrLeave)));
    history::load(&mut editor);
    Ok(editor)
}

/// Edits line after line, until the person leaves.
fn edit(mut editor: Editor<Assistant, FileHistory>, typed: &mpsc::UnboundedSender<String>, gate: &Gate) {
    loop {
        let line = editor.readline(PROMPT);
        gate.close();
        match line {
            Ok(line) if Typed::read(&line, false) == Typed::Quit => break,
            Ok(line) => {
                let _ = editor.add_history_entry(&line);
                // What was pasted may be more than one line.
                if line.lines().any(|line| typed.send(line.to_owned()).is_err()) {
                    break;
                }
            }
            Err(ReadlineError::Signal(_)) => {}
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    history::save(&mut editor);
    // Nothing is being edited any more, so nothing can be torn.
    gate.open();
}

/// Prints what is shown, as much at once as there is.
fn print(mut printer: impl ExternalPrinter, mut shown: mpsc::Receiver<String>, gate: &Gate) {
    while let Some(line) = shown.blocking_recv() {
        let mut text = line;
        text.push('\n');
        while text.len() < PRINT_MAX_BYTES
            && let Ok(line) = shown.try_recv()
        {
            text.push_str(&line);
            text.push('\n');
        }
        gate.wait();
        if printer.print(text).is_err() {
            break;
        }
    }
}

/// Ctrl-C: forgets the line, or leaves if there is none.
struct ClearOrLeave;

impl ConditionalEventHandler for ClearOrLeave {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        Some(if context.line().is_empty() { Cmd::Interrupt } else { Cmd::Kill(Movement::WholeBuffer) })
    }
}

/// Open while a line is being edited.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    /// The editor has the terminal: what is printed now goes through it.
    pub(crate) fn open(&self) {
        *self.is_open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.opened.notify_all();
    }

    fn close(&self) {
        *self.is_open.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    fn wait(&self) {
        let is_open = self.is_open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.opened.wait_while(is_open, |is_open| !*is_open).unwrap_or_else(PoisonError::into_inner));
    }
}
