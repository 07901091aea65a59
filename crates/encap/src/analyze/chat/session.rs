//! Follows one session of a chat line by line: parses each line, and checks whether the protocol allows it there.

use std::collections::VecDeque;

use switchboard_protocol::limits::TEXT_MAX_BYTES;
use switchboard_protocol::{Command, Dialect, ErrorCode, ParseError, Reply, Username, commands, line};

use super::ViolationKind;
use super::dialect::{Spelling, parse_line_reply, reply_verb};
use crate::analyze::Side;

/// Maximum number of unanswered requests. A session with more is no longer checked.
const PENDING_MAX: usize = 4_096;

/// A parsed line of a chat.
#[derive(Debug)]
pub enum ChatLine<'a> {
    /// A request of the client.
    Request(Command<'a>),
    /// A line of the client that is not a request.
    Malformed(ParseError),
    /// A reply of the server.
    Reply(Reply<'a>),
    /// A line of the server that is not a reply of the dialect.
    UnknownReply,
    /// A blank line of the client.
    Blank,
}

/// A request that was not answered yet.
#[derive(Debug)]
struct PendingRequest {
    /// The verb in the commands dialect, or [`NO_REQUEST`].
    verb: &'static str,
    /// The name to register, or to connect to.
    name: Option<String>,
}

/// The `verb` of a line that is no request.
const NO_REQUEST: &str = "a line that is no request";

impl PendingRequest {
    /// Whether the request may fail with `code` (`protocol.md` §4.3). A malformed line may fail with any parse error. A
    /// well-formed request may still exceed the line length, because of its blanks.
    ///
    /// A new verb that can be refused needs an arm here.
    fn may_fail(&self, code: ErrorCode) -> bool {
        let codes: &[ErrorCode] = match self.verb {
            "REGISTER" => &[ErrorCode::NameTaken, ErrorCode::AlreadyRegistered],
            "CONNECT" => {
                &[ErrorCode::NotRegistered, ErrorCode::UserNotFound, ErrorCode::SelfConnect, ErrorCode::UserBusy]
            }
            "MSG" => &[ErrorCode::NotRegistered, ErrorCode::NotConnected],
            "DISCONNECT" => &[ErrorCode::NotRegistered],
            NO_REQUEST => &[
                ErrorCode::InvalidText,
                ErrorCode::MissingArgument,
                ErrorCode::TextTooLong,
                ErrorCode::InvalidName,
                ErrorCode::UnknownCommand,
            ],
            _ => &[],
        };
        code == ErrorCode::LineTooLong || codes.contains(&code)
    }
}

/// The state of a session, derived from its lines.
#[derive(Debug)]
pub struct ChatSession {
    dialect: Dialect,
    /// The registered name.
    name: Option<String>,
    /// The peer of the current chat.
    peer: Option<String>,
    /// Unanswered requests, oldest first.
    pending: VecDeque<PendingRequest>,
    /// Whether the server has sent a reply.
    has_reply: bool,
    /// Number of lines from the client so far.
    n_client_lines: u64,
    /// Whether all earlier lines are known. Otherwise later lines cannot be checked.
    is_checked: bool,
    spelling: Spelling,
}

impl ChatSession {
    /// Creates a session. `from_start` says whether its beginning was captured.
    #[must_use]
    pub fn new(dialect: Dialect, from_start: bool) -> Self {
        Self {
            dialect,
            name: None,
            peer: None,
            pending: VecDeque::new(),
            has_reply: false,
            n_client_lines: 0,
            is_checked: from_start,
            spelling: Spelling::Ours,
        }
    }

    /// The dialect of the session.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The registered name; `None` before the server has confirmed it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The peer of the current chat; `None` outside a chat.
    #[must_use]
    pub fn peer(&self) -> Option<&str> {
        self.peer.as_deref()
    }

    /// The wording of the server's replies. One foreign reply is enough for [`Spelling::Foreign`].
    #[must_use]
    pub const fn spelling(&self) -> Spelling {
        self.spelling
    }

    /// Notes missing bytes: later lines are not checked.
    pub fn lose_bytes(&mut self) {
        self.is_checked = false;
    }

    /// Parses a line. The second value is the rule that it breaks.
    pub fn read_line<'a>(&mut self, from: Side, text: &'a str) -> (ChatLine<'a>, Option<ViolationKind>) {
        match from {
            Side::Client => (self.read_client(text), None),
            Side::Server => {
                let line = self.read_server(text);
                let violation = match &line {
                    ChatLine::Reply(reply) => self.check(reply),
                    _ => Some(ViolationKind::UnknownLine),
                };
                (line, violation.filter(|_| self.is_checked))
            }
        }
    }

    fn read_client<'a>(&mut self, text: &'a str) -> ChatLine<'a> {
        let is_first = self.n_client_lines == 0;
        self.n_client_lines += 1;
        let parsed = match self.dialect {
            Dialect::Commands => commands::parse(text.as_bytes(), TEXT_MAX_BYTES),
            // The first line is a name. If the beginning was not captured, a line with a colon is a message.
            Dialect::Line if is_first && (self.is_checked || !text.contains(':')) => {
                line::parse_name(text.as_bytes()).map(Some)
            }
            Dialect::Line => line::parse(text.as_bytes(), TEXT_MAX_BYTES),
        };
        let (chat_line, verb, name) = match parsed {
            Ok(None) => return ChatLine::Blank,
            Ok(Some(command)) => {
                let (verb, name) = match &command {
                    Command::Register { name } => ("REGISTER", Some(name.as_str().to_owned())),
                    Command::Connect { to } => ("CONNECT", Some(to.clone().into_owned())),
                    Command::Msg { .. } | Command::Tell { .. } => ("MSG", None),
                    Command::Disconnect => ("DISCONNECT", None),
                    Command::Ping => ("PING", None),
                    Command::Who => ("WHO", None),
                };
                (ChatLine::Request(command), verb, name)
            }
            Err(error) => (ChatLine::Malformed(error), NO_REQUEST, None),
        };
        if self.pending.len() < PENDING_MAX {
            self.pending.push_back(PendingRequest { verb, name });
        } else {
            self.is_checked = false;
        }
        chat_line
    }

    fn read_server<'a>(&mut self, text: &'a str) -> ChatLine<'a> {
        match self.dialect {
            Dialect::Commands => commands::parse_reply(text).map_or(ChatLine::UnknownReply, ChatLine::Reply),
            Dialect::Line => match parse_line_reply(text) {
                Some((reply, spelling)) => {
                    if spelling == Spelling::Foreign {
                        self.spelling = spelling;
                    }
                    ChatLine::Reply(reply)
                }
                None => ChatLine::UnknownReply,
            },
        }
    }

    /// Checks a reply against the state, and updates the state.
    fn check(&mut self, reply: &Reply<'_>) -> Option<ViolationKind> {
        let had_reply = std::mem::replace(&mut self.has_reply, true);
        if self.dialect == Dialect::Line {
            return self.check_line_dialect(reply);
        }
        let is_unasked_error = matches!(
            reply,
            Reply::Error {
                code: ErrorCode::RegisterTimeout
                    | ErrorCode::ServerFull
                    | ErrorCode::TooManySessions
                    | ErrorCode::ServerShutdown
                    | ErrorCode::Kicked
                    | ErrorCode::WrongProtocol,
                ..
            }
        );
        let opening = match reply {
            Reply::Welcome if had_reply => Some(ViolationKind::WelcomeTwice),
            Reply::Welcome => None,
            _ if !had_reply && !is_unasked_error => Some(ViolationKind::NoWelcome),
            _ => None,
        };
        if is_unasked_error {
            return opening;
        }
        let answer = self.check_answer(reply);
        let state = self.check_state(reply);
        opening.or(answer).or(state)
    }

    /// Checks that a reply answers the oldest pending request, and removes the request.
    fn check_answer(&mut self, reply: &Reply<'_>) -> Option<ViolationKind> {
        let needed_verb = match reply {
            Reply::RegisterOk { .. } => "REGISTER",
            Reply::ConnectOk { .. } => "CONNECT",
            Reply::MsgSent => "MSG",
            Reply::DisconnectOk => "DISCONNECT",
            Reply::Pong => "PING",
            Reply::Users { .. } => "WHO",
            // An error can answer any request.
            Reply::Error { .. } => "",
            Reply::Welcome | Reply::From { .. } | Reply::IncomingConnection { .. } | Reply::PeerDisconnected => {
                return None;
            }
        };
        let verb = || reply_verb(reply);
        let Some(request) = self.pending.pop_front() else {
            let needed_verb = if needed_verb.is_empty() { "request" } else { needed_verb };
            return Some(ViolationKind::Unasked { reply: verb(), request: needed_verb });
        };
        let request_verb = request.verb;
        match reply {
            Reply::Error { code, .. } if !request.may_fail(*code) => {
                Some(ViolationKind::OtherError { reply: verb(), request: request_verb })
            }
            _ if !needed_verb.is_empty() && request_verb != needed_verb => {
                self.pending.push_front(request);
                if self.pending.iter().any(|pending| pending.verb == needed_verb) {
                    Some(ViolationKind::WrongAnswer { reply: verb(), request: request_verb })
                } else {
                    Some(ViolationKind::Unasked { reply: verb(), request: needed_verb })
                }
            }
            Reply::RegisterOk { name } | Reply::ConnectOk { name } => {
                // A user may be found under any spelling of the name; the reply has the owner's spelling.
                let is_confirmed = |requested: &str| match reply {
                    Reply::ConnectOk { .. } => is_same_name(requested, name),
                    _ => requested == name,
                };
                let requested = request.name.filter(|requested| !is_confirmed(requested))?;
                Some(ViolationKind::OtherName { reply: verb(), name: name.clone().into_owned(), requested })
            }
            _ => None,
        }
    }

    /// Checks that the state of the session allows a reply, and updates the state.
    fn check_state(&mut self, reply: &Reply<'_>) -> Option<ViolationKind> {
        let verb = || reply_verb(reply);
        let needs_name = matches!(
            reply,
            Reply::ConnectOk { .. }
                | Reply::IncomingConnection { .. }
                | Reply::From { .. }
                | Reply::MsgSent
                | Reply::DisconnectOk
                | Reply::PeerDisconnected
        );
        let in_chat = self.peer.is_some();
        let violation = match reply {
            Reply::RegisterOk { .. } if self.name.is_some() => Some(ViolationKind::RegisteredTwice),
            _ if needs_name && self.name.is_none() => Some(ViolationKind::NotRegistered { reply: verb() }),
            Reply::ConnectOk { .. } | Reply::IncomingConnection { .. } if in_chat => {
                Some(ViolationKind::InChat { reply: verb() })
            }
            Reply::MsgSent | Reply::PeerDisconnected if !in_chat => Some(ViolationKind::NotInChat { reply: verb() }),
            _ => None,
        };
        match reply {
            Reply::RegisterOk { name } => self.name = Some(name.clone().into_owned()),
            Reply::ConnectOk { name } | Reply::IncomingConnection { name } => {
                self.peer = Some(name.clone().into_owned());
            }
            Reply::DisconnectOk | Reply::PeerDisconnected => self.peer = None,
            _ => {}
        }
        violation
    }

    /// Checks a reply of the line dialect. A request that succeeds has no reply there. So an error only needs an
    /// earlier request, of any kind.
    fn check_line_dialect(&mut self, reply: &Reply<'_>) -> Option<ViolationKind> {
        match reply {
            Reply::RegisterOk { name } => {
                let violation = if self.name.is_some() {
                    Some(ViolationKind::RegisteredTwice)
                } else if self.n_client_lines == 0 {
                    Some(ViolationKind::WelcomeToNobody(name.clone().into_owned()))
                } else {
                    None
                };
                self.pending.pop_front();
                self.name = Some(name.clone().into_owned());
                violation
            }
            Reply::From { .. } if self.name.is_none() => {
                Some(ViolationKind::NotRegistered { reply: reply_verb(reply) })
            }
            Reply::Error {
                code:
                    ErrorCode::RegisterTimeout
                    | ErrorCode::ServerFull
                    | ErrorCode::TooManySessions
                    | ErrorCode::ServerShutdown
                    | ErrorCode::Kicked,
                ..
            } => None,
            Reply::Error { .. } if self.pending.pop_front().is_none() => {
                Some(ViolationKind::Unasked { reply: reply_verb(reply), request: "message" })
            }
            _ => None,
        }
    }
}

