//! Challenges: the text that a client signs with its SSH key to log in.
//!
//! The text names the server, the account and the device, so that a signature is worth nothing to any other server, and
//! it is readable, so that a person who signs by hand sees for which purpose:
//!
//! ```text
//! switchboard login challenge 1
//! server: example
//! server-id: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
//! account: Noy
//! device: laptop
//! nonce: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE
//! ```

use base64ct::{Base64, Base64UrlUnpadded, Encoding as _};

use super::ssh_signature::{self, PublicKey};

/// Length of a nonce. The server never repeats 256 random bits.
pub(crate) const NONCE_BYTES: usize = 32;

/// Length of a server's id.
pub(crate) const SERVER_ID_BYTES: usize = 32;

/// The first line of the text. The purpose is in it, so that no later kind of challenge can be taken for a login. The
/// number is that of the format.
const PURPOSE: &str = "switchboard login challenge 1";

/// The server that a challenge is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerIdentity<'a> {
    /// The name in `HELLO_OK`.
    pub(crate) name: &'a str,
    /// Random bytes that no other server has, or the hash of the server's key. They stay the same for ever.
    pub(crate) id: &'a [u8; SERVER_ID_BYTES],
}

/// A challenge that was sent and not answered. Checking an answer consumes it, so each challenge is used once.
#[derive(Debug)]
pub(crate) struct Challenge {
    text: String,
}

impl Challenge {
    /// Makes a challenge for a login. The names are those of the request, in its spelling and without a check whether
    /// they exist. They have no LF, because they were words of a line.
    pub(crate) fn login(server: ServerIdentity<'_>, account: &str, device: &str, nonce: [u8; NONCE_BYTES]) -> Self {
        let [id, nonce] = [server.id, &nonce].map(|bytes| Base64UrlUnpadded::encode_string(bytes));
        let name = server.name;
        debug_assert!(![name, account, device].iter().any(|word| word.contains('\n')), "each name is one word");
        let text = format!(
            "{PURPOSE}\nserver: {name}\nserver-id: {id}\naccount: {account}\ndevice: {device}\nnonce: {nonce}\n"
        );
        Self { text }
    }

    /// The challenge with this text.
    pub(crate) fn from_text(text: String) -> Self {
        Self { text }
    }

    /// The word after `CHALLENGE`: the text in base64.
    pub(crate) fn encoded(&self) -> String {
        Base64::encode_string(self.text.as_bytes())
    }

    /// Whether `proof`, the word after `PROVE`, is a signature of this challenge by this key. The challenge is used up.
    ///
    /// The client signs the decoded text. A signature of the word itself is accepted, too: it names the same text, and
    /// in a shell it is easier to make.
    pub(crate) fn accepts(self, key: &PublicKey, proof: &str) -> bool {
        ssh_signature::verify(key, self.text.as_bytes(), proof)
            || ssh_signature::verify(key, self.encoded().as_bytes(), proof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: ServerIdentity<'_> = ServerIdentity { name: "example", id: &[0; SERVER_ID_BYTES] };

    #[test]
    fn text_names_everything_that_the_signature_is_for() {
        let challenge = Challenge::login(SERVER, "Noy", "laptop", [1; NONCE_BYTES]);
        let expected = "switchboard login challenge 1\n\
             server: example\n\
             server-id: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\
             account: Noy\n\
             device: laptop\n\
             nonce: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\n";
        assert_eq!(challenge.text, expected);
        assert_eq!(Base64::decode_vec(&challenge.encoded()).as_deref(), Ok(expected.as_bytes()));
    }

    #[test]
    fn any_other_server_account_device_or_nonce_has_another_text() {
        let other_name = ServerIdentity { name: "other", ..SERVER };
        let other_id = ServerIdentity { id: &[1; SERVER_ID_BYTES], ..SERVER };
        let texts = [
            (SERVER, "Noy", "laptop", [1; NONCE_BYTES]),
            (other_name, "Noy", "laptop", [1; NONCE_BYTES]),
            (other_id, "Noy", "laptop", [1; NONCE_BYTES]),
            (SERVER, "Elias", "laptop", [1; NONCE_BYTES]),
            (SERVER, "Noy", "phone", [1; NONCE_BYTES]),
            (SERVER, "Noy", "laptop", [2; NONCE_BYTES]),
        ]
        .map(|(server, account, device, nonce)| Challenge::login(server, account, device, nonce).text);
        for (index, text) in texts.iter().enumerate() {
            assert!(!texts[..index].contains(text), "{text}");
        }
    }
}
