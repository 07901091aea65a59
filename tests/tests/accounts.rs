//! Accounts over TCP: secrets stay secret, guessing is slow, and a freed name shows nothing of its last holder.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use switchboard_protocol::Dialect;
use switchboard_server::Settings;
use switchboard_tests::process::{EmbeddedServer, ServerProcess, program};
use switchboard_tests::stage::Received;
use switchboard_tests::test_client::TestClient;

#[expect(clippy::disallowed_methods, reason = "a real server lives in real time")]
fn now() -> Instant {
    Instant::now()
}

fn server_command(data: &Path) -> Command {
    let mut command = Command::new(program("switchboard-server"));
    command.arg("--data").arg(data);
    command
}

/// Passwords and texts in the place of a password. Each occurs in a different situation.
const CLAIMED: &str = "quokka claimed 4711";
const CHANGED: &str = "quokka changed 4712";
const WRONG: &str = "quokka wrong 4713";
const MISTYPED: &str = "quokka mistyped 4714";

/// The answer to the first line comes from the thread that writes the store, and the second line begins a check there.
#[test]
fn line_right_after_a_change_of_identity_begins_its_check() {
    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Commands);
    let mut noy = TestClient::guest(address, "Noy");
    noy.write(format!("CLAIM password {CLAIMED}\nTOKEN\n").as_bytes());
    noy.expect_reply("CLAIM_OK Noy");
    noy.expect_reply_prefix("TOKEN_OK ");
    let mut phone = TestClient::version2(address);
    phone.write(format!("LOGIN Noy phone password {CLAIMED}\nPASSWD password {CHANGED}\n").as_bytes());
    phone.expect_reply("LOGIN_OK Noy phone");
    phone.expect_reply("PASSWD_OK");
    noy.send("JOIN #lab");
    noy.expect_reply("JOIN_OK #lab 1");
    server.stop();
}

