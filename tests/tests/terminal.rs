//! The client on a real terminal.

use std::net::SocketAddr;

use switchboard_protocol::Dialect;
use switchboard_tests::process::{EmbeddedServer, program};
use switchboard_tests::terminal::Terminal;
use switchboard_tests::test_client::TestClient;

/// Starts the client in a terminal.
fn start_client(args: &[&str]) -> Terminal {
    Terminal::start(program("switchboard").to_str().expect("a UTF-8 path"), args)
}

/// A server, and a terminal at which Elias chats with Noy.
fn elias_chats_with_noy() -> (EmbeddedServer, SocketAddr, TestClient, Terminal) {
    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Commands);
    let mut noy = TestClient::registered(address, "Noy");
    let terminal = start_client(&["--name", "Elias", "--chat", "Noy", &address.to_string()]);
    noy.expect("INCOMING_CONNECTION Elias");
    terminal.wait_for_text("You are in a chat with Noy");
    (server, address, noy, terminal)
}

/// Checks that the server has sent no line to `client` that the test has not received.
#[track_caller]
fn expect_silence(client: &mut TestClient) {
    client.send("PING");
    client.expect("PONG");
}

#[test]
fn incoming_messages_never_break_the_line_being_typed() {
    let (_server, _address, mut noy, terminal) = elias_chats_with_noy();
    terminal.type_in("half a");
    terminal.wait_for_text("Noy> half a");
    noy.send("MSG are you there?");
    noy.expect("MSG_SENT");
    // Control characters in a message are escaped.
    noy.send("MSG \u{202e}and safe?");
    noy.expect("MSG_SENT");
    terminal.wait_for_text("are you there?");
    terminal.wait_for_text(r"\u{202e}and safe?");
    terminal.wait_for_text("Noy> half a");
    terminal.type_in(" line");
    terminal.enter();
    noy.expect("FROM Elias: half a line");
}

#[test]
fn a_line_typed_for_a_peer_who_left_is_not_sent_to_the_next_peer() {
    let (_server, address, mut noy, terminal) = elias_chats_with_noy();
    let mut ada = TestClient::registered(address, "Ada");
    terminal.type_in("for Noy only");
    terminal.wait_for_text("Noy> for Noy only");
    noy.send("DISCONNECT");
    noy.expect("DISCONNECT_OK");
    ada.send("CONNECT Elias");
    ada.expect("CONNECT_OK Elias");
    terminal.wait_for_text("Noy left the chat.");
    terminal.enter();
    // The question names Noy, and Ada gets nothing.
    terminal.wait_for_text("Noy is not in a chat with you.");
    expect_silence(&mut ada);
    expect_silence(&mut noy);
    terminal.press("Escape");
    terminal.wait_for_text("Noy> for Noy only");
    expect_silence(&mut ada);
}

#[test]
fn pasted_text_is_never_a_command() {
    let (_server, _address, mut noy, terminal) = elias_chats_with_noy();
    for is_bracketed in [true, false] {
        terminal.paste("DISCONNECT\n/quit\n/msg Ada hi", is_bracketed);
        terminal.wait_for_text("Noy> DISCONNECT");
        terminal.wait_for_text("/msg Ada hi");
        expect_silence(&mut noy);
        terminal.enter();
        // One of the lines may have been meant for Ada.
        terminal.wait_for_text("This begins like a command");
        expect_silence(&mut noy);
        terminal.enter();
        for line in ["DISCONNECT", "/quit", "/msg Ada hi"] {
            noy.expect(&format!("FROM Elias: {line}"));
        }
    }
    terminal.paste("/quit", true);
    terminal.enter();
    terminal.wait_for_text("This begins like a command");
    terminal.enter();
    noy.expect("FROM Elias: /quit");
    terminal.type_in("/quit");
    terminal.enter();
    noy.expect("PEER_DISCONNECTED");
}

#[test]
fn a_long_paste_asks_first() {
    let (_server, _address, mut noy, terminal) = elias_chats_with_noy();
    let lines: Vec<_> = (1..=400).map(|number| format!("line {number}")).collect();
    for is_bracketed in [true, false] {
        // Without marks, the last LF belongs to the paste, and does not answer the question.
        terminal.paste(&(lines.join("\n") + "\n"), is_bracketed);
        terminal.wait_for_text("line 400");
        expect_silence(&mut noy);
        terminal.enter();
        terminal.wait_for_text("Send 400 lines to Noy");
        expect_silence(&mut noy);
        // The first one closes the question, and the second one clears the text.
        terminal.control('c');
        terminal.control('c');
        terminal.wait_for_text("Cleared.");
    }
    expect_silence(&mut noy);
}

