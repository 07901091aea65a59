//! Names that look alike, and the keys by which the directory finds them.
//!
//! Two names look alike if they have a key in common. A name has two keys, which may be equal: the key of its spelling
//! and the key of its folded form. A key is made of skeletons, which replace each character by a simple one that looks
//! like it (UTS 39 §4). It is in lower case, because names are equal in any case:
//!
//! - `N0Y`, `Nοy` with a Greek omicron, and the Greek `ΝΟΥ` have the same key as `Noy`.
//! - By the keys of their spellings, `paypaI` with a capital `I` looks like `paypal`.
//! - By the keys of their folded forms, a Cyrillic name in lower case looks like one that begins with a capital.
//!
//! The directory finds a name by its *index form*, which depends only on the folded form: its key, if that is quick to
//! compute, or else the folded form itself. So one entry of the directory serves to find most names and to keep
//! look-alikes away from them.

use switchboard_protocol::Username;
use unicode_security::skeleton;

/// The keys of a name, in buffers that are used again.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    of_spelling: Vec<u8>,
    of_folded: Vec<u8>,
}

impl Keys {
    /// Replaces the keys by those of `name`. `None` if both keys are the index form, as for most names.
    #[inline]
    pub(crate) fn set(&mut self, name: &Username) -> Option<[&[u8]; 2]> {
        let kinds = kinds(name.as_str());
        // The case of an ASCII character changes its key only if it is an `I`.
        if kinds & (CAPITAL_I | OTHER) == 0 {
            return None;
        }
        set_key(&mut self.of_spelling, name.as_str(), kinds);
        set_key(&mut self.of_folded, name.folded(), kinds);
        Some([&self.of_spelling, &self.of_folded])
    }

    /// The index form of a name with the folded form `folded`. May replace the keys.
    #[inline]
    pub(crate) fn index_form<'a>(&'a mut self, folded: &'a str) -> &'a [u8] {
        let kinds = kinds(folded);
        // The key of a plain name is its folded form.
        if kinds == PLAIN || kinds & OTHER != 0 {
            return folded.as_bytes();
        }
        set_key(&mut self.of_folded, folded, kinds);
        &self.of_folded
    }
}

/// The kinds of all bytes of `text`.
#[inline]
fn kinds(text: &str) -> u8 {
    text.bytes().fold(0, |kinds, byte| kinds | KIND[usize::from(byte)])
}

// The kinds of bytes, as bits.
/// An ASCII character whose key is its lower case.
const PLAIN: u8 = 0;
/// An ASCII character whose key is another single character.
const REPLACED: u8 = 1;
/// An `I`: its key is `l`, but the key of an `i` is `i`.
const CAPITAL_I: u8 = 2;
/// An `m` or `M`: its key is `rn`.
const LETTER_M: u8 = 4;
/// A rare character, or a part of a character beyond ASCII.
const OTHER: u8 = 8;

/// The kind of each byte.
const KIND: [u8; 256] = {
    let mut kind = [OTHER; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        kind[byte as usize] = match byte {
            b'0' | b'1' | b'|' => REPLACED,
            b'I' => CAPITAL_I,
            b'm' | b'M' => LETTER_M,
            b'"' | b'%' | b'`' => OTHER,
            _ => PLAIN,
        };
        byte += 1;
    }
    kind
};

/// The key of each ASCII character of kind [`PLAIN`], [`REPLACED`] or [`CAPITAL_I`].
const KEY: [u8; 128] = {
    let mut key = [0; 128];
    let mut byte = 0_u8;
    while byte < 128 {
        key[byte as usize] = match byte {
            b'0' => b'o',
            b'1' | b'|' | b'I' => b'l',
            byte => byte.to_ascii_lowercase(),
        };
        byte += 1;
    }
    key
};

