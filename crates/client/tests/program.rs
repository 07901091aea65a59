//! Tests the program `switchboard` without a terminal, against a fake server.

mod fake_server;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use fake_server::{FakeServer, TEST_TIMEOUT, run_local};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::timeout;

fn start(args: &[&str]) -> Child {
    command(args).spawn().expect("the program starts")
}

/// An address on which no server listens.
async fn closed_port() -> String {
    TcpListener::bind("127.0.0.1:0").await.expect("loopback").local_addr().expect("bound").to_string()
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command
        .args(args)
        .env_remove("SWITCHBOARD_ADDR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The output and exit code of a finished program.
#[derive(Debug, Eq, PartialEq)]
struct Finished {
    code: i32,
    out: String,
    err: String,
}

fn finished(code: i32, out: &str, err: &str) -> Finished {
    Finished { code, out: out.to_owned(), err: err.to_owned() }
}

async fn finish(child: Child) -> Finished {
    let output = timeout(TEST_TIMEOUT, child.wait_with_output())
        .await
        .expect("the program ends in time")
        .expect("the program runs");
    Finished {
        code: output.status.code().expect("no signal ended the program"),
        out: String::from_utf8(output.stdout).expect("the output is UTF-8"),
        err: String::from_utf8(output.stderr).expect("the output is UTF-8"),
    }
}

/// Runs the program with `input` as its standard input.
async fn run(args: &[&str], input: &[u8]) -> Finished {
    let mut child = start(args);
    let mut stdin = child.stdin.take().expect("standard input is piped");
    // This fails if the program ends before it has read all input.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    finish(child).await
}

/// Runs the program against a server that plays `dialogue`. The server's address precedes `args`.
async fn run_against(dialogue: &'static str, args: &[&str], input: &[u8]) -> Finished {
    run_local(async {
        let server = FakeServer::play([dialogue]).await;
        let addr = server.addr.to_string();
        let output = run(&[&[&*addr], args].concat(), input).await;
        server.finish().await;
        Finished { err: output.err.replace(&addr, "ADDR"), out: output.out.replace(&addr, "ADDR"), ..output }
    })
    .await
}

#[tokio::test]
async fn a_script_is_sent_unchanged_and_each_reply_is_printed() {
    // The step `>\u{20}` is an empty line. The escape keeps the space at the end.
    let dialogue = "
        < WELCOME
        > register Noy
        > CONNECT Elias
        > MSG   two  spaces
        >\u{20}
        > PING
        < REGISTER_OK Noy
        < CONNECT_OK Elias
        < MSG_SENT
        < FROM Elias: hi
        < PONG
        .";
    let expected = "WELCOME\nREGISTER_OK Noy\nCONNECT_OK Elias\nMSG_SENT\nFROM Elias: hi\nPONG\n";
    let input = b"register Noy\nCONNECT Elias\nMSG   two  spaces\n\nPING";
    assert_eq!(run_against(dialogue, &[], input).await, finished(0, expected, ""));
}

#[tokio::test]
async fn name_and_chat_options_are_sent_before_the_script() {
    let dialogue = "
        < WELCOME
        > REGISTER Noy
        > CONNECT Elias
        > MSG hi
        < REGISTER_OK Noy
        < CONNECT_OK Elias
        < MSG_SENT
        .";
    let expected = "WELCOME\nREGISTER_OK Noy\nCONNECT_OK Elias\nMSG_SENT\n";
    assert_eq!(
        run_against(dialogue, &["--name", "Noy", "--chat", "Elias"], b"MSG hi\n").await,
        finished(0, expected, "")
    );
}

#[tokio::test]
async fn a_refusal_is_printed_and_exits_with_1() {
    let dialogue = "
        < WELCOME
        > MSG hi
        > PING
        < ERROR NOT_REGISTERED
        < PONG
        .";
    let expected = finished(1, "WELCOME\nERROR NOT_REGISTERED\nPONG\n", "");
    assert_eq!(run_against(dialogue, &[], b"MSG hi\nPING\n").await, expected);
}

#[tokio::test]
async fn a_script_prints_json_with_the_json_option() {
    let dialogue = "
        < WELCOME
        > WHO
        > MSG hi
        > HELLO 2
        > HELLO 3
        < USERS Noy,Elias
        < FROM Elias: \u{9b}31m\u{202e}\"hi\"
        < ERROR NOT_CONNECTED
        < ERROR FUTURE_CODE
        < ERROR FUTURE_CODE with \u{9b}detail
        .";
    let expected = r#"{"reply":"WELCOME"}
{"reply":"USERS","names":["Noy","Elias"]}
{"event":"FROM","name":"Elias","text":"\u009b31m\u202e\"hi\""}
{"reply":"ERROR","code":"NOT_CONNECTED"}
{"reply":"ERROR","code":"FUTURE_CODE"}
{"reply":"ERROR","code":"FUTURE_CODE","detail":"with \u009bdetail"}
"#;
    assert_eq!(run_against(dialogue, &["--json"], b"WHO\nMSG hi\nHELLO 2\nHELLO 3\n").await, finished(1, expected, ""));
}

#[tokio::test]
async fn display_controls_are_escaped() {
    let dialogue = "
        < WELCOME
        > PING
        < FROM Elias: \u{1b}[2J\u{7f}\u{202e}olleh
        < PONG
        .";
    let expected = finished(0, "WELCOME\nFROM Elias: \\u{1b}[2J\\u{7f}\\u{202e}olleh\nPONG\n", "");
    assert_eq!(run_against(dialogue, &[], b"PING\n").await, expected);
}

#[tokio::test]
async fn a_lost_connection_exits_with_3() {
    let cases = [
        ("< WELCOME\n> PING", "the server closed the connection", "WELCOME\n"),
        ("< WELCOME\n> PING\n<| PO", "the connection was cut in the middle of a line", "WELCOME\n"),
    ];
    for (dialogue, why, out) in cases {
        let expected = finished(3, out, &format!("switchboard: {why}\n"));
        assert_eq!(run_against(dialogue, &[], b"PING\n").await, expected, "given {dialogue:?}");
    }
}

#[tokio::test]
async fn the_servers_reason_for_closing_is_printed() {
    let err = "switchboard: the server closed the connection: SERVER_FULL: The server is full: try again later.\n";
    for input in ["", "PING\n"] {
        let output = run_against("< ERROR SERVER_FULL", &[], input.as_bytes()).await;
        assert_eq!(output, finished(3, "ERROR SERVER_FULL\n", err), "given {input:?}");
    }
}

#[tokio::test]
async fn a_missing_reply_exits_with_4() {
    let expected = finished(
        4,
        "WELCOME\n",
        "switchboard: no answer within 50ms: the server may be busy; --timeout sets how long to wait\n",
    );
    assert_eq!(run_against("< WELCOME\n> DISCONNECT\n.", &["--timeout", "50ms"], b"DISCONNECT\n").await, expected);
}

#[tokio::test]
async fn no_server_exits_with_3_and_tells_how_to_start_one() {
    let closed_port = closed_port().await;
    let err = format!(
        "switchboard: cannot reach {closed_port}: connection refused. \
         Is the server running? Start it with: switchboard-server\n"
    );
    for args in
        [&[&*closed_port][..], &["who", &closed_port], &["ping", &closed_port], &[&closed_port, "send", "Elias", "hi"]]
    {
        assert_eq!(run(args, b"").await, finished(3, "", &err), "given {args:?}");
    }
}

#[tokio::test]
async fn a_long_script_gets_all_replies() {
    const MESSAGES: usize = 20_000;
    run_local(async {
        let server = FakeServer::spawn(async |mut connection| {
            connection.send(b"WELCOME\n").await;
            for message in 0..MESSAGES {
                connection.expect_line(&format!("MSG {message}")).await;
            }
            connection.send(&b"MSG_SENT\n".repeat(MESSAGES)).await;
            connection.expect_eof().await;
        })
        .await;
        let script: String =
            (0..MESSAGES).flat_map(|message| ["MSG ".to_owned(), message.to_string(), "\n".to_owned()]).collect();
        let output = run(&[&server.addr.to_string()], script.as_bytes()).await;
        // `WELCOME` and the replies.
        assert_eq!((output.code, output.out.lines().count(), &*output.err), (0, 1 + MESSAGES, ""));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn ping_prints_the_round_trip_time() {
    let dialogue = "
        < WELCOME
        > PING
        < PONG
        > PING
        < PONG
        .";
    let output = run_against(dialogue, &["ping", "--count", "2", "--interval", "1ms"], b"").await;
    assert_eq!((output.code, &*output.err), (0, ""));
    for line in output.out.lines() {
        let time = line.strip_prefix("PONG from ADDR in ").and_then(|time| time.strip_suffix(" ms"));
        assert!(time.is_some_and(|time| time.parse::<f64>().is_ok()), "{line}");
    }
    assert_eq!(output.out.lines().count(), 2);
}

#[tokio::test]
async fn who_prints_one_name_per_line() {
    let dialogue = "
        < WELCOME
        > WHO
        < USERS Noy,El\u{202e}ias
        .";
    assert_eq!(run_against(dialogue, &["who"], b"").await, finished(0, "Noy\nEl\\u{202e}ias\n", ""));
    let json = "{\"reply\":\"USERS\",\"names\":[\"Noy\",\"El\\u202eias\"]}\n";
    assert_eq!(run_against(dialogue, &["who", "--json"], b"").await, finished(0, json, ""));
}

#[tokio::test]
async fn the_exit_code_of_send_tells_whether_the_message_was_accepted() {
    let accepted = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        > CONNECT Elias
        < CONNECT_OK Elias
        > MSG dinner is ready
        < MSG_SENT
        > DISCONNECT
        < DISCONNECT_OK
        .";
    let args = ["send", "Elias", "dinner", "is ready", "--name", "Noy"];
    assert_eq!(run_against(accepted, &args, b"").await, finished(0, "", ""));
    let absent = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        > CONNECT Elias
        < ERROR USER_NOT_FOUND
        .";
    let output = run_against(absent, &args, b"").await;
    assert_eq!((output.code, &*output.out), (1, ""));
    assert!(output.err.starts_with("switchboard: USER_NOT_FOUND: "), "{}", output.err);
}

#[tokio::test]
async fn send_waits_for_a_busy_user_until_the_timeout() {
    let busy = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        > CONNECT Elias
        < ERROR USER_BUSY
        > DISCONNECT
        < DISCONNECT_OK
        > CONNECT Elias
        < ERROR USER_BUSY
        > DISCONNECT
        < DISCONNECT_OK
        > CONNECT Elias
        < CONNECT_OK Elias
        > MSG hi
        < MSG_SENT
        > DISCONNECT
        < DISCONNECT_OK
        .";
    assert_eq!(run_against(busy, &["send", "Elias", "hi", "--name", "Noy"], b"").await, finished(0, "", ""));
    run_local(async {
        let server = FakeServer::spawn(async |mut connection| {
            connection.play("< WELCOME\n> REGISTER Noy\n< REGISTER_OK Noy").await;
            while let Some(line) = connection.read_line().await {
                let answer: &[u8] = if line == "DISCONNECT" { b"DISCONNECT_OK\n" } else { b"ERROR USER_BUSY\n" };
                connection.send(answer).await;
            }
        })
        .await;
        let addr = server.addr.to_string();
        let output = run(&["send", &addr, "Elias", "hi", "--name", "Noy", "--timeout", "2s"], b"").await;
        let err = "switchboard: USER_BUSY: One of you is in a chat already: DISCONNECT first, or try again later.\n";
        assert_eq!(output, finished(1, "", err));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn send_reports_success_only_for_a_message_to_its_user() {
    const REGISTERED: &str = "< WELCOME\n> REGISTER Noy\n< REGISTER_OK Noy\n";
    const SENT: &str = "> MSG hi\n< MSG_SENT\n> DISCONNECT\n< DISCONNECT_OK\n.";
    let args = ["send", "Elias", "hi", "--name", "Noy"];
    let again = "> DISCONNECT\n< DISCONNECT_OK\n> CONNECT Elias\n< CONNECT_OK Elias\n";
    let retried = [
        // Another user opens a chat before the message is sent.
        "> CONNECT Elias\n<| CONNECT_OK Elias\\nPEER_DISCONNECTED\\nINCOMING_CONNECTION Bob\\n\n",
        // The user leaves before the message is sent, and while it is on its way.
        "> CONNECT Elias\n<| CONNECT_OK Elias\\nPEER_DISCONNECTED\\n\n",
        "> CONNECT Elias\n< CONNECT_OK Elias\n> MSG hi\n<| PEER_DISCONNECTED\\nERROR NOT_CONNECTED\\n\n",
    ];
    for start in retried {
        let dialogue = [REGISTERED, start, again, SENT].concat().leak();
        assert_eq!(run_against(dialogue, &args, b"").await, finished(0, "", ""), "given {dialogue}");
    }
    // The message reaches the user, who then leaves.
    let left_later = "> CONNECT Elias\n< CONNECT_OK Elias\n> MSG hi\n<| MSG_SENT\\nPEER_DISCONNECTED\\n\n\
                      > DISCONNECT\n< DISCONNECT_OK\n.";
    let dialogue = [REGISTERED, left_later].concat().leak();
    assert_eq!(run_against(dialogue, &args, b"").await, finished(0, "", ""));
    // Another user opens a chat while the message is on its way.
    let other_peer = "> CONNECT Elias\n< CONNECT_OK Elias\n> MSG hi\n\
                      <| PEER_DISCONNECTED\\nINCOMING_CONNECTION Bob\\nMSG_SENT\\n\n.";
    let dialogue = [REGISTERED, other_peer].concat().leak();
    let err = "switchboard: Elias left the chat, and Bob opened one: the message may have reached Bob instead\n";
    assert_eq!(run_against(dialogue, &args, b"").await, finished(1, "", err));
}

#[tokio::test]
async fn a_guest_whose_name_is_taken_draws_another() {
    run_local(async {
        let server = FakeServer::spawn(async |mut connection| {
            connection.send(b"WELCOME\n").await;
            let first = connection.read_line().await.expect("a REGISTER");
            connection.send(b"ERROR NAME_TAKEN\n").await;
            let second = connection.read_line().await.expect("a REGISTER");
            assert!(first != second && second.starts_with("REGISTER guest-"), "{first}, {second}");
            let dialogue = "
                < REGISTER_OK guest
                > CONNECT Elias
                < CONNECT_OK Elias
                > MSG hi
                < MSG_SENT
                > DISCONNECT
                < DISCONNECT_OK
                .";
            connection.play(dialogue).await;
        })
        .await;
        let output = run(&["send", &server.addr.to_string(), "Elias", "hi"], b"").await;
        assert_eq!(output, finished(0, "", ""));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn listen_prints_messages() {
    let dialogue = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        < INCOMING_CONNECTION Elias
        < FROM Elias: one
        < FROM Elias: two
        .";
    let args = ["listen", "--name", "Noy", "--count", "2"];
    assert_eq!(run_against(dialogue, &args, b"").await, finished(0, "Elias: one\nElias: two\n", ""));
    let json = r#"{"event":"INCOMING_CONNECTION","name":"Elias"}
{"event":"FROM","name":"Elias","text":"one"}
{"event":"FROM","name":"Elias","text":"two"}
"#;
    assert_eq!(run_against(dialogue, &[&args[..], &["--json"]].concat(), b"").await, finished(0, json, ""));
}

#[tokio::test]
async fn listening_ends_with_the_connection() {
    let dialogue = "
        < WELCOME
        > REGISTER Noy
        < REGISTER_OK Noy
        < ERROR SERVER_SHUTDOWN";
    let err = "switchboard: the server closed the connection: SERVER_SHUTDOWN: \
        The server is shutting down: connect again later.\n";
    let args = ["listen", "--name", "Noy", "--no-reconnect"];
    assert_eq!(run_against(dialogue, &args, b"").await, finished(3, "", err));
}

#[tokio::test]
async fn listen_reconnects_with_its_name_and_counts_on() {
    run_local(async {
        let server = FakeServer::play([
            "
            < WELCOME
            > REGISTER Noy
            < REGISTER_OK Noy
            < FROM Elias: one
            < ERROR SERVER_SHUTDOWN",
            // The server still holds the name for the lost connection.
            "
            < WELCOME
            > REGISTER Noy
            < ERROR NAME_TAKEN
            .",
            "< ERROR SERVER_FULL",
            // A code that this version does not know.
            "< ERROR MAINTENANCE back soon",
            "
            < WELCOME
            > REGISTER Noy
            < REGISTER_OK Noy
            < FROM Elias: two
            .",
        ])
        .await;
        let output = run(&["listen", &server.addr.to_string(), "--name", "Noy", "--count", "2"], b"").await;
        assert_eq!((output.code, &*output.out), (0, "Elias: one\nElias: two\n"), "{}", output.err);
        let notices: Vec<_> =
            output.err.lines().map(|line| line.split_once("; reconnecting in ").unwrap_or((line, "")).0).collect();
        let expected = [
            "switchboard: the server closed the connection: SERVER_SHUTDOWN: \
             The server is shutting down: connect again later.",
            "switchboard: the server still has a user Noy, perhaps the lost connection",
            "switchboard: the server closed the connection: SERVER_FULL: The server is full: try again later.",
            "switchboard: MAINTENANCE: back soon",
            "switchboard: reconnected as Noy",
        ];
        assert_eq!(notices, expected);
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_listener_that_has_its_messages_closes_without_a_reset() {
    run_local(async {
        let server = FakeServer::spawn(async |mut connection| {
            connection.play("< WELCOME\n> REGISTER Noy\n< REGISTER_OK Noy\n< FROM Elias: one").await;
            connection.expect_eof().await;
            // More messages were on their way. A client that has closed its socket resets the connection, and a later
            // message then fails.
            for _ in 0..20 {
                connection.send(&b"FROM Elias: more\n".repeat(100)).await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        let output = run(&["listen", &server.addr.to_string(), "--name", "Noy", "--count", "1"], b"").await;
        assert_eq!(output, finished(0, "Elias: one\n", ""));
        server.finish().await;
    })
    .await;
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupted_listener_closes_without_a_reset() {
    run_local(async {
        let server = FakeServer::spawn(async |mut connection| {
            connection.play("< WELCOME\n> REGISTER Noy\n< REGISTER_OK Noy\n< FROM Elias: one").await;
            connection.expect_eof().await;
            for _ in 0..20 {
                connection.send(b"FROM Elias: more\n").await;
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        let mut child = start(&["listen", &server.addr.to_string(), "--name", "Noy"]);
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("standard output is piped"));
        out.read_line(&mut line).await.expect("a message");
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(id.expect("the program runs"), rustix::process::Signal::INT).expect("it runs");
        assert_eq!((&*line, finish(child).await), ("Elias: one\n", finished(0, "", "")));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_closed_output_ends_the_program_without_an_error() {
    run_local(async {
        let server = FakeServer::play(["
            < WELCOME
            > WHO
            < USERS Noy,Elias
            ."])
        .await;
        let mut child = start(&["who", &server.addr.to_string()]);
        drop(child.stdout.take());
        assert_eq!(finish(child).await, finished(0, "", ""));
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn an_invalid_command_line_exits_with_2() {
    for args in [&["--dialect", "morse"][..], &["send", "Elias"], &["--timeout", "soon"], &["--no-such-flag"]] {
        let output = run(args, b"").await;
        assert_eq!((output.code, &*output.out), (2, ""), "given {args:?}");
    }
}

/// Compares `actual` with a file in `tests/help`. If `UPDATE_EXPECTED` is set, it writes the file first.
fn check_help_file(file: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help").join(file);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, actual).expect("the file is writable");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{file} is out of date: run UPDATE_EXPECTED=1 cargo test and check its diff");
}

#[tokio::test]
async fn help_matches_its_files() {
    let cases: [(&[&str], &str, &str); 10] = [
        (&["--help"], "80", "main.txt"),
        (&["--help"], "60", "main-narrow.txt"),
        (&["-h"], "80", "main-short.txt"),
        (&["ping", "--help"], "80", "ping.txt"),
        (&["who", "--help"], "80", "who.txt"),
        (&["send", "--help"], "80", "send.txt"),
        (&["listen", "--help"], "80", "listen.txt"),
        (&["bench", "--help"], "80", "bench.txt"),
        (&["bench", "pairs", "--help"], "80", "bench-pairs.txt"),
        (&["bench", "isolation", "--help"], "80", "bench-isolation.txt"),
    ];
    for (args, columns, file) in cases {
        let output = finish(command(args).env("COLUMNS", columns).spawn().expect("the program starts")).await;
        assert_eq!((output.code, &*output.err), (0, ""), "given {args:?}");
        check_help_file(file, &output.out);
    }
}

#[tokio::test]
async fn an_impossible_load_is_an_error_with_its_reason() {
    let closed_port = closed_port().await;
    // The process id is 2^30, which is above the largest process id of Linux.
    let cases: [(&[&str], i32, &str); 6] = [
        (&["bench", "pairs", &closed_port], 3, "Is a server listening there?"),
        (&["bench", "pairs", &closed_port, "--size", "64,10"], 2, "give at least 22"),
        (&["bench", "pairs", &closed_port, "--pairs", "100000"], 2, "raise `ulimit -Hn`"),
        (&["bench", "idle", &closed_port, "--pid", "1073741824"], 2, "cannot look at process 1073741824"),
        (&["bench", "isolation", &closed_port, "--pairs", "1"], 2, "leave no pair to measure"),
        (&["--name", "Noy", "bench", "churn", &closed_port], 2, "--name does nothing with bench"),
    ];
    for (args, code, message) in cases {
        let output = run(args, b"").await;
        assert!(
            output.code == code && output.out.is_empty() && output.err.contains(message),
            "{args:?} gave {output:?}"
        );
    }
}

#[tokio::test]
async fn help_completions_and_manual_are_printed() {
    let cases: [(&[&str], &str); 4] = [
        (&["--help"], "Exit codes:"),
        (&["--version"], "switchboard 0."),
        (&["completions", "bash"], "complete -F _switchboard"),
        (&["man"], ".TH switchboard"),
    ];
    for (args, expected) in cases {
        let output = run(args, b"").await;
        assert!(output.code == 0 && output.out.contains(expected), "{args:?} gave {output:?}");
    }
}

#[tokio::test]
async fn the_line_dialect_prompts_for_a_name_and_prints_arriving_lines() {
    let dialogue = "
        > User1
        < Welcome User1! You can now chat.
        > User2: hi
        > User2: bye
        <| [User2] hel
        < lo \u{1b}[2J
        .";
    let expected = finished(0, "Enter username: Welcome User1! You can now chat.\n[User2] hello \\u{1b}[2J\n", "");
    assert_eq!(run_against(dialogue, &["--dialect", "line"], b"User1\nUser2: hi\nUser2: bye").await, expected);
    let expected = Finished { out: expected.out.replace("Enter username: ", ""), ..expected };
    let named = ["--dialect", "line", "--name", "User1"];
    assert_eq!(run_against(dialogue, &named, b"User2: hi\nUser2: bye\n").await, expected);
}

#[tokio::test]
async fn a_refusal_in_the_line_dialect_exits_with_1() {
    let cases: [(&str, &str); 2] = [
        ("> User1\n< Username already taken. Connection closing.", "Username already taken. Connection closing.\n"),
        (
            "> User1\n< Welcome User1! You can now chat.\n> ghost: hi\n< User not found.\n.",
            "Welcome User1! You can now chat.\nUser not found.\n",
        ),
    ];
    for (dialogue, out) in cases {
        let input: &[u8] = if out.starts_with("Welcome") { b"ghost: hi\n" } else { b"" };
        let output = run_against(dialogue, &["--dialect", "line", "--name", "User1"], input).await;
        assert_eq!(output, finished(1, out, ""), "given {dialogue:?}");
    }
}

#[tokio::test]
async fn an_invalid_name_is_not_sent() {
    let cases: [(&[u8], &str); 3] = [
        (b"\n", "A username cannot be empty."),
        (b"", "A username cannot be empty."),
        (b"Us:er\n", "A username cannot contain a colon."),
    ];
    for (input, why) in cases {
        // No server listens at this address. The program rejects the name before it connects.
        let output = run(&["127.0.0.1:1", "--dialect", "line"], input).await;
        assert_eq!(output, finished(2, "Enter username: ", &format!("switchboard: {why}\n")), "given {input:?}");
    }
    let output = run(&["127.0.0.1:1", "--dialect", "line", "--json"], b"").await;
    assert_eq!((output.code, &*output.out), (2, ""));
}

#[tokio::test]
async fn a_port_of_the_other_dialect_is_an_error() {
    let err =
        "switchboard: ADDR does not speak the line dialect (its first line is WELCOME): leave out --dialect line\n";
    let output = run_against("> User1\n< WELCOME", &["--dialect", "line", "--name", "User1"], b"").await;
    assert_eq!(output, finished(3, "", err));
    let err = "switchboard: ADDR accepted the connection but sent no WELCOME within 50ms. \
        It may be the port of a server that waits for a request, such as HTTP or redis, \
        or a port of the line dialect (to chat there: --dialect line)\n";
    assert_eq!(run_against(".", &["--timeout", "50ms"], b"").await, finished(4, "", err));
}

#[tokio::test]
async fn useless_arguments_are_errors_before_the_program_connects() {
    let cases: [(&[&str], &str); 8] = [
        (&["send", "Elias", ""], "nothing to send: the text is blank"),
        (&["send", "Elias", " ", "\t"], "nothing to send: the text is blank"),
        (&["send", "Elias", "two\nlines"], "the message has more than one line: send each line by itself"),
        (&["--name", "Noy", "who"], "--name does nothing with who: leave it out"),
        (&["--no-reconnect"], "--no-reconnect does nothing in a script: leave it out"),
        (&["--dialect", "line", "--chat", "Noy"], "--chat does nothing in the line dialect: leave it out"),
        (&["--dialect", "line", "ping"], "--dialect line does nothing with ping: leave it out"),
        (
            &["http://chat.example:8080/x", "who"],
            "http://chat.example:8080/x is not the address of a chat server: \
             leave out http:// and write chat.example:8080",
        ),
    ];
    for (args, why) in cases {
        assert_eq!(run(args, b"").await, finished(2, "", &format!("switchboard: {why}\n")), "given {args:?}");
    }
}
