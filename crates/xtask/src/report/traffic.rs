//! The captures of the play, read: who talked, how it went, one message byte by byte, and the three bad cases.

use std::net::SocketAddr;

use serde_json::{Value, json};
use switchboard_encap::report::{Report, Wanted};
use switchboard_encap::side::Side;

use super::drawings::{self, Drawings};
use super::frames::{self, Segment};
use super::scenario::{Observations, SCRIPT};
use super::{ReportContext, format, lanes};

/// The message that is taken apart begins so.
const DISSECTED_MESSAGE: &str = "שלום";

pub(super) fn write(context: &ReportContext, observed: &Observations) -> Result<(), String> {
    let found = context.json("encap", &["analyze", "--json", "chat.pcapng"])?;
    let segments = frames::read(&context.run.join("chat.pcapng"))?;
    let conversations = conversations(&found, &segments)?;
    let of = |name: &str| {
        let conversation = conversations.iter().find(|conversation| conversation.name == name);
        conversation.ok_or_else(|| format!("chat.pcapng has no conversation of {name}"))
    };
    let (noy, elias, dana) = (of("Noy")?, of("Elias")?, of("Dana")?);
    let refused = conversations
        .iter()
        .find(|conversation| conversation.summary["handshake"] == "refused")
        .ok_or("nobody was refused")?;

    let lanes: Vec<_> =
        conversations.iter().map(|conversation| (conversation.number, conversation.name.as_str())).collect();
    context.write_svg("lanes.svg", &lanes::svg(&segments, &lanes))?;
    let said = std::fs::read_to_string(SCRIPT).map_err(|error| format!("{SCRIPT}: {error}"))?;
    context.write(
        "chat.json",
        &json!({
            "script": said, "totals": totals(&found), "capture": observed.captures["chat.pcapng"],
            "conversations": conversations.iter().map(|conversation| &conversation.summary).collect::<Vec<_>>(),
            "transcript": transcript(context)?, "at_once": open_at_once(&segments),
            "noy": noy.by_phase(&segments), "syn": opening(context, noy, &segments)?, "figures": noy.draw(context, "chat.pcapng", &segments, &["time_client", "time_server", "round_trip"])?,
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
            "conversation": dana.summary, "segments": dana.segments(&segments), "found_out": reset_discovery(&segments, dana)?,
            "figures": dana.draw(context, "chat.pcapng", &segments, &["sequence"])?,
        }),
    )?;
    slow_reader(context, observed)
}

/// What both sides of a conversation tell when it is opened: where they begin to count, and their options.
fn opening(
    context: &ReportContext,
    conversation: &CapturedConversation,
    segments: &[Segment],
) -> Result<Value, String> {
    let of = conversation.segments(segments);
    let mut told = Vec::new();
    for segment in of.iter().take(2) {
        let shown = context.json("encap", &["show", "chat.pcapng", "--frame", &segment.frame.to_string(), "--json"])?;
        let layers = shown["layers"].as_array().cloned().unwrap_or_default();
        let tcp = layers.into_iter().find(|layer| layer["mark"] == "T").ok_or("a SYN without TCP")?;
        let urgent = |field: &Value| field["name"] == "Urgent Pointer";
        let fields = tcp["fields"].as_array().cloned().unwrap_or_default();
        // Options come after the last field that each header has. Padding tells nothing.
        let options = fields.iter().skip_while(|field| !urgent(field)).skip(1);
        let is_told = |field: &&Value| field["name"] != "No-Operation" && field["name"] != "End of Option List";
        let first = fields.iter().filter(|field| field["name"] == "Sequence Number");
        let list: Vec<_> = first.chain(options.filter(is_told)).cloned().collect();
        told.push(json!({ "frame": segment.frame, "from": segment.from, "flags": segment.flags, "fields": list }));
    }
    Ok(told.into())
}

