//! Tests of turns: their reads and writes, and their fairness during a flood.

use switchboard_protocol::Dialect;

use super::super::{Connection, FLOOD_LINES, FLOOD_READ_MIN_BYTES};
use super::mock_socket::{Call, writes};
use super::test_server::TestServer;
use super::{DIALECTS, dialogue};
use crate::settings::Settings;
use crate::{buffers, reply_delay};

#[test]
fn one_read_causes_one_write_per_receiver() {
    for dialect in DIALECTS {
        for lines in [1, 10, Settings::default().turn_lines] {
            let (mut server, noy, elias) = TestServer::with_two_users(dialect);
            let (sent, received, reply) = dialogue(dialect, lines);
            noy.send([sent]);
            server.run();
            assert_eq!(writes(&elias.take_calls()), [received], "{lines} lines, {dialect}");
            let replies = if reply.is_empty() { vec![] } else { vec![Call::Write(reply.into_bytes())] };
            assert_eq!(noy.take_calls(), [vec![Call::Read], replies].concat(), "{lines} lines, {dialect}");
        }
    }
}

/// A read may hold more lines than a turn may handle. Later turns handle the rest, each with its own write.
#[test]
fn long_read_causes_one_write_per_turn() {
    for dialect in DIALECTS {
        let (mut server, noy, elias) = TestServer::with_two_users(dialect);
        // The first turn handles the maximum number of lines. Later turns handle fewer, to delay other sessions less.
        let (turn_lines, more_turns) = (server.hub.settings.turn_lines, 5);
        let turns = 1 + more_turns;
        let (sent, received, reply) = dialogue(dialect, turn_lines + more_turns * FLOOD_LINES);
        assert!(sent.len() <= buffers::READ_BYTES, "the lines fit into one read");
        noy.send([sent]);
        server.run();
        let (noy, elias) = (noy.take_calls(), elias.take_calls());
        assert_eq!((writes(&elias).len(), writes(&elias).concat()), (turns, received), "{dialect}");
        assert_eq!(writes(&noy).concat(), reply, "{dialect}");
        assert!(writes(&noy).len() <= turns, "{dialect}");
    }
}

#[test]
fn all_lines_are_written_when_input_pauses() {
    for dialect in DIALECTS {
        for reads in 1..=usize::from(reply_delay::TURNS_MAX) + 1 {
            let (mut server, noy, elias) = TestServer::with_two_users(dialect);
            let (sent, received, reply) = dialogue(dialect, 3);
            for pause in 1..=3 {
                noy.send(vec![sent.clone(); reads]);
                server.run();
                let context = format!("pause {pause}, after {reads} reads, {dialect}");
                assert_eq!(writes(&elias.take_calls()).concat(), received.repeat(reads), "{context}");
                assert_eq!(writes(&noy.take_calls()).concat(), reply.repeat(reads), "{context}");
            }
        }
    }
}

#[test]
fn flood_leaves_other_sessions_their_turns() {
    let (mut server, noy, elias) = TestServer::with_two_users(Dialect::Commands);
    let quiet = server.admit();
    server.run();
    quiet.take_calls();
    let (sent, ..) = dialogue(Dialect::Commands, 1000);
    noy.send(vec![sent; 100]);
    quiet.send(["PING\n".to_owned()]);
    while writes(&quiet.state().calls).is_empty() {
        assert!(server.step(), "the quiet session receives a reply");
    }
    let lines_of_flood = writes(&elias.take_calls()).concat().lines().count();
    let two_turns = server.hub.settings.turn_lines + FLOOD_LINES;
    assert_eq!(
        lines_of_flood, two_turns,
        "the flood has one turn before the quiet session's turn, and one before its write"
    );
}

/// After a read that fills the buffer, a session is read in parts of about `FLOOD_LINES` lines, until no input is left.
#[tokio::test(start_paused = true)]
async fn flood_is_read_in_small_parts() {
    for (line_bytes, expected) in [(10, FLOOD_READ_MIN_BYTES), (256, FLOOD_LINES * 256), (512, FLOOD_LINES * 512)] {
        let (mut server, noy, elias) = TestServer::with_two_users(Dialect::Commands);
        let text = "x".repeat(line_bytes - "MSG \n".len());
        let sent = format!("MSG {text}\n").repeat(3 * buffers::READ_BYTES / line_bytes + 1);
        let text_count = sent.matches(&text).count();
        noy.send([sent]);
        while noy.state().calls.is_empty() {
            assert!(server.step(), "the connection reads");
        }
        let read_bytes = |server: &TestServer| server.connections[0].as_ref().map(Connection::read_bytes);
        assert_eq!(read_bytes(&server), Some(expected), "lines of {line_bytes} bytes");
        server.run();
        assert_eq!(
            writes(&elias.take_calls()).concat().matches(&text).count(),
            text_count,
            "lines of {line_bytes} bytes"
        );
        assert_eq!(read_bytes(&server), Some(buffers::READ_BYTES), "no input is left");
    }
}
