//! The frames of a capture or of a build, held in memory for a comparison: conversations, segments and data.

use std::borrow::Cow;
use std::fmt;
use std::io::Read;
use std::net::SocketAddr;

use hashbrown::HashMap;

use super::recorded_segment::{Ipv4Fields, RecordedSegment, TcpFields};
use super::{BYTES_MAX, FRAMES_MAX};
use crate::analyze::{Analyzer, StreamItem, StreamReassembler, StreamSegment, TrackedFrame, TrackedSegment, Transport};
use crate::build::{BuiltFrame, FramePurpose, FrameSink};
use crate::capture::{ReadError, Reader};
use crate::side::Side;
use crate::time::Timestamp;
use crate::wire::frame::FrameIssueKind;
use crate::wire::tcp::{self, Flags, Options};
use crate::wire::{Frame, LayerKind, LinkType, ethernet, ipv4};

/// The default MSS (RFC 9293 §3.7.1), in bytes. A network card splits data into segments of at least this length,
/// except for the last one.
pub(super) const DEFAULT_MSS: u64 = 536;

/// Why frames cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The capture cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There are too many frames.
    #[error("more than {FRAMES_MAX} frames are not compared: take fewer rows")]
    Frames,
    /// There are too many bytes of messages.
    #[error("more than {BYTES_MAX} bytes of messages are not compared: take fewer rows")]
    Bytes,
}

/// The conversations of a capture or of a build.
#[derive(Debug, Default)]
pub struct Recording {
    conversations: Vec<RecordedConversation>,
    frames: u64,
    other_frames: u64,
    is_synthesised: Option<bool>,
}

/// Records frames one by one.
#[derive(Debug)]
struct Recorder {
    recording: Recording,
    analyzer: Analyzer,
    /// For each conversation of the analyzer: its index in the recording, and the state of its sides.
    sides: HashMap<(Transport, u64), (usize, [SideReader; 2])>,
    /// Number of bytes of data that may still be recorded.
    bytes_left: usize,
}

/// Records the frames of a build.
#[derive(Debug)]
pub struct RecordingSink {
    recorder: Recorder,
    link_type: LinkType,
}

/// A frame to record.
struct RecordedFrame<'a> {
    number: u64,
    time: Option<Timestamp>,
    frame: Frame<'a>,
    message: Option<Message<'a>>,
}

/// The row whose message a frame carries.
struct Message<'a> {
    /// The identifier of the row, safe to show.
    msg_id: Cow<'a, str>,
    /// `CHAT from Noy to Server`, safe to show.
    title: Cow<'a, str>,
}

/// A conversation with its segments and data.
#[derive(Clone, Debug)]
pub struct RecordedConversation {
    transport: Transport,
    client: SocketAddr,
    server: SocketAddr,
    /// The title of the first message, such as `CHAT from Noy to Server`.
    title: Option<String>,
    segments: Vec<RecordedSegment>,
    /// The data of each side; `None` for a byte that was not captured.
    data: [Vec<Option<u8>>; 2],
}

/// The state of one side: its stream, and the first value of each counter that starts at a random value.
#[derive(Debug, Default)]
struct SideReader {
    first_identification: Option<u16>,
    /// The identification of the last packet, and the maximum number of packets into which a network card may split it.
    last_identification: Option<(u16, u16)>,
    /// The first timestamp value.
    first_clock: Option<u32>,
    stream: StreamReassembler,
    /// Number of bytes in all datagrams so far.
    datagram_bytes: u64,
}

