//! Runs every workload for a short time against a real server in this process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use switchboard_bench::protocol::{CommandsDialect, Conversations, LineDialect, Rooms};
use switchboard_bench::{
    Churn, Error, Fanout, Faults, Idle, Isolation, MessageKind, MessageLoad, Metrics, Pairs, Phase, Rate, Report,
    Resume, Target, Timing, TlsClient, Transport, WebSocketClient,
};
use switchboard_protocol::Dialect;
use switchboard_server::tls::{CertificateSource, Tls, TlsVersion};
use switchboard_server::{Listener, Settings};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;

/// A server on its own thread. Dropping it stops the server.
struct Server {
    /// Address for clients of the commands dialect.
    commands: SocketAddr,
    /// Address for clients of the line dialect.
    line: SocketAddr,
    /// Address for clients of the commands dialect with TLS, if the server has a certificate.
    tls: Option<SocketAddr>,
    /// Address for WebSockets, with and without TLS.
    web: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    fn start(settings: Settings) -> Self {
        Self::start_with(settings, None, None)
    }

    /// Starts a server. Its connections have a send buffer of `send_buffer_bytes`, or one that the kernel adapts.
    fn start_with(settings: Settings, send_buffer_bytes: Option<u32>, tls: Option<Tls>) -> Self {
        let (addrs_sender, addrs) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let commands = listen(Dialect::Commands, send_buffer_bytes);
                let line = listen(Dialect::Line, send_buffer_bytes);
                let any_port = "127.0.0.1:0".parse().expect("an address");
                let web = Listener::bind_web(tls.as_ref(), &any_port).await.expect("a free port");
                let tls = tls.map(|tls| listen(Dialect::Commands, send_buffer_bytes).with_tls(tls));
                let addr_of = |listener: &Listener| listener.local_addr().expect("a bound listener has an address");
                let addrs = (addr_of(&commands), addr_of(&line), tls.as_ref().map(addr_of), addr_of(&web[0]));
                addrs_sender.send(addrs).expect("the test waits for the addresses");
                let shutdown = async { stopped.await.unwrap_or(()) };
                let listeners = [commands, line].into_iter().chain(tls).chain(web).collect();
                switchboard_server::run(listeners, settings, shutdown).await.expect("valid settings");
            });
        });
        let (commands, line, tls, web) = addrs.recv().expect("the server starts");
        Self { commands, line, tls, web, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }
}

/// Listens on a free port. An accepted connection inherits the size of the send buffer.
fn listen(dialect: Dialect, send_buffer_bytes: Option<u32>) -> Listener {
    let socket = TcpSocket::new_v4().expect("a socket");
    if let Some(bytes) = send_buffer_bytes {
        socket.set_send_buffer_size(bytes).expect("a valid size");
    }
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    Listener::new(dialect, socket.listen(1024).expect("a bound socket"))
}

/// The server at `addr`. It runs in this process, so this process is measured.
fn target(addr: SocketAddr) -> Target {
    Target { addr, transport: Transport::default(), pid: Some(std::process::id()), timeout: Duration::from_secs(10) }
}

const TIMING: Timing = Timing { warm_up: Duration::from_millis(50), time: Duration::from_millis(300) };

/// A load with short and long payloads.
fn load(pairs: usize, both_ways: bool) -> MessageLoad {
    MessageLoad { pairs, sizes: vec![64, 22, 700], both_ways }
}

/// Checks that a report has no faults, serialises to JSON, and prints as lines of readable length.
fn check(report: &Report) {
    assert_eq!(report.faults, Faults::default(), "{report}");
    let json = serde_json::to_value(report).expect("a report serialises");
    assert_eq!(json["workload"], report.workload);
    assert_eq!(json["faults"]["lost"], 0);
    assert!(report.to_string().lines().all(|line| line.chars().count() < 250), "{report}");
}

