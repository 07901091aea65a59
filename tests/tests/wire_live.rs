//! The wire lab on live traffic: captured, shown by Wireshark, sent, and found again in the frames.
//!
//! Each test makes a network of its own: it runs itself again in user and network namespaces, as anybody may.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use switchboard_encap::capture::Reader;
use switchboard_encap::compare::{Comparison, Recording};
use switchboard_encap::rows;
use switchboard_encap::wire::Frame;
use switchboard_protocol::Dialect;
use switchboard_tests::people::{PATIENCE, Person};
use switchboard_tests::process::{EmbeddedServer, program};
use tempfile::TempDir;

/// Set for the run in the namespaces.
const INSIDE: &str = "SWITCHBOARD_TEST_IN_NAMESPACE";

/// Runs `test`, of this name, in namespaces of its own, in which loopback is up.
fn in_namespace(name: &str, test: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    // Built out here, where the tests before this one may be building, too.
    let _ = program("encap");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-ec"])
        .arg("ip link set lo up; exec \"$0\" --exact \"$1\" --nocapture")
        .arg(std::env::current_exe().expect("a test has a path"))
        .arg(name)
        .env(INSIDE, "1")
        .output()
        .expect("unshare and ip are installed (Debian: util-linux, iproute2)");
    let (out, errors) = texts(&output);
    assert!(output.status.success(), "{out}\n{errors}");
    assert!(out.contains("1 passed"), "the test ran inside: {out}");
}

