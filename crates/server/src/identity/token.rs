//! Device tokens: 256 random bits that log a device in, so that its user types the password only once.

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use switchboard_core::change::TokenHash;
use switchboard_protocol::version2::Secret;
use zeroize::Zeroizing;

/// Length of a token. Nobody can guess 256 bits, so tokens need no delay, no salt and no slow hash.
pub(crate) const TOKEN_BYTES: usize = 32;

/// A device token.
pub(crate) struct DeviceToken(Zeroizing<[u8; TOKEN_BYTES]>);

impl DeviceToken {
    /// Makes a token of random bytes.
    pub(crate) fn new(random: [u8; TOKEN_BYTES]) -> Self {
        Self(Zeroizing::new(random))
    }

    /// Parses the text that a client has sent.
    pub(crate) fn parse(text: &Secret) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
        let decoded = Base64UrlUnpadded::decode(text.expose(), &mut bytes[..]).ok()?;
        (decoded.len() == TOKEN_BYTES).then_some(Self(bytes))
    }

    /// The text on the wire: 43 letters, digits, `-` and `_` (base64url without padding, RFC 4648 §5).
    pub(crate) fn to_text(&self) -> Secret {
        Secret::new(&Zeroizing::new(Base64UrlUnpadded::encode_string(&self.0[..])))
    }

    /// The value that a store keeps. It does not reveal the token.
    pub(crate) fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(&self.0[..]).into())
    }
}

impl fmt::Debug for DeviceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceToken(…)")
    }
}

/// Whether `text` is the token with the hash `stored`. A device that does not exist, or that has no token, has the hash
/// `None`, and gets the same answer in the same time as a wrong token.
pub(crate) fn verify(text: &Secret, stored: Option<TokenHash>) -> bool {
    let Some(token) = DeviceToken::parse(text) else { return false };
    let checked = stored.unwrap_or(TokenHash([0; 32]));
    let is_equal: bool = token.hash().0.ct_eq(&checked.0).into();
    is_equal && stored.is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_text_of_the_token_is_accepted() {
        let token = DeviceToken::new(std::array::from_fn(|index| 8 * u8::try_from(index).expect("a small index")));
        let stored = token.hash();
        let text = "AAgQGCAoMDhASFBYYGhweICIkJigqLC4wMjQ2ODo8Pg";
        assert_eq!(token.to_text().expose(), text);
        let (shorter, longer) = (&text[..42], format!("{text}A"));
        let cases = [
            (text, true),
            ("BAgQGCAoMDhASFBYYGhweICIkJigqLC4wMjQ2ODo8Pg", false),
            // The last letter has two bits that no byte holds. They must be zero, so that a token has one text.
            ("AAgQGCAoMDhASFBYYGhweICIkJigqLC4wMjQ2ODo8Ph", false),
            ("AAgQGCAoMDhASFBYYGhweICIkJigqLC4wMjQ2ODo8Pg=", false),
            (" AAgQGCAoMDhASFBYYGhweICIkJigqLC4wMjQ2ODo8Pg", false),
            (shorter, false),
            (&longer, false),
            ("", false),
            ("password", false),
        ];
        for (sent, expected) in cases {
            assert_eq!(verify(&Secret::new(sent), Some(stored)), expected, "{sent:?}");
            assert!(!verify(&Secret::new(sent), None), "{sent:?} for an unknown device");
        }
    }

    #[test]
    fn hash_is_sha256() {
        // The first half of the SHA-256 of 32 zero bytes, from sha256sum.
        let expected = u128::from_str_radix("66687aadf862bd776c8fc18b8e9f8e20", 16);
        let hash = DeviceToken::new([0; 32]).hash().0;
        assert_eq!(hash.first_chunk().map(|start| u128::from_be_bytes(*start)), expected.ok());
    }

    proptest! {
        #[test]
        fn every_token_is_parsed_from_its_text(random: [u8; TOKEN_BYTES]) {
            let text = DeviceToken::new(random).to_text();
            prop_assert!(text.expose().bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(verify(&text, Some(DeviceToken::new(random).hash())));
        }

        #[test]
        fn no_other_text_is_accepted(random: [u8; TOKEN_BYTES], text in "[A-Za-z0-9_-]{0,50}|.{0,50}") {
            let token = DeviceToken::new(random);
            prop_assume!(token.to_text().expose() != text);
            prop_assert!(!verify(&Secret::new(&text), Some(token.hash())));
        }
    }
}
