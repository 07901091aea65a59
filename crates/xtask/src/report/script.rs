//! What people do and hear, as a text that is played on real programs and shown in the report.

use serde::Serialize;

/// One line of the script.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Step {
    /// Its line in the file.
    pub(super) line: usize,
    pub(super) who: String,
    pub(super) what: What,
}

/// What happens.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// This program is started.
    Starts(String),
    Says(String),
    Hears(String),
    /// It reads nothing any more.
    Freezes,
    /// It ends without closing anything by itself.
    IsKilled,
    Leaves,
}

/// Reads a script. What is wrong is said with its line.
pub(super) fn parse(text: &str) -> Result<Vec<Step>, String> {
    let lines = (1..).zip(text.lines()).filter(|(_, text)| !text.is_empty() && !text.starts_with('#'));
    lines.map(|(line, text)| step(line, text).ok_or_else(|| format!("line {line} is no step: {text}"))).collect()
}

fn step(line: usize, text: &str) -> Option<Step> {
    let (who, rest) = text.split_once(' ')?;
    let rest = rest.trim_start();
    let (mark, rest) = rest.split_at_checked(1)?;
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let what = match (mark, rest.is_empty()) {
        ("+", false) => What::Starts(rest.to_owned()),
        (">", _) => What::Says(rest.to_owned()),
        ("<", _) => What::Hears(rest.to_owned()),
        ("=", true) => What::Freezes,
        ("!", true) => What::IsKilled,
        ("-", true) => What::Leaves,
        _ => return None,
    };
    Some(Step { line, who: who.to_owned(), what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_is_a_step() {
        let text = "# who\n\nNoy   + nc -N ::1 1\nNoy < a: b\nNoy > \nNoy =\nNoy !\nNoy -\n";
        let whats: Vec<_> =
            parse(text).expect("it is a script").into_iter().map(|step| (step.line, step.what)).collect();
        let expected = [
            (3, What::Starts("nc -N ::1 1".into())),
            (4, What::Hears("a: b".into())),
            (5, What::Says(String::new())),
            (6, What::Freezes),
            (7, What::IsKilled),
            (8, What::Leaves),
        ];
        assert_eq!(whats, expected);
        assert_eq!(parse("Noy ? x"), Err("line 1 is no step: Noy ? x".into()));
    }
}
