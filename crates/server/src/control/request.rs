//! The commands of the control socket: the table of verbs, and how a line becomes a request.

use std::fmt::Write as _;

use super::accounts::AccountRequest;

/// A command for the server.
#[derive(Debug)]
pub(super) enum Request {
    Account(AccountRequest),
    Sessions,
    Status,
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
const VERBS: [Verb; 3] = [
    Verb {
        word: "ACCOUNT",
        form: "LIST, ADD <name> <password>, RESET <name> <password> or DELETE <name>",
        parse: |rest| Ok(AccountRequest::parse(rest)?.map(Request::Account)),
    },
    Verb { word: "SESSIONS", form: ALONE, parse: |rest| Ok(rest.is_empty().then_some(Request::Sessions)) },
    Verb { word: "STATUS", form: ALONE, parse: |rest| Ok(rest.is_empty().then_some(Request::Status)) },
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
                for Verb { word, .. } in &VERBS {
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
