//! The CSV inputs of the benchmark. Each run writes the same bytes.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};

/// The rows of each file.
const ROWS: u32 = 1_000_000;

const HEADER: &str = "msg_id,app_protocol,src_app,dst_app,message,timestamp";

/// Writes uniform rows: 1,000 conversations of 1,000 messages of 100 bytes.
///
/// The conversations take turns, and so do the two sides of each. The next message of a conversation comes after 4 ms, in
/// time to acknowledge the one before.
pub(super) fn write_uniform(path: &str) -> std::io::Result<()> {
    const CONVERSATIONS: u32 = 1_000;
    const STEP_MICROS: u32 = 4;
    let mut to = BufWriter::new(File::create(path)?);
    writeln!(to, "{HEADER}")?;
    for number in 0..ROWS {
        let (turn, conversation) = (number / CONVERSATIONS, number % CONVERSATIONS);
        let (mut from, mut dest) = ("client", "server");
        if turn % 2 == 1 {
            (from, dest) = (dest, from);
        }
        let micros = 1_000_000 + number * STEP_MICROS;
        let (secs, micros) = (micros / 1_000_000, micros % 1_000_000);
        let message = format!("{number:07}");
        writeln!(to, "{number},CHAT,{from}-{conversation},{dest}-{conversation},{message:.<100},{secs}.{micros:06}")?;
    }
    to.flush()
}

/// Writes mixed rows, as many programs in a network would send them.
///
/// There are 5,000 pairs of apps, of which CHAT has 50 %, HTTP 20 %, DNS 15 %, MQTT 10 % and IRC 5 %. Of the messages, 86 %
/// have 4 to 60 bytes, 12 % up to 400, and 2 % up to 4,000. Three rows in five continue the conversation of the row before,
/// mostly with an answer, within 8 ms. The others belong to a random pair; low numbers are more frequent.
pub(super) fn write_mixed(path: &str) -> std::io::Result<()> {
    const PAIRS: u64 = 5_000;
    let mut to = BufWriter::new(File::create(path)?);
    let mut random = SplitMix64(0);
    writeln!(to, "{HEADER}")?;
    let mut micros = 1_700_000_000_000_000;
    let (mut pair, mut from_client, mut known) = (0, true, HashSet::new());
    for number in 1..=ROWS {
        if random.below(5) < 3 {
            from_client ^= random.below(8) != 0;
            micros += random.below(8_000);
        } else {
            pair = random.below(PAIRS) * random.below(PAIRS) / PAIRS;
            from_client = random.below(4) > 0;
            micros += random.below(1_500);
        }
        // A client begins each conversation.
        from_client |= known.insert(pair);
        let message = random.message(pair, from_client, number);
        let name = protocol(pair).to_lowercase();
        let (client, server) = (format!("{name}-client-{pair}"), format!("{name}-server-{}", pair * 7 % 60));
        let (source, destination) = if from_client { (client, server) } else { (server, client) };
        let (secs, micros) = (micros / 1_000_000, micros % 1_000_000);
        writeln!(to, "{number},{},{source},{destination},{message},{secs}.{micros:06}", protocol(pair))?;
    }
    to.flush()
}

const fn protocol(pair: u64) -> &'static str {
    match pair % 20 {
        0..10 => "CHAT",
        10..14 => "HTTP",
        14..17 => "DNS",
        17..19 => "MQTT",
        _ => "IRC",
    }
}

/// A generator of random numbers with a fixed algorithm, so that the files never change.
struct SplitMix64(u64);

impl SplitMix64 {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) % end
    }

    /// A message as the field of a CSV; one in eight has a comma and quotes.
    fn message(&mut self, pair: u64, from_client: bool, number: u32) -> String {
        let kind = self.below(50);
        let len = match kind {
            0 => 400 + self.below(3_600),
            1..=6 => 60 + self.below(340),
            _ => 4 + self.below(56),
        };
        let message = match (protocol(pair), from_client) {
            ("CHAT", true) => format!("MSG {}", self.text(len)),
            ("CHAT", false) => format!("FROM Noy: {}", self.text(len)),
            ("HTTP", true) => {
                self.text(len);
                format!("GET /{number} HTTP/1.1")
            }
            ("HTTP", false) => format!("HTTP/1.1 200 OK {}", self.text(len)),
            // A datagram has room for it.
            ("DNS", _) => self.text(len.min(400)),
            ("IRC", _) => format!("PRIVMSG #wire :{}", self.text(len)),
            _ => self.text(len),
        };
        match message.rsplit_once(' ') {
            _ if kind % 8 != 3 => message,
            Some((start, end)) => format!("\"{start}, {end}\""),
            None => format!("\"{message}\""),
        }
    }

    /// Words of at least `len` bytes with their spaces.
    fn text(&mut self, len: u64) -> String {
        const WORDS: [&str; 30] = [
            "hello", "there", "can", "you", "see", "the", "frame", "now", "yes", "it", "is", "on", "the", "wire",
            "how", "long", "does", "a", "segment", "wait", "for", "its", "answer", "שלום", "good", "morning", "see",
            "you", "at", "noon",
        ];
        let mut text = String::new();
        while (text.len() as u64) < len {
            text.push_str(WORDS[usize::try_from(self.below(WORDS.len() as u64)).unwrap_or_default()]);
            text.push(' ');
        }
        text.truncate(text.trim_end().len());
        text
    }
}
