//! Parses the bytes of a terminal into keys, pastes and reports.
//!
//! It knows the sequences of xterm, of the console of Linux and of rxvt, the keyboard protocol of kitty as far as this
//! program enables it, and `modifyOtherKeys` of xterm. It ignores all other sequences.
//!
//! crossterm parses these, too, but its reader blocks the program in the middle of a sequence, takes a sequence that
//! arrives in two parts for the Escape key and text, does not notice the end of the terminal, and does not tell which
//! keys arrived at once (see `unmarked_paste.rs`).

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The longest escape sequence in bytes. Longer ones are ignored. The longest key of kitty's protocol has about 30.
const SEQUENCE_MAX_BYTES: usize = 256;

/// The longest paste in bytes, which is far above any message. The rest of a longer paste is dropped.
pub(super) const PASTE_MAX_BYTES: usize = 1024 * 1024;

/// The end of a paste.
const PASTE_END: &[u8] = b"\x1b[201~";

/// Input of the terminal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum ParsedInput {
    Key(KeyEvent),
    /// Marked as a paste by the terminal. Its line ends are LF.
    Paste(String),
    Focus(bool),
    /// The terminal knows the keyboard protocol of kitty.
    HasKeyboardProtocol,
}

/// The parser, with the input that is not complete.
#[derive(Debug, Default)]
pub(super) struct KeyParser {
    /// The beginning of a sequence, of a character, or of the end of a paste.
    partial: Vec<u8>,
    /// The text of a paste that has begun and not ended.
    paste: Option<Vec<u8>>,
}

/// The result of parsing the beginning of some bytes.
enum Parsed {
    /// An input, and its length in bytes.
    Input(ParsedInput, usize),
    /// Bytes to ignore.
    Ignored(usize),
    /// The beginning of a paste, and its length in bytes.
    PasteBegin(usize),
    /// More bytes are necessary.
    Partial,
}

impl KeyParser {
    /// Parses `bytes`, and appends the complete inputs to `inputs`.
    pub(super) fn parse(&mut self, bytes: &[u8], inputs: &mut Vec<ParsedInput>) {
        let mut all = std::mem::take(&mut self.partial);
        all.extend_from_slice(bytes);
        let mut rest = &all[..];
        while !rest.is_empty() {
            if let Some(paste) = &mut self.paste {
                let (text, n_bytes, has_ended) = paste_part(rest);
                let room = PASTE_MAX_BYTES - paste.len();
                paste.extend_from_slice(&text[..text.len().min(room)]);
                rest = &rest[n_bytes..];
                if has_ended {
                    inputs.extend(self.paste.take().map(|paste| ParsedInput::Paste(to_text(&paste))));
                } else {
                    break;
                }
                continue;
            }
            match parse_one(rest) {
                Parsed::Input(input, n_bytes) => {
                    inputs.push(input);
                    rest = &rest[n_bytes..];
                }
                Parsed::Ignored(n_bytes) => rest = &rest[n_bytes..],
                Parsed::PasteBegin(n_bytes) => {
                    self.paste = Some(Vec::new());
                    rest = &rest[n_bytes..];
                }
                Parsed::Partial => break,
            }
        }
        self.partial = rest.to_vec();
    }

    /// Whether a sequence or a character has begun and not ended. A paste has its own end and does not count.
    pub(super) fn is_partial(&self) -> bool {
        !self.partial.is_empty() && self.paste.is_none()
    }

    /// No more bytes have come for a while: the partial sequence is a key, or nothing.
    pub(super) fn end_partial(&mut self, inputs: &mut Vec<ParsedInput>) {
        if !self.is_partial() {
            return;
        }
        let key = match &*std::mem::take(&mut self.partial) {
            [0x1b] => KeyEvent::from(KeyCode::Esc),
            [0x1b, byte @ b' '..=b'~'] => char_key(char::from(*byte), KeyModifiers::ALT),
            _ => return,
        };
        inputs.push(ParsedInput::Key(key));
    }
}

