//! One attempt to connect: with version 2 of the protocol, or else with version 1.

use std::net::IpAddr;

use switchboard_client::conversations::{Identity, NewsReceiver, Secret, Session, SessionOptions};
use switchboard_client::{Error, ErrorCode, HostPort};
use switchboard_protocol::sanitize;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::super::super::account_files::{AccountFiles, DEFAULT_DEVICE};
use super::super::super::cli_error::CliError;
use super::super::super::known_servers::{CheckedAddress, Trust};
use super::super::super::{address, machine_device, open_session};
use super::super::conversation_id::fold;
use super::super::event::{NetworkEvent, Security, ServerInfo};
use super::{Output, Settings, version1};

/// Who the session is to be.
#[derive(Clone, Debug)]
pub(super) enum Login {
    /// The account whose token or key is stored for the device of the settings.
    Device { name: String },
    /// The account whose token or key is stored on this machine, or else a guest.
    Stored { name: String },
    /// The account that has this password, as this device.
    Password { name: String, password: Secret, device: String },
}

impl Login {
    /// The login at the start of the program.
    pub(super) fn at_start(settings: &Settings) -> Self {
        let name = settings.name.clone();
        if settings.device.is_some() { Self::Device { name } } else { Self::Stored { name } }
    }

    /// A login with a password, as the device that has logged in here before, or as a device of this machine.
    pub(super) fn with_password(settings: &Settings, name: &str, password: Secret) -> Self {
        let device = used_device(settings, name).unwrap_or_else(machine_device::name);
        Self::Password { name: name.to_owned(), password, device }
    }

    pub(super) fn name(&self) -> &str {
        let (Self::Device { name } | Self::Stored { name } | Self::Password { name, .. }) = self;
        name
    }
}

/// The device of the settings, or the one with which the user has logged in before.
fn used_device(settings: &Settings, name: &str) -> Option<String> {
    let stored = || AccountFiles::logged_in_device(settings.state.as_deref(), &settings.addr, name);
    settings.device.clone().or_else(stored)
}

/// A connection on which the user is logged in.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) connection: Connection,
    pub(super) info: ServerInfo,
    /// The server, with its key.
    pub(super) server: CheckedAddress,
}

#[derive(Debug)]
pub(super) enum Connection {
    Version1(Box<version1::Connection>),
    Version2(Session, NewsReceiver),
}

/// The user of a connection. Conversations stay open as long as the user is the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct User {
    name: String,
    device: Option<String>,
}

impl User {
    pub(super) fn of(info: &ServerInfo) -> Self {
        Self { name: fold(&info.name), device: info.device.as_deref().map(fold) }
    }
}

