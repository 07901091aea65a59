//! Runs against a test server that makes one mistake. The load generator must count each fault once.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use switchboard_bench::protocol::CommandsDialect;
use switchboard_bench::{Error, Faults, MessageLoad, Metrics, Pairs, Rate, Report, Target, Timing, Transport};

/// The mistake that the server makes with one message. It serves one pair: a sender and a receiver.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// Does not deliver the message, but acknowledges it.
    Drop,
    /// Delivers the message after the next one.
    Swap,
    /// Delivers the message twice.
    Repeat,
    /// Changes the last byte of the message.
    Change,
    /// Does not acknowledge the message.
    NoAcknowledgment,
    /// Acknowledges the message twice.
    AcknowledgeTwice,
    /// Closes both connections.
    HangUp,
    /// Waits for [`STALL`] before delivery.
    Stall,
    /// Delivers neither the message nor any later one.
    Mute,
    /// Delivers and acknowledges the message a second time, after the sender has closed.
    Echo,
}

/// Number of the affected message. The earlier messages fill more than one window, and pass without a fault.
const FAULTY_MESSAGE: usize = 20;

/// Delay of [`Fault::Stall`].
const STALL: Duration = Duration::from_millis(500);

/// Starts a server of the commands dialect for one pair. The server makes the mistake `fault` with one message.
fn server_with(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("a bound listener has an address");
    thread::spawn(move || {
        let mut clients: Vec<_> = (0..2).map(|_| accept_client(&listener)).collect();
        // The sender has the lower number.
        clients.sort_by_key(|client| client.0);
        let [(_, mut sender, mut lines), (_, mut receiver, _)] = clients.try_into().expect("two clients");
        let mut line = String::new();
        lines.read_line(&mut line).expect("the sender sends CONNECT");
        sender.write_all(b"CONNECT_OK b\n").expect("the client reads");
        receiver.write_all(b"INCOMING_CONNECTION a\n").expect("the client reads");
        let (mut held_back, mut echo) = (None, None);
        for (number, line) in lines.lines().map_while(Result::ok).enumerate() {
            let text = line.strip_prefix("MSG ").expect("a client sends MSG").to_owned();
            if fault == Fault::Mute && number >= FAULTY_MESSAGE {
                continue;
            }
            let message_fault = if number == FAULTY_MESSAGE { fault } else { Fault::None };
            let text = if message_fault == Fault::Change { format!("{}~", &text[..text.len() - 1]) } else { text };
            let from = format!("FROM a: {text}\n");
            let delivery = match message_fault {
                Fault::Drop => String::new(),
                Fault::Swap => {
                    held_back = Some(from);
                    String::new()
                }
                Fault::Repeat => from.repeat(2),
                Fault::HangUp => return,
                Fault::Stall => {
                    thread::sleep(STALL);
                    from
                }
                Fault::Echo => {
                    echo = Some(from.clone());
                    from
                }
                Fault::None | Fault::Change | Fault::NoAcknowledgment | Fault::AcknowledgeTwice | Fault::Mute => {
                    from + &held_back.take().unwrap_or_default()
                }
            };
            let acknowledgements = match message_fault {
                Fault::NoAcknowledgment => "",
                Fault::AcknowledgeTwice => "MSG_SENT\nMSG_SENT\n",
                _ => "MSG_SENT\n",
            };
            // Ignores an error: the clients may have closed.
            let _ =
                receiver.write_all(delivery.as_bytes()).and_then(|()| sender.write_all(acknowledgements.as_bytes()));
        }
        // The sender has closed.
        if let Some(from) = echo {
            let _ = receiver.write_all(from.as_bytes()).and_then(|()| sender.write_all(b"MSG_SENT\n"));
        }
    });
    addr
}

