//! Interactive mode: a chat at a terminal.
//!
//! The session is either connected or reconnecting. While connected, it handles typed lines and server lines as they
//! arrive. While reconnecting, it still handles typed lines. The user can leave at any time.
//!
//! The session reads server lines one by one and does not use a [`Client`](switchboard_client::Client), because its
//! state depends on the order of answers and events: `CONNECT_OK Elias`, `FROM Elias: hi` and `PEER_DISCONNECTED` may
//! arrive in one TCP segment.

use std::collections::VecDeque;
use std::future::{pending, ready};
use std::sync::Arc;
use std::time::Duration;

use switchboard_client::low_level::{
    Backoff, Incoming, LineReader, MonitoredReader, Received, open_session, receive_welcome,
};
use switchboard_client::{ConnectionError, Error, Event};
use switchboard_protocol::limits::LINE_CEILING_BYTES;
use switchboard_protocol::{Command, ErrorCode, ParseError, Reply, Text, commands, sanitize};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, sleep, sleep_until};

use super::args::Options;
use super::chat_formatter::ChatFormatter;
use super::cli_error::{CliError, with_timeout};
use super::completion::KnownNames;
use super::connecting;
use super::current_chat::CurrentChat;
use super::line_editor::PASTE_UNASKED_MAX_LINES;
use super::send_buffer::SendBuffer;
use super::signals::TerminationSignals;
use super::terminal::{EditorHandle, Screen};
use super::typed_text::TypedText;
use super::user_line::UserLine;

/// The ceiling of the first delay before reconnecting.
pub(super) const FIRST_DELAY_MAX: Duration = Duration::from_millis(500);

/// The ceiling of all delays before reconnecting. After a connection that lasted longer than this, the delays start
/// over.
pub(super) const DELAY_MAX: Duration = Duration::from_secs(30);

/// How long the client tries to register its name again after a reconnect. The name may still belong to the lost
/// session, until the server notices the loss: by default after one minute of keepalive and one minute of user timeout.
/// The third minute is reserve.
pub(super) const NAME_TAKEN_PATIENCE: Duration = Duration::from_mins(3);

/// The number of received lines after which a line is sent as soon as the last read has no further line. So a server
/// that always has more lines does not stop the user.
const RECEIVED_FIRST_MAX_LINES: usize = 256;

/// The time limit for each answer that is still missing when the user has left.
const LAST_ANSWERS_TIMEOUT: Duration = Duration::from_secs(1);

/// Chats until the user leaves.
pub(crate) async fn run(addr: &str, options: &Options) -> Result<(), CliError> {
    options.check_names()?;
    let connection = ServerConnection::open_and_show(addr, options).await?;
    let mut signals = TerminationSignals::listen()?;
    let names = KnownNames::default();
    let current_chat = CurrentChat::default();
    let formatter = ChatFormatter::new(options.color);
    let (mut editor, screen) = EditorHandle::start(Some(names.clone()), current_chat.clone(), formatter)?;
    let timing = Timing {
        backoff: Backoff::new(FIRST_DELAY_MAX, DELAY_MAX, fastrand::u64(..)),
        name_taken_patience: NAME_TAKEN_PATIENCE,
    };
    let view = View { screen, names, chat: current_chat };
    let result = signals.run_until_signal(chat(addr, options, connection, &mut editor, view, timing)).await;
    if matches!(result, Err(CliError::Signalled(_))) {
        editor.interrupt().await;
    }
    editor.wait_until_printed().await;
    result
}

/// The times of reconnecting.
struct Timing {
    /// The delays before reconnecting.
    backoff: Backoff,
    /// How long the client tries to register its name again.
    name_taken_patience: Duration,
}

/// The state that the session shares with the terminal.
struct View {
    screen: Screen,
    names: KnownNames,
    chat: CurrentChat,
}

