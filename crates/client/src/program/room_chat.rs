//! The chat in a room at a terminal: `switchboard LINK`, if the link names a room.
//!
//! The session of the library connects again by itself, and the conversation continues after its last record. So this
//! chat only shows that the connection is lost. A line that the user types meanwhile waits.

mod record_line;
mod request;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::pending;
use std::ops::ControlFlow;
use std::time::Duration;

use switchboard_client::conversations::{Conversation, Item, LinkState, Record, RecordVerb, Session, Start};
use switchboard_client::{Error, ErrorCode};
use switchboard_protocol::version2::{NUMBER_MAX, RoomName};
use switchboard_protocol::{Username, sanitize};
use tokio::time::{Instant, sleep_until, timeout};

use self::request::{Answer, PendingRequest, RequestKind};
use super::args::Options;
use super::chat_formatter::ChatFormatter;
use super::cli_error::{CliError, with_timeout};
use super::completion::KnownNames;
use super::current_chat::CurrentChat;
use super::open_session::{self, OpenSession};
use super::signals::TerminationSignals;
use super::terminal::{EditorHandle, Screen};
use super::typed_text::TypedText;
use super::user_line::UserLine;
use super::{address, connecting, name_prompt, stdout};

/// The number of earlier records that the chat begins with: most of a small terminal.
const HISTORY_SHOWN: u64 = 20;

/// The time limit for each answer that is still missing when the user has left.
const LAST_ANSWERS_TIMEOUT: Duration = Duration::from_secs(1);

/// The maximum number of own records whose answer came first: as many as wait in the queue of a conversation.
const EXPECTED_ECHOES_MAX: usize = 1024;

/// The commands of `/help`, each with its description.
const COMMANDS: [(&str, &str); 7] = [
    ("WHO", "list the users of the server"),
    ("PING", "measure the server's response time"),
    ("MSG TEXT", "say TEXT, even if it looks like a command"),
    ("/msg NAME TEXT", "write to an account, also while it is away"),
    ("/leave", "end, and leave the room: an account is not a member any more"),
    ("/help", "show this list"),
    ("/quit", "end (so does Ctrl-D): an account stays a member"),
];

const HELP_FOOTER: &str = "All other lines are said in the room. Pasted text is said, even if it looks like a command.\n\
     To say /x, type //x. The arrow keys recall earlier lines, Ctrl-C clears the line.";

/// Chats in `room` until the user leaves.
pub(crate) async fn run(addr: &str, room: &RoomName, options: &Options) -> Result<(), CliError> {
    options.check_names()?;
    let OpenSession { session, .. } = connect(addr, options).await?;
    let conversation = with_timeout(options.timeout, enter(&session, room.as_str(), Start::Now)).await?;
    let mut signals = TerminationSignals::listen()?;
    let (names, current_chat) = (KnownNames::default(), CurrentChat::default());
    current_chat.set_peer(Some(conversation.target()));
    let formatter = ChatFormatter::new(options.color);
    let (mut editor, screen) = EditorHandle::start(Some(names.clone()), current_chat, formatter)?;
    let mut chat = RoomChat::new(addr, options, conversation, screen, names);
    let result = signals.run_until_signal(chat.run(&mut editor)).await;
    drop(chat);
    if editor.is_running() {
        editor.interrupt().await;
    }
    editor.wait_until_printed().await;
    if !matches!(result, Err(CliError::Signalled(_))) {
        open_session::close(session, LAST_ANSWERS_TIMEOUT).await;
    }
    result
}

/// Connects as `--name`, or else as the name that the user types.
async fn connect(addr: &str, options: &Options) -> Result<OpenSession, CliError> {
    let device = options.device.as_deref();
    if options.name.is_some() {
        return connecting::show_while(addr, options, open_session::connect(addr, options, device)).await;
    }
    loop {
        let name = name_prompt::ask("Your name: ", |name| match Username::new(name.trim()) {
            Ok(_) => Ok(name.trim()),
            Err(error) => Err(error.to_string()),
        })?;
        let options = Options { name: Some(name), ..options.clone() };
        let opening = open_session::connect(addr, &options, device);
        match connecting::show_while(addr, &options, opening).await {
            Err(error @ CliError::NotLoggedIn { .. }) => stdout::print_line(&error.to_string())?,
            connected => return connected,
        }
    }
}

