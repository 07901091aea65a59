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

/// Whether `name` can be the value of a tag: it has no `;` and no space. Names of accounts must be such names, because
/// the tag `in` of a record has them; names of rooms are. A guest may have another name.
#[must_use]
pub fn fits_tag(name: &str) -> bool {
    !name.contains(SEPARATORS)
}

/// The characters that end the value of a tag.
const SEPARATORS: [char; 2] = [';', ' '];

/// Splits a line into its tags, without `@`, and the rest after the space.
pub(super) fn split_tags(line: &str) -> (Option<&str>, &str) {
    match line.strip_prefix('@') {
        None => (None, line),
        Some(tagged) => {
            let (tags, rest) = split_word(tagged);
            (Some(tags), rest.unwrap_or_default())
        }
    }
}

/// Splits a line at its first space. A word is short, so a byte loop is faster than `split_once`, which takes longer to
/// start.
#[inline]
pub(super) fn split_word(line: &str) -> (&str, Option<&str>) {
    match line.bytes().position(|byte| byte == b' ') {
        Some(end) => (&line[..end], Some(&line[end + 1..])),
        None => (line, None),
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
    let value = value.split(SEPARATORS).next().unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_found_among_other_tags() {
        let cases = [
            ("n=41", Ok(Some(41))),
            ("n=041", Ok(Some(41))),
            ("n=9223372036854775807", Ok(Some(9_223_372_036_854_775_807))),
            ("id=7;n=41;x=", Ok(Some(41))),
            ("id=7;x=n=5", Ok(None)),
            ("nn=5", Ok(None)),
            ("n=0", Err(InvalidTag::Number)),
            ("n=", Err(InvalidTag::Number)),
            ("n=x", Err(InvalidTag::Number)),
            ("n=-1", Err(InvalidTag::Number)),
            ("n=9223372036854775808", Err(InvalidTag::Number)),
            ("n=1;n=2", Err(InvalidTag::Twice)),
            ("n=1;n=1", Err(InvalidTag::Twice)),
            ("", Err(InvalidTag::Form)),
            ("n", Err(InvalidTag::Form)),
            ("=1", Err(InvalidTag::Form)),
            ("N=1", Err(InvalidTag::Form)),
            ("n=1;", Err(InvalidTag::Form)),
            ("n=1;;x=2", Err(InvalidTag::Form)),
            ("n=1;x", Err(InvalidTag::Form)),
            ("x1=2", Err(InvalidTag::Form)),
        ];
        for (given, expected) in cases {
            assert_eq!(request_number(given), expected, "given {given:?}");
        }
    }

    #[test]
    fn no_value_forms_another_tag() {
        let mut out = Vec::new();
        push_tag(&mut out, "in", "mallory;by=7");
        assert_eq!(out, b";in=mallory");
        assert!(fits_tag("Noy") && fits_tag("#lab") && !fits_tag("mallory;by=7") && !fits_tag("a b"));
    }
}
