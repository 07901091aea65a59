//! What follows from an error of a connection.

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
