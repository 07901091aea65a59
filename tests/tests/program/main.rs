//! The server program: flags, configuration, log and exit codes.

mod systemd;

use std::net::TcpListener;
use std::process::{Command, Output};

use switchboard_tests::namespace::run_script;
use switchboard_tests::process::{ServerProcess, program};
use switchboard_tests::test_client::{TIMEOUT, TestClient};
use switchboard_tests::wire_lab::texts;

fn server(args: &[&str]) -> Output {
    Command::new(program("switchboard-server")).args(args).output().expect("the server can be started")
}

#[test]
fn error_for_a_port_in_use_names_address_and_flag() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address").to_string();
    for (flag, other_flag) in [("--listen", "--listen-line"), ("--listen-line", "--listen")] {
        let output = server(&[flag, &address, other_flag, "none", "--listen-web", "none"]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            format!(
                "switchboard-server: cannot listen on {address}: the port is in use, perhaps by another server. \
                 Choose another address with {flag} HOST:PORT, or turn this listener off with {flag} none\n"
            )
        );
    }
}

#[test]
fn usage_configuration_and_runtime_errors_have_their_own_exit_codes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("switchboard.toml");
    std::fs::write(&file, "max-session = 3\n").expect("the folder is writable");
    let file = file.to_str().expect("a UTF-8 path");
    let cases: &[(&[&str], i32, &str)] = &[
        (&["--no-such-flag"], 2, "unexpected argument '--no-such-flag'"),
        (&["--max-sessions", "many"], 2, "max-sessions is many: give a whole number, 0 or more (from flag)"),
        (&["--listen", "foo", "--print-config"], 2, "listen is foo: the port is missing"),
        (&["--config", file], 3, "max-session is unknown: perhaps max-sessions is meant"),
        (&["--config", "/nowhere/switchboard.toml"], 3, "cannot read /nowhere/switchboard.toml"),
        (&["--max-sessions", "0"], 3, "max-sessions is 0: give 1 to 65536 (from flag)"),
        (&["--log-level", "loud"], 3, "log-level is loud: give error, warn"),
        (&["--threads", "1000000"], 3, "threads is 1000000: give 1 to 1024"),
        (&["--keepalive", "500ms"], 3, "keepalive is 500ms: give at least 1s"),
        (&["--listen", "none", "--listen-line", "none", "--listen-web", "none"], 3, "there is nothing to listen on"),
        (&["--listen", "no such host:1", "--print-config"], 2, "host \"no such host\" has the character ' '"),
        (&["--listen", "nowhere.invalid:1", "--listen-line", "none"], 1, "Give HOST:PORT with --listen"),
    ];
    for (args, code, message) in cases {
        let output = server(args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "given {args:?}: {errors}");
        assert!(errors.contains(message), "given {args:?}: {errors}");
    }
}

#[test]
fn an_invalid_environment_variable_is_named_in_the_error() {
    let output = Command::new(program("switchboard-server"))
        .env("SWITCHBOARD_MAX_SESSIONS", "abc")
        .output()
        .expect("the server can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{errors}");
    assert!(errors.contains("max-sessions is abc: give a whole number"), "{errors}");
    assert!(errors.contains("(from variable SWITCHBOARD_MAX_SESSIONS)"), "{errors}");
}

#[test]
fn flags_override_variables_and_variables_override_the_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("switchboard.toml");
    std::fs::write(&file, "max-sessions = 1\nturn-lines = 1\ntext-bytes = 1\n").expect("the folder is writable");
    let output = Command::new(program("switchboard-server"))
        .args(["--print-config", "--max-sessions", "3", "--config"])
        .arg(&file)
        .env("SWITCHBOARD_MAX_SESSIONS", "2")
        .env("SWITCHBOARD_TURN_LINES", "2")
        .output()
        .expect("the server can be started");
    let printed = String::from_utf8_lossy(&output.stdout);
    for expected in ["max-sessions = 3 ", "turn-lines = 2 ", "text-bytes = 1 "] {
        assert!(printed.contains(expected), "{expected:?} is not in\n{printed}");
    }
}

#[test]
fn print_config_shows_each_setting_and_its_source() {
    let output = Command::new(program("switchboard-server"))
        .args(["--print-config", "--max-sessions", "7"])
        .env("SWITCHBOARD_OUTBOX_TIMEOUT", "5s")
        .output()
        .expect("the server can be started");
    let printed = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<_> = printed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "max-sessions = 7 # flag",
        "outbox-timeout = \"5s\" # variable SWITCHBOARD_OUTBOX_TIMEOUT",
        "listen = [\"127.0.0.1:12345\"] # default",
        "log-format = \"auto\" # default",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected:?} is not in\n{printed}");
    }
}