/// Whether two spellings are the same name (`protocol.md` §3.1).
fn is_same_name(a: &str, b: &str) -> bool {
    let folded = |name: &str| {
        let mut folded = String::new();
        Username::fold_into(name, &mut folded).map(|()| folded)
    };
    a == b || folded(a).is_ok_and(|a| folded(b).as_ref() == Ok(&a))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a dialogue: `>` is a line of the client, `<` a line of the server. Returns the index of the first line
    /// that breaks a rule, and the violation.
    fn first_violation(dialect: Dialect, dialogue: &[&str]) -> Option<(usize, String)> {
        let mut session = ChatSession::new(dialect, true);
        dialogue.iter().enumerate().find_map(|(index, line)| {
            let (from, text) = match line.split_at(2) {
                ("> ", text) => (Side::Client, text),
                (_, text) => (Side::Server, text),
            };
            Some((index, session.read_line(from, text).1?.to_string()))
        })
    }

    const VALID_DIALOGUE: [&str; 22] = [
        "< WELCOME",
        "> CONNECT Elias",
        "< ERROR NOT_REGISTERED",
        "> REGISTER N,y",
        "< ERROR INVALID_NAME",
        "> WHO",
        "< ERROR LINE_TOO_LONG",
        "> REGISTER Noy",
        "< REGISTER_OK Noy",
        "> CONNECT eLIAS",
        "< CONNECT_OK Elias",
        "> MSG hi",
        "> PING",
        "< FROM Elias: hello",
        "< MSG_SENT",
        "< PONG",
        "> nonsense",
        "< ERROR UNKNOWN_COMMAND",
        "> MSG on the way",
        "< PEER_DISCONNECTED",
        "< ERROR NOT_CONNECTED",
        "< INCOMING_CONNECTION Elias",
    ];

    #[test]
    fn valid_dialogues_have_no_violation() {
        assert_eq!(first_violation(Dialect::Commands, &VALID_DIALOGUE), None);
        let line =
            ["> User1", "< Welcome User1! You can now chat.", "> User9: hi", "< User not found.", "< [User2] hi"];
        assert_eq!(first_violation(Dialect::Line, &line), None);
    }

    #[test]
    fn first_illegal_transition_is_reported() {
        let registered = ["< WELCOME", "> REGISTER Noy", "< REGISTER_OK Noy"];
        let table: &[(&[&str], &str)] = &[
            (&["< MSG_SENT"], "MSG_SENT answers MSG, but no MSG is pending"),
            (&["> PING", "< MSG_SENT"], "MSG_SENT answers MSG, but no MSG is pending"),
            (&["> PING", "> WHO", "< USERS Noy"], "USERS does not answer PING, the first pending request"),
            (
                &["> MSG hi", "< MSG_SENT"],
                "MSG_SENT outside a chat: no CONNECT_OK or INCOMING_CONNECTION came before it",
            ),
            (&["< WELCOME"], "WELCOME again: only the first line of a session is WELCOME"),
            (&["> REGISTER Noy", "< REGISTER_OK Noy"], "the server gives the session a second name"),
            (&["> CONNECT Elias", "< CONNECT_OK Eva"], "CONNECT_OK for \"Eva\", but the client requested \"Elias\""),
            (
                &["> CONNECT Elias", "< ERROR NAME_TAKEN"],
                "ERROR NAME_TAKEN answers CONNECT, which never fails with this error",
            ),
            (
                &["> PING", "< ERROR NOT_REGISTERED"],
                "ERROR NOT_REGISTERED answers PING, which never fails with this error",
            ),
            (
                &["> PING me", "< ERROR NAME_TAKEN"],
                "ERROR NAME_TAKEN answers a line that is no request, which never fails with this error",
            ),
            (&["< hello"], "not a server line of this dialect"),
            (&["< ERROR NOT_CONNECTED"], "ERROR NOT_CONNECTED answers request, but no request is pending"),
        ];
        for (dialogue, expected) in table {
            let all: Vec<_> = registered.iter().chain(*dialogue).copied().collect();
            let found = first_violation(Dialect::Commands, &all);
            assert_eq!(found, Some((all.len() - 1, (*expected).to_owned())), "given {dialogue:?}");
        }
        let other_spelling = ["< WELCOME", "> REGISTER Noy", "< REGISTER_OK noy"];
        let expected = (2, "REGISTER_OK for \"noy\", but the client requested \"Noy\"".to_owned());
        assert_eq!(first_violation(Dialect::Commands, &other_spelling), Some(expected));
        let too_early = ["< WELCOME", "> REGISTER Noy", "< FROM Elias: hi", "< REGISTER_OK Noy"];
        let expected = (2, "FROM before REGISTER_OK: the session has no name yet".to_owned());
        assert_eq!(first_violation(Dialect::Commands, &too_early), Some(expected));
        let expected = (0, "the first line of the server must be WELCOME".to_owned());
        assert_eq!(first_violation(Dialect::Commands, &["< PONG"]), Some(expected));
    }

    #[test]
    fn session_without_its_beginning_is_not_checked() {
        let mut session = ChatSession::new(Dialect::Commands, false);
        assert_eq!(session.read_line(Side::Server, "MSG_SENT").1, None);
    }
}
