//! Tests the program `switchboard` at a pseudoterminal.

#![cfg(target_os = "linux")]

mod fake_server;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fake_server::{FakeServer, TEST_TIMEOUT, run_local};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use tokio::process::{Child, Command};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::sleep;

/// Opens a pseudoterminal. Returns the user's end and the program's end.
fn open_terminal() -> (File, OwnedFd) {
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudoterminal");
    grantpt(&user).expect("granted");
    unlockpt(&user).expect("unlocked");
    let path = ptsname(&user, Vec::new()).expect("a name").into_string().expect("an ASCII name");
    let program = File::options().read(true).write(true).open(path).expect("the program's end opens");
    (File::from(user), program.into())
}

/// Whether the terminal is in raw mode.
fn is_raw(terminal: &File) -> bool {
    !tcgetattr(terminal).expect("a terminal").local_modes.contains(LocalModes::ICANON)
}

/// The program, running at a terminal.
struct Started {
    /// The user's end of the terminal.
    user: File,
    child: Child,
    /// The output so far.
    shown: Arc<Mutex<String>>,
    /// The task that reads the output.
    reading: JoinHandle<()>,
}

/// Starts the program at a terminal.
fn start(args: &[&str], state_home: &Path) -> Started {
    let (user, program) = open_terminal();
    let stdio = || Stdio::from(program.try_clone().expect("a clone"));
    let child = Command::new(env!("CARGO_BIN_EXE_switchboard"))
        .args(args)
        .env("XDG_STATE_HOME", state_home)
        .env("TERM", "xterm")
        .stdin(stdio())
        .stdout(stdio())
        .stderr(stdio())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    drop(program);
    let mut screen = user.try_clone().expect("a clone");
    let shown = Arc::new(Mutex::new(String::new()));
    let shown_by_reader = shown.clone();
    let reading = spawn_blocking(move || {
        let mut bytes = [0; 4096];
        // The read fails when the program has closed its end.
        while let Ok(read @ 1..) = screen.read(&mut bytes) {
            *shown_by_reader.lock().expect("no panic") += &String::from_utf8_lossy(&bytes[..read]);
        }
    });
    Started { user, child, shown, reading }
}

#[tokio::test]
async fn a_server_that_sends_nothing_gets_a_hint_before_the_error() {
    let cases = [
        // A server that waits for a request, and the answer of such a server to a name.
        (
            &["--plain", "--timeout", "6s"][..],
            None,
            "Try --dialect line",
            "or a port of the line dialect (to chat there",
        ),
        (
            &["--timeout", "6s", "--dialect", "line", "--name", "Noy"],
            None,
            "It may be the port of another program.",
            "another program",
        ),
        // A subcommand knows only the commands dialect.
        (&["who", "--timeout", "6s"], None, "for a name. Try another port.", "or a port of the line dialect (to chat"),
        (
            &["--dialect", "line", "--name", "Noy"],
            Some("HTTP/1.1 400 Bad Request\r\n"),
            "",
            "is not a Switchboard server: it answered \"HTTP/1.1 400 Bad Request\"",
        ),
        (
            &["--dialect", "line", "--name", "Noy"],
            Some("-ERR unknown command\r\n"),
            "",
            "is not a Switchboard server: it answered \"-ERR unknown command\"",
        ),
    ];
    let playing = async {
        // All cases run at once, because some of them last until their time limit.
        let mut playing = JoinSet::new();
        for (args, answer, hint, error) in cases {
            playing.spawn_local(async move {
                let server = FakeServer::spawn(async move |mut connection| {
                    if let Some(answer) = answer {
                        connection.expect_line("Noy").await;
                        connection.send(answer.as_bytes()).await;
                    }
                    sleep(TEST_TIMEOUT).await;
                })
                .await;
                let addr = server.addr.to_string();
                let state_home = tempfile::tempdir().expect("a temporary folder");
                let mut started = start(&[&[&*addr], args].concat(), state_home.path());
                started.child.wait().await.expect("the program ends");
                started.reading.await.expect("no panic");
                let shown = started.shown.lock().expect("no panic").clone();
                let connecting = format!("Connecting to {addr}");
                // Plain mode shows no line that it would have to erase.
                let is_plain = args.contains(&"--plain");
                assert_eq!(shown.starts_with(&connecting), !is_plain, "{args:?}: {shown:?}, {connecting:?}");
                assert_eq!(shown.contains("sent nothing yet"), !hint.is_empty(), "{args:?}: {shown:?}");
                for expected in [hint, error] {
                    assert!(shown.contains(expected), "{args:?}: {shown:?} lacks {expected:?}");
                }
            });
        }
        while let Some(played) = playing.join_next().await {
            played.expect("no panic");
        }
    };
    run_local(playing).await;
}