/// Joins a room, and opens it.
async fn enter(session: &Session, room: &str, start: Start) -> Result<Conversation, Error> {
    let joined = session.join(room).await;
    match joined {
        // A room that only its members may join can still be readable.
        Ok(_) | Err(Error::Refused { code: ErrorCode::NotAllowed | ErrorCode::NotLoggedIn, .. }) => {}
        Err(error) => return Err(error),
    }
    session.open(room, start).await.map_err(|error| joined.err().unwrap_or(error))
}

/// The chat of one session in one room.
struct RoomChat<'a> {
    addr: &'a str,
    options: &'a Options,
    formatter: ChatFormatter,
    screen: Screen,
    names: KnownNames,
    session: Session,
    conversation: Conversation,
    is_guest: bool,
    is_connected: bool,
    /// Lines of a paste, to handle before the next typed line.
    queued_lines: VecDeque<TypedText>,
    /// The request in flight. Typed lines wait until it is answered.
    request: Option<PendingRequest>,
    /// The numbers of own records whose answer came first.
    expected_echoes: VecDeque<u64>,
}

impl<'a> RoomChat<'a> {
    fn new(addr: &'a str, options: &'a Options, conversation: Conversation, screen: Screen, names: KnownNames) -> Self {
        let session = conversation.session().clone();
        Self {
            addr,
            options,
            formatter: ChatFormatter::new(options.color),
            screen,
            names,
            is_guest: session.is_guest(),
            session,
            conversation,
            is_connected: true,
            queued_lines: VecDeque::new(),
            request: None,
            expected_echoes: VecDeque::new(),
        }
    }

    /// Chats until the user leaves.
    async fn run(&mut self, editor: &mut EditorHandle) -> Result<(), CliError> {
        self.show_beginning().await;
        let mut link = self.session.link();
        let mut has_link = true;
        // Set when the user has left. The chat ends at this deadline, even if an answer is missing.
        let mut leave_deadline: Option<Instant> = None;
        loop {
            if self.request.is_none()
                && let Some(line) = self.queued_lines.pop_front()
            {
                if self.handle_line(line).await.is_break() {
                    return Ok(());
                }
                continue;
            }
            let limit = self.options.timeout;
            let awaited = self.request.as_ref().filter(|request| !request.is_late);
            let answer_deadline = awaited.map(|request| request.sent_at + limit);
            tokio::select! {
                // A server that always has more records does not stop the user.
                biased;
                _ = editor.exited.changed(), if leave_deadline.is_none() => {
                    leave_deadline = Some(Instant::now() + LAST_ANSWERS_TIMEOUT);
                }
                () = sleep_until_some(leave_deadline) => {
                    // The outbox keeps the message of an account.
                    if self.is_guest && self.request.is_some() {
                        self.show_error("no answer came to the last line").await;
                    }
                    return Ok(());
                }
                changed = link.changed(), if has_link => {
                    // An error means that the session has ended. The conversation then tells the reason.
                    has_link = changed.is_ok();
                    let state = link.borrow_and_update().clone();
                    self.show_link(&state).await;
                }
                typed = editor.lines.recv(), if self.request.is_none() => match typed {
                    Some(typed) => if self.handle_line(typed).await.is_break() {
                        return Ok(());
                    },
                    None => return Ok(()),
                },
                answer = request::answer(&mut self.request) => {
                    let request = self.request.take();
                    if leave_deadline.is_some() {
                        leave_deadline = Some(Instant::now() + LAST_ANSWERS_TIMEOUT);
                    }
                    if let Some(request) = request && self.show_answer(request, answer).await.is_break() {
                        return Ok(());
                    }
                }
                () = sleep_until_some(answer_deadline) => {
                    if let Some(request) = &mut self.request {
                        request.is_late = true;
                    }
                    if self.is_connected {
                        self.show_error(CliError::TimedOut(limit)).await;
                    }
                }
                item = self.conversation.next() => match item {
                    Some(Ok(item)) => self.show_item(&item).await,
                    Some(Err(error)) => if !self.enter_again(&error).await {
                        return self.wait_until_user_leaves(error, editor).await;
                    },
                    None => return Ok(()),
                },
            }
        }
    }

