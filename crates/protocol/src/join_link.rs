//! Links with which a client joins over TLS: `switchboard://HOST:PORT/#lab?key=…` (`protocol.md` §20).

use std::fmt;
use std::str::FromStr;

use crate::host_port::{HostPort, HostPortError};
use crate::version2::{RoomName, RoomNameError};

/// The start of every link.
const SCHEME: &str = "switchboard://";

/// The length of a key's hash: 32 bytes in base64url without padding (RFC 4648 §5).
const KEY_CHARS: usize = 43;

/// A server with TLS, and what a client should know of it.
///
/// ```
/// use switchboard_protocol::JoinLink;
///
/// let link: JoinLink = "switchboard://chat.example:12346/#lab".parse()?;
/// assert_eq!(link.address.to_string(), "chat.example:12346");
/// assert_eq!(link.room.expect("a room").as_str(), "#lab");
/// # Ok::<(), switchboard_protocol::JoinLinkError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JoinLink {
    /// The address of the listener.
    pub address: HostPort,
    /// The room to open.
    pub room: Option<RoomName>,
    /// The key of the server. A client accepts no other one.
    pub key: Option<KeyHash>,
}

/// The SHA-256 hash of a server's public key (its `SubjectPublicKeyInfo`, as in RFC 7858 §4.2), in base64url without
/// padding.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct KeyHash(Box<str>);

/// Why a text is not a link.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum JoinLinkError {
    /// The text does not begin as a link does.
    #[error("this is not a link: write {SCHEME}HOST:PORT")]
    Scheme,
    /// The address is not valid.
    #[error("in the link, the {0}")]
    Address(#[from] HostPortError),
    /// The room is not valid.
    #[error("in the link, the {0}")]
    Room(#[from] RoomNameError),
    /// The key is not a hash.
    #[error("in the link, the key {key:?} is not a hash of {KEY_CHARS} characters: copy the whole link")]
    Key {
        /// The text after `key=`.
        key: String,
    },
}

impl KeyHash {
    /// Checks the text of a hash.
    pub fn new(text: &str) -> Result<Self, JoinLinkError> {
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.len() == KEY_CHARS && text.bytes().all(is_base64url) {
            Ok(Self(text.into()))
        } else {
            Err(JoinLinkError::Key { key: text.to_owned() })
        }
    }

    /// The hash as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JoinLink {
    /// Whether `text` is meant as a link.
    #[must_use]
    pub fn is_link(text: &str) -> bool {
        text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
    }
}

impl FromStr for JoinLink {
    type Err = JoinLinkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !Self::is_link(text) {
            return Err(JoinLinkError::Scheme);
        }
        let link = &text[SCHEME.len()..];
        let (link, key) = match link.split_once("?key=") {
            Some((link, key)) => (link, Some(KeyHash::new(key)?)),
            None => (link, None),
        };
        let (address, room) = match link.split_once('/') {
            Some((address, room)) => (address, Some(room).filter(|room| !room.is_empty())),
            None => (link, None),
        };
        Ok(Self { address: address.parse()?, room: room.map(RoomName::new).transpose()?, key })
    }
}

impl fmt::Display for JoinLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/", self.address)?;
        if let Some(room) = &self.room {
            write!(f, "{}", room.as_str())?;
        }
        self.key.as_ref().map_or(Ok(()), |key| write!(f, "?key={key}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "DBFVjrSVh7diZMF4UEuujerdq6qIuhRZuMzvzJ-rqFg";

    #[test]
    fn links_are_parsed_and_displayed() {
        let link = |text: &str| text.parse::<JoinLink>().expect(text);
        for text in [
            "switchboard://chat.example:12346/".to_owned(),
            format!("switchboard://[fe80::1%eth0]:1/?key={KEY}"),
            format!("switchboard://127.0.0.1:12346/#lab?key={KEY}"),
            "switchboard://chat.example:12346/#Lab".to_owned(),
        ] {
            assert_eq!(link(&text).to_string(), text);
        }
        let full = link(&format!("Switchboard://chat.example:12346/#lab?key={KEY}"));
        assert_eq!(full.key, Some(KeyHash::new(KEY).expect("a hash")));
        assert_eq!(link("switchboard://chat.example:12346").room, None);
    }

    #[test]
    fn faults_are_named() {
        let cases = [
            ("chat.example:12346", "write switchboard://HOST:PORT"),
            ("switchboard://chat.example/", "the port is missing"),
            ("switchboard://chat.example:1/lab", "does not begin with '#'"),
            ("switchboard://chat.example:1/#lab?key=abc", "copy the whole link"),
            ("switchboard://chat.example:1/#lab?key=", "copy the whole link"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<JoinLink>().expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