/// Splits off the text of a paste. Returns the text, the bytes to remove, and whether the paste has ended.
fn paste_part(bytes: &[u8]) -> (&[u8], usize, bool) {
    if let Some(at) = bytes.windows(PASTE_END.len()).position(|window| window == PASTE_END) {
        return (&bytes[..at], at + PASTE_END.len(), true);
    }
    // The last bytes may be the beginning of the end.
    let n_kept = (1..PASTE_END.len()).rev().find(|&n_bytes| bytes.ends_with(&PASTE_END[..n_bytes])).unwrap_or(0);
    let n_taken = bytes.len() - n_kept;
    (&bytes[..n_taken], n_taken, false)
}

/// Terminals paste a line end as CR.
fn to_text(paste: &[u8]) -> String {
    String::from_utf8_lossy(paste).replace("\r\n", "\n").replace('\r', "\n")
}

fn parse_one(bytes: &[u8]) -> Parsed {
    let key = |code| KeyEvent::from(code);
    let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
    let key = match bytes[0] {
        0x1b => return parse_escape(bytes),
        b'\r' => key(KeyCode::Enter),
        b'\t' => key(KeyCode::Tab),
        // The Backspace key of most terminals, and of some old ones.
        0x7f | 0x08 => key(KeyCode::Backspace),
        0x00 => control(' '),
        byte @ 0x01..=0x1a => control(char::from(byte - 1 + b'a')),
        byte @ 0x1c..=0x1f => control(char::from(byte - 0x1c + b'\\')),
        _ => return parse_char(bytes),
    };
    Parsed::Input(ParsedInput::Key(key), 1)
}

fn parse_char(bytes: &[u8]) -> Parsed {
    let start = &bytes[..bytes.len().min(4)];
    let text = match str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() > 0 => str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default(),
        Err(error) => return error.error_len().map_or(Parsed::Partial, Parsed::Ignored),
    };
    match text.chars().next() {
        Some(c) if c.is_control() => Parsed::Ignored(c.len_utf8()),
        Some(c) => Parsed::Input(ParsedInput::Key(char_key(c, KeyModifiers::NONE)), c.len_utf8()),
        None => Parsed::Ignored(1),
    }
}

/// The key of a character. As crossterm does it, a capital letter has Shift.
fn char_key(c: char, modifiers: KeyModifiers) -> KeyEvent {
    let shift = if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
    KeyEvent::new(KeyCode::Char(c), modifiers | shift)
}

fn parse_escape(bytes: &[u8]) -> Parsed {
    match bytes.get(1) {
        None => Parsed::Partial,
        Some(b'[') => parse_csi(bytes),
        Some(b'O') => parse_ss3(bytes),
        // An answer to a question of an earlier program: a string up to BEL or ESC \.
        Some(b']' | b'P') if bytes.get(2).is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'>' | b'!' | b'+')) => {
            parse_string(bytes)
        }
        Some(b']' | b'P') if bytes.len() == 2 => Parsed::Partial,
        Some(0x1b) => Parsed::Input(ParsedInput::Key(KeyEvent::from(KeyCode::Esc)), 1),
        Some(_) => match parse_one(&bytes[1..]) {
            Parsed::Input(ParsedInput::Key(mut key), n_bytes) => {
                key.modifiers |= KeyModifiers::ALT;
                Parsed::Input(ParsedInput::Key(key), n_bytes + 1)
            }
            Parsed::Ignored(n_bytes) => Parsed::Ignored(n_bytes + 1),
            parsed => parsed,
        },
    }
}

fn parse_string(bytes: &[u8]) -> Parsed {
    let end = (2..bytes.len()).find(|&at| bytes[at] == 0x07 || bytes[at..].starts_with(b"\x1b\\"));
    match end {
        Some(at) if bytes[at] == 0x07 => Parsed::Ignored(at + 1),
        Some(at) => Parsed::Ignored(at + 2),
        None if bytes.len() >= SEQUENCE_MAX_BYTES => Parsed::Ignored(bytes.len()),
        None => Parsed::Partial,
    }
}

/// `ESC O` and a letter: keys without modifiers.
fn parse_ss3(bytes: &[u8]) -> Parsed {
    let Some(&last) = bytes.get(2) else { return Parsed::Partial };
    match letter_key(last) {
        Some(code) => Parsed::Input(ParsedInput::Key(KeyEvent::from(code)), 3),
        None => Parsed::Ignored(3),
    }
}

/// The key that ends in `letter` in a sequence of xterm.
fn letter_key(letter: u8) -> Option<KeyCode> {
    Some(match letter {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'M' => KeyCode::Enter,
        b'P'..=b'S' => KeyCode::F(letter - b'P' + 1),
        _ => return None,
    })
}

