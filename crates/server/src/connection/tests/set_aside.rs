//! Tests of lines that are set aside because their target reads slowly.

use std::task::Waker;
use std::time::Duration;

use switchboard_core::{CloseReason, SessionId};
use switchboard_protocol::Dialect;

use super::long_text;
use super::mock_socket::{MockSocket, writes};
use super::test_server::TestServer;
use crate::set_aside;
use crate::settings::Settings;
use crate::throttle::Pause;

/// Lines to a congested target are set aside. The lines to other targets go on, and a half-closed session ends only
/// after all its lines are handled.
#[tokio::test(start_paused = true)]
async fn congested_target_delays_no_line_to_another_target() {
    let (mut server, [noy, elias, maya]) = with_blocked_target();
    let lines = 20;
    let sent = |n| format!("Elias: {}\nMaya: {n}\n", long_text(n));
    noy.send([(0..lines).map(sent).collect::<Vec<_>>().concat()]);
    noy.half_close();
    server.run();
    let to_maya = (0..lines).map(|n| format!("[Noy] {n}\n")).collect::<Vec<_>>().concat();
    assert_eq!(writes(&maya.take_calls()).concat(), to_maya, "no line waits for Elias");
    assert!(server.connections[0].is_some(), "lines to Elias are left");
    elias.unblock();
    server.run();
    let to_elias = numbered_lines("[Noy]", lines);
    assert_eq!(writes(&elias.take_calls()).concat(), to_elias, "the lines to Elias are in order");
    assert!(server.connections[0].is_none(), "all lines are handled, so the session has ended");
}

#[tokio::test(start_paused = true)]
async fn lines_to_a_target_that_ends_are_answered() {
    let (mut server, [noy, elias, _maya]) = with_blocked_target();
    noy.send([numbered_lines("Elias:", 20)]);
    server.run();
    elias.half_close();
    server.run();
    tokio::time::advance(Duration::from_secs(2)).await;
    server.run();
    let calls = noy.take_calls();
    let replies = writes(&calls).concat();
    let unanswered = replies.replace("User not found.\n", "");
    assert!(unanswered.is_empty() && replies.lines().count() > 10, "{replies}");
    let slow = server.connections[0].as_ref().and_then(|connection| connection.slow.as_ref());
    assert!(slow.is_none_or(|slow| slow.set_aside.is_empty()), "nothing is left of the pause");
}

/// The name of a target that ends is free again. Its next holder receives no line that was sent to the former holder.
#[tokio::test(start_paused = true)]
async fn lines_to_a_target_that_ends_do_not_go_to_the_next_holder_of_its_name() {
    let (mut server, [noy, _elias, _maya]) = with_blocked_target();
    noy.send([numbered_lines("Elias:", 20)]);
    server.run();
    let stranger = server.admit();
    server.run();
    stranger.take_calls();
    // The stranger's task runs before Noy's, which the end of Elias wakes.
    let first_elias = server.connections[1].as_ref().expect("the connection is open").speaker.id;
    server.hub.end(first_elias, CloseReason::SlowConsumer);
    stranger.send(["Elias\n".to_owned()]);
    server.run_queue.lock().expect("no holder of the lock panics").retain(|index| *index == 3);
    server.run();
    assert_eq!(writes(&stranger.take_calls()), ["Welcome Elias! You can now chat.\n"]);
    noy.send(["Elias: hi\n".to_owned()]);
    server.run();
    for _ in 0..20 {
        tokio::time::advance(Duration::from_secs(2)).await;
        server.run();
    }
    assert_eq!(writes(&stranger.take_calls()).concat(), "[Noy] hi\n", "only the line that was sent to the new Elias");
    let calls = noy.take_calls();
    let replies = writes(&calls).concat();
    assert!(replies.replace("User not found.\n", "").is_empty() && replies.lines().count() > 10, "{replies}");
}

