//! Decides which of two apps is the server. The other one opens the connection.
//!
//! The first clue decides:
//!
//! 1. an app that is named as a server;
//! 2. the port of the protocol, else the lower port if only that one is a port of servers;
//! 3. a response, in protocols whose clients speak first: its sender is the server, even without a request before it;
//! 4. in protocols whose servers forward messages (CHAT, IRC, MQTT), an app that is the server of an earlier pair: a
//!    chat server does not connect to the receivers of its messages;
//! 5. the receiver of the first row.
//!
//! The fourth clue does not apply to other protocols, whose servers may be clients of other servers (a proxy, a mail
//! relay). The names of apps are no clue.

use std::collections::HashSet;

use super::matcher::FlowMatch;
use super::port;
use crate::rows::{App, AppProtocol, RowRef};

/// The clues in the rows of one flow.
#[derive(Debug)]
pub(crate) struct Clues {
    pub(crate) protocol: AppProtocol,
    /// The index of the first row's receiver.
    first_receiver: usize,
    /// The index of the app that sent the first response.
    responder: Option<usize>,
}

impl Clues {
    /// No clues of a flow but its first receiver. The first row is then passed to [`see`](Self::see), too.
    pub(crate) fn new(row: &RowRef<'_>, matched: FlowMatch) -> Self {
        Self { protocol: row.protocol.clone(), first_receiver: 1 - matched.sender, responder: None }
    }

    /// Adds the clues of a row.
    pub(crate) fn see(&mut self, row: &RowRef<'_>, matched: FlowMatch) {
        if self.responder.is_none() && row.protocol.is_response(row.message, row.source_port, row.destination_port) {
            self.responder = Some(matched.sender);
        }
    }
}

/// Decides the servers of flows in the order of their first rows.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    /// Apps named as servers.
    named: HashSet<App>,
    /// The servers of earlier pairs with their protocols.
    serving: HashSet<(App, AppProtocol)>,
}

impl Roles {
    pub(crate) fn new(named: Vec<App>) -> Self {
        Self { named: named.into_iter().collect(), serving: HashSet::new() }
    }

    /// The index of the server of the next flow.
    pub(crate) fn server(&mut self, clues: &Clues, apps: [&App; 2], ports: [Option<u16>; 2]) -> usize {
        let named = only(apps.map(|app| self.named.contains(app)));
        let is_serving = |app: &App| self.serving.contains(&(app.clone(), clues.protocol.clone()));
        let earlier = || only(apps.map(is_serving)).filter(|_| clues.protocol.forwards_messages());
        let server = named
            .or_else(|| port::server(&clues.protocol, ports))
            .or(clues.responder)
            .or_else(earlier)
            .unwrap_or(clues.first_receiver);
        self.serving.insert((apps[server].clone(), clues.protocol.clone()));
        server
    }
}

/// The index of the only true value.
const fn only(which: [bool; 2]) -> Option<usize> {
    match which {
        [true, false] => Some(0),
        [false, true] => Some(1),
        _ => None,
    }
}
