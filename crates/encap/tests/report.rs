//! `encap report` from the command line: pages for all kinds of captures, and error messages.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use switchboard_encap::capture::{FileMetadata, Format, Interface, Record, Writer};
use switchboard_encap::time::Timestamp;
use switchboard_encap::wire::LinkType;

/// Runs `encap` in a folder. Returns exit code and standard error.
fn encap(folder: &Path, args: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_encap"));
    let Output { status, stdout, stderr } = command.args(args).current_dir(folder).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&stdout), "", "a report prints nothing");
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

/// Runs `encap report`, which writes `page.html`, and returns the page.
fn page(folder: &Path, args: &[&str]) -> String {
    let result = encap(folder, &[&["report"], args, &["-o", "page.html"]].concat());
    assert_eq!(result, (0, String::new()), "{args:?}");
    let page = std::fs::read_to_string(folder.join("page.html")).unwrap();
    assert_self_contained(&page);
    page
}

/// Runs `encap report`, which must write no page, and returns its error message.
fn refusal(folder: &Path, args: &[&str]) -> String {
    let (code, err) = encap(folder, &[&["report"], args, &["-o", "page.html"]].concat());
    assert_eq!(code, 3, "{err}");
    assert!(!folder.join("page.html").exists(), "a page was written");
    err
}

fn assert_self_contained(page: &str) {
    assert!(page.starts_with("<!DOCTYPE html>"));
    for word in ["<script", " src=", "url(", "@import", "https:", "<iframe", "<object"] {
        assert!(!page.contains(word), "the page contains {word}");
    }
    // Browsers do not load the name of the SVG namespace.
    assert!(!page.replace("http://www.w3.org/2000/svg", "").contains("http:"));
}

/// Path of a file in `tests/data`.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name)
}

/// A new folder with a copy of a file in `tests/data`.
fn folder_with(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(data(name), folder.path().join(Path::new(name).file_name().unwrap())).unwrap();
    folder
}

/// Writes a capture of frames, one second apart.
fn capture(path: &Path, format: Format, link_type: LinkType, frames: &[&[u8]]) {
    let interfaces = [Interface::new(link_type)];
    let mut writer = Writer::new(File::create(path).unwrap(), format, FileMetadata::default(), &interfaces).unwrap();
    for (frame, second) in frames.iter().zip(1..) {
        let original_len = u32::try_from(frame.len()).unwrap();
        let time = Timestamp::from_nanos(second * 1_000_000_000);
        writer.write(&Record { time, interface: 0, captured: frame, original_len, comments: &[] }).unwrap();
    }
    writer.flush().unwrap();
}

