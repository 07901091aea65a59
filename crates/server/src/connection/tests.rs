//! Who reads and writes when: connections over sockets that count, taken one at a time as a runtime of one thread does.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, MutexGuard};
use std::task::{Wake, Waker};

use switchboard_protocol::Dialect;
use tokio::io::{AsyncRead, AsyncWrite};

use super::*;
use crate::admission::Admission;
use crate::settings::Settings;

/// What a socket has yet to be read from it, and what was done with it.
#[derive(Debug, Default)]
struct SocketState {
    /// What each read returns; where there is none, a read waits.
    input: VecDeque<Vec<u8>>,
    /// Whether the peer half-closed, behind its input.
    is_closed: bool,
    reader: Option<Waker>,
    /// Whether the peer takes nothing for now.
    is_blocked: bool,
    writer: Option<Waker>,
    /// What was called, in order.
    calls: Vec<Call>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Call {
    /// A read that returned something.
    Read,
    Write(Vec<u8>),
    Shutdown,
}

/// A socket that takes whatever is written, unless it is blocked.
#[derive(Clone, Debug, Default)]
struct MockSocket(Arc<Mutex<SocketState>>);

impl AsyncRead for MockSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        match state.input.pop_front() {
            Some(mut bytes) => {
                let left = bytes.split_off(bytes.len().min(buf.remaining()));
                buf.put_slice(&bytes);
                if !left.is_empty() {
                    state.input.push_front(left);
                }
                state.calls.push(Call::Read);
            }
            None if state.is_closed => {}
            None => {
                state.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
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

impl MockSocket {
    fn state(&self) -> MutexGuard<'_, SocketState> {
        self.0.lock().expect("nothing panics with it")
    }

    /// Has the peer send this: one read for each part.
    fn send(&self, reads: impl IntoIterator<Item = String>) {
        let mut state = self.state();
        state.input.extend(reads.into_iter().map(String::into_bytes));
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    fn half_close(&self) {
        self.state().is_closed = true;
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

    fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state().calls)
    }
}

/// The texts that were written, a write each.
fn writes(calls: &[Call]) -> Vec<&str> {
    let mut texts = Vec::new();
    for call in calls {
        if let Call::Write(bytes) = call {
            texts.push(std::str::from_utf8(bytes).expect("it writes UTF-8"));
        }
    }
    texts
}

/// Sessions in the order in which they were woken, none twice.
type Queue = Arc<Mutex<VecDeque<usize>>>;

struct TaskWaker {
    at: usize,
    queue: Queue,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let mut queue = self.queue.lock().expect("nothing panics with it");
        if !queue.contains(&self.at) {
            queue.push_back(self.at);
        }
    }
}

/// A server without listeners.
struct TestServer {
    hub: Arc<Hub>,
    admission: Arc<Admission>,
    dialect: Dialect,
    connections: Vec<Option<Connection>>,
    queue: Queue,
}

impl TestServer {
    fn new(dialect: Dialect) -> Self {
        Self::with(dialect, Settings::default())
    }

    fn with(dialect: Dialect, settings: Settings) -> Self {
        let admission = Admission::new(&settings);
        let hub = Arc::new(Hub::new(settings));
        Self { hub, admission, dialect, connections: Vec::new(), queue: Queue::default() }
    }

    /// Two who are ready to write to each other.
    fn with_two(dialect: Dialect) -> (Self, MockSocket, MockSocket) {
        let mut server = Self::new(dialect);
        let (noy, elias) = (server.admit(), server.admit());
        let said: [(&MockSocket, &[&str]); 2] = match dialect {
            Dialect::Commands => [(&elias, &["REGISTER Elias\n"]), (&noy, &["REGISTER Noy\n", "CONNECT Elias\n"])],
            Dialect::Line => [(&elias, &["Elias\n"]), (&noy, &["Noy\n"])],
        };
        for (who, lines) in said {
            who.send(lines.iter().map(ToString::to_string));
            server.run();
        }
        noy.take_calls();
        elias.take_calls();
        (server, noy, elias)
    }

    fn admit(&mut self) -> MockSocket {
        let socket = MockSocket::default();
        let permit = self.admission.admit(IpAddr::V4(Ipv4Addr::LOCALHOST)).expect("there is room");
        let (id, outbox) = self.hub.admit(self.dialect, socket.clone(), Instant::now());
        let speaker = Speaker::new(id, self.dialect, self.hub.settings.line_bytes);
        let at = self.connections.len();
        self.connections.push(Some(Connection::new(Arc::clone(&self.hub), speaker, outbox, permit)));
        self.queue.lock().expect("nothing panics with it").push_back(at);
        socket
    }

    /// Runs the connections until all of them wait.
    fn run(&mut self) {
        while self.step() {}
    }

