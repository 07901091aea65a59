//! Replays the terminal sessions of README.md.

use std::fs;
use std::path::Path;

use switchboard_tests::process::{ServerProcess, program};
use switchboard_tests::terminal::Terminal;

/// A terminal session of the README: a command and the screen after it.
struct Session {
    command: Vec<String>,
    screen: Vec<String>,
}

fn sessions() -> Vec<Session> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).expect("README.md");
    let blocks = readme.split("```console\n").skip(1).map(|start| start.split("```").next().expect("the block ends"));
    let session = |block: &str| {
        let mut lines = block.lines().map(str::to_owned);
        let command = lines.next().expect("a command");
        let command = command.strip_prefix("$ ").expect("the block starts with a command");
        Session { command: command.split(' ').map(str::to_owned).collect(), screen: lines.collect() }
    };
    blocks.map(session).collect()
}

#[test]
fn readme_terminal_sessions_match_real_ones() {
    let server = ServerProcess::start(&[]);
    // The README shows the default ports. The server of this test listens on free ports.
    let with_test_ports = |text: &str| {
        text.replace("12345", &server.commands.port().to_string()).replace("8080", &server.line.port().to_string())
    };
    let sessions = sessions();
    assert_eq!(sessions.len(), 3, "the README shows the terminals of Noy, Elias and User1");
    let screens: Vec<Vec<_>> =
        sessions.iter().map(|session| session.screen.iter().map(|line| with_test_ports(line)).collect()).collect();
    let open = |session: usize| {
        let mut command: Vec<_> = sessions[session].command.iter().map(|word| with_test_ports(word)).collect();
        if let Some(name) = command[0].strip_prefix("target/release/") {
            command[0] = program(name).to_str().expect("a UTF-8 path").to_owned();
            // The command in the README has no address, because the client connects to the default one.
            command.push(server.commands.to_string());
        }
        let args: Vec<_> = command[1..].iter().map(String::as_str).collect();
        Terminal::start(&command[0], &args)
    };
    let first_lines =
        |session: usize, count: usize| -> Vec<&str> { screens[session][..count].iter().map(String::as_str).collect() };
    let enter_line = |terminal: &Terminal, line: &str| {
        terminal.type_in(line);
        terminal.enter();
    };

    let noy = open(0);
    noy.wait_for(&first_lines(0, 1));
    enter_line(&noy, "REGISTER Noy");
    noy.wait_for(&first_lines(0, 3));
    let elias = open(1);
    noy.wait_for(&first_lines(0, 4));
    elias.wait_for_text("You are in a chat with Noy");
    enter_line(&elias, "hello, Noy");
    noy.wait_for(&first_lines(0, 5));
    enter_line(&noy, "MSG hello yourself");
    noy.wait_for(&first_lines(0, 7));
    let user1 = open(2);
    enter_line(&user1, "User1");
    user1.wait_for(&first_lines(2, 2));
    enter_line(&user1, "Elias: may I join? I have only nc too");

    for (session, terminal) in [(0, noy), (2, user1)] {
        terminal.wait_for(&first_lines(session, screens[session].len()));
    }
    // The README does not show the screen of the client.
    elias.wait_for_text("hello yourself");
    elias.wait_for_text("User1");
}
