//! Begins a session: connects, asks for version 2, and logs in.

use std::time::Duration;

use base64ct::{Base64, Encoding as _};
use switchboard_protocol::version2::{self, Command, Proof, Reply, parse_reply};
use switchboard_protocol::{ErrorCode, Username, sanitize};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::identity::{AccountProof, Identity, Kind};
use crate::connect::open_session;
use crate::connection_error::ConnectionError;
use crate::error::Error;
use crate::line_reader::LineReader;
use crate::liveness::{Liveness, MonitoredReader};
use crate::stream::{StreamReader, StreamWriter};

/// The first line of a challenge. A client signs nothing else.
const CHALLENGE_PURPOSE: &str = "switchboard login challenge 1";

/// The longest time for which a server delays a password after wrong ones, by anybody (protocol.md §18).
const PASSWORD_DELAY_MAX: Duration = Duration::from_mins(1);

/// A connection on which the session is logged in.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) lines: MonitoredReader<StreamReader>,
    pub(crate) socket: StreamWriter,
    /// The name in its owner's spelling.
    pub(crate) name: String,
    /// What the server offers.
    pub(crate) capabilities: Vec<String>,
}

/// Connects to `addr` and logs in. Each answer may take `limit`, and that to a password the server's delay besides.
pub(crate) async fn connect(
    addr: &str,
    identity: &Identity,
    limit: Duration,
    liveness: Liveness,
) -> Result<Connection, Error> {
    let command = identity.first_command()?;
    let (lines, socket) = open_session(&addr, limit).await?;
    let mut handshake = Handshake { lines, socket, addr, limit };
    let hello = handshake.request(format!("HELLO {}\n", version2::VERSION).as_bytes()).await;
    let hello = hello.map_err(|error| match error {
        // A server that knows only version 1 does not know the verb.
        Error::Refused { .. } | Error::RefusedWithUnknownCode { .. } => Error::NoVersion2 { addr: addr.to_owned() },
        error => error,
    })?;
    let (server, capabilities) = match parse(&hello)? {
        Reply::HelloOk { server, capabilities, .. } => {
            (server.into_owned(), capabilities.iter().map(str::to_owned).collect())
        }
        other => return Err(unexpected("HELLO", &other)),
    };
    if let Command::Login { proof: Proof::Password(_), .. } = command {
        handshake.limit += PASSWORD_DELAY_MAX;
    }
    let name = handshake.log_in(identity, &command, &server).await?;
    let Handshake { lines, socket, .. } = handshake;
    Ok(Connection { lines: MonitoredReader::new(lines, liveness), socket, name, capabilities })
}

struct Handshake<'a> {
    lines: LineReader<StreamReader>,
    socket: StreamWriter,
    addr: &'a str,
    limit: Duration,
}

impl Handshake<'_> {
    async fn log_in(&mut self, identity: &Identity, command: &Command<'_>, server: &str) -> Result<String, Error> {
        let mut line = encode(command)?;
        loop {
            let answer = self.request(&line).await?;
            match (parse(&answer)?, &identity.0) {
                (Reply::LoginOk { name, .. }, Kind::Account { .. })
                | (Reply::Version1(switchboard_protocol::Reply::RegisterOk { name }), Kind::Guest { .. }) => {
                    return Ok(name.into_owned());
                }
                (
                    Reply::Challenge { challenge },
                    Kind::Account { name, device, proof: AccountProof::Key { signer, .. } },
                ) => {
                    let text = check_challenge(&challenge, server, name, device)?;
                    let signature = signer(text).await.map_err(|source| Error::Signer { source })?;
                    line = encode(&Command::Prove { signature: strip_armor(&signature).into() })?;
                }
                (other, _) => return Err(unexpected("LOGIN", &other)),
            }
        }
    }

    /// Sends `line` and returns the answer. Nothing else arrives before the session is logged in.
    async fn request(&mut self, line: &[u8]) -> Result<String, Error> {
        let sent = async { self.socket.write_all(line).await.and(self.socket.flush().await) }.await;
        sent.map_err(|error| ConnectionError::from_io(&error))?;
        let answer = timeout(self.limit, self.lines.next_line()).await;
        let answer = answer.map_err(|_| Error::LoginTimeout { addr: self.addr.to_owned(), limit: self.limit })??;
        match check_refusal(&answer) {
            Some(error) => Err(error),
            None => Ok(answer),
        }
    }
}

fn encode(command: &Command<'_>) -> Result<Zeroizing<Vec<u8>>, Error> {
    let mut line = Zeroizing::new(Vec::new());
    command.encode(&mut line).map_err(|_| Error::Blank)?;
    Ok(line)
}

fn parse(line: &str) -> Result<Reply<'_>, Error> {
    match parse_reply(line) {
        Ok(reply) => Ok(reply.reply),
        Err(_) => Err(Error::UnexpectedAnswer { verb: "HELLO", answer: sanitize(line).into_owned() }),
    }
}

