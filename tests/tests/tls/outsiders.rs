//! OpenSSL as the judge: versions, ciphers, resumption, compression, renegotiation, and the certificate.

use std::net::SocketAddr;
use std::process::Command;

use crate::s_client::SClient;
use crate::server::{TlsServer, text};

/// Talks to a server through `openssl s_client`. Returns the replies and the errors.
fn openssl(address: SocketAddr, flags: &[&str], lines: &str, last_reply: &str) -> (String, String) {
    run_s_client(address, &[&["-quiet"], flags].concat(), lines, last_reply)
}

/// Runs `openssl s_client` until it has printed `last_part`, or ends. Returns its output and its errors.
fn run_s_client(address: SocketAddr, flags: &[&str], lines: &str, last_part: &str) -> (String, String) {
    let mut client = SClient::start(address, flags);
    client.send(lines);
    client.wait_for(last_part);
    (client.output(), client.errors())
}

#[test]
fn openssl_talks_over_tls_13_alone_unless_a_setting_allows_12() {
    let server = TlsServer::start(&[]);
    let (replies, _) = openssl(server.address, &[], "REGISTER Noy\nPING\n", "PONG");
    assert_eq!(replies, "WELCOME\nREGISTER_OK Noy\nPONG\n");
    let (replies, _) = openssl(server.address, &["-alpn", "switchboard"], "PING\n", "PONG");
    assert_eq!(replies, "WELCOME\nPONG\n");
    for (flags, alert) in [(&["-tls1_2"][..], "alert protocol version"), (&["-alpn", "h2"], "no application protocol")]
    {
        let (replies, errors) = openssl(server.address, flags, "PING\n", "PONG");
        assert!(replies.is_empty() && errors.contains(alert), "{flags:?}: {replies}{errors}");
    }

    let old = TlsServer::start(&["--tls-oldest", "1.2"]);
    for version in ["-tls1_2", "-tls1_3"] {
        assert_eq!(openssl(old.address, &[version], "PING\n", "PONG").0, "WELCOME\nPONG\n");
    }
    let (replies, errors) = openssl(old.address, &["-tls1_1"], "PING\n", "PONG");
    assert!(replies.is_empty() && errors.contains("alert"), "{replies}{errors}");
}

#[test]
fn versions_and_ciphers_without_forward_secrecy_or_authenticated_encryption_are_refused() {
    let (server, old) = (TlsServer::start(&[]), TlsServer::start(&["--tls-oldest", "1.2"]));
    // OpenSSL itself offers the oldest versions and ciphers at its lowest security level only.
    let all = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";
    for (address, version) in [
        (server.address, "-tls1"),
        (server.address, "-tls1_1"),
        (server.address, "-tls1_2"),
        (old.address, "-tls1"),
        (old.address, "-tls1_1"),
    ] {
        let (replies, errors) = openssl(address, &[version, "-cipher", all], "PING\n", "PONG");
        assert!(replies.is_empty() && errors.contains(" alert "), "{version}: {replies}{errors}");
    }
    for cipher in [
        // No forward secrecy, no authenticated encryption, no certificate, no encryption.
        "AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES128-SHA256",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "DHE-RSA-AES128-GCM-SHA256",
        "AECDH-AES128-SHA",
        "ECDHE-ECDSA-NULL-SHA",
    ] {
        let cipher_list = format!("{cipher}:@SECLEVEL=0");
        let (replies, errors) = openssl(old.address, &["-tls1_2", "-cipher", &cipher_list], "PING\n", "PONG");
        assert!(replies.is_empty() && errors.contains("alert handshake failure"), "{cipher}: {replies}{errors}");
    }
    for cipher in ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"] {
        let (replies, errors) = openssl(old.address, &["-tls1_2", "-cipher", cipher], "PING\n", "PONG");
        assert_eq!(replies, "WELCOME\nPONG\n", "{cipher}: {errors}");
    }
}

/// The output of `openssl s_client` about a session: without `-quiet`.
fn session_of(address: SocketAddr, flags: &[&str], lines: &str, last_part: &str) -> (String, String) {
    run_s_client(address, &[&["-ign_eof"], flags].concat(), lines, last_part)
}

#[test]
fn nothing_is_compressed() {
    let old = TlsServer::start(&["--tls-oldest", "1.2"]);
    let (output, _) = session_of(old.address, &["-tls1_2", "-comp"], "PING\n", "PONG");
    for part in ["Compression: NONE", "Secure Renegotiation IS supported"] {
        assert!(output.contains(part), "{part}: {output}");
    }
}

/// Renegotiation (RFC 5246 §7.4.1.2) exists in TLS 1.2 only.
#[test]
fn renegotiation_is_refused() {
    let old = TlsServer::start(&["--tls-oldest", "1.2"]);
    // Without `-quiet` and `-ign_eof`, a line `R` asks for a renegotiation.
    let mut client = SClient::start(old.address, &["-tls1_2"]);
    // A line of the session in the middle of a handshake is another error.
    assert!(client.wait_for("WELCOME"), "{}{}", client.output(), client.errors());
    client.send("R\n");
    // The alert of the server (RFC 5246 §7.2.2), which is the end for OpenSSL.
    let is_refused = client.wait_for("no renegotiation");
    assert!(is_refused, "{}{}", client.output(), client.errors());
    assert!(!client.wait_for("a part that never comes"), "OpenSSL ends");
}

#[test]
fn openssl_resumes_a_session() {
    let server = TlsServer::start(&[]);
    let file = server.folder.path().join("session.pem").display().to_string();
    let (output, _) = session_of(server.address, &["-sess_out", &file], "PING\n", "PONG");
    assert!(output.contains("New, TLSv1.3"), "{output}");
    let (output, errors) = session_of(server.address, &["-sess_in", &file], "PING\n", "PONG");
    assert!(output.contains("Reused, TLSv1.3") && output.contains("WELCOME"), "{output}{errors}");
}

#[test]
fn self_made_certificate_is_one_that_browsers_accept_after_a_question() {
    let server = TlsServer::start(&[]);
    let file = server.folder.path().join("data/tls-certificate.pem");
    let run = |args: &[&str]| {
        let output = Command::new("openssl").args(args).arg(&file).output().expect("openssl can be started");
        text(&output.stdout) + &text(&output.stderr)
    };
    let extensions = run(&["x509", "-noout", "-ext", "subjectAltName,keyUsage,extendedKeyUsage", "-in"]);
    for part in
        ["DNS:localhost", "IP Address:127.0.0.1", "IP Address:0:0:0:0:0:0:0:1", "Digital Signature", "TLS Web Server"]
    {
        assert!(extensions.contains(part), "{part}: {extensions}");
    }
    // The systems of Apple accept at most 825 days.
    let days = |count: u32| (count * 24 * 60 * 60).to_string();
    assert!(run(&["x509", "-noout", "-checkend", &days(800), "-in"]).contains("will not expire"));
    assert!(run(&["x509", "-noout", "-checkend", &days(825), "-in"]).contains("will expire"));
    let trusted = file.display().to_string();
    for name in [["-verify_hostname", "localhost"], ["-verify_ip", "127.0.0.1"], ["-verify_ip", "::1"]] {
        let verified = run(&[&["verify", "-purpose", "sslserver", "-CAfile", &trusted][..], &name].concat());
        assert!(verified.trim_end().ends_with(": OK"), "{name:?}: {verified}");
    }
}
