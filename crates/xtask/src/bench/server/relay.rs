//! The limit: a server that joins two connections and forwards bytes between them without looking at any.
//!
//! It waits, reads and writes, in one thread, with one buffer.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// As much as the switchboard reads at once.
const READ_BYTES: usize = 64 * 1024;

const LISTENER: Token = Token(usize::MAX);

/// One connection.
struct Side {
    stream: TcpStream,
    /// The two names of its first line, as far as that has come.
    greeting: Vec<u8>,
    /// Where its bytes go.
    other: Option<usize>,
    /// What the other side's socket has not taken. While it is not empty, this side is not read.
    unwritten: Vec<u8>,
}

/// Serves on `port` of this machine until it is killed.
pub(crate) fn serve(port: u16) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut sides: Vec<Option<Side>> = Vec::new();
    let mut free = Vec::new();
    let mut waiting: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let at = free.pop().unwrap_or(sides.len());
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(at), interest)?;
                    let side = Side { stream, greeting: Vec::new(), other: None, unwritten: Vec::new() };
                    if at == sides.len() { sides.push(Some(side)) } else { sides[at] = Some(side) }
                }
                continue;
            }
            let at = event.token().0;
            let other = sides.get(at).and_then(Option::as_ref).and_then(|side| side.other);
            let written = match other {
                // Only where something waits for room: to look for more would cost a call each time.
                Some(other) if event.is_writable() && has_unwritten(&sides, other) => {
                    forward(&mut sides, other, &mut buffer)
                }
                _ => Ok(()),
            };
            let read = if sides.get(at).is_some_and(Option::is_some) {
                advance(&mut sides, &mut waiting, at, &mut buffer)
            } else {
                Ok(())
            };
            if read.is_err() || written.is_err() {
                close(&mut sides, &mut free, &mut waiting, at);
            }
        }
    }
}

fn has_unwritten(sides: &[Option<Side>], at: usize) -> bool {
    sides[at].as_ref().is_some_and(|side| !side.unwritten.is_empty())
}

/// Takes what a side says: its greeting first, then anything.
fn advance(
    sides: &mut [Option<Side>],
    waiting: &mut HashMap<Vec<u8>, usize>,
    at: usize,
    buffer: &mut [u8],
) -> io::Result<()> {
    let Some(side) = &mut sides[at] else { return Ok(()) };
    while side.greeting.last() != Some(&b'\n') {
        // One byte at a time, so that nothing after the line is taken; it happens once.
        match side.stream.read(&mut buffer[..1]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => side.greeting.push(buffer[0]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
        if side.greeting.last() == Some(&b'\n') {
            side.stream.write_all(b"ok\n")?;
            let mirrored = mirrored(&side.greeting);
            if let Some(other) = waiting.remove(&mirrored) {
                side.other = Some(other);
                if let Some(other) = &mut sides[other] {
                    other.other = Some(at);
                }
            } else {
                waiting.insert(side.greeting.clone(), at);
            }
            break;
        }
    }
    forward(sides, at, buffer)
}

/// `a b` as the other side says it: `b a`.
fn mirrored(greeting: &[u8]) -> Vec<u8> {
    let line = greeting.strip_suffix(b"\n").unwrap_or(greeting);
    let mut names = line.splitn(2, |&byte| byte == b' ');
    let (one, other) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    [other, b" ", one, b"\n"].concat()
}

/// Forwards what a side says for as long as it says anything and the other takes it.
fn forward(sides: &mut [Option<Side>], from: usize, buffer: &mut [u8]) -> io::Result<()> {
    let Some(mut side) = sides[from].take() else { return Ok(()) };
    let done = match side.other.and_then(|other| sides[other].as_mut()) {
        Some(other) => pass_on(&mut side, &mut other.stream, buffer),
        None => Ok(()),
    };
    sides[from] = Some(side);
    done
}

fn pass_on(from: &mut Side, to: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    loop {
        while !from.unwritten.is_empty() {
            match to.write(&from.unwritten) {
                Ok(count) => drop(from.unwritten.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let count = match from.stream.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        match to.write(&buffer[..count]) {
            Ok(written) => from.unwritten.extend_from_slice(&buffer[written..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                from.unwritten.extend_from_slice(&buffer[..count]);
            }
            Err(error) => return Err(error),
        }
        if count < buffer.len() && from.unwritten.is_empty() {
            // The socket is empty, and the next event tells when it is not.
            return Ok(());
        }
    }
}

fn close(sides: &mut [Option<Side>], free: &mut Vec<usize>, waiting: &mut HashMap<Vec<u8>, usize>, at: usize) {
    let Some(side) = sides[at].take() else { return };
    waiting.remove(&side.greeting);
    free.push(at);
    if let Some(other) = side.other {
        close(sides, free, waiting, other);
    }
}
