//! The program `switchboard` with a real server: parallel senders, and a network that fails.

use std::process::Command;
use std::thread;
use std::time::Duration;

use switchboard_protocol::Dialect;
use switchboard_server::Settings;
use switchboard_tests::client_program::ClientProgram;
use switchboard_tests::process::{EmbeddedServer, program};
use switchboard_tests::stage::Received;
use switchboard_tests::test_client::{TIMEOUT, TestClient};
use switchboard_tests::wire_lab::in_namespace;
use tokio::time::Instant;

/// Waits until the server has a user `name`.
fn wait_for_user(server: &EmbeddedServer, name: &str) {
    let mut client = TestClient::connect(server.address(Dialect::Commands));
    client.expect("WELCOME");
    let deadline = Instant::now() + TIMEOUT;
    while Instant::now() < deadline {
        client.send("WHO");
        match client.receive() {
            Received::Line(users) if users.trim_start_matches("USERS ").split(',').any(|user| user == name) => return,
            _ => thread::sleep(Duration::from_millis(10)),
        }
    }
    panic!("no user {name}");
}

#[test]
fn messages_of_parallel_senders_reach_one_listener() {
    const SENDERS: usize = 10;
    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Commands).to_string();
    let listener = ClientProgram::start(&["listen", &address, "--name", "Noy", "--count", &SENDERS.to_string()]);
    wait_for_user(&server, "Noy");
    let senders: Vec<_> =
        (0..SENDERS).map(|sender| ClientProgram::start(&["send", &address, "Noy", &sender.to_string()])).collect();
    for mut sender in senders {
        let status = sender.wait();
        assert!(status.success(), "{}", sender.error_with(""));
    }
    let received = (0..SENDERS).map(|_| listener.line());
    let mut numbers: Vec<usize> =
        received.map(|line| line.split(": ").nth(1).and_then(|text| text.parse().ok()).expect("a number")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..SENDERS).collect::<Vec<_>>());
}

#[test]
fn a_listener_notices_that_its_address_is_gone_and_returns_with_its_name() {
    // Built here, because a build inside the namespace has no network.
    let _ = program("switchboard");
    in_namespace("a_listener_notices_that_its_address_is_gone_and_returns_with_its_name", || {
        let settings = Settings {
            keepalive: Duration::from_secs(1),
            outbox_timeout: Duration::from_secs(2),
            user_timeout: Duration::from_secs(2),
            ..Settings::default()
        };
        let server = EmbeddedServer::with_settings(settings);
        let address = server.address(Dialect::Commands).to_string();
        let listener = ClientProgram::start(&["listen", &address, "--name", "Noy", "--ping-after", "400ms"]);
        wait_for_user(&server, "Noy");
        // No packet from or to the address of the connection arrives any more, and no FIN or RST says so.
        let change_address = |verb| {
            let status = Command::new("ip").args(["address", verb, "127.0.0.1/8", "dev", "lo"]).status();
            assert!(status.is_ok_and(|status| status.success()), "ip is installed (Debian: iproute2)");
        };
        change_address("del");
        listener.error_with("nothing came from the server for");
        change_address("add");
        listener.error_with("reconnected as Noy");
        let mut elias = TestClient::registered(server.address(Dialect::Commands), "Elias");
        elias.send("CONNECT Noy");
        elias.expect("CONNECT_OK Noy");
        elias.send("MSG hi");
        elias.expect("MSG_SENT");
        assert_eq!(listener.line(), "Elias: hi");
    });
}
