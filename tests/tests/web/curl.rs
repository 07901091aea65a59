//! `curl` as the judge of HTTPS: the certificate, its key, the versions of TLS, and HTTP without TLS on the same port.

use std::process::Command;

use serde_json::Value;
use switchboard_tests::namespace::run_script;
use switchboard_tests::process::program;
use switchboard_tests::wire_lab::texts;

use crate::server::WebServer;

/// Exit codes of curl (`man curl`, EXIT CODES).
const OK: i32 = 0;
const NO_HANDSHAKE: i32 = 35;
const UNKNOWN_ISSUER: i32 = 60;
const OTHER_KEY: i32 = 90;

/// Fetches `path` with curl, without its settings file and without a proxy. Returns the exit code, the body and the
/// errors.
fn curl(server: &WebServer, scheme: &str, path: &str, flags: &[&str]) -> (i32, String, String) {
    let output = Command::new("curl")
        .args(["--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", "20"])
        .args(flags)
        .arg(format!("{scheme}://localhost:{}{path}", server.address.port()))
        .output()
        .expect("curl can be started");
    let (body, errors) = texts(&output);
    (output.status.code().expect("an exit code"), body, errors)
}

/// The pin of a key for curl. `link`: a link with the hash of the key in base64url without padding. curl takes base64
/// with padding.
fn pin(link: &str) -> String {
    let (_, hash) = link.split_once("/?key=").expect("a link has a key");
    format!("sha256//{}=", hash.replace('-', "+").replace('_', "/"))
}

/// What the server tells about itself, through its certificate.
fn about(server: &WebServer) -> Value {
    let certificate = server.certificate_file();
    let trusted = ["--cacert", certificate.to_str().expect("a UTF-8 path")];
    let (code, body, errors) = curl(server, "https", "/about.json", &trusted);
    assert_eq!(code, OK, "{errors}");
    serde_json::from_str(&body).expect("JSON")
}

#[test]
fn certificate_or_key_is_enough_and_no_other_is_accepted() {
    let (server, other) = (WebServer::start(&[]), WebServer::start(&[]));
    let [own_file, other_file] = [&server, &other].map(|server| server.certificate_file().display().to_string());
    let [own_pin, other_pin] =
        [&server, &other].map(|server| pin(about(server)["link"].as_str().expect("a link for others")));
    for (flags, expected) in [
        (&["--cacert", &own_file][..], OK),
        // Without a check of the certificate, the key alone decides.
        (&["--insecure", "--pinnedpubkey", &own_pin], OK),
        (&["--cacert", &own_file, "--pinnedpubkey", &own_pin], OK),
        (&["--cacert", &other_file], UNKNOWN_ISSUER),
        (&[], UNKNOWN_ISSUER),
        (&["--insecure", "--pinnedpubkey", &other_pin], OTHER_KEY),
        (&["--cacert", &own_file, "--pinnedpubkey", &other_pin], OTHER_KEY),
    ] {
        let (code, body, errors) = curl(&server, "https", "/", flags);
        assert_eq!(code, expected, "{flags:?}: {errors}");
        assert_eq!(body.contains("<title>"), code == OK, "{flags:?}: {body}");
    }
}

#[test]
fn told_fingerprint_is_the_one_of_openssl() {
    let server = WebServer::start(&[]);
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(server.certificate_file())
        .output()
        .expect("openssl can be started");
    let (fingerprint, errors) = texts(&output);
    let (_, fingerprint) = fingerprint.trim_end().split_once('=').unwrap_or_else(|| panic!("{errors}"));
    assert_eq!(about(&server)["fingerprint"], fingerprint);
}

#[test]
fn old_versions_of_tls_are_refused() {
    let (server, old) = (WebServer::start(&[]), WebServer::start(&["--tls-oldest", "1.2"]));
    for (server, version, is_accepted) in [
        (&server, "1.0", false),
        (&server, "1.1", false),
        (&server, "1.2", false),
        (&server, "1.3", true),
        (&old, "1.0", false),
        (&old, "1.1", false),
        (&old, "1.2", true),
    ] {
        // OpenSSL itself offers the oldest versions at its lowest security level only.
        let flags = ["--insecure", "--tlsv1.0", "--tls-max", version, "--ciphers", "DEFAULT@SECLEVEL=0"];
        let (code, body, errors) = curl(server, "https", "/", &flags);
        if is_accepted {
            assert!(code == OK && body.contains("<title>"), "{version}: {errors}");
        } else {
            assert_eq!(code, NO_HANDSHAKE, "{version}: {errors}");
            // The server refuses, and not OpenSSL on the side of curl.
            assert!(errors.contains(" alert "), "{version}: {errors}");
        }
    }
}

#[test]
fn http_without_tls_is_answered_on_this_machine() {
    let server = WebServer::start(&[]);
    let (code, body, errors) = curl(&server, "http", "/", &["--write-out", "%{http_code} %{num_redirects}"]);
    assert!(code == OK && body.contains("<title>") && body.ends_with("200 0"), "{body}{errors}");
}

/// Connects another machine to this one, and fetches the page from there: over HTTP, over HTTP with the redirect, and
/// over HTTPS. The key of the server is known from its log.
const OTHER_MACHINE: &str = r#"
    mount -t tmpfs tmpfs /run
    ip link set lo up
    ip netns add other
    ip link add near type veth peer name far netns other
    ip addr add 192.0.2.1/24 dev near
    ip link set near up
    ip -n other addr add 192.0.2.2/24 dev far
    ip -n other link set far up
    "$0" --listen none --listen-line none --listen-web 192.0.2.1:8088 --data data --log-format json > log &
    until grep -q '"listening"' log; do sleep 0.05; done
    key=$(grep -o '"key":"[^"]*"' log | head -n 1 | cut -d '"' -f 4 | tr -- '-_' '+/')=
    fetch() {
        ip netns exec other curl --disable --silent --show-error --noproxy '*' --max-time 20 \
            --insecure --pinnedpubkey "sha256//$key" --output body --write-out "$1\n" "${@:2}"
        grep -c "<title>" body || true
    }
    fetch '%{http_code} %{redirect_url}' "http://192.0.2.1:8088/a?b=c"
    fetch '%{http_code} %{url_effective}' --location http://192.0.2.1:8088/
    fetch '%{http_code} %{url_effective}' https://192.0.2.1:8088/
"#;

#[test]
fn other_machine_is_sent_to_https() {
    let (out, errors) = texts(&run_script(OTHER_MACHINE, &program("switchboard-server"), &[]));
    let expected = [
        "308 https://192.0.2.1:8088/a?b=c",
        "0",
        "200 https://192.0.2.1:8088/",
        "1",
        "200 https://192.0.2.1:8088/",
        "1",
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), expected, "{errors}");
}
