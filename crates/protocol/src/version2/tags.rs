//! Tags: `@key=value;key=value` before the verb of a line. (`protocol.md` §13.2)

use super::number::{parse_number, push_number};

/// The tags of a line are invalid. The message is for the user who wrote the line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidTag {
    /// A tag is not `key=value` with a key of small letters.
    #[error("a tag is not 'key=value' with a key of the letters a to z")]
    Form,
    /// The value of `n` is not a number from 1.
    #[error("the tag n needs a number from 1 to {max}", max = super::NUMBER_MAX)]
    Number,
    /// The tag `n` is there twice.
    #[error("the tag n is there twice: send it once")]
    Twice,
}

/// Splits a line into its tags, without `@`, and the rest after the space.
pub(super) fn split_tags(line: &str) -> (Option<&str>, &str) {
    match line.strip_prefix('@') {
        None => (None, line),
        Some(tagged) => match tagged.split_once(' ') {
            Some((tags, rest)) => (Some(tags), rest),
            None => (Some(tagged), ""),
        },
    }
}

/// Iterates over keys and values.
pub(super) fn iter_tags(tags: &str) -> impl Iterator<Item = Result<(&str, &str), InvalidTag>> {
    tags.split(';').map(|tag| match tag.split_once('=') {
        Some((key, value)) if !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase()) => Ok((key, value)),
        _ => Err(InvalidTag::Form),
    })
}

/// Finds the tag `n` of a request. Ignores all other tags.
pub(super) fn request_number(tags: &str) -> Result<Option<u64>, InvalidTag> {
    // Fast path: `n` is the only tag.
    if let Some(n) = tags.strip_prefix("n=").and_then(parse_n) {
        return Ok(Some(n));
    }
    let mut n = None;
    for tag in iter_tags(tags) {
        let (key, value) = tag?;
        if key == "n" && n.replace(parse_n(value).ok_or(InvalidTag::Number)?).is_some() {
            return Err(InvalidTag::Twice);
        }
    }
    Ok(n)
}

/// Parses the value of `n`: a number from 1.
pub(super) fn parse_n(value: &str) -> Option<u64> {
    parse_number(value).filter(|&n| n > 0)
}

/// Appends `;key=value`. The end of a value that would begin another tag is left out. No name of an account or room has
/// such characters, so this only protects readers from a mistake of the caller.
pub(super) fn push_tag(out: &mut Vec<u8>, key: &str, value: &str) {
    let value = value.split([';', ' ']).next().unwrap_or_default();
    for part in [";", key, "=", value] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Appends `;key=value`.
pub(super) fn push_number_tag(out: &mut Vec<u8>, key: &str, value: u64) {
    for part in [";", key, "="] {
        out.extend_from_slice(part.as_bytes());
    }
    push_number(out, value);
}