/// The replies to a session fill its own outbox while lines to a congested target are set aside. The session sleeps
/// until its own outbox has room, although the pause of the target ends.
#[tokio::test(start_paused = true)]
async fn congested_session_sleeps_after_the_pause_of_its_target() {
    let (mut server, [noy, elias, _maya]) = with_blocked_target();
    noy.send([numbered_lines("Elias:", 20)]);
    server.run();
    noy.block();
    noy.send(["no message\n".repeat(1000)]);
    server.run();
    let slow = server.connections[0].as_ref().and_then(|connection| connection.slow.as_ref());
    assert!(slow.is_some_and(|slow| matches!(slow.pause, Some(Pause::OwnOutbox)) && slow.set_aside.has_lines()));
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::task::yield_now().await;
    assert!(server.step(), "the timer wakes the task once");
    tokio::task::yield_now().await;
    assert!(!server.step(), "the task sleeps");
    noy.unblock();
    elias.unblock();
    server.run();
    let to_elias = numbered_lines("[Noy]", 20);
    assert_eq!(writes(&elias.take_calls()).concat(), to_elias, "the lines to Elias are in order");
}

/// A reset of the author does not hurry the lines that are set aside: they would fill the outbox of a slow reader.
#[tokio::test(start_paused = true)]
async fn lines_of_a_reset_session_keep_their_pace() {
    let (mut server, [noy, elias, _maya]) = with_blocked_target();
    noy.send([numbered_lines("Elias:", 20)]);
    server.run();
    let unsent_bytes = |server: &TestServer| {
        let outbox = &server.connections[1].as_ref().expect("the connection is open").outbox;
        let congestion = outbox.pause_sender(SessionId::default(), Waker::noop(), server.hub.watermarks);
        outbox.resume_sender(SessionId::default());
        congestion.map(|congestion| congestion.unsent_bytes)
    };
    let before = unsent_bytes(&server);
    noy.reset();
    server.run();
    assert_eq!(unsent_bytes(&server), before, "no line goes before its time");
    assert!(server.connections[0].is_some(), "lines to Elias are left");
    elias.unblock();
    server.run();
    let to_elias = numbered_lines("[Noy]", 20);
    assert_eq!(writes(&elias.take_calls()).concat(), to_elias, "the lines to Elias are in order");
    assert!(server.connections[0].is_none(), "all lines are handled, so the session has ended");
}

#[tokio::test(start_paused = true)]
async fn session_is_paused_when_too_many_bytes_are_set_aside() {
    let (mut server, [noy, elias, maya]) = with_blocked_target();
    let lines = 2 * set_aside::BYTES_MAX / 1000;
    let reads: Vec<_> = (0..lines).map(|n| format!("Elias: {}\n", long_text(n))).collect();
    noy.send(reads.into_iter().chain(["Maya: hi\n".to_owned()]));
    server.run();
    assert_eq!(maya.take_calls(), [], "the session is paused");
    let read_bytes = noy.take_calls().len() * "Elias: 0 \n".len().saturating_add(1000);
    assert!(read_bytes < set_aside::BYTES_MAX + 4 * 4096, "{read_bytes} bytes were read");
    elias.unblock();
    server.run();
    let to_elias = numbered_lines("[Noy]", lines);
    assert_eq!(writes(&elias.take_calls()).concat(), to_elias, "the lines to Elias are in order");
    assert_eq!(writes(&maya.take_calls()), ["[Noy] hi\n"]);
}

/// A server of the line dialect with the users Noy, Elias and Maya. Elias's socket is blocked, and the soft mark is
/// low.
fn with_blocked_target() -> (TestServer, [MockSocket; 3]) {
    let settings = Settings { outbox_soft_bytes: 4096, ..Settings::default() };
    let mut server = TestServer::with_settings(Dialect::Line, settings);
    let sockets = ["Noy", "Elias", "Maya"].map(|name| {
        let socket = server.admit();
        socket.send([format!("{name}\n")]);
        server.run();
        socket.take_calls();
        socket
    });
    sockets[1].block();
    (server, sockets)
}

/// Lines with numbered texts, each after `prefix`.
fn numbered_lines(prefix: &str, count: usize) -> String {
    (0..count).map(|n| format!("{prefix} {}\n", long_text(n))).collect::<Vec<_>>().concat()
}
