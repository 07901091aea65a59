//! Tests of delayed replies, which share a write.

use switchboard_protocol::Dialect;

use super::dialogue;
use super::mock_socket::{Call, MockSocket, writes};
use super::test_server::TestServer;
use crate::reply_delay;

#[test]
fn replies_to_at_most_turns_max_turns_share_a_write() {
    let (mut server, noy, elias) = TestServer::with_two_users(Dialect::Commands);
    let reads = 10 * usize::from(reply_delay::TURNS_MAX);
    let (sent, received, reply) = dialogue(Dialect::Commands, 10);
    noy.send(vec![sent; reads]);
    server.run();
    let elias = elias.take_calls();
    assert_eq!(writes(&elias), vec![received; reads], "messages are not delayed");
    let calls = noy.take_calls();
    assert_eq!(writes(&calls).concat(), reply.repeat(reads));
    let most_reads_before_a_write = calls.split(|call| *call != Call::Read).map(<[_]>::len).max();
    assert_eq!(most_reads_before_a_write, Some(usize::from(reply_delay::TURNS_MAX)));
}

#[tokio::test(start_paused = true)]
async fn delayed_replies_leave_in_one_write() {
    let (mut server, noy, elias) = with_delayed_replies();
    let (sent, received, reply) = dialogue(Dialect::Commands, 1);
    for _ in 0..3 {
        noy.send([sent.clone()]);
        server.run();
        assert_eq!(writes(&elias.take_calls()), [received.as_str()], "messages are not delayed");
        assert_eq!(noy.take_calls(), [Call::Read], "replies are delayed");
    }
    tokio::time::advance(reply_delay::DELAY_MAX).await;
    server.run();
    assert_eq!(writes(&noy.take_calls()), [reply.repeat(3)], "replies are written after the maximum delay");

    // The client has sent more during the delay, so the guess was right. Replies are delayed again, for at most
    // `TURNS_MAX` turns.
    for turn in 1..=reply_delay::TURNS_MAX {
        // Each turn before this one has caused a read, but no write.
        assert_eq!(noy.take_calls().len(), usize::from(turn > 1), "turn {turn}");
        noy.send([sent.clone()]);
        server.run();
    }
    assert_eq!(writes(&noy.take_calls()), [reply.repeat(reply_delay::TURNS_MAX.into())]);
}

#[tokio::test(start_paused = true)]
async fn delay_after_a_wrong_guess_needs_twice_the_turns() {
    let (mut server, noy, _elias) = with_delayed_replies();
    send_delayed_command(&mut server, &noy);
    tokio::time::advance(reply_delay::DELAY_MAX).await;
    server.run();
    assert_eq!(writes(&noy.take_calls()), [USERS]);
    send_commands(&mut server, &noy, 2 * usize::from(reply_delay::TURNS_BEFORE_DELAY) - 1);
    send_delayed_command(&mut server, &noy);
}

#[tokio::test(start_paused = true)]
async fn delayed_replies_leave_with_urgent_bytes() {
    let (mut server, noy, elias) = with_delayed_replies();
    send_delayed_command(&mut server, &noy);
    elias.send(["MSG hi\n".to_owned()]);
    server.run();
    assert_eq!(
        writes(&noy.take_calls()),
        [USERS.to_owned() + "FROM Elias: hi\n"],
        "a message is written at once, with the delayed reply"
    );

    send_delayed_command(&mut server, &noy);
    noy.send(["PING\n".to_owned()]);
    server.run();
    assert_eq!(
        writes(&noy.take_calls()),
        [USERS.to_owned() + "PONG\n"],
        "PONG is written at once, with the delayed reply"
    );

    send_delayed_command(&mut server, &noy);
    noy.half_close();
    server.run();
    assert_eq!(writes(&noy.take_calls()), [USERS], "the delayed reply is written before the connection ends");
    assert!(server.connections[0].is_none(), "the connection has ended");
}

/// The reply to `WHO`.
const USERS: &str = "USERS Elias,Noy\n";

/// A server and two sessions that can send messages to each other. The reply to Noy's next command is delayed.
fn with_delayed_replies() -> (TestServer, MockSocket, MockSocket) {
    let (mut server, noy, elias) = TestServer::with_two_users(Dialect::Commands);
    // The first delay follows the turn with the number `TURNS_BEFORE_DELAY`. Noy has taken two turns to register and
    // connect. Here she takes all other turns before that one.
    let turns_so_far = 2;
    send_commands(&mut server, &noy, usize::from(reply_delay::TURNS_BEFORE_DELAY) - turns_so_far - 1);
    (server, noy, elias)
}

/// Sends `lines` commands. The reply to each command is written at once.
fn send_commands(server: &mut TestServer, noy: &MockSocket, lines: usize) {
    for line in 0..lines {
        noy.send(["WHO\n".to_owned()]);
        server.run();
        assert_eq!(writes(&noy.take_calls()), [USERS], "line {line}");
    }
}

/// Sends a command whose reply is delayed.
fn send_delayed_command(server: &mut TestServer, noy: &MockSocket) {
    noy.send(["WHO\n".to_owned()]);
    server.run();
    assert_eq!(noy.take_calls(), [Call::Read]);
}
