//! A page in a real browser that sends requests to the chat ports: it reads no reply, and the server carries out
//! nothing.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use serde_json::json;
use switchboard_tests::browser::Browser;
use switchboard_tests::process::ServerProcess;
use switchboard_tests::test_client::TestClient;

/// Sends requests with lines of chat as their bodies, and returns the attempts whose reply the page can read. A page
/// may try each of them against any port, without asking anybody.
const ATTACK: &str = r"
    const [address, isLine] = arguments;
    const body = isLine ? 'Eve\nNoy: forged\n' : 'REGISTER Eve\nCONNECT Noy\nMSG forged\n';
    const url = `http://${address}/`;
    const attempts = {
        get: () => fetch(url),
        opaque_get: () => fetch(url, { mode: 'no-cors' }),
        post: () => fetch(url, { method: 'POST', mode: 'no-cors', body }),
        long_post: () => fetch(url + 'x'.repeat(5000), { method: 'POST', mode: 'no-cors', body }),
        image: () => new Promise((resolve, reject) => {
            const image = new Image();
            [image.onload, image.onerror] = [resolve, reject];
            image.src = url;
        }),
        script: () => new Promise((resolve, reject) => {
            const script = document.createElement('script');
            [script.onload, script.onerror] = [resolve, reject];
            script.src = url;
            document.head.append(script);
        }),
        web_socket: () => new Promise((resolve, reject) => {
            const socket = new WebSocket(`ws://${address}/`);
            [socket.onopen, socket.onerror] = [resolve, reject];
        }),
    };
    const readable = [];
    for (const [name, attempt] of Object.entries(attempts)) {
        await attempt().then(() => readable.push(name), () => {});
    }
    return readable;
";

/// Serves an empty page. Its requests to the chat ports come from another origin, as those of any site do.
fn serve_page() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut request = BufReader::new(stream);
            let mut line = String::new();
            while request.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            let page = "<!doctype html><title>A page</title>";
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n";
            let _ = write!(request.get_mut(), "{head}Content-Length: {}\r\n\r\n{page}", page.len());
        }
    });
    address
}

#[test]
fn a_web_page_gets_nothing_from_a_chat_port() {
    let browser = Browser::start(1280, 800);
    let mut server = ServerProcess::start(&[]);
    let mut noy = TestClient::registered(server.commands, "Noy");
    browser.open_url(&format!("http://{}/", serve_page()));
    for (address, is_line) in [(server.commands, false), (server.line, true)] {
        let readable = browser.run_async(ATTACK, &[json!(address.to_string()), json!(is_line)]);
        assert_eq!(readable, json!([]), "the page reads replies of {address}");
        // Each of the seven requests reached the server, which closed its session. In the line dialect, the long
        // request line is not recognised, but an invalid name.
        for _ in 0..7 {
            let ended = server.log_line_with(r#""left""#);
            let is_closed = ended.contains("wrong protocol") || (is_line && ended.contains("refused"));
            assert!(is_closed, "{ended}");
        }
    }
    noy.send("WHO");
    noy.expect("USERS Noy");
}
