//! The script of a conversation. The scenario plays the script with real programs, and the report prints it.
//!
//! A line has the name of a client, a mark for the action, and its argument: `Noy > MSG hello` sends a line.

/// One line of the script.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ScriptStep {
    /// Line number in the file, from 1.
    pub(super) line: usize,
    /// Name of the client.
    pub(super) who: String,
    pub(super) action: Action,
}

/// The action of a step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Action {
    /// `+`: starts this program with its arguments.
    Start(String),
    /// `>`: sends this line to the program's input.
    Send(String),
    /// `<`: expects this line as the program's next output.
    Expect(String),
    /// `=`: stops the program with SIGSTOP, so that it reads nothing.
    Freeze,
    /// `!`: kills the program with SIGKILL, so that it cannot close its connection itself.
    Kill,
    /// `-`: closes the program's input and waits for its exit.
    Leave,
}

/// Parses a script. The error names the line.
pub(super) fn parse(text: &str) -> Result<Vec<ScriptStep>, String> {
    let lines = (1..).zip(text.lines()).filter(|(_, text)| !text.is_empty() && !text.starts_with('#'));
    lines
        .map(|(line, text)| parse_step(line, text).ok_or_else(|| format!("line {line} is not a step: {text}")))
        .collect()
}

fn parse_step(line: usize, text: &str) -> Option<ScriptStep> {
    let (who, step) = text.split_once(' ')?;
    let (mark, argument) = step.trim_start().split_at_checked(1)?;
    let argument = argument.strip_prefix(' ').unwrap_or(argument);
    let action = match (mark, argument.is_empty()) {
        ("+", false) => Action::Start(argument.to_owned()),
        (">", _) => Action::Send(argument.to_owned()),
        ("<", _) => Action::Expect(argument.to_owned()),
        ("=", true) => Action::Freeze,
        ("!", true) => Action::Kill,
        ("-", true) => Action::Leave,
        _ => return None,
    };
    Some(ScriptStep { line, who: who.to_owned(), action })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_parses_to_its_action() {
        let text = "# who\n\nNoy   + nc -N ::1 1\nNoy < a: b\nNoy > \nNoy =\nNoy !\nNoy -\n";
        let actions: Vec<_> =
            parse(text).expect("a valid script").into_iter().map(|step| (step.line, step.action)).collect();
        let expected = [
            (3, Action::Start("nc -N ::1 1".into())),
            (4, Action::Expect("a: b".into())),
            (5, Action::Send(String::new())),
            (6, Action::Freeze),
            (7, Action::Kill),
            (8, Action::Leave),
        ];
        assert_eq!(actions, expected);
        assert_eq!(parse("Noy ? x"), Err("line 1 is not a step: Noy ? x".into()));
    }
}