/// How the end of somebody's program became known: what its author sent to them last, the RST, and the next try with its
/// answer.
fn reset_discovery(segments: &[Segment], gone: &CapturedConversation) -> Result<Value, String> {
    let of = gone.segments(segments);
    let is_unread = |segment: &&Segment| segment.from == Side::Server && segment.bytes > 0;
    let unread = of.iter().rev().find(is_unread).ok_or("nothing was said to whoever was killed")?;
    let reset = of.iter().find(|segment| segment.flags.contains("RST")).ok_or("whoever was killed sent no RST")?;
    let later = || segments.iter().filter(|segment| segment.frame > reset.frame);
    let to = format!("{}:", gone.name);
    let next = later().find(|segment| segment.from == Side::Client && segment.payload.starts_with(to.as_bytes()));
    let next = next.ok_or("nobody wrote again to whoever was killed")?;
    let answer = later()
        .find(|segment| segment.connection == next.connection && segment.from == Side::Server && segment.bytes > 0);
    let answer = answer.ok_or("who wrote again was not answered")?;
    Ok(json!({
        "unread": unread.frame, "reset": reset.frame, "next": next.frame, "answer": answer.frame,
        "waited": format::time(answer.nanos - reset.nanos),
    }))
}

/// One conversation, and who holds it.
struct CapturedConversation {
    number: u64,
    name: String,
    summary: Value,
}

impl CapturedConversation {
    fn segments(&self, all: &[Segment]) -> Vec<Segment> {
        all.iter().filter(|segment| segment.connection == self.number).cloned().collect()
    }