#[test]
fn server_listens_on_several_addresses_and_on_ipv6() {
    let mut server = ServerProcess::start(&["--listen", "[::1]:0,127.0.0.1:0"]);
    let mut addresses = vec![server.commands, server.line];
    for _ in 0..2 {
        let line = server.log_line_with("\"address\":");
        let (_, address) = line.split_once(r#""address":""#).expect("an address");
        addresses.push(address.split('"').next().unwrap_or_default().parse().expect("an address"));
    }
    assert!(addresses.iter().any(std::net::SocketAddr::is_ipv6), "{addresses:?}");
    let first_lines = addresses.iter().filter_map(|&address| {
        let mut client = TestClient::connect(address);
        // In the line dialect, the server sends its first line after the first line of the client.
        client.send(&format!("REGISTER {}", address.port()));
        match client.receive() {
            switchboard_tests::stage::Received::Line(line) => Some(line),
            _ => None,
        }
    });
    let first_lines: Vec<_> = first_lines.collect();
    // Three listeners are of the commands dialect, and one of the line dialect.
    assert_eq!(first_lines.iter().filter(|line| *line == "WELCOME").count(), 3, "{first_lines:?}");
}

#[test]
fn shutdown_is_announced_to_every_session() {
    let mut server = ServerProcess::start(&[]);
    let mut noy = TestClient::registered(server.commands, "Noy");
    let mut user = TestClient::connect(server.line);
    user.send("User1");
    user.expect("Welcome User1! You can now chat.");
    server.signal("TERM");
    noy.expect("ERROR SERVER_SHUTDOWN");
    noy.expect_end();
    user.expect("The server is shutting down: connect again later.");
    user.expect_end();
    // The clients keep their sending sides open. This delays the exit only for a bounded time.
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let mut server = ServerProcess::start(&["--drain-timeout", "1h", "--outbox-timeout", "1h", "--user-timeout", "1h"]);
    let mut frozen = TestClient::registered(server.commands, "Frozen");
    let mut noy = TestClient::registered(server.commands, "Noy");
    noy.send("CONNECT Frozen");
    noy.expect("CONNECT_OK Frozen");
    // Noy sends more bytes than the system's buffers hold to a client that does not read. So the server would drain for
    // the full hour.
    let line = format!("MSG {}\n", "x".repeat(3800));
    noy.socket().set_write_timeout(Some(std::time::Duration::from_millis(500))).expect("a socket of this process");
    while std::io::Write::write_all(&mut noy.socket(), line.as_bytes()).is_ok() {}
    server.signal("INT");
    server.log_line_with("stopping");
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(130));
    frozen.expect("INCOMING_CONNECTION Noy");
}

