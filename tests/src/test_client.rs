//! Somebody on a socket.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::stage::Received;

/// How long a test waits for what has to come: far longer than it takes, so that a busy machine does not fail it.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// A connection to a server, line by line.
#[derive(Debug)]
pub struct TestClient {
    reader: BufReader<TcpStream>,
}

impl TestClient {
    /// Connects.
    ///
    /// # Panics
    ///
    /// Where that fails.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("it is TCP");
        stream.set_read_timeout(Some(TIMEOUT)).expect("the time is not zero");
        stream.set_write_timeout(Some(TIMEOUT)).expect("the time is not zero");
        Self { reader: BufReader::new(stream) }
    }

    /// Connects to a listener of the commands dialect and takes a name.
    ///
    /// # Panics
    ///
    /// Where the server does not say what it has to.
    #[must_use]
    pub fn registered(address: SocketAddr, name: &str) -> Self {
        let mut client = Self::connect(address);
        client.expect("WELCOME");
        client.send(&format!("REGISTER {name}"));
        client.expect(&format!("REGISTER_OK {name}"));
        client
    }

    /// Says a line.
    pub fn send(&mut self, line: &str) {
        self.write(format!("{line}\n").as_bytes());
    }

    /// Says bytes. That the server has closed shows when the answer is heard.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.reader.get_mut().write_all(bytes);
    }

    /// Hears the next line, the end, or [`TIMEOUT`] of silence.
    pub fn receive(&mut self) -> Received {
        let mut line = Vec::new();
        match self.reader.read_until(b'\n', &mut line) {
            Ok(0) => Received::End,
            Ok(_) => Received::Line(String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Received::Silence,
            Err(_) => Received::End,
        }
    }

    /// Hears this line next.
    ///
    /// # Panics
    ///
    /// Where it is another.
    #[track_caller]
    pub fn expect(&mut self, line: &str) {
        assert_eq!(self.receive(), Received::Line(line.to_owned()));
    }

    /// Hears the end next.
    ///
    /// # Panics
    ///
    /// Where a line comes instead.
    #[track_caller]
    pub fn expect_end(&mut self) {
        assert_eq!(self.receive(), Received::End);
    }

    /// Closes the side that speaks.
    pub fn half_close(&mut self) {
        let _ = self.reader.get_mut().shutdown(Shutdown::Write);
    }

    /// The socket, for what is not a line.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        self.reader.get_ref()
    }
}
