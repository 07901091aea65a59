//! `encap analyze`: the conversations of a capture and their events.

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use switchboard_encap::analyze::{
    Amount, Analyzer, CaptureIssues, Checksums, Conversation, DirectionSummary, End, Event, Focus, Handshake, LIVE_MAX,
    LIVE_MAX_BYTES, RoundTripTimes, Totals, Transport,
};
use switchboard_encap::show::{count, in_seconds};
use switchboard_encap::time::Timestamp;

use super::capture_file::{CaptureFile, no_conversation};
use super::failure::Failure;

/// Maximum conversations listed; the others are counted. Each takes 1 to 3 KB.
const LISTED_MAX: usize = 50_000;

/// Lists the conversations of a capture and their events, each with its reason
///
/// Reads pcap and pcapng of any byte order, with Ethernet, VLAN, NULL, LOOP, RAW and Linux cooked frames. For each
/// conversation it shows how it opened and ended, the bytes of each direction without repetitions, and the events, such
/// as retransmissions. The rules are those of Wireshark's TCP analysis.
///
/// Exit status: 0 if the whole file was read, 3 if it cannot be read to its end.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The capture, or - for standard input
    file: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Only conversations with this port on either side
    #[arg(long)]
    port: Option<u16>,
    /// Only conversations of: tcp, udp, a port, an address, or address:port. If given several times, all must match
    #[arg(long)]
    focus: Vec<Focus>,
}

/// The conversations of a capture, and the totals.
struct Findings {
    file: String,
    listed: Vec<Conversation>,
    not_listed: u64,
    totals: Totals,
    focus: Vec<Focus>,
    /// Comments of the capture about itself, for example that it is synthesised.
    origin: Vec<String>,
    /// Remarks on packets that interfaces dropped, and notes of the reader.
    notes: Vec<String>,
    /// The reason why the file could not be read to its end.
    damage: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut focus = args.focus.clone();
    focus.extend(args.port.map(|port| Focus { port: Some(port), ..Focus::default() }));
    let mut file = CaptureFile::open(&args.file)?;
    let findings = analyze(&mut file, focus)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        serde_json::to_writer(&mut out, &findings.json()).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        write!(out, "{findings}")?;
    }
    out.flush()?;
    file.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn analyze(file: &mut CaptureFile, focus: Vec<Focus>) -> io::Result<Findings> {
    let mut analyzer = Analyzer::new(focus.clone());
    let (mut listed, mut not_listed) = (Vec::new(), 0);
    let mut sink = |conversation| {
        if listed.len() < LISTED_MAX { listed.push(conversation) } else { not_listed += 1 }
    };
    file.read(|packet| {
        analyzer.packet(packet, &mut sink);
        Ok(())
    })?;
    let totals = analyzer.finish(&mut sink);
    listed.sort_by_key(|conversation| conversation.first_frame);
    let (origin, notes) = (file.origin(), file.remarks());
    Ok(Findings { file: file.name(), listed, not_listed, totals, focus, origin, notes, damage: file.damage() })
}

/// The JSON output.
#[derive(Serialize)]
struct Json<'a> {
    file: &'a str,
    origin: &'a [String],
    packets: u64,
    bytes: u64,
    first_nanos: Option<Timestamp>,
    last_nanos: Option<Timestamp>,
    conversations: &'a [Conversation],
    conversations_in_all: u64,
    conversations_not_listed: u64,
    conversations_retired: u64,
    focus: Vec<String>,
    left_out: Amount,
    no_conversation: Amount,
    fragments: Amount,
    checksums: Checksums,
    issues: &'a CaptureIssues,
    issues_of_other_kinds: u64,
    notes: &'a [String],
    damage: Option<&'a str>,
}

impl Findings {
    fn json(&self) -> Json<'_> {
        let totals = &self.totals;
        Json {
            file: &self.file,
            origin: &self.origin,
            packets: totals.packets,
            bytes: totals.bytes,
            first_nanos: totals.first,
            last_nanos: totals.last,
            conversations: &self.listed,
            conversations_in_all: totals.conversations,
            conversations_not_listed: self.not_listed,
            conversations_retired: totals.retired,
            focus: self.focus.iter().map(ToString::to_string).collect(),
            left_out: totals.out_of_focus,
            no_conversation: totals.no_conversation,
            fragments: totals.fragments,
            checksums: totals.checksums,
            issues: &totals.issues,
            issues_of_other_kinds: totals.issues.left_out(),
            notes: &self.notes,
            damage: self.damage.as_deref(),
        }
    }
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
        for origin in &self.origin {
            writeln!(f, "{origin}")?;
        }
        for conversation in &self.listed {
            writeln!(f)?;
            show_conversation(conversation, f)?;
        }
        if self.not_listed > 0 {
            writeln!(f, "\n{} more are not listed", count(self.not_listed, "conversation"))?;
        }
        self.show_totals(f)
    }
}

