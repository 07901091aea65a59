//! `encap send`: rows over real sockets, and the captured frames of each row.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use switchboard_encap::capture::Reader;
use switchboard_encap::rows;
use switchboard_protocol::Dialect;
use switchboard_tests::process::{EmbeddedServer, program};
use switchboard_tests::wire_lab::{Capture, csv, encap, in_namespace, texts, tshark};
use tempfile::TempDir;

/// Writes rows to a CSV in `folder`. Their fields: protocol, source, destination, message and time.
fn write_rows(folder: &TempDir, rows: &str) -> PathBuf {
    let file = folder.path().join("rows.csv");
    std::fs::write(&file, format!("protocol,src,dst,message,time\n{rows}")).expect("the folder is writable");
    file
}

/// The payload of a frame, as tshark reads it.
struct FramePayload {
    /// Source and destination port.
    ports: (u16, u16),
    /// Offset of the first byte in the TCP stream of its direction. A datagram has 0.
    start: u64,
    payload: Vec<u8>,
}

/// The payloads of a capture, by frame number. Frames without a payload are left out.
fn frame_payloads(file: &Path, transport: &str) -> BTreeMap<u64, FramePayload> {
    let (from, to) = (format!("{transport}.srcport"), format!("{transport}.dstport"));
    let payload = format!("{transport}.payload");
    // No dissector may take a payload apart.
    let args = ["-d", "tcp.port==1-65535,data", "-d", "udp.port==1-65535,data"];
    let lines = tshark(file, &args, &payload, &["frame.number", &from, &to, "tcp.seq", &payload]);
    let frame = |line: &Vec<String>| {
        let hex = line[4].as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex");
        let payload = FramePayload {
            ports: (line[1].parse().expect("a port"), line[2].parse().expect("a port")),
            // The first byte of a TCP stream has the relative sequence number 1. UDP has none.
            start: line[3].parse().unwrap_or(1) - 1,
            payload: hex.chunks(2).map(byte).collect(),
        };
        (line[0].parse().expect("a number"), payload)
    };
    lines.iter().map(frame).collect()
}

