//! Output and exit codes of the commands that read captures.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use switchboard_encap::capture::{FileMetadata, Format, Interface, Statistics, Writer};
use switchboard_encap::wire::LinkType;

use super::script::{capture, file_of, packets};

const CHAT: &str = "> S 1000; < SA 9000 1001; > A 1001 9001; < PA 9001 1001 =WELCOME\\n; > PA 1001 9009 =PING\\n; \
                    < PA 9009 1006 =PONG\\n";

/// Runs a command with `input` on its standard input. Returns exit code, standard output and standard error.
fn run(args: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_encap"))
        .args(args)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    into_texts(child.wait_with_output().unwrap())
}

fn into_texts(Output { status, stdout, stderr }: Output) -> (Option<i32>, String, String) {
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn damaged_file_is_read_up_to_the_damage() {
    let mut damaged = capture(CHAT);
    // A block with an impossible length.
    damaged.extend([6, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0]);
    for (args, expected) in [
        (&["analyze"][..], "complete handshake"),
        (&["analyze", "--json"], "\"handshake\":\"complete\""),
        (&["follow"], "← PONG"),
        (&["chat"], "server: PONG"),
        (&["show"], "5555"),
    ] {
        let (code, out, err) = run(args, &damaged);
        assert_eq!(code, Some(3), "{args:?}");
        assert!(out.contains(expected), "{args:?}: {out}");
        assert!(err.contains("the file is damaged from here"), "{args:?}: {err}");
    }
}

#[test]
fn output_says_first_that_a_capture_is_synthesised() {
    let metadata = FileMetadata { os: None, comments: &["Synthesised by hand"] };
    let file = file_of(LinkType::RAW, &metadata, &packets(CHAT));
    for args in [&["analyze"][..], &["follow"], &["chat"], &["show"], &["show", "--frame", "2"]] {
        let (code, out, _) = run(args, &file);
        assert_eq!(code, Some(0), "{args:?}");
        let is_marked = out.lines().take(2).any(|line| line.contains("Synthesised by hand"));
        assert!(is_marked, "{args:?}: {out}");
    }
    for args in [&["analyze", "--json"][..], &["show", "--json"], &["show", "--json", "--frame", "2"]] {
        let (_, out, _) = run(args, &file);
        let json: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["origin"][0], "Synthesised by hand", "{args:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    for args in [&["show"][..], &["show", "--frame", "2"]] {
        let (code, out, _) = run(&[args, &["--html", page.to_str().unwrap()]].concat(), &file);
        assert_eq!((code, &*out), (Some(0), ""), "{args:?}");
        assert!(std::fs::read_to_string(&page).unwrap().contains("</h1><p><strong>Synthesised by hand"), "{args:?}");
    }
    let (_, raw, err) = run(&["follow", "--raw"], &file);
    assert_eq!(raw, "WELCOME\nPING\nPONG\n");
    assert!(err.contains("Synthesised by hand"), "{err}");
}

#[test]
fn dropped_packets_of_an_interface_are_reported() {
    let writer = Writer::new(Vec::new(), Format::Pcapng, FileMetadata::default(), &[Interface::new(LinkType::RAW)]);
    let file = writer.unwrap().finish(&[Statistics { received: 100, dropped: 7 }]).unwrap();
    let (_, out, _) = run(&["analyze"], &file);
    assert!(out.contains("interface 0 dropped 7 of 100 packets"), "{out}");
}

#[test]
fn capture_without_a_chat_is_refused() {
    for (args, script) in [(&["chat"][..], "> S 1000; < RA 0 1001"), (&["chat", "--port", "9"], CHAT)] {
        let (code, out, err) = run(args, &capture(script));
        assert_eq!(code, Some(3), "given {script}");
        assert!(err.contains("there is no chat in <stdin>"), "{err}");
        assert!(!out.contains("the protocol allows"), "{out}");
    }
}

#[test]
fn line_split_over_segments_is_one_line() {
    let script = format!("{CHAT}; > PA 1006 9014 =PING\\n; < PA 9014 1011 =PO; +2000 < PA 9016 1011 =NG\\n");
    let (code, out, _) = run(&["chat"], &capture(&script));
    assert_eq!(code, Some(0), "{out}");
}

#[test]
fn missing_raw_bytes_are_reported() {
    let script = "> S 1000; > A 1001 9001 =ab; > A 1010 9001 =cd";
    let (code, out, err) = run(&["follow", "--raw"], &capture(script));
    assert_eq!((code, &*out), (Some(0), "abcd"));
    assert!(err.contains("7 bytes are missing"), "{err}");
}

#[test]
fn cause_of_a_reset_is_printed_once() {
    let (_, out, _) = run(&["analyze"], &capture("> S 1000; < RA 0 1001"));
    assert_eq!(out.matches("RST in answer to a SYN").count(), 1, "{out}");
}

#[test]
fn empty_list_names_the_limit_flag() {
    let (code, out, _) = run(&["show", "--limit", "0"], &capture(CHAT));
    assert_eq!(code, Some(0));
    assert!(out.contains("--limit 1 lists the first"), "{out}");
}

#[test]
fn datagrams_are_not_called_segments() {
    // IPv4 header, UDP header from port 40000 to 53, and the payload `hi`.
    let udp = [
        0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x9c, 0x40, 0, 53, 0, 10, 0, 0, b'h', b'i',
    ];
    let (_, out, _) = run(&["analyze"], &file_of(LinkType::RAW, &FileMetadata::default(), &[(0, udp.to_vec())]));
    assert!(out.contains("→ 2 bytes, 1 datagram\n") && !out.contains("segment"), "{out}");
}

#[test]
fn file_names_may_contain_any_bytes() {
    let dir = std::env::temp_dir().join(format!("encap-reading-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path: PathBuf = dir.join(OsStr::from_bytes(b"caf\xe9.pcapng"));
    std::fs::write(&path, capture(CHAT)).unwrap();
    for command in ["analyze", "follow", "chat", "show"] {
        let (code, _, err) =
            into_texts(Command::new(env!("CARGO_BIN_EXE_encap")).arg(command).arg(&path).output().unwrap());
        assert_eq!((code, &*err), (Some(0), ""), "{command}");
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
