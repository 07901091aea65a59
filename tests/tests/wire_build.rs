//! Captures that `encap build` writes, read by tshark: it finds no fault, and each message has its bytes.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use switchboard_encap::build::{
    BadTwin, Builder, CLIENT_PORTS, CaptureSink, Content, IpVersion, Link, Mtu, Plan, Settings, Summary, TcpOptions,
    TransportChoice, UNREAD_PORT,
};
use switchboard_encap::capture;
use switchboard_encap::rows::{App, AppProtocol, Row, RowOptions, RowReader};
use switchboard_encap::wire::Frame;
use switchboard_tests::wireshark::{TsharkFrame, read};

const TRANSPORTS: [TransportChoice; 2] = [TransportChoice::Tcp, TransportChoice::Udp];
const VERSIONS: [IpVersion; 2] = [IpVersion::V4, IpVersion::V6];

const HEADER: &str = "msg_id,app_protocol,src_app,dst_app,message,timestamp\n";

/// Protocols for which `encap build` has a usual port.
const PROTOCOLS: [&str; 23] = [
    "HTTP", "DNS", "HTTPS", "SMTP", "FTP", "MQTT", "POP3", "IMAP", "SSH", "TELNET", "IRC", "XMPP", "LDAP", "RTSP",
    "SIP", "DHCP", "TFTP", "NTP", "SNMP", "SYSLOG", "MDNS", "COAP", "GOPHER",
];