#[test]
fn stored_messages_reach_the_open_room_of_each_receiver() {
    let server = Server::start(Settings::default());
    for both_ways in [false, true] {
        let pairs = Pairs { load: load(4, both_ways), window: 16, timing: TIMING };
        let report = pairs.run(&Conversations, &target(server.commands), &mut |_| ()).expect("the run succeeds");
        check(&report);
        let Metrics::Messages { measured } = &report.metrics else { panic!("{report}") };
        assert!(measured.delivered > 0 && measured.acknowledged.is_some(), "{report}");
    }
}

#[test]
fn pairs_run_in_both_dialects() {
    let server = Server::start(Settings::default());
    for (is_line, pairs, window, both_ways) in
        [(false, 1, 1, false), (false, 5, 8, true), (false, 1, 1000, false), (true, 5, 8, true), (true, 1, 1, false)]
    {
        let pairs = Pairs { load: load(pairs, both_ways), window, timing: TIMING };
        let mut phases = Vec::new();
        let mut progress = |progress: switchboard_bench::Progress| phases.push(progress.phase);
        let report = if is_line {
            pairs.run(&LineDialect, &target(server.line), &mut progress)
        } else {
            pairs.run(&CommandsDialect, &target(server.commands), &mut progress)
        };
        let report = report.expect("the run succeeds");
        check(&report);
        let Metrics::Messages { measured } = &report.metrics else { panic!("{report}") };
        assert!(measured.delivered > 0 && measured.latency.is_some() && measured.server.is_some(), "{report}");
        assert_eq!(measured.acknowledged.is_none(), is_line, "{report}");
        assert!(report.notes[0].contains(" s is short"), "{report}");
        assert!(phases.contains(&Phase::Measuring) && phases.last() == Some(&Phase::Ending), "{phases:?}");
    }
}

/// A server with a certificate of its own, and the TLS of a client that trusts it.
fn server_with_tls() -> (Server, TlsClient) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = CertificateSource::SelfMade(folder.path().join("data"));
    let tls = Tls::new(source, TlsVersion::Tls13).expect("a certificate");
    let certificate = CertificateDer::from_pem_file(folder.path().join("data/tls-certificate.pem"));
    let mut roots = RootCertStore::empty();
    roots.add(certificate.expect("a certificate")).expect("a valid certificate");
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled();
    let client = TlsClient { config: Arc::new(config), server_name: "localhost".try_into().expect("a name") };
    (Server::start_with(Settings::default(), None, Some(tls)), client)
}

#[test]
fn workloads_run_over_tls() {
    let (server, client) = server_with_tls();
    run_over(&server.tls.expect("a listener"), Transport { tls: Some(client), websocket: None });
}

#[test]
fn workloads_run_over_websocket() {
    let (server, client) = server_with_tls();
    let host = format!("localhost:{}", server.web.port());
    let websocket =
        || WebSocketClient { host: host.clone(), path: "/ws".to_owned(), subprotocol: None, kind: MessageKind::Lines };
    run_over(&server.web, Transport { tls: None, websocket: Some(websocket()) });
    run_over(&server.web, Transport { tls: Some(client), websocket: Some(websocket()) });
}