/// `ESC [`, parameters, and a last byte.
fn parse_csi(bytes: &[u8]) -> Parsed {
    // The console of Linux: F1 to F5.
    if let Some(b'[') = bytes.get(2) {
        return match bytes.get(3) {
            None => Parsed::Partial,
            Some(byte @ b'A'..=b'E') => Parsed::Input(ParsedInput::Key(KeyEvent::from(KeyCode::F(byte - b'A' + 1))), 4),
            Some(_) => Parsed::Ignored(4),
        };
    }
    let Some(n_parameters) = bytes[2..].iter().position(|byte| !matches!(byte, b' '..=b'?')) else {
        return if bytes.len() >= SEQUENCE_MAX_BYTES { Parsed::Ignored(bytes.len()) } else { Parsed::Partial };
    };
    let end = 2 + n_parameters;
    let last = bytes[end];
    if !matches!(last, b'@'..=b'~') {
        // Another sequence or character has begun.
        return Parsed::Ignored(end);
    }
    let parameters = str::from_utf8(&bytes[2..end]).unwrap_or_default();
    match csi_input(parameters, last) {
        Some(input) => Parsed::Input(input, end + 1),
        None if (parameters, last) == ("200", b'~') => Parsed::PasteBegin(end + 1),
        None => Parsed::Ignored(end + 1),
    }
}

fn csi_input(parameters: &str, last: u8) -> Option<ParsedInput> {
    if let Some(private) = parameters.strip_prefix('?') {
        let is_answer = last == b'u' && private.bytes().all(|byte| byte.is_ascii_digit());
        return is_answer.then_some(ParsedInput::HasKeyboardProtocol);
    }
    // Private sequences, such as a report of a mouse.
    if parameters.starts_with(['<', '=', '>']) {
        return None;
    }
    let mut numbers = parameters.split(';');
    let first = numbers.next().unwrap_or_default();
    let modifiers = numbers.next().unwrap_or_default();
    let third = numbers.next();
    let key = match last {
        b'I' if parameters.is_empty() => return Some(ParsedInput::Focus(true)),
        b'O' if parameters.is_empty() => return Some(ParsedInput::Focus(false)),
        b'Z' => KeyEvent::new(KeyCode::BackTab, parse_modifiers(modifiers)? | KeyModifiers::SHIFT),
        b'~' if first == "27" => code_key(third?.parse().ok()?, parse_modifiers(modifiers)?)?,
        b'~' => KeyEvent::new(number_key(first.parse().ok()?)?, parse_modifiers(modifiers)?),
        b'u' => code_key(first.split(':').next()?.parse().ok()?, parse_modifiers(modifiers)?)?,
        // A report of a mouse, which an earlier program has left on.
        b'M' => return None,
        _ => KeyEvent::new(letter_key(last)?, parse_modifiers(modifiers)?),
    };
    Some(ParsedInput::Key(key))
}

/// Parses `modifiers` or `modifiers:event`. `None` if the key was released.
fn parse_modifiers(text: &str) -> Option<KeyModifiers> {
    let (modifiers, event) = text.split_once(':').unwrap_or((text, "1"));
    if event == "3" {
        return None;
    }
    let mask = if modifiers.is_empty() { 0 } else { modifiers.parse::<u8>().ok()?.checked_sub(1)? };
    let bits = [KeyModifiers::SHIFT, KeyModifiers::ALT, KeyModifiers::CONTROL, KeyModifiers::SUPER];
    Some((0..).zip(bits).filter(|(bit, _)| mask & (1 << bit) != 0).map(|(_, modifier)| modifier).collect())
}

/// The key of a sequence that ends in `~`.
fn number_key(number: u8) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(number - 10),
        17..=21 => KeyCode::F(number - 11),
        23 | 24 => KeyCode::F(number - 12),
        _ => return None,
    })
}

