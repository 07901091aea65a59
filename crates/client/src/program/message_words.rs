//! The words of `send` and `say`: perhaps an address, the receiver, and the message.

use std::net::IpAddr;

use switchboard_protocol::version2::RoomName;
use switchboard_protocol::{Dialect, sanitize};

use super::address;
use super::cli_error::CliError;

/// The words of `send [ADDR] USER TEXT...`.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct SendWords<'a> {
    pub(crate) addr: Option<&'a str>,
    pub(crate) user: &'a str,
    pub(crate) text: String,
}

/// The words of `say [ADDR] TARGET TEXT...`, or of `say LINK TEXT...` if the link names a room.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct SayWords<'a> {
    pub(crate) addr: Option<&'a str>,
    pub(crate) target: String,
    pub(crate) text: String,
}

impl<'a> SendWords<'a> {
    /// Finds out whether the first word is an address. No name has a colon, but a name may have a dot. `has_addr` tells
    /// whether another address is given, so that a word with a dot is a name.
    pub(crate) fn split(words: &'a [String], has_addr: bool) -> Result<Self, CliError> {
        match words {
            [addr, user, text @ ..] if is_addr(addr) && !text.is_empty() => {
                Ok(Self { addr: Some(addr), user, text: text.join(" ") })
            }
            [addr, ..] if is_addr(addr) => {
                usage(&format!("{addr} is an address: write a user or #ROOM, and a text after it"))
            }
            [first, _, _, ..] if first.contains('.') && !has_addr => usage(&format!(
                "{first} may be a server or a user: for a server, add the port ({first}:{}); for a user, write the \
                 text in quotes",
                Dialect::Commands.port()
            )),
            [user, text @ ..] if !text.is_empty() => Ok(Self { addr: None, user, text: text.join(" ") }),
            [word] => usage(&format!("{word} is the only word: write a user or #ROOM, and a text after it")),
            _ => usage("write a user or #ROOM, and a text"),
        }
    }
}

impl<'a> SayWords<'a> {
    /// Finds the target: the room of a link, or else the word before the text. `given_addr` is an address that stands
    /// before `say`. An address among the words has priority.
    pub(crate) fn split(words: &'a [String], given_addr: Option<&'a str>) -> Result<Self, CliError> {
        let first = words.first().map_or("", String::as_str);
        let (addr, room, text) = if let Some(room) = address::room(first) {
            (Some(first), room, &words[1..])
        } else if let Some(room) = given_addr.filter(|_| !is_addr(first)).and_then(address::room) {
            (None, room, words)
        } else {
            let SendWords { addr, user, text } = SendWords::split(words, given_addr.is_some())?;
            return Ok(Self { addr, target: user.to_owned(), text });
        };
        let room = room.as_str();
        match text {
            [] => usage(&format!("write a text after the link to {room}")),
            // The user may mean this room instead, and no message must go to a wrong one.
            [other, _, ..] if RoomName::new(other).is_ok() => usage(&format!(
                "the link names {room}, and {other} is a room, too: leave out one of them, or write the text in quotes"
            )),
            _ => Ok(Self { addr, target: room.to_owned(), text: text.join(" ") }),
        }
    }
}

fn is_addr(word: &str) -> bool {
    word.contains([':', '[']) || word.parse::<IpAddr>().is_ok()
}

fn usage<T>(message: &str) -> Result<T, CliError> {
    Err(CliError::Usage(sanitize(message).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The address (or nothing), the receiver and the text; or a part of the error.
    type Expected = Result<[&'static str; 3], &'static str>;

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn the_words_of_send_may_begin_with_an_address() {
        let cases: [(&[&str], Expected); 11] = [
            (&["Elias", "hi"], Ok(["", "Elias", "hi"])),
            (&["Elias", "hi", "there"], Ok(["", "Elias", "hi there"])),
            (&["chat.example:12345", "Elias", "hi"], Ok(["chat.example:12345", "Elias", "hi"])),
            (&["[::1]", "Elias", "hi", "there"], Ok(["[::1]", "Elias", "hi there"])),
            (&["127.0.0.1", "Elias", "hi"], Ok(["127.0.0.1", "Elias", "hi"])),
            (&["el.ias", "hi there"], Ok(["", "el.ias", "hi there"])),
            (&["el.ias", "hi", "there"], Err("write the text in quotes")),
            (&["chat.example", "Elias", "hi"], Err("add the port (chat.example:12345)")),
            (&["chat.example:12345", "hi"], Err("is an address: write a user or #ROOM, and a text after it")),
            (&["127.0.0.1"], Err("is an address: write a user or #ROOM, and a text after it")),
            (&["Elias"], Err("Elias is the only word")),
        ];
        for (given, expected) in cases {
            match (SendWords::split(&owned(given), false), expected) {
                (Ok(SendWords { addr, user, text }), Ok(expected)) => {
                    assert_eq!([addr.unwrap_or_default(), user, &text], expected);
                }
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (actual, _) => panic!("{given:?} gave {actual:?}"),
            }
        }
    }

    #[test]
    fn the_room_of_a_link_is_the_target_of_say() {
        const LINK: &str = "switchboard://h:1/#lab";
        // Each row: the address before `say`, the words after it, and the result.
        let cases: [(Option<&str>, &[&str], Expected); 12] = [
            (None, &[LINK, "hi", "there"], Ok([LINK, "#lab", "hi there"])),
            (None, &[LINK, "#1"], Ok([LINK, "#lab", "#1"])),
            (None, &[LINK, "#1 is done"], Ok([LINK, "#lab", "#1 is done"])),
            (None, &["switchboard://h:1/", "#lab", "hi"], Ok(["switchboard://h:1/", "#lab", "hi"])),
            (Some("a:1"), &[LINK, "hi"], Ok([LINK, "#lab", "hi"])),
            (Some(LINK), &["hi there"], Ok(["", "#lab", "hi there"])),
            (Some(LINK), &["Elias", "hi"], Ok(["", "#lab", "Elias hi"])),
            (Some(LINK), &["b:2", "Elias", "hi"], Ok(["b:2", "Elias", "hi"])),
            (Some("a:1"), &["#lab", "hi"], Ok(["", "#lab", "hi"])),
            (None, &[LINK], Err("write a text after the link to #lab")),
            (None, &[LINK, "#other", "hi"], Err("the link names #lab, and #other is a room, too")),
            (Some(LINK), &["#lab", "hi"], Err("the link names #lab, and #lab is a room, too")),
        ];
        for (given_addr, words, expected) in cases {
            match (SayWords::split(&owned(words), given_addr), expected) {
                (Ok(SayWords { addr, target, text }), Ok(expected)) => {
                    assert_eq!([addr.unwrap_or_default(), &target, &text], expected);
                }
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (actual, _) => panic!("{given_addr:?}, {words:?} gave {actual:?}"),
            }
        }
    }
}