/// Runs workloads with short and long batches, and with sessions that come and go.
fn run_over(addr: &SocketAddr, transport: Transport) {
    let target = Target { transport, ..target(*addr) };
    // Batches of more than a record of TLS, which has at most 16 KiB.
    for (pairs, window, sizes) in [(1, 1, vec![64]), (5, 8, vec![64, 22, 700]), (2, 200, vec![700])] {
        let pairs = Pairs { load: MessageLoad { pairs, sizes, both_ways: true }, window, timing: TIMING };
        let report = pairs.run(&CommandsDialect, &target, &mut |_| ()).expect("the run succeeds");
        check(&report);
        let Metrics::Messages { measured } = &report.metrics else { panic!("{report}") };
        assert!(measured.delivered > 0, "{report}");
    }
    let idle = Idle { sessions: 60, time: Duration::from_millis(50) };
    check(&idle.run(&CommandsDialect, &target, &mut |_| ()).expect("the run succeeds"));
    let churn = Churn { at_once: 4, timing: TIMING }.run(&CommandsDialect, &target, &mut |_| ());
    let churn = churn.expect("the run succeeds");
    check(&churn);
    let Metrics::Churn { churn: counted } = &churn.metrics else { panic!("{churn}") };
    assert!(counted.sessions > 4, "{churn}");
    let isolation = Isolation { load: load(4, false), frozen: 1, per_second: 500, timing: TIMING };
    let isolation = isolation.run(&CommandsDialect, &target, &mut |_| ()).expect("the run succeeds");
    check(&isolation);
    let Metrics::Isolation { isolation: counted } = &isolation.metrics else { panic!("{isolation}") };
    assert!(counted.flood > 1000, "{isolation}");
    let resume = Resume { conversations: 2, missed: 50, size: 64, rounds: 2, pages: 3 };
    check(&resume.run(&target, &mut |_| ()).expect("the run succeeds"));
}

#[test]
fn a_port_without_the_expected_layers_ends_the_run() {
    let (server, client) = server_with_tls();
    let (other, _) = server_with_tls();
    let pairs = Pairs { load: load(1, false), window: 1, timing: TIMING };
    for (addr, reason) in [(server.commands, "corrupt message"), (other.tls.expect("a listener"), "certificate")] {
        let transport = Transport { tls: Some(client.clone()), websocket: None };
        let error = pairs.run(&CommandsDialect, &Target { transport, ..target(addr) }, &mut |_| ());
        let error = error.expect_err("no handshake").to_string();
        assert!(error.starts_with("no session at this port: ") && error.contains(reason), "{error}");
    }
    let websocket = WebSocketClient {
        host: "elsewhere".to_owned(),
        path: "/ws".to_owned(),
        subprotocol: None,
        kind: MessageKind::Lines,
    };
    let transport = Transport { tls: None, websocket: Some(websocket) };
    let error = pairs.run(&CommandsDialect, &Target { transport, ..target(server.web) }, &mut |_| ());
    let error = error.expect_err("no WebSocket").to_string();
    assert!(error.contains("this is no WebSocket: it answers \"HTTP/1.1 421"), "{error}");
}

#[test]
fn rate_sends_about_as_many_messages_as_are_due() {
    let server = Server::start(Settings::default());
    let rate = Rate { load: load(3, true), per_second: 1000, timing: TIMING };
    let report = rate.run(&CommandsDialect, &target(server.commands), &mut |_| ()).expect("the run succeeds");
    check(&report);
    let Metrics::Messages { measured } = &report.metrics else { panic!("{report}") };
    let due = 1000.0 * measured.seconds;
    let sent = f64::from(u32::try_from(measured.sent).expect("a small count"));
    assert!((0.5 * due..1.5 * due).contains(&sent), "{report}");
    assert!(measured.sent_late.is_some(), "{report}");
}

#[test]
fn isolation_counts_frozen_readers_and_the_flood() {
    let server = Server::start(Settings::default());
    let isolation = Isolation { load: load(10, false), frozen: 2, per_second: 1000, timing: TIMING };
    let report = isolation.run(&CommandsDialect, &target(server.commands), &mut |_| ()).expect("the run succeeds");
    check(&report);
    let Metrics::Isolation { isolation } = &report.metrics else { panic!("{report}") };
    assert_eq!((isolation.frozen, isolation.cut), (2, 0), "{report}");
    // The buffers of the sockets and the outboxes have room for more messages than this.
    assert!(isolation.flood > 1000, "{report}");
}

