//! The editor thread: edits lines and binds each to the chat that its prompt named.
//!
//! The prompt names the peer. If the chat changes while a line is being edited, the gate interrupts the editor, and the
//! line begins again with the new prompt. Its text still belongs to the chat in which it began. When the user ends a
//! line of an earlier chat, the line is shown again, and only a second Enter sends it to the new peer.
//!
//! Terminals mark a paste, unless they are old. So after each line, the editor takes the input that is already there.
//! If there is a further line, all of it is a paste. The beginning of a line is type-ahead: the editor edits it next.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{
    Cmd, ColorMode, CompletionType, ConditionalEventHandler, Config, Editor, Event, EventContext, EventHandler,
    ExternalPrinter, KeyCode, KeyEvent, Modifiers, Movement, RepeatCount,
};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use unicode_width::UnicodeWidthStr as _;

use super::chat_formatter::ChatFormatter;
use super::completion::{EditorHelper, KnownNames};
use super::current_chat::{Chat, CurrentChat};
use super::edited_line::EditedLine;
use super::history;
use super::print_gate::{PrintGate, is_input_pending};
use super::signals;
use super::typed_text::TypedText;
use super::user_line::UserLine;

/// The maximum number of pasted lines that the editor sends without a question.
pub(crate) const PASTE_UNASKED_MAX_LINES: usize = 3;

/// The maximum size of input that arrives at once, in bytes. Further lines are dropped.
const INPUT_MAX_BYTES: usize = 1024 * 1024;

/// Edits lines until the user leaves.
pub(crate) struct LineEditor {
    editor: Editor<EditorHelper, FileHistory>,
    gate: Arc<PrintGate>,
    line: Arc<EditedLine>,
    chat: CurrentChat,
    /// Whether the dialect has chats.
    has_chats: bool,
    formatter: ChatFormatter,
    returned_lines: ReturnedLines,
    /// The text that `returned_lines` has put at the beginning of the draft.
    returned: String,
    typed: mpsc::Sender<TypedText>,
}

/// The lines that the session did not send because the chat had changed. The editor shows them again.
pub(crate) type ReturnedLines = Arc<Mutex<TypedText>>;

/// How the editing of a line ended.
enum Edited {
    /// The user pressed Enter.
    Entered(TypedText),
    /// The line was interrupted, to begin again. The value is its text.
    Interrupted(TypedText),
    /// The user pressed Ctrl-C on an empty line.
    Cancelled,
    /// The input ended, or the terminal failed.
    Ended,
}