#[test]
fn message_texts_are_logged_only_on_request() {
    for (flags, expected, is_text_hidden) in
        [(&["--log-level", "trace"][..], r#""bytes":6"#, true), (&["--log-messages"][..], r#""text":"secret""#, false)]
    {
        let mut server = ServerProcess::start(flags);
        let mut user = TestClient::connect(server.line);
        user.write(b"User1\nNoy: secret\n");
        user.expect("Welcome User1! You can now chat.");
        user.expect("User not found.");
        let mut noy = TestClient::registered(server.commands, "Noy");
        user.send("Noy: secret");
        noy.expect("FROM User1: secret");
        let line = server.log_line_with(r#""message":"message""#);
        assert!(line.contains(expected), "{line}");
        assert_eq!(line.contains("secret"), !is_text_hidden, "{line}");
    }
}

#[test]
fn console_log_matches_the_course_server() {
    use std::io::{BufRead as _, BufReader};
    let mut child = Command::new(program("switchboard-server"))
        .args(["--listen", "none", "--listen-line", "127.0.0.1:0", "--listen-web", "none"])
        .args(["--log-format", "console", "--log-messages"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the server can be started");
    let mut console =
        BufReader::new(child.stdout.take().expect("a piped stream")).lines().map(|line| line.expect("text"));
    let mut next_line = || console.next().expect("a line");
    let first_line = next_line();
    let port: u16 = first_line
        .strip_prefix("[SERVER STARTED] Listening on port ")
        .and_then(|port| port.strip_suffix("..."))
        .and_then(|port| port.parse().ok())
        .expect("the course server's first line");
    assert_eq!(
        next_line(),
        format!("    Join with:  switchboard --dialect line 127.0.0.1:{port}   or   nc 127.0.0.1 {port}")
    );

    let mut user1 = TestClient::connect(([127, 0, 0, 1], port).into());
    user1.send("User1");
    user1.expect("Welcome User1! You can now chat.");
    let user1_port = user1.socket().local_addr().expect("a connected socket has an address").port();
    assert_eq!(next_line(), format!("[NEW CONNECTION] ('127.0.0.1', {user1_port})"));
    let mut user2 = TestClient::connect(([127, 0, 0, 1], port).into());
    user2.send("User2");
    user2.expect("Welcome User2! You can now chat.");
    next_line();
    user1.send("User2: Hey, how are you?");
    assert_eq!(next_line(), "[User1 → User2]: Hey, how are you?");
    drop(user2);
    assert_eq!(next_line(), "[DISCONNECTED] User2");
    child.kill().expect("the server can be killed");
    child.wait().expect("the server exits");
}

/// Runs `script` after [`SCRIPT_FUNCTIONS`] in a network of its own, and returns its output and its errors.
fn run_with_functions(script: &str) -> String {
    let script = format!("{SCRIPT_FUNCTIONS}{script}");
    let (out, errors) = texts(&run_script(&script, &program("switchboard-server"), &[]));
    out + &errors
}

/// Defines `start`, which starts a server and waits until it listens on as many addresses as its first argument says,
/// and `hear`, which prints the first line from an address.
const SCRIPT_FUNCTIONS: &str = r#"
    ip link set lo up
    start() {
        expected=$1; shift
        "${server[@]}" "$@" > log &
        pid=$!
        until test "$(grep -c listening log)" = "$expected"; do kill -0 $pid; sleep 0.05; done
    }
    hear() { exec 3<> "/dev/tcp/$1/$2"; echo REGISTER >&3; head -n 1 <&3; }
    server=("$0" --listen-line none --listen-web none --log-format text --listen)
"#;

#[test]
fn a_port_alone_means_all_addresses() {
    let script =
        "start 1 :21500; hear 127.0.0.1 21500; hear ::1 21500; kill $pid; wait $pid; grep -o 'peer=[^ ]*:' log";
    let output = run_with_functions(script);
    assert_eq!(output, "WELCOME\nWELCOME\npeer=127.0.0.1:\npeer=[::1]:\n");
}

#[test]
fn all_addresses_of_a_name_are_bound() {
    let hosts = r#"
        printf '127.0.0.1 both\n127.0.0.2 both\n192.0.2.1 both\n' > hosts
        mount --bind hosts "$(readlink -f /etc/hosts)"
        start 2 both:21500
        hear 127.0.0.1 21500
        hear 127.0.0.2 21500
        kill $pid
        wait $pid
        start 1 127.0.0.2:21500
        "${server[@]}" both:21500 2>&1 > second-log || echo "exit code $?"
        kill $pid
    "#;
    let output = run_with_functions(hosts);
    assert_eq!(
        output,
        "WELCOME\nWELCOME\n\
         switchboard-server: cannot listen on both:21500: the port is in use, perhaps by another server. \
         Choose another address with --listen HOST:PORT, or turn this listener off with --listen none\n\
         exit code 1\n"
    );
}

#[test]
fn a_link_local_address_may_name_its_interface() {
    let script = r"
        ip link add near type veth peer name far
        ip address add fe80::1/64 dev near nodad
        ip link set far up
        ip link set near up
        start 1 '[fe80::1%near]:12345'
        hear fe80::1%near 12345
        kill $pid
    ";
    assert_eq!(run_with_functions(script), "WELCOME\n");
}

#[test]
fn a_privileged_port_gives_a_hint() {
    let script = r#"setpriv --bounding-set=-net_bind_service --inh-caps=-all "${server[@]}" 127.0.0.1:80 || true"#;
    let output = run_with_functions(script);
    assert!(output.contains("cannot listen on 127.0.0.1:80: Permission denied"), "{output}");
    assert!(output.contains("setcap cap_net_bind_service=+ep"), "{output}");
}

#[test]
fn a_refused_session_is_logged_with_code_and_name() {
    let mut server = ServerProcess::start(&[]);
    let _noy = TestClient::registered(server.commands, "Noy");
    let opened = server.log_line_with("opened");
    assert!(opened.contains(r#""session":"1v1""#), "{opened}");
    // The first line of the line dialect is the name. The log has the name, but not the text of a message.
    let cases = [
        ("noy", r#""code":"NAME_TAKEN","name":"noy""#),
        ("\u{1b}[31mEvil\u{202e}", r#""code":"INVALID_TEXT","name":"\\u{1b}[31mEvil\\u{202e}""#),
        ("Noy: secret", r#""code":"INVALID_NAME","name":"Noy:…""#),
        (&"x".repeat(5000), r#""code":"LINE_TOO_LONG","name":"""#),
        ("GET / HTTP/1.1", r#""code":"WRONG_PROTOCOL","name":"""#),
    ];
    for (first_line, expected) in cases {
        let mut user = TestClient::connect(server.line);
        user.send(first_line);
        let line = server.log_line_with(r#""message":"refused""#);
        assert!(line.contains(expected), "{expected} is not in {line}");
        let session = server.log_line_with(r#""message":"left""#);
        assert!(session.contains(r#""session":""#) && !session.contains("SessionId"), "{session}");
    }
    let mut server = ServerProcess::start(&["--max-sessions", "1"]);
    let _noy = TestClient::registered(server.commands, "Noy");
    TestClient::connect(server.commands).expect("ERROR SERVER_FULL");
    let line = server.log_line_with(r#""message":"rejected""#);
    assert!(line.contains(r#""code":"SERVER_FULL""#) && line.contains(r#""peer":"127.0.0.1:"#), "{line}");
}

#[test]
fn console_has_a_line_for_a_refused_session() {
    use std::io::{BufRead as _, BufReader};
    let mut child = Command::new(program("switchboard-server"))
        .args(["--listen", "none", "--listen-line", "127.0.0.1:0", "--listen-web", "none"])
        .args(["--log-format", "console", "--max-sessions", "2"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the server can be started");
    let console = BufReader::new(child.stdout.take().expect("a piped stream"));
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || console.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let next_line = || receiver.recv_timeout(TIMEOUT).expect("a line");
    let first_line = next_line();
    let port = first_line.trim_end_matches('.').rsplit(' ').next().and_then(|port| port.parse().ok());
    let address = ([127, 0, 0, 1], port.expect("the port is in the first line")).into();
    next_line();
    let mut user1 = TestClient::connect(address);
    user1.send("User1");
    user1.expect("Welcome User1! You can now chat.");
    next_line();
    let mut second = TestClient::connect(address);
    let third = TestClient::connect(address);
    next_line();
    let third_port = third.socket().local_addr().expect("a connected socket has an address").port();
    assert_eq!(next_line(), format!("[REJECTED] ('127.0.0.1', {third_port}): SERVER_FULL"));
    second.send("User1");
    assert_eq!(next_line(), "[REJECTED] User1: NAME_TAKEN");
    child.kill().expect("the server can be killed");
    child.wait().expect("the server exits");
}

/// Calls `check` with the command line and the text of each help page of a program.
fn for_each_help(program_name: &str, subcommands: &[String], check: &mut impl FnMut(&str, &str)) {
    for flag in ["-h", "--help"] {
        let output = Command::new(program(program_name)).args(subcommands).arg(flag).output();
        let output = output.expect("the program can be started");
        let help = String::from_utf8(output.stdout).expect("UTF-8");
        let command_line = format!("{program_name} {} {flag}", subcommands.join(" "));
        assert!(output.status.success() && help.contains("Usage:"), "{command_line}: {help}");
        check(&command_line, &help);
        if flag == "-h" {
            let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
            let commands = commands.take_while(|line| !line.is_empty());
            // Descriptions of commands may continue on deeper lines.
            let names = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
            for name in names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
                for_each_help(program_name, &[subcommands, &[name.to_owned()]].concat(), check);
            }
        }
    }
}

#[test]
fn help_has_no_links_of_rustdoc() {
    for (program_name, pages_min) in [("switchboard-server", 2), ("switchboard", 20), ("encap", 20)] {
        let mut pages = 0;
        for_each_help(program_name, &[], &mut |command_line, help| {
            pages += 1;
            for markup in ["[`", "`]", "]("] {
                assert!(!help.contains(markup), "{command_line} has {markup:?}: {help}");
            }
            let words = help.split(|c: char| !c.is_alphanumeric() && !":_".contains(c));
            let path = words.into_iter().find(|word| word.contains("::") && word.starts_with(char::is_uppercase));
            assert_eq!(path, None, "{command_line} has a path of Rust: {help}");
        });
        assert!(pages >= pages_min, "{program_name} has only {pages} pages of help");
    }
}
