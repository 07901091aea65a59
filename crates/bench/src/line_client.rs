//! One blocking session of version 2, for workloads that follow a single client.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::error::Error;
use crate::protocol::record_text;
use crate::socket::Socket;
use crate::target::Target;

/// Size of the read buffer in bytes.
const READ_BYTES: usize = 128 * 1024;

#[derive(Debug)]
pub(crate) struct LineClient {
    socket: BufReader<Socket<TcpStream>>,
    line: Vec<u8>,
    timeout: Duration,
}

/// A line of the server.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Line<'a> {
    /// A message of a conversation: its text.
    Message(&'a [u8]),
    /// Any other line. A record other than a message begins with its tags.
    Other(&'a str),
}

impl LineClient {
    /// Connects, and asks for version 2.
    pub(crate) fn connect(target: &Target) -> Result<Self, Error> {
        let addr = target.addr;
        let connect_error = |source| Error::Connect { addr, open: 0, source };
        let socket = TcpStream::connect_timeout(&addr, target.timeout).map_err(connect_error)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(target.timeout))?;
        socket.set_write_timeout(Some(target.timeout))?;
        let socket = Socket::new(socket, &target.transport)?;
        let socket = BufReader::with_capacity(READ_BYTES, socket);
        let mut client = Self { socket, line: Vec::new(), timeout: target.timeout };
        client.send(b"HELLO 2\n")?;
        client.wait_for("HELLO_OK")?;
        Ok(client)
    }

    pub(crate) fn send(&mut self, lines: &[u8]) -> Result<(), Error> {
        self.socket.get_mut().write_all(lines).map_err(|error| self.describe(error))
    }

    /// Reads the next line. An error line is an error.
    pub(crate) fn next_line(&mut self) -> Result<Line<'_>, Error> {
        self.line.clear();
        match self.socket.read_until(b'\n', &mut self.line) {
            Ok(_) if self.line.last() == Some(&b'\n') => {}
            Ok(_) => return Err(Error::Closed { session: 0, sessions: 1, source: None }),
            Err(error) => return Err(self.describe(error)),
        }
        self.line.pop();
        if let Some(text) = record_text(&self.line) {
            return Ok(Line::Message(text));
        }
        match std::str::from_utf8(&self.line) {
            Ok(line) if !line.starts_with("ERROR ") => Ok(Line::Other(line)),
            _ => {
                let text = String::from_utf8_lossy(&self.line).into_owned();
                Err(Error::Refused { text, session: 0, sessions: 1 })
            }
        }
    }

    /// Skips lines until one has this verb, and returns the words after the verb.
    pub(crate) fn wait_for(&mut self, verb: &str) -> Result<Vec<String>, Error> {
        loop {
            if let Line::Other(line) = self.next_line()?
                && let Some(words) = line.strip_prefix(verb)
                && (words.is_empty() || words.starts_with(' '))
            {
                return Ok(words.split_ascii_whitespace().map(str::to_owned).collect());
            }
        }
    }

    /// Closes the session, and waits until the server has closed it, too.
    pub(crate) fn close(mut self) -> Result<(), Error> {
        self.socket.get_mut().close_sending();
        io::copy(&mut self.socket, &mut io::sink()).map(|_| ()).map_err(|error| self.describe(error))
    }

    fn describe(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Error::Silent { waiting_for: "for a reply", sessions: 1, waited: self.timeout }
            }
            _ => Error::Closed { session: 0, sessions: 1, source: Some(error) },
        }
    }
}
