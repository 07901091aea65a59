//! The program `switchboard` at a terminal that is no more than a pair of files.

#![cfg(target_os = "linux")]

mod fake_server;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fake_server::{FakeServer, TEST_TIMEOUT};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use tokio::process::Command;
use tokio::task::{LocalSet, spawn_blocking};
use tokio::time::{sleep, timeout};

/// A terminal: the side of who sits at it, and the side of the program.
fn terminal() -> (File, OwnedFd) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("there are terminals");
    grantpt(&person).expect("it is ours");
    unlockpt(&person).expect("it is ours");
    let path = ptsname(&person, Vec::new()).expect("it has a name").into_string().expect("it is ASCII");
    let program = File::options().read(true).write(true).open(path).expect("it is unlocked");
    (File::from(person), program.into())
}

fn is_raw(terminal: &File) -> bool {
    !tcgetattr(terminal).expect("it is a terminal").local_modes.contains(LocalModes::ICANON)
}

#[tokio::test]
async fn a_signal_leaves_the_terminal_as_it_was_and_keeps_the_history() {
    let cases = [(Signal::TERM, "", 143), (Signal::HUP, "half a line", 129)];
    for (signal, half, code) in cases {
        let playing = async {
            let server = FakeServer::play(["
                < WELCOME
                > REGISTER Noy
                < REGISTER_OK Noy
                > PING
                < PONG
                ."])
            .await;
            let home = tempfile::tempdir().expect("a temporary folder");
            let (mut person, program) = terminal();
            let stdio = || Stdio::from(program.try_clone().expect("a file can be had twice"));
            let mut child = Command::new(env!("CARGO_BIN_EXE_switchboard"))
                .args([&server.addr.to_string(), "--name", "Noy"])
                .env("XDG_STATE_HOME", home.path())
                .env("TERM", "xterm")
                .stdin(stdio())
                .stdout(stdio())
                .stderr(stdio())
                .kill_on_drop(true)
                .spawn()
                .expect("the program starts");
            drop(program);
            let mut screen = person.try_clone().expect("a file can be had twice");
            let shown = Arc::new(Mutex::new(String::new()));
            let showing = shown.clone();
            let reading = spawn_blocking(move || {
                let mut bytes = [0; 4096];
                // It ends with an error when the program has closed its side.
                while let Ok(read @ 1..) = screen.read(&mut bytes) {
                    *showing.lock().expect("no panic") += &String::from_utf8_lossy(&bytes[..read]);
                }
            });
            while !is_raw(&person) {
                sleep(Duration::from_millis(5)).await;
            }
            person.write_all(b"PING\r").expect("it is open");
            let history = home.path().join("switchboard/history");
            // What is typed while a line is being ended is not lost either.
            person.write_all(half.as_bytes()).expect("it is open");
            while !shown.lock().expect("no panic").contains("PONG in") {
                sleep(Duration::from_millis(5)).await;
            }
            let pid = Pid::from_raw(child.id().expect("it runs").try_into().expect("a process id")).expect("not 0");
            kill_process(pid, signal).expect("it runs");
            let status = child.wait().await.expect("it was started");
            assert_eq!(status.code(), Some(code), "after {signal:?}");
            assert!(!is_raw(&person), "after {signal:?}");
            reading.await.expect("no panic");
            let shown = shown.lock().expect("no panic").clone();
            assert!(shown.trim_end().ends_with("\u{1b}[?2004l"), "pastes are no longer bracketed: {shown:?}");
            let history = fs::read_to_string(history).expect("it was kept");
            assert!(history.lines().any(|line| line == "PING"), "{history:?}");
            server.finish().await;
        };
        timeout(2 * TEST_TIMEOUT, LocalSet::new().run_until(playing)).await.expect("a test ends in time");
    }
}
