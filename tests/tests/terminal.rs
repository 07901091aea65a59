//! The interactive client on a real terminal.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};

use switchboard_protocol::Dialect;
use switchboard_tests::process::{EmbeddedServer, program};
use switchboard_tests::stage::Received;
use switchboard_tests::terminal::Terminal;
use switchboard_tests::test_client::{TIMEOUT, TestClient};

/// Starts the client in a terminal.
fn start_client(args: &[&str]) -> Terminal {
    Terminal::start(program("switchboard").to_str().expect("a UTF-8 path"), args)
}

#[test]
fn incoming_messages_never_break_the_line_being_typed() {
    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Commands);
    let mut elias = TestClient::registered(address, "Elias");
    let terminal = start_client(&["--name", "Noy", "--chat", "Elias", &address.to_string()]);
    elias.expect("INCOMING_CONNECTION Noy");

    let connected = format!(":: Connected to {address}. /help shows what you can type.");
    let (registered, in_chat) =
        (":: You are Noy.", ":: You are in a chat with Elias: type to talk, DISCONNECT to leave.");
    terminal.wait_for(&[&connected, registered, in_chat, "Elias>"]);
    let unfinished = "a line that is long enough to fill more than one row of this terminal, and half";
    let input_line = format!("Elias> {unfinished}");
    terminal.type_in(unfinished);
    terminal.wait_for(&[&connected, registered, in_chat, &input_line]);

    // An incoming message appears above the line being typed. Control characters in the message are escaped.
    elias.send("MSG are you there?");
    elias.expect("MSG_SENT");
    let first_message = "Elias: are you there?";
    terminal.wait_for(&[&connected, registered, in_chat, first_message, &input_line]);
    elias.send("MSG \u{202e}and safe?");
    elias.expect("MSG_SENT");
    let second_message = r"Elias: \u{202e}and safe?";
    terminal.wait_for(&[&connected, registered, in_chat, first_message, second_message, &input_line]);

    // The typed line is unchanged.
    terminal.type_in(" done");
    terminal.enter();
    elias.expect(&format!("FROM Noy: {unfinished} done"));
    let sent_line = format!("{input_line} done");
    terminal.wait_for(&[&connected, registered, in_chat, first_message, second_message, &sent_line, "Elias>"]);

    terminal.type_in("/quit");
    terminal.enter();
    elias.expect("PEER_DISCONNECTED");
}

/// A server, and a terminal at which Elias chats with Noy.
fn elias_chats_with_noy() -> (EmbeddedServer, SocketAddr, TestClient, Terminal) {
    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Commands);
    let mut noy = TestClient::registered(address, "Noy");
    let terminal = start_client(&["--name", "Elias", "--chat", "Noy", &address.to_string()]);
    noy.expect("INCOMING_CONNECTION Elias");
    terminal.wait_for_end(&[":: You are in a chat with Noy: type to talk, DISCONNECT to leave.", "Noy>"]);
    (server, address, noy, terminal)
}

/// Checks that the server has sent no line to `client` that the test has not received.
#[track_caller]
fn expect_silence(client: &mut TestClient) {
    client.send("PING");
    client.expect("PONG");
}

#[test]
fn a_line_typed_for_a_peer_who_left_is_not_sent_to_the_next_peer() {
    let (_server, address, mut noy, terminal) = elias_chats_with_noy();
    let mut ada = TestClient::registered(address, "Ada");
    terminal.type_in("for Noy only");
    terminal.wait_for_end(&["Noy> for Noy only"]);
    noy.send("DISCONNECT");
    noy.expect("DISCONNECT_OK");
    ada.send("CONNECT Elias");
    ada.expect("CONNECT_OK Elias");
    terminal.wait_for_end(&[
        ":: You are in a chat with Noy: type to talk, DISCONNECT to leave.",
        ":: Noy left the chat.",
        ":: Ada opened a chat with you: type to answer, DISCONNECT to leave.",
        "Ada> for Noy only",
    ]);

    terminal.enter();
    let question = ":: You wrote this for Noy. Enter sends it to Ada, Ctrl-C clears it.";
    terminal.wait_for_end(&["Ada> for Noy only", question, "Ada> for Noy only"]);
    expect_silence(&mut ada);

    terminal.enter();
    ada.expect("FROM Elias: for Noy only");
    terminal.type_in("and this for Ada");
    terminal.enter();
    ada.expect("FROM Elias: and this for Ada");
    expect_silence(&mut noy);
}

