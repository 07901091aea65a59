//! Shows how each checksum is calculated, step by step as by hand, and compares the result with the field in the frame.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::wire::checksum::{self, Uncheckable, Zeroed};
use crate::wire::{Checksum, Frame, Layer, LayerKind, PseudoHeader};
use crate::wire::{icmp, tcp, udp};

/// Words shown from the start of a long payload.
const FIRST_WORDS: usize = 16;
/// Words shown from the end of a long payload.
const LAST_WORDS: usize = 8;
/// Maximum words of a header: an IPv4 or TCP header has at most 60 bytes. All are shown.
const HEADER_MAX_WORDS: usize = 30;

/// Offset of the checksum in an IPv4 header.
const IPV4_CHECKSUM_AT: usize = 10;

/// A checksum of a frame, with its calculation.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ChecksumView {
    /// Name of its layer: `TCP`.
    pub(crate) layer: String,
    /// Offset of the field in the frame.
    pub(crate) at: usize,
    /// Value of the field.
    pub(crate) found: HexWord,
    /// `valid`, `partial`, `zeroed`, `wrong` or `uncheckable`.
    pub(crate) state: &'static str,
    /// The state in words, with its explanation.
    pub(crate) sentence: String,
    /// The calculation; `None` if some of the summed bytes are missing.
    pub(crate) work: Option<ChecksumSteps>,
}

/// A 16-bit word, displayed as four hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct HexWord(pub(crate) u16);

impl fmt::Display for HexWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}

impl Serialize for HexWord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The calculation of a checksum.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ChecksumSteps {
    /// The summed parts, in order.
    pub(crate) parts: Vec<SumPart>,
    /// Sum of all words, unfolded.
    pub(crate) total: u64,
    /// The total after each fold.
    pub(crate) folds: Vec<u64>,
    /// Complement of the folded total.
    pub(crate) complement: HexWord,
    /// Correct value of the field. In UDP, a complement of 0 is sent as all ones, since 0 means no checksum.
    pub(crate) expected: HexWord,
}

/// A part of the summed bytes.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SumPart {
    /// Name of the part: `pseudo header`.
    pub(crate) name: String,
    pub(crate) words: Vec<SumWords>,
    pub(crate) sum: u64,
}

/// Labelled words.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SumWords {
    /// Field name, if the part has several fields; otherwise empty.
    pub(crate) label: &'static str,
    /// The first words, or all words if none are omitted.
    pub(crate) first: Vec<HexWord>,
    /// The omitted words between `first` and `last`.
    pub(crate) left_out: Option<OmittedWords>,
    /// The last words. Empty if no words are omitted.
    pub(crate) last: Vec<HexWord>,
}

/// Words that are summed but not shown.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct OmittedWords {
    pub(crate) words: usize,
    pub(crate) sum: u64,
}

impl ChecksumView {
    /// All checksums of a frame, outermost layer first.
    pub(super) fn all(frame: &Frame<'_>) -> Vec<Self> {
        let verified = frame.verify();
        let find_layer =
            |is_wanted: fn(LayerKind) -> bool| frame.layers().into_iter().find(|layer| is_wanted(layer.kind));
        let network = verified.network.zip(find_layer(|kind| kind == LayerKind::Ipv4));
        let transport = verified.transport.zip(find_layer(|kind| checksum_at(kind).is_some()));
        let network = network.map(|(state, layer)| Self::of_ipv4_header(frame, &layer, state));
        network
            .into_iter()
            .chain(transport.and_then(|(state, layer)| Self::of_transport(frame, &layer, state)))
            .collect()
    }

    fn of_ipv4_header(frame: &Frame<'_>, layer: &Layer, state: Checksum) -> Self {
        let header = frame.layer_bytes(layer);
        let input = ChecksumInput {
            name: "IPv4".into(),
            pseudo: None,
            header,
            at: IPV4_CHECKSUM_AT,
            payload: &[],
            is_udp: false,
        };
        input.into_view(layer.range().start, state)
    }

    fn of_transport(frame: &Frame<'_>, layer: &Layer, state: Checksum) -> Option<Self> {
        let start = layer.range().start;
        let header = frame.layer_bytes(layer);
        // If bytes are missing, the state is `uncheckable` and no calculation is shown.
        let end = layer.range().end + frame.payload_len_on_wire() as usize;
        let payload = frame.bytes().get(layer.range().end..end).unwrap_or_default();
        let pseudo = frame.pseudo_header().filter(|_| layer.kind != LayerKind::Icmp);
        let (at, is_udp) = (checksum_at(layer.kind)?, layer.kind == LayerKind::Udp);
        Some(
            ChecksumInput { name: layer.kind.to_string(), pseudo, header, at, payload, is_udp }.into_view(start, state),
        )
    }
}