    /// Its drawings, named after who holds it.
    fn draw(
        &self,
        context: &ReportContext,
        capture: &str,
        all: &[Segment],
        wanted: &[&'static str],
    ) -> Result<Drawings, String> {
        let begins = self.segments(all).first().map(|segment| segment.time.clone()).unwrap_or_default();
        let who = self.name.trim_matches(['(', ')']).to_lowercase();
        drawings::draw(context, capture, self.number, &who, &begins, wanted)
    }

    /// Its segments by what they are for: the handshake, the data, the end.
    fn by_phase(&self, all: &[Segment]) -> Value {
        let segments = self.segments(all);
        let end = segments.iter().position(|segment| segment.flags.contains("FIN")).unwrap_or(segments.len());
        let begin = segments.len().min(3);
        json!({ "opening": segments[..begin], "data": segments[begin..end.max(begin)], "closing": segments[end..] })
    }
}

/// The conversations, each with who holds it: the name that its client gives first.
fn conversations(found: &Value, segments: &[Segment]) -> Result<Vec<CapturedConversation>, String> {
    let list = found["conversations"].as_array().ok_or("encap analyze lists no conversations")?;
    list.iter().map(|one| conversation(one, segments)).collect()
}

fn conversation(one: &Value, segments: &[Segment]) -> Result<CapturedConversation, String> {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let address = |value: &Value| value.as_str().and_then(|text| text.parse::<SocketAddr>().ok());
    let (client, server) =
        address(&one["client"]).zip(address(&one["server"])).ok_or("a conversation without its ends")?;
    let mut of = segments.iter().filter(|segment| segment.connection == number(&one["number"]));
    let first = of.find(|segment| segment.from == Side::Client && segment.bytes > 0);
    let first = first.map(|segment| String::from_utf8_lossy(&segment.payload).into_owned()).unwrap_or_default();
    let first = first.lines().next().unwrap_or_default();
    let name = match first.strip_prefix("REGISTER ").unwrap_or(first) {
        "" => "(nobody)",
        "PING" => "Pinger",
        name => name,
    };
    // That a SYN was refused tells of no round trip of data.
    let round_trip = Some(&one["from_client"]["round_trips"]["median_nanos"]).filter(|_| one["handshake"] != "refused");
    let summary = json!({
        "number": one["number"], "name": name, "client_port": client.port(), "server_port": server.port(),
        "dialect": if server.port() == 8080 { "line" } else { "commands" },
        "handshake": one["handshake"], "handshake_time": one["handshake_nanos"].as_u64().map(format::time),
        "end": one["end"], "reset_cause": one["reset_cause"], "segments": one["segments"],
        "bytes_client": format::count(number(&one["bytes_client"])), "bytes_server": format::count(number(&one["bytes_server"])),
        "first_frame": one["first_frame"], "last_frame": one["last_frame"],
        "round_trip": round_trip.and_then(Value::as_u64).map(format::time), "retransmissions": one["retransmissions"],
        "keep_alives": one["keep_alives"], "zero_windows": one["zero_windows"], "zero_window_probes": one["zero_window_probes"],
        "zero_window_probe_acks": one["zero_window_probe_acks"], "window_fulls": one["window_fulls"],
        "flags": one["flags"], "checksums": one["checksums"],
    });
    Ok(CapturedConversation { number: number(&one["number"]), name: name.to_owned(), summary })
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// What a side of a conversation sent, in order, each byte once.
fn stream(segments: &[Segment], from: Side) -> Vec<u8> {
    let mut pieces: Vec<_> = segments.iter().filter(|segment| segment.from == from && segment.bytes > 0).collect();
    pieces.sort_by_key(|segment| segment.seq);
    let mut stream = Vec::new();
    for piece in pieces {
        // The SYN has number 0.
        let at = usize::try_from(piece.seq - 1).unwrap_or_default();
        if let Some(new) = stream.len().checked_sub(at).and_then(|known| piece.payload.get(known..)) {
            stream.extend_from_slice(new);
        }
    }
    stream
}

fn totals(found: &Value) -> Value {
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    json!({
        "packets": format::count(number(&found["packets"])), "bytes": format::count(number(&found["bytes"])),
        "conversations": found["conversations"].as_array().map_or(0, Vec::len), "checksums": found["checksums"],
        "issues": found["issues"].as_array().map_or(0, Vec::len),
    })
}

/// How many connections were open at once, at most.
fn open_at_once(segments: &[Segment]) -> usize {
    let mut open = std::collections::HashSet::new();
    let mut most = 0;
    for segment in segments {
        if segment.flags.contains("RST") || segment.flags.contains("FIN") {
            open.remove(&segment.connection);
        } else if segment.flags == "SYN" {
            open.insert(segment.connection);
        }
        most = most.max(open.len());
    }
    most
}

/// What `encap chat` reads from the capture alone.
fn transcript(context: &ReportContext) -> Result<Value, String> {
    let file = context.run.join("chat.pcapng");
    let mut input = std::fs::File::open(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let report = Report::read(&mut input, "chat.pcapng", &Wanted::default()).map_err(|error| error.to_string())?;
    let entries: Vec<_> = report
        .findings
        .entries
        .iter()
        .map(|entry| {
            let nanos = entry.since.map(|since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX));
            json!({ "frame": entry.frame, "time": nanos.map(format::seconds), "text": entry.text, "violation": entry.violation })
        })
        .collect();
    Ok(
        json!({ "entries": entries, "illegal": report.findings.verdict.n_illegal, "first_illegal": report.findings.verdict.illegal }),
    )
}

/// One message, as `encap show` takes it apart.
fn dissected_message(context: &ReportContext, segments: &[Segment]) -> Result<Value, String> {
    let after = |number: u64, begin: &str| {
        let mut after = segments.iter().filter(|segment| segment.frame > number);
        let found = after.find(|segment| segment.payload.starts_with(begin.as_bytes()));
        found.ok_or_else(|| format!("no frame after {number} begins with {begin}"))
    };
    let segment = after(0, &format!("MSG {DISSECTED_MESSAGE}"))?;
    let delivered = after(segment.frame, &format!("FROM Noy: {DISSECTED_MESSAGE}"))?;
    let answered = after(segment.frame, "MSG_SENT")?;
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
            let shown = match letter {
                '\n' => "LF".to_owned(),
                ' ' => "space".to_owned(),
                letter => letter.to_string(),
            };
            json!({ "character": shown, "code_point": format!("U+{:04X}", u32::from(letter)), "hex": hex.join(" ") })
        })
        .collect();
    // The lines that say how each layer adds to the one inside it, and the work of the checksums.
    let nesting =
        listing.split("Layers, each inside the one before it\n").nth(1).and_then(|rest| rest.split("\n┌").next());
    let nesting = nesting.unwrap_or_default().replace('\n', " ");
    let checksums = listing.find("\nIPv4 checksum").map_or("", |at| listing[at..].trim());
    let offsets: Vec<_> = (0..segment.frame_len.div_ceil(16)).map(|line| format!("{:04x}", 16 * line)).collect();
    Ok(json!({
        "segment": segment, "answered": answered, "delivered": delivered, "shown": shown, "offsets": offsets, "nesting": nesting, "checksums": checksums, "text": text.trim_end(), "n_characters": characters.len(),
        "characters": characters,
    }))
}

