//! The frames of each row, as text or JSON.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;

use serde::Serialize;
use switchboard_encap::capture::Statistics;
use switchboard_encap::rows::{App, MessageId, Transport};
use switchboard_encap::send::{BareFrames, PlayResult, RowOutcome, RowPiece, SendPlan, Side, StreamFrames, Trace};
use switchboard_encap::show::count;
use switchboard_protocol::sanitize;

/// The output of `encap send`.
#[derive(Debug, Serialize)]
pub(super) struct Listing<'a> {
    capture: Option<CaptureListing>,
    connections: Vec<ConnectionListing<'a>>,
}

/// The counts of the capture.
#[derive(Debug, Serialize)]
pub(super) struct CaptureListing {
    file: Option<String>,
    frames: u64,
    dropped: u64,
}

impl CaptureListing {
    pub(super) fn new(trace: &Trace, statistics: Statistics, file: Option<String>) -> Self {
        Self { file, frames: trace.frames(), dropped: statistics.dropped }
    }
}

#[derive(Debug, Serialize)]
struct ConnectionListing<'a> {
    transport: Transport,
    client: &'a App,
    server: &'a App,
    client_address: Option<SocketAddr>,
    server_address: Option<SocketAddr>,
    /// The TCP segments without data. `None` for UDP, and without a capture.
    #[serde(flatten)]
    bare: Option<BareFrames>,
    /// The error that ended the connection, if there was one.
    error: Option<String>,
    rows: Vec<RowListing<'a>>,
}

#[derive(Debug, Serialize)]
struct RowListing<'a> {
    msg_id: &'a MessageId,
    line: u64,
    from: Side,
    bytes: usize,
    /// The bytes of the row in the stream of its direction.
    stream: Option<Range<u64>>,
    /// The frames of the row. `None` without a capture.
    frames: Option<Vec<RowPiece>>,
    /// The reason why the row was not sent. `None` if it was sent.
    not_sent: Option<String>,
}

impl<'a> Listing<'a> {
    pub(super) fn new(
        plan: &'a SendPlan,
        played: &PlayResult,
        capture: Option<CaptureListing>,
        trace: Option<&Trace>,
    ) -> Self {
        let addresses = |connection: usize| played.addresses[connection];
        let streams: Vec<Option<[StreamFrames; 2]>> = (0..plan.connections().len())
            .map(|index| {
                let (trace, addresses) = (trace?, addresses(index)?);
                Some([Side::Client, Side::Server].map(|side| trace.stream(addresses, side)))
            })
            .collect();
        let mut connections: Vec<_> = plan
            .connections()
            .iter()
            .enumerate()
            .map(|(index, connection)| ConnectionListing {
                transport: connection.transport,
                client: &connection.client,
                server: &connection.server,
                client_address: addresses(index).map(|[client, _]| client),
                server_address: addresses(index).map(|[_, server]| server),
                bare: trace
                    .zip(addresses(index))
                    .filter(|_| connection.transport == Transport::Tcp)
                    .map(|(trace, addresses)| trace.bare(addresses)),
                error: played
                    .unclosed
                    .iter()
                    .find(|(unclosed, _)| *unclosed == index)
                    .map(|(_, error)| error.to_string()),
                rows: Vec::new(),
            })
            .collect();
        for (planned, outcome) in plan.rows().iter().zip(&played.outcomes) {
            let len = planned.row.message.len();
            let index = planned.connection;
            let mut row = RowListing {
                msg_id: &planned.row.number,
                line: planned.row.line,
                from: planned.from,
                bytes: len,
                stream: None,
                frames: None,
                not_sent: None,
            };
            match (outcome, connections[index].transport) {
                (RowOutcome::Failed(error), _) => row.not_sent = Some(error.to_string()),
                (RowOutcome::NotOurs, _) => row.not_sent = Some("left to the server".to_owned()),
                (RowOutcome::Sent { start }, Transport::Tcp) => {
                    let stream = *start..*start + len as u64;
                    row.frames = streams[index].as_ref().map(|[client, server]| match planned.from {
                        Side::Client => client.pieces(&stream),
                        Side::Server => server.pieces(&stream),
                    });
                    row.stream = Some(stream);
                }
                (RowOutcome::Sent { start }, Transport::Udp) => {
                    row.frames = trace.zip(addresses(index)).map(|(trace, addresses)| {
                        let frame = trace.datagram(addresses, planned.from, *start);
                        let piece = |frame| RowPiece { frame, stream: 0..len as u64, shared: false, again: false };
                        frame.map(piece).into_iter().collect()
                    });
                }
            }
            connections[index].rows.push(row);
        }
        Self { capture, connections }
    }
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for connection in &self.connections {
            write!(f, "{connection}")?;
        }
        let Some(capture) = &self.capture else { return Ok(()) };
        write!(f, "{} captured, {} dropped", count(capture.frames, "frame"), capture.dropped)?;
        match &capture.file {
            Some(file) => writeln!(f, ": {file}"),
            None => writeln!(f, "; -o FILE keeps them"),
        }
    }
}