/// Replaces `key` by the key of `text`, whose bytes are of these kinds: the skeleton in lower case, and the skeleton of
/// that in lower case.
fn set_key(key: &mut Vec<u8>, text: &str, kinds: u8) {
    key.clear();
    let ascii_key = |byte: u8| KEY[usize::from(byte & 0x7f)];
    if kinds & (LETTER_M | OTHER) == 0 {
        key.extend(text.bytes().map(ascii_key));
        return;
    }
    if kinds & OTHER == 0 {
        for byte in text.bytes() {
            match byte {
                b'm' | b'M' => key.extend_from_slice(b"rn"),
                _ => key.push(ascii_key(byte)),
            }
        }
        return;
    }
    let lowercase: String = skeleton(text).flat_map(char::to_lowercase).collect();
    let mut utf8 = [0; 4];
    for c in skeleton(&lowercase).flat_map(char::to_lowercase) {
        key.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn name(name: &str) -> Username {
        Username::new(name).unwrap_or_else(|error| panic!("{name:?}: {error}"))
    }

    fn look_alike(a: &str, b: &str) -> bool {
        let b_keys = keys(&name(b));
        keys(&name(a)).iter().any(|key| b_keys.contains(key))
    }

    fn keys(name: &Username) -> [String; 2] {
        let text = |key: &[u8]| String::from_utf8(key.to_vec()).expect("a key is UTF-8");
        let index_form = text(Keys::default().index_form(name.folded()));
        match Keys::default().set(name) {
            Some(keys) => keys.map(text),
            None => [index_form.clone(), index_form],
        }
    }

    #[test]
    fn names_that_look_alike_have_a_key_in_common() {
        let cases = [
            ("Noy", "N\u{3bf}y"),
            ("Noy", "N\u{39f}Y"),
            ("Noy", "\u{39d}\u{39f}\u{3a5}"),
            ("Noy", "N0Y"),
            ("Noy", "N\u{43e}\u{443}"),
            ("\u{41d}\u{43e}\u{443}", "\u{43d}\u{43e}y"),
            ("Hoy", "\u{41d}\u{43e}\u{443}"),
            ("Maya", "m\u{430}ya"),
            ("Maya", "rnaya"),
            ("paypal", "paypaI"),
            ("paypal", "paypa1"),
            ("User1", "Userl"),
            ("User1", "UserI"),
            ("Ｎoy", "N\u{3bf}y"),
        ];
        for (a, b) in cases {
            assert!(look_alike(a, b) && look_alike(b, a), "{a} and {b}");
        }
    }

    #[test]
    fn names_that_differ_to_the_eye_have_no_key_in_common() {
        let cases = [
            ("Noy", "Noa"),
            ("User1", "User2"),
            ("User1", "User11"),
            ("User10", "User1"),
            ("Kai", "Kal"),
            ("Zoë", "Zoe"),
            ("Иван", "Ivan"),
            ("小明", "小朋"),
            ("נוי", "נועה"),
        ];
        for (a, b) in cases {
            assert!(!look_alike(a, b), "{a} and {b}");
        }
    }

    #[test]
    fn numbered_guests_have_no_key_in_common() {
        // The names of the course clients' users, and those of our client's guests.
        let users = (0..1000).map(|number| format!("User{number}"));
        let guests = (0..=u16::MAX).map(|number| format!("guest-{number:04x}"));
        let mut seen = HashSet::new();
        for text in users.chain(guests) {
            let [of_spelling, of_folded] = keys(&name(&text));
            assert_eq!(of_spelling, of_folded);
            assert!(seen.insert(of_spelling), "{text} looks like an earlier name");
        }
    }

    /// The key, without fast paths.
    fn key(text: &str) -> String {
        let lowercase = skeleton(text).collect::<String>().to_lowercase();
        skeleton(&lowercase).collect::<String>().to_lowercase()
    }

    proptest! {
        #[test]
        fn fast_paths_agree_with_the_library(text in "[!-~]{1,8}|[0Im|\"%א-תа-яΑ-ω]{1,4}") {
            let Ok(name) = Username::new(&text) else { return Ok(()) };
            prop_assert_eq!(keys(&name), [key(name.as_str()), key(name.folded())]);
        }
    }

    #[test]
    fn the_keys_of_every_ascii_character_agree_with_the_library() {
        for c in '!'..='~' {
            let Ok(name) = Username::new(&format!("a{c}")) else { continue };
            assert_eq!(keys(&name), [key(name.as_str()), key(name.folded())], "{c}");
        }
    }
}
