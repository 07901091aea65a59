//! Tests of the reads and writes of connections. The sockets are mocks that record them. A test polls the tasks in the
//! order of their wake-ups, as a single-threaded runtime does.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Mutex, MutexGuard};
use std::task::{Wake, Waker};

use switchboard_protocol::Dialect;
use tokio::io::{AsyncRead, AsyncWrite};

use super::*;
use crate::admission::Admission;
use crate::outbox::Socket;
use crate::set_aside;
use crate::settings::Settings;

#[derive(Debug, Default)]
struct SocketState {
    /// The bytes of the next reads, one element for each read. If there is none, a read is pending.
    input: VecDeque<Vec<u8>>,
    /// The result of a read after `input`, if the client has half-closed or reset the connection.
    end: Option<Result<(), io::ErrorKind>>,
    reader: Option<Waker>,
    /// Each write is pending.
    is_blocked: bool,
    /// Each write fails.
    is_broken: bool,
    writer: Option<Waker>,
    calls: Vec<Call>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Call {
    /// A read that returned bytes.
    Read,
    Write(Vec<u8>),
    FailedWrite,
    Shutdown,
}

/// A socket that accepts any write, unless it is blocked or broken.
#[derive(Clone, Debug, Default)]
struct MockSocket(Arc<Mutex<SocketState>>);

impl AsyncRead for MockSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        let Some(mut bytes) = state.input.pop_front() else {
            if let Some(end) = state.end {
                return Poll::Ready(end.map_err(io::Error::from));
            }
            state.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let remaining = bytes.split_off(bytes.len().min(buf.remaining()));
        buf.put_slice(&bytes);
        if !remaining.is_empty() {
            state.input.push_front(remaining);
        }
        state.calls.push(Call::Read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MockSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        if state.is_blocked {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if state.is_broken {
            state.calls.push(Call::FailedWrite);
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        state.calls.push(Call::Write(buf.to_vec()));
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state().calls.push(Call::Shutdown);
        Poll::Ready(Ok(()))
    }
}

impl Socket for MockSocket {}

impl MockSocket {
    fn state(&self) -> MutexGuard<'_, SocketState> {
        self.0.lock().expect("no holder of the lock panics")
    }

    /// Sends bytes from the client, with one read for each element of `reads`.
    fn send(&self, reads: impl IntoIterator<Item = String>) {
        let mut state = self.state();
        state.input.extend(reads.into_iter().map(String::into_bytes));
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    fn half_close(&self) {
        self.state().end = Some(Ok(()));
        self.send([]);
    }

    fn reset(&self) {
        self.state().end = Some(Err(io::ErrorKind::ConnectionReset));
        self.send([]);
    }

    fn block(&self) {
        self.state().is_blocked = true;
    }

    fn unblock(&self) {
        let mut state = self.state();
        state.is_blocked = false;
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
    }

    fn break_writes(&self) {
        self.state().is_broken = true;
    }

    fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state().calls)
    }
}

/// The text of each write.
fn writes(calls: &[Call]) -> Vec<&str> {
    let mut texts = Vec::new();
    for call in calls {
        if let Call::Write(bytes) = call {
            texts.push(std::str::from_utf8(bytes).expect("all output is UTF-8"));
        }
    }
    texts
}

/// Indices of woken connections, in order and without duplicates.
type RunQueue = Arc<Mutex<VecDeque<usize>>>;

struct TaskWaker {
    index: usize,
    run_queue: RunQueue,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let mut run_queue = self.run_queue.lock().expect("no holder of the lock panics");
        if !run_queue.contains(&self.index) {
            run_queue.push_back(self.index);
        }
    }
}

/// A server without listeners.
struct TestServer {
    hub: Arc<Hub>,
    admission: Arc<Admission>,
    dialect: Dialect,
    connections: Vec<Option<Connection>>,
    run_queue: RunQueue,
}

impl TestServer {
    fn new(dialect: Dialect) -> Self {
        Self::with_settings(dialect, Settings::default())
    }

    fn with_settings(dialect: Dialect, settings: Settings) -> Self {
        let admission = Admission::new(&settings);
        let hub = Arc::new(Hub::new(settings));
        Self { hub, admission, dialect, connections: Vec::new(), run_queue: RunQueue::default() }
    }

    /// A server and two sessions that can send messages to each other.
    fn with_two_users(dialect: Dialect) -> (Self, MockSocket, MockSocket) {
        let mut server = Self::new(dialect);
        let (noy, elias) = (server.admit(), server.admit());
        let input: [(&MockSocket, &[&str]); 2] = match dialect {
            Dialect::Commands => [(&elias, &["REGISTER Elias\n"]), (&noy, &["REGISTER Noy\n", "CONNECT Elias\n"])],
            Dialect::Line => [(&elias, &["Elias\n"]), (&noy, &["Noy\n"])],
        };
        for (socket, lines) in input {
            socket.send(lines.iter().map(ToString::to_string));
            server.run();
        }
        noy.take_calls();
        elias.take_calls();
        (server, noy, elias)
    }

