//! Signatures by SSH keys: the format that `ssh-keygen -Y sign` writes, for keys of the type `ssh-ed25519`.
//!
//! Source: `PROTOCOL.sshsig` of OpenSSH, RFC 4251 §5 (strings), RFC 8709 §4 and §6 (Ed25519 in SSH).
//!
//! ```text
//! signature: "SSHSIG" u32 version string public key string namespace string reserved string hash string signature
//! signed:    "SSHSIG"                               string namespace string reserved string hash string H(message)
//! ```

use std::fmt;

use base64ct::{Base64, Encoding as _};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256, Sha512};
use switchboard_protocol::sanitize;

/// The purpose of our signatures: `ssh-keygen -Y sign -n switchboard`. No signature for another purpose is accepted,
/// such as one of a file or of a Git commit.
pub(crate) const NAMESPACE: &str = "switchboard";

/// The only type of key that we accept. An Ed25519 key is short, has no parameters, and every OpenSSH since 2014 makes
/// it.
const KEY_TYPE: &str = "ssh-ed25519";

const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;

/// Ends of the text form, which programs put around the base64.
const ARMOR_BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const ARMOR_END: &str = "-----END SSH SIGNATURE-----";

/// Why a public key is not accepted. The message is for the user who sent it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum PublicKeyError {
    /// The key has another type.
    #[error("key type {} is not accepted: give {KEY_TYPE}, and make a key with ssh-keygen -t ed25519", sanitize(.0))]
    OtherType(String),
    /// The text is not the base64 of a key.
    #[error("key is damaged: give {KEY_TYPE} and the base64 that follows it in the .pub file")]
    Damaged,
    /// Anybody can sign for this key.
    #[error("key is weak: anybody can sign for it; make a key with ssh-keygen -t ed25519")]
    Weak,
}

/// An Ed25519 public key that is safe to use.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Parses the base64 that follows `ssh-ed25519` in a `.pub` file.
    pub(crate) fn from_base64(base64: &str) -> Result<Self, PublicKeyError> {
        let blob = Base64::decode_vec(base64).map_err(|_| PublicKeyError::Damaged)?;
        let key_type = SshReader(&blob).string().and_then(|key_type| std::str::from_utf8(key_type).ok());
        match key_type.ok_or(PublicKeyError::Damaged)? {
            KEY_TYPE => Self::from_bytes(parse_typed(&blob).ok_or(PublicKeyError::Damaged)?),
            other => Err(PublicKeyError::OtherType(other.to_owned())),
        }
    }

    /// Checks the 32 bytes of a key.
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Result<Self, PublicKeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| PublicKeyError::Damaged)?;
        if key.is_weak() { Err(PublicKeyError::Weak) } else { Ok(Self(key)) }
    }

    /// The 32 bytes that a store keeps.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for PublicKey {
    /// Writes no bytes: a log that names a key tells who owns an account.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(…)")
    }
}

/// Whether `proof` is a signature of `message` by this key for our purpose.
///
/// The proof is the base64 of the signature, as between the first and the last line of a `.sig` file. The whole file
/// and the base64 of the file are accepted, too.
pub(crate) fn verify(key: &PublicKey, message: &[u8], proof: &str) -> bool {
    let Some(blob) = decode_proof(proof) else { return false };
    let Some(fields) = Fields::parse(&blob) else { return false };
    let Some(signed) = fields.signed_bytes(message) else { return false };
    let Some(signature) = parse_typed(fields.signature) else { return false };
    fields.namespace == NAMESPACE.as_bytes()
        && parse_typed(fields.public_key) == Some(key.as_bytes())
        && key.0.verify_strict(&signed, &Signature::from_bytes(signature)).is_ok()
}

/// Decodes the forms of a proof.
fn decode_proof(proof: &str) -> Option<Vec<u8>> {
    let blob = decode_armored(proof)?;
    match std::str::from_utf8(&blob) {
        Ok(file) if file.starts_with(ARMOR_BEGIN) => decode_armored(file),
        _ => Some(blob),
    }
}

/// Decodes base64 with or without the first and the last line of a `.sig` file.
fn decode_armored(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    let body = match text.strip_prefix(ARMOR_BEGIN) {
        Some(rest) => rest.strip_suffix(ARMOR_END)?,
        None => text,
    };
    let base64: String = body.split_ascii_whitespace().collect();
    Base64::decode_vec(&base64).ok()
}

/// Returns the bytes in the SSH encoding of a key or a signature: the string `ssh-ed25519`, then the string of the
/// bytes, then nothing.
fn parse_typed<const N: usize>(blob: &[u8]) -> Option<&[u8; N]> {
    let mut reader = SshReader(blob);
    let is_type = reader.string()? == KEY_TYPE.as_bytes();
    let bytes = reader.string()?;
    if is_type && reader.0.is_empty() { bytes.try_into().ok() } else { None }
}

/// The fields of a signature, each still in its SSH encoding.
struct Fields<'a> {
    public_key: &'a [u8],
    namespace: &'a [u8],
    reserved: &'a [u8],
    hash_name: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Fields<'a> {
    fn parse(blob: &'a [u8]) -> Option<Self> {
        let mut reader = SshReader(blob.strip_prefix(MAGIC)?);
        if reader.u32()? != VERSION {
            return None;
        }
        let fields = Self {
            public_key: reader.string()?,
            namespace: reader.string()?,
            reserved: reader.string()?,
            hash_name: reader.string()?,
            signature: reader.string()?,
        };
        reader.0.is_empty().then_some(fields)
    }

    /// The bytes over which the key has signed. `None` for an unknown hash.
    fn signed_bytes(&self, message: &[u8]) -> Option<Vec<u8>> {
        let hash = match self.hash_name {
            b"sha512" => Sha512::digest(message).to_vec(),
            b"sha256" => Sha256::digest(message).to_vec(),
            _ => return None,
        };
        let mut signed = MAGIC.to_vec();
        for field in [self.namespace, self.reserved, self.hash_name, &hash] {
            put_string(&mut signed, field);
        }
        Some(signed)
    }
}

/// Appends a string in the SSH encoding: its length in four bytes, then its bytes.
fn put_string(buffer: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a field is a part of one line");
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(bytes);
}

/// Reads values in the SSH encoding. It holds the bytes that are left.
struct SshReader<'a>(&'a [u8]);

impl<'a> SshReader<'a> {
    fn u32(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests;
