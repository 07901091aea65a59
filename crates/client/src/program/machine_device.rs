//! The name of the device for a login on this machine.

use switchboard_client::conversations::DeviceName;
use switchboard_protocol::limits::USERNAME_MAX_CHARS;

use super::account_files::DEFAULT_DEVICE;

/// Returns the host name as the name of a device, so that the logins of two machines do not displace each other.
pub(crate) fn name() -> String {
    of_host(&rustix::system::uname().nodename().to_string_lossy())
}

/// The first label of the host name. The default device if it does not tell one machine from another.
fn of_host(host: &str) -> String {
    let label = host.split('.').next().unwrap_or_default();
    let is_allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name: String = label.chars().filter(is_allowed).take(USERNAME_MAX_CHARS).collect();
    match DeviceName::new(&name) {
        Ok(device) if device.folded() != "localhost" => device.as_str().to_owned(),
        _ => DEFAULT_DEVICE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_becomes_a_valid_device() {
        let long = "h".repeat(64);
        let cases = [
            ("lab-pc7", "lab-pc7"),
            ("Noys-MacBook.local", "Noys-MacBook"),
            ("lab pc/7", "labpc7"),
            (&*long, &long[..USERNAME_MAX_CHARS]),
            ("localhost", "main"),
            ("", "main"),
            ("...", "main"),
        ];
        for (host, expected) in cases {
            assert_eq!(of_host(host), expected, "{host}");
        }
        assert!(DeviceName::new(&name()).is_ok());
    }
}