/// Sends a CSV and compares the reported frames of each row with the capture as tshark reads it.
fn send_and_compare(file: &Path, transport: &str, folder: &TempDir) {
    let out = folder.path().join("sent.pcapng");
    let paths = [file, &out].map(|path| path.to_str().expect("UTF-8"));
    let args = ["send", paths[0], "--transport", transport, "--speed", "20", "--json", "-o", paths[1]];
    let (json, errors) = encap(0, &args);
    let report: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(report["capture"]["dropped"], 0, "{errors}");
    let frames = frame_payloads(&out, transport);

    let mut messages = BTreeMap::new();
    for row in rows::RowReader::new(File::open(file).expect("the file exists"), rows::RowOptions::default()) {
        let row = row.expect("a good row");
        messages.insert(row.line, row.message);
    }
    let mut n_rows = 0;
    for connection in report["connections"].as_array().expect("a list") {
        let port = |end: &str| {
            let address = connection[end].as_str().expect("the connection was opened");
            address.parse::<std::net::SocketAddr>().expect("an address").port()
        };
        let (client, server) = (port("client_address"), port("server_address"));
        let mut streams = BTreeMap::from([((client, server), Vec::new()), ((server, client), Vec::new())]);
        for row in connection["rows"].as_array().expect("a list") {
            n_rows += 1;
            let message = &messages[&row["line"].as_u64().expect("a number")];
            let ports = if row["from"] == "client" { (client, server) } else { (server, client) };
            assert_eq!(row["not_sent"], Value::Null);
            let stream = streams.get_mut(&ports).expect("a stream for each direction");
            let start = if transport == "tcp" { stream.len() as u64 } else { 0 };
            stream.extend_from_slice(message);
            // The pieces make up the whole message. Retransmitted pieces are marked with `again`.
            let mut found = Vec::new();
            for piece in row["frames"].as_array().expect("a captured row has frames") {
                let number = |value: &Value| value.as_u64().expect("a number");
                let (from, to) = (number(&piece["stream"]["start"]), number(&piece["stream"]["end"]));
                if message.is_empty() {
                    continue;
                }
                let frame = &frames[&number(&piece["frame"])];
                assert_eq!(frame.ports, ports);
                let in_payload =
                    |offset: u64| usize::try_from(offset - frame.start).expect("an offset that fits in usize");
                let bytes = &frame.payload[in_payload(from)..in_payload(to)];
                let in_message = usize::try_from(from - start).expect("an offset that fits in usize");
                assert_eq!(bytes, &message[in_message..in_message + bytes.len()], "{row}");
                if piece["again"] == false {
                    assert_eq!(in_message, found.len(), "{row}");
                    found.extend_from_slice(bytes);
                }
            }
            assert_eq!(&found, message, "row {row} of {}", file.display());
        }
        // Each direction carried the messages of its rows, and no other bytes.
        for (ports, expected) in &streams {
            let mut stream = Vec::new();
            for frame in frames.values().filter(|frame| frame.ports == *ports) {
                let place = if transport == "tcp" {
                    usize::try_from(frame.start).expect("an offset that fits in usize")
                } else {
                    stream.len()
                };
                stream.resize(stream.len().max(place + frame.payload.len()), 0);
                stream[place..place + frame.payload.len()].copy_from_slice(&frame.payload);
            }
            assert!(stream == *expected, "{} over {transport}, {ports:?}", file.display());
        }
        if transport == "tcp" {
            let [opening_frames, closing_frames] =
                [connection["opening"].as_array(), connection["closing"].as_array()].map(|list| list.map(Vec::len));
            assert!(opening_frames == Some(3) && closing_frames >= Some(3), "{connection}");
        }
    }
    assert_eq!(n_rows, messages.len());
}

#[test]
fn each_sent_row_is_found_in_its_frames() {
    in_namespace("each_sent_row_is_found_in_its_frames", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["group07_chat_input.csv", "http_input.csv", "http_input_bom.csv", "http_input_ports.csv"] {
            for transport in ["tcp", "udp"] {
                send_and_compare(&csv(name), transport, &folder);
            }
        }
    });
}

#[test]
fn long_and_simultaneous_rows_are_found_in_their_frames() {
    in_namespace("long_and_simultaneous_rows_are_found_in_their_frames", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut text = String::new();
        for (from, to, message, time) in [
            ("Noy", "Elias", "x".repeat(1 << 20), "0.1"),
            ("Elias", "Noy", "y".repeat(300_000), "0.1"),
            ("Noy", "Elias", String::new(), "0.2"),
            ("Noy", "Elias", "short".to_owned(), "0.2"),
        ] {
            writeln!(text, "CHAT,{from},{to},{message},{time}").expect("writing to a String succeeds");
        }
        for i in 0..200 {
            writeln!(text, "CHAT,Noy,Dana,row {i},0.3").expect("writing to a String succeeds");
        }
        let rows = write_rows(&folder, &text);
        send_and_compare(&rows, "tcp", &folder);

        // The first two messages do not fit in a datagram. Only these rows fail, and the report names their lines.
        let path = rows.to_str().expect("UTF-8");
        let (out, _) = encap(1, &["send", path, "--transport", "udp", "--speed", "max"]);
        assert_eq!(out.matches("not sent").count(), 2, "{out}");
        assert!(out.contains("(line 2) Noy → Elias, 1048576 bytes: not sent: "), "{out}");
        assert!(out.contains("(line 5) Noy → Elias, 5 bytes: frame "), "{out}");
    });
}

