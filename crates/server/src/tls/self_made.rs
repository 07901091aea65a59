//! The certificate that a server makes for itself, and makes again before it expires.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, date_time_ymd};
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::certificate::{CertificateError, host_name};
use crate::own_address::own_address;

const DAY: Duration = Duration::from_hours(24);

/// The time for which a certificate is valid. The systems of Apple accept no certificate that is valid for more than 825
/// days, also if its user trusts it (support.apple.com/HT210176).
const VALID: Duration = DAY.saturating_mul(820);

/// The remaining time at which the server makes a new certificate. The key stays, so no link and no client notices.
const RENEWED_BEFORE: Duration = DAY.saturating_mul(90);

/// Makes a certificate for this machine, in PEM. It is valid from the day before `now`, because the clocks of clients
/// differ.
pub(super) fn make(key: &KeyPair, now: SystemTime) -> Result<String, CertificateError> {
    let mut names = vec!["localhost".to_owned()];
    names.extend(host_name().filter(|name| name != "localhost"));
    names.extend([IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].map(|address| address.to_string()));
    names.extend(own_address().map(|address| address.to_string()));
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "Switchboard");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(now).saturating_sub(DAY);
    params.not_after = params.not_before + VALID;
    Ok(params.self_signed(key)?.pem())
}

/// Whether it is time to make a new certificate.
pub(super) fn is_expiring(certificate: &CertificateDer<'_>, now: SystemTime) -> bool {
    let (Ok(anchor), Ok(parsed)) = (anchor_from_trusted_cert(certificate), EndEntityCert::try_from(certificate)) else {
        return false;
    };
    let anchors = [anchor];
    let then = UnixTime::since_unix_epoch(since_epoch(now) + RENEWED_BEFORE);
    let usage = KeyUsage::server_auth();
    let verified = parsed.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &[], then, usage, None, None);
    matches!(verified, Err(webpki::Error::CertExpired { .. }))
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
