//! The socket between lines and frames, on a stream with a limited room for writes.

use std::task::Waker;

use super::*;

/// A stream with the bytes of a client, which takes a limited number of bytes.
#[derive(Debug, Default)]
struct TestStream {
    input: Vec<u8>,
    output: Vec<u8>,
    /// Number of bytes that the next writes take.
    room: usize,
    is_shut_down: bool,
}

impl AsyncRead for TestStream {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.input.is_empty() {
            return Poll::Pending;
        }
        let len = self.input.len().min(buf.remaining());
        buf.put_slice(&self.input.drain(..len).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TestStream {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let len = bytes.len().min(self.room);
        if len == 0 {
            return Poll::Pending;
        }
        self.room -= len;
        self.output.extend_from_slice(&bytes[..len]);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_shut_down = true;
        Poll::Ready(Ok(()))
    }
}

impl Socket for TestStream {}

fn socket(early: &[u8], room: usize) -> WebSocket<TestStream> {
    WebSocket::new(TestStream { room, ..TestStream::default() }, early.to_vec(), Transport::Unix)
}

fn cx() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// The lines of one read. `None`: there is nothing to read yet.
fn read(socket: &mut WebSocket<TestStream>) -> Option<io::Result<String>> {
    let mut bytes = [0; 4096];
    let mut buf = ReadBuf::new(&mut bytes);
    match Pin::new(socket).poll_read(&mut cx(), &mut buf) {
        Poll::Pending => None,
        Poll::Ready(result) => Some(result.map(|()| String::from_utf8_lossy(buf.filled()).into_owned())),
    }
}

fn write(socket: &mut WebSocket<TestStream>, lines: &str) -> Poll<usize> {
    Pin::new(socket).poll_write(&mut cx(), lines.as_bytes()).map(|written| written.expect("the stream is not broken"))
}

fn shut_down(socket: &mut WebSocket<TestStream>, reason: CloseReason) -> Poll<()> {
    socket.set_close_reason(reason);
    Pin::new(socket).poll_shutdown(&mut cx()).map(|result| result.expect("the stream is not broken"))
}

/// Probes the peer as the hub does, and sends the question.
fn probe(socket: &mut WebSocket<TestStream>) -> Probe {
    let probe = socket.probe();
    assert!(Pin::new(socket).poll_flush(&mut cx()).is_ready());
    probe
}

/// A frame of a client whose mask is zero, so that its payload stays readable.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).expect("a short payload");
    [&[first, 0x80 | len, 0, 0, 0, 0], payload].concat()
}

#[test]
fn bytes_that_came_with_the_request_are_read_first() {
    let [ping, who] = [b"PING", b"WHO\n"].map(|line| frame(0x81, line));
    let mut socket = socket(&ping[..7], 0);
    socket.stream.input = [&ping[7..], &who].concat();
    let mut lines = String::new();
    while let Some(read) = read(&mut socket) {
        lines += &read.expect("valid frames");
    }
    assert_eq!(lines, "PING\nWHO\n");
    assert_eq!(socket.early.capacity(), 0);
}

#[test]
fn line_is_a_frame_and_waits_for_the_frames_before_it() {
    let mut socket = socket(b"", 4);
    assert_eq!(write(&mut socket, "WELCOME\nPONG\n"), Poll::Ready(13));
    assert_eq!(write(&mut socket, "PONG\n"), Poll::Pending, "the stream has not taken all frames");
    socket.stream.room = 100;
    assert_eq!(write(&mut socket, "PONG\n"), Poll::Ready(5));
    assert_eq!(socket.stream.output, b"\x81\x07WELCOME\x81\x04PONG\x81\x04PONG");
    assert_eq!(socket.unsent.capacity(), 0, "an idle session holds no buffer");
}

#[test]
fn pong_stands_between_the_frames_of_a_long_line() {
    let line = "x".repeat(ENCODED_MAX_BYTES) + "\n";
    let mut socket = socket(b"", 10);
    let Poll::Ready(first) = write(&mut socket, &line) else { panic!("the socket takes the first part") };
    assert!(first < line.len());
    socket.stream.input = [frame(0x89, b"one"), frame(0x89, b"two")].concat();
    assert!(read(&mut socket).is_none());
    socket.stream.room = usize::MAX;
    assert_eq!(write(&mut socket, &line[first..]), Poll::Ready(line.len() - first));
    assert!(Pin::new(&mut socket).poll_flush(&mut cx()).is_ready());
    let expected = [b"\x81\x7e\x40\x00", line.trim_end().as_bytes(), b"\x8a\x03two"].concat();
    assert_eq!(socket.stream.output, expected, "only the last Ping is answered");
}

