//! When, where and with what the report was made, and the tests that stand behind it.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::ReportContext;
use super::typeset::TYPST;

/// The end-to-end tests, by file.
const TESTS: &str = "tests/tests";

pub(super) fn write(context: &ReportContext) -> Result<(), String> {
    let date = Command::new("date").args(["--utc", "+%Y-%m-%d"]).output();
    let date = date.map_err(|error| format!("date cannot be started: {error}"))?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version = context.output("switchboard-server", &["--version"], &[0])?;
    context.write(
        "about.json",
        &json!({
            "date": String::from_utf8_lossy(&date.stdout).trim(),
            // What follows the number is the name that whoever built it gave it.
            "kernel": kernel.trim().split('-').next(),
            "version": version.trim(),
            "profile": context.profile,
            "typst": TYPST,
            "tests": tests()?,
        }),
    )
}

/// The end-to-end tests: of each file its caption, and the names of its tests as sentences.
fn tests() -> Result<Vec<Value>, String> {
    let unreadable = |error| format!("{TESTS}: {error}");
    let mut files: Vec<_> =
        fs::read_dir(TESTS).map_err(unreadable)?.filter_map(|file| Some(file.ok()?.path())).collect();
    files.sort();
    let mut tests = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
        let text = fs::read_to_string(file).map_err(unreadable)?;
        let caption = text.lines().next().unwrap_or_default().trim_start_matches("//! ");
        let names: Vec<_> = test_names(&text).collect();
        tests.push(json!({ "file": file.display().to_string(), "caption": caption, "count": if names.len() == 1 { "1 test".to_owned() } else { format!("{} tests", names.len()) }, "names": names }));
    }
    Ok(tests)
}

/// The names of the functions that are tests, with spaces.
fn test_names(text: &str) -> impl Iterator<Item = String> {
    let mut is_test = false;
    text.lines().filter_map(move |line| {
        let line = line.trim_start();
        if line == "#[test]" {
            is_test = true;
        } else if let Some(rest) = line.strip_prefix("fn ").filter(|_| is_test) {
            is_test = false;
            return Some(rest.split('(').next()?.replace('_', " "));
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_by_their_attribute() {
        let text =
            "fn helper() {}\n#[test]\nfn it_holds() {\n}\n    #[test]\n    #[cfg(x)]\n    fn so_does_this() {}\n";
        assert_eq!(test_names(text).collect::<Vec<_>>(), ["it holds", "so does this"]);
    }
}
