//! Tests of the reads and writes of connections. The sockets are mocks that record them. A test polls the tasks in the
//! order of their wake-ups, as a single-threaded runtime does.

mod closing;
mod congestion;
mod delayed_replies;
mod mock_socket;
mod set_aside;
mod test_server;
mod turns;

use switchboard_protocol::Dialect;

const DIALECTS: [Dialect; 2] = [Dialect::Commands, Dialect::Line];

/// The lines that Noy sends, the lines that Elias receives, and the replies to Noy, for `lines` messages.
fn dialogue(dialect: Dialect, lines: usize) -> (String, String, String) {
    let (sent, received, reply) = match dialect {
        Dialect::Commands => ("MSG hi\n", "FROM Noy: hi\n", "MSG_SENT\n"),
        Dialect::Line => ("Elias: hi\n", "[Noy] hi\n", ""),
    };
    (sent.repeat(lines), received.repeat(lines), reply.repeat(lines))
}

/// A numbered text of about a thousand bytes.
fn long_text(n: usize) -> String {
    format!("{n} {}", "x".repeat(1000))
}