#[test]
fn a_message_for_another_user_is_not_sent_to_the_peer() {
    let (_server, address, mut noy, terminal) = elias_chats_with_noy();
    let _ada = TestClient::registered(address, "Ada");
    terminal.type_in("/msg Ada hi");
    terminal.enter();
    terminal.wait_for_text("Not sent: you are in a chat with Noy.");
    expect_silence(&mut noy);
}

#[test]
fn sigint_ends_the_client() {
    let (_server, _address, mut noy, terminal) = elias_chats_with_noy();
    terminal.type_in("half a line");
    terminal.wait_for_text("half a line");
    terminal.interrupt();
    noy.expect("PEER_DISCONNECTED");
}

#[test]
fn resizes_while_messages_arrive_lose_and_double_nothing() {
    const MESSAGES: usize = 300;
    let (_server, _address, mut noy, terminal) = elias_chats_with_noy();
    terminal.type_in("a draft");
    for number in 0..MESSAGES {
        noy.send(&format!("MSG message-{number:03}"));
        noy.expect("MSG_SENT");
        if number % 10 == 0 {
            let (columns, rows) = [(200, 50), (20, 5), (40, 12), (1, 1), (79, 23)][number / 10 % 5];
            terminal.resize(columns, rows);
        }
    }
    terminal.resize(80, 24);
    terminal.wait_for_text(&format!("message-{:03}", MESSAGES - 1));
    // Only a screen of the last size has room for so many.
    terminal.wait_for_text(&format!("message-{:03}", MESSAGES - 15));
    terminal.wait_for_text("Noy> a draft");
    let screen = terminal.screen();
    let shown: Vec<usize> =
        screen.lines().filter_map(|line| line.split_once("message-")?.1.get(..3)?.parse().ok()).collect();
    assert!(shown.len() >= 10, "{screen}");
    assert_eq!(shown, (MESSAGES - shown.len()..MESSAGES).collect::<Vec<_>>(), "{screen}");
}

#[test]
fn ctrl_z_gives_the_terminal_to_the_shell_until_fg() {
    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Commands);
    let mut noy = TestClient::registered(address, "Noy");
    let terminal = Terminal::start("bash", &["--norc", "--noprofile", "-i"]);
    let client = program("switchboard");
    terminal.type_in(&format!("{} --name Elias --chat Noy {address}", client.display()));
    terminal.enter();
    noy.expect("INCOMING_CONNECTION Elias");
    terminal.wait_for_text("You are in a chat with Noy");
    terminal.type_in("half a");
    terminal.wait_for_text("Noy> half a");
    terminal.control('z');
    terminal.wait_for_text("Stopped");
    terminal.type_in("echo the shell; stty -a | grep -o ' echo '");
    terminal.enter();
    terminal.wait_for_text("the shell");
    terminal.wait_for_text(" echo");
    terminal.type_in("fg");
    terminal.enter();
    terminal.wait_for_text("Noy> half a");
    terminal.type_in(" line");
    terminal.enter();
    noy.expect("FROM Elias: half a line");
    terminal.type_in("/quit");
    terminal.enter();
    noy.expect("PEER_DISCONNECTED");
    terminal.type_in("echo back; stty -a | grep -o ' echo '");
    terminal.enter();
    terminal.wait_for_text("back");
}

#[test]
fn the_line_dialect_is_plain_at_a_terminal() {
    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Line);
    let mut noy = TestClient::connect(address);
    noy.send("Noy");
    noy.expect("Welcome Noy! You can now chat.");
    let args = ["--dialect", "line", "--name", "Elias", &address.to_string()];
    let terminal = start_client(&args);
    terminal.wait_for(&["Welcome Elias! You can now chat.", ">"]);
    terminal.paste("Noy: one\nNoy: /quit\n", true);
    for text in ["one", "/quit"] {
        noy.expect(&format!("[Elias] {text}"));
    }
    terminal.wait_for_end(&["Noy: /quit", ">"]);
    terminal.type_in("Noy: thr");
    terminal.wait_for_end(&["> Noy: thr"]);
    // A message arrives on a line of its own, and the typed line stays valid.
    noy.send("Elias: four");
    terminal.wait_for_end(&["> Noy: thr", "[Noy] four", ">"]);
    terminal.type_in("ee");
    terminal.enter();
    noy.expect("[Elias] three");
}
