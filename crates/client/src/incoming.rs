//! Classifies a line from the server as an answer or an event.
//!
//! A line does not say which of the two it is. `INCOMING_CONNECTION`, `FROM` and `PEER_DISCONNECTED` are always events,
//! and so is an `ERROR` whose code ends the session. Every other reply answers the oldest command in flight.

use switchboard_protocol::{Reply, commands, sanitize};

use crate::error::Error;
use crate::events::Event;

/// A parsed and classified line from the server.
#[derive(Debug)]
pub enum Incoming {
    /// The answer to the oldest command in flight. An `ERROR` becomes an [`Error::Refused`], or an
    /// [`Error::RefusedWithUnknownCode`] if its code is unknown to this version.
    Answer(Result<Reply<'static>, Error>),
    /// A line that answers no command.
    Event(Event),
}

impl Incoming {
    /// Parses one line without its LF. Lines unknown to this version become [`Event::Unknown`].
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
            // `WELCOME` answers no command. It is expected only as the first line of a session.
            Ok(Reply::Welcome) => Self::Event(Event::Unknown { line: line.to_owned() }),
            Ok(reply) => Self::Answer(Ok(reply.into_owned())),
            Err(_) => match line.strip_prefix("ERROR ") {
                Some(code_and_detail) => {
                    let code_and_detail = sanitize(code_and_detail.trim_end());
                    let (code, detail) = match code_and_detail.split_once(' ') {
                        Some((code, detail)) => (code, Some(detail.to_owned())),
                        None => (&*code_and_detail, None),
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
    fn lines_are_classified_as_answers_or_events() {
        // This version knows neither the code `FUTURE_CODE` nor the reply `HELLO_OK`.
        let answers =
            ["PONG", "USERS ", "REGISTER_OK Noy", "MSG_SENT", "ERROR NAME_TAKEN", "ERROR FUTURE_CODE", "PONG\r"];
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
    fn text_of_a_refusal_is_sanitized() {
        for line in ["ERROR NAME_TAKEN \u{1b}[2J", "ERROR \u{1b}[2J"] {
            let Incoming::Answer(Err(error)) = Incoming::parse(line) else { panic!("{line:?} is a refusal") };
            assert!(error.to_string().contains("\\u{1b}[2J"), "{error}");
        }
    }
}
