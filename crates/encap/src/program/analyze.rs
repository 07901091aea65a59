//! `encap analyze`: who talked to whom in a capture, how it went, and why each thing is said.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;
use switchboard_encap::analyze::{
    Analyzer, Conversation, Direction, End, Event, Focus, Handshake, LIVE_MAX, RoundTripTimes, Side, Totals, Transport,
};
use switchboard_encap::capture::Reader;
use switchboard_encap::show::{count, in_seconds};
use switchboard_protocol::show;

use super::failure::Failure;
use super::input::Input;

/// Conversations that are listed. The rest is counted.
const LISTED_MAX: usize = 50_000;

/// Says who talked to whom in a capture, how it went, and why each thing is said
///
/// Reads pcap and pcapng of any byte order, with Ethernet, VLAN, NULL, LOOP, RAW and Linux cooked frames. Each conversation
/// has a line with how it opened and ended, bytes each way (each counted once), and below it what is remarkable, with the
/// reason. The rules are those of Wireshark's TCP analysis.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The capture, or - for standard input
    file: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Only conversations with this port on either side
    #[arg(long)]
    port: Option<u16>,
    /// Only conversations of: tcp, udp, a port, an address, or address:port; each that is given has to hold
    #[arg(long)]
    focus: Vec<Focus>,
}