/// The reader that froze, in its own capture.
fn slow_reader(context: &ReportContext, observed: &Observations) -> Result<(), String> {
    let found = context.json("encap", &["analyze", "--json", "slow.pcapng"])?;
    let segments = frames::read(&context.run.join("slow.pcapng"))?;
    let conversations = conversations(&found, &segments)?;
    let frozen = conversations
        .iter()
        .find(|conversation| conversation.name == "Frozen")
        .ok_or("slow.pcapng has nobody who froze")?;
    let author =
        conversations.iter().find(|conversation| conversation.name == "Author").ok_or("slow.pcapng has no author")?;
    let all = frozen.segments(&segments);
    let zero = all.iter().find(|segment| segment.from == Side::Client && segment.window == 0);
    let zero = zero.ok_or("the reader that froze never had a window of zero")?;
    let is_end = |segment: &&Segment| String::from_utf8_lossy(&segment.payload).contains("PEER_DISCONNECTED");
    let told = author.segments(&segments).into_iter().find(|segment| is_end(&segment));
    let told = told.ok_or("the author was not told of the end")?;
    let thaws =
        all.iter().find(|segment| segment.nanos > told.nanos && segment.from == Side::Client && segment.window > 0);
    let thaws = thaws.ok_or("the reader that froze did not wake")?;
    // The stop is shown whole; of what comes before and after it, what touches it.
    let place = |frame| all.iter().position(|segment| segment.frame == frame).unwrap_or_default();
    let (from, to) = (place(zero.frame).saturating_sub(2), (place(thaws.frame) + 3).min(all.len()));
    let end = all.iter().position(|segment| segment.flags.contains("FIN")).unwrap_or(all.len());
    let (stop, last) = (&all[from..to], &all[end.max(to)..]);
    let got = stream(&all, Side::Server);
    let arrived = got.split_inclusive(|byte| *byte == b'\n').filter(|line| line.starts_with(b"FROM Author: "));
    let (whole, torn): (Vec<_>, Vec<_>) = arrived.partition(|line| line.ends_with(b"\n"));
    let arrived = whole.len() as u64;
    // What its system was given before it woke is in its buffer; what came then had waited in the server's.
    let is_late = |segment: &&Segment| segment.from == Side::Server && segment.frame > thaws.frame;
    let late: u64 = all.iter().filter(is_late).map(|segment| segment.bytes as u64).sum();
    let authors = author.segments(&segments);
    let full = authors.iter().position(|segment| segment.from == Side::Server && segment.window == 0);
    let full = full.ok_or("the author was never stopped by the server's window")?;
    let braked = &authors[full.saturating_sub(2)..(full + 3).min(authors.len())];
    let probes: Vec<_> = list(&frozen.summary["flags"]).filter(|flag| flag["event"] == "keep_alive").collect();
    let probes: Vec<_> =
        probes.iter().filter_map(|flag| all.iter().find(|segment| segment.frame == flag["frame"])).collect();
    let waits: Vec<_> = probes.windows(2).map(|pair| format::time(pair[1].nanos - pair[0].nanos)).collect();
    let sorted = |pings: &[u64]| {
        let mut pings = pings.to_vec();
        pings.sort_unstable();
        let of = |place: usize| pings.get(place).map(|micros| format::time(micros * 1_000));
        json!({ "count": pings.len(), "least": of(0), "median": of(pings.len() / 2), "most": of(pings.len().saturating_sub(1)) })
    };
    context.write(
        "slow.json",
        &json!({
            "totals": totals(&found), "server_flags": observed.slow.server_flags, "reader": observed.slow.reader,
            "messages": format::count(observed.slow.messages as u64), "message_bytes": format::count(observed.slow.message_bytes as u64),
            "acknowledged": format::count(observed.slow.acknowledged as u64), "told": observed.slow.told, "log": observed.slow.log,
            "ping_command": observed.slow.ping_command, "before": sorted(&observed.slow.pings_before),
            "meanwhile": sorted(&observed.slow.pings_meanwhile), "frozen": frozen.summary, "author": author.summary,
            "zero": zero, "author_told": told, "waited": format::time(told.nanos - zero.nanos), "stop": stop, "last": last,
            "probes": { "frames": probes.iter().map(|segment| segment.frame).collect::<Vec<_>>(), "waits": waits },
            "author_braked": { "full": authors[full], "segments": braked }, "torn": torn.first().map(|line| format::bytes(line.len() as u64)),
            "late": format::bytes(late),
            "arrived": format::count(arrived), "lost": format::count((observed.slow.acknowledged as u64).saturating_sub(arrived)),
            "figures": frozen.draw(context, "slow.pcapng", &segments, &["time_server"])?,
            "author_figures": author.draw(context, "slow.pcapng", &segments, &["time_client"])?,
        }),
    )
}
