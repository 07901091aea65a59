//! The facts that the server reports as `name=value`, for people and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value};
use switchboard_protocol::sanitize;

/// The name of the fact that may be there several times.
const LISTENER: &str = "listener";

/// Facts in the order of the server.
#[derive(Debug, Default)]
pub(super) struct Facts(Vec<(String, String)>);

impl Facts {
    /// One fact a line: its value may have spaces.
    pub(super) fn of_lines(lines: &[String]) -> Self {
        Self(lines.iter().filter_map(|line| fact(line)).collect())
    }

    /// The facts of a session: its id, and words.
    pub(super) fn of_session(line: &str) -> Self {
        Self::of_words("id", line)
    }

    /// The facts of the end of a session: its time, and words.
    pub(super) fn of_closing(line: &str) -> Self {
        Self::of_words("at", line)
    }

    fn of_words(first: &str, line: &str) -> Self {
        let (value, words) = line.split_once(' ').unwrap_or((line, ""));
        let first = (first.to_owned(), value.to_owned());
        Self([first].into_iter().chain(words.split(' ').filter_map(fact)).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A JSON object. Listeners are a list.
    pub(super) fn to_json(&self) -> String {
        let mut object = Map::new();
        let mut listeners = Vec::new();
        for (name, value) in &self.0 {
            if name == LISTENER {
                listeners.push(Value::from(value.as_str()));
            } else {
                // A name of a person may look like a number.
                let number = (name != "name" && name != "device").then(|| value.parse::<i64>().ok()).flatten();
                object.insert(name.clone(), number.map_or_else(|| Value::from(value.as_str()), Value::from));
            }
        }
        if !listeners.is_empty() {
            object.insert("listeners".to_owned(), listeners.into());
        }
        Value::from(object).to_string()
    }

    /// A table of two columns. Times have units.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.0 {
            let seconds = name.strip_suffix("_s").zip(value.parse().ok());
            let (name, value) = match seconds {
                Some((name, seconds)) => (name, humantime::format_duration(Duration::from_secs(seconds)).to_string()),
                None => (&**name, sanitize(value).into_owned()),
            };
            let _ = writeln!(text, "{:<22}{value}", name.replace('_', " "));
        }
        text
    }
}

fn fact(text: &str) -> Option<(String, String)> {
    text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// A table of sessions. The account follows the name, because most people look for the name.
pub(super) fn session_table(sessions: &[Facts]) -> String {
    const HEADINGS: [&str; 9] = ["id", "name", "account", "speaks", "over", "address", "open", "idle", "unsent"];
    let row = |facts: &Facts| -> [String; 9] {
        let get = |name: &str| facts.get(name).map_or_else(|| "-".to_owned(), |value| sanitize(value).into_owned());
        let time = |name: &str| facts.get(name).and_then(|value| value.parse().ok()).map_or("-".to_owned(), short_time);
        let account = match (facts.get("account"), facts.get("device")) {
            (Some(account), Some(device)) => format!("{account}/{}", sanitize(device)),
            _ => "-".to_owned(),
        };
        let mut unsent = format!("{} B", get("outbox_bytes"));
        if facts.get("lag").is_some_and(|lag| lag != "0") {
            let _ = write!(unsent, ", {} records", get("lag"));
        }
        let speaks = format!("{} {}", get("dialect"), get("version"));
        [get("id"), get("name"), account, speaks, get("transport"), get("peer"), time("open_s"), time("idle_s"), unsent]
    };
    table(HEADINGS, sessions.iter().map(row))
}

/// A table of ends of sessions.
pub(super) fn closing_table(closings: &[Facts]) -> String {
    let row = |facts: &Facts| {
        ["at", "reason", "device", "transport", "peer", "unsent_bytes"]
            .map(|name| facts.get(name).map_or_else(|| "-".to_owned(), |value| sanitize(value).into_owned()))
    };
    table(["at", "reason", "device", "over", "address", "unsent bytes"], closings.iter().map(row))
}

/// A table whose columns are as wide as needed.
fn table<const N: usize>(headings: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<_> = [headings.map(str::to_owned)].into_iter().chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    let mut table = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

/// A time in its largest unit, rounded down.
fn short_time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_for_people_or_for_programs() {
        let lines = [
            "version=0.1.0",
            "uptime_s=3723",
            "store=writable",
            "listener=commands 127.0.0.1:1",
            "listener=web [::1]:2",
        ];
        let facts = Facts::of_lines(&lines.map(str::to_owned));
        let text = "version               0.1.0\nuptime                1h 2m 3s\nstore                 writable\n\
                    listener              commands 127.0.0.1:1\nlistener              web [::1]:2\n";
        assert_eq!(facts.to_text(), text);
        let json = r#"{"listeners":["commands 127.0.0.1:1","web [::1]:2"],"store":"writable","uptime_s":3723,"version":"0.1.0"}"#;
        assert_eq!(facts.to_json(), json);
    }

    #[test]
    fn ends_of_sessions_are_a_table() {
        let closings = [
            "2026-11-30T04:00:00.000Z reason=slow-consumer name=Noy device=laptop transport=tls peer=192.0.2.1 \
             unsent_bytes=2097152",
            "2026-11-30T03:00:00.000Z reason=quit name=Noy unsent_bytes=0",
        ]
        .map(Facts::of_closing);
        let table = "at                        reason         device  over  address    unsent bytes\n\
                     2026-11-30T04:00:00.000Z  slow-consumer  laptop  tls   192.0.2.1  2097152\n\
                     2026-11-30T03:00:00.000Z  quit           -       -     -          0\n";
        assert_eq!(closing_table(&closings), table);
    }

    #[test]
    fn sessions_are_a_table_or_objects() {
        let sessions = [
            "1v1 name=Noy account=3 device=laptop dialect=commands version=2 transport=tls peer=192.0.2.1:50000 \
             open_s=90000 idle_s=59 outbox_bytes=70 lag=12",
            "12v3 name=42 dialect=line version=1 transport=tcp peer=127.0.0.1:50001 open_s=61 outbox_bytes=0 lag=0",
        ]
        .map(Facts::of_session);
        let table = "id    name  account   speaks      over  address          open  idle  unsent\n\
                     1v1   Noy   3/laptop  commands 2  tls   192.0.2.1:50000  1d    59s   70 B, 12 records\n\
                     12v3  42    -         line 1      tcp   127.0.0.1:50001  1m    -     0 B\n";
        assert_eq!(session_table(&sessions), table);
        let json = sessions[1].to_json();
        assert!(
            json.contains(r#""id":"12v3""#) && json.contains(r#""name":"42""#) && json.contains(r#""lag":0"#),
            "{json}"
        );
    }
}
