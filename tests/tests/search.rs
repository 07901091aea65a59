//! The search of a server, switched off and on again.

use std::path::PathBuf;

use switchboard_protocol::Dialect;
use switchboard_server::Settings;
use switchboard_tests::process::EmbeddedServer;
use switchboard_tests::test_client::TestClient;
use tempfile::TempDir;

const PASSWORD: &str = "correct horse battery staple";

fn server(search: bool, data: Option<PathBuf>) -> EmbeddedServer {
    EmbeddedServer::with_settings(Settings { search, data, ..Settings::default() })
}

/// The capabilities in `HELLO_OK`.
fn capabilities(server: &EmbeddedServer) -> String {
    let mut client = TestClient::connect(server.address(Dialect::Commands));
    client.expect("WELCOME");
    client.send("HELLO 2");
    let hello = client.receive_reply();
    hello.strip_prefix("HELLO_OK 2 switchboard ").expect("the capabilities").to_owned()
}

#[test]
fn server_without_search_says_so_and_refuses_it() {
    let directory = TempDir::new().expect("a temporary directory");
    let data = directory.path().join("data");
    for (data, search, expected) in [
        (None, true, "accounts rooms search"),
        (None, false, "accounts rooms"),
        (Some(data.clone()), true, "accounts rooms search durable"),
        (Some(data), false, "accounts rooms durable"),
    ] {
        let server = server(search, data);
        assert_eq!(capabilities(&server), expected);
        let mut guest = TestClient::guest(server.address(Dialect::Commands), "Guest");
        guest.send("JOIN #lab\nSAY #lab word\nSEARCH #lab absent");
        guest.expect_reply_prefix("JOIN_OK #lab ");
        guest.expect_reply_prefix("SAID #lab ");
        guest.expect_reply(if search { "SEARCH_OK #lab 0" } else { "ERROR NOT_SUPPORTED #lab" });
        drop(guest);
        server.stop();
    }
}

#[test]
fn search_finds_messages_that_were_stored_while_it_was_off() {
    let directory = TempDir::new().expect("a temporary directory");
    let data = || Some(directory.path().join("data"));

    let with_search = server(true, data());
    let mut noy = TestClient::account(with_search.address(Dialect::Commands), "Noy", PASSWORD);
    noy.send("JOIN #lab\nSAY #lab first word");
    noy.expect_reply("JOIN_OK #lab 1");
    noy.expect_reply("SAID #lab 2");
    drop(noy);
    with_search.stop();

    let without_search = server(false, data());
    let mut noy = log_in(&without_search);
    noy.send("SAY #lab second word\nSAY #lab third word\nREDACT #lab 2\nREDACT #lab 3");
    noy.expect_reply("SAID #lab 3");
    noy.expect_reply("SAID #lab 4");
    noy.expect_reply("REDACT_OK #lab 5");
    noy.expect_reply("REDACT_OK #lab 6");
    drop(noy);
    without_search.stop();

    let with_search = server(true, data());
    let mut noy = log_in(&with_search);
    noy.send("SEARCH #lab word");
    let found = noy.receive_reply();
    assert!(found.starts_with("@in=#lab;seq=4;") && found.ends_with(";past=1 FROM Noy: third word"), "{found}");
    noy.expect_reply("SEARCH_OK #lab 1");
}

fn log_in(server: &EmbeddedServer) -> TestClient {
    let mut noy = TestClient::version2(server.address(Dialect::Commands));
    noy.send(&format!("LOGIN Noy main password {PASSWORD}"));
    noy.expect_reply("LOGIN_OK Noy main");
    noy
}
