//! Responses to slow readers, over a stream that holds few bytes.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::admission::Admission;
use crate::hub::Hub;
use crate::settings::Settings;
use crate::stopping::StopSignal;
use crate::web::{About, Web};

/// Number of bytes that the stream holds.
const STREAM_BYTES: usize = 64;

/// A connection whose client has received the first byte of the page.
struct SlowReader {
    client: DuplexStream,
    response: Vec<u8>,
    stop_signal: StopSignal,
    server: JoinHandle<()>,
}

impl SlowReader {
    async fn start(headers: &str) -> Self {
        let settings = Settings::default();
        let (admission, hub) = (Admission::new(&settings), Arc::new(Hub::new(settings)));
        let (stop_signal, stopping) = Stopping::new();
        let web = Arc::new(Web::new(&hub.settings, About::new(&hub.settings, Vec::new())));
        let rejections = Arc::new(Semaphore::new(0));
        let acceptor = Acceptor { hub, admission: Arc::clone(&admission), rejections, web, stopping };
        let address = "127.0.0.1:50000".parse().expect("an address");
        let listener = WebListener { tls: None, address: None };
        let service = PageService::new(&acceptor, Client { address, is_https: false }, listener);
        let permit = admission.admit(address).expect("there is room");
        let (stream, mut client) = tokio::io::duplex(STREAM_BYTES);
        let server = tokio::spawn(serve_http(acceptor, stream, service, permit));
        let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        client.write_all(request.as_bytes()).await.expect("the server reads");
        let mut response = vec![0];
        client.read_exact(&mut response).await.expect("the beginning of the response");
        Self { client, response, stop_signal, server }
    }

    /// Receives the rest. Returns the length of the body that the response promises, and that of the received one.
    async fn finish(mut self) -> [usize; 2] {
        self.client.read_to_end(&mut self.response).await.expect("an open stream");
        drop(self.client);
        self.server.await.expect("the server does not panic");
        let response = String::from_utf8(self.response).expect("the page is UTF-8");
        let (head, body) = response.split_once("\r\n\r\n").expect("a head");
        let (_, len) = head.split_once("content-length: ").expect("a length");
        [len.lines().next().and_then(|len| len.parse().ok()).expect("a number"), body.len()]
    }
}

#[tokio::test(start_paused = true)]
async fn slow_reader_receives_the_whole_response() {
    for headers in ["", "Connection: close\r\n", "Upgrade: websocket\r\n"] {
        let reader = SlowReader::start(headers).await;
        sleep(REQUESTS_TIME_MAX + Duration::from_secs(1)).await;
        let [promised, received] = reader.finish().await;
        assert_eq!(received, promised, "after the time for requests, {headers:?}");

        let mut reader = SlowReader::start(headers).await;
        reader.client.shutdown().await.expect("an open stream");
        sleep(Duration::from_secs(1)).await;
        let [promised, received] = reader.finish().await;
        assert_eq!(received, promised, "after a half-close, {headers:?}");

        let mut reader = SlowReader::start(headers).await;
        let (other_signal, _) = Stopping::new();
        drop(std::mem::replace(&mut reader.stop_signal, other_signal));
        sleep(Duration::from_secs(1)).await;
        let [promised, received] = reader.finish().await;
        assert_eq!(received, promised, "after a stop, {headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn reader_that_takes_nothing_delays_a_stop_until_the_drain_timeout() {
    let reader = SlowReader::start("").await;
    let start = Instant::now();
    drop(reader.stop_signal);
    reader.server.await.expect("the server does not panic");
    assert_eq!(start.elapsed().as_secs(), Settings::default().drain_timeout.as_secs());
}
