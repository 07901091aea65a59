//! A Wireshark dissector for both dialects, in Lua, made from the tables that the parser has.
//!
//! What a line looks like is not written down a second time: a verb's field is what the parser makes of it, and a reply's
//! pattern is what the encoder writes, with a mark where each value goes.

use std::fmt::Write as _;

use switchboard_protocol::limits::{LINE_MAX_BYTES, REPLY_MAX_BYTES, TEXT_MAX_BYTES};
use switchboard_protocol::{Command, Dialect, ErrorCode, ParseError, Reply, UsernameError, Users, commands, line};

/// The name that its file has in Wireshark's folder of plugins.
pub const FILE_NAME: &str = "switchboard.lua";

/// What reads the lines, with the tables before it.
const BODY: &str = include_str!("dissector/body.lua");

/// The dissector, as Wireshark reads it.
///
/// ```
/// let lua = switchboard_encap::dissector::lua();
/// assert!(lua.contains(r#"CONNECT = { argument = "target" },"#));
/// assert!(lua.contains(r#""switchboard.sender""#));
/// ```
#[must_use]
pub fn lua() -> String {
    let mut out = String::from(
        "-- Wireshark dissector for the Switchboard chat, both dialects.\n\
         -- Made by `encap dissector` from the tables of the protocol: make it anew rather than change it.\n\
         -- Fields to filter on: switchboard.command, .reply, .error, .name, .target, .sender, .text\n\n",
    );
    let mut put = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    let [commands_port, line_port] = [Dialect::Commands, Dialect::Line].map(Dialect::port);
    put(&format!("local COMMANDS_PORT, LINE_PORT = \"{commands_port}\", \"{line_port}\""));
    put("-- The longest line, in bytes: what is longer is not waited for.");
    put(&format!("local COMMAND_MAX_BYTES, REPLY_MAX_BYTES = {LINE_MAX_BYTES}, {REPLY_MAX_BYTES}\n"));
    put("-- The verbs of the commands dialect, and the field that the argument is.");
    put(&format!("local VERBS = {{\n{}}}\n", verbs()));
    put("-- What each code of an error means.");
    put(&format!("local SENTENCES = {{\n{}}}\n", sentences()));
    put("-- What a server says: the word for it, and where its values are.");
    put(&format!("local REPLIES = {{\n  commands = {{\n{}  }},\n  line = {{\n{}  }},\n}}", replies(), line_replies()));
    out.push_str(BODY);
    out
}

fn verbs() -> String {
    let mut out = String::new();
    for verb in commands::VERBS {
        let field = match commands::parse(format!("{} x", verb.word).as_bytes(), TEXT_MAX_BYTES) {
            Ok(Some(Command::Register { .. })) => "argument = \"name\" ",
            Ok(Some(Command::Connect { .. } | Command::Tell { .. })) => "argument = \"target\" ",
            Ok(Some(Command::Msg { .. })) => "argument = \"text\" ",
            // Those that take no argument do not parse with one.
            Ok(Some(Command::Disconnect | Command::Ping | Command::Who) | None) | Err(_) => "",
        };
        let _ = writeln!(out, "  {} = {{ {field}}},", verb.word);
    }
    out
}

fn sentences() -> String {
    ErrorCode::ALL.iter().fold(String::new(), |mut out, code| {
        let _ = writeln!(out, "  {code} = {},", quoted(code.sentence()));
        out
    })
}

/// Stands where a value goes in an encoded line: a character that no line holds, and the name of the field after it.
const MARKS: [(char, &str); 5] =
    [('\u{1}', "name"), ('\u{2}', "target"), ('\u{3}', "sender"), ('\u{4}', "text"), NAMES];
const NAMES: (char, &str) = ('\u{5}', "names");
/// Stands for the code of an error.
const ERROR: (char, &str) = ('\u{6}', "error");

/// Every reply, a mark for each value. What the commands dialect calls it comes from the encoder.
fn marked() -> Vec<Reply<'static>> {
    let replies = vec![
        Reply::Welcome,
        Reply::RegisterOk { name: "\u{1}".into() },
        Reply::ConnectOk { name: "\u{2}".into() },
        Reply::IncomingConnection { name: "\u{1}".into() },
        Reply::From { name: "\u{3}".into(), text: "\u{4}".into() },
        Reply::MsgSent,
        Reply::DisconnectOk,
        Reply::PeerDisconnected,
        Reply::Pong,
        Reply::Users { names: Users::from_comma_separated("\u{5}") },
        Reply::Error { code: ErrorCode::UnknownCommand, detail: Some("\u{4}".into()) },
        Reply::Error { code: ErrorCode::UnknownCommand, detail: None },
    ];
    debug_assert!(replies.iter().all(is_listed));
    replies
}

