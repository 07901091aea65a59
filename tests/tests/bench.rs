//! The `switchboard bench` program against the server program.

use std::process::{Command, Output};

use serde_json::Value;
use switchboard_tests::process::{ServerProcess, program};

fn bench(args: &[&str]) -> Output {
    Command::new(program("switchboard")).arg("bench").args(args).output().expect("the program can be started")
}

#[test]
fn bench_reports_as_text_and_as_json() {
    let server = ServerProcess::start(&[]);
    let (pid, commands, line) = (server.id().to_string(), server.commands.to_string(), server.line.to_string());
    let times = ["--warm-up", "100ms", "--for", "1s"];
    let pairs = ["pairs", &commands, "--pid", &pid, "--pairs", "5", "--both-ways", "--size", "30,300", "--json"];
    let output = bench(&[&pairs[..], &times].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("valid JSON");
    let measured = &report["measured"];
    assert!(measured["delivered"].as_u64() > Some(100), "{report}");
    assert!(measured["server"]["cpu_seconds"].as_f64() > Some(0.0), "{report}");
    assert!(measured["delivered_per_server_cpu_second"].as_f64() > Some(0.0), "{report}");
    assert!(measured["latency"]["p50_us"].as_f64() > Some(0.0), "{report}");

    let output = bench(&[&["churn", &line, "--dialect", "line", "--sessions", "4"], &times[..]].concat());
    let text = String::from_utf8(output.stdout).expect("UTF-8 text");
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("churn, line: 4 sessions, ") && text.contains("0 lost"), "{text}");
}