/// Runs the session on an open connection and an open terminal.
async fn chat(
    addr: &str,
    options: &Options,
    connection: ServerConnection,
    editor: &mut EditorHandle,
    View { screen, names, chat }: View,
    timing: Timing,
) -> Result<(), CliError> {
    let mut session = ChatSession {
        addr,
        options,
        formatter: ChatFormatter::new(options.color),
        screen,
        names,
        own_name: None,
        lost_name: None,
        chat,
        timing,
        queued_lines: VecDeque::new(),
        pending: VecDeque::new(),
        wants_name: options.name.is_some(),
        wants_chat: options.chat.is_some(),
        deferred_chat: options.chat.clone().filter(|_| options.name.is_some()),
    };
    match (&options.name, &options.chat) {
        // `deferred_chat` opens the chat after the registration.
        (Some(name), _) => session.queue_request(format!("REGISTER {name}")),
        (None, Some(name)) => session.queue_request(format!("CONNECT {name}")),
        (None, None) => {}
    }
    session.run(connection, editor).await?;
    // The request of `--name` or `--chat` had no success. The session has already shown the reason.
    if session.wants_name || session.wants_chat { Err(CliError::Refused) } else { Ok(()) }
}

/// A connection with non-blocking writes.
struct ServerConnection {
    lines: MonitoredReader<OwnedReadHalf>,
    out: SendBuffer,
}

impl ServerConnection {
    /// Connects, and waits for `WELCOME`.
    async fn open(addr: &str, options: &Options) -> Result<Self, Error> {
        Ok(Self::new(open_session(&addr, options.timeout).await?, options))
    }

    /// Like [`ServerConnection::open`], and shows this on the terminal.
    async fn open_and_show(addr: &str, options: &Options) -> Result<Self, Error> {
        let socket = connecting::connect(addr, options).await?;
        let welcome = receive_welcome(socket, &addr, options.timeout);
        Ok(Self::new(
            connecting::receive_greeting(addr, connecting::SILENT_SERVER_HINT, options, welcome).await?,
            options,
        ))
    }

    fn new((lines, socket): (LineReader<OwnedReadHalf>, OwnedWriteHalf), options: &Options) -> Self {
        Self { lines: MonitoredReader::new(lines, options.liveness()), out: SendBuffer::new(socket) }
    }
}

struct ChatSession<'a> {
    addr: &'a str,
    options: &'a Options,
    formatter: ChatFormatter,
    screen: Screen,
    names: KnownNames,
    /// The registered name, or the name to register after a reconnect.
    own_name: Option<String>,
    /// The name that stayed taken after a reconnect. The client tries it again on the next connection.
    lost_name: Option<String>,
    chat: CurrentChat,
    timing: Timing,
    /// Lines to handle before the next typed line.
    queued_lines: VecDeque<TypedText>,
    /// The requests in flight, in the order of sending.
    pending: VecDeque<PendingRequest>,
    /// Whether `--name` was given and no name is registered yet.
    wants_name: bool,
    /// Whether `--chat` was given and no chat has been opened yet.
    wants_chat: bool,
    /// The user of `--chat`, while the `CONNECT` still waits for the registration of `--name`.
    deferred_chat: Option<String>,
}

/// A request in flight.
struct PendingRequest {
    kind: RequestKind,
    sent_at: Instant,
    /// Whether the answer has timed out. The session then accepts further lines.
    is_late: bool,
}

impl PendingRequest {
    fn new(kind: RequestKind) -> Self {
        Self { kind, sent_at: Instant::now(), is_late: false }
    }
}

#[derive(PartialEq)]
enum RequestKind {
    /// The client's own `PING` after silence. The user does not see it and does not wait for it.
    Probe,
    Message,
    /// A command other than `REGISTER`.
    Command,
    /// A `REGISTER`, with its whole line.
    Register(String),
}