/// CSVs that a person might write: a name, the text, and whether `--escapes` applies. No port is in two CSVs, because
/// `check` puts the frames of all CSVs into one capture.
fn variants() -> Vec<(&'static str, String, bool)> {
    let rows = |rows: &str| format!("{HEADER}{rows}");
    let ports = |rows: &str| format!("app_protocol,src_app,dst_app,src_port,dst_port,message,timestamp\n{rows}");
    vec![
        ("one row", rows("1,CHAT,a,b,hi,0.010\n"), false),
        ("time zero", rows("1,CHAT,a,b,hi,0\n2,CHAT,b,a,ho,0.001\n"), false),
        ("the server speaks first", rows("1,SMTP,mail,pc,220 ready,0.1\n2,SMTP,pc,mail,EHLO pc,0.2\n"), false),
        ("a response before any request", rows("1,HTTP,web,pc,200 OK,0.1\n2,HTTP,pc,web,GET /,0.2\n"), false),
        (
            "equal times",
            rows(
                "1,CHAT,a,b,1,1\n2,CHAT,a,b,2,1\n3,CHAT,b,a,3,1\n4,CHAT,c,a,4,1\n\
            5,CHAT,b,c,5,1\n",
            ),
            false,
        ),
        ("decreasing times", rows("1,CHAT,a,b,1,1.5\n2,CHAT,b,a,2,1.4\n3,CHAT,a,b,3,0.2\n4,CHAT,a,b,4,1.6\n"), false),
        ("an empty message", rows("1,CHAT,a,b,,0.1\n2,CHAT,b,a,x,0.2\n3,CHAT,a,b,,0.3\n"), false),
        ("only an empty message", rows("1,CHAT,a,b,,0.1\n"), false),
        ("one byte each", rows("1,CHAT,a,b,a,0.1\n2,CHAT,a,b,b,0.2\n3,CHAT,a,b,c,0.3\n4,CHAT,b,a,d,0.4\n"), false),
        (
            "names and text beyond ASCII",
            rows(
                "1,CHAT,Élias,נועה,שלום 👋,0.1\n\
            2,CHAT,נועה,Élias,\"a, \"\"b\"\"\",0.2\n",
            ),
            false,
        ),
        ("a message of several lines", rows("1,CHAT,a,b,\"one\ntwo\r\nthree\n\",0.1\n"), false),
        (
            "a burst from one side",
            rows(&many(200, |i| format!("{i},CHAT,a,b,message {i},0.{:06}\n", 100_000 + i))),
            false,
        ),
        (
            "requests and replies a nanosecond apart",
            rows(&many(100, |i| {
                let (from, to) = if i % 2 == 0 { ("a", "b") } else { ("b", "a") };
                format!("{i},CHAT,{from},{to},{i},0.{:09}\n", 100_000_000 + i)
            })),
            false,
        ),
        ("long pauses", rows("1,CHAT,a,b,hi,1\n2,CHAT,b,a,ho,1000\n3,CHAT,a,b,hi,100000\n"), false),
        ("dates", rows("1,CHAT,a,b,hi,2026-01-31T12:00:00Z\n2,CHAT,b,a,ho,31/01/2026 12:00:01\n"), false),
        (
            "addresses",
            rows(
                "1,CHAT,192.0.2.1,192.0.2.2,hi,1\n2,CHAT,2001:db8:1::1,2001:db8:1::2,hi,2\n\
            3,CHAT,10.0.0.1,a,hi,3\n4,CHAT,b,c,hi,4\n",
            ),
            false,
        ),
        ("free text for each protocol", rows(&free_text_for_each_protocol()), false),
        (
            "whole HTTP",
            rows(
                "1,HTTP,pc,web,GET / HTTP/1.1\\r\\nHost: web\\r\\n\\r\\n,0.1\n\
            2,HTTP,web,pc,HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi,0.2\n",
            ),
            true,
        ),
        ("bytes that are not text", rows("1,GAME,a,b,\\x00\\x01\\xff\\xfe,0.1\n2,GAME,b,a,\\0\\0\\0\\0,0.2\n"), true),
        ("several protocols in one pair", rows("1,CHAT,a,b,hi,0.1\n2,HTTP,a,b,GET /,0.2\n3,GOPHER,b,a,x,0.3\n"), false),
        ("a port for one side", ports("CHAT,a,b,,7001,hi,0.1\nCHAT,b,a,7001,,ho,0.2\nCHAT,c,b,,7001,hi,0.3\n"), false),
        (
            "different ports make different connections",
            ports(
                "CHAT,a,b,7101,7002,1,0.1\nCHAT,a,b,7102,7002,2,0.2\n\
            CHAT,b,a,7002,7101,3,0.3\nCHAT,a,b,,,4,0.4\n",
            ),
            false,
        ),
        (
            "ports after rows without ports",
            ports(
                "CHAT,a,b,,,1,0.1\nCHAT,a,b,7201,7003,2,0.2\n\
            CHAT,a,b,7202,7003,3,0.3\n",
            ),
            false,
        ),
        ("many pairs at once", rows(&many(60, |i| format!("{i},CHAT,a{i},b{},hello,1\n", i % 7))), false),
        (
            "messages near the length of a segment",
            rows(&format!(
                "1,CHAT,a,b,{},0.1\n\
            2,CHAT,b,a,{},0.2\n",
                "x".repeat(1449 - 20 - 3),
                "y".repeat(1448 - 20)
            )),
            false,
        ),
    ]
}

/// Two rows of each protocol, in opposite directions.
fn free_text_for_each_protocol() -> String {
    PROTOCOLS.iter().enumerate().fold(String::new(), |mut rows, (i, protocol)| {
        let _ = write!(
            rows,
            "{i}a,{protocol},pc{i},srv{i},hello {protocol} there,{i}.1\n\
             {i}b,{protocol},srv{i},pc{i},200 fine thanks,{i}.2\n"
        );
        rows
    })
}

/// The rows 0 to `n`, one after the other.
fn many(n: u32, row: impl Fn(u32) -> String) -> String {
    (0..n).map(row).collect()
}

/// The CSVs of `data/csv` and the variants: name, text, and whether `--escapes` applies.
fn files() -> Vec<(String, String, bool)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/csv");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("a file").path())
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).expect("a UTF-8 file"), false))
        .collect();
    files.sort();
    assert!(files.len() >= 4, "CSVs are missing: {files:?}");
    files.extend(variants().into_iter().map(|(name, csv, escapes)| (name.to_owned(), csv, escapes)));
    files
}

