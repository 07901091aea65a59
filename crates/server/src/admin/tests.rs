//! Requests of a monitoring and of strangers, over a socket.

use switchboard_store::{FaultyStore, MemoryLimits, MemoryStore, Operation, Store, StoreError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::admission::Admission;
use crate::control::RunningServer;
use crate::run::load_hub;
use crate::settings::Settings;

/// Starts a listener on a free port. It ends with the runtime of the test.
async fn start(store: Box<dyn Store>, token: Option<AdminToken>) -> (SocketAddr, ControlledServer) {
    let hub = load_hub(Settings::default(), store).expect("a store");
    let running = RunningServer::new(&[], &[], Admission::new(&hub.settings), None);
    let server = ControlledServer { hub, running: Some(Arc::new(running)) };
    let any = "127.0.0.1:0".parse().expect("an address");
    let listener = AdminListener::bind(&any, token.as_ref()).await.expect("a free port").remove(0);
    let address = listener.local_addr().expect("a bound socket");
    tokio::spawn(serve(listener, server.clone()));
    (address, server)
}

fn memory() -> MemoryStore {
    MemoryStore::new(MemoryLimits { bytes: 1 << 20, records_per_conversation: 16 })
}

/// Sends a request, and returns the status and the body of the response. The connection ends after it.
async fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    let mut response = String::new();
    stream.read_to_string(&mut response).await.expect("the server answers, and closes");
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_default(), body.to_owned())
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

#[tokio::test]
async fn stranger_gets_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "0123456789abcdef").expect("a writable folder");
    let token = AdminToken::read(&file).expect("a token");
    let (address, _server) = start(Box::new(memory()), Some(token)).await;
    let right = "Authorization: Bearer 0123456789abcdef\r\n";
    let cases = [
        (get("/metrics", ""), 401),
        (get("/healthz", ""), 401),
        (get("/other", ""), 401),
        (get("/metrics", "Authorization: Bearer 0123456789abcdeF\r\n"), 401),
        (get("/metrics", "Authorization: Basic 0123456789abcdef\r\n"), 401),
        (get("/metrics", "Authorization: 0123456789abcdef\r\n"), 401),
        (get("/metrics", &right.repeat(2)), 401),
        (get("/", right), 404),
        (get("/metrics/", right), 404),
        (get("/metrics", right).replace("GET", "POST"), 405),
        (get("/metrics", right).replace("Host: localhost", "Host: evil.example"), 421),
        (get("/metrics", right).replace("Host: localhost\r\n", ""), 421),
        (get("/metrics", &format!("{right}Padding: {}\r\n", "x".repeat(9000))), 431),
        ("HELLO 2\r\n\r\n".to_owned(), 400),
    ];
    for (request, expected) in cases {
        let (status, body) = ask(address, &request).await;
        assert_eq!((status, &*body), (expected, ""), "{request:.100}");
    }
    let (status, body) = ask(address, &get("/metrics", &right.to_lowercase())).await;
    assert_eq!(status, 200);
    assert!(body.contains("\nswitchboard_connections 0\n"), "{body}");
}

#[tokio::test]
async fn further_connections_are_closed_while_strangers_hold_all() {
    let (address, _server) = start(Box::new(memory()), None).await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        held.push(TcpStream::connect(address).await.expect("the server listens"));
    }
    let mut further = TcpStream::connect(address).await.expect("the server listens");
    assert_eq!(further.read(&mut [0]).await.unwrap_or_default(), 0, "closed at once");
    drop(held);
    // The server notices the ends one after the other.
    let freed = async { while ask_if_open(address).await != 200 {} };
    timeout(Duration::from_secs(20), freed).await.expect("the connections end");
}

/// The status of a request for `/healthz`, or 0 if the connection is closed.
async fn ask_if_open(address: SocketAddr) -> u16 {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let _ = stream.write_all(get("/healthz", "").as_bytes()).await;
    let mut response = String::new();
    let _ = stream.read_to_string(&mut response).await;
    response.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

#[tokio::test]
async fn server_is_ready_while_its_store_takes_changes_and_it_does_not_stop() {
    let (address, server) = start(Box::new(memory()), None).await;
    assert_eq!(ask(address, &get("/healthz", "")).await, (200, "alive\n".to_owned()));
    assert_eq!(ask(address, &get("/readyz", "")).await, (200, "ready\n".to_owned()));
    let planned_stop = &server.running.as_ref().expect("a running server").planned_stop;
    planned_stop.plan(Some(tokio::time::Instant::now() + std::time::Duration::from_mins(1)));
    let stopping = (503, "not ready: the server is stopping\n".to_owned());
    assert_eq!(ask(address, &get("/readyz", "")).await, stopping);
    planned_stop.plan(None);
    assert_eq!(ask(address, &get("/readyz", "")).await, (200, "ready\n".to_owned()));
    server.hub.stop();
    assert_eq!(ask(address, &get("/readyz", "")).await, stopping);
    assert_eq!(ask(address, &get("/healthz", "")).await, (200, "alive\n".to_owned()));
}

#[tokio::test]
async fn server_whose_disk_is_full_is_not_ready() {
    let fails = |operation| (operation == Operation::CheckWritable).then(|| StoreError::Full { place: "here".into() });
    let store = FaultyStore::new(memory(), fails);
    let (address, server) = start(Box::new(store), None).await;
    let (status, body) = ask(address, &get("/readyz", "")).await;
    assert_eq!((status, &*body), (503, "not ready: the store takes no changes\n"));
    assert!(server.hub.store_failure().is_some());
    let (_, metrics) = ask(address, &get("/metrics", "")).await;
    assert!(metrics.contains("\nswitchboard_store_writable 0\n"), "{metrics}");
}
