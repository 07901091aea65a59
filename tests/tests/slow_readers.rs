//! Slow, stopped and dead readers, in a network whose packets have the size of Ethernet's.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use switchboard_tests::namespace::{in_namespace, is_inside};
use switchboard_tests::process::{ServerProcess, program};
use switchboard_tests::test_client::{TIMEOUT, TestClient};

/// Loopback with an MTU of 1,500 bytes: segments of 1,448 to 1,460 bytes, as on Ethernet.
const ETHERNET_LOOPBACK: &str = "ip link set lo mtu 1500 up";

/// Receive buffer of a reader, in bytes.
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;

/// Text of a message, in bytes.
const TEXT_BYTES: usize = 1000;

#[expect(clippy::disallowed_methods, reason = "real sockets live in real time")]
fn now() -> Instant {
    Instant::now()
}

/// Runs a test in a network of its own. Builds the server first, because a build inside has no network.
fn in_ethernet(name: &str, test: impl FnOnce()) {
    if !is_inside() {
        let _ = program("switchboard-server");
    }
    in_namespace(name, ETHERNET_LOOPBACK, test);
}

/// The socket of a user of the line dialect whose receive buffer has a fixed size.
fn connect_reader(server: SocketAddr, name: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).expect("an allowed size");
    socket.connect(&server.into()).expect("the server listens");
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout above zero");
    stream.write_all(format!("{name}\n").as_bytes()).expect("the server reads");
    let mut welcome = vec![0; format!("Welcome {name}! You can now chat.\n").len()];
    stream.read_exact(&mut welcome).expect("the server writes");
    stream
}

/// A user of the line dialect.
fn connect_author(server: SocketAddr, name: &str) -> TestClient {
    let mut author = TestClient::connect(server);
    author.send(name);
    author.expect(&format!("Welcome {name}! You can now chat."));
    author
}

/// Sends `count` numbered messages to Elias from a thread of their own, because the server may read them slowly.
fn send_messages(author: &TestClient, count: usize) -> thread::JoinHandle<()> {
    let mut socket = author.socket().try_clone().expect("a socket of this process");
    let text = "x".repeat(TEXT_BYTES);
    thread::spawn(move || {
        for n in 0..count {
            if socket.write_all(format!("Elias: {n} {text}\n").as_bytes()).is_err() {
                break;
            }
        }
    })
}

/// Reads `bytes_per_second` while `is_slow` returns true for the time since the start, and then the rest of `count`
/// messages at full speed.
fn read_steadily(reader: &mut TcpStream, count: usize, bytes_per_second: usize, is_slow: impl Fn(Duration) -> bool) {
    let (start, mut received) = (now(), Vec::new());
    let mut part = vec![0; bytes_per_second / 10];
    while is_slow(start.elapsed()) {
        thread::sleep(Duration::from_millis(100));
        match reader.read(&mut part) {
            Ok(len) if len > 0 => received.extend_from_slice(&part[..len]),
            end => panic!("the reader was cut after {:?} and {} bytes: {end:?}", start.elapsed(), received.len()),
        }
    }
    let text = "x".repeat(TEXT_BYTES);
    let expected = (0..count).map(|n| format!("[Noy] {n} {text}\n")).collect::<Vec<_>>().concat();
    let mut rest = vec![0; expected.len() - received.len()];
    reader.read_exact(&mut rest).expect("all messages arrive");
    received.append(&mut rest);
    assert!(received == expected.as_bytes(), "each message arrives once and in order");
}

#[test]
fn steady_reader_of_a_kilobyte_a_second_is_not_cut() {
    in_ethernet("steady_reader_of_a_kilobyte_a_second_is_not_cut", || {
        let server = ServerProcess::start(&["--outbox-timeout=2s", "--user-timeout=4s"]);
        let mut reader = connect_reader(server.line, "Elias");
        let author = connect_author(server.line, "Noy");
        // More than the kernel's buffers hold.
        let count = 5000;
        let sending = send_messages(&author, count);
        read_steadily(&mut reader, count, 1000, |elapsed| elapsed < Duration::from_secs(14));
        sending.join().expect("the thread does not panic");
    });
}

/// Like the test above, at the default settings. `cargo xtask soak readers` runs it.
#[test]
#[ignore = "takes three minutes: run by `cargo xtask soak readers`"]
fn steady_reader_is_not_cut_at_the_default_settings() {
    in_ethernet("steady_reader_is_not_cut_at_the_default_settings", || {
        let server = ServerProcess::start(&[]);
        let mut reader = connect_reader(server.line, "Elias");
        let author = connect_author(server.line, "Noy");
        let count = 6000;
        let sending = send_messages(&author, count);
        read_steadily(&mut reader, count, 1000, |elapsed| elapsed < Duration::from_mins(3));
        sending.join().expect("the thread does not panic");
    });
}

/// The time until the server removes Elias, and the log line about it.
fn wait_until_gone(server: &mut ServerProcess, since: Instant) -> (Duration, String) {
    loop {
        let line = server.log_line_with(r#""name":"Elias""#);
        if line.contains(r#""why""#) {
            return (since.elapsed(), line);
        }
    }
}

/// Numbers of messages: the kernel holds all bytes of the first, and only a part of the second.
const IN_KERNEL_AND_IN_OUTBOX: [usize; 2] = [180, 5000];

/// Runs `test` for both numbers at the same time.
fn for_each_count(test: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for count in IN_KERNEL_AND_IN_OUTBOX {
            let test = &test;
            scope.spawn(move || test(count));
        }
    });
}

