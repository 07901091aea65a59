//! Tests that a warm session allocates nothing for a message.
//!
//! The server runs on the thread of the test, where allocations are counted. The clients run on another thread.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use switchboard_protocol::Dialect;
use switchboard_server::{Listener, Settings, run};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Number of messages that warm up the session, and number of messages for which the allocations are counted.
const MESSAGES: usize = 4096;

/// Maximum time to wait for a reply.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum time for which the server delays replies. It then needs a timer, and keeps it at least until this time has
/// passed.
const REPLY_DELAY_MAX: Duration = Duration::from_millis(40);

/// Number of allocations for a timer: its own, and one for the state that holds it.
const ALLOCATIONS_PER_TIMER: u128 = 2;

const TEXT: &str = "the quick brown fox jumps over the lazy dog, and once again";

#[test]
fn warm_session_does_not_allocate_for_a_message() {
    for dialect in [Dialect::Commands, Dialect::Line] {
        for batch in [1, 16, 256, 512] {
            for waits_for_replies in [true, false] {
                let Count { allocations, elapsed } = count_allocations(dialect, batch, waits_for_replies);
                // The number of timers depends on the time, and not on the number of messages. The line dialect has no
                // replies to delay, so it needs no timer.
                let timers_max = match dialect {
                    Dialect::Commands => 1 + elapsed.as_millis() / REPLY_DELAY_MAX.as_millis(),
                    Dialect::Line => 0,
                };
                let allocations_max = ALLOCATIONS_PER_TIMER * timers_max;
                assert!(
                    u128::from(allocations) <= allocations_max,
                    "{allocations} allocations for {MESSAGES} messages in batches of {batch}, {dialect} dialect, \
                     waits_for_replies: {waits_for_replies}, in {elapsed:?}"
                );
            }
        }
    }
}

/// A flood fills the read buffer. The replies to such a read can need larger buffers than the server's spare buffers.
/// So the number of allocations grows with the number of reads, and not with the number of messages.
#[test]
fn flood_allocates_per_read_not_per_message() {
    for dialect in [Dialect::Commands, Dialect::Line] {
        for batch in [1024, 4096] {
            let Count { allocations, .. } = count_allocations(dialect, batch, true);
            let allocations_max = MESSAGES as u64 / 32;
            assert!(
                allocations <= allocations_max,
                "{allocations} allocations for {MESSAGES} messages in batches of {batch}, {dialect} dialect"
            );
        }
    }
}

/// Allocations of the server, and the time in which they were counted.
struct Count {
    allocations: u64,
    elapsed: Duration,
}

/// Counts the server's allocations for [`MESSAGES`] messages in batches of `batch`, after [`MESSAGES`]
/// messages that warm up the session.
/// `waits_for_replies`: the sender reads the replies to each batch before it sends the next.
fn count_allocations(dialect: Dialect, batch: usize, waits_for_replies: bool) -> Count {
    let runtime = Builder::new_current_thread().enable_all().build().expect("the runtime starts");
    let address = "127.0.0.1:0".parse().expect("an address");
    let listener = runtime.block_on(Listener::bind(dialect, &address)).expect("a port is free").remove(0);
    let address = listener.local_addr().expect("the listener is bound");
    let server = runtime.spawn(run(vec![listener], Settings::default(), std::future::pending()));

    let (warm_sender, warm_receiver) = oneshot::channel();
    let (done_sender, done_receiver) = oneshot::channel();
    let clients = thread::spawn(move || {
        let mut conversation = Conversation::begin(dialect, address, batch);
        conversation.send(MESSAGES, waits_for_replies);
        warm_sender.send(()).expect("the server waits");
        conversation.send(MESSAGES, waits_for_replies);
        done_sender.send(()).expect("the server waits");
    });
    runtime.block_on(warm_receiver).expect("the clients have not failed");
    let start = now();
    let counted = allocation_counter::measure(|| runtime.block_on(done_receiver).expect("the clients have not failed"));
    let elapsed = start.elapsed();
    clients.join().expect("the clients received the expected lines");
    server.abort();
    Count { allocations: counted.count_total, elapsed }
}

#[expect(clippy::disallowed_methods, reason = "real sockets live in real time")]
fn now() -> Instant {
    Instant::now()
}

/// A conversation in which Noy sends messages to Elias.
struct Conversation {
    noy: TcpStream,
    elias: TcpStream,
    /// A batch of messages, as Noy sends it.
    sent: Vec<u8>,
    /// The same batch, as Elias receives it.
    received: Vec<u8>,
    /// The replies to the batch, as Noy receives them.
    replies: Vec<u8>,
    /// Number of messages in the batch.
    batch: usize,
}

impl Conversation {
    fn begin(dialect: Dialect, address: SocketAddr, batch: usize) -> Self {
        let connect = || {
            let stream = TcpStream::connect(address).expect("the server listens");
            stream.set_read_timeout(Some(REPLY_TIMEOUT)).expect("the timeout is not zero");
            stream
        };
        let (mut noy, mut elias) = (connect(), connect());
        let (line, received, reply) = match dialect {
            Dialect::Commands => {
                exchange(&mut elias, "REGISTER Elias\n", "WELCOME\nREGISTER_OK Elias\n");
                exchange(&mut noy, "REGISTER Noy\n", "WELCOME\nREGISTER_OK Noy\n");
                exchange(&mut noy, "CONNECT Elias\n", "CONNECT_OK Elias\n");
                exchange(&mut elias, "", "INCOMING_CONNECTION Noy\n");
                (format!("MSG {TEXT}\n"), format!("FROM Noy: {TEXT}\n"), "MSG_SENT\n")
            }
            Dialect::Line => {
                exchange(&mut elias, "Elias\n", "Welcome Elias! You can now chat.\n");
                exchange(&mut noy, "Noy\n", "Welcome Noy! You can now chat.\n");
                (format!("Elias: {TEXT}\n"), format!("[Noy] {TEXT}\n"), "")
            }
        };
        let batch_of = |line: &str| line.repeat(batch).into_bytes();
        Self { noy, elias, sent: batch_of(&line), received: batch_of(&received), replies: batch_of(reply), batch }
    }

    fn send(&mut self, messages: usize, waits_for_replies: bool) {
        let batches = messages / self.batch;
        let mut received = vec![0; self.received.len()];
        let batches_per_reply_read = if waits_for_replies { 1 } else { batches };
        let mut replies = vec![0; self.replies.len() * batches_per_reply_read];
        for batch in 1..=batches {
            self.noy.write_all(&self.sent).expect("the server reads");
            self.elias.read_exact(&mut received).expect("the server writes");
            assert!(received == self.received, "Elias receives the messages");
            if batch % batches_per_reply_read == 0 {
                self.noy.read_exact(&mut replies).expect("the server replies");
                assert!(replies == self.replies.repeat(batches_per_reply_read), "Noy receives the replies");
            }
        }
    }
}

/// Sends `line`, and checks that the server's next bytes are `expected`.
fn exchange(client: &mut TcpStream, line: &str, expected: &str) {
    client.write_all(line.as_bytes()).expect("the server reads");
    let mut reply = vec![0; expected.len()];
    client.read_exact(&mut reply).expect("the server replies");
    assert_eq!(String::from_utf8_lossy(&reply), expected);
}
