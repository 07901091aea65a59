//! The state that a session needs for a request, whatever the request names. (`protocol.md` §15.1)

use switchboard_protocol::version2::{Command, Target};
use switchboard_protocol::{Command as Version1, ErrorCode};

use crate::board::Switchboard;
use crate::session::SessionId;

enum Requirement {
    Nothing,
    /// The session has a name.
    Name,
    /// The session has an account.
    Account,
}

impl Switchboard {
    /// Refuses a request that the session may not send in its state. Its target is checked afterwards, so that a guest
    /// gets the same answer whether the target exists or not.
    pub(super) fn check_requirement(
        &self,
        from: SessionId,
        n: Option<u64>,
        command: &Command<'_>,
    ) -> Result<(), ErrorCode> {
        match requirement(n, command) {
            Requirement::Nothing => Ok(()),
            Requirement::Name => self.own_name(from).map(drop),
            Requirement::Account => self.own_account(from).map(drop),
        }
    }
}

fn requirement(n: Option<u64>, command: &Command<'_>) -> Requirement {
    match command {
        Command::Say { .. } | Command::Version1(Version1::Msg { .. }) if n.is_some() => Requirement::Account,
        // `REGISTER`, `LOGIN` and `PROVE` check the state themselves.
        Command::Version1(Version1::Register { .. } | Version1::Ping | Version1::Who | Version1::Tell { .. })
        | Command::Login { .. }
        | Command::Prove { .. }
        | Command::Wire => Requirement::Nothing,
        Command::Version1(Version1::Connect { .. } | Version1::Msg { .. } | Version1::Disconnect)
        | Command::Claim { .. }
        | Command::Join { .. }
        | Command::Leave { .. }
        | Command::Rooms
        | Command::Conversations
        | Command::Watch
        | Command::Unwatch => Requirement::Name,
        Command::Open { target, .. }
        | Command::Close { target }
        | Command::Say { target, .. }
        | Command::History { target, .. }
        | Command::Search { target: Some(target), .. }
        | Command::Report { target, .. }
        | Command::Members { target }
        | Command::Readers { target, .. } => match target {
            Target::Room(_) => Requirement::Name,
            Target::Name(_) | Target::Account(_) => Requirement::Account,
        },
        Command::Search { target: None, .. }
        | Command::Token
        | Command::Passwd { .. }
        | Command::Devices
        | Command::Revoke { .. }
        | Command::Unclaim
        | Command::Topic { .. }
        | Command::Invite { .. }
        | Command::Link { .. }
        | Command::Unlink { .. }
        | Command::Kick { .. }
        | Command::Ban { .. }
        | Command::Unban { .. }
        | Command::ServerKick { .. }
        | Command::ServerBan { .. }
        | Command::ServerUnban { .. }
        | Command::Mute { .. }
        | Command::Unmute { .. }
        | Command::Redact { .. }
        | Command::Room { .. }
        | Command::Read { .. }
        | Command::Block { .. }
        | Command::Unblock { .. } => Requirement::Account,
    }
}
