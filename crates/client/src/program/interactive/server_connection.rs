//! The connection of an interactive session to the server.

use switchboard_client::Error;
use switchboard_client::low_level::{
    LineReader, MonitoredReader, StreamReader, StreamWriter, open_session, receive_welcome,
};

use super::super::args::Options;
use super::super::connecting;
use super::super::send_buffer::SendBuffer;

/// A connection with non-blocking writes.
pub(super) struct ServerConnection {
    pub(super) lines: MonitoredReader<StreamReader>,
    pub(super) out: SendBuffer,
}

impl ServerConnection {
    /// Connects, and waits for `WELCOME`.
    pub(super) async fn open(addr: &str, options: &Options) -> Result<Self, Error> {
        Ok(Self::new(open_session(&addr, options.timeout).await?, options))
    }

    /// Like [`ServerConnection::open`], and shows this on the terminal.
    pub(super) async fn open_and_show(addr: &str, options: &Options) -> Result<Self, Error> {
        let socket = connecting::connect(addr, options).await?;
        let welcome = receive_welcome(socket, &addr, options.timeout);
        Ok(Self::new(
            connecting::receive_greeting(addr, connecting::SILENT_SERVER_HINT, options, welcome).await?,
            options,
        ))
    }

    fn new((lines, socket): (LineReader<StreamReader>, StreamWriter), options: &Options) -> Self {
        Self { lines: MonitoredReader::new(lines, options.liveness()), out: SendBuffer::new(socket) }
    }
}
