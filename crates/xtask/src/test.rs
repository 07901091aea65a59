//! `cargo xtask test`: all checks that a change must pass.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Instant;

use crate::{axe, cargo, packages, words};

/// A step of the checks: a cargo command with its environment.
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
    // Compiles the fuzz targets without libFuzzer, which needs a C++ compiler. A unit test runs the functions that the
    // fuzz targets call.
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
    // The same packages as before, so the same libraries. The package of the end-to-end tests has no examples.
    TestStep {
        name: "examples in the docs",
        args: &["test", "--workspace", "--exclude", "switchboard-tests", "--doc", "--locked"],
        env: &[],
    },
    // The load tests need a release build. Without link-time optimization, with more codegen units and without debug
    // information, it is built faster.
    TestStep {
        name: "end-to-end tests",
        args: &["test", "--package", "switchboard-tests", "--release", "--locked", "--", "--nocapture"],
        env: &[
            ("CARGO_PROFILE_RELEASE_LTO", "off"),
            ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
            ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
        ],
    },
];

pub(crate) fn run() -> Result<(), String> {
    let start = now();
    packages::ensure(packages::TESTS)?;
    axe::ensure()?;
    let mut summary = vec![format!("system packages: {} s", start.elapsed().as_secs())];
    println!("\n== words ==");
    words::run()?;
    let mut passed_in_all = 0;
    for step in STEPS {
        println!("\n== {} ==", step.name);
        let step_start = now();
        let passed = run_step(step)?;
        let seconds = step_start.elapsed().as_secs();
        summary.push(match passed {
            0 => format!("{}: {seconds} s", step.name),
            passed => format!("{}: {passed} passed, {seconds} s", step.name),
        });
        passed_in_all += passed;
    }
    println!("\n== summary ==\n{}", summary.join("\n"));
    println!("total: {} s", start.elapsed().as_secs());
    println!("{passed_in_all} passed, 0 failed");
    Ok(())
}

/// Runs a step, shows its output, and returns the number of passed tests.
fn run_step(step: &TestStep) -> Result<usize, String> {
    let mut child = cargo::command()
        .args(step.args)
        .envs(step.env.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    let mut passed = 0;
    for line in BufReader::new(child.stdout.take().expect("a piped stream")).lines().map_while(Result::ok) {
        println!("{line}");
        passed += parse_passed(&line).unwrap_or_default();
    }
    let status = child.wait().map_err(|error| format!("waiting for cargo failed: {error}"))?;
    if !status.success() {
        return Err(format!("{} failed; to run only this step: cargo {}", step.name, step.args.join(" ")));
    }
    Ok(passed)
}

/// Parses the count in `test result: ok. 23 passed; …; 0 filtered out`. A line with filtered tests comes from a test
/// that ran itself again in a network namespace, and is already counted.
fn parse_passed(line: &str) -> Option<usize> {
    let (_, counts) = line.split_once("test result: ok. ")?;
    if !counts.contains("; 0 filtered out") {
        return None;
    }
    counts.split(' ').next()?.parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "the elapsed time shown to the maintainer is real time")]
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
