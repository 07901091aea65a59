//! `encap build`, as a shell sees it: what it prints, what it writes and how it ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs `encap build` in a directory.
fn build(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_encap")).arg("build").args(args).current_dir(folder).output();
    let Output { status, stdout, stderr } = output.unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn real(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/csv").join(file);
    path.display().to_string()
}

#[test]
fn a_file_becomes_a_capture_and_a_summary() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = build(folder.path(), &[&real("group07_chat_input.csv"), "-o", "chat.pcapng"]);
    assert_eq!(err, "");
    assert_eq!(out, "chat.pcapng: 8 rows, 3 connections, 26 frames, 1873 bytes; 0 warnings, 0 rows refused\n");
    assert_eq!(code, 0);
    assert!(folder.path().join("chat.pcapng").exists());

    let args = [&real("http_input.csv"), "-o", "web.pcap", "--format", "pcap", "--bad-twin", "--complete", "--json"];
    let (code, out, err) = build(folder.path(), &args);
    assert_eq!(code, 0, "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let expected = serde_json::json!({"out": "web.pcap", "bad_twin": "web-bad.pcapng", "rows": 5, "connections": 1,
        "exchanges": 0, "refused": 0, "seed": 0});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&json[key], value, "{key}");
    }
    assert_eq!(json["remarks"][0]["kind"], "completed");
    assert!(folder.path().join("web-bad.pcapng").exists());
}

#[test]
fn text_that_a_dissector_would_misread_goes_to_another_port_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("rows.csv"),
        "protocol,src,dst,message,time\nDNS,pc,ns,where is example.org?,1\nDNS,ns,pc,there,2\n",
    )
    .unwrap();
    let (code, _, err) = build(folder.path(), &["rows.csv", "-o", "out.pcapng"]);
    assert_eq!(code, 0);
    assert_eq!(
        err,
        "rows.csv:2:1: warning: DNS messages that are not as DNS writes them are sent to port 50053, which Wireshark \
         does not dissect, and not to 53: give ports\n"
    );
}

#[test]
fn rows_that_cannot_be_carried_are_said_and_the_exit_tells() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("rows.csv"),
        "protocol,src,dst,message,time\nCHAT,a,a,hi,1\nCHAT,10.0.0.9,224.0.0.9,hi,2\nCHAT,a,b,hi,3\n",
    )
    .unwrap();
    let (code, out, err) = build(folder.path(), &["rows.csv", "-o", "out.pcapng"]);
    assert_eq!(code, 1);
    assert!(out.contains("1 row, 1 connection, 7 frames"), "{out}");
    assert!(out.ends_with("2 rows refused\n"), "{out}");
    let lines: Vec<_> = err.lines().collect();
    assert!(lines[0].starts_with("rows.csv:2:8: error: dst_app: 'a' sends to itself"), "{err}");
    assert!(lines[1].starts_with("rows.csv:3:1: error: 224.0.0.9 is the address of a group"), "{err}");
}

#[test]
fn what_cannot_be_read_or_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rows.csv"), "protocol,src,dst,message,time\nCHAT,a,b,hi,1\n").unwrap();
    for (args, expected) in [
        (["none.csv", "-o", "out.pcapng"], "encap: cannot read none.csv: No such file or directory (os error 2)\n"),
        (
            ["rows.csv", "-o", "no/out.pcapng"],
            "encap: cannot write no/out.pcapng: No such file or directory (os error 2)\n",
        ),
        (["rows.csv", "-o", "./rows.csv"], "encap: ./rows.csv is the file of rows: write the capture to another\n"),
    ] {
        assert_eq!(build(folder.path(), &args), (3, String::new(), expected.to_owned()), "{args:?}");
    }
    let (code, _, err) = build(folder.path(), &["rows.csv", "-o", "out.pcapng", "--mtu", "575"]);
    assert_eq!(code, 2);
    assert!(err.contains("an MTU has 576 to 65535 bytes"), "{err}");
}