#[test]
fn report_of_a_chat_has_all_its_parts() {
    let folder = folder_with("captures/line_chat_macos_lo0.pcapng");
    let page = page(folder.path(), &["line_chat_macos_lo0.pcapng"]);
    for part in [
        "<title>Report on line_chat_macos_lo0.pcapng</title>",
        "84 packets",
        "TCP 4: 127.0.0.1:51941 ↔ 127.0.0.1:8080",
        "Sequence diagram of 127.0.0.1:51941 and 127.0.0.1:8080",
        "PSH, ACK · seq 1 · ack 1 · len 5",
        "User1 → User2: Hello User2, How are you?",
        "127.0.0.1:51886 did not reach 127.0.0.1:8080: refused",
        "▲ not allowed: a welcome to &quot;&quot;",
        "Frame 25, layer by layer",
        "the first frame of the conversation that has a payload",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches("<svg").count(), 5);
    assert_eq!(page.matches(r#"role="img""#).count(), 5);
    assert_eq!(page.matches("<article").count(), 1);
    assert!(!page.contains("Synthesised"));
}

#[test]
fn conversation_and_frame_can_be_chosen() {
    let folder = folder_with("captures/line_chat_macos_lo0.pcapng");
    let file = "line_chat_macos_lo0.pcapng";
    for number in ["1", "tcp:1", "TCP:1"] {
        let page = page(folder.path(), &[file, "--conversation", number]);
        assert!(page.contains("TCP 1: 127.0.0.1:51923 ↔ 127.0.0.1:8080") && page.contains("▲ reset"), "{number}");
        assert!(page.contains("no payload was captured") && page.contains("No payload was sent."));
    }
    let page = page(folder.path(), &[file, "--frame", "9"]);
    assert!(page.contains("Frame 9, layer by layer"));
    std::fs::remove_file(folder.path().join("page.html")).unwrap();
    let err = refusal(folder.path(), &[file, "--conversation", "8"]);
    assert_eq!(err, "encap: line_chat_macos_lo0.pcapng has no TCP conversation 8: encap analyze lists them\n");
    let err = refusal(folder.path(), &[file, "--conversation", "udp:0"]);
    assert_eq!(err, "encap: line_chat_macos_lo0.pcapng has no UDP conversation 0: encap analyze lists them\n");
    let err = refusal(folder.path(), &[file, "--frame", "85"]);
    assert_eq!(err, "encap: line_chat_macos_lo0.pcapng has 84 frames: there is no frame 85\n");
    for wrong in [["--conversation", "sctp:1"], ["--conversation", "first"], ["--frame", "0"]] {
        assert_eq!(encap(folder.path(), &[&["report", file, "-o", "x"], &wrong[..]].concat()).0, 2, "{wrong:?}");
    }
}

#[test]
fn synthesised_captures_are_marked() {
    let folder = folder_with("csv/http_input.csv");
    for (transport, name, drawings) in [("tcp", "TCP 0", 5), ("udp", "UDP 0", 2)] {
        let build = Command::new(env!("CARGO_BIN_EXE_encap"))
            .args(["build", "http_input.csv", "-o", "built.pcapng", "--transport", transport])
            .current_dir(folder.path())
            .output();
        assert!(build.unwrap().status.success());
        let page = page(folder.path(), &["built.pcapng"]);
        assert!(page.contains("none was captured from a wire"), "{transport}");
        assert!(page.contains("Synthesised by encap build from http_input.csv"), "{transport}");
        assert!(page.contains(name) && page.contains("No conversation is a chat in either dialect"), "{transport}");
        assert_eq!(page.matches("<svg").count(), drawings, "{transport}");
    }
}

#[test]
fn captures_without_conversations_have_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.pcap");
    // An ARP request: who has 10.0.0.2? Tell 10.0.0.1.
    let arp: Vec<u8> = [
        &[0xff; 6][..],
        &[2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
        &[2, 0, 0, 0, 0, 1, 10, 0, 0, 1],
        &[0; 6],
        &[10, 0, 0, 2],
    ]
    .concat();
    for format in [Format::Pcap, Format::Pcapng] {
        capture(&path, format, LinkType::ETHERNET, &[]);
        let empty = page(folder.path(), &["some.pcap"]);
        assert!(empty.contains("The capture holds no packet.") && empty.contains("There is none"), "{format}");
        assert!(!empty.contains("<svg") && !empty.contains("<article"), "{format}");

        capture(&path, format, LinkType::ETHERNET, &[&arp, &arp[..20]]);
        let no_conversation = page(folder.path(), &["some.pcap"]);
        assert!(
            no_conversation.contains("In no conversation") && no_conversation.contains("There is none"),
            "{format}"
        );
        assert!(no_conversation.contains("Frame 1, layer by layer") && !no_conversation.contains("<svg"), "{format}");
    }
}

#[test]
fn capture_contents_are_escaped() {
    let folder = tempfile::tempdir().unwrap();
    let name = "<script>alert(1)<svg onload=x>.pcap";
    // UDP over IPv4 to port 12345.
    let payload = b"REGISTER <script>alert(2)</script>\x1b[2J\n";
    let len = u8::try_from(payload.len()).unwrap();
    let head = [
        0x45,
        0,
        0,
        28 + len,
        0,
        0,
        0,
        0,
        64,
        17,
        0,
        0,
        10,
        0,
        0,
        1,
        10,
        0,
        0,
        2,
        0x23,
        0x28,
        0x30,
        0x39,
        0,
        8 + len,
        0,
        0,
    ];
    let packet = [&head[..], payload].concat();
    capture(&folder.path().join(name), Format::Pcap, LinkType::RAW, &[&packet, &packet]);
    let page = page(folder.path(), &[name]);
    assert!(page.contains("&lt;script&gt;alert(2)") && !page.contains('\u{1b}'));
    assert!(page.contains("All 2 datagrams"));
}

#[test]
fn truncated_capture_is_reported_up_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(data("captures/line_chat_npcap.pcap")).unwrap();
    std::fs::write(folder.path().join("cut.pcap"), &whole[..whole.len() - 300]).unwrap();
    let page = page(folder.path(), &["cut.pcap"]);
    assert!(page.contains("the file is cut short"), "the page names the damage");
    assert!(page.contains("<svg"));
}

#[test]
fn capture_and_page_may_be_pipes() {
    let folder = folder_with("captures/line_chat_npcap.pcap");
    encap(folder.path(), &["report", "line_chat_npcap.pcap", "-o", "page.html"]);
    let page = std::fs::read_to_string(folder.path().join("page.html")).unwrap();
    for file in ["-", "/dev/stdin"] {
        let mut piped = Command::new(env!("CARGO_BIN_EXE_encap"));
        piped.args(["report", file, "-o", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut piped = piped.spawn().unwrap();
        let capture = std::fs::read(data("captures/line_chat_npcap.pcap")).unwrap();
        piped.stdin.take().unwrap().write_all(&capture).unwrap();
        let Output { status, stdout, .. } = piped.wait_with_output().unwrap();
        let name = if file == "-" { "&lt;stdin&gt;" } else { "stdin" };
        assert!(status.success());
        assert_eq!(String::from_utf8(stdout).unwrap(), page.replace("line_chat_npcap.pcap", name));
    }
}

#[test]
fn unusable_inputs_and_outputs_are_refused() {
    let folder = folder_with("csv/http_input.csv");
    let err = refusal(folder.path(), &["http_input.csv"]);
    assert!(err.contains("not a capture") && err.contains("encap build FILE.csv -o FILE.pcapng"), "{err}");
    let err = refusal(folder.path(), &["no-such.pcap"]);
    assert!(err.starts_with("encap: cannot read no-such.pcap"), "{err}");
    let capture = "line_chat_npcap.pcap";
    std::fs::copy(data("captures/line_chat_npcap.pcap"), folder.path().join(capture)).unwrap();
    let (code, err) = encap(folder.path(), &["report", capture, "-o", capture]);
    assert_eq!((code, &*err), (3, "encap: line_chat_npcap.pcap is the input file: write to another file\n"));
    std::os::unix::fs::symlink(capture, folder.path().join("link.html")).unwrap();
    assert_eq!(encap(folder.path(), &["report", capture, "-o", "link.html"]).0, 3);
    let read = |path| std::fs::read(path).unwrap();
    assert_eq!(read(folder.path().join(capture)), read(data("captures/line_chat_npcap.pcap")), "the input was changed");
    let (code, err) = encap(folder.path(), &["report", capture, "-o", "no/such/page.html"]);
    assert_eq!(code, 3);
    assert!(err.starts_with("encap: cannot write no/such/page.html"), "{err}");
}
