//! The date, system and tool versions of the report, and the list of end-to-end tests.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::ReportContext;
use super::typeset::TYPST;

/// Folder of the end-to-end tests.
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
            // The version number without its suffix, which names the build.
            "kernel": kernel.trim().split('-').next(),
            "version": version.trim(),
            "profile": context.profile,
            "typst": TYPST,
            "tests": tests()?,
        }),
    )
}

/// The files of end-to-end tests. Each file has its caption and the names of its tests.
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
        let count = if names.len() == 1 { "1 test".to_owned() } else { format!("{} tests", names.len()) };
        let file = file.display().to_string();
        tests.push(json!({ "file": file, "caption": caption, "count": count, "names": names }));
    }
    Ok(tests)
}

/// Names of the test functions, with spaces in place of underscores.
fn test_names(text: &str) -> impl Iterator<Item = String> {
    let mut is_test = false;
    text.lines().filter_map(move |line| {
        let line = line.trim_start();
        if line == "#[test]" {
            is_test = true;
        } else if let Some(function) = line.strip_prefix("fn ").filter(|_| is_test) {
            is_test = false;
            return Some(function.split('(').next()?.replace('_', " "));
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
            "fn helper() {}\n#[test]\nfn first_test() {\n}\n    #[test]\n    #[cfg(x)]\n    fn second_test() {}\n";
        assert_eq!(test_names(text).collect::<Vec<_>>(), ["first test", "second test"]);
    }
}
