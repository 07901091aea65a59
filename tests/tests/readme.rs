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
    let blocks = readme.split("```console\n").skip(1).map(|rest| rest.split("```").next().expect("the block ends"));
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
    // The README shows the default ports, this test has free ones.
    let here = |text: &str| {
        text.replace("12345", &server.commands.port().to_string()).replace("8080", &server.line.port().to_string())
    };
    let sessions = sessions();
    assert_eq!(sessions.len(), 3, "Noy, Elias and User1");
    let screens: Vec<Vec<_>> =
        sessions.iter().map(|session| session.screen.iter().map(|line| here(line)).collect()).collect();
    let open = |who: usize| {
        let mut command: Vec<_> = sessions[who].command.iter().map(|word| here(word)).collect();
        if let Some(name) = command[0].strip_prefix("target/release/") {
            command[0] = program(name).to_str().expect("a UTF-8 path").to_owned();
            // The README leaves out the address, which is the default.
            command.push(server.commands.to_string());
        }
        let args: Vec<_> = command[1..].iter().map(String::as_str).collect();
        Terminal::start(&command[0], &args)
    };
    let shown = |who: usize, lines: usize| -> Vec<&str> { screens[who][..lines].iter().map(String::as_str).collect() };
    let say = |terminal: &Terminal, line: &str| {
        terminal.type_in(line);
        terminal.enter();
    };

    let noy = open(0);
    noy.wait_for(&shown(0, 1));
    say(&noy, "REGISTER Noy");
    noy.wait_for(&shown(0, 3));
    let elias = open(1);
    noy.wait_for(&shown(0, 4));
    say(&elias, "hello, Noy");
    noy.wait_for(&shown(0, 5));
    say(&noy, "MSG hello yourself");
    noy.wait_for(&shown(0, 7));
    let user1 = open(2);
    say(&user1, "User1");
    user1.wait_for(&shown(2, 2));
    say(&user1, "Elias: may I join? I have only nc too");

    for (who, terminal) in [noy, elias, user1].iter().enumerate() {
        terminal.wait_for(&shown(who, screens[who].len()));
    }
}