impl Recording {
    /// Reads a capture to its end.
    ///
    /// # Errors
    ///
    /// If the capture cannot be read, or is too large.
    pub fn read<R: Read>(reader: &mut Reader<R>) -> Result<Self, RecordingError> {
        let mut recorder = Recorder::new();
        while let Some(packet) = reader.next_packet()? {
            let comment = packet.comments().next();
            recorder.record(&RecordedFrame {
                number: packet.number,
                time: packet.time,
                frame: Frame::parse(packet.link_type, packet.captured, packet.original_len),
                message: comment.as_deref().and_then(Message::from_comment),
            })?;
        }
        let has_comment = |start: &str| reader.section().comments.iter().any(|comment| comment.starts_with(start));
        let is_synthesised = if has_comment("Synthesised") {
            Some(true)
        } else {
            has_comment("captured from a live interface").then_some(false)
        };
        recorder.finish(is_synthesised)
    }

    /// The conversations in the order of their first frames.
    #[must_use]
    pub fn conversations(&self) -> &[RecordedConversation] {
        &self.conversations
    }

    /// The number of frames.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// The number of frames without a conversation.
    #[must_use]
    pub const fn other_frames(&self) -> u64 {
        self.other_frames
    }

    /// Whether the frames were synthesised; `None` if the comments of the capture do not tell.
    #[must_use]
    pub const fn is_synthesised(&self) -> Option<bool> {
        self.is_synthesised
    }
}

impl Recorder {
    fn new() -> Self {
        Self {
            recording: Recording::default(),
            analyzer: Analyzer::default(),
            sides: HashMap::new(),
            bytes_left: BYTES_MAX,
        }
    }

    fn record(&mut self, recorded: &RecordedFrame<'_>) -> Result<(), RecordingError> {
        let RecordedFrame { number, time, frame, .. } = recorded;
        self.recording.frames += 1;
        if self.recording.frames > FRAMES_MAX as u64 {
            return Err(RecordingError::Frames);
        }
        let Some(TrackedFrame { sender, segment }) = self.analyzer.frame(*number, *time, frame, &mut |_| {}) else {
            self.recording.other_frames += 1;
            return Ok(());
        };
        let conversations = &mut self.recording.conversations;
        let (index, sides) = self.sides.entry((sender.transport, sender.number)).or_insert_with(|| {
            conversations.push(RecordedConversation {
                transport: sender.transport,
                client: sender.client,
                server: sender.server,
                title: None,
                segments: Vec::new(),
                data: [Vec::new(), Vec::new()],
            });
            (conversations.len() - 1, <[SideReader; 2]>::default())
        });
        conversations[*index].add(recorded, sender.side, segment, sides, &mut self.bytes_left);
        if self.bytes_left == 0 { Err(RecordingError::Bytes) } else { Ok(()) }
    }

    fn finish(mut self, is_synthesised: Option<bool>) -> Result<Recording, RecordingError> {
        for (index, sides) in self.sides.values_mut() {
            for (side, data) in sides.iter_mut().zip(&mut self.recording.conversations[*index].data) {
                side.stream.finish(&mut |item| append(data, &mut self.bytes_left, &item));
            }
        }
        if self.bytes_left == 0 {
            return Err(RecordingError::Bytes);
        }
        Ok(Recording { is_synthesised, ..self.recording })
    }
}

impl RecordingSink {
    /// Creates an empty recording of a build with this link type.
    #[must_use]
    pub fn new(link_type: LinkType) -> Self {
        Self { recorder: Recorder::new(), link_type }
    }

    /// Ends the recording.
    ///
    /// # Errors
    ///
    /// If it has too many bytes of messages.
    pub fn finish(self) -> Result<Recording, RecordingError> {
        self.recorder.finish(Some(true))
    }
}

impl FrameSink for RecordingSink {
    type Error = RecordingError;

    fn frame(&mut self, built: &BuiltFrame<'_>) -> Result<(), RecordingError> {
        let message = match &built.purpose {
            FramePurpose::Message(part) => Some(Message { msg_id: part.msg_id(), title: part.title().into() }),
            FramePurpose::Control { .. } => None,
        };
        // The length of an IP packet has 16 bits.
        let len = u32::try_from(built.bytes.len()).unwrap_or(u32::MAX);
        self.recorder.record(&RecordedFrame {
            number: self.recorder.recording.frames + 1,
            time: Some(built.time),
            frame: Frame::parse(self.link_type, built.bytes, len),
            message,
        })
    }
}

