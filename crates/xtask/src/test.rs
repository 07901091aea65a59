//! Everything that has to hold before a change lands.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::packages;

/// A step, as a cargo command.
struct TestStep {
    name: &'static str,
    args: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
}

const STEPS: &[TestStep] = &[
    TestStep { name: "format", args: &["fmt", "--all", "--check"], env: &[] },
    TestStep {
        name: "lints",
        args: &["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"],
        env: &[],
    },
    // Without libFuzzer, which would be built from C++: so that the targets compile. What they call, a test calls too.
    TestStep {
        name: "fuzz targets",
        args: &[
            "clippy",
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/Cargo.toml"),
            "--target-dir",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../target"),
            "--no-default-features",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ],
        env: &[],
    },
    TestStep {
        name: "docs",
        args: &["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"],
        env: &[("RUSTDOCFLAGS", "--deny warnings")],
    },
    TestStep {
        name: "unit, property and model tests",
        args: &["test", "--workspace", "--exclude", "switchboard-tests", "--lib", "--bins", "--tests", "--locked"],
        env: &[],
    },
    TestStep { name: "examples in the docs", args: &["test", "--workspace", "--doc", "--locked"], env: &[] },
    // As a release build, because it is that one that has to hold a full house.
    TestStep {
        name: "end-to-end tests",
        args: &["test", "--package", "switchboard-tests", "--release", "--locked", "--", "--nocapture"],
        env: &[],
    },
];

pub(crate) fn run() -> Result<(), String> {
    let start = now();
    packages::ensure(packages::TESTS)?;
    let mut report = vec![format!("system packages: {} s", start.elapsed().as_secs())];
    let mut all_passed = 0;
    for step in STEPS {
        println!("\n== {} ==", step.name);
        let step_start = now();
        let passed = run_step(step)?;
        let seconds = step_start.elapsed().as_secs();
        report.push(match passed {
            0 => format!("{}: {seconds} s", step.name),
            passed => format!("{}: {passed} passed, {seconds} s", step.name),
        });
        all_passed += passed;
    }
    println!("\n== all of it ==\n{}", report.join("\n"));
    println!("in all: {} s", start.elapsed().as_secs());
    println!("{all_passed} passed, 0 failed");
    Ok(())
}

/// Runs a step, shows what it says, and counts the tests that it passed.
fn run_step(step: &TestStep) -> Result<usize, String> {
    let mut child = Command::new(env!("CARGO"))
        .args(step.args)
        .envs(step.env.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    let mut passed = 0;
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines().map_while(Result::ok) {
        println!("{line}");
        passed += parse_passed(&line).unwrap_or_default();
    }
    let status = child.wait().map_err(|error| format!("cargo cannot be waited for: {error}"))?;
    if !status.success() {
        return Err(format!("{} failed; to run it alone: cargo {}", step.name, step.args.join(" ")));
    }
    Ok(passed)
}

/// The count in `test result: ok. 23 passed; …; 0 filtered out`. Nothing is filtered here, so a line that says otherwise
/// is of a test that runs itself again in a network of its own, and is counted as one already.
fn parse_passed(line: &str) -> Option<usize> {
    let (_, counts) = line.split_once("test result: ok. ")?;
    if !counts.contains("; 0 filtered out") {
        return None;
    }
    counts.split(' ').next()?.parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "how long a maintainer waits is real time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passed_tests_are_counted() {
        let line = |filtered| {
            format!("test result: ok. 23 passed; 0 failed; 0 ignored; 0 measured; {filtered} filtered out; finished")
        };
        assert_eq!(parse_passed(&line(0)), Some(23));
        assert_eq!(parse_passed(&line(10)), None);
        assert_eq!(parse_passed("running 23 tests"), None);
    }
}
