//! The prompt of plain mode: `> `, when the program waits for a typed line.
//!
//! The kernel edits the typed line, so the program does not know whether the user has begun one. A line of the server
//! that arrives meanwhile begins on a new line, and the prompt follows it again. What the user has typed stays valid. Text
//! that is typed before the prompt is there shares its line with the output.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::stdout;

/// Lines that arrive within this time share a prompt.
const AFTER_PRINT: Duration = Duration::from_millis(20);

/// The answer to a typed line usually arrives within this time, and the prompt follows the answer.
const AFTER_ENTER: Duration = Duration::from_millis(250);

/// The prompt, or nothing if standard input and output are no terminal.
#[derive(Debug)]
pub(crate) struct Prompt {
    is_enabled: bool,
    /// Whether the prompt is the last output.
    is_shown: Cell<bool>,
    due_at: Cell<Instant>,
    /// Wakes the task that waits for the prompt.
    changed: Notify,
}

impl Prompt {
    pub(crate) fn new(is_enabled: bool) -> Self {
        Self { is_enabled, is_shown: Cell::new(false), due_at: Cell::new(Instant::now()), changed: Notify::new() }
    }

    /// Call this before a line is printed.
    pub(crate) fn begin_output(&self) -> io::Result<()> {
        self.due_at.set(Instant::now() + AFTER_PRINT);
        self.changed.notify_one();
        if self.is_shown.take() { stdout::print_prompt("\n") } else { Ok(()) }
    }

    /// Call this when the user has entered a line. The kernel has moved the cursor to the next one.
    pub(crate) fn entered(&self) {
        self.is_shown.set(false);
        self.due_at.set(Instant::now() + AFTER_ENTER);
        self.changed.notify_one();
    }

    /// Waits until the prompt is due, and shows it. Cancel-safe.
    pub(crate) async fn show_when_due(&self) -> io::Result<()> {
        if !self.is_enabled {
            return pending().await;
        }
        loop {
            let is_shown = self.is_shown.get();
            tokio::select! {
                () = sleep_until(self.due_at.get()), if !is_shown => {
                    self.is_shown.set(true);
                    return stdout::print_prompt("> ");
                }
                () = self.changed.notified() => {}
            }
        }
    }
}