/// Accepts a client and registers it. Returns the number at the end of its name, its connection, and its further lines.
fn accept_client(listener: &TcpListener) -> (usize, TcpStream, BufReader<TcpStream>) {
    let (mut stream, _) = listener.accept().expect("a client connects");
    stream.set_nodelay(true).expect("a TCP socket");
    let mut lines = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("a client sends REGISTER");
    let (_, number) = line.trim_end().rsplit_once('-').expect("a name ends in its number");
    stream.write_all(b"WELCOME\nREGISTER_OK x\n").expect("the client reads");
    (number.parse().expect("a number"), stream, lines)
}

/// A short run with one pair.
fn pairs() -> Pairs {
    Pairs {
        load: MessageLoad { pairs: 1, sizes: vec![64], both_ways: false },
        window: 8,
        timing: Timing { warm_up: Duration::ZERO, time: Duration::from_millis(100) },
    }
}

fn target(addr: SocketAddr) -> Target {
    Target { addr, transport: Transport::default(), pid: None, timeout: Duration::from_secs(1) }
}

#[test]
fn every_fault_is_counted_once() {
    let no_faults = Faults::default();
    let cases = [
        (Fault::None, no_faults),
        (Fault::Drop, Faults { lost: 1, ..no_faults }),
        (Fault::Swap, Faults { reordered: 1, ..no_faults }),
        (Fault::Repeat, Faults { duplicated: 1, ..no_faults }),
        (Fault::Change, Faults { corrupt: 1, ..no_faults }),
        (Fault::NoAcknowledgment, Faults { unacknowledged: 1, ..no_faults }),
        (Fault::AcknowledgeTwice, Faults { unacknowledged: 1, ..no_faults }),
        (Fault::Echo, Faults { duplicated: 1, unacknowledged: 1, ..no_faults }),
    ];
    for (fault, expected) in cases {
        let report = pairs().run(&CommandsDialect, &target(server_with(fault)), &mut |_| ()).expect("the run succeeds");
        assert_eq!((report.faults, report.faults.any()), (expected, fault != Fault::None), "{fault:?}");
    }
}

#[test]
fn a_server_that_hangs_up_ends_the_run() {
    let error = pairs()
        .run(&CommandsDialect, &target(server_with(Fault::HangUp)), &mut |_| ())
        .expect_err("the server hung up");
    assert!(matches!(error, Error::Closed { sessions: 2, .. }), "{error}");
}

#[test]
fn a_silent_server_ends_the_run_after_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("a bound listener has an address");
    let error = pairs().run(&CommandsDialect, &target(addr), &mut |_| ()).expect_err("no answer arrives").to_string();
    assert_eq!(error, "the server sent nothing for 1s while 2 sessions waited to be opened");
}

/// Runs an open loop of 100 messages a second for 300 ms. The affected message is due after 200 ms.
fn run_rate(server: SocketAddr) -> Report {
    let Pairs { load, timing, .. } = pairs();
    let timing = Timing { time: Duration::from_millis(300), ..timing };
    Rate { load, per_second: 100, timing }
        .run(&CommandsDialect, &target(server), &mut |_| ())
        .expect("the run succeeds")
}

#[test]
fn a_stall_at_the_end_of_the_measurement_counts_as_latency() {
    let report = run_rate(server_with(Fault::Stall));
    let Metrics::Messages { measured } = &report.metrics else { panic!("{report}") };
    let latency = measured.latency.expect("some messages arrived");
    assert!(latency.max_us >= 1e6 * STALL.as_secs_f64(), "{report}");
    assert_eq!((measured.untimed, report.faults), (0, Faults::default()), "{report}");
}

#[test]
fn a_note_says_how_many_messages_did_not_arrive_in_time() {
    let report = run_rate(server_with(Fault::Mute));
    let Metrics::Messages { measured } = &report.metrics else { panic!("{report}") };
    assert!(measured.untimed >= 10 && report.faults.lost >= measured.untimed, "{report}");
    let expected_note = format!("{} messages of the measured time did not arrive in time", measured.untimed);
    assert!(report.notes.iter().any(|note| note.contains(&expected_note)), "{report}");
}