#[tokio::test]
async fn plain_mode_prints_lines_and_a_prompt() {
    run_local(async {
        let (arrive, arrived) = tokio::sync::oneshot::channel();
        let (leave, left) = tokio::sync::oneshot::channel();
        let server = FakeServer::spawn(async move |mut connection| {
            connection.play("< WELCOME\n> REGISTER Noy\n< REGISTER_OK Noy\n> /quit\n< ERROR UNKNOWN_COMMAND").await;
            arrived.await.expect("the test goes on");
            connection.play("< FROM Elias: hi\n> MSG hello\n< MSG_SENT").await;
            left.await.expect("the test goes on");
            connection.play("< PEER_DISCONNECTED\n< INCOMING_CONNECTION User1\n> WHO\n< USERS Noy,User1").await;
            connection.play("> MSG for Elias alone\n< MSG_SENT\n.").await;
        })
        .await;
        let state = tempfile::tempdir().expect("a directory");
        let addr = server.addr.to_string();
        let Started { mut user, mut child, shown, reading } = start(&["--plain", &addr, "--name", "Noy"], state.path());
        let wait_for_end = async |end: &str| wait_for(|| shown.lock().expect("no panic").ends_with(end)).await;
        wait_for_end("REGISTER_OK Noy\r\n> ").await;
        // No line is a command of the program.
        user.write_all(b"/quit\n").expect("the program reads");
        wait_for_end("\r\nERROR UNKNOWN_COMMAND\r\n> ").await;
        user.write_all(b"MSG he").expect("the program reads");
        wait_for_end("> MSG he").await;
        // A message arrives on a line of its own, and the typed line stays valid.
        arrive.send(()).expect("the server waits");
        wait_for_end("> MSG he\r\nFROM Elias: hi\r\n> ").await;
        user.write_all(b"llo\n").expect("the program reads");
        wait_for_end("\r\nMSG_SENT\r\n> ").await;
        // Another person comes while the user types for the first one.
        user.write_all(b"MSG for Elias").expect("the program reads");
        leave.send(()).expect("the server waits");
        wait_for_end("\r\nINCOMING_CONNECTION User1\r\n> ").await;
        user.write_all(b" alone\n").expect("the program reads");
        wait_for_end("Send it to User1? yes or no\r\n> ").await;
        user.write_all(b"no\n").expect("the program reads");
        wait_for_end("switchboard: not sent\r\n> ").await;
        user.write_all(b"WHO\n").expect("the program reads");
        wait_for_end("\r\nUSERS Noy,User1\r\n> ").await;
        user.write_all(b"MSG for Elias alone\n").expect("the program reads");
        wait_for_end("\r\nMSG_SENT\r\n> ").await;
        user.write_all(b"\x04").expect("the program reads");
        let status = child.wait().await.expect("the program ends");
        reading.await.expect("no panic");
        let shown = shown.lock().expect("no panic").clone();
        // The server has refused a line.
        assert_eq!(status.code(), Some(1), "{shown:?}");
        assert!(!shown.contains('\u{1b}'), "plain mode needs no escape sequences: {shown:?}");
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_signal_restores_the_terminal() {
    // The exit code is 128 plus the number of the signal.
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130)] {
        let state = tempfile::tempdir().expect("a temporary folder");
        // No server listens at this address: the program tries again and again.
        let Started { user, mut child, shown, reading } = start(&["127.0.0.1:1", "--name", "Noy"], state.path());
        wait_for(|| is_raw(&user) && shown.lock().expect("no panic").contains("\u{1b}[?1049h")).await;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(id.expect("the program runs"), signal).expect("the program runs");
        let status = child.wait().await.expect("the program ends");
        assert_eq!(status.code(), Some(code), "after {signal:?}");
        assert!(!is_raw(&user), "after {signal:?}");
        reading.await.expect("no panic");
        let shown = shown.lock().expect("no panic").clone();
        let end = "\u{1b}[?1004l\u{1b}[?2004l\u{1b}[0m\u{1b}[?25h\u{1b}[?1049l";
        assert!(shown.ends_with(end), "after {signal:?}: {shown:?}");
    }
}

#[tokio::test]
async fn a_typed_password_is_not_shown_and_the_terminal_shows_text_again() {
    run_local(async {
        let server = FakeServer::play(["
            < WELCOME
            > HELLO 2
            < HELLO_OK 2 switchboard
            > LOGIN Noy main password hunter2
            < LOGIN_OK Noy main
            > TOKEN
            < TOKEN_OK swordfish
            ."])
        .await;
        let state = tempfile::tempdir().expect("a directory");
        let Started { mut user, mut child, shown, .. } =
            start(&["login", &server.addr.to_string(), "--name", "Noy"], state.path());
        wait_for_prompt(&user, &shown).await;
        user.write_all(b"hunter2\n").expect("the program reads");
        let status = child.wait().await.expect("the program ends");
        let shown = || shown.lock().expect("no panic").clone();
        wait_for(|| shown().contains("logged in as Noy, device main")).await;
        assert!(status.success() && shows_text(&user), "{}", shown());
        assert!(!shown().contains("hunter2") && !shown().contains("swordfish"), "{}", shown());
        server.finish().await;
    })
    .await;
}

#[tokio::test]
async fn a_terminal_shows_text_again_after_an_interrupted_password() {
    run_local(async {
        let state = tempfile::tempdir().expect("a directory");
        let Started { user, mut child, shown, .. } = start(&["login", "127.0.0.1:1", "--name", "Noy"], state.path());
        wait_for_prompt(&user, &shown).await;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(id.expect("the program runs"), Signal::INT).expect("the program runs");
        let status = child.wait().await.expect("the program ends");
        assert_eq!(status.code(), Some(128 + Signal::INT.as_raw()));
        assert!(shows_text(&user));
    })
    .await;
}

/// Waits until the program asks for a password with the echo of the terminal off.
async fn wait_for_prompt(user: &File, shown: &Mutex<String>) {
    wait_for(|| shown.lock().expect("no panic").contains("Password: ") && !shows_text(user)).await;
}

/// Whether the terminal echoes input.
fn shows_text(terminal: &File) -> bool {
    tcgetattr(terminal).expect("a terminal").local_modes.contains(LocalModes::ECHO)
}

async fn wait_for(condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TEST_TIMEOUT, waiting).await.expect("it happens in time");
}
