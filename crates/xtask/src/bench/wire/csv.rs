//! Writes the CSV files that are the input of the benchmark. Their bytes are the same on each run.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};

/// Number of rows in each file.
const ROWS: u32 = 1_000_000;

const HEADER: &str = "msg_id,app_protocol,src_app,dst_app,message,timestamp";

/// Writes uniform rows: 1,000 conversations of 1,000 messages of 100 bytes.
///
/// The conversations take turns. In each conversation, the client and the server take turns, too. Between two messages
/// of a conversation there are only 4 ms, so a message can carry the acknowledgement of the message before it.
pub(super) fn write_uniform(path: &str) -> std::io::Result<()> {
    const CONVERSATIONS: u32 = 1_000;
    /// Time between two rows. The next row of the same conversation follows after 1,000 rows.
    const STEP_MICROS: u32 = 4;
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "{HEADER}")?;
    for number in 0..ROWS {
        let (turn, conversation) = (number / CONVERSATIONS, number % CONVERSATIONS);
        let (source, destination) = if turn % 2 == 0 { ("client", "server") } else { ("server", "client") };
        let micros = 1_000_000 + number * STEP_MICROS;
        let (secs, micros) = (micros / 1_000_000, micros % 1_000_000);
        let (source, destination) = (format!("{source}-{conversation}"), format!("{destination}-{conversation}"));
        // The row number, filled up with dots to 100 bytes.
        let message = format!("{number:07}");
        writeln!(out, "{number},CHAT,{source},{destination},{message:.<100},{secs}.{micros:06}")?;
    }
    out.flush()
}

/// Writes mixed rows, similar to the traffic of many programs in a network:
///
/// - There are 5,000 pairs of a client and a server: 50 % of the pairs use CHAT, 20 % HTTP, 15 % DNS, 10 % MQTT and
///   5 % IRC.
/// - The text of a message has 4 to 60 bytes (86 % of the rows), 60 to 400 bytes (12 %) or 400 to 4,000 bytes (2 %).
/// - Three rows in five belong to the same pair as the row before, and follow it within 8 ms. Most of them are answers.
/// - Each other row belongs to a random pair, and follows within 1.5 ms. Pairs with a low number are more frequent.
pub(super) fn write_mixed(path: &str) -> std::io::Result<()> {
    const PAIRS: u64 = 5_000;
    let mut out = BufWriter::new(File::create(path)?);
    let mut random = SplitMix64(0);
    writeln!(out, "{HEADER}")?;
    // 14 November 2023, in microseconds since 1970.
    let mut micros = 1_700_000_000_000_000;
    let (mut pair, mut is_from_client, mut pairs_so_far) = (0, true, HashSet::new());
    for number in 1..=ROWS {
        if random.below(5) < 3 {
            is_from_client ^= random.below(8) != 0;
            micros += random.below(8_000);
        } else {
            pair = random.below(PAIRS) * random.below(PAIRS) / PAIRS;
            is_from_client = random.below(4) > 0;
            micros += random.below(1_500);
        }
        // The first row of a pair comes from its client.
        is_from_client |= pairs_so_far.insert(pair);
        let message = random.message(pair, is_from_client, number);
        let name = protocol(pair).to_lowercase();
        // Several clients of a protocol share a server.
        let (client, server) = (format!("{name}-client-{pair}"), format!("{name}-server-{}", pair * 7 % 60));
        let (source, destination) = if is_from_client { (client, server) } else { (server, client) };
        let (secs, micros) = (micros / 1_000_000, micros % 1_000_000);
        writeln!(out, "{number},{},{source},{destination},{message},{secs}.{micros:06}", protocol(pair))?;
    }
    out.flush()
}

/// The protocol of a pair.
const fn protocol(pair: u64) -> &'static str {
    match pair % 20 {
        0..10 => "CHAT",
        10..14 => "HTTP",
        14..17 => "DNS",
        17..19 => "MQTT",
        _ => "IRC",
    }
}

/// The random number generator `SplitMix64` (Steele, Lea, Flood 2014). Its algorithm is written here, so that the files
/// never change.
struct SplitMix64(u64);

impl SplitMix64 {
    /// A random number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) % end
    }

    /// A message as a field of a CSV. About one message in eight is in quotes, and most of these have a comma.
    fn message(&mut self, pair: u64, is_from_client: bool, number: u32) -> String {
        let kind = self.below(50);
        let len = match kind {
            0 => 400 + self.below(3_600),
            1..=6 => 60 + self.below(340),
            _ => 4 + self.below(56),
        };
        let message = match (protocol(pair), is_from_client) {
            ("CHAT", true) => format!("MSG {}", self.text(len)),
            ("CHAT", false) => format!("FROM Noy: {}", self.text(len)),
            ("HTTP", true) => {
                // This text is not used. Without it, the later random numbers and the file would change.
                self.text(len);
                format!("GET /{number} HTTP/1.1")
            }
            ("HTTP", false) => format!("HTTP/1.1 200 OK {}", self.text(len)),
            // Short enough for a datagram.
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

    /// Random words: as many as it takes to reach `len` bytes, with a space after each word.
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