#[test]
fn several_lines_for_a_peer_who_left_are_shown_again_in_their_order() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let terminal = start_client(&["--name", "Elias", &address]);
    let (mut to_client, _) = listener.accept().expect("the client connects");
    to_client.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    let mut from_client = BufReader::new(to_client.try_clone().expect("a clone")).lines();
    let mut receive = || from_client.next().expect("a line").expect("no error");
    let mut send = |lines: &str| to_client.write_all(lines.as_bytes()).expect("the client reads");
    send("WELCOME\n");
    assert_eq!(receive(), "REGISTER Elias");
    send("REGISTER_OK Elias\nINCOMING_CONNECTION Noy\n");
    terminal.wait_for_end(&["Noy>"]);

    // The client sends no further line before the answer to the first one.
    let lines = ["one", "two", "three", "four", "five"];
    for line in ["zero"].iter().chain(&lines) {
        terminal.type_in(line);
        terminal.enter();
        // Lines that arrive at once would be a paste.
        terminal.wait_for_end(&[&format!("Noy> {line}"), "Noy>"]);
    }
    assert_eq!(receive(), "MSG zero");
    send("PEER_DISCONNECTED\nINCOMING_CONNECTION Ada\nMSG_SENT\n");
    terminal.wait_for_end(&["Ada> one", "two", "three", "four", "five"]);
    send("PEER_DISCONNECTED\nINCOMING_CONNECTION Bob\n");
    terminal.wait_for_end(&["Bob> one", "two", "three", "four", "five"]);
    terminal.enter();
    let question = ":: You wrote this for Ada. Enter sends it to Bob, Ctrl-C clears it.";
    terminal.wait_for_end(&[question, "Bob> one", "two", "three", "four", "five"]);
    terminal.enter();
    terminal.wait_for_end(&["Send 5 lines to Bob? Enter sends, Ctrl-C discards:"]);
    send("PEER_DISCONNECTED\nINCOMING_CONNECTION Eve\n");
    terminal.wait_for_text(":: You wrote this for Bob. Enter sends it to Eve, Ctrl-C clears it.");
    terminal.wait_for_end(&["Eve> one", "two", "three", "four", "five"]);
    terminal.enter();
    terminal.wait_for_end(&["Send 5 lines to Eve? Enter sends, Ctrl-C discards:"]);
    terminal.enter();
    for line in lines {
        assert_eq!(receive(), format!("MSG {line}"));
        send("MSG_SENT\n");
    }
}

#[test]
fn a_long_paste_asks_first_and_ends_with_the_chat() {
    let (_server, address, mut noy, terminal) = elias_chats_with_noy();
    let mut ada = TestClient::registered(address, "Ada");
    let lines: Vec<_> = (1..=400).map(|number| format!("line {number}")).collect();
    terminal.paste(&lines.join("\n"), true);
    terminal.wait_for_end(&["line 400"]);
    terminal.enter();
    let question = "Send 400 lines to Noy? Enter sends, Ctrl-C discards:";
    terminal.wait_for_end(&[question]);
    expect_silence(&mut noy);
    terminal.control('c');
    terminal.wait_for_end(&[":: The 400 pasted lines were discarded.", "Noy>"]);
    expect_silence(&mut noy);

    terminal.paste(&lines.join("\n"), true);
    terminal.wait_for_end(&["line 400"]);
    terminal.enter();
    terminal.wait_for_end(&[question]);
    terminal.enter();
    noy.expect("FROM Elias: line 1");
    noy.send("DISCONNECT");
    while noy.receive() != Received::Line("DISCONNECT_OK".to_owned()) {}
    terminal.wait_for_text("pasted lines were not sent: the chat with Noy is over");
    ada.send("CONNECT Elias");
    ada.expect("CONNECT_OK Elias");
    terminal.wait_for_end(&[":: Ada opened a chat with you: type to answer, DISCONNECT to leave.", "Ada>"]);
    expect_silence(&mut ada);
}

