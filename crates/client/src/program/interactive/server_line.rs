//! Handles and shows the lines from the server: answers and events.

use switchboard_client::low_level::Incoming;
use switchboard_client::{ConnectionError, Error, Event};
use switchboard_protocol::{ErrorCode, Reply, commands, sanitize};

use super::super::account_files::AccountFiles;
use super::ChatSession;
use super::request::{PendingRequest, RequestKind};

impl ChatSession<'_> {
    /// Handles a line from the server. Returns whether the line answers a request in flight.
    pub(super) async fn handle_server_line(&mut self, line: &str, close_reason: &mut Option<ConnectionError>) -> bool {
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
                let is_taken = matches!(error, Error::Refused { code: ErrorCode::NameTaken, .. });
                self.show_error(error).await;
                if is_taken
                    && let RequestKind::Register(line) = &request.kind
                    && let Some((_, name)) = line.split_once(' ')
                    && let Some(hint) = AccountFiles::account_hint(self.addr, name.trim())
                {
                    self.show_notice(hint).await;
                }
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
        if reply == Reply::MsgSent
            && let Some(notice) = self.chat.get().misdelivery(&request.chat)
        {
            self.show_error(notice).await;
        }
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

    /// Shows a line from the server that answers no request and is no known event.
    async fn show_unknown_line(&self, line: &str) {
        self.show_notice(format!("The server says: {}", sanitize(line))).await;
    }
}
