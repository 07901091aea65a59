//! The rows of the start screen: known servers, this machine, servers of the network, and the typed address.

use std::collections::HashSet;

use switchboard_client::{HostPort, JoinLink};
use switchboard_protocol::{Dialect, Username, sanitize};

use super::StartScreen;
use crate::program::address;

/// The default address of a server on this machine.
pub(crate) const THIS_MACHINE: &str = "127.0.0.1:12345";

/// A row of the list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Row {
    pub(crate) kind: RowKind,
    /// Sanitized.
    pub(crate) title: String,
    /// `HOST:PORT`, sanitized.
    pub(crate) address: String,
    /// The last name of the user there.
    pub(crate) name: Option<String>,
    pub(crate) has_tls: bool,
    pub(crate) is_selected: bool,
}

/// The origin of a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RowKind {
    /// The default port of this machine. `answers`: `None` until it was tried.
    ThisMachine { answers: Option<bool> },
    /// The user has used the server before.
    Known,
    /// The server announces itself on the local network.
    Found,
    /// The user types the address.
    Typed,
}

/// A row, and where it leads.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: RowKind,
    /// `HOST:PORT`, or a link.
    pub(super) addr: String,
    pub(super) title: String,
    pub(super) name: Option<Username>,
}

impl Entry {
    pub(super) fn row(self, selected: Option<&str>) -> Row {
        Row {
            kind: self.kind,
            title: self.title,
            address: sanitize(&address::host_port(&self.addr)).into_owned(),
            name: self.name.map(|name| name.as_str().to_owned()),
            has_tls: JoinLink::is_link(&self.addr),
            is_selected: selected == Some(&*self.addr),
        }
    }

    fn matches(&self, filter: &str) -> bool {
        let name = self.name.as_ref().map_or("", Username::as_str);
        [&self.title, &self.addr, name].iter().any(|text| text.to_lowercase().contains(filter))
    }
}

impl StartScreen {
    /// The entries that match the input, from the top.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let name_at =
            |addr: &str| self.known.iter().find(|known| known.addr == addr).and_then(|known| known.name.clone());
        let this_machine = Entry {
            kind: RowKind::ThisMachine { answers: self.this_machine_answers },
            addr: THIS_MACHINE.to_owned(),
            title: "This machine".to_owned(),
            name: name_at(THIS_MACHINE),
        };
        let known = self.known.iter().map(|server| Entry {
            kind: RowKind::Known,
            title: sanitize(&address::host_port(&server.addr)).into_owned(),
            addr: server.addr.clone(),
            name: server.name.clone(),
        });
        let mut found: Vec<_> = self.found.iter().collect();
        found.sort_by(|one, other| (&one.name, &one.addr).cmp(&(&other.name, &other.addr)));
        // Nobody on the network says how a known server is reached.
        let is_known = |addr: &str| {
            let host_port = address::host_port(addr);
            self.known.iter().any(|known| address::host_port(&known.addr) == host_port)
        };
        let found = found.into_iter().filter(|server| !is_known(&server.addr)).map(|server| Entry {
            kind: RowKind::Found,
            title: server.name.clone(),
            addr: server.addr.clone(),
            name: None,
        });
        let (first, last) = match self.this_machine_answers {
            Some(true) => (Some(this_machine), None),
            // Nothing answers there, or nobody knows yet.
            _ => (None, Some(this_machine)),
        };
        let mut listed = HashSet::new();
        let mut entries: Vec<_> = first.into_iter().chain(known).chain(found).chain(last).collect();
        entries.retain(|entry| listed.insert(entry.addr.clone()));

        let input = self.server_input.trim();
        let filter = input.to_lowercase();
        entries.retain(|entry| entry.matches(&filter));
        if let Some(typed) = typed(input) {
            let host_port = address::host_port(&typed.addr);
            // A typed `HOST:PORT` means the server of the list with this address, which may have TLS.
            let is_same = |entry: &Entry| {
                entry.addr == typed.addr || !JoinLink::is_link(input) && address::host_port(&entry.addr) == host_port
            };
            let entry = entries.iter().position(is_same).map(|at| entries.remove(at));
            // A part of the address of another server may match, too.
            let at = if entry.is_some() || is_complete(input) { 0 } else { entries.len() };
            entries.insert(at, entry.unwrap_or(typed));
        }
        entries
    }
}

/// The row of a typed address. `None` if the input is none.
fn typed(input: &str) -> Option<Entry> {
    let addr = match input.parse::<JoinLink>() {
        Ok(link) => link.to_string(),
        Err(_) if JoinLink::is_link(input) => return None,
        Err(_) => HostPort::parse_or_default_port(input, Dialect::Commands.port()).ok()?.to_string(),
    };
    let title = sanitize(&address::host_port(&addr)).into_owned();
    Some(Entry { kind: RowKind::Typed, addr, title, name: None })
}

/// Whether the input is an address for certain, and not the start of a name.
fn is_complete(input: &str) -> bool {
    input.contains(':') || input.parse::<std::net::IpAddr>().is_ok()
}

/// Why the input is neither a server of the list nor an address. `None` if there is no input.
pub(super) fn address_problem(input: &str) -> Option<String> {
    let input = input.trim();
    let problem = if input.is_empty() {
        return None;
    } else if JoinLink::is_link(input) {
        input.parse::<JoinLink>().err()?.to_string()
    } else if input.contains("://") {
        "write HOST:PORT, or a link that begins with switchboard://".to_owned()
    } else {
        HostPort::parse_or_default_port(input, Dialect::Commands.port()).err()?.to_string()
    };
    Some(sanitize(&problem).into_owned())
}