#[test]
fn pasted_text_is_never_a_command() {
    let (_server, _address, mut noy, terminal) = elias_chats_with_noy();
    for is_bracketed in [true, false] {
        terminal.paste("DISCONNECT\n/quit\n/msg Ada hi", is_bracketed);
        let rows = ["Noy> DISCONNECT", "/quit", "Noy> DISCONNECT", "/quit", "/msg Ada hi"];
        // Without marks, the editor first takes each line, and then shows them again as one paste.
        terminal.wait_for_end(if is_bracketed { &rows[2..] } else { &rows });
        expect_silence(&mut noy);
        terminal.enter();
        for line in ["DISCONNECT", "/quit", "/msg Ada hi"] {
            noy.expect(&format!("FROM Elias: {line}"));
        }
    }
    terminal.paste("DISCONNECT", true);
    terminal.enter();
    noy.expect("FROM Elias: DISCONNECT");
    // The history has typed lines only.
    terminal.type_in("hi");
    terminal.enter();
    noy.expect("FROM Elias: hi");
    terminal.paste("/quit", true);
    terminal.enter();
    noy.expect("FROM Elias: /quit");
    terminal.control('p');
    terminal.enter();
    noy.expect("FROM Elias: hi");
    terminal.type_in("DISCONNECT");
    terminal.enter();
    noy.expect("PEER_DISCONNECTED");
}

#[test]
fn a_message_for_another_user_is_not_sent_to_the_peer() {
    let (_server, address, mut noy, terminal) = elias_chats_with_noy();
    let _ada = TestClient::registered(address, "Ada");
    terminal.type_in("/msg Ada hi");
    terminal.enter();
    terminal.wait_for_end(&[
        "Noy> /msg Ada hi",
        ":! not sent: you are in a chat with Noy, not with Ada. DISCONNECT and CONNECT Ada opens another chat",
        "Noy>",
    ]);
    expect_silence(&mut noy);
    terminal.type_in("/msg noy hi");
    terminal.enter();
    noy.expect("FROM Elias: hi");
}

#[test]
fn a_long_paste_without_marks_asks_first() {
    let (_server, _address, mut noy, terminal) = elias_chats_with_noy();
    terminal.paste("DISCONNECT\n/quit\nWHO\nPING\nthe end", false);
    // The last LF of a slow paste may still follow. It is no answer to the question.
    terminal.wait_for_end(&["Noy> DISCONNECT", "/quit", "WHO", "PING", "the end"]);
    expect_silence(&mut noy);
    terminal.paste("\n", false);
    terminal.wait_for_end(&["Send 5 lines to Noy? Enter sends, Ctrl-C discards:"]);
    expect_silence(&mut noy);
    terminal.enter();
    for line in ["DISCONNECT", "/quit", "WHO", "PING", "the end"] {
        noy.expect(&format!("FROM Elias: {line}"));
    }
}

#[test]
fn sigint_ends_the_client_also_after_a_paste_without_marks() {
    let (_server, _address, mut noy, terminal) = elias_chats_with_noy();
    let lines: Vec<_> = (1..=400).map(|number| format!("line {number}")).collect();
    terminal.paste(&(lines.join("\n") + "\n"), false);
    terminal.wait_for_end(&["Send 400 lines to Noy? Enter sends, Ctrl-C discards:"]);
    terminal.control('c');
    terminal.wait_for_end(&[":: The 400 pasted lines were discarded.", "Noy>"]);
    terminal.interrupt();
    noy.expect("PEER_DISCONNECTED");
}

#[test]
fn the_begin_of_the_next_line_is_typed_ahead() {
    let (_server, address, mut noy, terminal) = elias_chats_with_noy();
    let mut ada = TestClient::registered(address, "Ada");
    terminal.paste("DISCONNECT\nCON", false);
    noy.expect("PEER_DISCONNECTED");
    terminal.wait_for_end(&["> CON"]);
    terminal.type_in("NECT Ada");
    terminal.enter();
    ada.expect("INCOMING_CONNECTION Elias");
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
    terminal.paste("Noy: one\nNoy: /quit\nNoy: thr", true);
    for text in ["one", "/quit"] {
        noy.expect(&format!("[Elias] {text}"));
    }
    // A message arrives on a line of its own, and the typed line stays valid.
    noy.send("Elias: four");
    terminal.wait_for_end(&["Noy: thr", "[Noy] four", ">"]);
    terminal.type_in("ee");
    terminal.enter();
    noy.expect("[Elias] three");
}