fn texts(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What `encap` prints, once it has ended with this status.
fn encap(status: i32, args: &[&str]) -> (String, String) {
    let output = Command::new(program("encap")).args(args).output().expect("encap can be started");
    let (out, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(status), "encap {args:?}: {out}\n{errors}");
    (out, errors)
}

/// The lines that tshark prints: of each frame that passes the filter, the fields.
fn tshark(file: &Path, args: &[&str], filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(args).args(["-Y", filter, "-T", "fields"]);
    // A home of its own: what is installed for whoever runs this is not what is tested.
    tshark.env("HOME", file.parent().expect("it is in a folder"));
    for field in fields {
        tshark.args(["-e", field]);
    }
    let output = tshark.output().expect("tshark is installed (Debian: tshark)");
    let (out, errors) = texts(&output);
    assert!(output.status.success() && !errors.contains("Lua"), "{out}\n{errors}");
    out.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// `encap capture` on loopback, while it runs.
struct Capture {
    child: Child,
    file: PathBuf,
}

impl Capture {
    fn start(folder: &TempDir, args: &[&str]) -> Self {
        let file = folder.path().join("captured.pcapng");
        let mut capture = Command::new(program("encap"));
        capture.args(["capture", "-i", "lo", "-o"]).arg(&file).args(args).stderr(Stdio::piped());
        let capture = Self { child: capture.spawn().expect("encap can be started"), file };
        // The beginning of the file is written once it listens.
        capture.wait_for_bytes(1);
        capture
    }

    /// Waits until the file is so long.
    fn wait_for_bytes(&self, least: u64) {
        for _ in 0..PATIENCE.as_millis() / 10 {
            if std::fs::metadata(&self.file).is_ok_and(|file| file.len() >= least) {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        panic!("the capture does not grow to {least} bytes");
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(kill.is_ok_and(|status| status.success()));
    }

    /// Waits until it has ended as it should, and gives what it said.
    fn end(mut self) -> String {
        let mut said = String::new();
        self.child.stderr.take().expect("it is piped").read_to_string(&mut said).expect("text");
        assert!(self.child.wait().expect("it is our child").success(), "{said}");
        said
    }
}

#[test]
fn wireshark_shows_the_fields_and_finds_the_sender() {
    in_namespace("wireshark_shows_the_fields_and_finds_the_sender", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = EmbeddedServer::start();
        let capture = Capture::start(&folder, &[]);
        let file = capture.file.clone();

        let commands = server.address(Dialect::Commands);
        let (mut noy, mut elias) = (Person::registered(commands, "Noy"), Person::registered(commands, "Elias"));
        let mut dana = Person::connect(server.address(Dialect::Line));
        dana.write(b"Dana\r\n");
        dana.expect("Welcome Dana! You can now chat.");
        noy.say("CONNECT Nobody");
        noy.expect("ERROR USER_NOT_FOUND");
        noy.say("CONNECT Elias");
        noy.expect("CONNECT_OK Elias");
        elias.expect("INCOMING_CONNECTION Noy");
        // Cut into three segments, in the midst of a letter.
        for part in ["MSG shal\u{f4}m".as_bytes().split_at(9).0, &"\u{f4}".as_bytes()[1..], b"m\n"] {
            noy.write(part);
            sleep(Duration::from_millis(60));
        }
        noy.expect("MSG_SENT");
        elias.expect("FROM Noy: shal\u{f4}m");
        // Two lines in one segment.
        noy.write(b"MSG how are you?\r\nmsg FROM Elias: not hers\n");
        noy.expect("MSG_SENT");
        noy.expect("MSG_SENT");
        elias.expect("FROM Noy: how are you?");
        elias.expect("FROM Noy: FROM Elias: not hers");
        elias.say("MSG fine");
        elias.expect("MSG_SENT");
        noy.expect("FROM Elias: fine");
        dana.say("Noy: hello from the line");
        noy.expect("FROM Dana: hello from the line");
        noy.say("WHO");
        noy.expect("USERS Noy,Elias,Dana");
        dana.say("no colon");
        dana.expect("Invalid format. Use: username: message");
        capture.signal("INT");
        let said = capture.end();
        assert!(said.contains("none dropped"), "{said}");

        let (lua, _) = encap(0, &["dissector"]);
        let (installed, _) = encap(0, &["dissector", "--dir", folder.path().to_str().expect("UTF-8")]);
        let script = folder.path().join("switchboard.lua");
        assert_eq!(installed.trim_end(), script.to_str().expect("UTF-8"));
        assert_eq!(std::fs::read_to_string(&script).expect("it is there"), lua);

        let line = server.address(Dialect::Line);
        let args = [
            "-X".to_owned(),
            format!("lua_script:{}", script.display()),
            // The one told by hand, so that the dialect is told by what is said; the other by its preference.
            "-d".to_owned(),
            format!("tcp.port=={},switchboard", commands.port()),
            "-o".to_owned(),
            format!("switchboard.line_ports:{}", line.port()),
        ];
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let fields =
            ["command", "reply", "error", "name", "target", "sender", "text"].map(|f| format!("switchboard.{f}"));
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        let seen: Vec<_> = tshark(&file, &args, "switchboard", &fields).iter().map(|line| line.join("|")).collect();
        for expected in [
            "REGISTER|||Noy|||",
            "|REGISTER_OK||Noy|||",
            "REGISTER|||Dana|||",
            "|REGISTER_OK||Dana|||",
            "CONNECT||||Nobody||",
            "|ERROR|USER_NOT_FOUND||||",
            "|CONNECT_OK|||Elias||",
            "|INCOMING_CONNECTION||Noy|||",
            "MSG|||||Noy|shal\u{f4}m",
            "MSG,MSG|||||Noy,Noy|how are you?,FROM Elias: not hers",
            "MSG||||Noy|Dana|hello from the line",
            "|FROM||||Dana|hello from the line",
            "WHO||||||",
            "|USERS||Noy,Elias,Dana|||",
            "||||||no colon",
            "|ERROR|INVALID_FORMAT||||",
        ] {
            assert!(seen.iter().any(|line| line == expected), "{expected} is not in {seen:#?}");
        }

        // Each message as it leaves and as it arrives, and nobody else's.
        let texts = |filter: &str| {
            let mut texts = Vec::new();
            for line in tshark(&file, &args, filter, &["switchboard.text"]) {
                texts.extend(line[0].split(',').map(str::to_owned));
            }
            texts.sort();
            texts
        };
        let hers = ["FROM Elias: not hers", "how are you?", "shal\u{f4}m"].map(|text| [text; 2]).concat();
        assert_eq!(texts(r#"switchboard.sender == "Noy""#), hers);
        assert_eq!(texts(r#"switchboard.sender == "Elias""#), ["fine", "fine"]);
        server.stop();
    });
}

#[test]
fn wireshark_finds_what_is_installed() {
    in_namespace("wireshark_finds_what_is_installed", || {
        let home = tempfile::tempdir().expect("a temporary folder");
        let install = Command::new(program("encap")).args(["dissector", "--install"]).env("HOME", home.path()).output();
        let (installed, errors) = texts(&install.expect("encap can be started"));
        let folder = installed.trim_end().strip_suffix("switchboard.lua").expect(&errors);
        assert!(folder.starts_with(home.path().to_str().expect("UTF-8")), "{folder}");

        // Programs that take whatever one read gives as a line write no ends.
        let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/captures/line_chat_macos_lo0.pcapng");
        let file = home.path().join("chat.pcapng");
        std::fs::copy(real, &file).expect("it can be copied");
        let args = ["-o", "switchboard.segments_are_lines:TRUE"];
        let told = tshark(
            &file,
            &args,
            "switchboard.command == \"MSG\"",
            &["switchboard.sender", "switchboard.target", "switchboard.text"],
        );
        assert_eq!(told[0], ["User1", "User2", "Hello User2, How are you?"]);
        assert_eq!(told[1], ["User2", "User1", "I am great, thank you."]);
        let heard = tshark(
            &file,
            &args,
            "switchboard.reply == \"FROM\" and switchboard.sender == \"User1\"",
            &["switchboard.text"],
        );
        assert_eq!(heard[0], [" Hello User2, How are you?"]);

        // A browser on one of the ports is left to Wireshark's own dissector.
        let rows = home.path().join("http.csv");
        let text = "protocol,src,dst,message,time\n\
                HTTP,a,b,GET / HTTP/1.1\\r\\nHost: b\\r\\n\\r\\n,0\n\
                HTTP,b,a,HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\n,0.1\nHTTP,b,a,hello,0.2\n";
        std::fs::write(&rows, text).expect("it can be written");
        let paths = [&rows, &file].map(|path| path.to_str().expect("UTF-8"));
        let (said, _) = encap(0, &["send", paths[0], "--escapes", "--json", "-o", paths[1]]);
        let said: Value = serde_json::from_str(&said).expect("JSON");
        let address = said["connections"][0]["server_address"].as_str().expect("it was opened");
        let port = format!("switchboard.line_ports:{}", address.rsplit(':').next().expect("a port"));
        let seen =
            tshark(&file, &["-o", &port], "http", &["http.request.method", "http.response.code", "http.file_data"]);
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert_eq!((&*seen[0][0], &*seen[1][1]), ("GET", "200"));
    });
}

#[test]
fn a_capture_that_is_cut_short_can_be_read() {
    in_namespace("a_capture_that_is_cut_short_can_be_read", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = socket.local_addr().expect("it is bound");
        let mut capture = Capture::start(&folder, &["--port", &address.port().to_string()]);
        for _ in 0..100 {
            socket.send_to(&[7; 1000], address).expect("loopback takes it");
        }
        capture.wait_for_bytes(100_000);
        capture.signal("KILL");
        capture.child.wait().expect("it is our child");

        let file = BufReader::new(File::open(&capture.file).expect("it is there"));
        let mut reader = Reader::new(file).expect("it is a capture");
        while let Some(packet) = reader.next_packet().expect("it can be read") {
            let comments: Vec<_> = packet.comments().collect();
            assert_eq!(comments, ["checksum not computed yet: left to hardware (offload)"]);
        }
        assert_eq!((reader.packets(), reader.notes().list().len()), (100, 0));
        assert_eq!(reader.section().comments, ["captured from a live interface, not synthesised"]);
        assert_eq!(reader.interfaces()[0].name.as_deref(), Some("lo"));
        assert_eq!(tshark(&capture.file, &[], "udp", &["udp.length"]).len(), 100);
    });
}

#[test]
fn a_capture_ends_by_count_or_by_time() {
    in_namespace("a_capture_ends_by_count_or_by_time", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = socket.local_addr().expect("it is bound");
        for (args, frames) in [(["--count", "3"], 3), (["--for", "700ms"], 5)] {
            let capture = Capture::start(&folder, &args);
            let file = capture.file.clone();
            for _ in 0..5 {
                socket.send_to(b"hi", address).expect("loopback takes it");
            }
            let said = capture.end();
            assert_eq!(said, format!("{frames} frames, {} bytes, none dropped: {}\n", frames * 44, file.display()));
            std::fs::remove_file(file).expect("it is there");
        }
    });
}

#[test]
fn a_second_signal_ends_a_capture_that_nobody_reads() {
    in_namespace("a_second_signal_ends_a_capture_that_nobody_reads", || {
        let mut capture = Command::new(program("encap"));
        capture.args(["capture", "-i", "lo", "-o", "-"]).stdout(Stdio::piped());
        let mut child = capture.spawn().expect("encap can be started");
        let mut out = child.stdout.take().expect("it is piped");
        // It listens once the beginning of the file comes; then nobody reads on.
        out.read_exact(&mut [0; 28]).expect("a file begins");
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = socket.local_addr().expect("it is bound");
        for _ in 0..100 {
            socket.send_to(&vec![b'x'; 60_000], address).expect("loopback takes it");
        }
        sleep(Duration::from_secs(2));
        for _ in 0..2 {
            let kill = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status();
            assert!(kill.is_ok_and(|status| status.success()));
            sleep(Duration::from_millis(200));
        }
        for _ in 0..PATIENCE.as_millis() / 10 {
            if let Some(status) = child.try_wait().expect("it is our child") {
                assert_eq!(status.code(), None, "ended by the signal");
                return;
            }
            sleep(Duration::from_millis(10));
        }
        child.kill().expect("it is our child");
        panic!("it does not end");
    });
}

#[test]
fn what_cannot_be_written_is_named_and_not_counted() {
    in_namespace("what_cannot_be_written_is_named_and_not_counted", || {
        let (_, errors) = encap(3, &["capture", "-i", "lo", "-o", "/dev/full"]);
        assert!(errors.contains("/dev/full"), "{errors}");

        let mut capture = Command::new(program("encap"));
        capture.args(["capture", "-i", "lo", "-o", "-"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = capture.spawn().expect("encap can be started");
        child.stdout.take().expect("it is piped").read_exact(&mut [0; 28]).expect("a file begins");
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        socket.send_to(b"hi", socket.local_addr().expect("it is bound")).expect("loopback takes it");
        let (_, errors) = texts(&child.wait_with_output().expect("it is our child"));
        // That a reader has had enough is no fault, but what it did not take is not counted.
        assert_eq!(errors, "at least 0 frames, 0 bytes: standard output\n");
    });
}

#[test]
fn an_interface_that_is_deleted_is_gone_and_not_down() {
    in_namespace("an_interface_that_is_deleted_is_gone_and_not_down", || {
        let ip = |args: &[&str]| {
            let status = Command::new("ip").args(args).status();
            assert!(status.is_ok_and(|status| status.success()), "ip {args:?}");
        };
        for (end, word) in [(&["link", "set", "going", "down"][..], "is down"), (&["link", "del", "going"], "is gone")]
        {
            if end[1] == "set" {
                ip(&["link", "add", "going", "type", "veth", "peer", "name", "other"]);
            }
            ip(&["link", "set", "going", "up"]);
            let mut capture = Command::new(program("encap"));
            capture.args(["capture", "-i", "going", "-o", "-"]).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = capture.spawn().expect("encap can be started");
            child.stdout.as_mut().expect("it is piped").read_exact(&mut [0; 28]).expect("a file begins");
            ip(end);
            let (_, errors) = texts(&child.wait_with_output().expect("it is our child"));
            assert!(errors.contains(word), "{errors}");
        }
    });
}

#[test]
fn the_right_that_is_missing_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rows = csv("http_input.csv");
    // In a user namespace without a network of its own, even root may not capture on the machine's.
    let run = |args: &[&str]| {
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user"])
            .arg(program("encap"))
            .args(args)
            .current_dir(&folder)
            .output()
            .expect("unshare is installed (Debian: util-linux)");
        (output.status.code(), texts(&output))
    };
    let rows = rows.to_str().expect("UTF-8");
    for args in [&["capture", "-i", "lo", "-o", "out"][..], &["send", rows, "--speed", "max", "-o", "out"]] {
        let (status, (_, errors)) = run(args);
        assert_eq!(status, Some(3), "{errors}");
        assert!(errors.contains("CAP_NET_RAW") && errors.contains("setcap"), "{errors}");
        assert!(!folder.path().join("out").exists(), "nothing was captured, so nothing is written");
    }
    let (status, (out, errors)) = run(&["send", rows, "--speed", "max"]);
    assert_eq!(status, Some(0), "{errors}");
    assert!(errors.contains("sending without capturing"), "{errors}");
    assert!(out.contains("5 (line 6) client_browser → web_server, 9 bytes at 39: sent"), "{out}");
}

fn csv(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/csv").join(name)
}

/// What a frame carries, as tshark says.
struct Carried {
    ports: (u16, u16),
    /// Where it begins in its direction's stream.
    start: u64,
    payload: Vec<u8>,
}

fn carried(file: &Path, transport: &str) -> BTreeMap<u64, Carried> {
    let (from, to) = (format!("{transport}.srcport"), format!("{transport}.dstport"));
    let payload = format!("{transport}.payload");
    let args = ["-d", "tcp.port==1-65535,data", "-d", "udp.port==1-65535,data"];
    let lines = tshark(file, &args, &payload, &["frame.number", &from, &to, "tcp.seq", &payload]);
    let frame = |line: &Vec<String>| {
        let hex = line[4].as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex");
        let carried = Carried {
            ports: (line[1].parse().expect("a port"), line[2].parse().expect("a port")),
            start: line[3].parse().unwrap_or(1) - 1,
            payload: hex.chunks(2).map(byte).collect(),
        };
        (line[0].parse().expect("a number"), carried)
    };
    lines.iter().map(frame).collect()
}

/// Sends a file, and holds what is said of each row against the capture as tshark reads it.
fn send_and_compare(file: &Path, transport: &str, folder: &TempDir) {
    let out = folder.path().join("sent.pcapng");
    let paths = [file, &out].map(|path| path.to_str().expect("UTF-8"));
    let args = ["send", paths[0], "--transport", transport, "--speed", "20", "--json", "-o", paths[1]];
    let (json, errors) = encap(0, &args);
    let said: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(said["capture"]["dropped"], 0, "{errors}");
    let frames = carried(&out, transport);

    let mut messages = BTreeMap::new();
    for row in rows::Reader::new(File::open(file).expect("it is there"), rows::Options::default()) {
        let row = row.expect("a good row");
        messages.insert(row.line, row.message);
    }
    let mut n_rows = 0;
    for connection in said["connections"].as_array().expect("a list") {
        let port = |end: &str| {
            let address = connection[end].as_str().expect("it was opened");
            address.parse::<std::net::SocketAddr>().expect("an address").port()
        };
        let (client, server) = (port("client_address"), port("server_address"));
        let mut streams = BTreeMap::from([((client, server), Vec::new()), ((server, client), Vec::new())]);
        for row in connection["rows"].as_array().expect("a list") {
            n_rows += 1;
            let message = &messages[&row["line"].as_u64().expect("a number")];
            let ports = if row["from"] == "client" { (client, server) } else { (server, client) };
            assert_eq!(row["not_sent"], Value::Null);
            let stream = streams.get_mut(&ports).expect("both are there");
            let start = if transport == "tcp" { stream.len() as u64 } else { 0 };
            stream.extend_from_slice(message);
            // The pieces are the row, end to end; one that was sent again is beside them.
            let mut found = Vec::new();
            for piece in row["frames"].as_array().expect("it was captured") {
                let number = |value: &Value| value.as_u64().expect("a number");
                let (from, to) = (number(&piece["stream"]["start"]), number(&piece["stream"]["end"]));
                if message.is_empty() {
                    continue;
                }
                let frame = &frames[&number(&piece["frame"])];
                assert_eq!(frame.ports, ports);
                let at = |offset: u64| usize::try_from(offset - frame.start).expect("it fits");
                let bytes = &frame.payload[at(from)..at(to)];
                let place = usize::try_from(from - start).expect("it fits");
                assert_eq!(bytes, &message[place..place + bytes.len()], "{row}");
                if piece["again"] == false {
                    assert_eq!(place, found.len(), "{row}");
                    found.extend_from_slice(bytes);
                }
            }
            assert_eq!(&found, message, "row {row} of {}", file.display());
        }
        // What the kernel carried in each direction is the rows, and nothing else.
        for (ports, expected) in &streams {
            let mut carried = Vec::new();
            for frame in frames.values().filter(|frame| frame.ports == *ports) {
                let place =
                    if transport == "tcp" { usize::try_from(frame.start).expect("it fits") } else { carried.len() };
                carried.resize(carried.len().max(place + frame.payload.len()), 0);
                carried[place..place + frame.payload.len()].copy_from_slice(&frame.payload);
            }
            assert!(carried == *expected, "{} over {transport}, {ports:?}", file.display());
        }
        if transport == "tcp" {
            let all =
                [connection["opening"].as_array(), connection["closing"].as_array()].map(|list| list.map(Vec::len));
            assert!(all[0] == Some(3) && all[1] >= Some(3), "{connection}");
        }
    }
    assert_eq!(n_rows, messages.len());
}

#[test]
fn rows_that_are_sent_are_found_in_the_frames() {
    in_namespace("rows_that_are_sent_are_found_in_the_frames", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["group07_chat_input.csv", "http_input.csv", "http_input_bom.csv", "http_input_ports.csv"] {
            for transport in ["tcp", "udp"] {
                send_and_compare(&csv(name), transport, &folder);
            }
        }
    });
}

#[test]
fn a_long_row_and_many_at_once_are_found_in_the_frames() {
    in_namespace("a_long_row_and_many_at_once_are_found_in_the_frames", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let rows = folder.path().join("rows.csv");
        let mut text = String::from("protocol,src,dst,message,time\n");
        for (from, to, message, time) in [
            ("Noy", "Elias", "x".repeat(1 << 20), "0.1"),
            ("Elias", "Noy", "y".repeat(300_000), "0.1"),
            ("Noy", "Elias", String::new(), "0.2"),
            ("Noy", "Elias", "short".to_owned(), "0.2"),
        ] {
            writeln!(text, "CHAT,{from},{to},{message},{time}").expect("a string takes it");
        }
        for i in 0..200 {
            writeln!(text, "CHAT,Noy,Dana,row {i},0.3").expect("a string takes it");
        }
        std::fs::write(&rows, &text).expect("it can be written");
        send_and_compare(&rows, "tcp", &folder);

        // A datagram has no room for the first two: they alone fail, and are named by their lines.
        let path = rows.to_str().expect("UTF-8");
        let (out, _) = encap(1, &["send", path, "--transport", "udp", "--speed", "max"]);
        assert_eq!(out.matches("not sent").count(), 2, "{out}");
        assert!(out.contains("(line 2) Noy → Elias, 1048576 bytes: not sent: "), "{out}");
        assert!(out.contains("(line 5) Noy → Elias, 5 bytes: frame "), "{out}");
    });
}

#[test]
fn rows_are_sent_to_a_server_that_answers() {
    in_namespace("rows_are_sent_to_a_server_that_answers", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = EmbeddedServer::start();
        let address = server.address(Dialect::Commands).to_string();
        let rows = folder.path().join("rows.csv");
        let text = "protocol,src,dst,message,time\n\
                    CHAT,Noy,Server,REGISTER Noy\\n,0\nCHAT,Server,Noy,REGISTER_OK Noy\\n,0.1\nCHAT,Noy,Server,PING\\n,0.2\n";
        std::fs::write(&rows, text).expect("it can be written");
        let path = rows.to_str().expect("UTF-8");
        let (out, _) = encap(0, &["send", path, "--escapes", "--to", &address]);
        assert!(out.contains("1 (line 2) Noy → Server, 13 bytes at 0: frame "), "{out}");
        assert!(out.contains("2 (line 3) Server → Noy, 16 bytes: not sent: left to the server"), "{out}");
        assert!(out.contains("3 (line 4) Noy → Server, 5 bytes at 13: frame "), "{out}");
        server.stop();

        // Nobody listens there any more.
        let (out, _) = encap(1, &["send", path, "--escapes", "--to", &address, "--speed", "max"]);
        assert!(out.contains("not opened") && out.contains("not sent: not connected: Connection refused"), "{out}");
        let (_, errors) = encap(3, &["send", path, "--to", "no-such-host.invalid", "--speed", "max"]);
        assert!(errors.contains("cannot find no-such-host.invalid") && errors.contains("HOST:PORT"), "{errors}");
        // A row that cannot be carried, and a play without end, are refused before anything is sent.
        std::fs::write(&rows, "protocol,src,dst,message,time\nCHAT,a,b,x,0\nCHAT,a,b,y,never\n")
            .expect("it can be written");
        let (_, errors) = encap(1, &["send", path]);
        assert!(errors.contains(":3:12: error: timestamp: 'never'") && errors.contains("nothing was sent"), "{errors}");
        std::fs::write(&rows, "protocol,src,dst,message,time\nCHAT,a,b,x,0\nCHAT,a,b,y,86400\n")
            .expect("it can be written");
        let (_, errors) = encap(3, &["send", path, "-o", path]);
        assert!(errors.contains("is the file that is read: write to another"), "{errors}");
        let (_, errors) = encap(1, &["send", path]);
        assert!(std::fs::read(&rows).expect("it is there").starts_with(b"protocol"), "nothing was written");
        assert!(errors.contains("the rows take 86400 s, more than 3600 s: give a --speed"), "{errors}");
    });
}

/// What has no reason in a capture that was changed here and there.
fn unexplained(made: &[u8], captured: &[u8]) -> Vec<String> {
    let record = |file: &[u8]| {
        let mut reader = Reader::new(file).expect("it is a capture");
        Recording::read(&mut reader).expect("it is short")
    };
    let (made, captured) = (record(made), record(captured));
    let comparison = Comparison::new(&made, &captured);
    comparison.unexplained().map(|difference| format!("{}: {}", difference.field, difference.captured)).collect()
}

/// Where each frame of a capture lies in its file, and where its payload begins in it.
fn places(file: &[u8]) -> Vec<(usize, usize, usize)> {
    let mut reader = Reader::new(file).expect("it is a capture");
    let mut places = Vec::new();
    let mut from = 0;
    while let Some(packet) = reader.next_packet().expect("it can be read") {
        let len = packet.captured.len();
        let at = file[from..].windows(len).position(|window| window == packet.captured).expect("it is there");
        from += at + len;
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        places.push((from - len, len, frame.payload().len()));
    }
    places
}

#[test]
fn what_a_kernel_makes_of_rows_differs_from_what_is_built_for_known_reasons_only() {
    in_namespace("what_a_kernel_makes_of_rows_differs_from_what_is_built_for_known_reasons_only", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [sent, built, hard] =
            ["sent.pcapng", "built.pcapng", "hard.csv"].map(|name| folder.path().join(name).display().to_string());
        // Long rows, an empty one, many at once, backwards, and an answer before any question.
        let mut text = String::from("protocol,src,dst,message,time\nHTTP,web,pc,200 OK,0.1\nHTTP,pc,web,GET /,0.2\n");
        writeln!(text, "CHAT,a,b,{},0.1\nCHAT,b,a,{},0.1", "x".repeat(300_000), "y".repeat(100_000)).expect("memory");
        text.push_str("CHAT,a,b,,0.2\nCHAT,a,b,late,0.3\nCHAT,b,a,early,0.1\n");
        (0..100).for_each(|i| writeln!(text, "CHAT,a,c,row {i},0.3").expect("memory"));
        std::fs::write(&hard, text).expect("it can be written");
        let mut files: Vec<String> = std::fs::read_dir(csv(""))
            .expect("it is there")
            .map(|file| file.expect("a file").path().display().to_string())
            .collect();
        assert!(files.len() >= 4);
        files.push(hard.clone());
        for file in &files {
            for transport in ["tcp", "udp"] {
                if *file == hard && transport == "udp" {
                    // A datagram has no room for its rows.
                    continue;
                }
                encap(0, &["send", file, "--transport", transport, "-o", &sent]);
                encap(0, &["build", file, "--transport", transport, "-o", &built]);
                let (out, _) = encap(0, &["compare", file, &sent, "--transport", transport]);
                assert!(out.contains("What differs, and why:") && !out.contains("no reason is known"), "{out}");
                let (json, _) = encap(0, &["compare", &built, &sent, "--json"]);
                let said: Value = serde_json::from_str(&json).expect("JSON");
                assert_eq!(said["unexplained"], 0, "{file} over {transport}");
                assert!(
                    said["differences"].as_array().is_some_and(|list| list.iter().all(|one| one["reason"].is_string()))
                );

                let [made, captured] = [&built, &sent].map(|file| std::fs::read(file).expect("it is there"));
                assert_eq!(unexplained(&made, &captured), Vec::<String>::new());
                if *file == hard {
                    continue;
                }
                for (number, (at, len, payload)) in (1..).zip(places(&captured)) {
                    let mut changes = Vec::new();
                    if transport == "tcp" {
                        // Each flag, and the last byte of the sequence and the urgent pointer's. Only a FIN on what carries
                        // nothing might be: one that is sent again later, as nobody acknowledged it.
                        let flags = (0..8).map(|bit| 1_u8 << bit).filter(|bit| payload > 0 || *bit != 1);
                        changes.extend(flags.map(|bit| (at + 14 + 20 + 13, bit)));
                        changes.extend([(at + 14 + 20 + 7, 3), (at + 14 + 20 + 19, 1)]);
                    }
                    if payload > 0 {
                        changes.extend([(at + len - 1, 1), (at + len - payload, 0x20)]);
                    }
                    for (place, bits) in changes {
                        let mut spoiled = captured.clone();
                        spoiled[place] ^= bits;
                        let found = unexplained(&made, &spoiled);
                        assert!(!found.is_empty(), "{file}: frame {number}, byte {} ^ {bits:#04x}", place - at);
                    }
                }
            }
        }
        // The shell is told.
        let file = csv("http_input.csv").display().to_string();
        encap(0, &["send", &file, "-o", &sent]);
        let mut captured = std::fs::read(&sent).expect("it is there");
        let (at, len, _) = places(&captured)[3];
        captured[at + len - 1] ^= 1;
        std::fs::write(&sent, &captured).expect("it can be written");
        let (out, _) = encap(2, &["compare", &file, &sent]);
        assert!(
            out.contains("What differs, and no reason is known:")
                && out.contains("payload: 15 bytes, from byte 14 \"l\""),
            "{out}"
        );
    });
}

/// A server that knows no more than to listen, for as long as the test runs.
fn listener(address: &str) -> TcpListener {
    TcpListener::bind(address).expect("a free port")
}

#[test]
fn what_a_server_says_between_rows_is_read() {
    in_namespace("what_a_server_says_between_rows_is_read", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let rows = folder.path().join("rows.csv");
        let text = "protocol,src,dst,message,time\nX,a,b,first,0\nX,c,b,between,2\nX,a,b,last,4\n";
        std::fs::write(&rows, text).expect("it can be written");
        let server = listener("127.0.0.1:0");
        let address = server.local_addr().expect("it is bound").to_string();
        let flood = std::thread::spawn(move || {
            let (mut client, _) = server.accept().expect("it connects");
            client.set_write_timeout(Some(Duration::from_secs(1))).expect("it can be set");
            let mut first = [0; 5];
            client.read_exact(&mut first).expect("the first row");
            let written = client.write_all(&vec![b'x'; 32 << 20]);
            let (mut other, _) = server.accept().expect("the other connects");
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).expect("it ends");
            other.read_to_end(&mut Vec::new()).expect("it ends");
            (written.is_ok(), rest)
        });
        let (out, _) = encap(0, &["send", rows.to_str().expect("UTF-8"), "--to", &address]);
        assert_eq!(flood.join().expect("no panic"), (true, b"last".to_vec()), "{out}");
    });
}