#[test]
fn secrets_are_in_no_log_no_reply_and_no_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data, errors) = (folder.path().join("data"), folder.path().join("stderr"));
    let mut command = server_command(&data);
    command.args(["--log-level", "trace", "--log-messages"]).stderr(File::create(&errors).expect("a new file"));
    let mut server = ServerProcess::spawn(command);
    let mut replies = Vec::new();

    let mut noy = TestClient::guest(server.commands, "Noy");
    ask(&mut noy, &format!("CLAIM passwort {MISTYPED}"), "ERROR ", &mut replies);
    ask(&mut noy, &format!("CLAIM {MISTYPED}"), "ERROR ", &mut replies);
    ask(&mut noy, &format!("@n=x CLAIM password {MISTYPED}"), "", &mut replies);
    ask(&mut noy, &format!("CLIAM password {MISTYPED}"), "ERROR ", &mut replies);
    ask(&mut noy, &format!("CLAIM password {CLAIMED}"), "CLAIM_OK Noy", &mut replies);
    ask(&mut noy, &format!("CLAIM password {CLAIMED}"), "ERROR ", &mut replies);
    // The only reply with a secret.
    noy.send("TOKEN");
    let token = noy.expect_reply_prefix("TOKEN_OK ");
    ask(&mut noy, &format!("PASSWD passwort {MISTYPED}"), "ERROR ", &mut replies);
    ask(&mut noy, &format!("PASSWD password {CHANGED}"), "PASSWD_OK", &mut replies);
    ask(&mut noy, &format!("LOGIN Noy desk password {CHANGED}"), "ERROR ", &mut replies);

    let logins = [
        (format!("Noy desk password {WRONG}"), "ERROR LOGIN_FAILED"),
        (format!("Noy desk password {CLAIMED}"), "ERROR LOGIN_FAILED"),
        (format!("Nobody desk password {WRONG}"), "ERROR LOGIN_FAILED"),
        (format!("Noy main token {WRONG}"), "ERROR LOGIN_FAILED"),
        (format!("Noy desk token {token}"), "ERROR LOGIN_FAILED"),
        (format!("Noy desk passwort {MISTYPED}"), "ERROR "),
        (format!("Noy password {MISTYPED}"), "ERROR "),
        (format!("Noy desk password {CHANGED}"), "LOGIN_OK Noy desk"),
        (format!("Noy main token {token}"), "LOGIN_OK Noy main"),
    ];
    for (login, expected) in logins {
        let mut client = TestClient::version2(server.commands);
        ask(&mut client, &format!("LOGIN {login}"), expected, &mut replies);
    }
    // A client of version 1, before and after it has a name.
    let mut tamar = TestClient::connect(server.commands);
    tamar.expect("WELCOME");
    ask(&mut tamar, &format!("LOGIN Noy desk password {CHANGED}"), "ERROR ", &mut replies);
    ask(&mut tamar, "REGISTER Tamar", "REGISTER_OK Tamar", &mut replies);
    ask(&mut tamar, &format!("CLAIM password {MISTYPED}"), "ERROR ", &mut replies);

    // The listener of the line dialect takes the first line for a name.
    let mut omer = TestClient::connect(server.line);
    omer.send(&format!("CLAIM password {CHANGED}"));
    while let Received::Line(reply) = omer.receive() {
        replies.push(reply);
    }

    let secrets = [CLAIMED, CHANGED, WRONG, MISTYPED, &*token];
    let find = |place: &str, bytes: &[u8]| {
        for secret in secrets {
            let is_found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_found, "{place} contains {secret:?}");
        }
    };
    // The files as they are while the server runs, and as they are after its end.
    let find_in_files = || {
        let files = std::fs::read_dir(&data).expect("the data directory").map(|entry| entry.expect("a file").path());
        // The socket for the operator's commands cannot be read.
        for file in files.filter(|file| file.is_file()) {
            find(&file.display().to_string(), &std::fs::read(&file).expect("a readable file"));
        }
    };
    find_in_files();
    let has_hash = |file: &str| {
        let bytes = std::fs::read(data.join(file)).unwrap_or_default();
        bytes.windows(10).any(|window| window == b"$argon2id$")
    };
    assert!(
        has_hash("switchboard.sqlite") || has_hash("switchboard.sqlite-wal"),
        "the search is in the right files: they hold the hash of the password"
    );
    drop((noy, tamar, omer));
    server.signal("TERM");
    let mut log = String::new();
    while !log.contains(r#""stopped""#) {
        log.push_str(&server.log_line_with(""));
        log.push('\n');
    }
    assert!(server.wait().success());
    find_in_files();
    find("the log", log.as_bytes());
    find("standard error", &std::fs::read(&errors).expect("the file of standard error"));
    find("a reply", replies.join("\n").as_bytes());
    assert!(log.contains(r#""name":"Noy""#), "{log}");
    let failures = log.lines().filter(|line| line.contains(r#""message":"login failed""#));
    let field = |line: &str, name: &str| {
        let value = line.split_once(&format!(r#""{name}":""#)).map(|(_, after)| after.split('"').next());
        value.flatten().unwrap_or_default().to_owned()
    };
    let failures = failures.map(|line| ["account", "proof", "why"].map(|name| field(line, name)));
    let expected =
        [("noy", "password"), ("noy", "password"), ("nobody", "password"), ("noy", "token"), ("noy", "token")];
    let expected = expected.map(|(account, proof)| [account, proof, "wrong"].map(str::to_owned));
    assert_eq!(failures.collect::<Vec<_>>(), expected);
    assert!(log.lines().all(|line| !line.contains("login failed") || field(line, "peer").starts_with("127.0.0.1:")));
}

/// Sends a line, and notes its reply, which must begin with `expected`.
#[track_caller]
fn ask(client: &mut TestClient, line: &str, expected: &str, replies: &mut Vec<String>) {
    client.send(line);
    let reply = client.receive_reply();
    assert!(reply.starts_with(expected), "{line:?} has the reply {reply:?} instead of {expected:?}");
    replies.push(reply);
}

#[test]
fn each_wrong_password_makes_the_next_attempt_wait_longer() {
    /// Attempts without a delay.
    const FREE: usize = 3;
    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Commands);
    let mut noy = TestClient::account(address, "Noy", "correct horse battery staple");
    noy.send("TOKEN");
    let token = noy.expect_reply_prefix("TOKEN_OK ");

    // An unknown name must cost the same as a wrong password.
    let guesses = ["Noy", "Nobody"].map(|name| thread::spawn(move || guess(address, name, FREE + 2)));
    for guess in guesses {
        let attempts = guess.join().expect("all attempts are refused alike");
        let fastest = attempts[..FREE].iter().map(|attempt| attempt.replied - attempt.asked).min();
        assert!(fastest.is_some_and(|time| time < Duration::from_secs(1)), "{fastest:?} without a delay");
        // Delays count from the start of the attempt before. That is not earlier than its request.
        let after_free = |attempt: usize| attempts[FREE - 1 + attempt].replied - attempts[FREE - 1].asked;
        assert!(after_free(1) >= Duration::from_secs(1), "the first delay is 1 s: {:?}", after_free(1));
        assert!(after_free(2) >= Duration::from_secs(1 + 2), "the second delay is 2 s: {:?}", after_free(2));
        assert!(after_free(2) < Duration::from_secs(7), "each delay is twice the one before: {:?}", after_free(2));
    }

    // The owner still gets in with the token, at once.
    let start = now();
    let mut client = TestClient::version2(address);
    client.send(&format!("LOGIN Noy main token {token}"));
    client.expect_reply("LOGIN_OK Noy main");
    assert!(start.elapsed() < Duration::from_secs(2), "a token waits for no delay: {:?}", start.elapsed());
}

#[test]
fn ping_is_answered_while_a_login_is_delayed() {
    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Commands);
    // The next attempt waits for a second after the start of the third one.
    let third = guess(address, "Noy", 3).pop().expect("three attempts").asked;
    let mut client = TestClient::version2(address);
    client.send("LOGIN Noy desk password wrong\nPING\nDEVICES\nPING");
    client.expect_reply("PONG");
    client.expect_reply("ERROR LOGIN_FAILED");
    assert!(third.elapsed() >= Duration::from_secs(1), "the attempt is delayed: {:?}", third.elapsed());
    client.expect_reply("ERROR NOT_LOGGED_IN");
    client.expect_reply("PONG");
}

#[test]
fn an_address_makes_no_accounts_without_end() {
    /// Accounts without a delay.
    const FREE: usize = 100;
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm";
    let settings = Settings { limit_loopback: true, lines_per_second: 0, ..Settings::default() };
    let server = EmbeddedServer::with_settings(settings);
    let claim = |number: usize| {
        let mut client = TestClient::guest(server.address(Dialect::Commands), &format!("user{number}"));
        client.send(&format!("CLAIM key {key}"));
        client.receive_reply()
    };
    for number in 0..FREE {
        assert_eq!(claim(number), format!("CLAIM_OK user{number}"));
    }
    // Each further account takes a second or more, and a refused one costs nothing.
    let start = now();
    let refused = (FREE..FREE + 20).filter(|&number| claim(number) == "ERROR TRY_LATER").count();
    let seconds = usize::try_from(start.elapsed().as_secs()).expect("a short test");
    assert!(refused + seconds + 2 >= 20, "{refused} of 20 are refused within {seconds} s");
}

struct Attempt {
    asked: Instant,
    replied: Instant,
}

/// Tries wrong passwords, each on a new connection.
fn guess(address: SocketAddr, name: &str, attempts: usize) -> Vec<Attempt> {
    let attempt = |number| {
        let mut client = TestClient::version2(address);
        let asked = now();
        client.send(&format!("LOGIN {name} desk password wrong {number}"));
        client.expect_reply("ERROR LOGIN_FAILED");
        Attempt { asked, replied: now() }
    };
    (0..attempts).map(attempt).collect()
}

#[test]
fn next_holder_of_a_name_sees_nothing_of_the_last_one() {
    const PASSWORD: &str = "correct horse battery staple";
    const SECRET: &str = "pangolin";
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let server = ServerProcess::spawn(server_command(&data));
    let address = server.commands;

    let mut elias = TestClient::account(address, "Elias", PASSWORD);
    let mut first = TestClient::account(address, "Noy", PASSWORD);
    first.send("OPEN Elias");
    let opened = first.expect_reply_prefix("OPEN_OK Elias ");
    let epoch = opened.split(' ').next().expect("an epoch").to_owned();
    first.expect_reply("LIVE Elias 0");
    for seq in 1..=3 {
        first.send(&format!("SAY Elias {SECRET}"));
        first.expect_reply_prefix(&format!("@in=Elias;seq={seq};"));
        first.expect_reply(&format!("SAID Elias {seq}"));
    }
    first.send("UNCLAIM");
    first.expect_reply("UNCLAIM_OK");
    // The guest still has the name. It is free when the session ends.
    first.half_close();
    while first.receive() != Received::End {}

    let mut second = TestClient::account(address, "Noy", "another password");
    check_stranger(&mut second, &epoch, SECRET);
    // The partner's conversation with the name is the new one, too.
    elias.send("OPEN Noy");
    let opened = elias.expect_reply_prefix("OPEN_OK Noy ");
    assert_ne!(opened.split(' ').next(), Some(&*epoch));
    elias.expect_reply("LIVE Noy 0");
    elias.send("CLOSE Noy");
    elias.expect_reply("CLOSE_OK Noy");

    drop(server);
    let server = ServerProcess::spawn(server_command(&data));
    let mut second = TestClient::version2(server.commands);
    second.send(&format!("LOGIN Noy desk password {PASSWORD}"));
    second.expect_reply("ERROR LOGIN_FAILED");
    second.send("LOGIN Noy desk password another password");
    second.expect_reply("LOGIN_OK Noy desk");
    check_stranger(&mut second, &epoch, SECRET);
}

/// Checks that an account sees nothing of a conversation in which Elias and somebody else have said `secret`.
fn check_stranger(client: &mut TestClient, epoch: &str, secret: &str) {
    client.send("OPEN Elias");
    let opened = client.expect_reply_prefix("OPEN_OK Elias ");
    let new_epoch = opened.split(' ').next().expect("an epoch");
    assert_ne!(new_epoch, epoch);
    assert_eq!(opened, format!("{new_epoch} 1 0"));
    client.expect_reply("LIVE Elias 0");
    // Not even somebody who knows the epoch.
    client.send(&format!("OPEN Elias {epoch} 0"));
    client.expect_reply(&format!("OPEN_OK Elias {new_epoch} 1 0"));
    client.expect_reply("GAP Elias 0 0 LOST");
    client.expect_reply("LIVE Elias 0");
    client.send("HISTORY Elias 100 100");
    client.expect_reply("HISTORY_OK Elias 0 0");
    for target in ["Elias", "*"] {
        client.send(&format!("SEARCH {target} {secret}"));
        client.expect_reply(&format!("SEARCH_OK {target} 0"));
    }
    client.send("READERS Elias 1");
    client.expect_reply_prefix("READERS Elias 1");
    client.send("CLOSE Elias");
    client.expect_reply("CLOSE_OK Elias");
}
