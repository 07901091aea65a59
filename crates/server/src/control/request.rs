//! The commands of the control socket: the table of verbs, and how a line becomes a request.

use std::fmt::Write as _;

use switchboard_protocol::limits::TEXT_MAX_BYTES;
use switchboard_protocol::version2::REASON_MAX_BYTES;

use super::accounts::AccountRequest;
use super::bans::BanRequest;
use super::drain::DrainRequest;
use crate::logging::check_level;

/// A command for the server.
#[derive(Debug)]
pub(super) enum Request {
    Account(AccountRequest),
    Bans(BanRequest),
    /// Tell all sessions of version 2 this text.
    Announce(String),
    Drain(DrainRequest),
    /// Close a session, or the sessions of a name, for this reason, which may be empty.
    Kick {
        who: String,
        reason: String,
    },
    /// Change the level of the log.
    LogLevel(String),
    /// Show the figures for Prometheus.
    Metrics,
    /// Read the configuration again.
    Reload,
    Sessions,
    Status,
    /// Show the last ends of sessions with this name.
    Why {
        name: String,
    },
}

/// A verb of the control socket.
struct Verb {
    word: &'static str,
    /// The rest of the line, for an operator who has left a part of it out.
    form: &'static str,
    /// Parses the rest of the line. `None`: it does not have this form.
    parse: fn(&str) -> Result<Option<Request>, Refusal>,
}

/// All verbs.
const VERBS: &[Verb] = &[
    Verb {
        word: "ACCOUNT",
        form: "LIST, ADD <name> <password>, RESET <name> <password>, DELETE <name> or OPERATOR <name> on|off",
        parse: |rest| Ok(AccountRequest::parse(rest)?.map(Request::Account)),
    },
    Verb {
        word: "ANNOUNCE",
        form: "<text>, of at most 3840 bytes",
        parse: |rest| Ok(bounded(rest, TEXT_MAX_BYTES).map(Request::Announce)),
    },
    Verb {
        word: "BAN",
        form: "<name>, @<account id> or @<address>, then perhaps a time such as 2h and a reason",
        parse: |rest| Ok(BanRequest::parse_ban(rest).map(Request::Bans)),
    },
    Verb { word: "BANS", form: ALONE, parse: |rest| Ok(rest.is_empty().then_some(Request::Bans(BanRequest::List))) },
    Verb {
        word: "DRAIN",
        form: DrainRequest::FORM,
        parse: |rest| {
            Ok(Some(rest).filter(|rest| rest.len() <= TEXT_MAX_BYTES).and_then(DrainRequest::parse).map(Request::Drain))
        },
    },
    Verb {
        word: "KICK",
        form: "<name or id of a session> [<reason>], a reason of at most 512 bytes",
        parse: |rest| {
            let (who, reason) = rest.split_once(' ').unwrap_or((rest, ""));
            let reason = reason.trim();
            let is_valid = !who.is_empty() && reason.len() <= REASON_MAX_BYTES;
            Ok(is_valid.then(|| Request::Kick { who: who.to_owned(), reason: reason.to_owned() }))
        },
    },
    Verb {
        word: "LOG-LEVEL",
        form: "<level>: error, warn, info, debug, trace, off, or directives such as switchboard=debug",
        parse: |rest| Ok(check_level(rest).is_ok().then(|| Request::LogLevel(rest.to_owned()))),
    },
    Verb { word: "METRICS", form: ALONE, parse: |rest| Ok(rest.is_empty().then_some(Request::Metrics)) },
    Verb { word: "RELOAD", form: ALONE, parse: |rest| Ok(rest.is_empty().then_some(Request::Reload)) },
    Verb { word: "SESSIONS", form: ALONE, parse: |rest| Ok(rest.is_empty().then_some(Request::Sessions)) },
    Verb { word: "STATUS", form: ALONE, parse: |rest| Ok(rest.is_empty().then_some(Request::Status)) },
    Verb {
        word: "UNBAN",
        form: "<name>, @<account id> or @<address>",
        parse: |rest| Ok(BanRequest::parse_unban(rest).map(Request::Bans)),
    },
    Verb { word: "WHY", form: "<name>", parse: |rest| Ok(word(rest).map(|name| Request::Why { name })) },
];

/// The form of a verb without arguments.
const ALONE: &str = "without an argument";

/// Why a line is no command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Refusal {
    Unknown,
    /// The rest of the line does not have the form of its verb.
    WrongForm {
        verb: &'static str,
        form: &'static str,
    },
    TooLong,
    TooSlow,
    InvalidText,
}

impl Refusal {
    /// The line for the operator.
    pub(super) fn line(self) -> String {
        let (code, sentence) = match self {
            Self::Unknown => {
                let mut verbs = String::new();
                for Verb { word, .. } in VERBS {
                    let _ = write!(verbs, " {word}");
                }
                ("UNKNOWN_COMMAND", format!("the commands are{verbs}"))
            }
            Self::WrongForm { verb, form } => ("MISSING_ARGUMENT", format!("give {verb} {form}")),
            Self::TooLong => {
                ("LINE_TOO_LONG", "a command has at most 4096 bytes, and a password at most 1024".to_owned())
            }
            Self::TooSlow => ("TRY_LATER", "the command did not arrive within 10 s: send it as one line".to_owned()),
            Self::InvalidText => {
                ("INVALID_TEXT", "send UTF-8 without control characters, and end the line with LF".to_owned())
            }
        };
        format!("ERROR {code} {sentence}\n")
    }
}

