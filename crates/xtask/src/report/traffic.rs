//! The data on the captures of the scenario: the conversations, one message byte by byte, and three failures (a refused
//! connection, a killed client and a frozen reader).

use std::net::SocketAddr;

use serde_json::{Value, json};
use switchboard_encap::report::{Report, ReportOptions};
use switchboard_encap::side::Side;

use super::drawings::{self, Drawings};
use super::frames::{self, Segment};
use super::scenario::{Observations, SCRIPT};
use super::{ReportContext, format, lanes};

/// The beginning of the message that the report shows byte by byte.
const DISSECTED_MESSAGE: &str = "שלום";

/// Writes the data files on the conversations: chat.json, frame.json, refused.json, reset.json and slow.json.
pub(super) fn write(context: &ReportContext, observed: &Observations) -> Result<(), String> {
    let analysis = context.json("encap", &["analyze", "--json", "chat.pcapng"])?;
    let segments = frames::read(&context.run.join("chat.pcapng"))?;
    let conversations = conversations(&analysis, &segments)?;
    let conversation_of = |name: &str| {
        let conversation = conversations.iter().find(|conversation| conversation.name == name);
        conversation.ok_or_else(|| format!("chat.pcapng has no conversation of {name}"))
    };
    let (noy, elias, dana) = (conversation_of("Noy")?, conversation_of("Elias")?, conversation_of("Dana")?);
    let refused = conversations
        .iter()
        .find(|conversation| conversation.summary["handshake"] == "refused")
        .ok_or("no connection was refused")?;

    let lanes: Vec<_> =
        conversations.iter().map(|conversation| (conversation.number, conversation.name.as_str())).collect();
    context.write_svg("lanes.svg", &lanes::svg(&segments, &lanes))?;
    let script = std::fs::read_to_string(SCRIPT).map_err(|error| format!("{SCRIPT}: {error}"))?;
    context.write(
        "chat.json",
        &json!({
            "script": script, "totals": totals(&analysis), "capture": observed.captures["chat.pcapng"],
            "conversations": conversations.iter().map(|conversation| &conversation.summary).collect::<Vec<_>>(),
            "transcript": transcript(context)?, "at_once": max_open_connections(&segments),
            "noy": noy.by_phase(&segments), "syn": syns(context, noy, &segments)?,
            "figures": noy.draw(context, "chat.pcapng", &segments, &["time_client", "time_server", "round_trip"])?,
            "elias": elias.draw(context, "chat.pcapng", &segments, &["sequence"])?,
        }),
    )?;
    context.write("frame.json", &dissected_message(context, &segments)?)?;
    context.write(
        "refused.json",
        &json!({
            "program": observed.refused, "conversation": refused.summary, "segments": refused.segments(&segments),
            "figures": refused.draw(context, "chat.pcapng", &segments, &["sequence"])?,
        }),
    )?;
    context.write(
        "reset.json",
        &json!({
            "conversation": dana.summary, "segments": dana.segments(&segments),
            "found_out": reset_discovery(&segments, dana)?,
            "figures": dana.draw(context, "chat.pcapng", &segments, &["sequence"])?,
        }),
    )?;
    slow_reader(context, observed)
}

/// The SYN of each side, with its initial sequence number and its options.
fn syns(context: &ReportContext, conversation: &CapturedConversation, segments: &[Segment]) -> Result<Value, String> {
    let mut both_syns = Vec::new();
    for segment in conversation.segments(segments).iter().take(2) {
        let dissected =
            context.json("encap", &["show", "chat.pcapng", "--frame", &segment.frame.to_string(), "--json"])?;
        let layers = dissected["layers"].as_array().cloned().unwrap_or_default();
        let tcp = layers.into_iter().find(|layer| layer["mark"] == "T").ok_or("a SYN without TCP")?;
        let is_urgent_pointer = |field: &Value| field["name"] == "Urgent Pointer";
        let fields = tcp["fields"].as_array().cloned().unwrap_or_default();
        // The options follow the urgent pointer, which is the last fixed field. Padding is left out.
        let options = fields.iter().skip_while(|field| !is_urgent_pointer(field)).skip(1);
        let is_no_padding = |field: &&Value| field["name"] != "No-Operation" && field["name"] != "End of Option List";
        let sequence_number = fields.iter().filter(|field| field["name"] == "Sequence Number");
        let shown: Vec<_> = sequence_number.chain(options.filter(is_no_padding)).cloned().collect();
        both_syns
            .push(json!({ "frame": segment.frame, "from": segment.from, "flags": segment.flags, "fields": shown }));
    }
    Ok(both_syns.into())
}

