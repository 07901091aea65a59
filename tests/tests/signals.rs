//! Signals to the server program: which of them drain it, reload its configuration, or end it at once.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use switchboard_tests::namespace::run_script;
use switchboard_tests::process::{ServerProcess, program, send_signal};
use switchboard_tests::test_client::{TIMEOUT, TestClient};
use switchboard_tests::wire_lab::texts;

/// Maximum time from a stop to the exit of a server that has no unsent bytes: far more than the wait for its log.
const EXIT_MAX: Duration = Duration::from_secs(8);

/// Starts a server without a controlling terminal.
fn daemon(flags: &[&str]) -> ServerProcess {
    let mut command = Command::new("setsid");
    command.arg(program("switchboard-server")).args(flags);
    ServerProcess::spawn(command)
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    for _ in 0..limit.as_millis() / 10 {
        if let Some(status) = child.try_wait().expect("a child of this process") {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

/// A server whose standard output is a pipe that nobody reads, with a full log queue.
struct StuckLog {
    child: Child,
    noy: TestClient,
    elias: TestClient,
}

impl StuckLog {
    fn start(flags: &[&str]) -> Self {
        let mut child = Command::new(program("switchboard-server"))
            .args([
                "--listen",
                "127.0.0.1:0",
                "--listen-line",
                "none",
                "--listen-web",
                "none",
                "--log-format",
                "json",
                "--log-level",
                "debug",
            ])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server can be started");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a piped stream");
        // The reader takes at most this many bytes from the pipe, in one read.
        while !line.contains("\"address\":\"") {
            line.clear();
            BufReader::with_capacity(1, &mut *stdout).read_line(&mut line).expect("the server logs its address");
        }
        let (_, address) = line.split_once("\"address\":\"").expect("an address");
        let address = address.split('"').next().unwrap_or_default().parse().expect("an address");
        let (mut noy, mut elias) = pair(address);
        // A line of the log for each message: more lines than the pipe and the queue of 10,000 lines hold.
        for _ in 0..150 {
            noy.write("MSG x\n".repeat(100).as_bytes());
            for _ in 0..100 {
                noy.expect("MSG_SENT");
                elias.expect("FROM Noy: x");
            }
        }
        Self { child, noy, elias }
    }

    fn expect_shutdown(&mut self) {
        for client in [&mut self.noy, &mut self.elias] {
            client.expect("ERROR SERVER_SHUTDOWN");
            client.half_close();
            client.expect_end();
        }
    }
}

impl Drop for StuckLog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pair(address: SocketAddr) -> (TestClient, TestClient) {
    let mut noy = TestClient::registered(address, "Noy");
    let mut elias = TestClient::registered(address, "Elias");
    noy.send("CONNECT Elias");
    noy.expect("CONNECT_OK Elias");
    elias.expect("INCOMING_CONNECTION Noy");
    (noy, elias)
}

#[test]
fn a_log_that_nobody_reads_does_not_delay_the_end() {
    let mut server = StuckLog::start(&[]);
    send_signal("TERM", server.child.id());
    server.expect_shutdown();
    let status = wait(&mut server.child, EXIT_MAX).expect("the server exits although its log is stuck");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_second_signal_ends_the_drain_while_the_log_is_stuck() {
    for second in ["TERM", "INT", "QUIT"] {
        let mut server = StuckLog::start(&[&LARGE_OUTBOX[..], &["--drain-timeout", "1h"]].concat());
        // Elias reads nothing more, so the drain does not end.
        fill_outbox(&mut server.noy, &"x".repeat(MESSAGE_BYTES));
        send_signal("TERM", server.child.id());
        server.noy.expect("ERROR SERVER_SHUTDOWN");
        send_signal(second, server.child.id());
        let status = wait(&mut server.child, EXIT_MAX).expect("a second signal ends the server");
        assert_eq!(status.code(), Some(130), "SIG{second}: {status}");
    }
}

/// Messages in the test of the drain, and the bytes of each. Together they exceed the buffers of the system.
const MESSAGES: usize = 1200;
const MESSAGE_BYTES: usize = 3800;

/// Room in an outbox for all these messages.
const LARGE_OUTBOX: [&str; 4] = ["--outbox-soft-bytes", "16000000", "--outbox-bytes", "32000000"];

/// Sends all these messages to a peer that does not read.
fn fill_outbox(noy: &mut TestClient, text: &str) {
    for _ in 0..MESSAGES {
        noy.send(&format!("MSG {text}"));
    }
    for _ in 0..MESSAGES {
        noy.expect("MSG_SENT");
    }
}

/// Checks that a client receives every acknowledged message, although the server gets the signal before it reads.
fn expect_drain_after(signal: &str, pid: u32, address: SocketAddr) {
    let (mut noy, mut elias) = pair(address);
    let text = "x".repeat(MESSAGE_BYTES);
    fill_outbox(&mut noy, &text);
    send_signal(signal, pid);
    noy.expect("ERROR SERVER_SHUTDOWN");
    for _ in 0..MESSAGES {
        elias.expect(&format!("FROM Noy: {text}"));
    }
    elias.expect("ERROR SERVER_SHUTDOWN");
}

#[test]
fn stop_signals_drain() {
    for signal in ["TERM", "INT", "QUIT"] {
        let mut server = daemon(&LARGE_OUTBOX);
        expect_drain_after(signal, server.id(), server.commands);
        assert_eq!(server.wait().code(), Some(0), "SIG{signal}");
    }
}

/// A server in a terminal of its own, made by script(1). Its log goes to the file `log`.
struct InTerminal {
    script: Child,
    pid: u32,
    address: SocketAddr,
}

impl InTerminal {
    fn start(folder: &Path, prefix: &str) -> Self {
        let log = folder.join("log");
        let command = format!(
            "echo $$ > {pid}; \
             exec {prefix} {server} --listen 127.0.0.1:0 --listen-line none --listen-web none --log-format json {flags} > {log}",
            pid = folder.join("pid").display(),
            server = program("switchboard-server").display(),
            flags = LARGE_OUTBOX.join(" "),
            log = log.display(),
        );
        let script = Command::new("script")
            .args(["--quiet", "--return", "--command", &command, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("script is installed (Debian: bsdutils)");
        let address = read_until(&log, |text| {
            let (_, address) = text.split_once("\"address\":\"")?;
            address.split_once('"')?.0.parse().ok()
        });
        let pid = read_until(&folder.join("pid"), |text| text.trim().parse().ok());
        Self { script, pid, address }
    }
}

impl Drop for InTerminal {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
        // Under nohup, the server outlives its terminal. If it has ended, another process may have its id.
        let executable = fs::read_link(format!("/proc/{}/exe", self.pid));
        if executable.is_ok_and(|executable| executable == program("switchboard-server")) {
            send_signal("KILL", self.pid);
        }
    }
}

fn read_until<T>(path: &Path, find: impl Fn(&str) -> Option<T>) -> T {
    for _ in 0..TIMEOUT.as_millis() / 10 {
        if let Some(found) = fs::read_to_string(path).ok().as_deref().and_then(&find) {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{} has not the expected text", path.display());
}

#[test]
fn a_closed_terminal_drains() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The tests themselves may have been started with nohup(1), which the server would inherit.
    let mut terminal = InTerminal::start(folder.path(), "env --default-signal=HUP");
    expect_drain_after("HUP", terminal.pid, terminal.address);
    let status = wait(&mut terminal.script, EXIT_MAX).expect("the server exits");
    assert_eq!(status.code(), Some(0), "{:?}", status.signal());
}

#[test]
fn nohup_keeps_the_server_running_after_its_terminal() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let terminal = InTerminal::start(folder.path(), "nohup");
    let mut noy = TestClient::registered(terminal.address, "Noy");
    send_signal("HUP", terminal.pid);
    read_until(&folder.path().join("log"), |log| log.contains("no configuration file").then_some(()));
    noy.send("PING");
    noy.expect("PONG");
}

#[test]
fn hangup_of_a_daemon_reloads_the_log_level() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("switchboard.toml");
    let write = |text: &str| fs::write(&file, text).expect("the folder is writable");
    write("log-level = \"info\"\nmax-sessions = 10\n");
    let mut server = daemon(&["--config", file.to_str().expect("a UTF-8 path")]);
    let (mut noy, mut elias) = pair(server.commands);

    write("log-level = \"switchboard=debug\"\nmax-sessions = 20\n");
    server.signal("HUP");
    let line = server.log_line_with("configuration reloaded");
    assert!(line.contains(r#""applied":"log-level""#), "{line}");
    assert!(line.contains(r#""needs_restart":"max-sessions""#), "{line}");
    // The server logs this line before it applies the level. A further reload begins only after that.
    server.signal("HUP");
    let line = server.log_line_with("configuration reloaded");
    assert!(line.contains(r#""applied":"""#), "{line}");
    noy.send("MSG hello");
    elias.expect("FROM Noy: hello");
    server.log_line_with(r#""message":"message""#);

    write("log-level = \"loud\"\nmax-sesions = 20\n");
    server.signal("HUP");
    let line = server.log_line_with("configuration not reloaded");
    assert!(line.contains("log-level is loud") && line.contains("max-sesions is unknown"), "{line}");
    noy.expect("MSG_SENT");
    noy.send("MSG again");
    noy.expect("MSG_SENT");
    server.log_line_with(r#""message":"message""#);
}

#[test]
fn user_signals_change_nothing() {
    let mut server = daemon(&["--log-level", "debug"]);
    let mut noy = TestClient::registered(server.commands, "Noy");
    for signal in ["USR1", "USR2"] {
        server.signal(signal);
        let line = server.log_line_with("ignored");
        assert!(line.contains(signal), "{line}");
    }
    noy.send("PING");
    noy.expect("PONG");
}

#[test]
fn a_signal_ends_a_server_that_still_resolves_a_name() {
    // In a network of its own, a name server that never answers: nothing reads at the far end of the link.
    let script = r#"
        ip link set lo up
        ip link add near type veth peer name far
        ip address add 192.0.2.2/24 dev near
        ip link set far up
        ip link set near up
        ip neighbour add 192.0.2.1 lladdr 02:00:00:00:00:01 dev near nud permanent
        echo "nameserver 192.0.2.1" > resolv.conf
        mount --bind resolv.conf "$(readlink -f /etc/resolv.conf)"
        "$0" --listen chat.example:0 --listen-line none --listen-web none > log &
        server=$!
        until grep -q ' 010200C0:0035 ' /proc/net/udp; do sleep 0.05; done
        kill -TERM $server
        code=0
        wait $server || code=$?
        echo "exit code $code"
    "#;
    let (out, errors) = texts(&run_script(script, &program("switchboard-server"), &[]));
    assert_eq!(out, "exit code 0\n", "{errors}");
}
