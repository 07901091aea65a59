//! The servers that this user has used, the last one first.
//!
//! They come from three places: the file `$XDG_STATE_HOME/switchboard/servers`, which has a line `ADDRESS NAME` for each
//! server with which a chat began; the folders of accounts; and the keys of known servers.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::Path;
use std::time::SystemTime;

use switchboard_client::{HostPort, JoinLink};
use switchboard_protocol::Username;

use crate::program::{address, known_servers, state_directory};

/// The most servers that are remembered: more than fit on a screen.
const SERVERS_MAX: usize = 50;

/// The longest file in bytes: the longest lines of all servers.
const FILE_MAX_BYTES: u64 = 64 * 1024;

/// A server that this user has used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KnownServer {
    /// `HOST:PORT`, or a link for TLS.
    pub(crate) addr: String,
    /// The last name of the user there.
    pub(crate) name: Option<Username>,
}

/// The servers that the user has used, the last one first. Unreadable files count as empty: the user can type the address.
pub(crate) fn load() -> Vec<KnownServer> {
    state_directory::path().map_or_else(Vec::new, |state| load_from(&state))
}

/// Remembers that the user has used a server. The key and the room of a link are not stored.
pub(crate) fn remember(addr: &str, name: &Username) -> io::Result<()> {
    match state_directory::path() {
        Some(state) => remember_in(&state, addr, name),
        None => Ok(()),
    }
}

fn load_from(state: &Path) -> Vec<KnownServer> {
    let with_tls = known_servers::addresses(state);
    let last_used = last_used(state);
    let accounts = accounts(state).into_iter().map(|(host_port, name)| {
        // A token must not leave in the clear because the file of keys lacks the server: an authority vouches for it.
        let is_plain = !with_tls.contains(&host_port) && is_loopback(&host_port);
        KnownServer { addr: if is_plain { host_port.to_string() } else { link_to(&host_port) }, name: Some(name) }
    });
    let keys = with_tls.iter().rev().map(|host_port| KnownServer { addr: link_to(host_port), name: None });
    let mut known = HashSet::new();
    let all = last_used.into_iter().chain(accounts).chain(keys);
    all.filter(|server| known.insert(address::host_port(&server.addr))).take(SERVERS_MAX).collect()
}

fn remember_in(state: &Path, addr: &str, name: &Username) -> io::Result<()> {
    let addr = match addr.parse::<JoinLink>() {
        Ok(link) => link_to(&link.address),
        Err(_) => addr.to_owned(),
    };
    let mut servers = last_used(state);
    servers.retain(|server| address::host_port(&server.addr) != address::host_port(&addr));
    servers.insert(0, KnownServer { addr, name: Some(name.clone()) });
    let line = |server: &KnownServer| Some(format!("{} {}\n", server.addr, server.name.as_ref()?.as_str()));
    let text: String = servers.iter().take(SERVERS_MAX).filter_map(line).collect();
    state_directory::create_private(state)?;
    state_directory::replace_private(&state.join("servers"), &text)
}

/// The servers of the file. Damaged lines are left out.
fn last_used(state: &Path) -> Vec<KnownServer> {
    let mut bytes = Vec::new();
    let read = File::open(state.join("servers")).and_then(|file| file.take(FILE_MAX_BYTES).read_to_end(&mut bytes));
    if read.is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let servers = text.lines().filter_map(|line| {
        let (addr, name) = line.split_once(' ')?;
        let is_valid = addr.parse::<JoinLink>().is_ok() || addr.parse::<HostPort>().is_ok();
        Some(KnownServer { addr: addr.to_owned(), name: Some(Username::new(name).ok()?) }).filter(|_| is_valid)
    });
    servers.take(SERVERS_MAX).collect()
}

/// The folders of accounts, the last changed one first.
fn accounts(state: &Path) -> Vec<(HostPort, Username)> {
    let mut accounts: Vec<(SystemTime, HostPort, Username)> = Vec::new();
    for (server, folder) in folders(&state.join("accounts")) {
        let Ok(server) = server.parse::<HostPort>() else { continue };
        for (name, folder) in folders(&folder) {
            let Ok(name) = Username::new(&name) else { continue };
            let changed = fs::metadata(&folder).and_then(|metadata| metadata.modified());
            accounts.push((changed.unwrap_or(SystemTime::UNIX_EPOCH), server.clone(), name));
        }
    }
    accounts.sort_by(|(one, ..), (other, ..)| other.cmp(one));
    accounts.into_iter().map(|(_, server, name)| (server, name)).collect()
}

/// The folders in a folder, each with the name that it stands for.
fn folders(folder: &Path) -> Vec<(String, std::path::PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let named =
        entries.filter_map(|entry| Some((state_directory::name_of_file(entry.file_name().to_str()?)?, entry.path())));
    named.take(SERVERS_MAX).collect()
}

fn is_loopback(address: &HostPort) -> bool {
    let (host, _) = address.pair();
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn link_to(address: &HostPort) -> String {
    JoinLink { address: address.clone(), room: None, key: None }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Username {
        Username::new(text).expect("a name")
    }

    fn addresses(state: &Path) -> Vec<String> {
        load_from(state).into_iter().map(|server| server.addr).collect()
    }

    #[test]
    fn the_last_used_server_is_the_first() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path().join("switchboard");
        assert_eq!(load_from(&state), []);
        let key = "1".repeat(43);
        remember_in(&state, "127.0.0.1:12345", &name("Noy")).expect("a new file");
        remember_in(&state, &format!("switchboard://h:1/#lab?key={key}"), &name("Elias")).expect("a second line");
        remember_in(&state, "a:2", &name("Noy")).expect("a third line");
        assert_eq!(addresses(&state), ["a:2", "switchboard://h:1/", "127.0.0.1:12345"]);
        remember_in(&state, "127.0.0.1:12345", &name("Ada")).expect("a new name");
        let first = KnownServer { addr: "127.0.0.1:12345".to_owned(), name: Some(name("Ada")) };
        assert_eq!(load_from(&state)[0], first);
        assert_eq!(load_from(&state).len(), 3);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(state.join("servers")).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        for n in 0..2 * SERVERS_MAX {
            remember_in(&state, &format!("h{n}:1"), &name("Noy")).expect("room on the disk");
        }
        assert_eq!(load_from(&state).len(), SERVERS_MAX);
    }

    #[test]
    fn accounts_and_known_keys_are_servers_and_only_loopback_is_plain() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path();
        for server in ["127%2e0%2e0%2e1%3a12345", "chat%2eexample%3a1", "not an address"] {
            fs::create_dir_all(state.join("accounts").join(server).join("noy").join("main")).expect("a directory");
        }
        let key = "1".repeat(43);
        fs::write(state.join("known-servers"), format!("k:1 {key}\nl:1 {key}\n\u{1b}\n")).expect("a file");
        let mut servers = addresses(state);
        // Both accounts were created in one moment.
        servers[..2].sort();
        let expected = ["127.0.0.1:12345", "switchboard://chat.example:1/", "switchboard://l:1/", "switchboard://k:1/"];
        assert_eq!(servers, expected);
        assert_eq!(load_from(state)[0].name, Some(name("noy")));
    }

    #[test]
    fn damaged_lines_are_left_out() {
        let directory = tempfile::tempdir().expect("a directory");
        let text = b"a:1 Noy\n\xff\xfe Noy\nnoport Noy\nb:1 No y\nb:1\n\nc:1 Elias";
        fs::write(directory.path().join("servers"), text).expect("a file");
        assert_eq!(addresses(directory.path()), ["a:1", "c:1"]);
    }
}