/// Connects to `server`, and logs in or registers.
pub(super) async fn connect(
    settings: &Settings,
    server: &CheckedAddress,
    login: &Login,
    output: &Output,
) -> Result<Connected, CliError> {
    let addr = &server.addr;
    let name = login.name();
    let device = match login {
        Login::Password { device, .. } => device.clone(),
        Login::Device { .. } | Login::Stored { .. } => {
            used_device(settings, name).unwrap_or_else(|| DEFAULT_DEVICE.to_owned())
        }
    };
    let device = &*device;
    let files = AccountFiles::in_state(settings.state.as_deref(), addr, name, device);
    let identity = match (login, &files) {
        (Login::Password { password, .. }, files) => {
            if let Ok(files) = files {
                files.create()?;
            }
            Identity::password(name, device, password.clone())
        }
        (login, Ok(files)) => match (open_session::stored_identity(files, name, device)?, login) {
            (Some(identity), _) => identity,
            (None, Login::Device { .. }) => return Err(not_logged_in(device)),
            (None, _) => Identity::guest(name),
        },
        (Login::Device { .. }, Err(_)) => return Err(not_logged_in(device)),
        // Without a home directory, no token is stored. The name is checked again.
        (Login::Stored { .. }, Err(_)) => Identity::guest(name),
    };
    let options = SessionOptions {
        limit: settings.limit,
        liveness: settings.liveness,
        outbox: files.as_ref().ok().map(AccountFiles::outbox_path),
        reconnect: settings.reconnects,
    };
    let is_guest = identity.device().is_none();
    let mut info = ServerInfo {
        address: address::host_port(addr),
        name: name.to_owned(),
        device: None,
        version: 2,
        is_durable: false,
        security: security(server),
    };
    match Session::connect_with_news(addr, identity, options).await {
        Ok((session, news)) => {
            if let Login::Password { .. } = login {
                store_token(&session, files, settings, output).await;
            }
            session.name().clone_into(&mut info.name);
            info.device = (!session.is_guest()).then(|| device.to_owned());
            info.is_durable = session.is_durable();
            Ok(Connected { connection: Connection::Version2(session, news), info, server: server.clone() })
        }
        Err(Error::NoVersion2 { .. }) if is_guest => {
            let connection = version1::Connection::open(addr, name, settings).await?;
            connection.name().clone_into(&mut info.name);
            info.version = 1;
            let connection = Connection::Version1(Box::new(connection));
            Ok(Connected { connection, info, server: server.clone() })
        }
        Err(error) => Err(error.into()),
    }
}

/// The device has no token yet.
fn not_logged_in(device: &str) -> CliError {
    let detail = format!("the device {} has not logged in yet: give the password of the account", sanitize(device));
    Error::Refused { code: ErrorCode::NotLoggedIn, detail: Some(detail) }.into()
}

/// Stores a token, so that the next start needs no password.
async fn store_token(session: &Session, files: Result<AccountFiles, CliError>, settings: &Settings, output: &Output) {
    let storing = async {
        let files = files.map_err(|error| error.to_string())?;
        let token = timeout(settings.limit, session.token()).await.map_err(|_| "no answer came in time".to_owned())?;
        let token = token.map_err(|error| error.to_string())?;
        let stored = spawn_blocking(move || files.store_token(&token)).await;
        stored.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    };
    if let Err(reason) = storing.await {
        output.send(NetworkEvent::TokenNotStored { reason }).await;
    }
}

/// Who can read the connections to this server.
pub(super) fn security(server: &CheckedAddress) -> Security {
    match server.trust {
        Trust::Plain if is_loopback(&server.addr) => Security::Loopback,
        Trust::Plain => Security::Plain,
        Trust::KnownKey => Security::KnownKey,
        Trust::NewKey { .. } => Security::NewKey,
        Trust::Authority => Security::Authority,
    }
}

/// Whether the host is certainly this machine.
fn is_loopback(addr: &str) -> bool {
    let Ok(addr) = addr.parse::<HostPort>() else { return false };
    let (host, _) = addr.pair();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_loopback() {
        for addr in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "LOCALHOST:1"] {
            assert!(is_loopback(addr), "{addr}");
        }
        for addr in ["192.168.1.1:1", "[::2]:1", "localhost.example:1", "127.0.0.1.example:1", "127.0.0.1"] {
            assert!(!is_loopback(addr), "{addr}");
        }
    }

    #[test]
    fn the_trust_in_a_key_decides_who_can_read_the_connection() {
        let link = "switchboard://127.0.0.1:1";
        let cases = [
            ("127.0.0.1:1", Trust::Plain, Security::Loopback),
            ("chat.example:1", Trust::Plain, Security::Plain),
            (link, Trust::KnownKey, Security::KnownKey),
            (link, Trust::NewKey { fingerprint: "AB:CD".to_owned() }, Security::NewKey),
            (link, Trust::Authority, Security::Authority),
        ];
        for (addr, trust, expected) in cases {
            assert_eq!(security(&CheckedAddress { addr: addr.to_owned(), trust }), expected, "{addr}");
        }
    }
}
