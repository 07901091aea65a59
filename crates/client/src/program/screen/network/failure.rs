//! The consequence of an error: another attempt, another name, or the end.

use std::io;

use switchboard_client::{ConnectionError, Error, ErrorCode};

use super::super::super::cli_error::CliError;
use super::super::super::known_servers;
use super::super::slash_command;

/// Why there is no connection, and who does something about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Failure {
    /// Another attempt may succeed.
    Retry(String),
    /// The user must choose another name, or prove the name (`needs_login`).
    NameRefused { reason: String, needs_login: bool },
    /// The user must do something that the network cannot ask for.
    Ended(String),
}

impl Failure {
    /// The failure of an attempt to connect.
    pub(super) fn of_attempt(error: CliError) -> Self {
        match error {
            CliError::Client(error) => Self::of_error(&error),
            error => Self::Ended(attempt_sentence(&error)),
        }
    }

    /// The reason for which a session has ended.
    pub(super) fn of_session(error: &Error) -> Self {
        match error {
            Error::Ended(reason) => Self::of_session(reason),
            // Another server is there now. The next attempt asks for version 1.
            Error::NoVersion2 { .. } => Self::Retry(sentence(error)),
            error => Self::of_error(error),
        }
    }

    fn of_error(error: &Error) -> Self {
        let reason = sentence(error);
        match error {
            Error::Name(_)
            | Error::Refused {
                code:
                    ErrorCode::NameTaken | ErrorCode::InvalidName | ErrorCode::NotSecure | ErrorCode::TooManyDevices,
                ..
            } => Self::NameRefused { reason, needs_login: false },
            Error::Refused { code: ErrorCode::LoginFailed | ErrorCode::NotLoggedIn, .. } => {
                Self::NameRefused { reason, needs_login: true }
            }
            // Another session has taken the place of this one, on purpose; or the operator wants the person to be away; or
            // another protocol is there.
            Error::Closed(ConnectionError::ClosedWithCode {
                code:
                    ErrorCode::Displaced
                    | ErrorCode::Revoked
                    | ErrorCode::Kicked
                    | ErrorCode::Banned
                    | ErrorCode::WrongProtocol,
                ..
            })
            // A changed key needs the decision of a person.
            | Error::OtherKey { .. }
            | Error::UnknownKey { .. }
            | Error::Link(_)
            | Error::NoVersion2 { .. }
            | Error::Signer { .. }
            | Error::Outbox { .. }
            | Error::UnexpectedGreeting { .. }
            | Error::UnexpectedAnswer { .. } => Self::Ended(reason),
            _ => Self::Retry(reason),
        }
    }
}

/// The error of an attempt, as a sentence for the screen.
pub(super) fn attempt_sentence(error: &CliError) -> String {
    match error {
        CliError::Client(error) => sentence(error),
        error => with_full_stop(without_numbers(&error.to_string())),
    }
}

/// The error as a sentence for the screen, where a request is a slash command.
pub(super) fn sentence(error: &Error) -> String {
    let text = match error {
        Error::Ended(reason) => return sentence(reason),
        Error::Closed(ConnectionError::ClosedWithCode { code: ErrorCode::Displaced, .. }) => DISPLACED.to_owned(),
        Error::Closed(ConnectionError::ClosedWithCode { code, detail: None }) => {
            format!("the server closed the connection: {code}: {}", with_commands(code.sentence()))
        }
        Error::Refused { code, detail: None } => format!("{code}: {}", with_commands(code.sentence())),
        Error::Outbox { source } if source.kind() == io::ErrorKind::ResourceBusy => DEVICE_IN_USE.to_owned(),
        // Adds how to accept the new key.
        Error::OtherKey { addr, expected, found } => {
            let (addr, expected, found) = (addr.clone(), expected.clone(), found.clone());
            known_servers::explain(Error::OtherKey { addr, expected, found }.into()).to_string()
        }
        error => error.to_string(),
    };
    with_full_stop(without_numbers(&text))
}

/// A text of the library about the connection, as a sentence for the screen.
pub(super) fn library_sentence(text: &str) -> String {
    with_full_stop(without_numbers(text))
}

/// Two programs log in as one device, again and again, only if their users want that.
const DISPLACED: &str = "DISPLACED: another program has logged in as this device. To use both, start one of them with a \
     device of its own: --device NAME. Ctrl-R takes the place back";

