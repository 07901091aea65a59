//! `switchboard-server account list|add|reset|delete`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;
use switchboard_protocol::sanitize;
use zeroize::Zeroizing;

use super::{AccountCommand, CommandError, connection, password};
use crate::settings::Settings;

/// An account, as JSON shows it.
#[derive(Debug, Serialize)]
struct ListedAccount<'a> {
    id: u64,
    name: &'a str,
    proof: &'a str,
    devices: u64,
    sessions: u64,
    /// Records and bytes of text that count for the quota of 24 hours.
    records_today: u64,
    bytes_today: u64,
    is_operator: bool,
}

pub(super) async fn run(command: &AccountCommand, data: &Path, settings: Settings) -> Result<(), CommandError> {
    let line = match command {
        AccountCommand::List { .. } => Zeroizing::new("ACCOUNT LIST\n".to_owned()),
        AccountCommand::Add { name } => with_password("ADD", check_name(name)?).await?,
        AccountCommand::Reset { name } => with_password("RESET", check_name(name)?).await?,
        AccountCommand::Operator { name, state } => {
            Zeroizing::new(format!("ACCOUNT OPERATOR {} {state}\n", check_name(name)?))
        }
        AccountCommand::Delete { name, yes } => {
            if !yes && !password::confirm_deletion(check_name(name)?).await? {
                return Err(CommandError::Usage("the name differs: nothing is deleted".to_owned()));
            }
            Zeroizing::new(format!("ACCOUNT DELETE {}\n", check_name(name)?))
        }
    };
    let answer = connection::request(&line, data, &settings).await?;
    let last = answer.lines().last().unwrap_or_default();
    if let Some(refusal) = last.strip_prefix("ERROR ") {
        let sentence = refusal.split_once(' ').map_or(refusal, |(_, sentence)| sentence);
        return Err(CommandError::Refused(sentence.to_owned()));
    }
    let output = match command {
        AccountCommand::List { json } => list(&answer, *json)?,
        AccountCommand::Add { .. } => described(last, |name, id, _, _| format!("{name} is account {id}"))?,
        AccountCommand::Reset { .. } => described(last, |name, id, tokens, sessions| {
            format!(
                "{name} (account {id}) has a new password; device tokens no longer valid: {tokens}, sessions closed: \
                 {sessions}"
            )
        })?,
        AccountCommand::Operator { state, .. } => {
            let role = if state == "on" { "an operator" } else { "no operator" };
            described(last, |name, id, _, _| format!("{name} (account {id}) is {role} from now on"))?
        }
        AccountCommand::Delete { .. } => described(last, |name, id, _, sessions| {
            format!("{name} (account {id}) is deleted; sessions closed: {sessions}; the messages stay")
        })?,
    };
    // An error is ignored: a program that reads the output may close the pipe early.
    let _ = io::stdout().write_all(output.as_bytes());
    Ok(())
}

/// A name that is one word: the others would be another command.
fn check_name(name: &str) -> Result<&str, CommandError> {
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(CommandError::Usage(format!("{}: give a name without spaces", sanitize(name))));
    }
    Ok(name)
}

async fn with_password(verb: &str, name: &str) -> Result<Zeroizing<String>, CommandError> {
    let password = password::ask_new().await?;
    Ok(line_with_password(verb, name, &password))
}

fn line_with_password(verb: &str, name: &str, password: &str) -> Zeroizing<String> {
    let parts = ["ACCOUNT ", verb, " ", name, " ", password, "\n"];
    // Enough room from the start: a text that grew would leave copies of the password behind.
    let mut line = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        line.push_str(part);
    }
    line
}

/// Describes an answer `ACCOUNT_…_OK <id> <name> <tokens> <sessions>`.
fn described(answer: &str, describe: impl FnOnce(&str, &str, &str, &str) -> String) -> Result<String, CommandError> {
    match answer.split(' ').collect::<Vec<_>>()[..] {
        [_, id, name, tokens, sessions] => Ok(describe(&sanitize(name), id, tokens, sessions) + "\n"),
        _ => Err(unexpected(answer)),
    }
}

/// The list of accounts: for people with aligned columns, for programs as JSON.
fn list(answer: &str, json: bool) -> Result<String, CommandError> {
    let mut lines: Vec<_> = answer.lines().collect();
    let end = lines.pop().unwrap_or_default();
    if end != format!("ACCOUNT_LIST_OK {}", lines.len()) {
        return Err(unexpected(end));
    }
    let accounts = lines.iter().map(|line| parse(line).ok_or_else(|| unexpected(line)));
    let accounts: Vec<_> = accounts.collect::<Result<_, _>>()?;
    let mut output = String::new();
    if !json {
        output.push_str("     id  proof     devices  sessions  records (24 h)  bytes (24 h)  role      name\n");
    }
    for account in accounts {
        if json {
            output.push_str(&serde_json::to_string(&account).map_err(|error| unexpected(&error.to_string()))?);
            output.push('\n');
        } else {
            let ListedAccount { id, name, proof, devices, sessions, records_today, bytes_today, is_operator } = account;
            let role = if is_operator { "operator" } else { "user" };
            let _ = writeln!(
                output,
                "{id:>7}  {proof:<8}  {devices:>7}  {sessions:>8}  {records_today:>14}  {bytes_today:>12}  {role:<8}  {}",
                sanitize(name)
            );
        }
    }
    Ok(output)
}

fn parse(line: &str) -> Option<ListedAccount<'_>> {
    let [id, name, proof, rest @ ..] = &line.strip_prefix("ACCOUNT ")?.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    let is_operator = rest.last() == Some(&"operator");
    let numbers: Vec<u64> = rest[..rest.len() - usize::from(is_operator)]
        .iter()
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    let [devices, sessions, records_today, bytes_today] = numbers[..] else { return None };
    Some(ListedAccount {
        id: id.parse().ok()?,
        name,
        proof,
        devices,
        sessions,
        records_today,
        bytes_today,
        is_operator,
    })
}

fn unexpected(answer: &str) -> CommandError {
    CommandError::Refused(format!("an unexpected answer: {answer}: use the version of the server that runs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str =
        "ACCOUNT 1 Noy password 2 1 10 420 operator\nACCOUNT 12 Elias key 0 0 0 0\nACCOUNT_LIST_OK 2\n";

    #[test]
    fn list_is_for_people_or_for_programs() {
        let expected = "     id  proof     devices  sessions  records (24 h)  bytes (24 h)  role      name\n\
                        \x20     1  password        2         1              10           420  operator  Noy\n\
                        \x20    12  key             0         0               0             0  user      Elias\n";
        assert_eq!(list(ANSWER, false).expect("a list"), expected);
        let json = list(ANSWER, true).expect("a list");
        let first = r#"{"id":1,"name":"Noy","proof":"password","devices":2,"sessions":1,"records_today":10,"bytes_today":420,"is_operator":true}"#;
        assert_eq!(json.lines().next(), Some(first));
        assert_eq!(json.lines().count(), 2);
    }

    #[test]
    fn line_with_a_password_never_grows() {
        let line = line_with_password("ADD", "Noy", "correct horse");
        assert_eq!((&**line, line.capacity()), ("ACCOUNT ADD Noy correct horse\n", line.len()));
    }

    #[test]
    fn incomplete_list_is_an_error() {
        for answer in
            ["", "ACCOUNT 1 Noy password 2 1 10 420\n", "ACCOUNT_LIST_OK 1\n", "ACCOUNT 1\nACCOUNT_LIST_OK 1\n"]
        {
            assert!(list(answer, false).is_err(), "{answer:?}");
        }
    }
}
