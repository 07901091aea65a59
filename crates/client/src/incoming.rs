//! What a line from the server is: the answer to a command, or an event.
//!
//! The wire has no mark for it. `INCOMING_CONNECTION`, `FROM` and `PEER_DISCONNECTED` are events by their verb, an
//! `ERROR` that ends the session is one by its code; every other reply answers the command that has waited longest.

use switchboard_protocol::{Reply, commands, sanitize};

use crate::error::Error;
use crate::events::Event;

/// A line from the server, sorted by who waits for it.
#[derive(Debug)]
pub enum Incoming {
    /// It answers the oldest command that has no answer yet. An `ERROR` is an [`Error::Refused`] or, where its code is
    /// news to this version, an [`Error::RefusedWithUnknownCode`].
    Answer(Result<Reply<'static>, Error>),
    /// It answers nothing.
    Event(Event),
}

impl Incoming {
    /// Sorts one line, given without its end.
    ///
    /// ```
    /// use switchboard_client::Event;
    /// use switchboard_client::low_level::Incoming;
    ///
    /// assert!(matches!(Incoming::parse("PONG"), Incoming::Answer(Ok(_))));
    /// assert!(matches!(Incoming::parse("FROM Elias: hi"), Incoming::Event(Event::Message { .. })));
    /// ```
    #[must_use]
    pub fn parse(line: &str) -> Self {
        match commands::parse_reply(line) {
            Ok(Reply::IncomingConnection { name }) => {
                Self::Event(Event::IncomingConnection { name: name.into_owned() })
            }
            Ok(Reply::From { name, text }) => {
                Self::Event(Event::Message { name: name.into_owned(), text: text.into_owned() })
            }
            Ok(Reply::PeerDisconnected) => Self::Event(Event::PeerDisconnected),
            Ok(Reply::Error { code, detail }) if code.ends_session() => {
                Self::Event(Event::Notice { code, detail: detail.map(|detail| sanitize(&detail).into_owned()) })
            }
            Ok(Reply::Error { code, detail }) => {
                let detail = detail.map(|detail| sanitize(&detail).into_owned());
                Self::Answer(Err(Error::Refused { code, detail }))
            }
            Ok(Reply::Welcome) => Self::Event(Event::Unknown { line: line.to_owned() }),
            Ok(reply) => Self::Answer(Ok(reply.into_owned())),
            Err(_) => match line.strip_prefix("ERROR ") {
                Some(error) => {
                    let error = sanitize(error.trim_end());
                    let (code, detail) = match error.split_once(' ') {
                        Some((code, detail)) => (code, Some(detail.to_owned())),
                        None => (&*error, None),
                    };
                    Self::Answer(Err(Error::RefusedWithUnknownCode { code: code.to_owned(), detail }))
                }
                None => Self::Event(Event::Unknown { line: line.to_owned() }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_answers_or_events() {
        let answers = ["PONG", "USERS ", "REGISTER_OK Noy", "MSG_SENT", "ERROR NAME_TAKEN", "ERROR NEWS", "PONG\r"];
        let events = [
            "FROM Elias: hi",
            "INCOMING_CONNECTION Elias",
            "PEER_DISCONNECTED",
            "ERROR SERVER_SHUTDOWN",
            "ERROR REGISTER_TIMEOUT",
            "ERROR SERVER_FULL later",
            "WELCOME",
            "HELLO_OK 2",
            "",
        ];
        for line in answers {
            assert!(matches!(Incoming::parse(line), Incoming::Answer(_)), "given {line:?}");
        }
        for line in events {
            assert!(matches!(Incoming::parse(line), Incoming::Event(_)), "given {line:?}");
        }
    }

    #[test]
    fn what_a_server_says_in_an_error_is_safe_to_print() {
        for line in ["ERROR NAME_TAKEN \u{1b}[2J", "ERROR \u{1b}[2J"] {
            let Incoming::Answer(Err(error)) = Incoming::parse(line) else { panic!("{line:?} is a refusal") };
            assert!(error.to_string().contains("\\u{1b}[2J"), "{error}");
        }
    }
}
