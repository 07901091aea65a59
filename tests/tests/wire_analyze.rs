//! `encap analyze`, compared with tshark, and `encap chat`, compared with expected transcripts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use switchboard_encap::capture::{FileMetadata, Format, Interface, Record, Writer};
use switchboard_encap::time::Timestamp;
use switchboard_encap::wire::tcp::{self, Flags, Options};
use switchboard_encap::wire::{LinkType, SeqNumber};
use switchboard_tests::process::program;

static ENCAP: LazyLock<PathBuf> = LazyLock::new(|| program("encap"));

/// Counters in the JSON of `encap analyze`, each with the field of tshark that marks the counted frames.
const COUNTERS: [(&str, &str); 16] = [
    ("resets", "tcp.flags.reset"),
    ("retransmissions", "tcp.analysis.retransmission"),
    ("fast_retransmissions", "tcp.analysis.fast_retransmission"),
    ("spurious_retransmissions", "tcp.analysis.spurious_retransmission"),
    ("out_of_order", "tcp.analysis.out_of_order"),
    ("lost_segments", "tcp.analysis.lost_segment"),
    ("acked_unseen", "tcp.analysis.ack_lost_segment"),
    ("duplicate_acks", "tcp.analysis.duplicate_ack"),
    ("window_updates", "tcp.analysis.window_update"),
    ("window_fulls", "tcp.analysis.window_full"),
    ("zero_windows", "tcp.analysis.zero_window"),
    ("zero_window_probes", "tcp.analysis.zero_window_probe"),
    ("zero_window_probe_acks", "tcp.analysis.zero_window_probe_ack"),
    ("keep_alives", "tcp.analysis.keep_alive"),
    ("keep_alive_acks", "tcp.analysis.keep_alive_ack"),
    ("ports_reused", "tcp.analysis.reused_ports"),
];

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/captures");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("the folder exists").map(|e| e.expect("a file").path()).collect();
    files.sort();
    assert!(files.len() >= 3, "captures are missing: {files:?}");
    files
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8 text")
}

fn encap_analyze(file: &Path) -> Value {
    serde_json::from_str(&run(Command::new(&*ENCAP).args(["analyze", "--json"]).arg(file))).expect("valid JSON")
}

/// The values of one conversation, by JSON key.
type Values = BTreeMap<&'static str, String>;

/// Number of packets, and the values of each connection. They are computed from tshark's fields of each frame.
fn read_by_tshark(file: &Path) -> (u64, Vec<Values>) {
    let mut command = Command::new("tshark");
    command.args(["-o", "ip.defragment:TRUE", "-r"]).arg(file).args(["-T", "fields"]);
    for field in ["tcp.stream", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", "tcp.flags", "tcp.len"] {
        command.args(["-e", field]);
    }
    for (_, field) in COUNTERS {
        command.args(["-e", field]);
    }
    let out = run(&mut command);
    // The texts and the counts of each connection, by tshark's stream number.
    let mut connections: Vec<(Values, BTreeMap<&str, u64>)> = Vec::new();
    for line in out.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let Ok(stream) = fields[0].parse::<usize>() else { continue };
        let flags = u16::from_str_radix(fields[5].trim_start_matches("0x"), 16).expect("flags");
        let (from, to) = (format!("{}:{}", fields[1], fields[2]), format!("{}:{}", fields[3], fields[4]));
        if connections.len() == stream {
            // The client sends the first frame of every connection in these captures: a SYN.
            let values = Values::from([
                ("client", from.clone()),
                ("server", to),
                ("handshake", "partial".into()),
                ("end", "open".into()),
            ]);
            connections.push((values, BTreeMap::new()));
        }
        let (values, counts) = &mut connections[stream];
        let is_client = values["client"] == from;
        let mut add = |key, n: u64| *counts.entry(key).or_default() += n;
        add("segments", 1);
        add(if is_client { "bytes_client" } else { "bytes_server" }, fields[6].parse().expect("a length"));
        for ((key, _), value) in COUNTERS.iter().zip(&fields[7..]) {
            add(key, u64::from(!value.is_empty() && *value != "0" && *value != "False"));
        }
        let (fin, syn, rst, ack) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0, flags & 16 != 0);
        if rst {
            if counts["segments"] == 2 {
                values.insert("handshake", "refused".into());
            }
            values.insert("end", "reset".into());
        } else if syn && ack {
            counts.insert("SYN, ACK", 1);
        } else if ack && is_client && counts.contains_key("SYN, ACK") {
            values.insert("handshake", "complete".into());
        }
        if fin {
            counts.insert(if is_client { "fin of client" } else { "fin of server" }, 1);
        }
        if counts.contains_key("fin of client") && counts.contains_key("fin of server") && values["end"] == "open" {
            values.insert("end", "fin".into());
        }
    }
    let values = connections.into_iter().map(|(mut values, counts)| {
        for key in ["segments", "bytes_client", "bytes_server"].into_iter().chain(COUNTERS.map(|(key, _)| key)) {
            values.insert(key, counts.get(key).copied().unwrap_or_default().to_string());
        }
        values
    });
    (out.lines().count() as u64, values.collect())
}

