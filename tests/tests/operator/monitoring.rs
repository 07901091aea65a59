//! A real Prometheus scrapes a server, and promtool judges the figures, the rules and the dashboard.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use switchboard_tests::process::{ServerProcess, program};
use switchboard_tests::test_client::TestClient;
use tokio::time::Instant;

/// Maximum time until an alert fires: Prometheus needs some seconds to start on a busy machine.
const ALERT_TIME_MAX: Duration = Duration::from_mins(1);

/// A running Prometheus. Dropping it ends it.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// Starts it with this configuration, on a port that is free now: it does not tell which port it has chosen.
    fn start(folder: &Path, config: &str) -> Self {
        let file = folder.join("prometheus.yml");
        fs::write(&file, config).expect("the folder is writable");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("a bound socket");
        drop(free);
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("data").display()));
        command.arg(format!("--web.listen-address={address}")).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("Prometheus is installed (Debian: prometheus)");
        Self { child, address }
    }

    /// Waits until an alert fires.
    fn expect_alert(&mut self, name: &str) {
        let until = Instant::now() + ALERT_TIME_MAX;
        let mut last = String::new();
        while Instant::now() < until {
            assert!(self.child.try_wait().expect("a child").is_none(), "Prometheus has ended");
            last = get(self.address, "/api/v1/alerts").unwrap_or(last);
            let response: serde_json::Value = serde_json::from_str(&last).unwrap_or_default();
            let alerts = response["data"]["alerts"].as_array().cloned().unwrap_or_default();
            if alerts.iter().any(|alert| alert["labels"]["alertname"] == name && alert["state"] == "firing") {
                return;
            }
            // Another program has to get on.
            thread::sleep(Duration::from_millis(100));
        }
        panic!("{name} does not fire: {last}");
    }
}

/// The body of a response, if somebody answers with success.
fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut response = String::new();
    stream.read_to_string(&mut response).ok()?;
    let (head, body) = response.split_once("\r\n\r\n")?;
    head.split(' ').nth(1).filter(|status| *status == "200").map(|_| body.to_owned())
}

fn repository(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

/// Runs promtool, which must find no fault and nothing to improve.
fn promtool(args: &[&str], stdin: &str) {
    let mut command = Command::new("promtool");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool is installed (Debian: prometheus)");
    child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{args:?}: {text}");
    assert!(!stdin.is_empty() || text.contains("SUCCESS"), "{args:?}: {text}");
    assert!(stdin.is_empty() || text.is_empty(), "{args:?}: {text}");
}

/// The names of our figures in a text.
fn figures(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("switchboard_") || word.starts_with("process_"))
}

#[test]
fn prometheus_scrapes_a_server_and_its_alerts_fire() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(program("switchboard-server"));
    command.args(["--listen-admin", "127.0.0.1:0", "--max-sessions", "10", "--listen-tls", "127.0.0.1:0", "--data"]);
    command.arg(folder.path().join("server"));
    let mut server = ServerProcess::spawn(command);
    let monitoring = server.monitoring_address();

    let text = get(monitoring, "/metrics").expect("figures");
    promtool(&["check", "metrics"], &text);
    assert_eq!(get(monitoring, "/readyz").as_deref(), Some("ready\n"));
    for file in ["docs/alert-rules.yml", "docs/grafana-dashboard.json"] {
        let content = fs::read_to_string(repository(file)).expect("a file of the repository");
        let mut count = 0;
        for figure in figures(&content) {
            assert!(text.contains(&format!("\n{figure}")), "{file} names {figure}, which the server does not have");
            count += 1;
        }
        assert!(count > 5, "{file} names {count} figures");
    }
    let rules = repository("docs/alert-rules.yml");
    promtool(&["check", "rules", rules.to_str().expect("UTF-8")], "");
    let rules_test = repository("tests/data/monitoring/alert-rules-test.yml");
    promtool(&["test", "rules", rules_test.to_str().expect("UTF-8")], "");

    // The alerts as they are, but without their patience.
    let rules = fs::read_to_string(rules).expect("the rules");
    let is_patience = |line: &&str| line.trim_start().starts_with("for: ");
    let impatient: Vec<_> = rules.lines().filter(|line| !is_patience(line)).collect();
    let rules = folder.path().join("rules.yml");
    fs::write(&rules, impatient.join("\n")).expect("the folder is writable");
    let config = format!(
        "global: {{ scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms }}\n\
         rule_files: [{}]\n\
         scrape_configs: [{{ job_name: switchboard, static_configs: [{{ targets: ['{monitoring}'] }}] }}]\n",
        rules.display()
    );
    let mut prometheus = Prometheus::start(folder.path(), &config);
    let clients: Vec<_> = (0..10).map(|n| TestClient::registered(server.commands, &format!("Noy{n}"))).collect();
    prometheus.expect_alert("SwitchboardNearlyFull");
    drop(clients);
    server.signal("KILL");
    server.wait();
    prometheus.expect_alert("SwitchboardDown");
}
