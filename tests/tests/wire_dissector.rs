//! The Wireshark dissector that `encap dissector` writes, on live traffic of our server.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use switchboard_protocol::Dialect;
use switchboard_tests::process::{EmbeddedServer, program};
use switchboard_tests::test_client::TestClient;
use switchboard_tests::wire_lab::{Capture, encap, in_namespace, texts, tshark};

#[test]
fn dissector_shows_fields_and_sender() {
    in_namespace("dissector_shows_fields_and_sender", || {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = EmbeddedServer::start();
        let capture = Capture::start(&folder, &[]);
        let file = capture.file.clone();

        let commands = server.address(Dialect::Commands);
        let (mut noy, mut elias) = (TestClient::registered(commands, "Noy"), TestClient::registered(commands, "Elias"));
        let mut dana = TestClient::connect(server.address(Dialect::Line));
        dana.write(b"Dana\r\n");
        dana.expect("Welcome Dana! You can now chat.");
        noy.send("CONNECT Nobody");
        noy.expect("ERROR USER_NOT_FOUND");
        noy.send("CONNECT Elias");
        noy.expect("CONNECT_OK Elias");
        elias.expect("INCOMING_CONNECTION Noy");
        // One line in three segments. A character of two bytes is split between the first two.
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
        elias.send("MSG fine");
        elias.expect("MSG_SENT");
        noy.expect("FROM Elias: fine");
        dana.send("Noy: hello from the line");
        noy.expect("FROM Dana: hello from the line");
        noy.send("WHO");
        noy.expect("USERS Noy,Elias,Dana");
        dana.send("no colon");
        dana.expect("Invalid format. Use: username: message");
        capture.signal("INT");
        let report = capture.wait();
        assert!(report.contains("none dropped"), "{report}");

        let (lua, _) = encap(0, &["dissector"]);
        let (installed, _) = encap(0, &["dissector", "--dir", folder.path().to_str().expect("UTF-8")]);
        let script = folder.path().join("switchboard.lua");
        assert_eq!(installed.trim_end(), script.to_str().expect("UTF-8"));
        assert_eq!(std::fs::read_to_string(&script).expect("the file exists"), lua);

        let line = server.address(Dialect::Line);
        let args = [
            "-X".to_owned(),
            format!("lua_script:{}", script.display()),
            // `-d` names the commands port but no dialect, so the dissector detects the dialect by content. For the
            // line port, a preference names the dialect.
            "-d".to_owned(),
            format!("tcp.port=={},switchboard", commands.port()),
            "-o".to_owned(),
            format!("switchboard.line_ports:{}", line.port()),
        ];
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let fields =
            ["command", "reply", "error", "name", "target", "sender", "text"].map(|f| format!("switchboard.{f}"));
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        let rows: Vec<_> = tshark(&file, &args, "switchboard", &fields).iter().map(|line| line.join("|")).collect();
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
            assert!(rows.iter().any(|line| line == expected), "{expected} is not in {rows:#?}");
        }

        // Each message appears twice: on the way to the server, and on the way to its reader.
        let texts = |filter: &str| {
            let mut texts = Vec::new();
            for line in tshark(&file, &args, filter, &["switchboard.text"]) {
                texts.extend(line[0].split(',').map(str::to_owned));
            }
            texts.sort();
            texts
        };
        let texts_of_noy = ["FROM Elias: not hers", "how are you?", "shal\u{f4}m"].map(|text| [text; 2]).concat();
        assert_eq!(texts(r#"switchboard.sender == "Noy""#), texts_of_noy);
        assert_eq!(texts(r#"switchboard.sender == "Elias""#), ["fine", "fine"]);
        server.stop();
    });
}

#[test]
fn tshark_loads_the_installed_dissector() {
    in_namespace("tshark_loads_the_installed_dissector", || {
        let home = tempfile::tempdir().expect("a temporary folder");
        let install = Command::new(program("encap")).args(["dissector", "--install"]).env("HOME", home.path()).output();
        let (installed, errors) = texts(&install.expect("encap can be started"));
        let folder = installed.trim_end().strip_suffix("switchboard.lua").expect(&errors);
        assert!(folder.starts_with(home.path().to_str().expect("UTF-8")), "{folder}");

        // The course programs send lines without line ends: the bytes of one read are a line.
        let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/captures/line_chat_macos_lo0.pcapng");
        let file = home.path().join("chat.pcapng");
        std::fs::copy(real, &file).expect("the folder is writable");
        let args = ["-o", "switchboard.segments_are_lines:TRUE"];
        let messages = tshark(
            &file,
            &args,
            "switchboard.command == \"MSG\"",
            &["switchboard.sender", "switchboard.target", "switchboard.text"],
        );
        assert_eq!(messages[0], ["User1", "User2", "Hello User2, How are you?"]);
        assert_eq!(messages[1], ["User2", "User1", "I am great, thank you."]);
        let replies = tshark(
            &file,
            &args,
            "switchboard.reply == \"FROM\" and switchboard.sender == \"User1\"",
            &["switchboard.text"],
        );
        assert_eq!(replies[0], [" Hello User2, How are you?"]);

        // The dissector leaves HTTP on one of our ports to Wireshark's HTTP dissector.
        let rows = home.path().join("http.csv");
        let text = "protocol,src,dst,message,time\n\
                HTTP,a,b,GET / HTTP/1.1\\r\\nHost: b\\r\\n\\r\\n,0\n\
                HTTP,b,a,HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\n,0.1\nHTTP,b,a,hello,0.2\n";
        std::fs::write(&rows, text).expect("the folder is writable");
        let paths = [&rows, &file].map(|path| path.to_str().expect("UTF-8"));
        let (report, _) = encap(0, &["send", paths[0], "--escapes", "--json", "-o", paths[1]]);
        let report: Value = serde_json::from_str(&report).expect("JSON");
        let address = report["connections"][0]["server_address"].as_str().expect("the connection was opened");
        let port = format!("switchboard.line_ports:{}", address.rsplit(':').next().expect("a port"));
        let http =
            tshark(&file, &["-o", &port], "http", &["http.request.method", "http.response.code", "http.file_data"]);
        assert_eq!(http.len(), 2, "{http:?}");
        assert_eq!((&*http[0][0], &*http[1][1]), ("GET", "200"));
    });
}