/// The conversations of a capture, and what there was in it.
struct Findings {
    file: String,
    listed: Vec<Conversation>,
    not_listed: u64,
    totals: Totals,
    focus: Vec<Focus>,
    /// What the reader went past.
    notes: Vec<String>,
    /// Why the file could not be read to its end.
    damage: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut focus = args.focus.clone();
    focus.extend(args.port.map(|port| Focus { port: Some(port), ..Focus::default() }));
    let findings = analyze(Input::open(&args.file)?, &args.file, focus)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        writeln!(out, "{}", findings.json())?;
    } else {
        write!(out, "{findings}")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn analyze(input: Input, file: &str, focus: Vec<Focus>) -> Result<Findings, Failure> {
    let unreadable = |error| Failure::Capture { file: file.to_owned(), error };
    let mut reader = Reader::new(input).map_err(unreadable)?;
    let mut analyzer = Analyzer::new(focus.clone());
    let (mut listed, mut not_listed) = (Vec::new(), 0);
    let mut sink = |conversation| {
        if listed.len() < LISTED_MAX { listed.push(conversation) } else { not_listed += 1 }
    };
    let damage = loop {
        match reader.next_packet() {
            Ok(Some(packet)) => {
                analyzer.packet(&packet, &mut sink);
            }
            Ok(None) => break None,
            Err(error) => break Some(error.to_string()),
        }
    };
    let totals = analyzer.finish(&mut sink);
    listed.sort_by_key(|conversation| conversation.first_frame);
    let file = if file == "-" { "<stdin>" } else { file };
    let notes = reader.notes();
    let mut said: Vec<String> = notes.list().iter().map(ToString::to_string).collect();
    if notes.left_out() > 0 {
        said.push(format!("{} further remarks are left out", notes.left_out()));
    }
    Ok(Findings { file: show::safe(file).into_owned(), listed, not_listed, totals, focus, notes: said, damage })
}

impl Findings {
    fn json(&self) -> serde_json::Value {
        let Totals { packets, bytes, first, last, conversations, retired, .. } = self.totals;
        let issues = self.totals.issues.kinds().iter();
        json!({
            "file": self.file,
            "packets": packets,
            "bytes": bytes,
            "first_nanos": first,
            "last_nanos": last,
            "conversations": self.listed.iter().map(conversation_json).collect::<Vec<_>>(),
            "conversations_in_all": conversations,
            "conversations_not_listed": self.not_listed,
            "conversations_retired": retired,
            "focus": self.focus.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "left_out": self.totals.out_of_focus,
            "no_conversation": self.totals.no_conversation,
            "fragments": self.totals.fragments,
            "checksums": self.totals.checksums,
            "issues": issues
                .map(|kind| json!({
                    "first_frame": kind.first_frame, "byte": kind.first.at, "count": kind.count,
                    "message": kind.first.what.to_string(),
                }))
                .collect::<Vec<_>>(),
            "issues_of_other_kinds": self.totals.issues.others(),
            "notes": self.notes,
            "damage": self.damage,
        })
    }
}

fn conversation_json(c: &Conversation) -> serde_json::Value {
    #[derive(Serialize)]
    struct FlagJson {
        frame: u64,
        from: Side,
        event: Event,
        why: String,
    }
    let flags = c.flags.iter();
    let flags: Vec<_> =
        flags.map(|f| FlagJson { frame: f.frame, from: f.from, event: f.event, why: f.why().to_string() }).collect();
    let of = |event| c.counts.of(event);
    json!({
        "number": c.number,
        "transport": c.transport,
        "client": c.client.to_string(),
        "server": c.server.to_string(),
        "handshake": c.handshake,
        "end": c.end,
        "reset_cause": c.reset_cause,
        "first_frame": c.first_frame,
        "last_frame": c.last_frame,
        "first_nanos": c.first,
        "last_nanos": c.last,
        "bytes_client": c.from_client.bytes,
        "bytes_server": c.from_server.bytes,
        "from_client": c.from_client,
        "from_server": c.from_server,
        "handshake_nanos": c.handshake_nanos,
        "segments": c.segments(),
        "retransmissions": c.counts.retransmissions(),
        "fast_retransmissions": of(Event::FastRetransmission),
        "spurious_retransmissions": of(Event::SpuriousRetransmission),
        "out_of_order": of(Event::OutOfOrder),
        "lost_segments": of(Event::PreviousNotCaptured),
        "acked_unseen": of(Event::AcknowledgesUnseen),
        "duplicate_acks": of(Event::DuplicateAck),
        "resets": of(Event::Reset),
        "window_updates": of(Event::WindowUpdate),
        "window_fulls": of(Event::WindowFull),
        "zero_windows": of(Event::ZeroWindow),
        "zero_window_probes": of(Event::ZeroWindowProbe),
        "zero_window_probe_acks": of(Event::ZeroWindowProbeAck),
        "keep_alives": of(Event::KeepAlive),
        "keep_alive_acks": of(Event::KeepAliveAck),
        "ports_reused": of(Event::PortReused),
        "checksums": c.checksums,
        "flags": flags,
        "flags_not_listed": c.flags_left_out(),
        "retired": c.retired,
    })
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let totals = &self.totals;
        let span = totals.last.zip(totals.first).and_then(|(last, first)| last.since(first)).unwrap_or_default();
        writeln!(
            f,
            "{}: {}, {} on the wire, over {} s, {}",
            self.file,
            count(totals.packets, "packet"),
            count(totals.bytes, "byte"),
            in_seconds(span),
            count(totals.conversations, "conversation"),
        )?;
        for conversation in &self.listed {
            writeln!(f)?;
            show_conversation(conversation, f)?;
        }
        if self.not_listed > 0 {
            writeln!(f, "\n{} more are not listed", count(self.not_listed, "conversation"))?;
        }
        self.show_rest(f)
    }
}