/// The key with the code point `code` in the protocol of kitty and in `modifyOtherKeys`.
fn code_key(code: u32, modifiers: KeyModifiers) -> Option<KeyEvent> {
    let code = match code {
        8 | 127 => KeyCode::Backspace,
        9 if modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
        9 => KeyCode::Tab,
        // The second one is on the keypad.
        13 | 57414 => KeyCode::Enter,
        27 => KeyCode::Esc,
        // The keypad.
        57399..=57408 => KeyCode::Char(char::from_digit(code - 57399, 10)?),
        57409..=57413 => KeyCode::Char(['.', '/', '*', '-', '+'][usize::try_from(code - 57409).ok()?]),
        57415 => KeyCode::Char('='),
        57417 => KeyCode::Left,
        57418 => KeyCode::Right,
        57419 => KeyCode::Up,
        57420 => KeyCode::Down,
        57421 => KeyCode::PageUp,
        57422 => KeyCode::PageDown,
        57423 => KeyCode::Home,
        57424 => KeyCode::End,
        57425 => KeyCode::Insert,
        57426 => KeyCode::Delete,
        // Other keys without a character, such as Caps Lock, have codes of the private use area.
        57344..=63743 => return None,
        _ => return char::from_u32(code).filter(|c| !c.is_control()).map(|c| char_key(c, modifiers)),
    };
    Some(KeyEvent::new(code, modifiers))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(bytes: &[u8]) -> Vec<ParsedInput> {
        let (mut parser, mut inputs) = (KeyParser::default(), Vec::new());
        parser.parse(bytes, &mut inputs);
        parser.end_partial(&mut inputs);
        inputs
    }

    fn key(code: KeyCode, modifiers: KeyModifiers) -> ParsedInput {
        ParsedInput::Key(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn a_key_has_many_encodings() {
        const NONE: KeyModifiers = KeyModifiers::NONE;
        const ALT: KeyModifiers = KeyModifiers::ALT;
        const CONTROL: KeyModifiers = KeyModifiers::CONTROL;
        const SHIFT: KeyModifiers = KeyModifiers::SHIFT;
        let cases: &[(&str, KeyCode, KeyModifiers)] = &[
            ("a", KeyCode::Char('a'), NONE),
            ("A", KeyCode::Char('A'), SHIFT),
            ("é", KeyCode::Char('é'), NONE),
            ("😀", KeyCode::Char('😀'), NONE),
            ("\r", KeyCode::Enter, NONE),
            ("\n", KeyCode::Char('j'), CONTROL),
            ("\x01", KeyCode::Char('a'), CONTROL),
            ("\x1a", KeyCode::Char('z'), CONTROL),
            ("\x1f", KeyCode::Char('_'), CONTROL),
            ("\0", KeyCode::Char(' '), CONTROL),
            ("\x7f", KeyCode::Backspace, NONE),
            ("\x08", KeyCode::Backspace, NONE),
            ("\x1b", KeyCode::Esc, NONE),
            ("\x1bx", KeyCode::Char('x'), ALT),
            ("\x1b\r", KeyCode::Enter, ALT),
            ("\x1b\x7f", KeyCode::Backspace, ALT),
            ("\x1bé", KeyCode::Char('é'), ALT),
            ("\x1b[", KeyCode::Char('['), ALT),
            ("\x1bO", KeyCode::Char('O'), ALT.union(SHIFT)),
            ("\x1b[A", KeyCode::Up, NONE),
            ("\x1bOA", KeyCode::Up, NONE),
            ("\x1b[1;5C", KeyCode::Right, CONTROL),
            ("\x1b[1;3:2D", KeyCode::Left, ALT),
            ("\x1b[H", KeyCode::Home, NONE),
            ("\x1b[1~", KeyCode::Home, NONE),
            ("\x1b[4~", KeyCode::End, NONE),
            ("\x1b[3;5~", KeyCode::Delete, CONTROL),
            ("\x1b[6~", KeyCode::PageDown, NONE),
            ("\x1bOP", KeyCode::F(1), NONE),
            ("\x1b[[A", KeyCode::F(1), NONE),
            ("\x1b[15~", KeyCode::F(5), NONE),
            ("\x1b[21~", KeyCode::F(10), NONE),
            ("\x1b[24;2~", KeyCode::F(12), SHIFT),
            ("\x1b[Z", KeyCode::BackTab, SHIFT),
            ("\x1b[13;2u", KeyCode::Enter, SHIFT),
            ("\x1b[27u", KeyCode::Esc, NONE),
            ("\x1b[9;2u", KeyCode::BackTab, SHIFT),
            ("\x1b[107;5u", KeyCode::Char('k'), CONTROL),
            ("\x1b[97:65;6u", KeyCode::Char('a'), CONTROL.union(SHIFT)),
            ("\x1b[57414u", KeyCode::Enter, NONE),
            ("\x1b[27;2;13~", KeyCode::Enter, SHIFT),
        ];
        for (bytes, code, modifiers) in cases {
            assert_eq!(parse(bytes.as_bytes()), [key(*code, *modifiers)], "{bytes:?}");
        }
    }

    #[test]
    fn reports_are_no_keys() {
        assert_eq!(parse(b"\x1b[I\x1b[O"), [ParsedInput::Focus(true), ParsedInput::Focus(false)]);
        assert_eq!(parse(b"\x1b[?1u"), [ParsedInput::HasKeyboardProtocol]);
        let ignored: &[&[u8]] = &[
            b"\x1b[?62;22c",
            b"\x1b]11;rgb:0000/0000/0000\x07",
            b"\x1b]11;rgb:0000/0000/0000\x1b\\",
            b"\x1bP>|XTerm(380)\x1b\\",
            b"\x1b[0;0R",
            b"\x1b[<0;17;5M\x1b[<0;17;5m",
            b"\x1b[32;17;5M",
            b"\x1b[97;1:3u",
            b"\x1b[57358u",
            b"\x1b[201~",
            b"\x1b[99999999999999999999u",
            b"\x1b[1;0A",
            b"\xff\xc2\x85",
        ];
        for bytes in ignored {
            assert_eq!(parse(bytes), [], "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_paste_is_text_up_to_its_mark() {
        let paste = |text: &str| ParsedInput::Paste(text.to_owned());
        assert_eq!(parse(b"\x1b[200~/quit\r\nhi\rho\x1b[A\x1b[201~"), [paste("/quit\nhi\nho\x1b[A")]);
        assert_eq!(parse(b"\x1b[200~\x1b[201~\x1b[200~\xff\x1b[201~"), [paste(""), paste("\u{fffd}")]);
        // The end is missing.
        assert_eq!(parse(b"\x1b[200~hi\x1b[20"), []);
    }

    #[test]
    fn a_long_paste_is_cut() {
        let (mut parser, mut inputs) = (KeyParser::default(), Vec::new());
        parser.parse(b"\x1b[200~", &mut inputs);
        for _ in 0..=PASTE_MAX_BYTES / 1000 {
            parser.parse(&[b'x'; 1000], &mut inputs);
        }
        parser.parse(b"\x1b[201~a", &mut inputs);
        assert_eq!(
            inputs,
            [ParsedInput::Paste("x".repeat(PASTE_MAX_BYTES)), key(KeyCode::Char('a'), KeyModifiers::NONE)]
        );
    }

    /// Bytes that are often parts of sequences.
    const PARTS: &[&[u8]] =
        &[b"\x1b", b"\x1b[", b"\x1b[200~", b"\x1b[201~", b"\x1bO", b"\x1b]1", b";", b"57400", b"u", b"\r\n"];

    fn terminal_bytes() -> impl Strategy<Value = Vec<u8>> {
        let part =
            prop_oneof![any::<u8>().prop_map(|byte| vec![byte]), prop::sample::select(PARTS).prop_map(<[u8]>::to_vec),];
        prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_inputs(bytes in terminal_bytes(), at in any::<prop::sample::Index>()) {
            let at = at.index(bytes.len() + 1);
            let (mut parser, mut inputs) = (KeyParser::default(), Vec::new());
            parser.parse(&bytes[..at], &mut inputs);
            parser.parse(&bytes[at..], &mut inputs);
            parser.end_partial(&mut inputs);
            prop_assert_eq!(inputs, parse(&bytes));
        }

        #[test]
        fn an_endless_sequence_takes_no_memory(bytes in prop::collection::vec(b'0'..=b'9', 1000..5000)) {
            for start in [&b"\x1b["[..], b"\x1b]0"] {
                let (mut parser, mut inputs) = (KeyParser::default(), Vec::new());
                parser.parse(start, &mut inputs);
                for part in bytes.chunks(100) {
                    parser.parse(part, &mut inputs);
                    prop_assert!(parser.partial.len() <= SEQUENCE_MAX_BYTES + 100);
                }
            }
        }
    }
}
