//! The member of the room who writes the messages.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::Duration;

use super::program::{Client, ROOM};
use super::{TIMEOUT, now};

/// The name of the writer. No other text on the screens has its letters in this order.
pub(super) const NAME: &str = "Zyxqv";

/// The end of each message. With its number, a message has 80 bytes.
const FILL: &str = "the quick brown fox jumps over the lazy dog and runs away today";

/// Time between two writes to the socket. Each write has all messages that are due.
const WRITE_INTERVAL: Duration = Duration::from_millis(5);

/// The writer's session.
#[derive(Debug)]
pub(super) struct Writer {
    client: Client,
    socket: TcpStream,
    written: u64,
}

impl Writer {
    /// Connects to the server of `client`, and enters the room.
    pub(super) fn enter(client: Client, port: u16) -> Result<Self, String> {
        let connect = || {
            let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(TIMEOUT))?;
            Ok((socket.try_clone()?, BufReader::new(socket)))
        };
        let (socket, mut answers) = connect().map_err(|error: std::io::Error| error.to_string())?;
        let mut writer = Self { client, socket, written: 0 };
        // Each request, and the text in the line that ends its answer.
        let dialogue = match client {
            Client::Switchboard => [
                ("HELLO 2".to_owned(), "HELLO_OK"),
                (format!("REGISTER {NAME}"), "REGISTER_OK"),
                // Only an account is a member of a room.
                ("CLAIM password correct horse battery".to_owned(), "CLAIM_OK"),
                (format!("JOIN {ROOM}"), "JOIN_OK"),
            ]
            .to_vec(),
            Client::Weechat => {
                [(format!("NICK {NAME}\r\nUSER bench 0 * :bench"), " 376 "), (format!("JOIN {ROOM}"), " 366 ")].to_vec()
            }
        };
        for (request, end) in dialogue {
            writer.send(&format!("{request}\r\n"))?;
            let mut line = String::new();
            while !line.contains(end) {
                line.clear();
                if answers.read_line(&mut line).map_err(|error| format!("{request:?}: {error}"))? == 0 {
                    return Err(format!("{request:?}: the server closed the connection"));
                }
                if line.starts_with("ERROR") {
                    return Err(format!("{request:?}: {}", line.trim()));
                }
            }
        }
        // The answers to messages are not needed, but an unread one would stop the server.
        thread::spawn(move || {
            let mut answers = answers.into_inner();
            let _ = answers.set_read_timeout(None);
            let mut bytes = [0; 16_384];
            while answers.read(&mut bytes).is_ok_and(|read| read > 0) {}
        });
        Ok(writer)
    }

    /// Writes messages at a steady rate a second. Returns a part of the last one that no other one has.
    pub(super) fn write(&mut self, count: u64, rate: u64) -> Result<String, String> {
        let start = now();
        let (first, end) = (self.written, self.written + count);
        while self.written < end {
            let due = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX) * rate / 1000;
            let mut lines = String::new();
            while self.written < end.min(first + due + 1) {
                let verb = match self.client {
                    Client::Switchboard => format!("SAY {ROOM} "),
                    Client::Weechat => format!("PRIVMSG {ROOM} :"),
                };
                // Writing to a String does not fail.
                let _ = write!(lines, "{verb}{} {FILL}\r\n", number(self.written));
                self.written += 1;
            }
            self.send(&lines)?;
            thread::sleep(WRITE_INTERVAL);
        }
        Ok(number(end - 1))
    }

    fn send(&mut self, lines: &str) -> Result<(), String> {
        self.socket.write_all(lines.as_bytes()).map_err(|error| format!("the writer cannot write: {error}"))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Ends the thread that reads the answers.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

/// The number of a message, as the message shows it.
fn number(written: u64) -> String {
    format!("message {written:08}")
}