#[expect(clippy::disallowed_methods, reason = "the time between two ends is what is tested")]
#[test]
fn connections_end_together_and_a_server_that_never_does_is_not_waited_for_without_end() {
    in_namespace("connections_end_together_and_a_server_that_never_does_is_not_waited_for_without_end", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let rows = folder.path().join("rows.csv");
        let mut text = String::from("protocol,src,dst,message,time\n");
        for i in 0..20 {
            writeln!(text, "X,a{i},b,hi,0").expect("a string takes it");
        }
        std::fs::write(&rows, text).expect("it can be written");
        let server = listener("127.0.0.1:0");
        let address = server.local_addr().expect("it is bound").to_string();
        let heard = std::thread::spawn(move || {
            let all: Vec<_> = (0..20).map(|_| server.accept().expect("it connects").0).collect();
            let ends = all.into_iter().map(|mut client| {
                client.read_to_end(&mut Vec::new()).expect("it ends");
                std::time::Instant::now()
            });
            let ends: Vec<_> = ends.collect();
            *ends.last().expect("twenty") - ends[0]
        });
        encap(0, &["send", rows.to_str().expect("UTF-8"), "--to", &address, "--speed", "max"]);
        let apart = heard.join().expect("no panic");
        assert!(apart < Duration::from_secs(2), "{apart:?} between the first end and the last");
    });
}