#[test]
fn pings_of_a_peer_that_does_not_read_fill_no_buffer() {
    const LONGEST_PONG_BYTES: usize = 2 + 125;
    let mut socket = socket(b"", 0);
    for number in 0..100_u8 {
        socket.stream.input = frame(0x89, &[number; 125]);
        assert!(read(&mut socket).is_none());
        assert!(socket.unsent.len() <= LONGEST_PONG_BYTES, "{} bytes wait", socket.unsent.len());
    }
    socket.stream.room = usize::MAX;
    assert!(Pin::new(&mut socket).poll_flush(&mut cx()).is_ready());
    let expected = [&b"\x8a\x7d"[..], &[0; 125], b"\x8a\x7d", &[99; 125]].concat();
    assert_eq!(socket.stream.output, expected, "the first Ping and the last Ping are answered");
}

#[test]
fn close_of_the_client_is_answered_after_all_lines() {
    let mut socket = socket(&[frame(0x81, b"QUIT"), frame(0x88, b"\x0f\xa0bye")].concat(), 100);
    assert_eq!(read(&mut socket).expect("a line").expect("valid frames"), "QUIT\n");
    assert_eq!(read(&mut socket).expect("an end").expect("valid frames"), "");
    assert_eq!(write(&mut socket, "BYE\n"), Poll::Ready(4));
    assert_eq!(shut_down(&mut socket, CloseReason::Quit), Poll::Ready(()));
    assert_eq!(socket.stream.output, b"\x81\x03BYE\x88\x02\x0f\xa0", "the code comes back");
    assert!(socket.stream.is_shut_down);
}

#[test]
fn violation_is_reported_after_the_lines_before_it() {
    let mut socket = socket(&[frame(0x81, b"PING"), frame(0x82, b"x")].concat(), 100);
    assert_eq!(read(&mut socket).expect("a line").expect("valid frames"), "PING\n");
    let error = read(&mut socket).expect("a violation").expect_err("a violation");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(shut_down(&mut socket, CloseReason::WrongProtocol), Poll::Ready(()));
    assert!(socket.stream.output.starts_with(b"\x88\x1f\x03\xebmessages are text"), "{:?}", socket.stream.output);
    socket.stream.input = b"anything".to_vec();
    assert_eq!(read(&mut socket).expect("discarded bytes").expect("no error"), "anything");
}

#[test]
fn server_closes_with_a_code_and_a_reason() {
    let mut socket = socket(b"", 1);
    assert_eq!(shut_down(&mut socket, CloseReason::Shutdown), Poll::Pending, "the stream takes one byte");
    socket.stream.room = 100;
    assert_eq!(shut_down(&mut socket, CloseReason::Shutdown), Poll::Ready(()));
    assert_eq!(socket.stream.output, b"\x88\x0a\x03\xe9shutdown");
}

#[test]
fn flood_of_control_frames_is_a_violation() {
    let pong = frame(0x8A, b"");
    let mut socket = socket(&pong.repeat(usize::from(EMPTY_FRAMES_MAX)), 0);
    assert!(read(&mut socket).is_none());
    socket.stream.input = pong;
    let error = read(&mut socket).expect("a violation").expect_err("a violation");
    assert_eq!(error.to_string(), TOO_MANY_EMPTY_FRAMES);
}

#[tokio::test(start_paused = true)]
async fn client_may_ping_each_second_for_ever() {
    let mut socket = socket(b"", usize::MAX);
    for second in 0..10_000 {
        socket.stream.input = frame(0x89, b"");
        assert!(read(&mut socket).is_none(), "second {second}");
        // The operator may have chosen hours between two probes.
        tokio::time::advance(Duration::from_secs(1)).await;
    }
}

#[test]
fn silent_peer_is_pinged_twice_and_then_gone() {
    let mut socket = socket(b"", 100);
    assert!(read(&mut socket).is_none());
    let probes: Vec<_> = (0..4).map(|_| probe(&mut socket)).collect();
    assert_eq!(probes, [Probe::Unneeded, Probe::Asked, Probe::Asked, Probe::Unanswered]);
    assert_eq!(socket.stream.output, b"\x89\x00\x89\x00");
    socket.stream.input = frame(0x8A, b"");
    assert!(read(&mut socket).is_none());
    let probes: Vec<_> = (0..2).map(|_| probe(&mut socket)).collect();
    assert_eq!(probes, [Probe::Unneeded, Probe::Asked]);
}

/// The answers of the peer wait in the system while the session is paused.
#[test]
fn peer_is_not_gone_while_nobody_reads_its_answers() {
    let mut socket = socket(b"", 100);
    socket.stream.input = frame(0x81, b"PING");
    assert_eq!(read(&mut socket).expect("a line").expect("valid frames"), "PING\n");
    let probes: Vec<_> = (0..10).map(|_| probe(&mut socket)).collect();
    assert_eq!(probes[0], Probe::Unneeded);
    assert_eq!(probes[1..], [Probe::Asked; 9], "proxies still see bytes");
    assert!(read(&mut socket).is_none(), "the server reads again, and finds no answer");
    let probes: Vec<_> = (0..3).map(|_| probe(&mut socket)).collect();
    assert_eq!(probes, [Probe::Asked, Probe::Asked, Probe::Unanswered]);
}
