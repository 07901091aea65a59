//! The end of a certificate's validity, for the operator. rustls-webpki checks it, but does not tell it.

use std::time::Duration;

use switchboard_protocol::version2::parse_timestamp;

/// Tags of DER (X.690 §8.1.2).
const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The tag of the field `version`, which may be absent.
const VERSION: u8 = 0xa0;

/// The time from 1970 to the end of a certificate (RFC 5280 §4.1). `None` if it has another form.
pub(super) fn not_after(certificate: &[u8]) -> Option<Duration> {
    let mut certificate = expect(&mut &*certificate, SEQUENCE)?;
    let mut to_be_signed = expect(&mut certificate, SEQUENCE)?;
    if to_be_signed.first() == Some(&VERSION) {
        next(&mut to_be_signed)?;
    }
    // Serial number, signature algorithm, issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        expect(&mut to_be_signed, tag)?;
    }
    let mut validity = expect(&mut to_be_signed, SEQUENCE)?;
    let _not_before = next(&mut validity)?;
    let (tag, time) = next(&mut validity)?;
    let time = std::str::from_utf8(time).ok()?.strip_suffix('Z')?;
    let time = match tag {
        // Two digits of the year: 50 and later are of the last century (RFC 5280 §4.1.2.5.1).
        UTC_TIME if time.as_bytes().first()? >= &b'5' => format!("19{time}"),
        UTC_TIME => format!("20{time}"),
        GENERALIZED_TIME => time.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| time.get(from..to);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, time.get(12..)?);
    parse_timestamp(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}.000Z")).map(Duration::from_millis)
}

/// The content of the next element, which must have this tag.
fn expect<'a>(rest: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    next(rest).filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// The tag and the content of the next element.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, after_tag) = rest.split_first()?;
    let (&first, after_first) = after_tag.split_first()?;
    let (len, content) = if first < 0x80 {
        (first.into(), after_first)
    } else {
        // So many bytes of length follow.
        let (len, content) = after_first.split_at_checked(usize::from(first & 0x7f))?;
        let len = len.iter().try_fold(0_usize, |len, &byte| len.checked_mul(256)?.checked_add(byte.into()))?;
        (len, content)
    };
    let (content, after) = content.split_at_checked(len)?;
    *rest = after;
    Some((tag, content))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn end_of_a_certificate_is_found_in_both_forms_of_time() {
        let key = KeyPair::generate().expect("a key");
        for (year, month, day) in [(1999, 12, 31), (2026, 11, 30), (2049, 12, 31), (2050, 1, 1), (2124, 2, 29)] {
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
            params.not_before = date_time_ymd(1998, 1, 1);
            params.not_after = date_time_ymd(year, month, day);
            let seconds = u64::try_from(params.not_after.unix_timestamp()).expect("a time after 1970");
            let certificate = params.self_signed(&key).expect("a certificate");
            assert_eq!(not_after(certificate.der()), Some(Duration::from_secs(seconds)), "{year}");
        }
    }

    #[test]
    fn cut_certificate_has_no_end() {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        for len in 0..certificate.der().len() {
            assert_eq!(not_after(&certificate.der()[..len]), None, "{len} bytes");
        }
    }
}