    fn admit(&mut self) -> MockSocket {
        let socket = MockSocket::default();
        let permit = self.admission.admit((Ipv4Addr::LOCALHOST, 0).into()).expect("there is room");
        let (id, outbox) = self.hub.admit(self.dialect, socket.clone(), Instant::now());
        let speaker = Speaker::new(id, self.dialect, self.hub.settings.line_bytes);
        let index = self.connections.len();
        self.connections.push(Some(Connection::new(Arc::clone(&self.hub), speaker, outbox, permit)));
        self.run_queue.lock().expect("no holder of the lock panics").push_back(index);
        socket
    }

    /// Polls woken connections until none is left.
    fn run(&mut self) {
        while self.step() {}
    }

    /// Polls the connection that was woken first. Returns false if none was woken.
    fn step(&mut self) -> bool {
        let Some(index) = self.run_queue.lock().expect("no holder of the lock panics").pop_front() else {
            return false;
        };
        if let Some(connection) = &mut self.connections[index] {
            let waker = Waker::from(Arc::new(TaskWaker { index, run_queue: Arc::clone(&self.run_queue) }));
            if Pin::new(connection).poll(&mut Context::from_waker(&waker)).is_ready() {
                self.connections[index] = None;
            }
        }
        true
    }
}

/// The lines that Noy sends, the lines that Elias receives, and the replies to Noy, for `lines` messages.
fn dialogue(dialect: Dialect, lines: usize) -> (String, String, String) {
    let (sent, received, reply) = match dialect {
        Dialect::Commands => ("MSG hi\n", "FROM Noy: hi\n", "MSG_SENT\n"),
        Dialect::Line => ("Elias: hi\n", "[Noy] hi\n", ""),
    };
    (sent.repeat(lines), received.repeat(lines), reply.repeat(lines))
}

const DIALECTS: [Dialect; 2] = [Dialect::Commands, Dialect::Line];

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
    assert_eq!(noy.take_calls(), [Call::Write(reply.into_bytes())]);
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

/// A session that waits for room in its own outbox is read again after another session's turn has written it.
#[tokio::test(start_paused = true)]
async fn task_that_awaits_room_is_woken_by_a_direct_write() {
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

/// A numbered text of about a thousand bytes.
fn long_text(n: usize) -> String {
    format!("{n} {}", "x".repeat(1000))
}

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
    let to_elias = (0..lines).map(|n| format!("[Noy] {}\n", long_text(n))).collect::<Vec<_>>().concat();
    assert_eq!(writes(&elias.take_calls()).concat(), to_elias, "the lines to Elias are in order");
    assert!(server.connections[0].is_none(), "all lines are handled, so the session has ended");
}

#[tokio::test(start_paused = true)]
async fn lines_to_a_target_that_ends_are_answered() {
    let (mut server, [noy, elias, _maya]) = with_blocked_target();
    noy.send([(0..20).map(|n| format!("Elias: {}\n", long_text(n))).collect::<Vec<_>>().concat()]);
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
    noy.send([(0..20).map(|n| format!("Elias: {}\n", long_text(n))).collect::<Vec<_>>().concat()]);
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
async fn session_that_awaits_room_sleeps_after_the_pause_of_its_target() {
    let (mut server, [noy, elias, _maya]) = with_blocked_target();
    noy.send([(0..20).map(|n| format!("Elias: {}\n", long_text(n))).collect::<Vec<_>>().concat()]);
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
    let to_elias = (0..20).map(|n| format!("[Noy] {}\n", long_text(n))).collect::<Vec<_>>().concat();
    assert_eq!(writes(&elias.take_calls()).concat(), to_elias, "the lines to Elias are in order");
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

/// A reset of the author does not hurry the lines that are set aside: they would fill the outbox of a slow reader.
#[tokio::test(start_paused = true)]
async fn lines_of_a_reset_session_keep_their_pace() {
    let (mut server, [noy, elias, _maya]) = with_blocked_target();
    noy.send([(0..20).map(|n| format!("Elias: {}\n", long_text(n))).collect::<Vec<_>>().concat()]);
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
    let to_elias = (0..20).map(|n| format!("[Noy] {}\n", long_text(n))).collect::<Vec<_>>().concat();
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
    let to_elias = (0..lines).map(|n| format!("[Noy] {}\n", long_text(n))).collect::<Vec<_>>().concat();
    assert_eq!(writes(&elias.take_calls()).concat(), to_elias, "the lines to Elias are in order");
    assert_eq!(writes(&maya.take_calls()), ["[Noy] hi\n"]);
}