#[test]
fn a_closed_frozen_reader_is_no_fault() {
    let reader_timeout = Duration::from_millis(500);
    let settings =
        Settings { outbox_timeout: reader_timeout, zero_window_timeout: reader_timeout, ..Settings::default() };
    // The server closes the reader only when the buffers to it have been full for this time. The send buffer is small,
    // so that the flood fills it early in the measured time, even on a busy machine.
    let server = Server::start_with(settings, Some(128 * 1024), None);
    let timing = Timing { time: Duration::from_millis(2500), ..TIMING };
    let isolation = Isolation { load: load(4, false), frozen: 1, per_second: 1000, timing };
    let report = isolation.run(&CommandsDialect, &target(server.commands), &mut |_| ()).expect("the run succeeds");
    check(&report);
    let Metrics::Isolation { isolation } = &report.metrics else { panic!("{report}") };
    assert_eq!(isolation.cut, 1, "{report}");
}

#[test]
fn fanout_delivers_each_message_to_each_reader() {
    let server = Server::start(Settings::default());
    let (load, per_second) = (load(1, false), 50);
    let fanout = Fanout { readers: 30, frozen: 3, writers: 2, per_second, load, pairs_per_second: 500, timing: TIMING };
    let report = fanout.run(&Rooms, &target(server.commands), &mut |_| ()).expect("the run succeeds");
    check(&report);
    let Metrics::Fanout { fanout } = &report.metrics else { panic!("{report}") };
    assert_eq!((fanout.readers, fanout.frozen, fanout.cut, fanout.caught_up), (27, 3, 0, 3), "{report}");
    assert!(fanout.said > 0 && fanout.latency.is_some() && fanout.untimed == 0, "{report}");
    // The messages that are on their way at the two ends of the measured time make a difference.
    assert!(fanout.delivered.abs_diff(27 * fanout.said) <= 10 * 27, "{report}");
    assert!(fanout.pairs_alone.is_some() && fanout.pairs_beside.delivered > 0, "{report}");
}

#[test]
fn a_returning_device_receives_all_that_it_missed() {
    let server = Server::start(Settings::default());
    let resume = Resume { conversations: 7, missed: 600, size: 64, rounds: 3, pages: 20 };
    let report = resume.run(&target(server.commands), &mut |_| ()).expect("the run succeeds");
    check(&report);
    let Metrics::Resume { resume } = &report.metrics else { panic!("{report}") };
    assert!(resume.time.is_some() && resume.page.is_some() && resume.server.is_some(), "{report}");
}

#[test]
fn records_that_expired_before_the_return_are_faults() {
    // The memory has room for the newest 4,096 records of a room.
    let server = Server::start(Settings::default());
    let resume = Resume { conversations: 1, missed: 5000, size: 22, rounds: 1, pages: 1 };
    let report = resume.run(&target(server.commands), &mut |_| ()).expect("the run succeeds");
    assert!((900..2000).contains(&report.faults.lost), "{report}");
}

#[test]
fn idle_reports_memory_of_each_session() {
    let server = Server::start(Settings::default());
    let idle = Idle { sessions: 100, time: Duration::from_millis(50) };
    let report = idle.run(&CommandsDialect, &target(server.commands), &mut |_| ()).expect("the run succeeds");
    check(&report);
    let Metrics::Idle { idle } = &report.metrics else { panic!("{report}") };
    assert!(idle.bytes_per_session.is_some() && report.sessions == 150, "{report}");
    let has_note = |report: &Report, part| report.notes.iter().any(|note| note.contains(part));
    assert!(has_note(&report, "100 sessions are few") && has_note(&report, " s is short"), "{report}");
    let target_without_pid = Target { pid: None, ..target(server.line) };
    let report = Idle { sessions: 10, time: Duration::ZERO }
        .run(&LineDialect, &target_without_pid, &mut |_| ())
        .expect("the run succeeds");
    assert!(has_note(&report, "--pid"), "{report}");
}

