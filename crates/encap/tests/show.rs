//! `encap show` from the command line, on real and synthetic frames. Its output is compared with expected files.
//!
//! After an intended change, `ENCAP_WRITE_EXPECTED=1 cargo test -p switchboard-encap --test show` rewrites the files.
//! Review them before committing.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use switchboard_encap::capture::{FileMetadata, Format, Interface, Record, Writer};
use switchboard_encap::time::Timestamp;
use switchboard_encap::wire::LinkType;

/// Runs `encap show` in the folder `tests/data/captures`. Returns exit code, standard output and standard error.
fn show(args: &[&str]) -> (i32, String, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/captures");
    let mut command = Command::new(env!("CARGO_BIN_EXE_encap"));
    let Output { status, stdout, stderr } = command.arg("show").args(args).current_dir(folder).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// Compares output with the expected file `name`, line by line.
fn expect(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/show").join(name);
    if std::env::var_os("ENCAP_WRITE_EXPECTED").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    for (i, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "{name}:{}", i + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{name}");
}

/// JSON with one value per line.
fn pretty(json: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    serde_json::to_string_pretty(&value).unwrap() + "\n"
}

#[test]
fn frames_of_real_captures_are_shown_as_expected() {
    for (file, frame, name) in [
        ("csv_send_macos_lo0.pcapng", "1", "macos_syn"),
        ("csv_send_macos_lo0.pcapng", "5", "macos_data"),
        ("line_chat_macos_lo0.pcapng", "2", "macos_refused"),
        ("line_chat_npcap.pcap", "4", "npcap_data"),
    ] {
        let (code, text, err) = show(&[file, "--frame", frame]);
        assert_eq!((code, &*err), (0, ""), "{name}");
        expect(&format!("{name}.txt"), &text);
        let (code, json, err) = show(&[file, "--frame", frame, "--json"]);
        assert_eq!((code, &*err), (0, ""), "{name}");
        expect(&format!("{name}.json"), &pretty(&json));
    }
}

#[test]
fn list_shows_as_many_frames_as_the_limit() {
    let (code, text, err) = show(&["line_chat_macos_lo0.pcapng", "--limit", "12"]);
    assert_eq!((code, &*err), (0, ""));
    expect("list.txt", &text);
    let (code, json, _) = show(&["line_chat_macos_lo0.pcapng", "--limit", "12", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, json["frames"].as_array().unwrap().len(), &json["more"]), (0, 12, &true.into()));
    assert_eq!(json["frames"][1]["flags"], "RST, ACK");
    let (_, text, _) = show(&["csv_send_macos_lo0.pcapng"]);
    assert_eq!(text.lines().count(), 1 + 18 + 1, "all frames are listed: {text}");
    assert!(!text.contains("--limit"), "{text}");
}

/// VLAN 5, IPv6 with destination options, UDP from port 9000 to 12345 with the payload `MSG hi`.
const VLAN_FRAME: &str = "020202020202 040404040404 8100 6005 86dd 60012345 0017 3c 40
    20010db8000000000000000000000001 20010db8000000000000000000000002 1100010400000000
    2328 3039 000f CHECKSUM 4d5347 2068690a";
/// Frame 4 of `line_chat_npcap.pcap`, which carries `Alice`. The test gives it a wrong checksum.
const TCP_FRAME: &str = "02000000 4500002d8e404000800600007f0000017f000001
    cacc270f111ddb6d8110bd70501800ff CHECKSUM0000 416c696365";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Writes a capture of one frame with a comment, and returns its path.
fn capture(directory: &Path, link_type: LinkType, frame: &[u8], original_len: usize) -> PathBuf {
    let path = directory.join("made.pcapng");
    let file = std::fs::File::create(&path).unwrap();
    let interfaces = [Interface::new(link_type)];
    let mut writer = Writer::new(file, Format::Pcapng, FileMetadata::default(), &interfaces).unwrap();
    let record = Record {
        time: Timestamp::from_nanos(1_700_000_000_123_456_789),
        interface: 0,
        captured: frame,
        original_len: u32::try_from(original_len).unwrap(),
        comments: &["made by hand: \u{1b}[31mnot red\u{1b}[0m <b>"],
    };
    writer.write(&record).unwrap();
    writer.flush().unwrap();
    path
}

#[test]
fn synthetic_frames_are_shown_as_expected() {
    let directory = tempfile::tempdir().unwrap();
    let vlan = bytes(&VLAN_FRAME.replace("CHECKSUM", "4a1d"));
    let wrong_checksum = bytes(&TCP_FRAME.replace("CHECKSUM", "1234"));
    // The frame ends within the TCP header.
    let cut_short = &wrong_checksum[..30];
    for (link_type, frame, original_len, name) in [
        (LinkType::ETHERNET, &vlan[..], vlan.len(), "vlan_ipv6_udp"),
        (LinkType::NULL, &wrong_checksum, wrong_checksum.len(), "wrong_checksum"),
        (LinkType::NULL, cut_short, wrong_checksum.len(), "cut_short"),
    ] {
        let path = capture(directory.path(), link_type, frame, original_len);
        let path = path.to_str().unwrap();
        let (code, text, err) = show(&[path, "--frame", "1", "--width", "80"]);
        assert_eq!((code, &*err), (0, ""), "{name}");
        expect(&format!("{name}.txt"), &text);
        let (_, json, _) = show(&[path, "--frame", "1", "--json"]);
        expect(&format!("{name}.json"), &pretty(&json.replace(path, "made.pcapng")));
        let (_, list, _) = show(&[path]);
        expect(&format!("{name}_list.txt"), &list.replace(path, "made.pcapng"));
    }
}

#[test]
fn colour_is_used_only_on_request() {
    let args = ["line_chat_npcap.pcap", "--frame", "4"];
    let (_, plain, _) = show(&args);
    let (_, coloured, _) = show(&[&args[..], &["--color", "always"]].concat());
    assert!(!plain.contains('\u{1b}') && coloured.contains('\u{1b}'));
    let mut without_colour = String::new();
    let mut unread = &*coloured;
    // A colour sequence starts with ESC and ends with `m`.
    while let Some((before, sequence)) = unread.split_once('\u{1b}') {
        without_colour.push_str(before);
        unread = sequence.split_once('m').unwrap().1;
    }
    assert_eq!(without_colour + unread, plain, "the coloured text differs");
}

#[test]
fn pages_of_one_frame_and_of_all_frames() {
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("page.html");
    let page_name = page.to_str().unwrap();
    assert_eq!(
        show(&["csv_send_macos_lo0.pcapng", "--frame", "5", "--html", page_name]),
        (0, String::new(), String::new())
    );
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("<title>Frame 5 of csv_send_macos_lo0.pcapng</title>"), "{html}");
    assert!(!html.contains("http:") && !html.contains("https:"), "{html}");
    assert_eq!(html.matches("<article").count(), 1);
    assert_eq!(show(&["csv_send_macos_lo0.pcapng", "--html", page_name]).0, 0);
    let html = std::fs::read_to_string(&page).unwrap();
    assert_eq!(html.matches("<article").count(), 18);

    // The input file is never overwritten.
    let copy = directory.path().join("copy.pcapng");
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/captures/csv_send_macos_lo0.pcapng");
    std::fs::copy(&original, &copy).unwrap();
    let copy_name = copy.to_str().unwrap();
    let (code, _, err) = show(&[copy_name, "--html", copy_name]);
    assert_eq!((code, std::fs::read(&copy).unwrap() == std::fs::read(&original).unwrap()), (3, true));
    assert!(err.contains("is the input file"), "{err}");

    let nowhere = directory.path().join("no/such.html");
    let (code, _, err) = show(&["csv_send_macos_lo0.pcapng", "--html", nowhere.to_str().unwrap()]);
    assert_eq!(code, 3);
    assert!(err.starts_with("encap: cannot write") && err.contains("No such file"), "{err}");
}

#[test]
fn unusable_inputs_are_reported() {
    let (code, out, err) = show(&["csv_send_macos_lo0.pcapng", "--frame", "19"]);
    let expected = "encap: csv_send_macos_lo0.pcapng has 18 frames: there is no frame 19\n";
    assert_eq!((code, &*out, &*err), (3, "", expected));
    let (code, _, err) = show(&[env!("CARGO_BIN_EXE_encap")]);
    assert_eq!(code, 3);
    assert!(err.contains("not a capture"), "{err}");
    let (code, out, err) = show(&["../../Cargo.toml"]);
    assert_eq!((code, &*out), (1, ""));
    assert!(err.contains("is not a header") && err.ends_with("so there is nothing to show\n"), "{err}");
    let (code, _, err) = show(&["csv_send_macos_lo0.pcapng", "--link", "raw"]);
    assert_eq!((code, err.contains("is a capture: flags for building frames")), (3, true), "{err}");
    assert_eq!(show(&["no-such.pcap"]).0, 3);
    assert_eq!(show(&["line_chat_npcap.pcap", "--frame", "0"]).0, 2);
    assert_eq!(show(&["line_chat_npcap.pcap", "--frame", "1", "--json", "--html", "x"]).0, 2);
}

#[test]
fn csv_frames_are_shown_with_their_row() {
    let csv = "../csv/group07_chat_input.csv";
    let (code, text, err) = show(&[csv, "--frame", "5"]);
    let no_line_end = "csv/group07_chat_input.csv:2:1: warning: CHAT messages without a line end ";
    assert!(code == 0 && err.contains(no_line_end) && err.lines().count() == 1, "{err}");
    expect("csv_row.txt", &text);
    let (_, json, _) = show(&[csv, "--frame", "5", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let expected = serde_json::json!({"msg_id": "2", "line": 3, "protocol": "CHAT", "source": "Server",
        "destination": "Noy", "time": "1970-01-01T00:00:00.02Z", "text": "INFO Welcome Noy!", "text_left_out": 0,
        "len": 17, "carried": {"start": 0, "end": 17}});
    assert_eq!(json["row"], expected);
    assert!(json["origin"][0].as_str().unwrap().contains("no frame here was on a wire"), "{json}");
    // A frame that carries no row shows none.
    let (_, text, _) = show(&[csv, "--frame", "1"]);
    assert!(!text.contains("Row ") && text.contains("Synthesised from"), "{text}");
    let (_, text, _) = show(&[csv, "--limit", "2", "--link", "raw"]);
    assert!(text.starts_with("Synthesised from") && text.contains("    2  ") && text.contains("  60  SYN"), "{text}");
}

#[test]
fn input_format_is_detected_by_content() {
    let directory = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    // The extensions of the names do not match the contents.
    let [csv, capture] = ["rows.pcapng", "capture.csv"].map(|name| directory.path().join(name));
    std::fs::copy(data.join("csv/http_input.csv"), &csv).unwrap();
    std::fs::copy(data.join("captures/line_chat_npcap.pcap"), &capture).unwrap();
    let (code, text, _) = show(&[csv.to_str().unwrap(), "--frame", "4"]);
    assert!(code == 0 && text.contains("Row 1 (line 2), HTTP: client_browser → web_server, 15 bytes"), "{text}");
    let (code, text, _) = show(&[capture.to_str().unwrap(), "--frame", "4"]);
    assert!(code == 0 && !text.contains("Synthesised"), "{text}");
}

#[test]
fn rows_from_a_pipe_are_shown_and_long_ones_span_frames() {
    use std::io::Write as _;

    let piped = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_encap"));
        command.args(["show", "-"]).args(args).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A message of 1 MB, and far more rows than are shown. No frame carries the empty message.
        writeln!(stdin, "protocol,src,dst,message,time\nCHAT,a,b,,0\nCHAT,a,b,{},0.1", "x".repeat(1_000_000)).unwrap();
        for i in 0..10_000 {
            writeln!(stdin, "CHAT,a,b,{i},{}", i + 1).unwrap();
        }
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let text = piped(&["--frame", "5"]);
    assert!(text.contains("Row 2 (line 3), CHAT: a → b, 1000000 bytes"), "{text}");
    assert!(text.contains("this frame carries bytes 1448 to 2895 of the message"), "{text}");
    assert!(text.contains("row 2 → payload 1448 → TCP segment"), "{text}");
    let text = piped(&["--limit", "4"]);
    assert!(text.contains("more follow"), "{text}");
}