impl ChatSession<'_> {
    /// The last request of the user in flight.
    fn last_request(&mut self) -> Option<&mut PendingRequest> {
        self.pending.iter_mut().rev().find(|request| request.kind != RequestKind::Probe)
    }

    async fn run(&mut self, mut connection: ServerConnection, editor: &mut EditorHandle) -> Result<(), CliError> {
        let connected = format!("Connected to {}. /help shows what you can type.", sanitize(self.addr));
        self.show_notice(connected).await;
        loop {
            let connected_at = Instant::now();
            let Some(error) = self.run_connected(connection, editor).await else { return Ok(()) };
            if connected_at.elapsed() > DELAY_MAX {
                self.timing.backoff.reset();
            }
            self.show_error(&error).await;
            if self.options.reconnect.no_reconnect {
                self.wait_until_user_leaves(editor).await;
                return Err(error.into());
            }
            let is_register_timeout =
                matches!(error, ConnectionError::ClosedWithCode { code: ErrorCode::RegisterTimeout, .. });
            if is_register_timeout {
                self.own_name = self.own_name.take().or_else(|| self.lost_name.take());
                // Without a name, the server would close each new connection after the same timeout. So wait for input.
                if self.own_name.is_none() && !self.wait_for_line(editor).await {
                    return Ok(());
                }
            }
            match self.reconnect(editor).await {
                Some(reconnected) => connection = reconnected,
                None => return Ok(()),
            }
        }
    }

    /// Runs until the connection ends, and returns the reason. If the user leaves, it waits for the missing answers for
    /// a limited time, and returns `None`.
    async fn run_connected(
        &mut self,
        mut connection: ServerConnection,
        editor: &mut EditorHandle,
    ) -> Option<ConnectionError> {
        self.pending.clear();
        let mut close_reason = None;
        // Set when the user has left. The session ends at this deadline, even if answers are missing.
        let mut leave_deadline: Option<Instant> = None;
        // The number of lines received since the last sent line.
        let mut n_received = 0;
        loop {
            let limit = self.options.timeout;
            let last_request = self.last_request().filter(|request| !request.is_late);
            let answer_deadline = last_request.map(|request| request.sent_at + limit);
            let can_send = answer_deadline.is_none() && connection.out.is_empty();
            let has_queued_line = can_send && !self.queued_lines.is_empty();
            // The lines of one read may end a chat, so they are handled together.
            let receives_first = n_received < RECEIVED_FIRST_MAX_LINES || connection.lines.has_buffered_line();
            tokio::select! {
                biased;
                _ = editor.exited.changed(), if leave_deadline.is_none() => {
                    leave_deadline = Some(Instant::now() + LAST_ANSWERS_TIMEOUT);
                }
                () = sleep_until_some(leave_deadline) => return None,
                // The next line to send may be for a peer who has left. So the received lines come first.
                received = connection.lines.next(), if receives_first => match received {
                    Ok(Received::PingDue) => {
                        connection.out.push_line("PING");
                        self.pending.push_back(PendingRequest::new(RequestKind::Probe));
                    }
                    Ok(Received::Line(line)) => {
                        n_received += 1;
                        let is_answer = self.handle_server_line(&line, &mut close_reason).await;
                        if is_answer && leave_deadline.is_some() {
                            leave_deadline = Some(Instant::now() + LAST_ANSWERS_TIMEOUT);
                        }
                    }
                    Err(_) if leave_deadline.is_some() => return None,
                    Err(error) => {
                        if answer_deadline.is_some() {
                            self.show_error("the connection was lost before the last line was answered").await;
                        }
                        if self.own_name.is_none() {
                            // Repeat an unanswered REGISTER on the next connection.
                            let register = self.pending.drain(..).find_map(|request| match request.kind {
                                RequestKind::Register(line) => Some(line),
                                _ => None,
                            });
                            if let Some(register) = register {
                                self.queue_request(register);
                            }
                        }
                        return Some(close_reason.unwrap_or(error));
                    }
                },
                () = ready(()), if has_queued_line => {
                    n_received = 0;
                    if let Some(line) = self.queued_lines.pop_front() {
                        self.handle_line(&mut connection.out, line).await;
                    }
                }
                line = editor.lines.recv(), if can_send => {
                    n_received = 0;
                    self.handle_line(&mut connection.out, line?).await;
                }
                () = connection.out.write_some() => {}
                () = sleep_until_some(answer_deadline) => {
                    self.show_error(CliError::TimedOut(self.options.timeout)).await;
                    self.last_request().expect("a deadline belongs to a request").is_late = true;
                }
                () = ready(()), if !receives_first => n_received = 0,
            }
        }
    }

    /// Tries to reconnect until an attempt succeeds. Returns `None` if the user leaves.
    async fn reconnect(&mut self, editor: &mut EditorHandle) -> Option<ServerConnection> {
        let lost_peer = self.set_peer(None).await;
        // The first sentence of the next notice.
        let mut last_failure = "Reconnecting".to_owned();
        // When the server first refused the name because it is taken.
        let mut name_taken_since: Option<Instant> = None;
        loop {
            let delay = self.timing.backoff.next_delay();
            self.show_notice(format!("{last_failure} in {:.1} s.", delay.as_secs_f64())).await;
            let reconnecting = try_reconnect(self.addr, self.options, self.own_name.clone(), delay);
            let mut reconnecting = std::pin::pin!(reconnecting);
            let attempt = loop {
                tokio::select! {
                    biased;
                    line = editor.lines.recv() => if self.handle_offline_line(&line?).await {
                        break None;
                    },
                    attempt = &mut reconnecting => break Some(attempt),
                }
            };
            let (connection, registered) = match attempt {
                None => {
                    // The user has chosen another name. Try it soon.
                    (last_failure, name_taken_since) = ("Reconnecting".to_owned(), None);
                    self.timing.backoff.reset();
                    continue;
                }
                Some(Err(CliError::Client(Error::Connect { source, .. }))) => {
                    last_failure = format!("Not yet: {}. Reconnecting", source.kind());
                    continue;
                }
                Some(Err(error)) => {
                    last_failure = format!("Not yet: {} Reconnecting", with_full_stop(error.to_string()));
                    continue;
                }
                Some(Ok(reconnected)) => reconnected,
            };
            match registered {
                None => self.show_notice("Reconnected.").await,
                Some(Ok(name)) => {
                    self.show_notice(format!("Reconnected as {}.", self.formatter.name(&name))).await;
                    self.wants_name = false;
                    self.own_name = Some(name);
                    self.queue_deferred_chat();
                }
                Some(Err(error)) => {
                    let is_taken = matches!(error, Error::Refused { code: ErrorCode::NameTaken, .. });
                    let own_name = self.own_name.take().unwrap_or_default();
                    let name = self.formatter.name(&own_name);
                    if is_taken {
                        let since = *name_taken_since.get_or_insert_with(Instant::now);
                        if since.elapsed() < self.timing.name_taken_patience {
                            last_failure =
                                format!("{name} is still taken, probably by your lost connection. Trying again");
                            self.own_name = Some(own_name);
                            continue;
                        }
                        // Another user may leave this name later.
                        self.lost_name = Some(own_name);
                    }
                    self.show_error(error).await;
                    self.show_notice("Reconnected, but without a name: REGISTER another.").await;
                }
            }
            if let Some(peer) = lost_peer {
                let peer = self.formatter.name(&peer);
                self.show_notice(format!("Your chat with {peer} is over: CONNECT {peer} opens another.")).await;
            }
            return Some(connection);
        }
    }

    /// Handles a line typed while there is no connection. Returns whether it changed the name to register.
    async fn handle_offline_line(&mut self, line: &TypedText) -> bool {
        match line.parse() {
            UserLine::Blank | UserLine::Quit => {}
            UserLine::Help => self.screen.show(self.formatter.help()).await,
            UserLine::Command(command) => match commands::parse(command.as_bytes(), LINE_CEILING_BYTES) {
                Ok(Some(Command::Register { name })) => {
                    self.show_notice(format!("You will be {}.", self.formatter.name(name.as_str()))).await;
                    self.own_name = Some(name.to_string());
                    self.lost_name = None;
                    self.queued_lines
                        .retain(|line| !matches!(line.parse(), UserLine::Command(command) if is_register(command)));
                    return true;
                }
                Err(ParseError::Name(error)) => self.show_error(error).await,
                _ => self.show_error("not connected: that line was not sent").await,
            },
            UserLine::Message(_)
            | UserLine::DirectMessage { .. }
            | UserLine::MissingText
            | UserLine::UnknownSlash(_) => {
                self.show_error("not connected: that line was not sent").await;
            }
        }
        false
    }

    /// Shows that there is no chat, and refuses lines until the user leaves.
    async fn wait_until_user_leaves(&mut self, editor: &mut EditorHandle) {
        self.set_peer(None).await;
        if !std::mem::take(&mut self.queued_lines).is_empty() {
            self.show_error("not connected: the last lines were not sent").await;
        }
        self.show_notice("Ctrl-D or /quit leaves.").await;
        while let Some(line) = editor.lines.recv().await {
            match line.parse() {
                UserLine::Blank | UserLine::Quit => {}
                UserLine::Help => self.screen.show(self.formatter.help()).await,
                _ => self.show_error("not connected: that line was not sent").await,
            }
        }
    }

    /// Waits for a typed line and queues it. Returns `false` if the user leaves.
    async fn wait_for_line(&mut self, editor: &mut EditorHandle) -> bool {
        self.show_notice("Type a command to reconnect.").await;
        while let Some(line) = editor.lines.recv().await {
            match line.parse() {
                UserLine::Blank => {}
                UserLine::Help => self.screen.show(self.formatter.help()).await,
                _ => {
                    self.queued_lines.push_back(line);
                    return true;
                }
            }
        }
        false
    }

    /// Handles a typed line: executes a local command, or sends a request.
    async fn handle_line(&mut self, out: &mut SendBuffer, typed: TypedText) {
        if typed.is_pasted && typed.text.contains('\n') {
            let TypedText { text, is_pasted, chat } = typed;
            let lines = text.lines().map(|line| TypedText { text: line.to_owned(), is_pasted, chat: chat.clone() });
            return self.queued_lines.extend(lines);
        }
        let chat = self.chat.get();
        if typed.depends_on_chat() && typed.chat != chat {
            return self.return_line(typed).await;
        }
        let (is_message, line) = match typed.parse() {
            UserLine::Blank | UserLine::Quit => return,
            UserLine::Help => return self.screen.show(self.formatter.help()).await,
            UserLine::UnknownSlash(word) => {
                return self.show_error(format!("no such command: /{word}. /help lists the commands")).await;
            }
            UserLine::MissingText => {
                return self.show_error("not sent: write a text after the name, as /msg NAME TEXT").await;
            }
            UserLine::Message(_) | UserLine::DirectMessage { .. } if chat.peer.is_none() => {
                let register_first = if self.own_name.is_none() { "REGISTER NAME and then " } else { "" };
                let pasted = if typed.is_pasted { ". Pasted text is never a command" } else { "" };
                self.queued_lines.retain(|line| !line.is_pasted);
                let error =
                    format!("you are not in a chat: use {register_first}CONNECT NAME. WHO lists the users{pasted}");
                return self.show_error(error).await;
            }
            UserLine::DirectMessage { name, .. } if !is_same_name(name, chat.peer.as_deref()) => {
                let error = format!(
                    "not sent: you are in a chat with {}, not with {name}. DISCONNECT and CONNECT {name} opens \
                     another chat",
                    chat.name()
                );
                return self.show_error(error).await;
            }
            UserLine::Message(text) | UserLine::DirectMessage { text, .. } => (true, format!("MSG {text}")),
            UserLine::Command(command) => (false, command.to_owned()),
        };
        if let Err(error) = Text::new(&line, LINE_CEILING_BYTES - "\n".len()) {
            return self.show_error(error).await;
        }
        out.push_line(&line);
        let kind = match line {
            _ if is_message => RequestKind::Message,
            line if is_register(&line) => RequestKind::Register(line),
            _ => RequestKind::Command,
        };
        self.pending.push_back(PendingRequest::new(kind));
    }

    /// Returns a line to the editor, because it was typed for another chat. The rest of a long paste is discarded.
    async fn return_line(&mut self, mut returned: TypedText) {
        let mut n_lines = 1;
        while returned.is_pasted
            && let Some(line) = self.queued_lines.pop_front_if(|line| line.is_pasted)
        {
            // A blank line would not be sent.
            n_lines += usize::from(!line.text.trim().is_empty());
            returned.append(&line);
        }
        if n_lines > PASTE_UNASKED_MAX_LINES {
            let earlier = returned.chat.name();
            let error = format!("{n_lines} pasted lines were not sent: the chat with {earlier} is over");
            return self.show_error(error).await;
        }
        self.show_notice(self.chat.get().question(&returned.chat)).await;
        self.screen.return_line(returned).await;
    }

    /// Handles a line from the server. Returns whether the line answers a request in flight.
    async fn handle_server_line(&mut self, line: &str, close_reason: &mut Option<ConnectionError>) -> bool {
        match Incoming::parse(line) {
            Incoming::Answer(answer) => match self.pending.pop_front() {
                Some(request) if request.kind == RequestKind::Probe => return false,
                Some(request) => {
                    self.handle_answer(&request, answer).await;
                    return true;
                }
                None => self.show_unknown_line(line).await,
            },
            Incoming::Event(Event::Message { name, text }) => {
                self.names.add(&name);
                self.screen.show(self.formatter.message(&name, &text)).await;
            }
            Incoming::Event(Event::IncomingConnection { name }) => {
                self.enter_chat(&name);
                let peer = self.formatter.name(&name);
                self.show_notice(format!("{peer} opened a chat with you: type to answer, DISCONNECT to leave.")).await;
                self.screen.show_new_chat().await;
            }
            Incoming::Event(Event::PeerDisconnected) => {
                let peer = self.chat.set_peer(None);
                let peer = peer.map_or("Your peer".to_owned(), |peer| self.formatter.name(&peer));
                self.show_notice(format!("{peer} left the chat.")).await;
                self.screen.show_new_chat().await;
            }
            // The reason is shown when the connection has ended.
            Incoming::Event(Event::Notice { code, detail }) => {
                *close_reason = Some(ConnectionError::ClosedWithCode { code, detail });
            }
            Incoming::Event(_) => self.show_unknown_line(line).await,
        }
        false
    }

    /// Shows the answer to `request` and updates the state of the session.
    async fn handle_answer(&mut self, request: &PendingRequest, answer: Result<Reply<'static>, Error>) {
        let reply = match answer {
            Ok(reply) => reply,
            Err(error) => {
                if let Error::Refused { code: ErrorCode::NotConnected, .. } = error {
                    self.set_peer(None).await;
                }
                self.show_error(error).await;
                if let Some(name) = &self.deferred_chat
                    && matches!(request.kind, RequestKind::Register(_))
                    && self.own_name.is_none()
                {
                    let name = self.formatter.name(name);
                    self.show_notice(format!("REGISTER another name, and CONNECT {name} follows automatically.")).await;
                }
                return;
            }
        };
        match reply {
            Reply::RegisterOk { name } => {
                self.show_notice(format!("You are {}.", self.formatter.name(&name))).await;
                self.own_name = Some(name.into_owned());
                self.lost_name = None;
                self.wants_name = false;
                self.queue_deferred_chat();
            }
            Reply::ConnectOk { name } => {
                self.enter_chat(&name);
                let peer = self.formatter.name(&name);
                self.show_notice(format!("You are in a chat with {peer}: type to talk, DISCONNECT to leave.")).await;
                self.screen.show_new_chat().await;
            }
            // A message needs no notice of success.
            Reply::MsgSent if request.kind == RequestKind::Message => {}
            Reply::DisconnectOk => {
                let notice = match self.chat.set_peer(None) {
                    Some(peer) => format!("You left the chat with {}.", self.formatter.name(&peer)),
                    None => "You are in no chat.".to_owned(),
                };
                self.show_notice(notice).await;
                self.screen.show_new_chat().await;
            }
            Reply::Pong => {
                let round_trip_ms = 1e3 * request.sent_at.elapsed().as_secs_f64();
                self.show_notice(format!("PONG in {round_trip_ms:.1} ms.")).await;
            }
            Reply::Users { names } => {
                self.names.set(names.iter());
                let formatted: Vec<_> = names.iter().map(|name| self.formatter.name(name)).collect();
                let users = if formatted.is_empty() { "nobody".to_owned() } else { formatted.join(", ") };
                self.show_notice(format!("Here: {users}.")).await;
            }
            // For example `MSG_SENT` after a typed `MSG`.
            other => {
                let mut line = Vec::new();
                commands::encode(&other, &mut line);
                self.show_notice(sanitize(String::from_utf8_lossy(&line).trim_end())).await;
            }
        }
    }

    /// Records that the user is in a chat with `name`. The caller shows a notice and then the new prompt.
    fn enter_chat(&mut self, name: &str) {
        self.names.add(name);
        self.wants_chat = false;
        self.chat.set_peer(Some(name));
    }

    /// Changes the peer and the prompt. Returns the previous peer.
    async fn set_peer(&mut self, peer: Option<&str>) -> Option<Arc<str>> {
        let previous = self.chat.set_peer(peer);
        self.screen.show_new_chat().await;
        previous
    }

    /// Queues a request of the client itself.
    fn queue_request(&mut self, line: String) {
        self.queued_lines.push_back(TypedText { text: line, ..TypedText::default() });
    }

    /// Queues the `CONNECT` of `--chat`, if it waits for the registration.
    fn queue_deferred_chat(&mut self) {
        if let Some(name) = self.deferred_chat.take() {
            self.queue_request(format!("CONNECT {name}"));
        }
    }

    /// Shows a line from the server that answers no request and is no known event.
    async fn show_unknown_line(&self, line: &str) {
        self.show_notice(format!("The server says: {}", sanitize(line))).await;
    }

    async fn show_notice(&self, notice: impl std::fmt::Display) {
        self.screen.show(self.formatter.notice(notice)).await;
    }

    async fn show_error(&self, error: impl std::fmt::Display) {
        self.screen.show(self.formatter.error(error)).await;
    }
}