/// Says no more than that somebody thought of it: a reply that is added to the protocol does not compile here until it is
/// added above.
const fn is_listed(reply: &Reply<'_>) -> bool {
    match reply {
        Reply::Welcome
        | Reply::RegisterOk { .. }
        | Reply::ConnectOk { .. }
        | Reply::IncomingConnection { .. }
        | Reply::From { .. }
        | Reply::MsgSent
        | Reply::DisconnectOk
        | Reply::PeerDisconnected
        | Reply::Pong
        | Reply::Users { .. }
        | Reply::Error { .. } => true,
    }
}

/// The line that the commands dialect has for a reply, without its LF.
fn encoded(reply: &Reply<'_>) -> String {
    let mut line = Vec::new();
    commands::encode(reply, &mut line);
    text(line)
}

fn text(mut line: Vec<u8>) -> String {
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    String::from_utf8_lossy(&line).into_owned()
}

/// What the commands dialect calls a reply.
fn word(reply: &Reply<'_>) -> String {
    encoded(reply).split(' ').next().unwrap_or_default().to_owned()
}

fn replies() -> String {
    let code = ErrorCode::UnknownCommand.as_str();
    marked().iter().fold(String::new(), |mut out, reply| {
        let line = encoded(reply).replacen(code, &ERROR.0.to_string(), 1);
        put_reply(&mut out, &word(reply), &line, None);
        out
    })
}

fn line_replies() -> String {
    let mut out = String::new();
    for reply in marked().iter().filter(|reply| !matches!(reply, Reply::Error { .. })) {
        let mut encoded = Vec::new();
        let _ = line::encode(reply, &mut encoded);
        if !encoded.is_empty() {
            put_reply(&mut out, &word(reply), &text(encoded), None);
        }
    }
    let mut put_error = |line: Vec<u8>, code: ErrorCode| {
        put_reply(&mut out, &word(&code.into()), &text(line), Some(code));
    };
    for &code in ErrorCode::ALL {
        let mut encoded = Vec::new();
        let _ = line::encode(&code.into(), &mut encoded);
        put_error(encoded, code);
    }
    let colon = ParseError::Name(UsernameError::Forbidden { found: ':', at: 1 });
    let mut encoded = Vec::new();
    let _ = line::encode_name_error(&colon, &mut encoded);
    put_error(encoded, ErrorCode::InvalidName);
    out
}

/// One entry of the table: the line as a pattern, which gives two positions for each value.
fn put_reply(out: &mut String, word: &str, line: &str, error: Option<ErrorCode>) {
    let mut fields = Vec::new();
    let mut pattern = String::from("^");
    for (at, char) in line.char_indices() {
        let is_last = at + char.len_utf8() == line.len();
        if char == ERROR.0 {
            fields.push(ERROR.1);
            pattern.push_str("()%S+()");
        } else if let Some((_, field)) = MARKS.iter().find(|(mark, _)| *mark == char) {
            fields.push(field);
            // The last value has the rest of the line; an earlier one ends where what follows it first stands.
            pattern.push_str(if is_last { "().*()" } else { "().-()" });
        } else {
            if char.is_ascii_punctuation() {
                pattern.push('%');
            }
            pattern.push(char);
        }
    }
    pattern.push('$');
    let fields: Vec<_> = fields.iter().map(|field| quoted(field)).collect();
    let error = error.map(|code| format!(", error = {}", quoted(code.as_str()))).unwrap_or_default();
    let (word, pattern) = (quoted(word), quoted(&pattern));
    let _ = writeln!(out, "    {{ word = {word}, pattern = {pattern}, fields = {{ {} }}{error} }},", fields.join(", "));
}

/// A text as Lua writes it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_the_protocols() {
        let lua = lua();
        for expected in [
            "  REGISTER = { argument = \"name\" },",
            "  WHO = { },",
            "  MSG = { argument = \"text\" },",
            r#"{ word = "FROM", pattern = "^FROM ().-()%: ().*()$", fields = { "sender", "text" } },"#,
            r#"{ word = "FROM", pattern = "^%[().-()%] ().*()$", fields = { "sender", "text" } },"#,
            r#"{ word = "USERS", pattern = "^USERS ().*()$", fields = { "names" } },"#,
            r#"{ word = "ERROR", pattern = "^ERROR ()%S+() ().*()$", fields = { "error", "text" } },"#,
            r#"{ word = "REGISTER_OK", pattern = "^Welcome ().-()%! You can now chat%.$", fields = { "name" } },"#,
            r#"pattern = "^Username already taken%. Connection closing%.$", fields = {  }, error = "NAME_TAKEN" },"#,
        ] {
            assert!(lua.contains(expected), "{expected}\n{lua}");
        }
        for verb in commands::VERBS {
            assert!(lua.contains(&format!("\n  {} = {{", verb.word)), "{}", verb.word);
        }
        for code in ErrorCode::ALL {
            assert!(lua.contains(&format!("\n  {code} = {}", quoted(code.sentence()))), "{code}");
        }
        assert!(!lua.bytes().any(|byte| byte < b' ' && byte != b'\n'), "no mark is left");
    }
}
