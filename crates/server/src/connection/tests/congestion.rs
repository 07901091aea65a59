//! Tests of full outboxes: the session's own, and that of its peer.

use std::sync::Arc;
use std::task::{Context, Waker};

use switchboard_core::SessionId;
use switchboard_protocol::Dialect;

use super::mock_socket::writes;
use super::test_server::TestServer;
use super::{DIALECTS, dialogue, long_text};
use crate::reply_delay;
use crate::settings::Settings;

/// The replies to a session fill its own outbox. The server reads from the session again when they are sent.
#[test]
fn session_that_fills_its_own_outbox_receives_all_replies() {
    for reads in [1, 2, 3, 7] {
        // The replies to 800 pings stay below the soft mark, the replies to 1000 or 5000 pings exceed it.
        for pings in [800, 1000, 5000] {
            let mut server = TestServer::with_settings(
                Dialect::Commands,
                Settings { outbox_soft_bytes: 4096, ..Settings::default() },
            );
            let noy = server.admit();
            noy.send(vec!["PING\n".repeat(pings); reads]);
            noy.half_close();
            server.run();
            let received = writes(&noy.take_calls()).concat();
            assert_eq!(received, "WELCOME\n".to_owned() + &"PONG\n".repeat(reads * pings), "{reads} reads of {pings}");
            assert!(server.connections[0].is_none(), "{reads} reads of {pings}: the connection has ended");
        }
    }
}

/// A `WIRE` is answered after its turn. Its answer counts as any other one.
#[tokio::test(start_paused = true)]
async fn answers_to_wire_fill_the_outbox_to_its_soft_mark_only() {
    const WIRES: usize = 1000;
    let settings = Settings { outbox_soft_bytes: 4096, ..Settings::default() };
    let mut server = TestServer::with_settings(Dialect::Commands, settings);
    let noy = server.admit();
    server.run();
    noy.block();
    noy.send(["HELLO 2\n".to_owned() + &"WIRE\n".repeat(WIRES)]);
    server.run();
    let outbox = &server.connections[0].as_ref().expect("the connection is open").outbox;
    let congestion = outbox.pause_sender(SessionId::default(), Waker::noop(), server.hub.watermarks);
    let unsent_bytes = congestion.expect("the outbox is above its soft mark").unsent_bytes;
    assert!(unsent_bytes < 4096 + 100, "{unsent_bytes} bytes wait");
    outbox.resume_sender(SessionId::default());
    noy.half_close();
    noy.unblock();
    server.run();
    let received = writes(&noy.take_calls()).concat();
    assert_eq!(received.matches("WIRE_OK ").count(), WIRES, "{received}");
}

/// The first write has the bytes that the socket did not take. The second write has the bytes that were queued since.
#[tokio::test(start_paused = true)]
async fn unblocked_session_receives_queued_bytes_in_two_writes() {
    for dialect in DIALECTS {
        let (mut server, noy, elias) = TestServer::with_two_users(dialect);
        let (reads, lines) = (20, 10);
        let (sent, received, _) = dialogue(dialect, lines);
        elias.block();
        noy.send(vec![sent; reads]);
        server.run();
        assert_eq!(elias.take_calls(), []);
        elias.unblock();
        server.run();
        assert_eq!(writes(&elias.take_calls()), [received.clone(), received.repeat(reads - 1)], "{dialect}");
    }
}

/// A session that waits for room in its own outbox is read again after another session's turn has written it.
#[tokio::test(start_paused = true)]
async fn congested_task_is_woken_by_a_direct_write() {
    let mut server = TestServer::with_settings(
        Dialect::Commands,
        Settings { outbox_soft_bytes: 4096, turn_lines: 1000, ..Settings::default() },
    );
    let noy = server.admit();
    server.run();
    noy.take_calls();
    let outbox = Arc::clone(&server.connections[0].as_ref().expect("the connection is open").outbox);
    noy.send(["PING\n".repeat(5000)]);
    while outbox.is_below_soft_mark(server.hub.watermarks) {
        assert!(server.step(), "the replies fill the outbox");
    }
    // The turn of another session borrows the outbox's queue before the connection flushes. So the flush finds no
    // bytes, and the task sleeps until there is room.
    let writer = outbox.open(true).expect("the session goes on");
    while server.step() {}
    writer.close().expect("the task sleeps").write_directly(server.hub.watermarks);
    server.run();
    tokio::time::advance(reply_delay::DELAY_MAX).await;
    server.run();
    assert_eq!(writes(&noy.take_calls()).concat(), "PONG\n".repeat(5000));
}

#[tokio::test(start_paused = true)]
async fn session_with_another_pause_is_no_longer_a_sender() {
    let settings = Settings { outbox_soft_bytes: 4096, ..Settings::default() };
    let mut server = TestServer::with_settings(Dialect::Commands, settings);
    let sockets = [&["REGISTER Elias\n"][..], &["REGISTER Noy\n", "CONNECT Elias\n"]].map(|lines| {
        let socket = server.admit();
        socket.send(lines.iter().map(ToString::to_string));
        server.run();
        socket
    });
    sockets[0].block();
    sockets[1].send([format!("MSG {}\n", long_text(0)).repeat(10)]);
    server.run();
    let outbox = Arc::clone(&server.connections[0].as_ref().expect("the connection is open").outbox);
    let senders = || {
        let congestion = outbox.pause_sender(SessionId::default(), Waker::noop(), server.hub.watermarks);
        outbox.resume_sender(SessionId::default());
        congestion.map(|congestion| congestion.senders - 1)
    };
    assert_eq!(senders(), Some(1), "Noy is paused");
    let noy = server.connections[1].as_mut().expect("the connection is open");
    let (id, own_outbox) = (noy.speaker.id, Arc::clone(&noy.outbox));
    noy.pause_after(id, own_outbox, &Context::from_waker(Waker::noop()));
    assert_eq!(senders(), Some(0), "Noy is paused for her own outbox");
}