/// Offset of the checksum in a transport header. `None` for other layers.
const fn checksum_at(kind: LayerKind) -> Option<usize> {
    match kind {
        LayerKind::Tcp => Some(tcp::CHECKSUM_AT),
        LayerKind::Udp => Some(udp::CHECKSUM_AT),
        LayerKind::Icmp | LayerKind::Icmpv6 => Some(icmp::CHECKSUM_AT),
        _ => None,
    }
}

/// The bytes that a checksum covers.
struct ChecksumInput<'a> {
    name: String,
    pseudo: Option<PseudoHeader>,
    header: &'a [u8],
    /// Offset of the field in the header.
    at: usize,
    payload: &'a [u8],
    is_udp: bool,
}

impl ChecksumInput<'_> {
    /// Compares the field with the sum. `start` is the offset of the header in the frame.
    fn into_view(self, start: usize, state: Checksum) -> ChecksumView {
        let found = checksum::words(&self.header[self.at..]).next().unwrap_or(0);
        let work = if matches!(state, Checksum::Uncheckable(_)) { None } else { Some(self.steps()) };
        let expected = work.as_ref().map_or(0, |work| work.expected.0);
        let (state, sentence) = match state {
            Checksum::Valid => ("valid", "The field matches the calculated sum.".into()),
            Checksum::Wrong { found, expected } => (
                "wrong",
                format!(
                    "The field holds {found:#06x}, but the sum is {expected:#06x}: {}.",
                    self.wrong_reason(found, expected)
                ),
            ),
            Checksum::Partial => ("partial", self.partial_sentence(found)),
            Checksum::Zeroed(zeroed) => ("zeroed", zero_reason(zeroed, expected)),
            Checksum::Uncheckable(reason) => ("uncheckable", uncheckable_reason(reason).into()),
        };
        ChecksumView { layer: self.name, at: start + self.at, found: HexWord(found), state, sentence, work }
    }

    fn steps(&self) -> ChecksumSteps {
        let mut header = self.header.to_vec();
        header[self.at..self.at + 2].fill(0);
        let pseudo = self.pseudo.map(PseudoHeader::to_bytes).unwrap_or_default();
        let sum = checksum::sum_steps(&[&pseudo, &header, self.payload]);
        let words = [
            self.pseudo.as_ref().map(pseudo_words).unwrap_or_default(),
            vec![SumWords::new("", &header, HEADER_MAX_WORDS)],
            if self.payload.is_empty() {
                Vec::new()
            } else {
                vec![SumWords::new("", self.payload, FIRST_WORDS + LAST_WORDS)]
            },
        ];
        let names = ["pseudo header".into(), format!("{} header, checksum as 0", self.name), "payload".into()];
        let parts = names.into_iter().zip(words).zip(&sum.parts).filter(|((_, words), _)| !words.is_empty());
        let expected = if self.is_udp && sum.checksum == 0 { 0xffff } else { sum.checksum };
        ChecksumSteps {
            parts: parts.map(|((name, words), sum)| SumPart { name, words, sum: *sum }).collect(),
            total: sum.total,
            folds: sum.folds,
            complement: HexWord(sum.checksum),
            expected: HexWord(expected),
        }
    }

    /// The likely cause of a wrong value: one of the common errors, or else a change of the bytes.
    fn wrong_reason(&self, found: u16, expected: u16) -> &'static str {
        let without_pseudo = self.pseudo.is_some().then(|| {
            let mut header = self.header.to_vec();
            header[self.at..self.at + 2].fill(0);
            checksum::sum_steps(&[&header, self.payload]).checksum
        });
        if without_pseudo == Some(found) {
            "it is the sum without the pseudo header: the sender forgot it"
        } else if found == !expected {
            "the sender forgot the complement at the end"
        } else if found == expected.swap_bytes() {
            "the sender wrote the two bytes in the wrong order"
        } else if self.pseudo.is_some() {
            "bytes were changed after the sum was calculated: on the way, by an address translation that did not \
             update the sum, or by the program that made the frame; it is not checksum offload, which would have left \
             the sum of the pseudo header"
        } else {
            "bytes were changed after the sum was calculated: on the way, or by the program that made the frame; \
             it is not checksum offload, which would have left zero"
        }
    }

    fn partial_sentence(&self, found: u16) -> String {
        // If the sums differ, the field was calculated with a length of 0 in the pseudo header.
        let has_length = self.pseudo.is_some_and(|pseudo| pseudo.sum().folded() == found);
        let length = if has_length { "" } else { " (with a length of 0, for a card that splits large segments)" };
        format!(
            "The field holds {found:#06x}, the folded sum of the pseudo header alone{length}, without the complement: \
             the frame was captured before the network card completed the checksum (checksum offload), or on \
             loopback, where no card completes it. This is not an error."
        )
    }
}