fn rows(csv: &str, escapes: bool) -> Vec<Row> {
    let rows: Result<_, _> = RowReader::new(csv.as_bytes(), RowOptions { escapes }).collect();
    rows.expect("all rows are valid")
}

fn build(rows: &[Row], settings: Settings) -> (Vec<u8>, Summary) {
    let mut plan = Plan::new(settings);
    for row in rows {
        plan.admit(row).expect("the row can be built");
    }
    let mut builder = Builder::new(&plan, capture_sink(&settings));
    for row in rows {
        builder.row(row).expect("writing to memory succeeds");
    }
    let (sink, summary) = builder.finish().expect("writing to memory succeeds");
    (sink.finish().expect("writing to memory succeeds"), summary)
}

fn capture_sink(settings: &Settings) -> CaptureSink<Vec<u8>> {
    CaptureSink::new(Vec::new(), settings, "a test").expect("writing to memory succeeds")
}

/// The streams of a capture in order of their first frame, each as a list of turns. A turn is the bytes that one side
/// sends until the other side sends. Its flag is true for the side that sends first in the stream.
type Streams = Vec<Vec<(bool, Vec<u8>)>>;

/// The streams that tshark reads.
fn observed_streams(frames: &[TsharkFrame]) -> Streams {
    let mut indices: HashMap<&str, usize> = HashMap::new();
    let mut streams: Streams = Vec::new();
    // The side that sends first, for each stream.
    let mut first_senders: Vec<Option<&str>> = Vec::new();
    for frame in frames {
        let stream = frame.stream.as_deref().expect("each frame has a stream");
        let index = *indices.entry(stream).or_insert_with(|| {
            streams.push(Vec::new());
            first_senders.push(None);
            streams.len() - 1
        });
        if !frame.payload.is_empty() {
            let first_sender = *first_senders[index].get_or_insert(&frame.source);
            append_turn(&mut streams[index], frame.source == first_sender, &frame.payload);
        }
    }
    streams
}

/// Appends bytes to the last turn of a stream, or starts a new turn if the other side sent the last one.
fn append_turn(stream: &mut Vec<(bool, Vec<u8>)>, by_first_sender: bool, bytes: &[u8]) {
    match stream.last_mut() {
        Some((side, turn)) if *side == by_first_sender => turn.extend_from_slice(bytes),
        _ => stream.push((by_first_sender, bytes.to_vec())),
    }
}

/// The streams that the rows describe: one for each pair of apps, or one for each pair and its ports if both ports are
/// given. A row without ports belongs to the pair's latest stream.
fn expected_streams(rows: &[Row]) -> Streams {
    struct Expected<'a> {
        apps: [&'a App; 2],
        ports: [Option<u16>; 2],
        last_row: usize,
        first_sender: Option<&'a App>,
        turns: Vec<(bool, Vec<u8>)>,
    }
    let mut streams: Vec<Expected<'_>> = Vec::new();
    for (last_row, row) in rows.iter().enumerate() {
        // The apps and ports in both orders, because either app may be the first one of a stream.
        let routes = [
            ([&row.source, &row.destination], [row.source_port, row.destination_port]),
            ([&row.destination, &row.source], [row.destination_port, row.source_port]),
        ];
        let is_compatible = |stream: &Expected<'_>, (apps, ports): &([&App; 2], [Option<u16>; 2])| {
            stream.apps == *apps && stream.ports.iter().zip(ports).all(|(a, b)| a.is_none() || b.is_none() || a == b)
        };
        // A stream with exactly the row's ports is preferred, then the latest stream.
        let best = (0..streams.len())
            .filter(|i| routes.iter().any(|route| is_compatible(&streams[*i], route)))
            .max_by_key(|i| {
                let has_same_ports = routes.iter().any(|(_, ports)| streams[*i].ports == *ports);
                (has_same_ports, streams[*i].last_row)
            });
        let index = best.unwrap_or_else(|| {
            let (apps, ports) = routes[0];
            streams.push(Expected { apps, ports, last_row, first_sender: None, turns: Vec::new() });
            streams.len() - 1
        });
        let stream = &mut streams[index];
        let (_, ports) = if stream.apps == routes[0].0 { routes[0] } else { routes[1] };
        stream.ports = [stream.ports[0].or(ports[0]), stream.ports[1].or(ports[1])];
        stream.last_row = last_row;
        if !row.message.is_empty() {
            let first_sender = *stream.first_sender.get_or_insert(&row.source);
            append_turn(&mut stream.turns, *first_sender == row.source, &row.message);
        }
    }
    streams.into_iter().map(|stream| stream.turns).collect()
}

