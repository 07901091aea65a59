//! Tests with the real `ssh-keygen`, as the independent judge of the format.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::challenge::{Challenge, SERVER_ID_BYTES, ServerIdentity};
use super::*;

/// A folder with keys that `ssh-keygen` has made.
struct Keygen {
    folder: TempDir,
}

impl Keygen {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// Makes a key, and returns the base64 in its `.pub` file.
    fn make_key(&self, name: &str, key_type: &str) -> String {
        let path = self.path(name);
        let path = path.to_str().expect("the path is UTF-8");
        run(&["-q", "-t", key_type, "-N", "", "-C", "a comment", "-f", path]);
        let file = fs::read_to_string(format!("{path}.pub")).expect("ssh-keygen wrote the public key");
        file.split(' ').nth(1).expect("the base64 follows the type").to_owned()
    }

    /// Signs a message, and returns the text of the `.sig` file.
    fn sign(&self, key: &str, namespace: &str, hash: &str, message: &[u8]) -> String {
        let file = self.path("message");
        fs::write(&file, message).expect("the file can be written");
        let _ = fs::remove_file(self.path("message.sig"));
        let (key, file) = (self.path(key), file.to_str().expect("the path is UTF-8").to_owned());
        let hash = format!("hashalg={hash}");
        run(&["-q", "-Y", "sign", "-n", namespace, "-O", &hash, "-f", key.to_str().expect("UTF-8"), &file]);
        fs::read_to_string(self.path("message.sig")).expect("ssh-keygen wrote the signature")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn run(args: &[&str]) {
    let output = Command::new("ssh-keygen").args(args).stdin(Stdio::null()).output();
    let output = output.expect("ssh-keygen is installed: apt-get install openssh-client");
    assert!(output.status.success(), "ssh-keygen {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The base64 of a `.sig` file, without its first and last line.
fn body(signature_file: &str) -> String {
    signature_file.lines().filter(|line| !line.starts_with("-----")).collect()
}

fn parse(public_key: &str) -> PublicKey {
    PublicKey::from_base64(public_key).expect("the public key is valid")
}

#[test]
fn signatures_by_ssh_keygen_are_accepted_in_all_forms() {
    let keygen = Keygen::new();
    let key = parse(&keygen.make_key("id", "ed25519"));
    for hash in ["sha512", "sha256"] {
        let file = keygen.sign("id", NAMESPACE, hash, b"a message");
        let forms = [
            ("the base64", body(&file)),
            ("the file", file.clone()),
            ("the file without line ends", file.replace('\n', "")),
            ("the base64 of the file", Base64::encode_string(file.as_bytes())),
        ];
        for (form, proof) in forms {
            assert!(verify(&key, b"a message", &proof), "{hash}, {form}: {proof}");
            assert!(!verify(&key, b"another message", &proof), "{hash}, {form}: {proof}");
        }
    }
}

#[test]
fn signatures_of_another_key_or_purpose_are_refused() {
    let keygen = Keygen::new();
    let key = parse(&keygen.make_key("id", "ed25519"));
    keygen.make_key("other", "ed25519");
    keygen.make_key("ecdsa", "ecdsa");
    let cases = [
        ("id", NAMESPACE, true),
        ("id", "file", false),
        ("id", "git", false),
        ("id", "switchboard2", false),
        ("other", NAMESPACE, false),
        ("ecdsa", NAMESPACE, false),
    ];
    for (signer, namespace, expected) in cases {
        let proof = body(&keygen.sign(signer, namespace, "sha512", b"a message"));
        assert_eq!(verify(&key, b"a message", &proof), expected, "{signer} {namespace}");
    }
}

#[test]
fn every_changed_byte_of_a_signature_is_noticed() {
    let keygen = Keygen::new();
    let key = parse(&keygen.make_key("id", "ed25519"));
    let blob = Base64::decode_vec(&body(&keygen.sign("id", NAMESPACE, "sha512", b"a message"))).expect("base64");
    assert!(verify(&key, b"a message", &Base64::encode_string(&blob)));
    for index in 0..blob.len() {
        for bit in [0x01, 0x80] {
            let mut damaged = blob.clone();
            damaged[index] ^= bit;
            assert!(!verify(&key, b"a message", &Base64::encode_string(&damaged)), "byte {index}, bit {bit:#x}");
        }
        assert!(!verify(&key, b"a message", &Base64::encode_string(&blob[..index])), "{index} bytes");
    }
    let longer = [&blob[..], &[0]].concat();
    assert!(!verify(&key, b"a message", &Base64::encode_string(&longer)), "a byte after the end");
}

#[test]
fn challenge_is_proved_by_its_text_or_its_word() {
    let keygen = Keygen::new();
    let key = parse(&keygen.make_key("id", "ed25519"));
    let server = ServerIdentity { name: "example", id: &[0; SERVER_ID_BYTES] };
    let challenge = |nonce| Challenge::login(server, "Noy", "laptop", [nonce; 32]);
    let word = challenge(1).encoded();
    let text = Base64::decode_vec(&word).expect("base64");
    let word_and_lf = format!("{word}\n");
    let another = Base64::decode_vec(&challenge(2).encoded()).expect("base64");
    let cases: [(&str, &[u8], bool); 5] = [
        ("text", &text, true),
        ("word", word.as_bytes(), true),
        ("word and LF", word_and_lf.as_bytes(), false),
        ("another nonce", &another, false),
        ("nothing", b"", false),
    ];
    for (name, signed, expected) in cases {
        let proof = body(&keygen.sign("id", NAMESPACE, "sha512", signed));
        assert_eq!(challenge(1).accepts(&key, &proof), expected, "{name}");
    }
}

#[test]
fn stored_bytes_of_a_key_are_the_key() {
    let key = parse(&Keygen::new().make_key("id", "ed25519"));
    assert_eq!(PublicKey::from_bytes(key.as_bytes()), Ok(key));
}

#[test]
fn other_keys_are_refused_with_a_reason() {
    let keygen = Keygen::new();
    let (ed25519, ecdsa) = (keygen.make_key("id", "ed25519"), keygen.make_key("ecdsa", "ecdsa"));
    let key_of = |bytes: &[u8]| {
        let mut blob = Vec::new();
        put_string(&mut blob, KEY_TYPE.as_bytes());
        put_string(&mut blob, bytes);
        Base64::encode_string(&blob)
    };
    // The neutral element of the curve, for which a signature of zeros is valid for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    // No point of the curve has this second coordinate.
    let mut no_point = [0; 32];
    no_point[0] = 2;
    let cases = [
        (ecdsa, PublicKeyError::OtherType("ecdsa-sha2-nistp256".to_owned())),
        (String::new(), PublicKeyError::Damaged),
        ("?".to_owned(), PublicKeyError::Damaged),
        (ed25519[..64].to_owned(), PublicKeyError::Damaged),
        (format!("{ed25519}AAAA"), PublicKeyError::Damaged),
        (key_of(&[5; 31]), PublicKeyError::Damaged),
        (key_of(&no_point), PublicKeyError::Damaged),
        (key_of(&neutral), PublicKeyError::Weak),
        (key_of(&[0; 32]), PublicKeyError::Weak),
    ];
    for (text, expected) in cases {
        assert_eq!(PublicKey::from_base64(&text), Err(expected), "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_is_a_proof(text in any::<String>(), blob: Vec<u8>) {
        let key = parse("AAAAC3NzaC1lZDI1NTE5AAAAIFhmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm");
        prop_assert!(!verify(&key, b"a message", &text));
        let with_magic = [MAGIC, &1_u32.to_be_bytes(), &blob].concat();
        for blob in [&blob, &with_magic] {
            prop_assert!(!verify(&key, b"a message", &Base64::encode_string(blob)));
        }
    }
}