/// Whether two names are equal except for case.
fn is_same_name(name: &str, peer: Option<&str>) -> bool {
    peer.is_some_and(|peer| peer.to_lowercase() == name.to_lowercase())
}

/// Whether `line` begins with the verb `REGISTER`, in upper or lower case.
fn is_register(line: &str) -> bool {
    line.split(' ').next().is_some_and(|verb| verb.eq_ignore_ascii_case("REGISTER"))
}

/// Waits until `deadline`, or forever if it is `None`.
async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

/// Adds a full stop if `text` lacks one, so that another sentence can follow.
fn with_full_stop(mut text: String) -> String {
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

/// A new connection and, if there is a name to register, the result of its registration.
type Reconnected = (ServerConnection, Option<Result<String, Error>>);

/// Connects once, after `delay`, and registers `own_name`, if there is one.
async fn try_reconnect(
    addr: &str,
    options: &Options,
    own_name: Option<String>,
    delay: Duration,
) -> Result<Reconnected, CliError> {
    sleep(delay).await;
    let mut connection = ServerConnection::open(addr, options).await?;
    let Some(own_name) = own_name else { return Ok((connection, None)) };
    connection.out.push_line(&format!("REGISTER {own_name}"));
    let registered = with_timeout(options.timeout, async {
        loop {
            tokio::select! {
                () = connection.out.write_some() => {}
                received = connection.lines.next() => match received? {
                    // The answer to REGISTER is missing already.
                    Received::PingDue => {}
                    Received::Line(line) => match Incoming::parse(&line) {
                        Incoming::Answer(Ok(Reply::RegisterOk { name })) => return Ok(Ok(name.into_owned())),
                        // An answer of another kind is a fault of the server. Assume that the name is registered.
                        Incoming::Answer(Ok(_)) => return Ok(Ok(own_name)),
                        Incoming::Answer(Err(refused)) => return Ok(Err(refused)),
                        Incoming::Event(Event::Notice { code, detail }) => {
                            return Err(ConnectionError::ClosedWithCode { code, detail }.into());
                        }
                        // A server sends no other events before the registration.
                        Incoming::Event(_) => {}
                    },
                },
            }
        }
    });
    let registered = registered.await?;
    Ok((connection, Some(registered)))
}

#[cfg(test)]
mod tests;
