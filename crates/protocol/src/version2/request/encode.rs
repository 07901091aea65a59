//! Encodes the lines of a client in version 2.

use super::{Command, Credential, FOREVER, Proof, Redaction, Request, Target};
use crate::dialect::commands::{self, UnsupportedCommand};
use crate::text::Text;
use crate::version2::number::push_number;
use crate::version2::period::Period;
use crate::version2::secret::Secret;

impl Request<'_> {
    /// Appends the request as one line with its LF. Fails for [`Tell`](crate::Command::Tell), which only the line
    /// dialect has.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), UnsupportedCommand> {
        let start = out.len();
        if let Some(n) = self.n {
            out.extend_from_slice(b"@n=");
            push_number(out, n);
            out.push(b' ');
        }
        self.command.encode(out).inspect_err(|_| out.truncate(start))
    }
}

impl Command<'_> {
    /// Appends the command as one line with its LF, without a number. Fails for [`Tell`](crate::Command::Tell), which
    /// only the line dialect has.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), UnsupportedCommand> {
        let mut line = LineWriter(out);
        match self {
            Self::Version1(command) => return commands::encode_command(command, out),
            Self::Claim { credential } => line.word("CLAIM").credential(credential),
            Self::Login { name, device, proof } => {
                line.word("LOGIN").argument(name).argument(device.as_str()).proof(proof)
            }
            Self::Prove { signature } => line.word("PROVE").argument(signature),
            Self::Token => line.word("TOKEN"),
            Self::Passwd { credential } => line.word("PASSWD").credential(credential),
            Self::Devices => line.word("DEVICES"),
            Self::Revoke { device } => line.word("REVOKE").argument(device),
            Self::Unclaim => line.word("UNCLAIM"),
            Self::Join { target, invitation } => line.word("JOIN").target(target).invitation(invitation.as_ref()),
            Self::Leave { target } => line.word("LEAVE").target(target),
            Self::Topic { target, text } if text.as_str().is_empty() => line.word("TOPIC").target(target),
            Self::Topic { target, text } => line.word("TOPIC").target(target).argument(text.as_str()),
            Self::Invite { target, who, period } => line.word("INVITE").target(target).target(who).period(*period),
            Self::Link { target, period, uses } => {
                let line = line.word("LINK").target(target).period(*period);
                match uses {
                    Some(uses) => line.number(*uses),
                    None => line,
                }
            }
            Self::Unlink { target, invitation } => line.word("UNLINK").target(target).invitation(invitation.as_ref()),
            Self::Kick { target, who } => line.word("KICK").target(target).target(who),
            Self::Ban { target, who } => line.word("BAN").target(target).target(who),
            Self::Unban { target, who } => line.word("UNBAN").target(target).target(who),
            Self::Mute { target, who, period } => line.word("MUTE").target(target).target(who).period(*period),
            Self::Unmute { target, who } => line.word("UNMUTE").target(target).target(who),
            Self::ServerKick { who, reason } => line.word("KICK *").target(who).reason(reason),
            Self::ServerBan { who, period, reason } => {
                let line = line.word("BAN *").target(who).period(*period);
                let line = if period.is_none() && !reason.as_str().is_empty() { line.argument(FOREVER) } else { line };
                line.reason(reason)
            }
            Self::ServerUnban { who } => line.word("UNBAN *").target(who),
            Self::Report { target, seq, reason } => line.word("REPORT").target(target).number(*seq).reason(reason),
            Self::Redact { target, what } => match what {
                Redaction::Record(seq) => line.word("REDACT").target(target).number(*seq),
                Redaction::Author(author) => line.word("REDACT").target(target).target(author),
            },
            Self::Say { target, text } => line.word("SAY").target(target).argument(text.as_str()),
            Self::Open { target, position } => {
                let line = line.word("OPEN").target(target);
                match position {
                    None => line,
                    Some(position) => line.argument(&position.epoch).number(position.after),
                }
            }
            Self::Close { target } => line.word("CLOSE").target(target),
            Self::History { target, before, count } => {
                line.word("HISTORY").target(target).number(*before).number(*count)
            }
            Self::Conversations => line.word("CONVERSATIONS"),
            Self::Read { target, seq } => line.word("READ").target(target).number(*seq),
            Self::Readers { target, seq } => line.word("READERS").target(target).number(*seq),
            Self::Search { target: None, words } => line.word("SEARCH").argument("*").argument(words.as_str()),
            Self::Search { target: Some(target), words } => line.word("SEARCH").target(target).argument(words.as_str()),
            Self::Rooms => line.word("ROOMS"),
            Self::Members { target } => line.word("MEMBERS").target(target),
            Self::Room { target, setting, value } => {
                line.word("ROOM").target(target).argument(setting).argument(value.as_str())
            }
            Self::Block { who } => line.word("BLOCK").target(who),
            Self::Unblock { who } => line.word("UNBLOCK").target(who),
            Self::Watch => line.word("WATCH"),
            Self::Unwatch => line.word("UNWATCH"),
            Self::Wire => line.word("WIRE"),
        };
        out.push(b'\n');
        Ok(())
    }
}

/// Appends the words of one line.
struct LineWriter<'a>(&'a mut Vec<u8>);

impl LineWriter<'_> {
    fn word(&mut self, word: &str) -> &mut Self {
        self.0.extend_from_slice(word.as_bytes());
        self
    }

    fn argument(&mut self, argument: &str) -> &mut Self {
        self.word(" ").word(argument)
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.0.push(b' ');
        push_number(self.0, number);
        self
    }

    fn target(&mut self, target: &Target<'_>) -> &mut Self {
        match target {
            Target::Room(name) | Target::Name(name) => self.argument(name),
            Target::Account(id) => {
                self.word(" @");
                push_number(self.0, *id);
                self
            }
        }
    }

    fn period(&mut self, period: Option<Period>) -> &mut Self {
        match period {
            Some(period) => self.argument(&period.to_string()),
            None => self,
        }
    }

    fn reason(&mut self, reason: &Text<'_>) -> &mut Self {
        if reason.as_str().is_empty() { self } else { self.argument(reason.as_str()) }
    }

    fn invitation(&mut self, invitation: Option<&Secret>) -> &mut Self {
        match invitation {
            Some(invitation) => self.argument(invitation.expose()),
            None => self,
        }
    }

    fn credential(&mut self, credential: &Credential<'_>) -> &mut Self {
        match credential {
            Credential::Password(secret) => self.argument("password").argument(secret.expose()),
            Credential::Key(key) => self.argument("key ssh-ed25519").argument(key),
        }
    }

    fn proof(&mut self, proof: &Proof<'_>) -> &mut Self {
        match proof {
            Proof::Password(secret) => self.argument("password").argument(secret.expose()),
            Proof::Token(secret) => self.argument("token").argument(secret.expose()),
            Proof::Key(key) => self.argument("key ssh-ed25519").argument(key),
        }
    }
}