    /// Runs whoever was woken first. False where all of them wait.
    fn step(&mut self) -> bool {
        let Some(at) = self.queue.lock().expect("nothing panics with it").pop_front() else { return false };
        if let Some(connection) = &mut self.connections[at] {
            let waker = Waker::from(Arc::new(TaskWaker { at, queue: Arc::clone(&self.queue) }));
            if Pin::new(connection).poll(&mut Context::from_waker(&waker)).is_ready() {
                self.connections[at] = None;
            }
        }
        true
    }
}

/// What Noy says to Elias, what Elias hears of it, and what Noy is answered, `lines` times.
fn dialogue(dialect: Dialect, lines: usize) -> (String, String, String) {
    let (said, heard, answer) = match dialect {
        Dialect::Commands => ("MSG hi\n", "FROM Noy: hi\n", "MSG_SENT\n"),
        Dialect::Line => ("Elias: hi\n", "[Noy] hi\n", ""),
    };
    (said.repeat(lines), heard.repeat(lines), answer.repeat(lines))
}

const DIALECTS: [Dialect; 2] = [Dialect::Commands, Dialect::Line];

#[test]
fn one_read_of_many_lines_is_one_write_for_each_session_that_it_concerns() {
    for dialect in DIALECTS {
        for lines in [1, 10, Settings::default().turn_lines] {
            let (mut server, noy, elias) = TestServer::with_two(dialect);
            let (said, heard, answer) = dialogue(dialect, lines);
            noy.send([said]);
            server.run();
            assert_eq!(writes(&elias.take_calls()), [heard], "{lines} lines, {dialect}");
            let answers = if answer.is_empty() { vec![] } else { vec![Call::Write(answer.into_bytes())] };
            assert_eq!(noy.take_calls(), [vec![Call::Read], answers].concat(), "{lines} lines, {dialect}");
        }
    }
}

/// A read may hold more lines than one turn: the rest waits for the next turns, and the writes are those of the turns.
#[test]
fn a_read_of_more_lines_than_a_turn_takes_is_one_write_for_each_turn() {
    for dialect in DIALECTS {
        let (mut server, noy, elias) = TestServer::with_two(dialect);
        // The first takes as many lines as a turn may, the others less, because others may wait for them.
        let (turn_lines, more_turns) = (server.hub.settings.turn_lines, 5);
        let turns = 1 + more_turns;
        let (said, heard, answer) = dialogue(dialect, turn_lines + more_turns * FLOOD_LINES);
        assert!(said.len() <= buffers::READ_BYTES, "it is one read");
        noy.send([said]);
        server.run();
        let (noy, elias) = (noy.take_calls(), elias.take_calls());
        assert_eq!((writes(&elias).len(), writes(&elias).concat()), (turns, heard), "{dialect}");
        assert_eq!(writes(&noy).concat(), answer, "{dialect}");
        assert!(writes(&noy).len() <= turns, "{dialect}");
    }
}

#[test]
fn answers_wait_for_some_turns_and_no_more() {
    let (mut server, noy, elias) = TestServer::with_two(Dialect::Commands);
    let reads = 10 * usize::from(reply_delay::TURNS_MAX);
    let (said, heard, answer) = dialogue(Dialect::Commands, 10);
    noy.send(vec![said; reads]);
    server.run();
    let elias = elias.take_calls();
    assert_eq!(writes(&elias), vec![heard; reads], "whoever is written to does not wait");
    let calls = noy.take_calls();
    assert_eq!(writes(&calls).concat(), answer.repeat(reads));
    let longest = calls.split(|call| *call != Call::Read).map(<[_]>::len).max();
    assert_eq!(longest, Some(usize::from(reply_delay::TURNS_MAX)));
}

#[test]
fn nothing_waits_once_the_input_pauses() {
    for dialect in DIALECTS {
        for reads in 1..=usize::from(reply_delay::TURNS_MAX) + 1 {
            let (mut server, noy, elias) = TestServer::with_two(dialect);
            let (said, heard, answer) = dialogue(dialect, 3);
            for pause in 1..=3 {
                noy.send(vec![said.clone(); reads]);
                server.run();
                let given = format!("pause {pause}, after {reads} reads, {dialect}");
                assert_eq!(writes(&elias.take_calls()).concat(), heard.repeat(reads), "{given}");
                assert_eq!(writes(&noy.take_calls()).concat(), answer.repeat(reads), "{given}");
            }
        }
    }
}

/// What `WHO` is answered with.
const USERS: &str = "USERS Elias,Noy\n";

/// Two who are ready to write to each other, and of whom Noy has talked so long that her answers may wait.
fn with_delayed_replies() -> (TestServer, MockSocket, MockSocket) {
    let (mut server, noy, elias) = TestServer::with_two(Dialect::Commands);
    // She registered and connected before; and the answers to her next turn wait.
    talk(&mut server, &noy, usize::from(reply_delay::TURNS_BEFORE_DELAY) - 2 - 1);
    (server, noy, elias)
}

/// Says so many lines, one by one, each answered at once.
fn talk(server: &mut TestServer, noy: &MockSocket, lines: usize) {
    for line in 0..lines {
        noy.send(["WHO\n".to_owned()]);
        server.run();
        assert_eq!(writes(&noy.take_calls()), [USERS], "line {line}");
    }
}

/// Asks, and gets no answer for now.
fn ask_without_reply(server: &mut TestServer, noy: &MockSocket) {
    noy.send(["WHO\n".to_owned()]);
    server.run();
    assert_eq!(noy.take_calls(), [Call::Read]);
}

#[tokio::test(start_paused = true)]
async fn the_answers_of_whoever_goes_on_without_them_wait_and_leave_together() {
    let (mut server, noy, elias) = with_delayed_replies();
    let (said, heard, answer) = dialogue(Dialect::Commands, 1);
    for _ in 0..3 {
        noy.send([said.clone()]);
        server.run();
        assert_eq!(writes(&elias.take_calls()), [heard.as_str()], "whoever is written to does not wait");
        assert_eq!(noy.take_calls(), [Call::Read], "and her answers do");
    }
    tokio::time::advance(reply_delay::DELAY_MAX).await;
    server.run();
    assert_eq!(writes(&noy.take_calls()), [answer.repeat(3)], "for so long and no longer");

    // She went on, so they wait again, and for some turns at the most.
    for turn in 1..=reply_delay::TURNS_MAX {
        assert_eq!(noy.take_calls().len(), usize::from(turn > 1), "turn {turn}");
        noy.send([said.clone()]);
        server.run();
    }
    assert_eq!(writes(&noy.take_calls()), [answer.repeat(reply_delay::TURNS_MAX.into())]);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_its_answers_is_kept_waiting_once() {
    let (mut server, noy, _elias) = with_delayed_replies();
    ask_without_reply(&mut server, &noy);
    tokio::time::advance(reply_delay::DELAY_MAX).await;
    server.run();
    assert_eq!(writes(&noy.take_calls()), [USERS]);
    // At once again, for twice as long.
    talk(&mut server, &noy, 2 * usize::from(reply_delay::TURNS_BEFORE_DELAY) - 1);
    ask_without_reply(&mut server, &noy);
}

#[tokio::test(start_paused = true)]
async fn answers_that_wait_leave_with_whatever_does_not() {
    let (mut server, noy, elias) = with_delayed_replies();
    ask_without_reply(&mut server, &noy);
    elias.send(["MSG hi\n".to_owned()]);
    server.run();
    assert_eq!(writes(&noy.take_calls()), [USERS.to_owned() + "FROM Elias: hi\n"], "news does not wait");

    ask_without_reply(&mut server, &noy);
    noy.send(["PING\n".to_owned()]);
    server.run();
    assert_eq!(writes(&noy.take_calls()), [USERS.to_owned() + "PONG\n"], "nor does what tells the time");

    ask_without_reply(&mut server, &noy);
    noy.half_close();
    server.run();
    assert_eq!(writes(&noy.take_calls()), [USERS], "nor does the end");
    assert!(server.connections[0].is_none(), "her connection is over");
}

/// Its own answers fill its outbox: they leave, and then it is read on.
#[test]
fn whoever_asks_more_than_its_outbox_holds_is_answered_to_the_end() {
    for reads in [1, 2, 3, 7] {
        for pings in [800, 1000, 5000] {
            let mut server =
                TestServer::with(Dialect::Commands, Settings { outbox_soft_bytes: 4096, ..Settings::default() });
            let noy = server.admit();
            noy.send(vec!["PING\n".repeat(pings); reads]);
            noy.half_close();
            server.run();
            let heard = writes(&noy.take_calls()).concat();
            assert_eq!(heard, "WELCOME\n".to_owned() + &"PONG\n".repeat(reads * pings), "{reads} reads of {pings}");
            assert!(server.connections[0].is_none(), "{reads} reads of {pings}: it is over");
        }
    }
}

#[test]
fn who_half_closes_is_answered_first() {
    for reads in 0..=2 * usize::from(reply_delay::TURNS_MAX) + 1 {
        let (mut server, noy, elias) = TestServer::with_two(Dialect::Commands);
        let (said, heard, answer) = dialogue(Dialect::Commands, 3);
        noy.send(vec![said; reads]);
        noy.half_close();
        server.run();
        let (noy, elias) = (noy.take_calls(), elias.take_calls());
        assert_eq!(writes(&noy).concat(), answer.repeat(reads), "after {reads} reads");
        assert_eq!(writes(&elias).concat(), heard.repeat(reads) + "PEER_DISCONNECTED\n", "after {reads} reads");
        assert!(server.connections[0].is_none(), "its connection is over");
    }
}

/// What was taken for a write that the socket did not take, and all that has come since.
#[tokio::test(start_paused = true)]
async fn whoever_could_not_be_written_to_gets_what_waits_in_two_writes() {
    for dialect in DIALECTS {
        let (mut server, noy, elias) = TestServer::with_two(dialect);
        let (reads, lines) = (20, 10);
        let (said, heard, _) = dialogue(dialect, lines);
        elias.block();
        noy.send(vec![said; reads]);
        server.run();
        assert_eq!(elias.take_calls(), []);
        elias.unblock();
        server.run();
        assert_eq!(writes(&elias.take_calls()), [heard.clone(), heard.repeat(reads - 1)], "{dialect}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_half_closes_and_cannot_be_written_to_is_answered_all_the_same() {
    let (mut server, noy, _elias) = TestServer::with_two(Dialect::Commands);
    let (said, _, answer) = dialogue(Dialect::Commands, 3);
    noy.block();
    noy.send([said]);
    noy.half_close();
    server.run();
    assert_eq!(noy.take_calls(), [Call::Read]);
    noy.unblock();
    server.run();
    assert_eq!(noy.take_calls(), [Call::Write(answer.into_bytes())]);
    assert!(server.connections[0].is_none(), "its connection is over, and with it its socket");
}

#[test]
fn a_flood_leaves_others_their_turns() {
    let (mut server, noy, elias) = TestServer::with_two(Dialect::Commands);
    let quiet = server.admit();
    server.run();
    quiet.take_calls();
    let (said, ..) = dialogue(Dialect::Commands, 1000);
    noy.send(vec![said; 100]);
    quiet.send(["PING\n".to_owned()]);
    while writes(&quiet.state().calls).is_empty() {
        assert!(server.step(), "it is answered");
    }
    let lines_of_flood = writes(&elias.take_calls()).concat().lines().count();
    let two_turns = server.hub.settings.turn_lines + FLOOD_LINES;
    assert_eq!(lines_of_flood, two_turns, "the quiet one takes its line, then looks for more, and is answered");
}

/// Whoever fills a read is read about `FLOOD_LINES` lines at once from then on, until nothing is left.
#[tokio::test(start_paused = true)]
async fn a_flood_is_read_in_small_bites() {
    for (line_bytes, expected) in [(10, FLOOD_READ_MIN_BYTES), (256, FLOOD_LINES * 256), (512, FLOOD_LINES * 512)] {
        let (mut server, noy, elias) = TestServer::with_two(Dialect::Commands);
        let text = "x".repeat(line_bytes - "MSG \n".len());
        let said = format!("MSG {text}\n").repeat(3 * buffers::READ_BYTES / line_bytes + 1);
        let texts = said.matches(&text).count();
        noy.send([said]);
        while noy.state().calls.is_empty() {
            assert!(server.step(), "it is read");
        }
        let read_bytes = |server: &TestServer| server.connections[0].as_ref().map(Connection::read_bytes);
        assert_eq!(read_bytes(&server), Some(expected), "lines of {line_bytes} bytes");
        server.run();
        assert_eq!(writes(&elias.take_calls()).concat().matches(&text).count(), texts, "lines of {line_bytes} bytes");
        assert_eq!(read_bytes(&server), Some(buffers::READ_BYTES), "nothing is left");
    }
}

/// Somebody else writes what a session waits for to leave, and the session is read again.
#[tokio::test(start_paused = true)]
async fn whoever_waits_for_its_own_outbox_is_woken_when_others_have_written_it() {
    let mut server = TestServer::with(
        Dialect::Commands,
        Settings { outbox_soft_bytes: 4096, turn_lines: 1000, ..Settings::default() },
    );
    let noy = server.admit();
    server.run();
    noy.take_calls();
    let outbox = Arc::clone(&server.connections[0].as_ref().expect("it is here").outbox);
    noy.send(["PING\n".repeat(5000)]);
    while outbox.is_below_soft_mark(server.hub.watermarks) {
        assert!(server.step(), "it fills its outbox");
    }
    // Somebody says something meanwhile: what waits is out of sight when the connection looks.
    let writer = outbox.open(true).expect("the session goes on");
    while server.step() {}
    writer.close().expect("its connection sleeps").write_directly(server.hub.watermarks);
    server.run();
    tokio::time::advance(reply_delay::DELAY_MAX).await;
    server.run();
    assert_eq!(writes(&noy.take_calls()).concat(), "PONG\n".repeat(5000));
}