/// The same as [`read_by_tshark`], from the JSON of `encap analyze`.
fn read_by_encap(file: &Path) -> (u64, Vec<Values>) {
    let json = encap_analyze(file);
    let values = |conversation: &Value| {
        let texts = ["client", "server", "handshake", "end"]
            .map(|key| (key, conversation[key].as_str().expect(key).to_owned()));
        let numbers = ["segments", "bytes_client", "bytes_server"].into_iter().chain(COUNTERS.map(|(key, _)| key));
        let numbers = numbers.map(|key| (key, conversation[key].as_u64().expect(key).to_string()));
        texts.into_iter().chain(numbers).collect()
    };
    let conversations = json["conversations"].as_array().expect("a list");
    (json["packets"].as_u64().expect("a number"), conversations.iter().map(values).collect())
}

#[test]
fn analysis_of_real_captures_equals_tshark() {
    for file in captures() {
        let (ours, theirs) = (read_by_encap(&file), read_by_tshark(&file));
        let mut table = String::new();
        for (i, (ours, theirs)) in ours.1.iter().zip(&theirs.1).enumerate() {
            writeln!(table, "conversation {i:<28} {:>18} {:>18}", "encap", "tshark")
                .expect("writing to a String succeeds");
            for (key, value) in ours {
                let mark = if *value == theirs[key] { "" } else { "  differs" };
                writeln!(table, "  {key:<38} {value:>18} {:>18}{mark}", theirs[key])
                    .expect("writing to a String succeeds");
            }
        }
        println!("{}: {} and {} packets\n{table}", file.display(), ours.0, theirs.0);
        assert_eq!(ours, theirs, "{}", file.display());
    }
}

#[test]
fn chat_prints_the_expected_transcript() {
    for file in captures() {
        let expected = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("data/chat")
            .join(file.file_stem().expect("a name"))
            .with_extension("txt");
        let output = Command::new(&*ENCAP).arg("chat").arg(&file).output().expect("encap can be started");
        let found = String::from_utf8(output.stdout).expect("UTF-8 text");
        let expected_text = std::fs::read_to_string(&expected).expect("an expected transcript");
        assert_eq!(found, expected_text, "{}", expected.display());
        // A line that the protocol does not allow sets the exit code.
        assert_eq!(output.status.code(), Some(i32::from(expected_text.contains("not allowed by the protocol"))));
    }
}

#[test]
fn refused_connections_report_their_reason() {
    let files = captures();
    let file = files.iter().find(|file| file.ends_with("line_chat_macos_lo0.pcapng")).expect("the file exists");
    let json = encap_analyze(file);
    let refused: Vec<_> =
        json["conversations"].as_array().expect("a list").iter().filter(|c| c["handshake"] == "refused").collect();
    assert_eq!(refused.len(), 2);
    for conversation in refused {
        assert_eq!(conversation["reset_cause"], "refused");
        let why = conversation["flags"][0]["why"].as_str().expect("a sentence");
        assert!(why.contains("RST in answer to a SYN, so no program listens on that port"), "{why}");
    }
}

/// One segment of a synthetic connection: milliseconds since the previous segment, whether the client sends it, flags,
/// relative sequence and acknowledgment numbers, window, payload length.
struct TestSegment(i64, bool, Flags, u32, u32, u16, usize);

/// Short, so that each row of the table below fits in one line.
const A: Flags = Flags::ACK;

