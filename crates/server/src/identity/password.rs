//! Passwords: hashed with argon2id, and verified in the same time whether the account exists or not.
//!
//! Both functions take about 30 ms and 19 MiB, so only [`SecretChecker`](super::checker::SecretChecker) calls them.

use std::hint::black_box;

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use switchboard_protocol::version2::Secret;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// Length of a salt: the recommendation of RFC 9106 §3.1.
pub(crate) const SALT_BYTES: usize = 16;

/// Memory for one hash, in KiB. This and the next two are the least that OWASP's Password Storage Cheat Sheet
/// recommends: more memory would let fewer people log in at once.
const MEMORY_KIB: u32 = 19_456;

/// Number of passes over the memory.
const PASSES: u32 = 2;

/// Number of lanes, which is the number of threads that could fill the memory.
const LANES: u32 = 1;

/// A hash for names that no account has. Nobody knows a password for it, and [`verify`] accepts none.
const DUMMY_PHC: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes a password. The result is a string in the PHC format, which holds the parameters and the salt.
pub(crate) fn hash(password: &Secret, salt: [u8; SALT_BYTES]) -> String {
    let salt = SaltString::encode_b64(&salt).expect("16 bytes are a valid salt");
    let phc = hasher().hash_password(&normalized(password), &salt).expect("a secret is shorter than argon2's limit");
    phc.to_string()
}

/// Whether this is the password of an account with the hash `phc`.
///
/// An account that does not exist, or that has no password, has the hash `None`. Then the function does the same work
/// and returns `false`, so that its time tells nothing. A damaged hash counts as none.
pub(crate) fn verify(password: &Secret, phc: Option<&str>) -> bool {
    let stored = phc.and_then(|phc| PasswordHash::new(phc).ok());
    let is_known = stored.is_some();
    let checked = stored.unwrap_or_else(|| PasswordHash::new(DUMMY_PHC).expect("the constant is a valid hash"));
    // The parameters are those in the hash, so older hashes stay valid when the constants change.
    let is_equal = black_box(hasher().verify_password(&normalized(password), &checked).is_ok());
    is_equal && is_known
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the constants are valid parameters");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The password in normalization form C. Keyboards of different systems send different code points for the same letter,
/// and both must be the same password (RFC 8265 §4.2.2).
fn normalized(password: &Secret) -> Zeroizing<Vec<u8>> {
    // Enough room from the start: a buffer that grew would leave copies of the password behind. NFC lengthens UTF-8 by
    // a factor of at most three (Unicode Standard Annex 15).
    let mut bytes = Zeroizing::new(Vec::with_capacity(3 * password.expose().len()));
    for c in password.expose().nfc() {
        bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; SALT_BYTES] = *b"0123456789abcdef";

    #[test]
    fn hash_is_argon2id_with_its_parameters_and_salt() {
        let phc = hash(&Secret::new("correct horse"), SALT);
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"), "{phc}");
        assert_ne!(phc, hash(&Secret::new("correct horse"), [7; SALT_BYTES]));
    }

    /// The expected value is that of the reference implementation in C, through Python's `argon2-cffi`:
    /// `hash_secret(b'correct horse', b'0123456789abcdef', 2, 19456, 1, 32, Type.ID)`
    #[test]
    fn hash_equals_that_of_the_reference_implementation() {
        let expected = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg\
             $rk2Mi3E4dgRMg0fHaYaptWVZRKqs//6b6k3/nntqGJk";
        assert_eq!(hash(&Secret::new("correct horse"), SALT), expected);
    }

    #[test]
    fn only_the_same_password_is_accepted() {
        let cases = [
            ("correct horse", "correct horse", true),
            ("correct horse", "correct horse ", false),
            ("correct horse", "Correct horse", false),
            ("correct horse", "", false),
            ("  ", "  ", true),
            ("שלום 👋", "שלום 👋", true),
            // One code point, and the same letter as two.
            ("caf\u{e9}", "cafe\u{301}", true),
            ("cafe\u{301}", "caf\u{e9}", true),
            ("café", "cafe", false),
        ];
        for (chosen, typed, expected) in cases {
            let phc = hash(&Secret::new(chosen), SALT);
            assert_eq!(verify(&Secret::new(typed), Some(&phc)), expected, "{chosen:?} and {typed:?}");
        }
    }

    #[test]
    fn no_password_is_accepted_without_a_valid_hash() {
        let phc = hash(&Secret::new("x"), SALT);
        let damaged = &phc[..phc.len() / 2];
        for stored in [None, Some(""), Some("$argon2id$"), Some("x"), Some(damaged)] {
            for typed in ["", "x", DUMMY_PHC] {
                assert!(!verify(&Secret::new(typed), stored), "{typed:?} and {stored:?}");
            }
        }
    }

    /// The time of argon2 depends on its parameters, on nothing else.
    #[test]
    fn unknown_names_cost_the_same_work() {
        let [known, dummy] = [hash(&Secret::new("x"), SALT), DUMMY_PHC.to_owned()];
        let work = |phc: &str| {
            let phc = PasswordHash::new(phc).expect("a valid hash");
            let output_bytes = phc.hash.map(|hash| hash.len());
            (phc.algorithm.to_string(), phc.version, phc.params.to_string(), output_bytes)
        };
        assert_eq!(work(&known), work(&dummy));
    }
}
