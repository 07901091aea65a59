//! The program `switchboard` with a real server: parallel senders, and a network that fails.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use switchboard_protocol::Dialect;
use switchboard_server::Settings;
use switchboard_tests::process::{EmbeddedServer, program};
use switchboard_tests::stage::Received;
use switchboard_tests::test_client::{TIMEOUT, TestClient};
use switchboard_tests::wire_lab::in_namespace;
use tokio::time::Instant;

/// A running `switchboard`, with its lines of standard output and standard error. Dropping it kills the process.
struct Program {
    child: Child,
    out: mpsc::Receiver<String>,
    errors: mpsc::Receiver<String>,
}

impl Program {
    fn start(args: &[&str]) -> Self {
        let mut command = Command::new(program("switchboard"));
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");
        let out = lines(child.stdout.take().expect("a piped stream"));
        let errors = lines(child.stderr.take().expect("a piped stream"));
        Self { child, out, errors }
    }

    /// The next line on standard error that contains `part`.
    fn error_with(&self, part: &str) -> String {
        loop {
            let line = self.errors.recv_timeout(TIMEOUT).unwrap_or_else(|_| panic!("no error has {part:?}"));
            if line.contains(part) {
                return line;
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || BufReader::new(stream).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    receiver
}

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
    let listener = Program::start(&["listen", &address, "--name", "Noy", "--count", &SENDERS.to_string()]);
    wait_for_user(&server, "Noy");
    let senders: Vec<_> =
        (0..SENDERS).map(|sender| Program::start(&["send", &address, "Noy", &sender.to_string()])).collect();
    for mut sender in senders {
        let status = sender.child.wait().expect("a child of this process");
        assert!(status.success(), "{:?}", sender.errors.recv_timeout(TIMEOUT));
    }
    let received = (0..SENDERS).map(|_| listener.out.recv_timeout(TIMEOUT).expect("a message"));
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
        let listener = Program::start(&["listen", &address, "--name", "Noy", "--ping-after", "400ms"]);
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
        assert_eq!(listener.out.recv_timeout(TIMEOUT).as_deref(), Ok("Elias: hi"));
    });
}