/// Writes a connection with loss, reordering, a slow reader, keep-alives and a reused port.
fn write_troubled_connection(to: &Path, client_isn: u32) {
    let (fin, syn, sa) = (Flags::FIN | A, Flags::SYN, Flags::SYN | A);
    let segments = [
        TestSegment(0, true, syn, 0, 0, 65535, 0),
        TestSegment(5, false, sa, 0, 1, 65535, 0),
        TestSegment(5, true, A, 1, 1, 500, 0),
        TestSegment(1, true, A, 1, 1, 500, 100),
        TestSegment(1, false, A, 1, 101, 500, 0),
        TestSegment(1, true, A, 201, 1, 500, 100), // the segment with bytes 101 to 200 is missing
        TestSegment(1, false, A, 1, 101, 500, 0),  // duplicate acknowledgment
        TestSegment(1, true, A, 301, 1, 500, 100),
        TestSegment(1, false, A, 1, 101, 500, 0),  // duplicate acknowledgment
        TestSegment(2, true, A, 101, 1, 500, 100), // fast retransmission
        TestSegment(1, false, A, 1, 401, 500, 0),
        TestSegment(300, true, A, 301, 1, 500, 100), // spurious retransmission
        TestSegment(1, true, A, 401, 1, 500, 100),
        TestSegment(400, true, A, 401, 1, 500, 100), // retransmission
        TestSegment(1, false, A, 1, 501, 0, 0),      // zero window
        TestSegment(500, true, A, 501, 1, 500, 1),   // zero-window probe
        TestSegment(1, false, A, 1, 501, 0, 0),      // answer to the probe
        TestSegment(100, false, A, 1, 501, 300, 0),  // window update
        TestSegment(1, true, A, 501, 1, 500, 300),   // fills the window
        TestSegment(1, false, A, 1, 801, 300, 0),
        TestSegment(9000, true, A, 800, 1, 500, 1), // keep-alive
        TestSegment(1, false, A, 1, 801, 300, 0),   // answer to the keep-alive
        TestSegment(10, true, A, 901, 1, 500, 50),  // arrives before the bytes 801 to 900
        TestSegment(1, true, A, 801, 1, 500, 100),  // out of order
        TestSegment(1, false, A, 1, 951, 300, 0),
        TestSegment(10, false, A, 1, 1500, 300, 10), // acknowledges bytes that are not in the capture
        TestSegment(1, false, A, 11, 1600, 300, 0),  // acknowledges more of them: not reported again
        TestSegment(10, true, fin, 951, 11, 500, 0),
        TestSegment(1, false, fin, 11, 952, 300, 0),
        TestSegment(1, true, A, 952, 12, 500, 0),
        TestSegment(50, true, syn, 7_000_000, 0, 65535, 0), // reuses the port
        TestSegment(1, false, Flags::RST | A, 0, 7_000_001, 0, 0),
    ];
    let interfaces = [Interface::new(LinkType::RAW)];
    let file = std::fs::File::create(to).expect("the folder is writable");
    let mut writer = Writer::new(file, Format::Pcap, FileMetadata::default(), &interfaces).expect("a header");
    let mut now = 1_700_000_000_000_i64;
    for TestSegment(wait, from_client, flags, seq, ack, window, len) in segments {
        now += wait;
        let packet = packet(from_client, flags, (seq, ack), client_isn, window, len);
        let time = Timestamp::from_nanos(now * 1_000_000);
        let original_len = u32::try_from(packet.len()).expect("a short packet");
        let record = Record { time, interface: 0, captured: &packet, original_len, comments: &[] };
        writer.write(&record).expect("the file is writable");
    }
    writer.finish(&[]).expect("the file is writable");
}

/// An IPv4 packet whose sequence and acknowledgment numbers are relative to the initial ones.
fn packet(
    from_client: bool,
    flags: Flags,
    (seq, ack): (u32, u32),
    client_isn: u32,
    window: u16,
    len: usize,
) -> Vec<u8> {
    let server_isn = 0xffff_fff0;
    let (ours, theirs) = if from_client { (client_isn, server_isn) } else { (server_isn, client_isn) };
    let repr = tcp::Repr {
        source_port: if from_client { 40_000 } else { 8_080 },
        destination_port: if from_client { 8_080 } else { 40_000 },
        seq: SeqNumber(ours) + seq,
        ack: SeqNumber(theirs) + ack,
        flags,
        window,
        urgent_pointer: 0,
        options: Options::default(),
    };
    let total = 20 + repr.buffer_len() + len;
    let mut packet = vec![b'x'; total];
    packet[..20].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1]);
    packet[2..4].copy_from_slice(&u16::try_from(total).expect("a short packet").to_be_bytes());
    let (from, to) = if from_client { (2, 1) } else { (1, 2) };
    (packet[15], packet[19]) = (from, to);
    repr.emit(&mut packet[20..]);
    packet
}

#[test]
fn analysis_of_a_troubled_connection_equals_tshark() {
    let folder = tempfile::tempdir().expect("a folder");
    // With the second initial number, the sequence numbers of the client wrap around after 150 bytes of payload.
    for client_isn in [1_000, u32::MAX - 150] {
        let file = folder.path().join(format!("{client_isn}.pcap"));
        write_troubled_connection(&file, client_isn);
        let (ours, mut theirs) = (read_by_encap(&file), read_by_tshark(&file));
        for (ours, theirs) in ours.1.iter().zip(&mut theirs.1) {
            // encap counts retransmitted bytes once. tshark has no field for that.
            for bytes in ["bytes_client", "bytes_server"] {
                theirs.insert(bytes, ours[bytes].clone());
            }
        }
        assert_eq!(ours, theirs);
        let uncounted: Vec<_> =
            COUNTERS.iter().filter(|(key, _)| ours.1.iter().all(|values| values[key] == "0")).collect();
        assert!(uncounted.is_empty(), "no frame of the capture counts for {uncounted:?}");
        assert_eq!((&*ours.1[0]["bytes_client"], &*ours.1[0]["bytes_server"]), ("950", "10"));
    }
}
