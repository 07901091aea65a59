//! Attacks on the handshake of the web listener: each connection ends within its bound, and a session beside them goes
//! on.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use socket2::{Domain, Socket, Type};
use switchboard_tests::stream::Stream;
use switchboard_tests::test_client::{TIMEOUT, TestClient};
use switchboard_tests::web_client::WebSocketStream;

use crate::server::WebServer;

/// Time after which the server gives up a handshake, with room for a busy machine.
const HANDSHAKE_GIVEN_UP: Duration = Duration::from_secs(16);

/// Longest time for the answer to a bystander's line. A person takes no notice of it.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Handshakes of a flood, and the threads that make them.
const FLOOD: usize = 2000;
const FLOOD_THREADS: usize = 4;

/// The attackers' address on this machine. The bystander has another one.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Limit of sessions for each address.
const SESSIONS_MAX: usize = 8;

#[expect(clippy::disallowed_methods, reason = "a real server lives in real time")]
fn now() -> Instant {
    Instant::now()
}

/// A session over HTTPS that must not notice the attack.
struct Bystander {
    client: TestClient,
    slowest: Duration,
}

impl Bystander {
    fn of(server: &WebServer) -> Self {
        let mut client = TestClient::over_web_socket(WebSocketStream::open(server.connect_tls()));
        client.expect("WELCOME");
        client.send("REGISTER Bystander");
        client.expect("REGISTER_OK Bystander");
        Self { client, slowest: Duration::ZERO }
    }

    /// Measures the answer to a line. Nothing else comes before it.
    fn ask(&mut self) {
        let start = now();
        self.client.send("PING");
        self.client.expect("PONG");
        self.slowest = self.slowest.max(start.elapsed());
    }

    /// Asks until the attack is over.
    fn ask_until(&mut self, mut is_over: impl FnMut() -> bool) {
        while !is_over() {
            self.ask();
        }
        println!("slowest answer to the bystander: {:?}", self.slowest);
        assert!(self.slowest < ANSWER_MAX, "the bystander waits for {:?}", self.slowest);
    }
}

/// Connects from the attackers' address.
fn connect(server: &WebServer) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((ATTACKER, 0)).into()).expect("an address of this machine");
    socket.connect(&server.address.into()).expect("the server listens");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout above zero");
    stream
}

/// The first message of a handshake.
fn client_hello() -> Vec<u8> {
    let config = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let name = "localhost".try_into().expect("a name");
    let mut session = ClientConnection::new(Arc::new(config), name).expect("a valid configuration");
    let mut hello = Vec::new();
    session.write_tls(&mut hello).expect("memory takes all bytes");
    hello
}

/// Reads until the server closes the connection. Returns the number of bytes.
fn read_to_end(stream: &mut TcpStream) -> usize {
    let mut received = [0; 4096];
    let mut total = 0;
    while let Ok(len @ 1..) = stream.read(&mut received) {
        total += len;
    }
    total
}

/// Sends one byte after the other, with pauses that keep the handshake unfinished. Returns when the server has closed
/// the connection.
fn trickle(mut stream: TcpStream, bytes: &[u8]) {
    stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout above zero");
    for byte in bytes {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        match stream.read(&mut [0; 64]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(1..) => panic!("the server answers an unfinished handshake"),
            Ok(0) | Err(_) => return,
        }
    }
    panic!("the server takes {} bytes one by one", bytes.len());
}

#[test]
fn slow_handshakes_end_and_disturb_nobody() {
    let server = WebServer::start(&[]);
    let mut bystander = Bystander::of(&server);
    let hello = client_hello();
    let start = now();
    // No byte, a part of a record, and a handshake that the client does not finish.
    let beginnings: [&[u8]; 4] = [b"", b"\x16", &hello[..hello.len() / 2], &hello];
    let mut slow: Vec<TcpStream> = Vec::new();
    for bytes in beginnings {
        for _ in 0..50 {
            let mut stream = connect(&server);
            stream.write_all(bytes).expect("a new connection");
            slow.push(stream);
        }
    }
    let trickling: Vec<_> = (0..20).map(|_| connect(&server)).collect();
    let attack = thread::spawn(move || {
        let assert_in_time =
            || assert!(start.elapsed() < HANDSHAKE_GIVEN_UP, "a handshake lasts {:?}", start.elapsed());
        thread::scope(|scope| {
            for stream in trickling {
                scope.spawn(|| {
                    trickle(stream, &hello);
                    assert_in_time();
                });
            }
            for mut stream in slow {
                read_to_end(&mut stream);
                assert_in_time();
            }
        });
    });
    bystander.ask_until(|| attack.is_finished());
    attack.join().expect("each handshake ends in time");
}

#[test]
fn flood_of_handshakes_delays_nobody() {
    let server = WebServer::start(&[]);
    let mut bystander = Bystander::of(&server);
    let attack = |address, certificate: CertificateDer<'static>| {
        for _ in 0..FLOOD / FLOOD_THREADS {
            drop(Stream::connect_tls(address, certificate.clone()));
        }
    };
    let threads: Vec<_> = (0..FLOOD_THREADS)
        .map(|_| {
            let (address, certificate) = (server.address, server.certificate());
            thread::spawn(move || attack(address, certificate))
        })
        .collect();
    bystander.ask_until(|| threads.iter().all(thread::JoinHandle::is_finished));
    for thread in threads {
        thread.join().expect("the server shakes hands with each");
    }
}

#[test]
fn handshakes_of_one_address_are_bounded() {
    let limit = SESSIONS_MAX.to_string();
    let flags = ["--limit-loopback", "--max-sessions-per-address", &limit, "--lines-per-second", "0"];
    let server = WebServer::start(&flags);
    let mut bystander = Bystander::of(&server);
    let hello = client_hello();
    let mut half_open: Vec<_> = (0..SESSIONS_MAX).map(|_| connect(&server)).collect();
    for stream in &mut half_open {
        stream.write_all(&hello).expect("a new connection");
        // The server has admitted the connection: it answers.
        stream.read_exact(&mut [0]).expect("the server's part of the handshake");
    }
    let refused: Vec<_> = (0..200).map(|_| connect(&server)).collect();
    let attack = thread::spawn(move || {
        for mut stream in refused {
            // The server may have closed the connection already.
            let _ = stream.write_all(&hello);
            assert_eq!(read_to_end(&mut stream), 0, "a connection over the limit gets no handshake");
        }
    });
    bystander.ask_until(|| attack.is_finished());
    attack.join().expect("each connection over the limit is closed");
    // Connections that end make room for others.
    drop(half_open);
    let start = now();
    loop {
        let mut stream = connect(&server);
        let _ = stream.write_all(&client_hello());
        if matches!(stream.read(&mut [0]), Ok(1)) {
            break;
        }
        assert!(start.elapsed() < TIMEOUT, "the closed connections still count");
    }
}