impl LineEditor {
    /// `names` is for completion; pass `None` in the line dialect, which has neither verbs nor chats.
    pub(crate) fn new(
        names: Option<KnownNames>,
        chat: CurrentChat,
        formatter: ChatFormatter,
        gate: Arc<PrintGate>,
        returned_lines: ReturnedLines,
        typed: mpsc::Sender<TypedText>,
    ) -> rustyline::Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .history_ignore_space(true)
            .history_ignore_dups(true)?
            .color_mode(ColorMode::Disabled)
            .build();
        let mut editor = Editor::with_config(config)?;
        let line = Arc::new(EditedLine::default());
        let has_chats = names.is_some();
        editor.set_helper(Some(EditorHelper::new(names, gate.clone(), line.clone())));
        editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(ClearOrCancel(line.clone()))));
        let paste_start = KeyEvent(KeyCode::BracketedPasteStart, Modifiers::NONE);
        editor.bind_sequence(paste_start, EventHandler::Conditional(Box::new(RecordPaste(line.clone()))));
        editor.bind_sequence(Event::Any, EventHandler::Conditional(Box::new(EndWithoutInput(gate.clone()))));
        history::load(&mut editor);
        Ok(Self { editor, gate, line, chat, has_chats, formatter, returned_lines, returned: String::new(), typed })
    }

    pub(crate) fn create_printer(&mut self) -> rustyline::Result<impl ExternalPrinter + Send + 'static> {
        self.editor.create_external_printer()
    }

    /// Edits lines until the user leaves.
    pub(crate) fn run(mut self) {
        self.edit_lines();
        history::save(&mut self.editor);
        // No further line will be edited, so the gate stays open.
        self.gate.open_between_lines();
    }

    fn edit_lines(&mut self) {
        let mut draft = TypedText::default();
        while !self.typed.is_closed() {
            draft = self.with_returned_lines(draft);
            draft = match self.edit(None, draft, false) {
                Edited::Entered(line) => {
                    self.returned.clear();
                    let mut input = self.take_entered_input(line);
                    let is_last = input.is_last;
                    let rest = std::mem::take(&mut input.rest);
                    match self.enter(input) {
                        Some(mut draft) if !is_last => {
                            draft.append(&rest);
                            draft
                        }
                        _ => return,
                    }
                }
                Edited::Interrupted(text) => text,
                Edited::Cancelled | Edited::Ended => return,
            };
        }
    }

    /// Edits one line with the initial text `draft`. Without a `prompt`, the prompt names the chat.
    fn edit(&mut self, prompt: Option<&str>, draft: TypedText, end_when_input_is_empty: bool) -> Edited {
        self.gate.begin_line(end_when_input_is_empty);
        let chat = self.chat.get();
        let prompt = prompt.map_or_else(|| chat.prompt(), str::to_owned);
        let initial = draft.text.clone();
        self.line.begin(draft, chat);
        let result = self.editor.readline_with_initial(&prompt, (&initial, ""));
        self.gate.close();
        let line = self.line.take();
        match result {
            Ok(text) => Edited::Entered(TypedText { text, ..line }),
            Err(ReadlineError::Interrupted) if self.line.is_cancelled() => Edited::Cancelled,
            Err(ReadlineError::Interrupted) if self.gate.has_interrupted() => {
                if !self.typed.is_closed() {
                    self.erase(&prompt, &line.text);
                }
                Edited::Interrupted(line)
            }
            Err(ReadlineError::Signal(_)) => Edited::Interrupted(line),
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::Interrupted => Edited::Interrupted(line),
            Err(_) => Edited::Ended,
        }
    }

    /// Takes the input that arrived together with `line`.
    fn take_entered_input(&mut self, line: TypedText) -> EnteredInput {
        let mut input = EnteredInput { text: line, ..EnteredInput::default() };
        if !signals::CAN_INTERRUPT_EDITOR {
            return input;
        }
        let mut rest = TypedText::default();
        loop {
            match self.edit(Some(""), rest, true) {
                Edited::Entered(line) => {
                    input.append(&line);
                    rest = TypedText::default();
                }
                // The editor has used its own buffer, but the terminal may have more.
                Edited::Interrupted(text) if is_input_pending() => rest = text,
                Edited::Interrupted(text) => {
                    input.append_rest(text);
                    return input;
                }
                Edited::Cancelled | Edited::Ended => {
                    input.is_last = true;
                    return input;
                }
            }
        }
    }

    /// Sends entered text to the session, unless the user must confirm first. Returns the text to edit next, or `None`
    /// if the user leaves.
    fn enter(&mut self, input: EnteredInput) -> Option<TypedText> {
        let EnteredInput { mut text, has_several_lines, is_complete, .. } = input;
        text.is_pasted |= text.text.contains('\n');
        let n_lines = text.n_lines();
        match text.parse() {
            UserLine::Blank => return Some(TypedText::default()),
            UserLine::Quit => return None,
            _ => {}
        }
        let is_long = text.is_pasted && n_lines > PASTE_UNASKED_MAX_LINES;
        if has_several_lines && (!is_long || !is_complete) {
            // The paste contained this Enter. The user has not pressed it. An incomplete paste may still get its last
            // LF, which must not answer the question.
            return Some(text);
        }
        // The history recalls a line as typed, so a pasted line would become a command.
        if !text.is_pasted {
            let _ = self.editor.add_history_entry(&text.text);
        }
        let chat = self.chat.get();
        if text.chat != chat && text.depends_on_chat() {
            return Some(self.show_again(text));
        }
        // Outside of a chat, the session refuses the paste.
        let has_receiver = chat.peer.is_some() || !self.has_chats;
        if is_long && has_receiver {
            match self.confirm(n_lines, &chat) {
                Some(true) => {}
                Some(false) if self.chat.get() != chat => return Some(self.show_again(text)),
                Some(false) => {
                    self.show_discarded(n_lines);
                    return Some(TypedText::default());
                }
                None => return None,
            }
        }
        self.send(text).then(TypedText::default)
    }

    /// Asks whether to send a long paste. Any answer except Enter means no. Returns `None` if the user leaves.
    fn confirm(&mut self, n_lines: usize, chat: &Chat) -> Option<bool> {
        let to = if self.has_chats { format!(" to {}", chat.name()) } else { String::new() };
        let question = format!("Send {n_lines} lines{to}? Enter sends, Ctrl-C discards: ");
        while !self.typed.is_closed() && self.chat.get() == *chat {
            match self.edit(Some(&question), TypedText::default(), false) {
                Edited::Entered(answer) => {
                    // An empty line of a slow paste is no answer: further input follows it.
                    let answer = self.take_entered_input(answer);
                    return Some(answer.is_blank() && self.chat.get() == *chat);
                }
                Edited::Interrupted(_) => {}
                Edited::Cancelled => return Some(false),
                Edited::Ended => return None,
            }
        }
        Some(false)
    }

    /// Sends `text` to the session. Returns `false` if the session has ended.
    fn send(&mut self, text: TypedText) -> bool {
        match self.typed.try_send(text) {
            Ok(()) => true,
            Err(TrySendError::Full(text)) => {
                self.gate.open_between_lines();
                let sent = self.typed.blocking_send(text);
                self.gate.close();
                sent.is_ok()
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }

    /// Asks whether to send `text` to another chat than its own. Returns the text to edit next.
    fn show_again(&self, text: TypedText) -> TypedText {
        let chat = self.chat.get();
        self.show_notice(&chat.question(&text.chat));
        TypedText { chat, ..text }
    }

    /// Adds the lines that the session returned in front of `draft`, behind the lines that it returned before.
    fn with_returned_lines(&mut self, draft: TypedText) -> TypedText {
        let returned_lines = std::mem::take(&mut *self.returned_lines.lock().unwrap_or_else(PoisonError::into_inner));
        if returned_lines.text.is_empty() {
            return draft;
        }
        let (mut text, rest) = draft.split_behind(&self.returned);
        text.append(&returned_lines);
        self.returned.clone_from(&text.text);
        if rest.text.is_empty() {
            // The user sees the lines and the new prompt, so the next Enter may send them.
            text.chat = self.chat.get();
        }
        text.append(&rest);
        text
    }

    /// Erases the interrupted line from the terminal. The cursor is below it.
    fn erase(&mut self, prompt: &str, text: &str) {
        let columns = self.editor.dimensions().map_or(0, |(columns, _)| usize::from(columns));
        if let Some(n_rows) = count_rows(prompt, text, columns) {
            write_to_terminal(&format!("\x1b[{n_rows}A\r\x1b[J"));
        }
    }

    fn show_discarded(&self, n_lines: usize) {
        self.show_notice(&format!("The {n_lines} pasted lines were discarded."));
    }

    fn show_notice(&self, notice: &str) {
        write_to_terminal(&(self.formatter.notice(notice) + "\n"));
    }
}

/// An entered line, together with the input that arrived with it.
#[derive(Debug, Default)]
struct EnteredInput {
    text: TypedText,
    /// Whether more than one line arrived at once.
    has_several_lines: bool,
    /// The beginning of the next line, if exactly one complete line arrived. The user typed ahead.
    rest: TypedText,
    /// Whether the last line ended in Enter.
    is_complete: bool,
    /// Whether the input ended after these lines.
    is_last: bool,
}

impl EnteredInput {
    fn append(&mut self, line: &TypedText) {
        self.is_complete = true;
        if !line.text.trim().is_empty() && self.text.text.len() < INPUT_MAX_BYTES {
            self.text.append(line);
            self.has_several_lines = true;
        }
    }

    /// Adds the last line, which has no Enter.
    fn append_rest(&mut self, rest: TypedText) {
        if !self.has_several_lines {
            self.rest = rest;
        } else if !rest.text.trim().is_empty() {
            self.append(&rest);
            self.is_complete = false;
        }
    }

    fn is_blank(&self) -> bool {
        self.text.text.trim().is_empty() && self.rest.text.trim().is_empty()
    }
}

/// Returns the number of rows that a line fills on a terminal of `columns` columns, or `None` if a character has no
/// fixed width.
fn count_rows(prompt: &str, text: &str, columns: usize) -> Option<usize> {
    if columns == 0 || text.contains(|c: char| c.is_control() && c != '\n') {
        return None;
    }
    let line = format!("{prompt}{text}");
    Some(line.split('\n').map(|row| row.width() / columns + 1).sum())
}

/// Writes to the terminal while no line is being edited.
fn write_to_terminal(text: &str) {
    let mut stdout = io::stdout().lock();
    // An error means that the terminal is closed, which ends the editor as well.
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}

/// Ctrl-C: clears the line, or cancels it if it is empty.
struct ClearOrCancel(Arc<EditedLine>);

impl ConditionalEventHandler for ClearOrCancel {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        if context.line().is_empty() {
            self.0.cancel();
            return Some(Cmd::Interrupt);
        }
        Some(Cmd::Kill(Movement::WholeBuffer))
    }
}

/// Records the beginning of a paste. The editor then inserts the pasted text.
struct RecordPaste(Arc<EditedLine>);

impl ConditionalEventHandler for RecordPaste {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        self.0.begin_paste(&context.line()[..context.pos()]);
        None
    }
}

/// Handles each other key as usual. A line that must end is interrupted after the last key.
struct EndWithoutInput(Arc<PrintGate>);

impl ConditionalEventHandler for EndWithoutInput {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.handle_key();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_line_are_counted() {
        let cases = [
            ("", "", Some(1)),
            ("Noy> ", "", Some(1)),
            ("Noy> ", "hell", Some(1)),
            // The editor moves the cursor to the next row when a row is full.
            ("Noy> ", "hello", Some(2)),
            ("Noy> ", "日本", Some(1)),
            ("Noy> ", "日本語", Some(2)),
            ("Noy> ", "a\nb\nc", Some(3)),
            ("Noy> ", "a\tb", None),
        ];
        for (prompt, text, expected) in cases {
            assert_eq!(count_rows(prompt, text, 10), expected, "{prompt:?}, {text:?}");
        }
        assert_eq!(count_rows("> ", "", 0), None);
    }
}
