//! `encap build` as a process: output, files and exit code.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Runs `encap build` in a folder. Returns exit code, standard output and standard error.
fn build(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_encap")).arg("build").args(args).current_dir(folder).output();
    let Output { status, stdout, stderr } = output.unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Path of a CSV in `tests/data`.
fn csv(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/csv").join(file);
    path.display().to_string()
}

#[test]
fn build_writes_a_capture_and_prints_a_summary() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = build(folder.path(), &[&csv("group07_chat_input.csv"), "-o", "chat.pcapng"]);
    let no_line_end = "group07_chat_input.csv:2:1: warning: CHAT messages without a line end run together in their \
                   stream: chat programs and encap dissector cannot separate them; use --complete (8 times)\n";
    assert!(err.ends_with(no_line_end) && err.lines().count() == 1, "{err}");
    assert_eq!(out, "chat.pcapng: 8 rows, 3 connections, 26 frames, 1873 bytes; 1 warning, 0 rows refused\n");
    assert_eq!(code, 0);
    assert!(folder.path().join("chat.pcapng").exists());

    let args = [&csv("http_input.csv"), "-o", "web.pcap", "--format", "pcap", "--bad-twin", "--complete", "--json"];
    let (code, out, err) = build(folder.path(), &args);
    assert_eq!(code, 0, "{err}");
    let unmarked = "web.pcap: note: a pcap file cannot say that its packets are synthesised: --format pcapng can";
    assert!(err.contains(unmarked), "{err}");
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let expected = serde_json::json!({"out": "web.pcap", "bad_twin": "web-bad.pcapng", "rows": 5, "connections": 1,
        "exchanges": 0, "refused": 0, "seed": 0});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&json[key], value, "{key}");
    }
    assert_eq!(json["remarks"][0]["kind"], "completed");
    assert_eq!((&json["warnings"], &json["notes"]), (&0.into(), &1.into()));
    let fault = serde_json::json!({"severity": "note", "line": 2, "character": null,
        "message": "HTTP messages were completed to valid HTTP (5 times)"});
    assert_eq!(json["faults"], serde_json::json!([fault]));
    assert!(folder.path().join("web-bad.pcapng").exists());
}

#[test]
fn messages_that_a_dissector_would_misread_have_a_warning() {
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
        "rows.csv:2:1: warning: DNS messages are not valid DNS, so they are sent to port 50053, which Wireshark does \
         not dissect, instead of 53: give ports\n"
    );
    let rows = "protocol,src,dst,dst_port,message,time\nTEXT,pc,srv,389,hello,1\n";
    std::fs::write(folder.path().join("rows.csv"), rows).unwrap();
    let (_, _, err) = build(folder.path(), &["rows.csv", "-o", "out.pcapng"]);
    assert_eq!(
        err,
        "rows.csv:2:1: warning: Wireshark reads LDAP on the given port 389, but these TEXT messages are not valid \
         LDAP: give another port\n"
    );
}

#[test]
fn refused_rows_are_reported_and_exit_with_1() {
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
    assert!(lines[1].starts_with("rows.csv:3:1: error: 224.0.0.9 is a multicast or broadcast address"), "{err}");
}

#[test]
fn errors_name_the_file_that_cannot_be_read_or_written() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rows.csv"), "protocol,src,dst,message,time\nCHAT,a,b,hi,1\n").unwrap();
    for (args, expected) in [
        (["none.csv", "-o", "out.pcapng"], "encap: cannot read none.csv: No such file or directory (os error 2)\n"),
        (
            ["rows.csv", "-o", "no/out.pcapng"],
            "encap: cannot write no/out.pcapng: No such file or directory (os error 2)\n",
        ),
        (["rows.csv", "-o", "./rows.csv"], "encap: ./rows.csv is the input file: write to another file\n"),
    ] {
        assert_eq!(build(folder.path(), &args), (3, String::new(), expected.to_owned()), "{args:?}");
    }
    let (code, _, err) = build(folder.path(), &["rows.csv", "-o", "out.pcapng", "--mtu", "575"]);
    assert_eq!(code, 2);
    assert!(err.contains("an MTU has 576 to 65535 bytes"), "{err}");
}

const VALID_CSV: &str = "protocol,src,dst,message,time\nCHAT,a,b,hi,1\n";

/// The names and contents of the files in a folder, sorted by name.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn input_is_never_overwritten_under_any_of_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("rows-bad.pcapng"), VALID_CSV).unwrap();
    std::fs::hard_link(path("rows-bad.pcapng"), path("hard")).unwrap();
    std::os::unix::fs::symlink("rows-bad.pcapng", path("soft")).unwrap();
    let before = contents(folder.path());
    for args in [
        &["rows-bad.pcapng", "-o", "rows.pcapng", "--bad-twin"][..],
        &["rows-bad.pcapng", "-o", "hard"],
        &["rows-bad.pcapng", "-o", "soft"],
        &["soft", "-o", "hard"],
    ] {
        let (code, out, err) = build(folder.path(), args);
        assert_eq!((code, &*out), (3, ""), "{args:?}: {err}");
        assert!(err.contains(" is the input file: write to another file"), "{args:?}: {err}");
        assert_eq!(contents(folder.path()), before, "{args:?}");
    }
}