impl Request {
    /// Parses a line without its end.
    pub(super) fn parse(line: &str) -> Result<Self, Refusal> {
        if line.contains(char::is_control) {
            return Err(Refusal::InvalidText);
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let verb = VERBS.iter().find(|verb| verb.word == word).ok_or(Refusal::Unknown)?;
        (verb.parse)(rest)?.ok_or(Refusal::WrongForm { verb: verb.word, form: verb.form })
    }
}

/// A text that is not blank, of at most `max_bytes` bytes.
fn bounded(text: &str, max_bytes: usize) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && text.len() <= max_bytes).then(|| text.to_owned())
}

/// One word.
fn word(text: &str) -> Option<String> {
    (!text.is_empty() && !text.contains(' ')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use switchboard_protocol::version2::SECRET_MAX_BYTES;

    use super::*;

    #[test]
    fn line_is_a_command_or_says_what_is_missing() {
        let wrong_form = |word: &str| {
            let Verb { word, form, .. } = *VERBS.iter().find(|verb| verb.word == word).expect("a verb");
            Err(Refusal::WrongForm { verb: word, form })
        };
        let long = format!("ACCOUNT ADD Noy {}", "x".repeat(SECRET_MAX_BYTES + 1));
        let announcement = format!("ANNOUNCE {}", "x".repeat(TEXT_MAX_BYTES + 1));
        let reason = format!("KICK Noy {}", "x".repeat(REASON_MAX_BYTES + 1));
        let cases = [
            ("ACCOUNT LIST", Ok("Account(List)")),
            ("ACCOUNT ADD Noy correct horse", Ok("Account(Add { name: \"Noy\", secret: Secret(…) })")),
            ("ACCOUNT RESET Noy x", Ok("Account(Reset { name: \"Noy\", secret: Secret(…) })")),
            ("ACCOUNT DELETE Noy", Ok("Account(Delete { name: \"Noy\" })")),
            ("ACCOUNT DELETE", wrong_form("ACCOUNT")),
            ("ACCOUNT DELETE Noy Elias", wrong_form("ACCOUNT")),
            ("ACCOUNT ADD Noy", wrong_form("ACCOUNT")),
            ("ACCOUNT ADD Noy  ", wrong_form("ACCOUNT")),
            ("ACCOUNT ADD  x", wrong_form("ACCOUNT")),
            (&long, Err(Refusal::TooLong)),
            ("ACCOUNT LIST all", wrong_form("ACCOUNT")),
            ("ACCOUNT", wrong_form("ACCOUNT")),
            ("account list", Err(Refusal::Unknown)),
            ("ANNOUNCE back at 18:00", Ok("Announce(\"back at 18:00\")")),
            ("ANNOUNCE  ", wrong_form("ANNOUNCE")),
            (&announcement, wrong_form("ANNOUNCE")),
            ("DRAIN 30", Ok("Drain(Stop { seconds: 30, text: \"\" })")),
            ("DRAIN 600 new cables", Ok("Drain(Stop { seconds: 600, text: \"new cables\" })")),
            ("DRAIN OFF", Ok("Drain(Cancel)")),
            ("DRAIN", wrong_form("DRAIN")),
            ("DRAIN 86401", wrong_form("DRAIN")),
            ("DRAIN soon", wrong_form("DRAIN")),
            ("KICK Noy", Ok("Kick { who: \"Noy\", reason: \"\" }")),
            ("KICK 7v1 no spam, please", Ok("Kick { who: \"7v1\", reason: \"no spam, please\" }")),
            ("KICK", wrong_form("KICK")),
            (&reason, wrong_form("KICK")),
            ("LOG-LEVEL debug", Ok("LogLevel(\"debug\")")),
            ("LOG-LEVEL infos", wrong_form("LOG-LEVEL")),
            ("RELOAD", Ok("Reload")),
            ("RELOAD now", wrong_form("RELOAD")),
            ("WHY Noy", Ok("Why { name: \"Noy\" }")),
            ("WHY", wrong_form("WHY")),
            ("WHY Noy Elias", wrong_form("WHY")),
            ("ACCOUNT OPERATOR Noy on", Ok("Account(Operator { name: \"Noy\", is_operator: true })")),
            ("ACCOUNT OPERATOR Noy off", Ok("Account(Operator { name: \"Noy\", is_operator: false })")),
            ("ACCOUNT OPERATOR Noy", wrong_form("ACCOUNT")),
            ("BAN Noy", Ok("Bans(Ban { who: \"Noy\", period: None, reason: \"\" })")),
            (
                "BAN @203.0.113.7 forever 2h of noise",
                Ok("Bans(Ban { who: \"@203.0.113.7\", period: None, reason: \"2h of noise\" })"),
            ),
            ("BAN", wrong_form("BAN")),
            ("UNBAN @7", Ok("Bans(Unban { who: \"@7\" })")),
            ("UNBAN Noy now", wrong_form("UNBAN")),
            ("BANS", Ok("Bans(List)")),
            ("SESSIONS", Ok("Sessions")),
            ("STATUS", Ok("Status")),
            ("STATUS all", wrong_form("STATUS")),
            ("PING", Err(Refusal::Unknown)),
            ("", Err(Refusal::Unknown)),
            ("ACCOUNT DELETE No\u{7}y", Err(Refusal::InvalidText)),
        ];
        for (line, expected) in cases {
            let parsed = Request::parse(line).map(|request| format!("{request:?}"));
            assert_eq!(parsed.as_deref().map_err(|refusal| *refusal), expected, "{line:?}");
        }
    }

    #[test]
    fn refusal_names_the_verbs_or_the_form_of_the_verb() {
        let line = |line| Request::parse(line).expect_err("no command").line();
        let unknown = line("HELP");
        assert!(VERBS.iter().all(|verb| unknown.contains(verb.word)), "{unknown}");
        assert!(line("ACCOUNT DELETE").starts_with("ERROR MISSING_ARGUMENT give ACCOUNT LIST, ADD <name>"));
    }
}
