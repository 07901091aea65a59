//! The protocol's commands, codes and bounds, from the parser's tables and the server's configuration.

use serde_json::json;
use switchboard_protocol::commands::{Argument, VERBS};
use switchboard_protocol::{ErrorCode, limits};

use super::{ReportContext, format, markdown};

pub(super) fn write(context: &ReportContext) -> Result<(), String> {
    let verbs: Vec<_> = VERBS
        .iter()
        .map(|verb| {
            let argument = match verb.argument {
                Argument::None => "",
                Argument::Name => "name",
                Argument::Text => "text",
            };
            json!({ "word": verb.word, "argument": argument, "about": verb.about })
        })
        .collect();
    let codes: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|code| json!({ "word": code.as_str(), "sentence": code.sentence(), "ends_session": code.ends_session() }))
        .collect();
    let limits = json!({
        "line_bytes": format::bytes(limits::LINE_MAX_BYTES as u64),
        "text_bytes": format::bytes(limits::TEXT_MAX_BYTES as u64),
        "name_chars": limits::USERNAME_MAX_CHARS,
        "name_bytes": format::bytes(limits::USERNAME_MAX_BYTES as u64),
        "users": format::count(limits::USERS_MAX as u64),
    });
    context.write(
        "protocol.json",
        &json!({
            "verbs": verbs, "codes": codes, "limits": limits,
            "settings": settings(context)?, "memory": memory(context)?,
            "exchange": exchange()?, "line_sentences": line_sentences()?,
        }),
    )
}

/// The commands and their replies, quoted from README.md.
fn exchange() -> Result<Vec<Vec<String>>, String> {
    read_table("README.md", "## The commands")
}

/// The lines that the server sends in the line dialect, quoted from docs/protocol.md.
fn line_sentences() -> Result<Vec<Vec<String>>, String> {
    read_table("docs/protocol.md", "### 5.3 Lines of the server")
}

/// The first table below a heading of a repository document.
fn read_table(file: &str, heading: &str) -> Result<Vec<Vec<String>>, String> {
    let text = markdown::read(file)?;
    let rows = markdown::section(&text, heading).map(markdown::table).unwrap_or_default();
    if rows.is_empty() { Err(format!("{file} has no table below {heading:?}")) } else { Ok(rows) }
}

/// Memory of the sessions, if the maximum number of sessions is open, and all their outboxes and unfinished lines are
/// full.
fn memory(context: &ReportContext) -> Result<serde_json::Value, String> {
    let settings = context.output("switchboard-server", &["--print-config"], &[0])?;
    let setting = |name: &str| {
        let value = settings.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        let value = value.and_then(|value| value.split(" #").next()?.trim().parse::<u64>().ok());
        value.ok_or_else(|| format!("switchboard-server --print-config has no {name}"))
    };
    // With two decimals.
    let gib = |bytes: u64| format!("{}.{:02} GiB", bytes >> 30, ((bytes & ((1 << 30) - 1)) * 100) >> 30);
    let sessions = setting("max-sessions")?;
    Ok(json!({ "outboxes": gib(sessions * setting("outbox-bytes")?), "lines": gib(sessions * setting("line-bytes")?) }))
}

/// The names and values that `switchboard-server --print-config` prints.
fn settings(context: &ReportContext) -> Result<serde_json::Value, String> {
    let printed = context.output("switchboard-server", &["--print-config"], &[0])?;
    let settings = printed.lines().filter_map(|line| {
        let (key, value) = line.split_once(" = ")?;
        let value = value.split(" #").next().unwrap_or(value).trim().trim_matches(['"', '[', ']']);
        // Large numbers get commas between thousands.
        let value = value.parse().map_or_else(|_| value.to_owned(), format::count);
        Some((key.trim().to_owned(), value.into()))
    });
    let settings: serde_json::Map<_, _> = settings.collect();
    if settings.is_empty() {
        Err("switchboard-server --print-config prints nothing".to_owned())
    } else {
        Ok(settings.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quoted_tables_exist() {
        assert!(exchange().is_ok_and(|rows| rows.iter().all(|row| row.len() > 1)));
        assert!(line_sentences().is_ok_and(|rows| rows.iter().all(|row| row.len() > 1)));
    }
}
