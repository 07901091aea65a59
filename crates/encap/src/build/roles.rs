//! Decides which of two apps is the server. The other app is the client and opens the connection.
//!
//! The first of these clues that a flow has decides:
//!
//! 1. an app that is named as a server;
//! 2. the ports: only one app has the default port of the protocol, or only one has a port that servers use;
//! 3. a response, in protocols whose clients speak first: its sender is the server, even if no request came before;
//! 4. in protocols whose servers forward messages (CHAT, IRC, MQTT), an app that is the server of an earlier flow: a
//!    chat server does not connect to the receivers of its messages;
//! 5. the receiver of the first row.
//!
//! The fourth clue does not apply to other protocols, whose servers may be clients of other servers (a proxy, a mail
//! relay). The names of the apps are not a clue.

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
    /// The clues of a flow that begins with `row`. The caller also passes this row to [`add_row`](Self::add_row).
    pub(crate) fn new(row: &RowRef<'_>, flow_match: FlowMatch) -> Self {
        Self { protocol: row.protocol.clone(), first_receiver: 1 - flow_match.sender, responder: None }
    }

    /// Adds the clues of a row.
    pub(crate) fn add_row(&mut self, row: &RowRef<'_>, flow_match: FlowMatch) {
        if self.responder.is_none() && row.protocol.is_response(row.message, row.source_port, row.destination_port) {
            self.responder = Some(flow_match.sender);
        }
    }
}

/// Decides the servers of flows in the order of their first rows.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    /// The apps that the user named as servers.
    named: HashSet<App>,
    /// The servers of earlier flows, with the protocols that they serve.
    serving: HashSet<(App, AppProtocol)>,
}

impl Roles {
    /// No decisions yet. `named` are the apps that the user named as servers.
    pub(crate) fn new(named: Vec<App>) -> Self {
        Self { named: named.into_iter().collect(), serving: HashSet::new() }
    }

    /// Decides the server of the next flow, and returns its index in `apps`. Remembers the decision for later flows.
    pub(crate) fn decide_server(&mut self, clues: &Clues, apps: [&App; 2], ports: [Option<u16>; 2]) -> usize {
        let by_name = index_of_only_true(apps.map(|app| self.named.contains(app)));
        let is_serving = |app: &App| self.serving.contains(&(app.clone(), clues.protocol.clone()));
        let by_earlier_flow =
            || index_of_only_true(apps.map(is_serving)).filter(|_| clues.protocol.forwards_messages());
        let server = by_name
            .or_else(|| port::server_by_ports(&clues.protocol, ports))
            .or(clues.responder)
            .or_else(by_earlier_flow)
            .unwrap_or(clues.first_receiver);
        self.serving.insert((apps[server].clone(), clues.protocol.clone()));
        server
    }
}

/// The index of the true value; `None` if none or both are true.
const fn index_of_only_true(values: [bool; 2]) -> Option<usize> {
    match values {
        [true, false] => Some(0),
        [false, true] => Some(1),
        _ => None,
    }
}
