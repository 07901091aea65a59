//! The server below a service manager: its reports, and the sockets that it gets.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};

use switchboard_tests::process::{ServerProcess, logged_value, program, send_signal, wait_in_time};
use switchboard_tests::test_client::{TIMEOUT, TestClient};

#[test]
fn start_reload_sessions_and_stop_are_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(TIMEOUT)).expect("a socket of this process");
    // The next report that is no sign of life.
    let next = || loop {
        let mut datagram = [0; 256];
        let len = manager.recv(&mut datagram).expect("a report comes");
        let report = String::from_utf8_lossy(&datagram[..len]).into_owned();
        if report != "WATCHDOG=1" {
            return report;
        }
    };
    // Without a terminal, SIGHUP is a request to reload.
    let mut command = Command::new("setsid");
    command.arg(program("switchboard-server")).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "150000");
    let mut server = ServerProcess::spawn(command);
    assert_eq!(next(), "READY=1");
    assert_eq!(next(), "STATUS=0 sessions");
    let noy = TestClient::registered(server.commands, "Noy");
    assert_eq!(next(), "STATUS=1 session");
    server.signal("HUP");
    assert!(next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(next(), "READY=1");
    server.signal("TERM");
    assert_eq!(next(), "STOPPING=1");
    drop(noy);
    assert_eq!(server.wait().code(), Some(0));
}

/// A server with passed sockets: the first one as descriptor 3, and the second one, if there is one, as descriptor 4.
struct Activated {
    child: Child,
}

impl Activated {
    /// `names`: as in `FileDescriptorName=` of socket units.
    fn start(sockets: &[&TcpListener], names: &[&str], flags: &[&str]) -> Self {
        // A shell has the process id that its program gets, and moves the descriptors to their places.
        let script = "export LISTEN_PID=$$; exec \"$0\" \"$@\" 3<&0 4<&2 0</dev/null 2>&1";
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(program("switchboard-server"));
        command.args(["--log-format", "json"]).args(flags);
        command.env("LISTEN_FDS", sockets.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        let copy = |index: usize| {
            sockets
                .get(index)
                .map_or_else(Stdio::null, |socket| OwnedFd::from(socket.try_clone().expect("a socket")).into())
        };
        command.stdin(copy(0)).stderr(copy(1)).stdout(Stdio::piped());
        Self { child: command.spawn().expect("the server can be started") }
    }

    /// Waits for `count` listeners, and returns their lines in the log.
    fn listening(&mut self, count: usize) -> Vec<String> {
        let log = BufReader::new(self.child.stdout.take().expect("a piped stream")).lines().map_while(Result::ok);
        log.filter(|line| line.contains(r#""message":"listening""#)).take(count).collect()
    }

    fn stop(&mut self) -> Option<i32> {
        send_signal("TERM", self.child.id());
        wait_in_time(&mut self.child).code()
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen() -> (TcpListener, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("a bound socket");
    (socket, address)
}

#[test]
fn passed_sockets_take_the_place_of_settings() {
    let ((commands, commands_address), (web, web_address)) = (listen(), listen());
    let mut server = Activated::start(&[&commands, &web], &["commands", "web"], &["--listen-line", "none"]);
    let addresses: Vec<SocketAddr> = server
        .listening(2)
        .iter()
        .map(|line| logged_value(line, "address").expect("an address").parse().expect("an address"))
        .collect();
    assert_eq!(addresses, [commands_address, web_address]);
    let _noy = TestClient::registered(commands_address, "Noy");
    let mut browser = TestClient::connect(web_address);
    browser.write(format!("GET / HTTP/1.1\r\nHost: {web_address}\r\nConnection: close\r\n\r\n").as_bytes());
    browser.expect("HTTP/1.1 200 OK\r");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn no_connection_attempt_is_lost_between_two_servers() {
    let (socket, address) = listen();
    let flags = ["--listen-line", "none", "--listen-web", "none"];
    let mut first = Activated::start(&[&socket], &["commands"], &flags);
    let mut noy = TestClient::registered(address, "Noy");
    assert_eq!(first.stop(), Some(0));
    noy.expect("ERROR SERVER_SHUTDOWN");

    // No server runs. The system completes the handshakes, and keeps the connections and their first lines.
    let mut waiting: Vec<_> = (0..50).map(|number| (number, TestClient::connect(address))).collect();
    for (number, client) in &mut waiting {
        client.send(&format!("REGISTER User{number}"));
    }
    let mut second = Activated::start(&[&socket], &["commands"], &flags);
    for (number, client) in &mut waiting {
        client.expect("WELCOME");
        client.expect(&format!("REGISTER_OK User{number}"));
    }
    assert_eq!(second.stop(), Some(0));
}

#[test]
fn contradictions_and_unusable_sockets_are_named() {
    let (socket, _) = listen();
    let cases: [(&str, &[&str], &str); 2] = [
        (
            "commands",
            &["--listen", "127.0.0.1:0"],
            "listen has an address (from flag), but the service manager passes the socket commands: leave the setting \
             out, or disable the socket unit",
        ),
        (
            "switchboard.socket",
            &[],
            "the service manager passes a socket with the name \"switchboard.socket\": set FileDescriptorName= in its \
             socket unit to commands, line, tls or web",
        ),
    ];
    for (name, flags, message) in cases {
        let mut server = Activated::start(&[&socket], &[name], flags);
        let stdout = server.child.stdout.take().expect("a piped stream");
        assert_eq!(std::io::read_to_string(stdout).expect("text"), format!("switchboard-server: {message}\n"));
        assert_eq!(wait_in_time(&mut server.child).code(), Some(3));
    }
}