impl Findings {
    /// What is no part of a conversation that is listed.
    fn show_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let totals = &self.totals;
        writeln!(f)?;
        if !self.focus.is_empty() {
            let focus: Vec<_> = self.focus.iter().map(ToString::to_string).collect();
            let left_out = totals.out_of_focus;
            let (packets, bytes) = (count(left_out.packets, "packet"), count(left_out.bytes, "byte"));
            writeln!(f, "left out by the focus on {}: {packets}, {bytes}", focus.join(" and "))?;
        }
        if totals.no_conversation.packets > 0 {
            let (packets, bytes) =
                (count(totals.no_conversation.packets, "packet"), count(totals.no_conversation.bytes, "byte"));
            write!(f, "of no conversation (neither TCP nor UDP, or not to be read): {packets}, {bytes}")?;
            match totals.fragments.packets {
                0 => writeln!(f)?,
                n => writeln!(f, "; of these, {}", count(n, "fragment"))?,
            }
        }
        if totals.retired > 0 {
            writeln!(
                f,
                "{} closed here before their end, as more than {LIVE_MAX} went on at once: what came later of them is listed again",
                count(totals.retired, "conversation"),
            )?;
        }
        let c = totals.checksums;
        writeln!(
            f,
            "checksums: {} valid, {} partial (left to the network card), {} zeroed, {} wrong, {} not to be verified",
            c.valid, c.partial, c.zeroed, c.wrong, c.uncheckable,
        )?;
        for kind in totals.issues.kinds() {
            writeln!(f, "{kind}")?;
        }
        if totals.issues.others() > 0 {
            writeln!(f, "and {} of other kinds", count(totals.issues.others(), "issue"))?;
        }
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        match &self.damage {
            Some(damage) => writeln!(f, "{damage}: what comes after it could not be read"),
            None => Ok(()),
        }
    }
}

fn show_conversation(c: &Conversation, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(
        f,
        "{} {}: {} ↔ {}, frames {} to {}",
        c.transport, c.number, c.client, c.server, c.first_frame, c.last_frame
    )?;
    if c.transport == Transport::Tcp {
        let handshake = match c.handshake {
            Handshake::Complete => "complete handshake",
            Handshake::Partial => "partial handshake",
            Handshake::Refused => "refused",
            Handshake::None => "no handshake seen",
        };
        let end = match c.end {
            End::Fin => "closed by both sides (FIN)",
            End::Reset => "reset",
            End::Open => "not seen to end",
        };
        write!(f, "  {handshake}")?;
        if let Some(nanos) = c.handshake_nanos {
            write!(f, " in {}", time(nanos))?;
        }
        writeln!(f, "; {end}")?;
        if let Some(cause) = c.reset_cause {
            writeln!(f, "  reset {cause}")?;
        }
    }
    show_direction("→", &c.from_client, f)?;
    show_direction("←", &c.from_server, f)?;
    let counts: Vec<_> = Event::ALL
        .iter()
        .filter(|event| c.counts.of(**event) > 0)
        .map(|event| format!("{event} {}", c.counts.of(*event)))
        .collect();
    if !counts.is_empty() {
        writeln!(f, "  {}", counts.join(", "))?;
    }
    for flag in &c.flags {
        writeln!(f, "  frame {}, from the {}: {}: {}", flag.frame, flag.from, flag.event, flag.why())?;
    }
    match c.flags_left_out() {
        0 => Ok(()),
        n => writeln!(f, "  and {n} more"),
    }
}

fn show_direction(arrow: &str, d: &Direction, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "  {arrow} {}, {}", count(d.bytes, "byte"), count(d.segments, "segment"))?;
    if d.bytes_again > 0 {
        write!(f, ", {} sent again", count(d.bytes_again, "byte"))?;
    }
    if d.bytes_missing > 0 {
        write!(f, ", {} not captured", count(d.bytes_missing, "byte"))?;
    }
    if let Some(RoundTripTimes { min_nanos, median_nanos, max_nanos, .. }) = d.round_trips {
        write!(f, ", acknowledged after {} / {} / {}", time(min_nanos), time(median_nanos), time(max_nanos))?;
    }
    writeln!(f)
}

/// A short time, exactly, in the unit that suits it.
fn time(nanos: u64) -> String {
    let (unit, name) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let width = usize::try_from(u64::ilog10(unit)).unwrap_or_default();
    let text = format!("{}.{:0width$}", nanos / unit, nanos % unit);
    format!("{} {name}", text.trim_end_matches('0').trim_end_matches('.'))
}