    /// Shows the room and its last records. The records that come after them wait in the queue of the conversation.
    async fn show_beginning(&mut self) {
        let name = self.formatter.name(self.session.name());
        let guest = if self.is_guest { ", a guest" } else { "" };
        let server = address::host_port(self.addr);
        let connected = format!("Connected to {} as {name}{guest}. /help shows what you can type.", sanitize(&server));
        self.show_notice(connected).await;
        let (target, last) = (self.conversation.target().to_owned(), self.conversation.position().number);
        let items = match last {
            0 => Ok(Vec::new()),
            last => {
                let request = self.session.history(&target, (last + 1).min(NUMBER_MAX), HISTORY_SHOWN);
                with_timeout(self.options.timeout, request).await
            }
        };
        let items = match items {
            Ok(items) => items,
            Err(error) => {
                self.show_error(error).await;
                Vec::new()
            }
        };
        self.show_notice(record_line::heading(&sanitize(&target), &items)).await;
        for item in &items {
            self.show_item(item).await;
        }
    }

    async fn show_item(&mut self, item: &Item) {
        match item {
            Item::Record(record) => {
                self.names.add(&record.author);
                if !self.take_echo(record) {
                    self.screen.show(record_line::record(self.formatter, record)).await;
                }
            }
            Item::Gap(gap) => {
                if gap.to == 0 {
                    self.expected_echoes.clear();
                }
                self.show_notice(record_line::gap(gap)).await;
            }
            _ => {}
        }
    }

    /// Whether `record` is a line that the user has typed here, and sees already.
    fn take_echo(&mut self, record: &Record) -> bool {
        if let Some(index) = self.expected_echoes.iter().position(|seq| *seq == record.seq) {
            self.expected_echoes.remove(index);
            return true;
        }
        let is_guests_own = self.is_guest && record.by.is_none() && record.author == self.session.name();
        if record.verb != RecordVerb::From || (record.n.is_none() && !is_guests_own) {
            return false;
        }
        match &mut self.request {
            // The server trims white space at the end.
            Some(PendingRequest { kind: RequestKind::Say(text), has_echo, .. })
                if !*has_echo && text.trim_end() == record.text.trim_end() =>
            {
                *has_echo = true;
                true
            }
            _ => false,
        }
    }

    async fn show_link(&mut self, state: &LinkState) {
        match state {
            LinkState::Reconnecting { reason, delay } => {
                let delay = delay.as_secs_f64();
                if std::mem::take(&mut self.is_connected) {
                    self.show_error(reason).await;
                    self.show_notice(format!("Reconnecting in {delay:.1} s.")).await;
                } else {
                    self.show_notice(format!("Not yet: {}; reconnecting in {delay:.1} s.", sanitize(reason))).await;
                }
            }
            LinkState::Connected if !self.is_connected => {
                self.is_connected = true;
                self.show_notice("Reconnected.").await;
            }
            _ => {}
        }
    }

    /// Enters the room again if the server has forgotten it, as a server without a disk does when it restarts. Only for
    /// a guest: an account would become a member again, perhaps after a moderator has removed it.
    async fn enter_again(&mut self, error: &Error) -> bool {
        let is_forgotten = |error: &Error| matches!(error, Error::Refused { code: ErrorCode::NotAMember, .. });
        if !self.is_guest || !matches!(error, Error::Ended(reason) if is_forgotten(reason)) {
            return false;
        }
        let start = Start::After(self.conversation.position().clone());
        let target = self.conversation.target().to_owned();
        match timeout(self.options.timeout, enter(&self.session, &target, start)).await {
            Ok(Ok(conversation)) => {
                self.conversation = conversation;
                true
            }
            _ => false,
        }
    }

    /// Shows why the chat is over, and refuses lines until the user leaves.
    async fn wait_until_user_leaves(&mut self, error: Error, editor: &mut EditorHandle) -> Result<(), CliError> {
        self.show_error(&error).await;
        self.show_notice("The chat in this room is over. Ctrl-D or /quit leaves.").await;
        while let Some(line) = editor.lines.recv().await {
            if !matches!(line.parse(), UserLine::Blank | UserLine::Quit) {
                self.show_error("the chat is over: that line was not sent").await;
            }
        }
        Err(error.into())
    }

