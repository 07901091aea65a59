//! Tests of the subcommand `listen`.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::fake_server::{FakeServer, run_local};
use crate::run::{command, finish, finished, run_against, run_against_server, start};

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
    ]);
    let output = run_against_server(server, &["listen", "ADDR", "--name", "Noy", "--count", "2"], b"").await;
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
}

#[tokio::test]
async fn a_listener_that_has_its_messages_closes_without_a_reset() {
    let output =
        run_against_server(server_with_late_messages(100), &["listen", "ADDR", "--name", "Noy", "--count", "1"], b"")
            .await;
    assert_eq!(output, finished(0, "Elias: one\n", ""));
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupted_listener_closes_without_a_reset() {
    run_local(async {
        let server = server_with_late_messages(1).await;
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
async fn the_name_of_an_account_of_this_user_gets_a_hint() {
    run_local(async {
        let state = tempfile::tempdir().expect("a directory");
        let taken = "< WELCOME\n> REGISTER Noy\n< ERROR NAME_TAKEN\n.";
        let server = FakeServer::play([taken, taken, taken]).await;
        let addr = server.addr.to_string();
        let listen = async |args: &[&str]| {
            let mut command = command(&[args, &[&addr, "--name", "Noy"]].concat());
            finish(command.env("XDG_STATE_HOME", state.path()).spawn().expect("the program starts")).await
        };
        let err = "switchboard: NAME_TAKEN: Somebody else has that name, or one that looks like it: choose another.";
        assert_eq!(listen(&["listen"]).await, finished(1, "", &format!("{err}\n")));
        let server_folder = addr.replace('.', "%2e").replace(':', "%3a");
        let device = state.path().join("switchboard/accounts").join(server_folder).join("noy/laptop");
        std::fs::create_dir_all(&device).expect("a directory");
        for file in ["token", "key"] {
            std::fs::write(device.join(file), "x\n").expect("a file");
            let hint = "Noy is your account: use `say`, `history` or `listen --conversation`.";
            assert_eq!(listen(&["listen"]).await, finished(1, "", &format!("{err} {hint}\n")), "given {file}");
            std::fs::remove_file(device.join(file)).expect("a file");
        }
        server.finish().await;
    })
    .await;
}

/// A server that still has messages on their way when the client closes its sending direction. It sends 20 times
/// `messages` of them. A client that has closed its socket resets the connection, and a later message then fails.
async fn server_with_late_messages(messages: usize) -> FakeServer {
    FakeServer::spawn(async move |mut connection| {
        connection.play("< WELCOME\n> REGISTER Noy\n< REGISTER_OK Noy\n< FROM Elias: one").await;
        connection.expect_eof().await;
        for _ in 0..20 {
            connection.send(&b"FROM Elias: more\n".repeat(messages)).await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
}