#[test]
fn a_signal_ends_what_is_sent_in_order() {
    in_namespace("a_signal_ends_what_is_sent_in_order", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (rows, file) = (folder.path().join("rows.csv"), folder.path().join("sent.pcapng"));
        std::fs::write(&rows, "protocol,src,dst,message,time\nCHAT,a,b,x,0\nCHAT,a,b,y,60\n").expect("written");
        for signal in ["INT", "TERM"] {
            let mut send = Command::new(program("encap"));
            send.arg("send").arg(&rows).arg("-o").arg(&file).stdout(Stdio::piped()).stderr(Stdio::piped());
            let capture = Capture { child: send.spawn().expect("encap can be started"), file: file.clone() };
            // The row is in the file.
            capture.wait_for_bytes(700);
            capture.signal(signal);
            let output = capture.child.wait_with_output().expect("it is our child");
            let (out, errors) = texts(&output);
            assert_eq!(output.status.code(), Some(1), "{out}\n{errors}");
            assert!(out.contains("1 (line 2) a → b, 1 byte at 0: frame "), "{out}");
            assert!(out.contains("2 (line 3) a → b, 1 byte: not sent: it was stopped before"), "{out}");
            let mut reader = Reader::new(File::open(&file).expect("it is there")).expect("it is a capture");
            while reader.next_packet().expect("it is whole").is_some() {}
            assert!(reader.packets() >= 7, "a handshake, a row and an end");
            assert!(reader.interfaces()[0].received.is_some(), "the file has its end");
            std::fs::remove_file(&file).expect("it is there");
        }
    });
}

