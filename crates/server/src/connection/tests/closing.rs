//! Tests of half-closed and broken sockets.

use std::task::{Context, Poll, Waker};

use switchboard_core::CloseReason;
use switchboard_protocol::Dialect;

use super::super::{BROKEN_READ_MAX, DRAIN_MAX};
use super::dialogue;
use super::mock_socket::{Call, writes};
use super::test_server::TestServer;
use crate::reply_delay;

#[test]
fn half_closed_session_receives_all_replies() {
    for reads in 0..=2 * usize::from(reply_delay::TURNS_MAX) + 1 {
        let (mut server, noy, elias) = TestServer::with_two_users(Dialect::Commands);
        let (sent, received, reply) = dialogue(Dialect::Commands, 3);
        noy.send(vec![sent; reads]);
        noy.half_close();
        server.run();
        let (noy, elias) = (noy.take_calls(), elias.take_calls());
        assert_eq!(writes(&noy).concat(), reply.repeat(reads), "after {reads} reads");
        assert_eq!(writes(&elias).concat(), received.repeat(reads) + "PEER_DISCONNECTED\n", "after {reads} reads");
        assert!(server.connections[0].is_none(), "the connection has ended");
    }
}

#[tokio::test(start_paused = true)]
async fn half_closed_and_blocked_session_receives_all_replies() {
    let (mut server, noy, _elias) = TestServer::with_two_users(Dialect::Commands);
    let (sent, _, reply) = dialogue(Dialect::Commands, 3);
    noy.block();
    noy.send([sent]);
    noy.half_close();
    server.run();
    assert_eq!(noy.take_calls(), [Call::Read]);
    noy.unblock();
    server.run();
    assert_eq!(noy.take_calls(), [Call::Write(reply.into_bytes()), Call::Shutdown]);
    assert!(server.connections[0].is_none(), "the connection has ended, and its socket is dropped");
}

/// After a write has failed, the client's last lines are still handled, for at most `BROKEN_READ_MAX`.
#[tokio::test(start_paused = true)]
async fn broken_socket_is_never_written_again_and_ends_with_reset() {
    let (mut server, noy, elias) = TestServer::with_two_users(Dialect::Commands);
    let (sent, _, reply) = dialogue(Dialect::Commands, 3);
    elias.break_writes();
    noy.send([sent.clone()]);
    server.run();
    assert_eq!(elias.take_calls(), [Call::FailedWrite], "the first write after the break");
    assert_eq!(writes(&noy.take_calls()), [reply.as_str()]);
    for _ in 0..3 {
        noy.send([sent.clone()]);
        elias.send(["MSG hi\n".repeat(3)]);
        server.run();
        assert_eq!(elias.take_calls(), [Call::Read], "later bytes are dropped");
        let received = writes(&noy.take_calls()).concat();
        assert!(received.contains(&"FROM Elias: hi\n".repeat(3)), "the client's lines are handled: {received}");
    }
    tokio::time::advance(BROKEN_READ_MAX).await;
    let connection = server.connections[1].as_mut().expect("the connection is open");
    let outcome = connection.advance(&mut Context::from_waker(Waker::noop()));
    assert_eq!(outcome, Poll::Ready(CloseReason::Reset));
    assert_eq!(elias.take_calls(), []);
}

/// This server has no store, so it never answers a request that changes something.
#[tokio::test(start_paused = true)]
async fn half_closed_session_does_not_wait_for_ever_for_a_store_that_cannot_answer() {
    let mut server = TestServer::new(Dialect::Commands);
    let noy = server.admit();
    noy.send(["HELLO 2\nREGISTER Noy\nJOIN #lab\n".to_owned()]);
    noy.half_close();
    server.run();
    let connection = server.connections[0].as_mut().expect("the answer to JOIN is owed");
    let mut advance = || connection.advance(&mut Context::from_waker(Waker::noop()));
    assert_eq!(advance(), Poll::Pending);
    tokio::time::advance(DRAIN_MAX).await;
    assert_eq!(advance(), Poll::Ready(CloseReason::Quit));
}
