//! A session that is warm allocates nothing for what it says and hears.
//!
//! The server runs on the thread of the test, where allocations are counted, and those who talk on another, where they
//! are not.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use switchboard_protocol::Dialect;
use switchboard_server::{Listener, Settings, run};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// How many messages are said while allocations are counted, and how many before.
const MESSAGES: usize = 4096;

/// How long an answer may take before there is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// What may be allocated where there are answers, whatever is said: now and then they wait for a time, which a clock tells.
const CLOCKS_MAX: u64 = 8;

const TEXT: &str = "the quick brown fox jumps over the lazy dog, and once again";

#[test]
fn a_warm_session_allocates_nothing_for_a_message() {
    for (dialect, max) in [(Dialect::Commands, CLOCKS_MAX), (Dialect::Line, 0)] {
        for batch in [1, 16, 256, 512] {
            for waits in [true, false] {
                let allocations = allocations(dialect, batch, waits);
                assert!(
                    allocations <= max,
                    "{allocations} for {MESSAGES} messages, {batch} at once, in the {dialect} dialect, waits: {waits}"
                );
            }
        }
    }
}

/// A full read of messages makes more bytes than it has, and so much is worth no buffer that is kept.
#[test]
fn a_flood_allocates_for_a_read_and_not_for_a_message() {
    for dialect in [Dialect::Commands, Dialect::Line] {
        for batch in [1024, 4096] {
            let allocations = allocations(dialect, batch, true);
            let max = MESSAGES as u64 / 32;
            assert!(
                allocations <= max,
                "{allocations} for {MESSAGES} messages, {batch} at once, in the {dialect} dialect"
            );
        }
    }
}

/// How often the server allocates for [`MESSAGES`] messages, `batch` of them at once, once it has seen as many. Who says
/// them `waits` for the answers to each batch, or goes on when they are heard.
fn allocations(dialect: Dialect, batch: usize, waits: bool) -> u64 {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let listener = runtime.block_on(Listener::bind(dialect, "127.0.0.1:0")).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let server = runtime.spawn(run(vec![listener], Settings::default(), std::future::pending()));

    let (warm, is_warm) = oneshot::channel();
    let (done, is_done) = oneshot::channel();
    let talk = thread::spawn(move || {
        let mut talk = Talk::begin(dialect, address, batch);
        talk.say(MESSAGES, waits);
        warm.send(()).expect("the server waits");
        talk.say(MESSAGES, waits);
        done.send(()).expect("the server waits");
    });
    runtime.block_on(is_warm).expect("they got that far");
    let counted = allocation_counter::measure(|| runtime.block_on(is_done).expect("they got that far"));
    talk.join().expect("they heard what they should");
    server.abort();
    counted.count_total
}

/// Noy talks to Elias.
struct Talk {
    noy: TcpStream,
    elias: TcpStream,
    /// What Noy says at once, what Elias hears of it, and what Noy hears.
    said: Vec<u8>,
    heard: Vec<u8>,
    answer: Vec<u8>,
    batch: usize,
}

impl Talk {
    fn begin(dialect: Dialect, address: SocketAddr, batch: usize) -> Self {
        let connect = || {
            let stream = TcpStream::connect(address).expect("the server listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("it is more than nothing");
            stream
        };
        let (mut noy, mut elias) = (connect(), connect());
        let (line, heard, answer) = match dialect {
            Dialect::Commands => {
                ask(&mut elias, "REGISTER Elias\n", "WELCOME\nREGISTER_OK Elias\n");
                ask(&mut noy, "REGISTER Noy\n", "WELCOME\nREGISTER_OK Noy\n");
                ask(&mut noy, "CONNECT Elias\n", "CONNECT_OK Elias\n");
                ask(&mut elias, "", "INCOMING_CONNECTION Noy\n");
                (format!("MSG {TEXT}\n"), format!("FROM Noy: {TEXT}\n"), "MSG_SENT\n")
            }
            Dialect::Line => {
                ask(&mut elias, "Elias\n", "Welcome Elias! You can now chat.\n");
                ask(&mut noy, "Noy\n", "Welcome Noy! You can now chat.\n");
                (format!("Elias: {TEXT}\n"), format!("[Noy] {TEXT}\n"), "")
            }
        };
        let batch_of = |line: &str| line.repeat(batch).into_bytes();
        Self { noy, elias, said: batch_of(&line), heard: batch_of(&heard), answer: batch_of(answer), batch }
    }

    fn say(&mut self, messages: usize, waits: bool) {
        let batches = messages / self.batch;
        let mut heard = vec![0; self.heard.len()];
        let answers_at_once = if waits { 1 } else { batches };
        let mut answers = vec![0; self.answer.len() * answers_at_once];
        for batch in 1..=batches {
            self.noy.write_all(&self.said).expect("the server reads");
            self.elias.read_exact(&mut heard).expect("the server writes");
            assert!(heard == self.heard, "Elias hears what was said");
            if batch % answers_at_once == 0 {
                self.noy.read_exact(&mut answers).expect("the server answers");
                assert!(answers == self.answer.repeat(answers_at_once), "Noy hears that it was");
            }
        }
    }
}

fn ask(who: &mut TcpStream, line: &str, expected: &str) {
    who.write_all(line.as_bytes()).expect("the server reads");
    let mut answer = vec![0; expected.len()];
    who.read_exact(&mut answer).expect("the server answers");
    assert_eq!(String::from_utf8_lossy(&answer), expected);
}
