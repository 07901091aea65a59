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

    let connected = format!(":: Connected to {address}. /help shows what you can type.");
    let (registered, in_chat) =
        (":: You are Noy.", ":: You are in a chat with Elias: type to talk, DISCONNECT to leave.");
    let unfinished = "a line that is long enough to fill more than one row of this terminal, and half";
    let input_line = format!("> {unfinished}");
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
    terminal.wait_for(&[&connected, registered, in_chat, first_message, second_message, &sent_line, ">"]);

    terminal.type_in("/quit");
    terminal.enter();
    elias.expect("PEER_DISCONNECTED");
}
