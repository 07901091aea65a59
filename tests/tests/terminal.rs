//! The interactive client on a real terminal.

use switchboard_protocol::Dialect;
use switchboard_tests::process::{EmbeddedServer, program};
use switchboard_tests::terminal::Terminal;
use switchboard_tests::test_client::TestClient;

#[test]
fn incoming_messages_never_break_the_line_being_typed() {
    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Commands);
    let mut elias = TestClient::registered(address, "Elias");
    let client = program("switchboard");
    let terminal = Terminal::start(
        client.to_str().expect("a UTF-8 path"),
        &["--name", "Noy", "--chat", "Elias", &address.to_string()],
    );
    elias.expect("INCOMING_CONNECTION Noy");

    let connected = format!("* Connected to {address}. /help shows what you can type.");
    let (you, chat) = ("* You are Noy.", "* You are in a chat with Elias: type to talk, DISCONNECT to leave.");
    let half = "a line that is long enough to fill more than one row of this terminal, and half";
    let typing = format!("> {half}");
    terminal.type_in(half);
    terminal.wait_for(&[&connected, you, chat, &typing]);

    // An incoming message appears above the line being typed. Terminal controls in it are escaped.
    elias.send("MSG are you there?");
    elias.expect("MSG_SENT");
    terminal.wait_for(&[&connected, you, chat, "Elias: are you there?", &typing]);
    elias.send("MSG \u{202e}and safe?");
    elias.expect("MSG_SENT");
    let (there, safe) = ("Elias: are you there?", r"Elias: \u{202e}and safe?");
    terminal.wait_for(&[&connected, you, chat, there, safe, &typing]);

    // The typed line is unchanged.
    terminal.type_in(" done");
    terminal.enter();
    elias.expect(&format!("FROM Noy: {half} done"));
    terminal.wait_for(&[&connected, you, chat, there, safe, &format!("{typing} done"), ">"]);

    terminal.type_in("/quit");
    terminal.enter();
    elias.expect("PEER_DISCONNECTED");
}
