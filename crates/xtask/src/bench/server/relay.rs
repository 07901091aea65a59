//! A relay: it joins two connections, and forwards bytes between them without reading their content. Its speed is the
//! upper bound for all servers of the benchmark.
//!
//! It uses one thread, one poll and one buffer.

use std::collections::HashMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// Bytes of one read, as in our server.
const READ_BYTES: usize = 64 * 1024;

const LISTENER: Token = Token(usize::MAX);

struct RelayConnection {
    stream: TcpStream,
    /// The received part of the first line. The line holds the names of the two sides.
    greeting: Vec<u8>,
    /// Index of the connection to which the bytes of this connection go.
    peer: Option<usize>,
    /// Bytes of this connection that the socket of its peer has not accepted. While there are such bytes, this
    /// connection is not read.
    unwritten: Vec<u8>,
}

/// Serves on `port` of the loopback until it is killed.
pub(crate) fn serve(port: u16) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections: Vec<Option<RelayConnection>> = Vec::new();
    // Free indexes of `connections`.
    let mut free = Vec::new();
    // Indexes of the connections that wait for their peer, by greeting.
    let mut waiting: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let index = free.pop().unwrap_or(connections.len());
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(index), interest)?;
                    let connection =
                        RelayConnection { stream, greeting: Vec::new(), peer: None, unwritten: Vec::new() };
                    if index == connections.len() {
                        connections.push(Some(connection));
                    } else {
                        connections[index] = Some(connection);
                    }
                }
                continue;
            }
            let index = event.token().0;
            let peer = connections.get(index).and_then(Option::as_ref).and_then(|connection| connection.peer);
            let written = match peer {
                // If the peer has no bytes left to write, `forward` would only read from it, and usually find nothing.
                Some(peer) if event.is_writable() && has_unwritten(&connections, peer) => {
                    forward(&mut connections, peer, &mut buffer)
                }
                _ => Ok(()),
            };
            let read = if connections.get(index).is_some_and(Option::is_some) {
                read_greeting_or_forward(&mut connections, &mut waiting, index, &mut buffer)
            } else {
                Ok(())
            };
            if read.is_err() || written.is_err() {
                close(&mut connections, &mut free, &mut waiting, index);
            }
        }
    }
}

/// Whether bytes of the connection `index` wait for the socket of its peer.
fn has_unwritten(connections: &[Option<RelayConnection>], index: usize) -> bool {
    connections[index].as_ref().is_some_and(|connection| !connection.unwritten.is_empty())
}

/// Reads from a connection: first its greeting, then bytes to forward.
fn read_greeting_or_forward(
    connections: &mut [Option<RelayConnection>],
    waiting: &mut HashMap<Vec<u8>, usize>,
    index: usize,
    buffer: &mut [u8],
) -> io::Result<()> {
    let Some(connection) = &mut connections[index] else { return Ok(()) };
    while connection.greeting.last() != Some(&b'\n') {
        // One byte at a time, so that no byte after the line is consumed. This runs once per connection.
        match connection.stream.read(&mut buffer[..1]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => connection.greeting.push(buffer[0]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
        if connection.greeting.last() == Some(&b'\n') {
            connection.stream.write_all(b"ok\n")?;
            let swapped = swap_names(&connection.greeting);
            if let Some(peer) = waiting.remove(&swapped) {
                connection.peer = Some(peer);
                if let Some(peer) = &mut connections[peer] {
                    peer.peer = Some(index);
                }
            } else {
                waiting.insert(connection.greeting.clone(), index);
            }
            break;
        }
    }
    forward(connections, index, buffer)
}

/// The greeting that the other side sends: `b a` for `a b`.
fn swap_names(greeting: &[u8]) -> Vec<u8> {
    let line = greeting.strip_suffix(b"\n").unwrap_or(greeting);
    let mut names = line.splitn(2, |&byte| byte == b' ');
    let (first, second) = (names.next().unwrap_or_default(), names.next().unwrap_or_default());
    [second, b" ", first, b"\n"].concat()
}

/// Forwards bytes from connection `from` to its peer, until one of the two sockets blocks.
fn forward(connections: &mut [Option<RelayConnection>], from: usize, buffer: &mut [u8]) -> io::Result<()> {
    let Some(mut connection) = connections[from].take() else { return Ok(()) };
    let outcome = match connection.peer.and_then(|peer| connections[peer].as_mut()) {
        Some(peer) => copy_until_blocked(&mut connection, &mut peer.stream, buffer),
        None => Ok(()),
    };
    connections[from] = Some(connection);
    outcome
}

fn copy_until_blocked(from: &mut RelayConnection, to: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
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
            // The socket is empty. The next event reports new bytes.
            return Ok(());
        }
    }
}

/// Closes a connection and its peer.
fn close(
    connections: &mut [Option<RelayConnection>],
    free: &mut Vec<usize>,
    waiting: &mut HashMap<Vec<u8>, usize>,
    index: usize,
) {
    let Some(connection) = connections[index].take() else { return };
    waiting.remove(&connection.greeting);
    free.push(index);
    if let Some(peer) = connection.peer {
        close(connections, free, waiting, peer);
    }
}