    /// Handles a typed line. Breaks if the user leaves.
    async fn handle_line(&mut self, typed: TypedText) -> ControlFlow<()> {
        if typed.is_pasted && typed.text.contains('\n') {
            let TypedText { text, is_pasted, chat } = typed;
            let lines = text.lines().map(|line| TypedText { text: line.to_owned(), is_pasted, chat: chat.clone() });
            self.queued_lines.extend(lines);
            return ControlFlow::Continue(());
        }
        match typed.parse() {
            UserLine::Blank | UserLine::Quit => {}
            UserLine::Help => {
                let commands = COMMANDS.iter().map(|&(usage, about)| (usage.to_owned(), about));
                self.screen.show(self.formatter.commands(commands) + HELP_FOOTER).await;
            }
            UserLine::UnknownSlash(word) if word.eq_ignore_ascii_case("leave") => {
                if self.is_guest {
                    return ControlFlow::Break(());
                }
                self.send(RequestKind::Leave).await;
            }
            UserLine::UnknownSlash(word) => {
                self.show_error(format!("no such command: /{word}. /help lists the commands")).await;
            }
            UserLine::MissingText => {
                self.show_error("not sent: write a text after the name, as /msg NAME TEXT").await;
            }
            UserLine::Message(text) => self.send(RequestKind::Say(text.to_owned())).await,
            UserLine::DirectMessage { name, text } => {
                self.send(RequestKind::Write { name: name.to_owned(), text: text.to_owned() }).await;
            }
            UserLine::Command(command) => return self.handle_command(command).await,
        }
        ControlFlow::Continue(())
    }

    /// Handles a typed command of version 1. Breaks if the user leaves.
    async fn handle_command(&mut self, command: &str) -> ControlFlow<()> {
        let (verb, argument) = command.split_once(' ').unwrap_or((command, ""));
        match &*verb.to_ascii_uppercase() {
            "WHO" => self.send(RequestKind::Who).await,
            "PING" => self.send(RequestKind::Ping).await,
            "MSG" => self.send(RequestKind::Say(argument.to_owned())).await,
            "DISCONNECT" => return ControlFlow::Break(()),
            verb => {
                let server = address::host_port(self.addr);
                let error = format!(
                    "{verb} is not for a room: you are {} here. For a chat with one user, open the link to {server} \
                     without its room",
                    self.session.name()
                );
                self.show_error(error).await;
            }
        }
        ControlFlow::Continue(())
    }

    /// Sends a request, which waits while there is no connection.
    async fn send(&mut self, kind: RequestKind) {
        if !self.is_connected {
            self.show_notice("Not connected: that line waits for the connection.").await;
        }
        self.request = Some(PendingRequest::new(kind, &self.session, self.conversation.target()));
    }

    /// Shows the answer to a request. Breaks if the user has left the room.
    async fn show_answer(&mut self, request: PendingRequest, answer: Result<Answer, Error>) -> ControlFlow<()> {
        match answer {
            Ok(Answer::Stored(seq)) => match &request.kind {
                RequestKind::Write { name, .. } => {
                    self.show_notice(format!("{} gets your message.", self.formatter.name(name))).await;
                }
                _ if request.has_echo => {}
                _ => {
                    self.expected_echoes.truncate(EXPECTED_ECHOES_MAX - 1);
                    self.expected_echoes.push_front(seq);
                }
            },
            Ok(Answer::Users(names)) => {
                self.names.set(names.iter().map(String::as_str));
                let names: Vec<_> = names.iter().map(|name| self.formatter.name(name)).collect();
                self.show_notice(format!("On this server: {}.", names.join(", "))).await;
            }
            Ok(Answer::Pong(time)) => {
                self.show_notice(format!("PONG in {:.1} ms.", 1e3 * time.as_secs_f64())).await;
            }
            Ok(Answer::Left) => return ControlFlow::Break(()),
            // The conversation has ended, too, and shows the reason.
            Err(Error::Ended(_)) => self.show_error("the last line was not answered").await,
            Err(error) => self.show_error(error).await,
        }
        ControlFlow::Continue(())
    }

    async fn show_notice(&self, notice: impl std::fmt::Display) {
        self.screen.show(self.formatter.notice(notice)).await;
    }

    async fn show_error(&self, error: impl std::fmt::Display) {
        self.screen.show(self.formatter.error(error)).await;
    }
}

/// Waits until `deadline`, or forever if it is `None`.
async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
