//! The `switchboard bench` program against the server program.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use switchboard_tests::process::{ServerProcess, program};

fn bench(args: &[&str]) -> Output {
    Command::new(program("switchboard")).arg("bench").args(args).output().expect("the program can be started")
}

/// Like [`bench`], with a state of its own, in which the program keeps the keys of servers.
fn bench_with_state(state: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(program("switchboard"));
    command.arg("bench").args(args).env("XDG_STATE_HOME", state).output().expect("the program can be started")
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

#[test]
fn bench_loads_a_server_over_websocket() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data, state) = (folder.path().join("data"), folder.path().join("state"));
    let data = data.to_str().expect("a UTF-8 path");
    // The TLS listener makes the certificate, which the web listener then also has.
    let flags = ["--listen-web", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--data", data];
    let mut server = ServerProcess::start(&flags);
    let address = server.web_address();
    let run = |url: &str| {
        let args = ["pairs", url, "--pairs", "2", "--json", "--warm-up", "100ms", "--for", "300ms"];
        bench_with_state(&state, &args)
    };
    // A second run knows the key of the first contact.
    for (scheme, is_first_contact) in [("ws", false), ("wss", true), ("wss", false)] {
        let output = run(&format!("{scheme}://{address}/ws"));
        assert_eq!(output.status.code(), Some(0), "{scheme}: {output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).expect("valid JSON");
        assert!(report["measured"]["delivered"].as_u64() > Some(0), "{report}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(errors.contains("First contact with"), is_first_contact, "{scheme}: {errors}");
    }
    let known = state.join("switchboard/known-servers");
    fs::write(&known, format!("{address} {}\n", "A".repeat(43))).expect("a file");
    let refused = run(&format!("wss://{address}/ws"));
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("IS NOT THE EXPECTED ONE"), "{refused:?}");
    let not_there = run(&format!("ws://{address}/nothing"));
    assert_eq!(not_there.status.code(), Some(3), "{not_there:?}");
    assert!(String::from_utf8_lossy(&not_there.stderr).contains("this is no WebSocket"), "{not_there:?}");
}