/// The frames in which the others find out that a client was killed: the last data sent to the client, its RST, and the
/// next message to it with the server's answer.
fn reset_discovery(segments: &[Segment], killed: &CapturedConversation) -> Result<Value, String> {
    let killed_segments = killed.segments(segments);
    let is_data_from_server = |segment: &&Segment| segment.from == Side::Server && segment.bytes > 0;
    let unread =
        killed_segments.iter().rev().find(is_data_from_server).ok_or("the server sent nothing to the killed client")?;
    let reset =
        killed_segments.iter().find(|segment| segment.flags.contains("RST")).ok_or("the killed client sent no RST")?;
    let after_reset = || segments.iter().filter(|segment| segment.frame > reset.frame);
    // A message of the line dialect begins with the name of its receiver.
    let message_start = format!("{}:", killed.name);
    let next_message = after_reset()
        .find(|segment| segment.from == Side::Client && segment.payload.starts_with(message_start.as_bytes()));
    let next_message = next_message.ok_or("no client wrote to the killed client again")?;
    let answer = after_reset().find(|segment| {
        segment.connection == next_message.connection && segment.from == Side::Server && segment.bytes > 0
    });
    let answer = answer.ok_or("the second message to the killed client has no answer")?;
    Ok(json!({
        "unread": unread.frame, "reset": reset.frame, "next": next_message.frame, "answer": answer.frame,
        "waited": format::time(answer.nanos - reset.nanos),
    }))
}

/// A TCP conversation of a capture, with its client's name.
struct CapturedConversation {
    /// Number of the conversation in `encap analyze`.
    number: u64,
    /// Name of the client.
    name: String,
    /// The data on the conversation in the report.
    summary: Value,
}

impl CapturedConversation {
    /// The segments of this conversation.
    fn segments(&self, all: &[Segment]) -> Vec<Segment> {
        all.iter().filter(|segment| segment.connection == self.number).cloned().collect()
    }