/// The error of a line, if the line is one.
pub(crate) fn check_refusal(line: &str) -> Option<Error> {
    let owned = |text: &str| sanitize(text).into_owned();
    let (code, detail) = match parse_reply(line).map(|reply| reply.reply) {
        // The reason of the operator may be one word.
        Ok(Reply::Error { code: code @ (ErrorCode::Kicked | ErrorCode::Banned), target }) => {
            (code, target.map(|reason| owned(&reason)))
        }
        Ok(Reply::Error { code, .. }) => (code, None),
        Ok(Reply::Version1(switchboard_protocol::Reply::Error { code, detail })) => {
            (code, detail.map(|detail| owned(&detail)))
        }
        Ok(_) => return None,
        Err(_) => {
            let code_and_detail = line.strip_prefix("ERROR ")?.trim_end();
            let (code, detail) = match code_and_detail.split_once(' ') {
                Some((code, detail)) => (code, Some(owned(detail))),
                None => (code_and_detail, None),
            };
            return Some(Error::RefusedWithUnknownCode { code: owned(code), detail });
        }
    };
    Some(if code.ends_session() {
        Error::Closed(ConnectionError::ClosedWithCode { code, detail })
    } else {
        Error::Refused { code, detail }
    })
}

/// The error for an answer that belongs to another request. It shows no secret.
pub(crate) fn unexpected(verb: &'static str, reply: &Reply<'_>) -> Error {
    let mut line = Vec::new();
    match reply {
        Reply::TokenOk { .. } => line.extend_from_slice(b"TOKEN_OK"),
        Reply::LinkOk { .. } => line.extend_from_slice(b"LINK_OK"),
        reply => reply.encode(&mut line),
    }
    let line = String::from_utf8_lossy(&line);
    Error::UnexpectedAnswer { verb, answer: sanitize(line.trim_end()).into_owned() }
}

/// Returns the text of a challenge, if it is one for this login at this server. Another server could pass on a
/// challenge that it got from somewhere else.
fn check_challenge(challenge: &str, server: &str, name: &str, device: &str) -> Result<String, Error> {
    let invalid = || Error::UnexpectedAnswer { verb: "LOGIN", answer: "a CHALLENGE for another login".to_owned() };
    let bytes = Base64::decode_vec(challenge).map_err(|_| invalid())?;
    let text = String::from_utf8(bytes).map_err(|_| invalid())?;
    let value_of = |key: &str| {
        let mut values = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        values.next().filter(|_| values.next().is_none())
    };
    // The server may write the names in any spelling.
    let fold = |name: &str| Username::new(name).ok().map(|name| name.folded().to_owned());
    let names = |key: &str, expected: &str| value_of(key).is_some_and(|name| fold(name) == fold(expected));
    let is_valid = text.lines().next() == Some(CHALLENGE_PURPOSE)
        && value_of("server") == Some(server)
        && names("account", name)
        && names("device", device);
    if is_valid { Ok(text) } else { Err(invalid()) }
}

/// Joins the lines between `-----BEGIN SSH SIGNATURE-----` and its end.
fn strip_armor(signature: &str) -> String {
    signature.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_challenge_for_this_login_is_signed() {
        let challenge = |text: &str| Base64::encode_string(text.as_bytes());
        let good = "switchboard login challenge 1\nserver: s/1\nserver-id: A\naccount: Noy\ndevice: laptop\nnonce: B\n";
        for name in ["Noy", "noy"] {
            assert_eq!(check_challenge(&challenge(good), "s/1", name, "laptop").ok().as_deref(), Some(good));
        }
        for bad in [
            good.replace("challenge 1", "challenge 2"),
            good.replace("s/1", "s/2"),
            good.replace("Noy", "Elias"),
            good.replace("laptop", "phone"),
            good.replace("nonce: B", "account: Elias"),
            "pay Elias 100".to_owned(),
        ] {
            assert!(check_challenge(&challenge(&bad), "s/1", "Noy", "laptop").is_err(), "given {bad}");
        }
    }

    #[test]
    fn an_armored_signature_becomes_one_word() {
        let armored = "-----BEGIN SSH SIGNATURE-----\nAAAA\nBBBB\n-----END SSH SIGNATURE-----\n";
        assert_eq!(strip_armor(armored), "AAAABBBB");
        assert_eq!(strip_armor("AAAABBBB"), "AAAABBBB");
    }

    #[test]
    fn an_unexpected_token_is_not_shown() {
        let token = switchboard_protocol::version2::Secret::new("hunter2");
        let error = unexpected("LOGIN", &Reply::TokenOk { token });
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    #[test]
    fn reason_of_the_operator_may_be_one_word_or_more() {
        for code in [ErrorCode::Kicked, ErrorCode::Banned] {
            for reason in ["spam", "no spam, please"] {
                let Some(Error::Closed(ended)) = check_refusal(&format!("ERROR {code} {reason}")) else {
                    panic!("{code} ends the session")
                };
                assert_eq!(ended, ConnectionError::ClosedWithCode { code, detail: Some(reason.to_owned()) });
            }
        }
    }
}
