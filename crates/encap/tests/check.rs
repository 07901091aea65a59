//! `encap check` from the command line: output and exit codes.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Runs `encap` with the input `stdin`, in the folder `tests/data/csv`. Returns exit code, standard output and standard
/// error.
fn encap(args: &[&str], stdin: &str) -> (i32, String, String) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/csv");
    let mut child = Command::new(env!("CARGO_BIN_EXE_encap"))
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The write fails if the program exits without reading its input. No test depends on this.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A CSV with one error and three warnings.
const FAULTY_CSV: &str = "\
msg_id,app_protocol,src_app,dst_app,message,timestamp
1,CHAT,Noy,Elias,hi,0.010
2,CHAT,Noy,Noy,\u{1b}[2Jhi,12:60
2,CHAT,Elias,Noy,,0.5
1,CHAT,Elias,Noy,x,0.25
";

#[test]
fn files_without_faults_get_a_summary() {
    for (file, expected) in [
        ("http_input.csv", "http_input.csv: 5 rows, 2 apps, 1 pair, HTTP 5, over 1.038 s: 0 errors, 0 warnings\n"),
        (
            "http_input_bom.csv",
            "http_input_bom.csv: 5 rows, 2 apps, 1 pair, HTTP 5, over 0.4 s: 0 errors, 0 warnings\n",
        ),
        (
            "http_input_ports.csv",
            "http_input_ports.csv: 6 rows, 2 apps, 1 pair, HTTP 6, over 1 s: 0 errors, 0 warnings\n",
        ),
        (
            "group07_chat_input.csv",
            "group07_chat_input.csv: 8 rows, 3 apps, 3 pairs, CHAT 8, over 0.07 s: 0 errors, 0 warnings\n",
        ),
    ] {
        assert_eq!(encap(&["check", "--strict", file], ""), (0, expected.into(), String::new()));
    }
}

#[test]
fn each_fault_is_printed_and_sets_the_exit_code() {
    let expected = "\
<stdin>:3:23: error: timestamp: '12:60' is not a time: write seconds (0.125), 2026-01-31T12:00:00Z or 31/01/2026 12:00
<stdin>:4:18: warning: message: is empty: TCP sends nothing for it, UDP an empty datagram; \
remove the row, or give it a message
<stdin>:5:1: warning: msg_id: '1' was used before: give each row its own id
<stdin>:5:20: warning: timestamp: is earlier than the row before it (0.500000000 on line 4): sort the rows by time
<stdin>: 3 rows, 2 apps, 1 pair, CHAT 3, over 0.49 s: 1 error, 3 warnings
";
    let (code, out, err) = encap(&["check", "-"], FAULTY_CSV);
    assert_eq!((code, out.lines().collect::<Vec<_>>(), &*err), (1, expected.lines().collect(), ""));
}

#[test]
fn warnings_fail_only_with_strict() {
    let csv = "protocol,src,dst,message,time\nCHAT,a,b,,0\n";
    let expected = "\
<stdin>:2:10: warning: message: is empty: TCP sends nothing for it, UDP an empty datagram; \
remove the row, or give it a message
<stdin>: 1 row, 2 apps, 1 pair, CHAT 1, over 0 s: 0 errors, 1 warning
";
    assert_eq!(encap(&["check", "-"], csv), (0, expected.into(), String::new()));
    assert_eq!(encap(&["check", "-", "--strict"], csv), (1, expected.into(), String::new()));
}

#[test]
fn escapes_are_decoded_only_on_request() {
    let csv = "protocol,src,dst,message,time\nCHAT,a,b,\\q,0\n";
    assert_eq!(encap(&["check", "-"], csv).0, 0);
    let (code, out, _) = encap(&["check", "-", "--escapes"], csv);
    assert_eq!(
        (code, out.lines().next().unwrap()),
        (
            1,
            concat!(
                r"<stdin>:2:10: error: message: '\q' is not an escape: ",
                r#"write \r \n \t \0 \" \xHH, and a backslash itself as \\"#,
            )
        )
    );
}

#[test]
fn json_is_one_object() {
    let (code, out, err) = encap(&["check", "--json", "-"], FAULTY_CSV);
    assert_eq!((code, out.lines().count(), &*err), (1, 1, ""));
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    let expected = serde_json::json!({
        "file": "<stdin>",
        "faults": [
            {
                "severity": "error", "line": 3, "character": 23, "column": "timestamp",
                "kind": "time", "found": "12:60", "error": "unknown",
                "message": "timestamp: '12:60' is not a time: \
                    write seconds (0.125), 2026-01-31T12:00:00Z or 31/01/2026 12:00",
            },
            {
                "severity": "warning", "line": 4, "character": 18, "column": "message", "kind": "empty_message",
                "message": "message: is empty: TCP sends nothing for it, UDP an empty datagram; \
                    remove the row, or give it a message",
            },
            {
                "severity": "warning", "line": 5, "character": 1, "column": "msg_id", "kind": "duplicate_id", "id": "1",
                "message": "msg_id: '1' was used before: give each row its own id",
            },
            {
                "severity": "warning", "line": 5, "character": 20, "column": "timestamp", "kind": "time_backwards",
                "previous_nanos": 500_000_000, "previous_line": 4,
                "message": "timestamp: is earlier than the row before it (0.500000000 on line 4): \
                    sort the rows by time",
            },
        ],
        "summary": {
            "rows": 3, "apps": 2, "pairs": 1, "protocols": { "CHAT": 3 },
            "first_nanos": 10_000_000, "last_nanos": 500_000_000, "errors": 1, "warnings": 3, "notes": 0,
        },
    });
    assert_eq!(found, expected);

    let (code, out, _) = encap(&["check", "--json", "-"], "");
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &found["faults"][0]["kind"]), (1, &"empty_file".into()));
}

#[test]
fn unreadable_file_has_its_own_exit_code() {
    let expected = "encap: cannot read no\\u{1b}such.csv: No such file or directory (os error 2)\n";
    assert_eq!(encap(&["check", "no\u{1b}such.csv"], ""), (3, String::new(), expected.into()));
    let (code, _, err) = encap(&["check", "."], "");
    assert_eq!((code, &*err), (3, "encap: cannot read .: Is a directory (os error 21)\n"));
}

#[test]
fn wrong_command_line_prints_usage() {
    for args in [&["check"][..], &["check", "--nonsense", "-"], &["nonsense"], &[]] {
        let (code, out, err) = encap(args, "");
        assert_eq!((code, &*out), (2, ""), "given {args:?}");
        assert!(err.contains("Usage: encap"), "given {args:?}: {err}");
    }
}