#[test]
fn existing_file_is_replaced_only_by_a_complete_capture() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("out.pcapng", "an existing file");
    write("header.csv", "garbage,hello\n");
    write("none.csv", "protocol,src,dst,message,time\n");
    write("refused.csv", "protocol,src,dst,message,time\nCHAT,a,a,hi,1\n");
    write("late.csv", "protocol,src,dst,message,time\nCHAT,a,b,hi,4294967290\n");
    let before = contents(folder.path());
    for file in ["header.csv", "none.csv", "refused.csv", "late.csv"] {
        let (code, out, err) = build(folder.path(), &[file, "-o", "out.pcapng", "--format", "pcap"]);
        assert_eq!((code, &*out), (1, ""), "{file}: {err}");
        assert!(err.ends_with("encap: nothing was written: there is no row to carry\n"), "{file}: {err}");
        assert_eq!(contents(folder.path()), before, "{file}");
    }
    let (_, _, err) = build(folder.path(), &["late.csv", "-o", "out.pcapng", "--format", "pcap"]);
    let late =
        "late.csv:2:1: error: its time is after the year 2106, the last that pcap can store: use --format pcapng\n";
    assert!(err.starts_with(late), "{err}");
    let (code, out, _) = build(folder.path(), &["refused.csv", "-o", "out.pcapng", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["out"], &json["refused"]), (1, &serde_json::Value::Null, &1.into()));
    assert_eq!(json["faults"][0]["severity"], "error");

    // The replaced file keeps its permissions, and a link to it stays a link.
    write("rows.csv", VALID_CSV);
    let out = folder.path().join("out.pcapng");
    std::fs::set_permissions(&out, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("out.pcapng", folder.path().join("link")).unwrap();
    assert_eq!(build(folder.path(), &["rows.csv", "-o", "link"]).0, 0);
    assert!(folder.path().join("link").is_symlink());
    assert!(std::fs::read(&out).unwrap().starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]));
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&out.metadata().unwrap().permissions()) & 0o777, 0o640);
}

#[test]
fn a_dash_is_standard_input_or_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rows.csv"), VALID_CSV).unwrap();
    assert_eq!(build(folder.path(), &["rows.csv", "-o", "expected.pcapng"]).0, 0);
    let run = |args: &[&str]| {
        let mut cat = Command::new("cat").arg("rows.csv").current_dir(&folder).stdout(Stdio::piped()).spawn().unwrap();
        let mut encap = Command::new(env!("CARGO_BIN_EXE_encap"));
        encap.arg("build").args(args).current_dir(&folder).stdin(cat.stdout.take().unwrap());
        let output = encap.output().unwrap();
        cat.wait().unwrap();
        output
    };
    // The files differ at their start, where a comment names the input. Their last 500 bytes are frames.
    let frames = |file: &[u8]| file[file.len() - 500..].to_vec();
    let expected = frames(&std::fs::read(folder.path().join("expected.pcapng")).unwrap());
    for file in ["-", "/dev/stdin"] {
        let Output { status, stdout, stderr } = run(&[file, "-o", "-"]);
        let err = String::from_utf8(stderr).unwrap();
        assert!(status.success(), "{file}: {err}");
        assert_eq!(frames(&stdout), expected);
        assert!(err.contains("standard output: 1 row, 1 connection, 7 frames"), "{err}");
    }
    assert!(!folder.path().join("-").exists());
    assert_eq!(
        run(&["-", "-o", "-", "--bad-twin"]).status.code(),
        Some(2),
        "standard output has no name for a bad twin"
    );
}

#[test]
fn closed_standard_error_does_not_stop_a_build() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rows.csv"), format!("{VALID_CSV}CHAT,a,a,hi,1\n")).unwrap();
    let encap = env!("CARGO_BIN_EXE_encap");
    let shell = |script: &str| {
        let output = Command::new("sh").args(["-c", script, encap]).current_dir(&folder).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (script, expected) in [
        ("$0 build rows.csv -o a.pcapng 2>&-", 1),
        ("$0 build rows.csv -o b.pcapng 2>/dev/full", 1),
        ("$0 build none.csv -o b.pcapng 2>/dev/full", 3),
    ] {
        assert_eq!(shell(script), (Some(expected), String::new()), "{script}");
    }
    assert!(folder.path().join("a.pcapng").exists() && folder.path().join("b.pcapng").exists());
    // A closed pipe ends the program without a message: SIGPIPE, in a shell 128 + 13. The program starts late, after
    // `true` has closed the pipe.
    let closed_pipe = "{ sleep 0.2; $0 check rows.csv; echo $? >code; } | true; \
                       { sleep 0.2; $0 build rows.csv -o - 2>/dev/null; echo $? >>code; } | true";
    assert_eq!(shell(closed_pipe), (Some(0), String::new()));
    assert_eq!(std::fs::read_to_string(folder.path().join("code")).unwrap(), "141\n141\n");
    assert_eq!(
        shell("$0 build rows.csv -o /dev/full 2>&1 >/dev/null | tail -n 1 >&2").1,
        "encap: /dev/full: cannot write the capture: No space left on device (os error 28)\n"
    );
}

#[test]
fn file_names_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"r\xe9sum\xe9.csv");
    std::fs::write(folder.path().join(name), VALID_CSV).unwrap();
    for args in [&["check"][..], &["build", "-o", "out.pcapng"]] {
        let status = Command::new(env!("CARGO_BIN_EXE_encap")).args(args).arg(name).current_dir(&folder).output();
        assert_eq!(status.unwrap().status.code(), Some(0), "{args:?}");
    }
}