// A Linux receiver answers at most two zero-window probes a second (`tcp_invalid_ratelimit` of the kernel). So the user
// timeout is several seconds here.

#[test]
fn stopped_reader_that_answers_probes_is_cut_after_the_zero_window_timeout() {
    in_ethernet("stopped_reader_that_answers_probes_is_cut_after_the_zero_window_timeout", || {
        for_each_count(|count| {
            let mut server =
                ServerProcess::start(&["--outbox-timeout=1s", "--user-timeout=4s", "--zero-window-timeout=8s"]);
            let _reader = connect_reader(server.line, "Elias");
            let author = connect_author(server.line, "Noy");
            let start = now();
            let sending = send_messages(&author, count);
            let (elapsed, line) = wait_until_gone(&mut server, start);
            assert!(line.contains("slow consumer"), "{count} messages: {line}");
            assert!(elapsed > Duration::from_secs(8), "{count} messages: cut after {elapsed:?}");
            assert!(elapsed < Duration::from_secs(12), "{count} messages: cut after {elapsed:?}");
            drop((server, author));
            sending.join().expect("the thread does not panic");
        });
    });
}

#[test]
fn stopped_reader_that_reads_again_receives_all_messages() {
    in_ethernet("stopped_reader_that_reads_again_receives_all_messages", || {
        for_each_count(|count| {
            let server = ServerProcess::start(&["--outbox-timeout=1s", "--user-timeout=4s"]);
            let mut reader = connect_reader(server.line, "Elias");
            let author = connect_author(server.line, "Noy");
            let sending = send_messages(&author, count);
            thread::sleep(Duration::from_secs(8));
            read_steadily(&mut reader, count, 1000, |_| false);
            sending.join().expect("the thread does not panic");
        });
    });
}

#[test]
fn dead_reader_is_let_go_after_the_user_timeout() {
    in_ethernet("dead_reader_is_let_go_after_the_user_timeout", || {
        let link_goes_down = Barrier::new(IN_KERNEL_AND_IN_OUTBOX.len());
        for_each_count(|count| {
            let mut server = ServerProcess::start(&["--outbox-timeout=1s", "--user-timeout=4s"]);
            let reader = connect_reader(server.line, "Elias");
            let author = connect_author(server.line, "Noy");
            let sending = send_messages(&author, count);
            // The reader stops, but its system still answers, for longer than the user timeout.
            thread::sleep(Duration::from_secs(5));
            let len = reader.peek(&mut [0]).expect("the session is open");
            assert_eq!(len, 1, "the session is open");
            link_goes_down.wait();
            set_loopback("down");
            let (elapsed, line) = wait_until_gone(&mut server, now());
            // The timeout begins with the second unanswered probe. The probes follow some 6 s and 13 s after the stop.
            assert!(elapsed < Duration::from_secs(18), "{count} messages: let go after {elapsed:?}, {line}");
            assert!(elapsed > Duration::from_secs(4), "{count} messages: let go after {elapsed:?}, {line}");
            author.socket().shutdown(Shutdown::Both).expect("a socket of this process");
            sending.join().expect("the thread does not panic");
        });
    });
}

fn set_loopback(state: &str) {
    let status = Command::new("ip").args(["link", "set", "lo", state]).status();
    assert!(status.is_ok_and(|status| status.success()), "ip cannot set loopback {state}");
}

/// An author writes to a reader of a kilobyte a second and to a healthy one, in turn. The lines to the slow reader do
/// not delay the others, and arrive in order.
#[test]
fn slow_target_delays_no_line_to_another_target() {
    const BURST: usize = 300;
    const ROUNDS: usize = 100;

    in_ethernet("slow_target_delays_no_line_to_another_target", || {
        // The kernel and the outbox hold fewer lines than the burst has.
        let flags = ["--max-sessions=100", "--outbox-soft-bytes=16384", "--outbox-bytes=131072"];
        let server = ServerProcess::start(&flags);
        let mut slow_reader = connect_reader(server.line, "Elias");
        let mut healthy = connect_author(server.line, "Maya");
        let mut author = connect_author(server.line, "Noy");
        let text = "x".repeat(TEXT_BYTES);
        let is_measuring = AtomicBool::new(true);
        thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let is_slow = |elapsed| is_measuring.load(Ordering::Relaxed) && elapsed < TIMEOUT;
                read_steadily(&mut slow_reader, BURST + ROUNDS, 1000, is_slow);
            });
            (0..BURST).for_each(|n| author.send(&format!("Elias: {n} {text}")));
            let mut trips: Vec<_> = (0..ROUNDS)
                .map(|n| {
                    // The lines last for some seconds, while the slow reader opens and closes its window.
                    thread::sleep(Duration::from_millis(20));
                    let start = now();
                    author.send(&format!("Elias: {} {text}\nMaya: {n}", BURST + n));
                    healthy.expect(&format!("[Noy] {n}"));
                    start.elapsed()
                })
                .collect();
            is_measuring.store(false, Ordering::Relaxed);
            trips.sort_unstable();
            let (median, max) = (trips[ROUNDS / 2], trips[ROUNDS - 1]);
            println!("lines to the healthy reader: median {median:?}, maximum {max:?}");
            // A busy machine may stall for longer than the median, but never as long as the pauses of a slow reader.
            assert!(median < Duration::from_millis(50), "median {median:?}, maximum {max:?}");
            assert!(max < Duration::from_secs(1), "median {median:?}, maximum {max:?}");
            reading.join().expect("the slow reader receives all lines");
        });
    });
}