#[test]
fn rows_are_sent_to_an_existing_server() {
    in_namespace("rows_are_sent_to_an_existing_server", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = EmbeddedServer::start();
        let address = server.address(Dialect::Commands).to_string();
        let text = "CHAT,Noy,Server,REGISTER Noy\\n,0\nCHAT,Server,Noy,REGISTER_OK Noy\\n,0.1\n\
                    CHAT,Noy,Server,PING\\n,0.2\n";
        let rows = write_rows(&folder, text);
        let path = rows.to_str().expect("UTF-8");
        let (out, _) = encap(0, &["send", path, "--escapes", "--to", &address]);
        assert!(out.contains("1 (line 2) Noy → Server, 13 bytes at 0: frame "), "{out}");
        assert!(out.contains("2 (line 3) Server → Noy, 16 bytes: not sent: left to the server"), "{out}");
        assert!(out.contains("3 (line 4) Noy → Server, 5 bytes at 13: frame "), "{out}");
        server.stop();

        // The server no longer runs.
        let (out, _) = encap(1, &["send", path, "--escapes", "--to", &address, "--speed", "max"]);
        assert!(out.contains("not opened") && out.contains("not sent: not connected: Connection refused"), "{out}");
        let (_, errors) = encap(3, &["send", path, "--to", "no-such-host.invalid", "--speed", "max"]);
        assert!(errors.contains("cannot find no-such-host.invalid") && errors.contains("HOST:PORT"), "{errors}");
        // The program refuses an invalid row, and rows that take more than an hour, before it sends anything.
        write_rows(&folder, "CHAT,a,b,x,0\nCHAT,a,b,y,never\n");
        let (_, errors) = encap(1, &["send", path]);
        assert!(errors.contains(":3:12: error: timestamp: 'never'") && errors.contains("nothing was sent"), "{errors}");
        write_rows(&folder, "CHAT,a,b,x,0\nCHAT,a,b,y,86400\n");
        let (_, errors) = encap(3, &["send", path, "-o", path]);
        assert!(errors.contains("is the input file: write to another file"), "{errors}");
        let (_, errors) = encap(1, &["send", path]);
        assert!(std::fs::read(&rows).expect("the file exists").starts_with(b"protocol"), "nothing was written");
        assert!(errors.contains("the rows take 86400 s, more than 3600 s: give a --speed"), "{errors}");
    });
}

/// A socket that listens on `address`.
fn listener(address: &str) -> TcpListener {
    TcpListener::bind(address).expect("a free port")
}

#[test]
fn server_output_between_rows_is_read() {
    in_namespace("server_output_between_rows_is_read", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = "X,a,b,first,0\nX,c,b,between,2\nX,a,b,last,4\n";
        let rows = write_rows(&folder, text);
        let server = listener("127.0.0.1:0");
        let address = server.local_addr().expect("a bound socket has an address").to_string();
        let flood = std::thread::spawn(move || {
            let (mut client, _) = server.accept().expect("the client connects");
            client.set_write_timeout(Some(Duration::from_secs(1))).expect("a timeout above zero");
            let mut first_row = [0; b"first".len()];
            client.read_exact(&mut first_row).expect("the first row");
            // 32 MiB are more than the buffers of the sockets hold.
            let written = client.write_all(&vec![b'x'; 32 << 20]);
            let (mut second_client, _) = server.accept().expect("the second client connects");
            let mut later_rows = Vec::new();
            client.read_to_end(&mut later_rows).expect("the client closes its side");
            second_client.read_to_end(&mut Vec::new()).expect("the client closes its side");
            (written.is_ok(), later_rows)
        });
        let (out, _) = encap(0, &["send", rows.to_str().expect("UTF-8"), "--to", &address]);
        assert_eq!(flood.join().expect("the thread does not panic"), (true, b"last".to_vec()), "{out}");
    });
}