const DEVICE_IN_USE: &str = "another program on this computer is this device already. Leave that program, or start this one \
     with a device of its own: --device NAME";

/// Replaces the verbs of the protocol by the commands that the user can type.
fn with_commands(sentence: &str) -> String {
    let word = |word: &str| {
        let verb = word.trim_end_matches([',', '.', ':']);
        match slash_command::for_verb(verb) {
            Some(command) => format!("/{command}{}", &word[verb.len()..]),
            None => word.to_owned(),
        }
    };
    sentence.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Leaves out the number of the operating system after the text of an error.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        clean.push_str(part.split_once(')').map_or("", |(_, rest)| rest));
    }
    clean
}

fn with_full_stop(mut text: String) -> String {
    if !text.ends_with(['.', '?', '!']) {
        text.push('.');
    }
    text
}

/// Whether a server has refused a name because somebody has it.
pub(super) fn is_name_taken(error: &Error) -> bool {
    match error {
        Error::Ended(reason) => is_name_taken(reason),
        error => matches!(error, Error::Refused { code: ErrorCode::NameTaken, .. }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn each_error_has_somebody_who_can_do_something() {
        let refused = |code| Error::Refused { code, detail: None };
        let closed = |code| Error::Closed(ConnectionError::ClosedWithCode { code, detail: None });
        let no_version_2 = || Error::NoVersion2 { addr: "h:1".to_owned() };
        let cases = [
            (refused(ErrorCode::NameTaken), "name"),
            (refused(ErrorCode::LoginFailed), "login"),
            (refused(ErrorCode::NotLoggedIn), "login"),
            (refused(ErrorCode::NotSecure), "name"),
            (refused(ErrorCode::TryLater), "retry"),
            (refused(ErrorCode::Unavailable), "retry"),
            (closed(ErrorCode::ServerFull), "retry"),
            (closed(ErrorCode::ServerShutdown), "retry"),
            (closed(ErrorCode::Displaced), "ended"),
            (closed(ErrorCode::Revoked), "ended"),
            (closed(ErrorCode::Kicked), "ended"),
            (closed(ErrorCode::Banned), "ended"),
            (Error::Ended(Arc::new(closed(ErrorCode::Displaced))), "ended"),
            // For a session, another server is there now.
            (no_version_2(), "retry"),
        ];
        for (error, expected) in cases {
            let actual = match Failure::of_session(&error) {
                Failure::Retry(_) => "retry",
                Failure::NameRefused { needs_login: false, .. } => "name",
                Failure::NameRefused { needs_login: true, .. } => "login",
                Failure::Ended(_) => "ended",
            };
            assert_eq!(actual, expected, "{error:?}");
        }
        assert!(matches!(Failure::of_attempt(no_version_2().into()), Failure::Ended(_)));
    }

    #[test]
    fn each_error_is_a_sentence_with_a_way_out() {
        let refused = |code| Error::Refused { code, detail: None };
        let failed = |reason: &str| Error::Closed(ConnectionError::Failed { reason: reason.to_owned() });
        let closed = |code| Error::Closed(ConnectionError::ClosedWithCode { code, detail: None });
        let in_use = io::Error::new(io::ErrorKind::ResourceBusy, "another program uses /home/noy/outbox");
        let cases = [
            (refused(ErrorCode::RoomNotFound), "/rooms lists the rooms, and /join makes one."),
            (refused(ErrorCode::NotLoggedIn), "/login to yours, or /claim your name."),
            (refused(ErrorCode::NameTaken), "choose another."),
            (closed(ErrorCode::Revoked), "/login again."),
            (closed(ErrorCode::Displaced), "Ctrl-R takes the place back."),
            (Error::Ended(Arc::new(closed(ErrorCode::Displaced))), "Ctrl-R takes the place back."),
            (Error::Outbox { source: in_use }, "with a device of its own: --device NAME."),
            (failed("Connection reset by peer (os error 104)"), "the connection failed: Connection reset by peer."),
            (failed("one (os error 1), two (os error 2) more"), "the connection failed: one, two more."),
        ];
        for (error, end) in cases {
            let sentence = sentence(&error);
            assert!(sentence.ends_with(end), "{sentence:?} does not end with {end:?}");
        }
    }
}