/// Builds all files into one capture. Checks that tshark finds no fault in it, and reads the streams of the rows.
fn check(files: &[(String, Vec<Row>)], settings: Settings) {
    let mut capture = Vec::new();
    let mut frame_counts = Vec::new();
    for (seed, (_, rows)) in (settings.seed..).zip(files) {
        let (bytes, summary) = build(rows, Settings { seed, ..settings });
        assert_eq!(summary.rows, rows.len() as u64);
        capture.extend_from_slice(&bytes);
        frame_counts.push(usize::try_from(summary.frames).expect("few frames"));
    }
    let observed = read(&capture);
    assert_eq!(observed.len(), frame_counts.iter().sum::<usize>(), "frames that tshark reads, with {settings:?}");
    let mut unchecked = &observed[..];
    for ((name, rows), frame_count) in files.iter().zip(frame_counts) {
        let (frames, later) = unchecked.split_at(frame_count);
        unchecked = later;
        let complaints: Vec<_> = frames.iter().map(|frame| &frame.complaints).filter(|list| !list.is_empty()).collect();
        assert!(complaints.is_empty(), "{name}, {settings:?}: {complaints:#?}");
        assert_eq!(observed_streams(frames), expected_streams(rows), "{name}, {settings:?}");
    }
}

#[test]
fn tshark_finds_no_fault_for_any_transport_ip_version_and_link() {
    let files: Vec<_> = files().into_iter().map(|(name, csv, escapes)| (name, rows(&csv, escapes))).collect();
    for transport in TRANSPORTS {
        for ip in VERSIONS {
            for link in Link::ALL {
                check(&files, Settings { transport, ip, link, ..Settings::default() });
            }
        }
    }
}

#[test]
fn tshark_finds_no_fault_for_any_mtu_and_tcp_options() {
    let files: Vec<_> = files().into_iter().map(|(name, csv, escapes)| (name, rows(&csv, escapes))).collect();
    for (mtu, options) in [
        (1500, TcpOptions::None),
        (1280, TcpOptions::Linux),
        (9000, TcpOptions::Linux),
        (65_535, TcpOptions::Linux),
        (65_535, TcpOptions::None),
    ] {
        let mtu = Mtu::new(mtu).expect("a valid MTU");
        for ip in VERSIONS {
            check(&files, Settings { transport: TransportChoice::Tcp, ip, mtu, options, ..Settings::default() });
        }
    }
}

/// Rows with random senders, receivers, times and messages.
fn random_rows(rng: &mut fastrand::Rng, n_conversations: u32, max_len: usize, only_text: bool) -> Vec<Row> {
    let template = rows(&format!("{HEADER}1,CHAT,a,b,x,0\n"), false).remove(0);
    let protocols = ["CHAT", "GAME", "HTTP", "DNS", "SMTP", "SSH"];
    let mut nanos = rng.i64(0..2_000_000_000);
    (0..n_conversations * 8)
        .map(|i| {
            let conversation = rng.u32(0..n_conversations);
            let (a, b) =
                (App::Name(format!("a{conversation}").into()), App::Name(format!("b{}", conversation % 20).into()));
            let (source, destination) = if rng.bool() { (a, b) } else { (b, a) };
            // Pauses between rows, in nanoseconds: none, and from 1 ns to 60 ms.
            nanos += [0, 0, 1, 900, 15_000, 1_000_000, 60_000_000][rng.usize(0..7)];
            let len = match rng.u8(0..10) {
                0 => 0,
                1..=6 => rng.usize(1..100),
                7..=8 => rng.usize(1..max_len.min(3_000)),
                _ => rng.usize(1..max_len),
            };
            let is_text = only_text || rng.bool();
            let message = std::iter::repeat_with(|| if is_text { rng.u8(b' '..=b'~') } else { rng.u8(..) }).take(len);
            let message = message.collect();
            Row {
                number: u64::from(i).to_string().as_str().into(),
                protocol: protocols[conversation as usize % protocols.len()].into(),
                source,
                destination,
                message,
                time: switchboard_encap::time::Timestamp::from_nanos(nanos),
                ..template.clone()
            }
        })
        .collect()
}