impl<'a> Message<'a> {
    /// Parses the comment that [`FramePurpose::write_comment`] writes for a message.
    fn from_comment(comment: &'a str) -> Option<Self> {
        let (msg_id, rest) = comment.strip_prefix("msg_id=")?.rsplit_once(" layer=application ")?;
        let title = rest.split_once(", segment ").map_or(rest, |(title, _)| title);
        Some(Self { msg_id: msg_id.into(), title: title.into() })
    }
}

/// Appends the next item of a stream, at most `bytes_left` bytes of it.
fn append(data: &mut Vec<Option<u8>>, bytes_left: &mut usize, item: &StreamItem<'_>) {
    let before = data.len();
    match item {
        StreamItem::Data { bytes, .. } => data.extend(bytes.iter().copied().map(Some).take(*bytes_left)),
        // A gap in a damaged capture may be huge.
        StreamItem::Gap { bytes } => data.extend(std::iter::repeat_n(None, (*bytes as usize).min(*bytes_left))),
        StreamItem::Fin | StreamItem::Reset => {}
    }
    *bytes_left -= data.len() - before;
}

impl RecordedConversation {
    /// The transport.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// The client and the server.
    #[must_use]
    pub const fn ends(&self) -> [SocketAddr; 2] {
        [self.client, self.server]
    }

    /// The title of the first message, such as `CHAT from Noy to Server`; `None` if no row is known.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// The segments or datagrams in their order.
    #[must_use]
    pub fn segments(&self) -> &[RecordedSegment] {
        &self.segments
    }

    /// The data of a side; `None` for a byte that was not captured.
    pub(super) fn data(&self, from: Side) -> &[Option<u8>] {
        &self.data[from.index()]
    }

    /// Whether both sides sent the same data as in `other`.
    pub(super) fn has_same_data(&self, other: &Self) -> bool {
        self.data == other.data
    }

    /// Adds a frame of this conversation. `tracked` is its TCP segment; `None` for a datagram.
    fn add(
        &mut self,
        recorded: &RecordedFrame<'_>,
        from: Side,
        tracked: Option<TrackedSegment>,
        sides: &mut [SideReader; 2],
        bytes_left: &mut usize,
    ) {
        let RecordedFrame { number, time, frame, message } = recorded;
        if let (None, Some(message)) = (&self.title, message) {
            self.title = Some(message.title.clone().into_owned());
        }
        let len = u64::from(frame.payload_len_on_wire());
        let [client, server] = sides;
        let (own, other) = from.own_and_other(client, server);
        let data = &mut self.data[from.index()];
        let (bytes, tcp) = if let Some((segment, tracked)) = frame.tcp().zip(tracked) {
            let stream_segment = StreamSegment {
                frame: *number,
                seq: segment.seq(),
                flags: segment.flags(),
                payload: frame.payload(),
                len: frame.payload_len_on_wire(),
            };
            own.stream.push(&stream_segment, &mut |item| append(data, bytes_left, &item));
            (tracked.stream_range(), Some(own.tcp(&segment, tracked, other)))
        } else {
            // Datagrams have no sequence numbers: their data is put together in the order of capture.
            let start = own.datagram_bytes;
            own.datagram_bytes += len;
            let payload = frame.payload();
            append(data, bytes_left, &StreamItem::Data { frame: *number, bytes: payload });
            let captured = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            append(data, bytes_left, &StreamItem::Gap { bytes: frame.payload_len_on_wire().saturating_sub(captured) });
            (start..start + len, None)
        };
        let ends = match from {
            Side::Client => [self.client, self.server],
            Side::Server => [self.server, self.client],
        };
        let v4 = frame.ipv4().map(|packet| own.v4(&packet, tcp.as_ref(), len));
        let (v6, verified) = (frame.ipv6(), frame.verify());
        let layers = frame.layers();
        let ethernet = layers.first().filter(|layer| layer.kind == LayerKind::Ethernet);
        let ethernet = ethernet.and_then(|layer| ethernet::Header::new_checked(frame.layer_bytes(layer)).ok());
        let issues = frame.issues().into_iter().filter(|issue| !matches!(issue.kind, FrameIssueKind::Snapped { .. }));
        self.segments.push(RecordedSegment {
            frame: *number,
            time: *time,
            from,
            bytes,
            msg_id: message.as_ref().map(|message| message.msg_id.as_ref().into()),
            ends,
            link_type: frame.link_type(),
            macs: ethernet.map(|header| [header.source(), header.destination()]),
            padding: layers
                .iter()
                .filter(|layer| layer.kind == LayerKind::Trailer)
                .map(|layer| layer.range().len())
                .sum(),
            is_cut: frame.bytes().len() < frame.original_len() as usize,
            type_of_service: frame
                .ipv4()
                .map(|packet| packet.type_of_service())
                .or(v6.map(|packet| packet.traffic_class()))
                .unwrap_or_default(),
            hop_limit: frame
                .ipv4()
                .map(|packet| packet.time_to_live())
                .or(v6.map(|packet| packet.hop_limit()))
                .unwrap_or_default(),
            v4,
            flow_label: v6.map(|packet| packet.flow_label()),
            header_checksum: verified.network,
            transport_checksum: verified.transport,
            issues: issues.map(|issue| issue.to_string()).collect(),
            tcp,
        });
    }
}