#[test]
fn names_and_all_addresses_of_this_machine_are_captured() {
    in_namespace("names_and_all_addresses_of_this_machine_are_captured", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let status = Command::new("ip").args(["addr", "add", "10.9.9.9/32", "dev", "lo"]).status();
        assert!(status.is_ok_and(|status| status.success()), "ip is installed (Debian: iproute2)");
        let (rows, file) = (folder.path().join("rows.csv"), folder.path().join("sent.pcapng"));
        std::fs::write(&rows, "protocol,src,dst,message,time\nCHAT,a,b,hi,0\n").expect("it can be written");
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
        let to = server.local_addr().expect("it is bound").to_string();
        drop(server);
        let (_, errors) = encap(1, &["send", paths[0], "--speed", "max", "--to", &to]);
        assert!(errors.contains("some CHAT messages end no line, for which a chat server waits"), "{errors}");
    });
}

#[test]
fn what_cannot_be_written_is_named_and_a_closed_pipe_is_no_fault() {
    in_namespace("what_cannot_be_written_is_named_and_a_closed_pipe_is_no_fault", || {
        let rows = csv("group07_chat_input.csv");
        let rows = rows.to_str().expect("UTF-8");
        let full = "encap: /dev/full: cannot write the capture: No space left on device (os error 28)\n";
        assert_eq!(encap(3, &["send", rows, "--speed", "max", "-o", "/dev/full"]).1, full);
        assert_eq!(encap(3, &["capture", "-i", "lo", "--for", "100ms", "-o", "/dev/full"]).1, full);
        for args in ["capture -i lo --for 2s -o -", "send \"$1\" --speed max"] {
            let script = format!("{{ sleep 0.3; \"$0\" {args}; echo $? >&2; }} | true");
            let output = Command::new("sh").args(["-c", &script]).arg(program("encap")).arg(rows).output();
            let (_, errors) = texts(&output.expect("sh is there"));
            assert!(errors.ends_with("141\n") && !errors.contains("Broken pipe"), "{args}: {errors}");
        }
        let script = "\"$0\" send \"$1\" --speed max 2>&- >/dev/null";
        let status = Command::new("sh").args(["-c", script]).arg(program("encap")).arg(rows).status();
        assert!(status.is_ok_and(|status| status.success()), "a closed standard error is no reason to stop");
    });
}