#[test]
fn tshark_finds_no_fault_in_a_thousand_random_conversations() {
    let mut rng = fastrand::Rng::with_seed(0x5eed);
    let mut n_conversations = 0;
    for (i, link) in Link::ALL.into_iter().cycle().take(8).enumerate() {
        let settings = Settings {
            transport: TRANSPORTS[usize::from(i % 4 == 3)],
            ip: VERSIONS[i / 4],
            link,
            options: if i % 3 == 2 { TcpOptions::None } else { TcpOptions::Linux },
            seed: rng.u64(..),
            ..Settings::default()
        };
        // Wireshark decodes each datagram that begins with an RTCP header as RTCP. Text cannot begin with one, so
        // datagrams carry only text here.
        let is_udp = settings.transport == TransportChoice::Udp;
        let max_len = if is_udp { 1_400 } else { 20_000 };
        check(&[(format!("random, {i}"), random_rows(&mut rng, 125, max_len, is_udp))], settings);
        n_conversations += 125;
    }
    assert_eq!(n_conversations, 1_000);
}

#[test]
fn tshark_finds_no_fault_when_sequence_numbers_wrap_around() {
    // The first random number of a build is the client's initial sequence number.
    let seed = (0..=u64::MAX)
        .find(|seed| fastrand::Rng::with_seed(*seed).u32(..) > u32::MAX - 1_000)
        .expect("one seed in about four million");
    let message = "x".repeat(1024 * 1024);
    let file = rows(
        &format!(
            "{HEADER}1,CHAT,a,b,{message},0.1\n2,CHAT,c,b,between,0.101\n3,CHAT,b,a,{message},0.102\n4,CHAT,a,b,end,9\n"
        ),
        false,
    );
    for options in [TcpOptions::Linux, TcpOptions::None] {
        for ip in VERSIONS {
            let settings = Settings { seed, ip, options, ..Settings::default() };
            check(&[("a mebibyte".to_owned(), file.clone())], settings);
            let (capture, _) = build(&file, settings);
            let mut reader = capture::Reader::new(&capture[..]).expect("a capture");
            let syn = reader.next_packet().expect("whole").expect("a packet");
            let segment = Frame::parse(syn.link_type, syn.captured, syn.original_len).tcp().expect("a segment").seq();
            assert!(segment.0 > u32::MAX - 1_000, "the client's sequence numbers wrap around");
        }
    }
}

#[test]
fn dissectors_read_completed_messages() {
    for (name, csv, escapes) in files() {
        let rows = rows(&csv, escapes);
        let (capture, _) = build(&rows, Settings { content: Content::Complete, ..Settings::default() });
        let complaints: Vec<_> = read(&capture).into_iter().filter(|frame| !frame.complaints.is_empty()).collect();
        assert!(complaints.is_empty(), "{name}: {complaints:#?}");
        if name.ends_with("http_input.csv") {
            let file = tempfile::NamedTempFile::new().expect("a temporary file");
            std::fs::write(file.path(), &capture).expect("the folder is writable");
            let mut command = Command::new("tshark");
            command.arg("-r").arg(file.path()).args(["-Y", "http.request.uri || http.response.code"]);
            let lines = command.args(["-T", "fields", "-e", "http.request.uri", "-e", "http.response.code"]).output();
            let lines = String::from_utf8(lines.expect("tshark is installed").stdout).expect("text");
            assert_eq!(
                lines.lines().collect::<Vec<_>>(),
                ["/index.html\t", "/products\t", "/login\t", "\t200", "/cart\t"]
            );
        }
    }
}