#[test]
fn churn_reports_sessions_and_lifetimes() {
    let server = Server::start(Settings::default());
    let churn = Churn { at_once: 4, timing: TIMING };
    let reports = [
        churn.run(&CommandsDialect, &target(server.commands), &mut |_| ()),
        churn.run(&LineDialect, &target(server.line), &mut |_| ()),
    ];
    for report in reports {
        let report = report.expect("the run succeeds");
        check(&report);
        let Metrics::Churn { churn } = &report.metrics else { panic!("{report}") };
        assert!(churn.sessions > 4 && churn.lifetime.is_some(), "{report}");
    }
}

#[test]
fn a_refusal_names_the_server_setting_to_raise() {
    let cases = [
        (Settings { max_sessions: 7, ..Settings::default() }, "more --max-sessions "),
        (
            Settings { max_sessions_per_address: 7, limit_loopback: true, ..Settings::default() },
            "more --max-sessions-per-address",
        ),
        (Settings { text_bytes: 100, ..Settings::default() }, "more --text-bytes"),
    ];
    for (settings, expected) in cases {
        let server = Server::start(settings);
        let pairs = Pairs { load: load(5, false), window: 4, timing: TIMING };
        let error = pairs
            .run(&CommandsDialect, &target(server.commands), &mut |_| ())
            .expect_err("a limit is exceeded")
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
    let server = Server::start(Settings::default());
    let pairs = Pairs { load: load(5, false), window: 4, timing: TIMING };
    let error =
        pairs.run(&LineDialect, &target(server.commands), &mut |_| ()).expect_err("the other dialect").to_string();
    assert!(error.contains("this port speaks the commands dialect"), "{error}");
    let error =
        pairs.run(&CommandsDialect, &target(server.line), &mut |_| ()).expect_err("the other dialect").to_string();
    assert!(error.contains("this port speaks the line dialect"), "{error}");
}

#[test]
fn invalid_workloads_are_refused() {
    // Nobody listens on port 1.
    let unused = Target { pid: None, ..target(([127, 0, 0, 1], 1).into()) };
    let pairs = |load, window| Pairs { load, window, timing: TIMING }.run(&CommandsDialect, &unused, &mut |_| ());
    let usage_error = |outcome: Result<Report, Error>| match outcome {
        Err(Error::Usage(text)) => text,
        other => panic!("{other:?}"),
    };
    let short = MessageLoad { sizes: vec![64, 10], ..load(1, false) };
    assert!(usage_error(pairs(short, 1)).contains("give at least 22"));
    let long = MessageLoad { sizes: vec![64, 100_000], ..load(1, false) };
    assert!(usage_error(pairs(long, 1)).contains("give at most 65536"));
    assert!(usage_error(pairs(load(1000, false), u64::MAX)).contains("use a smaller window"));
    assert!(usage_error(pairs(load(0, false), 1)).contains("0 pairs make no load"));
    assert!(usage_error(pairs(load(1, false), 0)).contains("in flight"));
    let isolation = Isolation { load: load(2, false), frozen: 2, per_second: 1, timing: TIMING };
    assert!(usage_error(isolation.run(&CommandsDialect, &unused, &mut |_| ())).contains("leave no pair to measure"));
    let fanout = |readers, frozen, writers| {
        let (load, per_second, pairs_per_second) = (load(1, false), 1, 1);
        Fanout { readers, frozen, writers, per_second, load, pairs_per_second, timing: TIMING }.run(
            &Rooms,
            &unused,
            &mut |_| (),
        )
    };
    assert!(usage_error(fanout(5, 5, 1)).contains("leave no reader to measure"));
    assert!(usage_error(fanout(5, 0, 0)).contains("0 writers"));
    let resume = |conversations, missed, size| {
        Resume { conversations, missed, size, rounds: 1, pages: 1 }.run(&unused, &mut |_| ())
    };
    assert!(usage_error(resume(0, 1, 64)).contains("0 conversations"));
    assert!(usage_error(resume(1, 1, 10)).contains("give at least 22"));
    assert!(matches!(pairs(load(1, false), 1), Err(Error::Connect { open: 0, .. })));
    assert!(matches!(pairs(load(100_000, false), 1), Err(Error::Files { .. })));
}
