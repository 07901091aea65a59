//! Interactive mode: a chat at a terminal.
//!
//! The session is either connected or reconnecting. While connected, it handles typed lines and server lines as they
//! arrive. While reconnecting, it still handles typed lines. The user can leave at any time.
//!
//! The session reads server lines one by one and does not use a [`Client`](switchboard_client::Client), because its
//! state depends on the order of answers and events: `CONNECT_OK Elias`, `FROM Elias: hi` and `PEER_DISCONNECTED` may
//! arrive in one TCP segment.

mod connected;
mod offline;
mod reconnect;
mod request;
mod server_connection;
mod server_line;
#[cfg(test)]
mod tests;
mod typed_line;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use switchboard_client::ConnectionError;
use switchboard_client::low_level::Backoff;
use switchboard_protocol::{ErrorCode, sanitize};
use tokio::time::Instant;

use self::request::PendingRequest;
use self::server_connection::ServerConnection;
use super::address;
use super::args::Options;
use super::chat_formatter::ChatFormatter;
use super::cli_error::CliError;
use super::completion::KnownNames;
use super::current_chat::CurrentChat;
use super::signals::TerminationSignals;
use super::terminal::{EditorHandle, Screen};
use super::typed_text::TypedText;

/// The ceiling of the first delay before reconnecting.
pub(crate) const FIRST_DELAY_MAX: Duration = Duration::from_millis(500);

/// The ceiling of all delays before reconnecting. After a connection that lasted longer than this, the delays start
/// over.
pub(crate) const DELAY_MAX: Duration = Duration::from_secs(30);

/// How long the client tries to register its name again after a reconnect. The name may still belong to the lost
/// session, until the server notices the loss: by default after one minute of keepalive and one minute of user timeout.
/// The third minute is reserve.
pub(crate) const NAME_TAKEN_PATIENCE: Duration = Duration::from_mins(3);

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

impl ChatSession<'_> {
    async fn run(&mut self, mut connection: ServerConnection, editor: &mut EditorHandle) -> Result<(), CliError> {
        let connected =
            format!("Connected to {}. /help shows what you can type.", sanitize(&address::host_port(self.addr)));
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
                Ok(Some(reconnected)) => connection = reconnected,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.show_error(&error).await;
                    self.wait_until_user_leaves(editor).await;
                    return Err(error);
                }
            }
        }
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

    async fn show_notice(&self, notice: impl std::fmt::Display) {
        self.screen.show(self.formatter.notice(notice)).await;
    }

    async fn show_error(&self, error: impl std::fmt::Display) {
        self.screen.show(self.formatter.error(error)).await;
    }
}