#[expect(clippy::disallowed_methods, reason = "the test measures the time from the first close to the last")]
#[test]
fn all_connections_are_closed_at_the_same_time() {
    in_namespace("all_connections_are_closed_at_the_same_time", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut text = String::new();
        for i in 0..20 {
            writeln!(text, "X,a{i},b,hi,0").expect("writing to a String succeeds");
        }
        let rows = write_rows(&folder, &text);
        let server = listener("127.0.0.1:0");
        let address = server.local_addr().expect("a bound socket has an address").to_string();
        let spread = std::thread::spawn(move || {
            let clients: Vec<_> = (0..20).map(|_| server.accept().expect("the client connects").0).collect();
            let close_times = clients.into_iter().map(|mut client| {
                client.read_to_end(&mut Vec::new()).expect("the client closes its side");
                std::time::Instant::now()
            });
            let close_times: Vec<_> = close_times.collect();
            *close_times.last().expect("twenty clients") - close_times[0]
        });
        encap(0, &["send", rows.to_str().expect("UTF-8"), "--to", &address, "--speed", "max"]);
        let spread = spread.join().expect("the thread does not panic");
        assert!(spread < Duration::from_secs(2), "{spread:?} from the first close to the last");
    });
}

#[test]
fn signal_closes_connections_and_completes_the_capture() {
    in_namespace("signal_closes_connections_and_completes_the_capture", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("sent.pcapng");
        let rows = write_rows(&folder, "CHAT,a,b,x,0\nCHAT,a,b,y,60\n");
        for signal in ["INT", "TERM"] {
            let mut send = Command::new(program("encap"));
            send.arg("send").arg(&rows).arg("-o").arg(&file).stdout(Stdio::piped()).stderr(Stdio::piped());
            let capture = Capture { child: send.spawn().expect("encap can be started"), file: file.clone() };
            // A file of 700 bytes contains the first row, but the second row is not sent before a minute has passed.
            capture.wait_for_bytes(700);
            capture.signal(signal);
            let output = capture.child.wait_with_output().expect("a child of this process");
            let (out, errors) = texts(&output);
            assert_eq!(output.status.code(), Some(1), "{out}\n{errors}");
            assert!(out.contains("1 (line 2) a → b, 1 byte at 0: frame "), "{out}");
            assert!(out.contains("2 (line 3) a → b, 1 byte: not sent: sending was stopped before this row"), "{out}");
            let mut reader = Reader::new(File::open(&file).expect("the file exists")).expect("a capture");
            while reader.next_packet().expect("an undamaged capture").is_some() {}
            assert!(reader.packets() >= 7, "only {} packets: a handshake, a row and a close take 7", reader.packets());
            assert!(reader.interfaces()[0].received.is_some(), "the file does not end with its statistics");
            std::fs::remove_file(&file).expect("the file exists");
        }
    });
}

#[test]
fn local_addresses_and_names_are_captured() {
    in_namespace("local_addresses_and_names_are_captured", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let status = Command::new("ip").args(["addr", "add", "10.9.9.9/32", "dev", "lo"]).status();
        assert!(status.is_ok_and(|status| status.success()), "ip is installed (Debian: iproute2)");
        let file = folder.path().join("sent.pcapng");
        let rows = write_rows(&folder, "CHAT,a,b,hi,0\n");
        let paths = [&rows, &file].map(|path| path.to_str().expect("UTF-8"));
        let server = listener("0.0.0.0:12345");
        std::thread::spawn(move || {
            for mut client in server.incoming().flatten() {
                let _ = client.read_to_end(&mut Vec::new());
            }
        });
        for to in ["10.9.9.9", "localhost", "127.0.0.1:12345"] {
            let (out, errors) =
                encap(0, &["send", paths[0], "--speed", "max", "--complete", "--to", to, "-o", paths[1]]);
            assert!(out.contains("1 (line 2) a → b, 3 bytes at 0: frame "), "{to}: {out}");
            assert_eq!(errors, "", "{to}");
        }
        let server = listener("127.0.0.1:0");
        let to = server.local_addr().expect("a bound socket has an address").to_string();
        drop(server);
        let (_, errors) = encap(1, &["send", paths[0], "--speed", "max", "--to", &to]);
        assert!(errors.contains("some CHAT messages have no line end, but a chat server waits for one"), "{errors}");
    });
}