#[test]
fn tshark_finds_faults_in_at_least_half_of_the_bad_twins_packets() {
    for (name, csv, escapes) in files() {
        let rows = rows(&csv, escapes);
        let settings = Settings { transport: TransportChoice::Tcp, ..Settings::default() };
        let mut plan = Plan::new(settings);
        for row in &rows {
            plan.admit(row).expect("the row can be built");
        }
        let mut twin = BadTwin::new(&plan, capture_sink(&settings));
        for row in &rows {
            twin.row(row).expect("writing to memory succeeds");
        }
        let frames = read(&twin.finish().finish().expect("writing to memory succeeds"));
        assert_eq!(frames.len(), rows.len(), "{name}: a packet for each row");
        let complaints = frames.iter().filter(|frame| !frame.complaints.is_empty()).count();
        assert!(2 * complaints >= frames.len(), "{name}: faults in only {complaints} of {} packets", frames.len());
    }
}

#[test]
fn pcap_and_pcapng_hold_the_same_frames() {
    use switchboard_encap::capture::{Format, Reader};

    let rows = rows(&format!("{HEADER}{}", free_text_for_each_protocol()), false);
    let read = |format| {
        let (capture, _) = build(&rows, Settings { format, ..Settings::default() });
        let mut reader = Reader::new(&capture[..]).expect("a capture");
        let mut frames = Vec::new();
        while let Some(packet) = reader.next_packet().expect("whole") {
            frames.push((packet.time, packet.captured.to_vec()));
        }
        frames
    };
    let frames = read(Format::Pcapng);
    assert!(frames.windows(2).all(|pair| pair[0].0 < pair[1].0), "times increase");
    assert_eq!(frames, read(Format::Pcap));
}

#[test]
fn port_table_equals_the_decodes_of_tshark() {
    let table = include_str!("../../crates/encap/src/build/decodes.txt");
    let version = Command::new("tshark").arg("--version").output().expect("tshark is installed");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let output = Command::new("tshark").args(["-G", "decodes"]).output().expect("tshark is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    let reported: std::collections::BTreeSet<String> = text
        .lines()
        .filter_map(|line| {
            let (transport, port_and_dissector) = line.split_once(".port\t")?;
            let is_port = matches!(transport, "tcp" | "udp") && !port_and_dissector.starts_with("0\t");
            is_port.then(|| format!("{transport} {}", port_and_dissector.replace('\t', " ")))
        })
        .collect();
    let listed: std::collections::BTreeSet<String> =
        table.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    // The comment says how to generate the table, and with which version of tshark.
    let comment = table.lines().take_while(|line| line.starts_with('#')).collect::<String>();
    let (_, table_version) = comment.split_once("TShark ").expect("the table names its version of TShark");
    if version.contains(table_version.split([',', ' ', ':']).next().expect("a version")) {
        assert_eq!(listed, reported, "the table is outdated: generate it as its first lines say");
    }
    // Other versions of tshark differ in a few ports.
    let common = listed.intersection(&reported).count();
    assert!(10 * common > 9 * listed.len(), "only {common} of {} listed ports are tshark's", listed.len());
}

#[test]
fn no_dissector_claims_a_port_that_build_chooses() {
    let output = Command::new("tshark").args(["-G", "decodes"]).output().expect("tshark is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut n_decodes = 0;
    for line in text.lines() {
        let mut fields = line.split('\t');
        let (Some("tcp.port" | "udp.port"), Some(port)) = (fields.next(), fields.next()) else { continue };
        let port: u16 = port.parse().expect("a port");
        n_decodes += 1;
        assert!(!CLIENT_PORTS.contains(&port), "{line}");
        assert_ne!(port, UNREAD_PORT, "{line}");
        for protocol in PROTOCOLS.map(AppProtocol::from) {
            assert_ne!(Some(port), protocol.port().map(|usual| UNREAD_PORT + usual), "{line}");
        }
    }
    assert!(n_decodes > 500, "tshark lists only {n_decodes} ports");
}