impl fmt::Display for ConnectionListing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |app: &App| sanitize(&app.to_string()).into_owned();
        let (client, server) = (name(self.client), name(self.server));
        let transport = match self.transport {
            Transport::Tcp => "TCP",
            Transport::Udp => "UDP",
        };
        write!(f, "{client} and {server}, {transport}")?;
        match self.client_address.zip(self.server_address) {
            Some((client, server)) => write!(f, ", {client} to {server}")?,
            None => write!(f, ", not opened")?,
        }
        if let Some(bare) = &self.bare {
            let (opening, closing) = (frame_list(&bare.opening), frame_list(&bare.closing));
            let acknowledgements = count(bare.acknowledgements, "bare acknowledgement");
            write!(f, ": opened by {opening}, ended by {closing}, {acknowledgements}")?;
        }
        writeln!(f)?;
        for row in &self.rows {
            let (from, to) = if row.from == Side::Client { (&client, &server) } else { (&server, &client) };
            let id = row.msg_id.to_string();
            write!(f, "  {} (line {}) {from} → {to}, {}", sanitize(&id), row.line, count(row.bytes, "byte"))?;
            if let Some(stream) = &row.stream {
                write!(f, " at {}", stream.start)?;
            }
            match (&row.not_sent, &row.frames) {
                (Some(reason), _) => write!(f, ": not sent: {reason}")?,
                (None, None) => write!(f, ": sent")?,
                (None, Some(pieces)) if pieces.is_empty() && row.bytes == 0 => write!(f, ": no bytes, so no frame")?,
                (None, Some(pieces)) if pieces.is_empty() => write!(f, ": in no captured frame")?,
                (None, Some(pieces)) => write_pieces(f, pieces)?,
            }
            writeln!(f)?;
        }
        match &self.error {
            Some(error) => writeln!(f, "  the connection did not end properly: {error}"),
            None => Ok(()),
        }
    }
}

fn write_pieces(f: &mut fmt::Formatter<'_>, pieces: &[RowPiece]) -> fmt::Result {
    for (i, piece) in pieces.iter().enumerate() {
        write!(f, "{} frame {}", if i == 0 { ":" } else { "," }, piece.frame)?;
        if pieces.len() > 1 {
            write!(f, " ({})", count(piece.stream.end - piece.stream.start, "byte"))?;
        }
        if piece.shared {
            write!(f, " (shared with other rows)")?;
        }
        if piece.again {
            write!(f, " (retransmitted)")?;
        }
    }
    Ok(())
}

/// Frame numbers with their noun: `no frame`, `frame 1` or `frames 1, 2, 3`.
fn frame_list(frames: &[u64]) -> String {
    let list: Vec<_> = frames.iter().map(u64::to_string).collect();
    match list.len() {
        0 => "no frame".to_owned(),
        1 => format!("frame {}", list[0]),
        _ => format!("frames {}", list.join(", ")),
    }
}
