//! Requests that a program writes as lines of the protocol.

use switchboard_protocol::limits::TEXT_MAX_BYTES;
use switchboard_protocol::version2::{Command, Redaction, Request, TaggedReply, Target, parse};
use switchboard_protocol::{Command as Version1, ErrorCode};

use super::item::Start;
use super::session::Session;
use crate::error::Error;

impl Session {
    /// Sends a line of the protocol, such as `INVITE #lab Elias`, and returns the lines of its answer. The last one ends
    /// the answer; [`TaggedReply::encode`] gives the text of each. An `ERROR` is an [`Error::Refused`].
    ///
    /// The line has no tags. Requests that would change who this session is, or which conversations it has open, are
    /// not sent: [`Error::ChangesSession`] names the method for them. `CONNECT` opens a chat of version 1 with a user;
    /// [`News`](super::News) tells of its messages and its end.
    ///
    /// If the connection is lost before the answer, a request that has no further effect is sent again. Of the others,
    /// such as `MSG` and `KICK`, the outcome is unknown then ([`Error::OutcomeUnknown`]).
    pub async fn request(&self, line: &str) -> Result<Vec<TaggedReply<'static>>, Error> {
        let Some(Request { n, command }) =
            parse(line.as_bytes(), TEXT_MAX_BYTES).map_err(|error| hello(line, error.reason))?
        else {
            return Err(Error::Blank);
        };
        if n.is_some() {
            return Err(Error::ChangesSession { verb: "SAY", instead: "Session::say numbers the messages" });
        }
        if let Some((verb, instead)) = changes_session(&command) {
            return Err(Error::ChangesSession { verb, instead });
        }
        if let Command::Version1(Version1::Connect { to }) = &command
            && !self.is_guest()
        {
            self.check_has_no_account(to).await?;
        }
        let is_repeatable = is_repeatable(&command);
        let answer = self.control(command.into_owned(), is_repeatable).await?;
        Ok(answer.parts.into_iter().chain([answer.last.into()]).collect())
    }

    /// Fails if `name` has an account. A `CONNECT` from an account to it would open their conversation.
    async fn check_has_no_account(&self, name: &str) -> Result<(), Error> {
        match self.open(name, Start::Now).await {
            Err(Error::Refused { code: ErrorCode::UserNotFound, .. }) => Ok(()),
            Ok(_) | Err(Error::AlreadyOpen { .. }) => Err(Error::ChangesSession { verb: "CONNECT", instead: OPEN }),
            Err(error) => Err(error),
        }
    }
}

/// The remedy for `OPEN` and its like.
const OPEN: &str = "Session::open opens a conversation";

/// The remedy for `LOGIN` and its like.
const CONNECT: &str = "Session::connect begins another session";

/// `HELLO` is no request of a session that speaks version 2 already, but a user may type it.
fn hello(line: &str, reason: switchboard_protocol::version2::InvalidRequest) -> Error {
    match line.split_whitespace().next() {
        Some(verb) if verb.eq_ignore_ascii_case("HELLO") => Error::ChangesSession { verb: "HELLO", instead: CONNECT },
        _ => Error::Request(reason),
    }
}

/// The verb of a request that would change who a session is or which conversations it has open, and its remedy.
fn changes_session(command: &Command<'_>) -> Option<(&'static str, &'static str)> {
    Some(match command {
        Command::Version1(Version1::Register { .. }) => ("REGISTER", CONNECT),
        Command::Version1(Version1::Connect { to }) if matches!(Target::new(to), Target::Room(_)) => ("CONNECT", OPEN),
        Command::Login { .. } => ("LOGIN", CONNECT),
        Command::Prove { .. } => ("PROVE", CONNECT),
        Command::Claim { .. } => ("CLAIM", "Session::claim makes an account"),
        Command::Token => ("TOKEN", "Session::token makes a token"),
        Command::Passwd { .. } => ("PASSWD", "this session would log in again with the earlier secret"),
        Command::Unclaim => ("UNCLAIM", "this session would log in again"),
        Command::Open { .. } => ("OPEN", OPEN),
        Command::Close { .. } => ("CLOSE", "dropping a Conversation closes it"),
        _ => return None,
    })
}

/// Whether a second request has no effect but the same answer.
fn is_repeatable(command: &Command<'_>) -> bool {
    match command {
        Command::Say { .. }
        | Command::Version1(Version1::Connect { .. } | Version1::Msg { .. } | Version1::Disconnect)
        | Command::Redact { what: Redaction::Author(_), .. }
        // The answer to the second one is an error.
        | Command::Kick { .. }
        | Command::Unban { .. }
        | Command::Unmute { .. }
        // Each of them makes a link.
        | Command::Link { .. }
        // Each of them is a record of the audit log, and the second KICK or UNBAN finds nobody.
        | Command::Report { .. }
        | Command::ServerKick { .. }
        | Command::ServerBan { .. }
        | Command::ServerUnban { .. }
        // The second one would begin later, and is a further record.
        | Command::Mute { .. }
        | Command::Revoke { .. } => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use switchboard_protocol::version2::VERBS;

    use super::*;

    #[test]
    fn each_verb_is_sent_or_has_a_remedy() {
        let refused = "REGISTER CLAIM LOGIN PROVE TOKEN PASSWD UNCLAIM OPEN CLOSE";
        let refused: Vec<_> = refused.split(' ').collect();
        for verb in VERBS {
            use switchboard_protocol::version2::Argument::*;
            let arguments = verb.arguments.iter().map(|argument| match argument {
                Target | TargetOrAll => " Elias",
                Name | Device | Setting | Signature | Text | OptionalText => " word",
                Credential | Proof => " password hunter2",
                Number | Redaction => " 7",
                Position | Period | Uses | Invitation => "",
            });
            let line = arguments.fold(verb.word.to_owned(), |line, argument| line + argument);
            let Ok(Some(Request { command, .. })) = parse(line.as_bytes(), TEXT_MAX_BYTES) else {
                panic!("{line:?} is a request")
            };
            let changed = changes_session(&command).map(|(verb, _)| verb);
            assert_eq!(changed, refused.contains(&verb.word).then_some(verb.word), "{line:?}");
        }
        let join = parse(b"CONNECT #lab", TEXT_MAX_BYTES).expect("a request").expect("not blank");
        assert!(changes_session(&join.command).is_some());
    }
}