fn zero_reason(zeroed: Zeroed, expected: u16) -> String {
    match zeroed {
        Zeroed::NotUsed => {
            "The field is zero: the sender chose to send no checksum, as UDP over IPv4 may (RFC 768).".into()
        }
        Zeroed::Illegal => format!(
            "The field is zero, which UDP over IPv6 allows only in some tunnels (RFC 8200 §8.1, RFC 6935): \
             it should hold {expected:#06x}."
        ),
        Zeroed::NotComputed => format!(
            "The field is zero: the checksum was left to the network card (checksum offload), or never calculated on \
             loopback. The sum is {expected:#06x}."
        ),
    }
}

const fn uncheckable_reason(reason: Uncheckable) -> &'static str {
    match reason {
        Uncheckable::CutShort => "Some of the summed bytes are missing, so the sum cannot be calculated.",
        Uncheckable::Fragment => {
            "The checksum covers a packet that is split into fragments, so one fragment is not enough to calculate it."
        }
        Uncheckable::RoutedOnward => {
            "The packet still has routers to visit: its header has the address of the next one, but the sum covers \
             the address of the final destination."
        }
    }
}

/// The fields of a pseudo header, in the layout of the RFC.
fn pseudo_words(pseudo: &PseudoHeader) -> Vec<SumWords> {
    let bytes = pseudo.to_bytes();
    let (address_len, last_labels) = match pseudo {
        PseudoHeader::V4 { .. } => (4, ["protocol", "length"]),
        PseudoHeader::V6 { .. } => (16, ["length", "next header"]),
    };
    let (addresses, last_fields) = bytes.split_at(2 * address_len);
    let (source, destination) = addresses.split_at(address_len);
    let (third, fourth) = last_fields.split_at(last_fields.len() / 2);
    let labels = ["source", "destination"].into_iter().chain(last_labels);
    labels
        .zip([source, destination, third, fourth])
        .map(|(label, bytes)| SumWords::new(label, bytes, HEADER_MAX_WORDS))
        .collect()
}

impl SumWords {
    /// The words of `bytes`. Beyond `max` words, the middle is omitted.
    fn new(label: &'static str, bytes: &[u8], max: usize) -> Self {
        let n = bytes.len().div_ceil(2);
        let words_from = |skip, take| checksum::words(bytes).skip(skip).take(take);
        if n <= max {
            return Self { label, first: words_from(0, n).map(HexWord).collect(), left_out: None, last: Vec::new() };
        }
        let words = n - FIRST_WORDS - LAST_WORDS;
        let sum = words_from(FIRST_WORDS, words).map(u64::from).sum();
        Self {
            label,
            first: words_from(0, FIRST_WORDS).map(HexWord).collect(),
            left_out: Some(OmittedWords { words, sum }),
            last: words_from(FIRST_WORDS + words, LAST_WORDS).map(HexWord).collect(),
        }
    }
}

impl SumWords {
    /// The lines to display: the first words, a note on the omitted ones, the last words.
    pub(crate) fn lines(&self) -> Vec<String> {
        let row = |words: &[HexWord]| words.iter().map(HexWord::to_string).collect::<Vec<_>>().join(" ");
        let mut lines = vec![row(&self.first)];
        if let Some(OmittedWords { words, sum }) = self.left_out {
            lines.push(format!("… {words} words not shown, with the sum {sum:#x}"));
            lines.push(row(&self.last));
        }
        lines
    }
}

impl ChecksumSteps {
    /// The steps after the parts, each as label and calculation.
    pub(crate) fn steps(&self) -> Vec<(&'static str, String)> {
        let mut steps = vec![("sum of all", format!("{:#x}", self.total))];
        let mut sum = self.total;
        for fold in &self.folds {
            steps.push(("fold", format!("{:#06x} + {:#x} = {fold:#06x}", sum & 0xffff, sum >> 16)));
            sum = *fold;
        }
        steps.push(("complement", format!("~{sum:#06x} = 0x{}", self.complement)));
        if self.expected != self.complement {
            steps.push(("sent as", format!("0x{}: in UDP, zero means that there is no checksum", self.expected)));
        }
        steps
    }
}