impl Findings {
    /// Everything after the listed conversations.
    fn show_totals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let totals = &self.totals;
        writeln!(f)?;
        if !self.focus.is_empty() {
            let focus: Vec<_> = self.focus.iter().map(ToString::to_string).collect();
            let left_out = totals.out_of_focus;
            let (packets, bytes) = (count(left_out.packets, "packet"), count(left_out.bytes, "byte"));
            writeln!(f, "left out by the focus on {}: {packets}, {bytes}", focus.join(" and "))?;
        }
        if let Some(remark) = no_conversation(totals) {
            writeln!(f, "{remark}")?;
        }
        if totals.retired > 0 {
            writeln!(
                f,
                "{} split, because more than {LIVE_MAX} were open at the same time, or they took more than {} MiB of \
                 memory: the later frames of a split conversation are listed as a new one",
                count(totals.retired, "conversation"),
                LIVE_MAX_BYTES >> 20,
            )?;
        }
        let c = totals.checksums;
        writeln!(
            f,
            "checksums: {} valid, {} partial (left to the network card), {} zeroed, {} wrong, {} not verifiable",
            c.valid, c.partial, c.zeroed, c.wrong, c.uncheckable,
        )?;
        for issue in totals.issues.list() {
            writeln!(f, "{issue}")?;
        }
        if totals.issues.left_out() > 0 {
            writeln!(f, "and {} of other kinds", count(totals.issues.left_out(), "issue"))?;
        }
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        match &self.damage {
            Some(damage) => writeln!(f, "{damage}: the rest of the file could not be read"),
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
            write!(f, " in {}", format_nanos(nanos))?;
        }
        writeln!(f, "; {end}")?;
        // If the reset is flagged, its flag shows the same cause below.
        let is_flagged = c.flags.iter().any(|flag| flag.event == Event::Reset && flag.cause == c.reset_cause);
        if let Some(cause) = c.reset_cause.filter(|_| !is_flagged) {
            writeln!(f, "  reset {cause}")?;
        }
    }
    let unit = if c.transport == Transport::Tcp { "segment" } else { "datagram" };
    show_direction("→", &c.from_client, unit, f)?;
    show_direction("←", &c.from_server, unit, f)?;
    let counts: Vec<_> = Event::ALL
        .iter()
        .filter(|event| c.counts.get(**event) > 0)
        .map(|event| format!("{event} {}", c.counts.get(*event)))
        .collect();
    if !counts.is_empty() {
        writeln!(f, "  {}", counts.join(", "))?;
    }
    for flag in &c.flags {
        writeln!(f, "  frame {}, from the {}: {}: {}", flag.frame, flag.from, flag.event, flag.why())?;
    }
    match c.flags_left_out() {
        0 => Ok(()),
        n => writeln!(f, "  and {n} more, which are not listed"),
    }
}

fn show_direction(arrow: &str, d: &DirectionSummary, unit: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "  {arrow} {}, {}", count(d.bytes, "byte"), count(d.segments, unit))?;
    if d.bytes_again > 0 {
        write!(f, ", {} sent again", count(d.bytes_again, "byte"))?;
    }
    if d.bytes_missing > 0 {
        write!(f, ", {} not captured", count(d.bytes_missing, "byte"))?;
    }
    if let Some(RoundTripTimes { min_nanos, median_nanos, max_nanos, .. }) = d.round_trips {
        let [min, median, max] = [min_nanos, median_nanos, max_nanos].map(format_nanos);
        write!(f, ", acknowledged after {min} to {max} (median {median})")?;
    }
    writeln!(f)
}

/// An exact time in the largest unit that fits: `1.5 ms`.
fn format_nanos(nanos: u64) -> String {
    let (unit, name) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let decimals = usize::try_from(u64::ilog10(unit)).unwrap_or_default();
    let text = format!("{}.{:0decimals$}", nanos / unit, nanos % unit);
    format!("{} {name}", text.trim_end_matches('0').trim_end_matches('.'))
}