    /// Makes the drawings `wanted` of the conversation. Their file names start with the client's name.
    fn draw(
        &self,
        context: &ReportContext,
        capture: &str,
        all: &[Segment],
        wanted: &[&'static str],
    ) -> Result<Drawings, String> {
        let begins = self.segments(all).first().map(|segment| segment.time.clone()).unwrap_or_default();
        // Parentheses mark a client without a name.
        let client = self.name.trim_matches(['(', ')']).to_lowercase();
        drawings::draw(context, capture, self.number, &client, &begins, wanted)
    }

    /// The segments by phase: opening, data and closing.
    fn by_phase(&self, all: &[Segment]) -> Value {
        let segments = self.segments(all);
        let end = segments.iter().position(|segment| segment.flags.contains("FIN")).unwrap_or(segments.len());
        // The handshake has three segments.
        let begin = segments.len().min(3);
        json!({ "opening": segments[..begin], "data": segments[begin..end.max(begin)], "closing": segments[end..] })
    }
}

/// The conversations in the output of `encap analyze`.
fn conversations(analysis: &Value, segments: &[Segment]) -> Result<Vec<CapturedConversation>, String> {
    let list = analysis["conversations"].as_array().ok_or("encap analyze lists no conversations")?;
    list.iter().map(|entry| conversation(entry, segments)).collect()
}

/// A conversation with the name of its client: the name in its first line, or a substitute.
fn conversation(entry: &Value, segments: &[Segment]) -> Result<CapturedConversation, String> {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let address = |value: &Value| value.as_str().and_then(|text| text.parse::<SocketAddr>().ok());
    let (client, server) =
        address(&entry["client"]).zip(address(&entry["server"])).ok_or("a conversation without addresses")?;
    let mut own_segments = segments.iter().filter(|segment| segment.connection == number(&entry["number"]));
    let first_data = own_segments.find(|segment| segment.from == Side::Client && segment.bytes > 0);
    let text = first_data.map(|segment| String::from_utf8_lossy(&segment.payload).into_owned()).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let name = match line.strip_prefix("REGISTER ").unwrap_or(line) {
        "" => "(nobody)",
        "PING" => "Pinger",
        name => name,
    };
    // The round trip of a refused SYN is not one of data, so it is left out.
    let round_trip =
        Some(&entry["from_client"]["round_trips"]["median_nanos"]).filter(|_| entry["handshake"] != "refused");
    let summary = json!({
        "number": entry["number"], "name": name, "client_port": client.port(), "server_port": server.port(),
        // The server listens on port 8080 for the line dialect.
        "dialect": if server.port() == 8080 { "line" } else { "commands" },
        "handshake": entry["handshake"], "handshake_time": entry["handshake_nanos"].as_u64().map(format::time),
        "end": entry["end"], "reset_cause": entry["reset_cause"], "segments": entry["segments"],
        "bytes_client": format::count(number(&entry["bytes_client"])),
        "bytes_server": format::count(number(&entry["bytes_server"])),
        "first_frame": entry["first_frame"], "last_frame": entry["last_frame"],
        "round_trip": round_trip.and_then(Value::as_u64).map(format::time), "retransmissions": entry["retransmissions"],
        "keep_alives": entry["keep_alives"], "zero_windows": entry["zero_windows"],
        "zero_window_probes": entry["zero_window_probes"], "zero_window_probe_acks": entry["zero_window_probe_acks"],
        "window_fulls": entry["window_fulls"],
        "flags": entry["flags"], "checksums": entry["checksums"],
    });
    Ok(CapturedConversation { number: number(&entry["number"]), name: name.to_owned(), summary })
}

/// The items of a JSON array.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The bytes that a side sent, in order. A retransmitted byte occurs once.
fn stream(segments: &[Segment], from: Side) -> Vec<u8> {
    let mut data_segments: Vec<_> =
        segments.iter().filter(|segment| segment.from == from && segment.bytes > 0).collect();
    data_segments.sort_by_key(|segment| segment.seq);
    let mut stream = Vec::new();
    for segment in data_segments {
        // Sequence number 0 is the SYN, so the first byte has number 1.
        let offset = usize::try_from(segment.seq - 1).unwrap_or_default();
        if let Some(new_bytes) =
            stream.len().checked_sub(offset).and_then(|known_bytes| segment.payload.get(known_bytes..))
        {
            stream.extend_from_slice(new_bytes);
        }
    }
    stream
}

/// The totals of a capture.
fn totals(analysis: &Value) -> Value {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    json!({
        "packets": format::count(number(&analysis["packets"])), "bytes": format::count(number(&analysis["bytes"])),
        "conversations": analysis["conversations"].as_array().map_or(0, Vec::len), "checksums": analysis["checksums"],
        "issues": analysis["issues"].as_array().map_or(0, Vec::len),
    })
}

/// The maximum number of connections that are open at the same time.
fn max_open_connections(segments: &[Segment]) -> usize {
    let mut open = std::collections::HashSet::new();
    let mut max_open = 0;
    for segment in segments {
        if segment.flags.contains("RST") || segment.flags.contains("FIN") {
            open.remove(&segment.connection);
        } else if segment.flags == "SYN" {
            open.insert(segment.connection);
        }
        max_open = max_open.max(open.len());
    }
    max_open
}

/// The transcript of the conversations, as `encap chat` prints it.
fn transcript(context: &ReportContext) -> Result<Value, String> {
    let file = context.run.join("chat.pcapng");
    let mut input = std::fs::File::open(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let report =
        Report::read(&mut input, "chat.pcapng", &ReportOptions::default()).map_err(|error| error.to_string())?;
    let entries: Vec<_> = report
        .summary
        .entries
        .iter()
        .map(|entry| {
            let nanos = entry.since.map(|since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX));
            let time = nanos.map(format::seconds);
            let violation = entry.violation.as_ref().map(ToString::to_string);
            json!({ "frame": entry.frame, "time": time, "text": entry.text, "violation": violation })
        })
        .collect();
    let violations = &report.summary.verdict.violations;
    let first_violation = violations.list().first().map(ToString::to_string);
    Ok(json!({ "entries": entries, "illegal": violations.left_out(), "first_illegal": first_violation }))
}

/// The message that the report shows byte by byte, as `encap show` prints it.
fn dissected_message(context: &ReportContext, segments: &[Segment]) -> Result<Value, String> {
    let first_after = |frame: u64, begin: &str| {
        let mut later = segments.iter().filter(|segment| segment.frame > frame);
        let segment = later.find(|segment| segment.payload.starts_with(begin.as_bytes()));
        segment.ok_or_else(|| format!("no frame after {frame} starts with {begin}"))
    };
    let segment = first_after(0, &format!("MSG {DISSECTED_MESSAGE}"))?;
    let delivered = first_after(segment.frame, &format!("FROM Noy: {DISSECTED_MESSAGE}"))?;
    let answered = first_after(segment.frame, "MSG_SENT")?;
    let number = segment.frame.to_string();
    let shown = context.json("encap", &["show", "chat.pcapng", "--frame", &number, "--json"])?;
    let listing = context.output(
        "encap",
        &["show", "chat.pcapng", "--frame", &number, "--color", "never", "--width", "84"],
        &[0],
    )?;
    let text = String::from_utf8_lossy(&segment.payload).into_owned();
    let characters: Vec<_> = text
        .chars()
        .map(|letter| {
            let mut bytes = [0; 4];
            let hex: Vec<_> = letter.encode_utf8(&mut bytes).bytes().map(|byte| format!("{byte:02x}")).collect();
            let character = match letter {
                '\n' => "LF".to_owned(),
                ' ' => "space".to_owned(),
                letter => letter.to_string(),
            };
            let code_point = format!("U+{:04X}", u32::from(letter));
            json!({ "character": character, "code_point": code_point, "hex": hex.join(" ") })
        })
        .collect();
    // The part of the listing on the nesting of the layers, and the part on the calculation of the checksums.
    let nesting =
        listing.split("Layers, each inside the one before it\n").nth(1).and_then(|below| below.split("\n┌").next());
    let nesting = nesting.unwrap_or_default().replace('\n', " ");
    let checksums = listing.find("\nIPv4 checksum").map_or("", |start| listing[start..].trim());
    let offsets: Vec<_> = (0..segment.frame_len.div_ceil(16)).map(|line| format!("{:04x}", 16 * line)).collect();
    Ok(json!({
        "segment": segment, "answered": answered, "delivered": delivered, "shown": shown, "offsets": offsets,
        "nesting": nesting, "checksums": checksums, "text": text.trim_end(), "n_characters": characters.len(),
        "characters": characters,
    }))
}

/// Writes the data on the frozen reader, which has a capture of its own.
fn slow_reader(context: &ReportContext, observed: &Observations) -> Result<(), String> {
    let analysis = context.json("encap", &["analyze", "--json", "slow.pcapng"])?;
    let segments = frames::read(&context.run.join("slow.pcapng"))?;
    let conversations = conversations(&analysis, &segments)?;
    let conversation_of = |name: &str| {
        let conversation = conversations.iter().find(|conversation| conversation.name == name);
        conversation.ok_or_else(|| format!("slow.pcapng has no conversation of {name}"))
    };
    let (frozen, author) = (conversation_of("Frozen")?, conversation_of("Author")?);

    let frozen_segments = frozen.segments(&segments);
    let zero_window = frozen_segments.iter().find(|segment| segment.from == Side::Client && segment.window == 0);
    let zero_window = zero_window.ok_or("the frozen reader never announced a zero window")?;
    let is_notice = |segment: &&Segment| String::from_utf8_lossy(&segment.payload).contains("PEER_DISCONNECTED");
    let notice = author.segments(&segments).into_iter().find(|segment| is_notice(&segment));
    let notice = notice.ok_or("the author received no PEER_DISCONNECTED")?;
    let reopened = frozen_segments
        .iter()
        .find(|segment| segment.nanos > notice.nanos && segment.from == Side::Client && segment.window > 0);
    let reopened = reopened.ok_or("the frozen reader never reopened its window")?;
    // The report shows all segments of the zero window, with two before it and two after it.
    let index_of = |frame| frozen_segments.iter().position(|segment| segment.frame == frame).unwrap_or_default();
    let (from, to) =
        (index_of(zero_window.frame).saturating_sub(2), (index_of(reopened.frame) + 3).min(frozen_segments.len()));
    let end = frozen_segments.iter().position(|segment| segment.flags.contains("FIN")).unwrap_or(frozen_segments.len());
    let (stop, last) = (&frozen_segments[from..to], &frozen_segments[end.max(to)..]);

    let received = stream(&frozen_segments, Side::Server);
    let messages = received.split_inclusive(|byte| *byte == b'\n').filter(|line| line.starts_with(b"FROM Author: "));
    // The last message may be torn: only its first bytes arrived.
    let (whole, torn): (Vec<_>, Vec<_>) = messages.partition(|line| line.ends_with(b"\n"));
    let arrived = whole.len() as u64;
    // Bytes that arrive before the reader wakes are in its receive buffer. Later bytes were still in the server.
    let is_after_wakeup = |segment: &&Segment| segment.from == Side::Server && segment.frame > reopened.frame;
    let late_bytes: u64 = frozen_segments.iter().filter(is_after_wakeup).map(|segment| segment.bytes as u64).sum();

    let author_segments = author.segments(&segments);
    let full = author_segments.iter().position(|segment| segment.from == Side::Server && segment.window == 0);
    let full = full.ok_or("the server never announced a zero window to the author")?;
    let throttled = &author_segments[full.saturating_sub(2)..(full + 3).min(author_segments.len())];

    let probes: Vec<_> = list(&frozen.summary["flags"]).filter(|flag| flag["event"] == "keep_alive").collect();
    let probes: Vec<_> = probes
        .iter()
        .filter_map(|flag| frozen_segments.iter().find(|segment| segment.frame == flag["frame"]))
        .collect();
    let waits: Vec<_> = probes.windows(2).map(|pair| format::time(pair[1].nanos - pair[0].nanos)).collect();
    let probe_frames: Vec<_> = probes.iter().map(|segment| segment.frame).collect();

    let slow = &observed.slow;
    let acknowledged = slow.acknowledged as u64;
    context.write(
        "slow.json",
        &json!({
            "totals": totals(&analysis), "server_flags": slow.server_flags, "reader": slow.reader,
            "messages": format::count(slow.messages as u64), "message_bytes": format::count(slow.message_bytes as u64),
            "acknowledged": format::count(acknowledged), "told": slow.notice, "log": slow.log,
            "ping_command": slow.ping_command, "before": ping_summary(&slow.pings_before),
            "meanwhile": ping_summary(&slow.pings_meanwhile), "frozen": frozen.summary, "author": author.summary,
            "zero": zero_window, "author_told": notice, "waited": format::time(notice.nanos - zero_window.nanos),
            "stop": stop, "last": last, "probes": { "frames": probe_frames, "waits": waits },
            "author_braked": { "full": author_segments[full], "segments": throttled },
            "torn": torn.first().map(|line| format::bytes(line.len() as u64)), "late": format::bytes(late_bytes),
            "arrived": format::count(arrived), "lost": format::count(acknowledged.saturating_sub(arrived)),
            "figures": frozen.draw(context, "slow.pcapng", &segments, &["time_server"])?,
            "author_figures": author.draw(context, "slow.pcapng", &segments, &["time_client"])?,
        }),
    )
}

/// Count, minimum, median and maximum of round trips in microseconds.
fn ping_summary(micros: &[u64]) -> Value {
    let mut sorted = micros.to_vec();
    sorted.sort_unstable();
    let time = |index: usize| sorted.get(index).map(|micros| format::time(micros * 1_000));
    let last = sorted.len().saturating_sub(1);
    json!({ "count": sorted.len(), "least": time(0), "median": time(sorted.len() / 2), "most": time(last) })
}