impl SideReader {
    /// The TCP fields of a segment of this side. Timestamps are relative to the first one of their sender.
    fn tcp(&mut self, segment: &tcp::Segment<'_>, tracked: TrackedSegment, other: &Self) -> TcpFields {
        let options = Options::parse(segment.option_bytes());
        let names = segment.options().map(|option| match option {
            Ok(option) => option.option.name().to_owned(),
            Err(malformed) => malformed.to_string(),
        });
        let clock = options
            .timestamps
            .map(|timestamps| timestamps.value.wrapping_sub(*self.first_clock.get_or_insert(timestamps.value)));
        let echo = options
            .timestamps
            .zip(other.first_clock)
            .map(|(timestamps, first)| timestamps.echo_reply.wrapping_sub(first));
        TcpFields {
            number: segment.seq(),
            tracked,
            urgent_pointer: segment.urgent_pointer(),
            options,
            option_order: names.collect::<Vec<_>>().join(", "),
            clock,
            echo,
        }
    }

    /// The IPv4 fields of a packet of this side. `len` is the length of its payload, in bytes.
    fn v4(&mut self, packet: &ipv4::Packet<'_>, tcp: Option<&TcpFields>, len: u64) -> Ipv4Fields {
        let (identification, dont_fragment) = (packet.identification(), packet.dont_fragment());
        if tcp.is_some_and(|tcp| tcp.tracked.flags.contains(Flags::SYN | Flags::ACK)) {
            return Ipv4Fields {
                dont_fragment,
                identification,
                relative_identification: None,
                is_first: false,
                is_next: false,
            };
        }
        let is_first = self.last_identification.is_none();
        let is_next = self
            .last_identification
            .is_none_or(|(last, n_packets)| (1..=n_packets).contains(&identification.wrapping_sub(last)));
        let relative_identification =
            Some(identification.wrapping_sub(*self.first_identification.get_or_insert(identification)));
        // A network card splits a long segment into packets, each with its own identification.
        let n_packets = u16::try_from(len.div_ceil(DEFAULT_MSS).max(1)).unwrap_or(u16::MAX);
        self.last_identification = Some((identification, n_packets));
        Ipv4Fields { dont_fragment, identification, relative_identification, is_first, is_next }
    }
}

impl fmt::Display for RecordedConversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} → {}", self.transport, self.client, self.server)
    }
}
