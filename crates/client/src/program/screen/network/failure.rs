//! The consequence of an error: another attempt, another name, or the end.

use switchboard_client::{ConnectionError, Error, ErrorCode};

use super::super::super::cli_error::CliError;
use super::super::super::known_servers;

/// Why there is no connection, and who does something about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Failure {
    /// Another attempt may succeed.
    Retry(String),
    /// The user must choose another name, or prove the name.
    NameRefused(String),
    /// The user must do something that the network cannot ask for.
    Ended(String),
}

impl Failure {
    /// The failure of an attempt to connect.
    pub(super) fn of_attempt(error: CliError) -> Self {
        match error {
            CliError::Client(error) => Self::of_client(error),
            error => Self::Ended(error.to_string()),
        }
    }

    /// The reason for which a session has ended.
    pub(super) fn of_session(error: &Error) -> Self {
        match error {
            Error::Ended(reason) => Self::of_session(reason),
            // Another server is there now. The next attempt asks for version 1.
            Error::NoVersion2 { .. } => Self::Retry(error.to_string()),
            error => Self::of_error(error),
        }
    }

    fn of_client(error: Error) -> Self {
        match Self::of_error(&error) {
            // Adds how to accept the new key.
            Self::Ended(_) => Self::Ended(known_servers::explain(error.into()).to_string()),
            failure => failure,
        }
    }

    fn of_error(error: &Error) -> Self {
        let reason = error.to_string();
        match error {
            Error::Name(_)
            | Error::Refused {
                code:
                    ErrorCode::NameTaken
                    | ErrorCode::InvalidName
                    | ErrorCode::LoginFailed
                    | ErrorCode::NotLoggedIn
                    | ErrorCode::NotSecure
                    | ErrorCode::TooManyDevices,
                ..
            } => Self::NameRefused(reason),
            // Another session has taken the place of this one, on purpose; or another protocol is there.
            Error::Closed(ConnectionError::ClosedWithCode {
                code: ErrorCode::Displaced | ErrorCode::Revoked | ErrorCode::WrongProtocol,
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
            (refused(ErrorCode::LoginFailed), "name"),
            (refused(ErrorCode::NotSecure), "name"),
            (refused(ErrorCode::TryLater), "retry"),
            (refused(ErrorCode::Unavailable), "retry"),
            (closed(ErrorCode::ServerFull), "retry"),
            (closed(ErrorCode::ServerShutdown), "retry"),
            (closed(ErrorCode::Displaced), "ended"),
            (closed(ErrorCode::Revoked), "ended"),
            (Error::Ended(Arc::new(closed(ErrorCode::Displaced))), "ended"),
            // For a session, another server is there now.
            (no_version_2(), "retry"),
        ];
        for (error, expected) in cases {
            let actual = match Failure::of_session(&error) {
                Failure::Retry(_) => "retry",
                Failure::NameRefused(_) => "name",
                Failure::Ended(_) => "ended",
            };
            assert_eq!(actual, expected, "{error:?}");
        }
        assert!(matches!(Failure::of_attempt(no_version_2().into()), Failure::Ended(_)));
    }
}
