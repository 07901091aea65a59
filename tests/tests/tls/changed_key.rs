//! A server whose key changes while its clients know the old one. The server process stays the same, so it could
//! resume the sessions of the old certificate, which would hide the new one.

use std::process::Command;

use switchboard_tests::client_program::ClientProgram;
use switchboard_tests::process::program;
use switchboard_tests::relay::Relay;
use switchboard_tests::terminal::Terminal;

use crate::s_client::SClient;
use crate::server::{TlsServer, text};

/// What a client says after the key has changed.
const WARNING: &str = "IS NOT THE EXPECTED ONE";

#[test]
fn later_run_of_the_client_refuses_the_new_key() {
    let mut server = TlsServer::start_with_files(&[]);
    let who = |server: &TlsServer, key: &str| server.client(&["who", &format!("{}{key}", server.link())]);
    let old_key = format!("/?key={}", server.key);
    assert!(who(&server, "").status.success(), "the first contact");
    let known = who(&server, "");
    assert!(known.status.success() && known.stderr.is_empty(), "{}", text(&known.stderr));

    server.replace_certificate();
    for key in ["", &old_key] {
        let refused = who(&server, key);
        let error = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(3), "{error}");
        for part in [WARNING, "known-servers", "Nothing was sent"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(refused.stdout.is_empty());
    }
}

#[test]
fn running_client_refuses_the_new_key_when_it_connects_again() {
    // How a client begins, and how it shows that its session is open: on standard error or by its first line.
    for (args, opened) in
        [(&["listen"][..], Some("listening as")), (&["listen", "--json", "--conversation", "#lab", "--join"], None)]
    {
        let mut server = TlsServer::start_with_files(&[]);
        let relay = Relay::start(server.address);
        let mut command = Command::new(program("switchboard"));
        command.args(args).arg(format!("switchboard://{}", relay.address()));
        let mut client = ClientProgram::spawn(server.with_own_state(command));
        match opened {
            Some(notice) => drop(client.error_with(notice)),
            None => drop(client.line()),
        }
        server.replace_certificate();
        relay.cut();
        relay.restore();
        let error = client.error_with(WARNING);
        assert!(!error.contains("reconnecting"), "{error}");
        assert_eq!(client.wait().code(), Some(3), "{args:?}");
    }
}

#[test]
fn client_at_a_terminal_refuses_the_new_key_when_it_connects_again() {
    let mut server = TlsServer::start_with_files(&[]);
    let relay = Relay::start(server.address);
    let client = program("switchboard").display().to_string();
    let terminal = Terminal::start(&client, &[&format!("switchboard://{}", relay.address()), "--name", "Noy"]);
    terminal.wait_for_text("Noy @ ");
    server.replace_certificate();
    relay.cut();
    relay.restore();
    terminal.wait_for_text(WARNING);
}

/// Runs `openssl s_client` with the stored session. Returns whether the server resumes it.
fn resumes(server: &TlsServer, version: &str, session: &str) -> bool {
    let mut client = SClient::start(server.address, &["-ign_eof", version, "-sess_in", session]);
    client.send("PING\n");
    assert!(client.wait_for("PONG"), "{}{}", client.output(), client.errors());
    let (new, resumed) = (client.output().contains("New, TLSv1."), client.output().contains("Reused, TLSv1."));
    assert_ne!(new, resumed, "{}", client.output());
    resumed
}

#[test]
fn server_resumes_no_session_of_its_old_certificate() {
    let mut server = TlsServer::start_with_files(&["--tls-oldest", "1.2"]);
    for version in ["-tls1_3", "-tls1_2"] {
        let session = server.folder.path().join(version).display().to_string();
        let mut client = SClient::start(server.address, &["-ign_eof", version, "-sess_out", &session]);
        client.send("PING\n");
        assert!(client.wait_for("PONG"), "{}{}", client.output(), client.errors());
        drop(client);
        assert!(resumes(&server, version, &session), "{version}");
        server.replace_certificate();
        assert!(!resumes(&server, version, &session), "{version}");
    }
}
