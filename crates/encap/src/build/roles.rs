//! Who serves: which of two apps opens a connection, and which is there already.
//!
//! The first of these that tells:
//!
//! 1. whoever is named as a server;
//! 2. ports: that of the protocol, else the lower one, where only that is one that servers have;
//! 3. a message that answers, where clients speak first: who sends it serves, even if it comes before any question;
//! 4. in protocols whose servers pass on what others said (CHAT, IRC, MQTT), who serves an earlier pair: a chat server
//!    that tells somebody of a message does not connect to them;
//! 5. whom the first row of the pair is for.
//!
//! Where servers ask other servers (a proxy, a mail relay), the fourth would be wrong, and is not asked. Names tell nothing.

use std::collections::HashSet;

use super::matcher::FlowMatch;
use super::port;
use crate::rows::{App, AppProtocol, RowRef};

/// What rows tell of who serves one flow.
#[derive(Debug)]
pub(crate) struct Clues {
    pub(crate) protocol: AppProtocol,
    /// Whom the first row was for.
    first_receiver: usize,
    /// Who was the first to send what answers.
    responder: Option<usize>,
}

impl Clues {
    /// Of a flow whose first row this is. That row is yet to be seen.
    pub(crate) fn new(row: &RowRef<'_>, place: &FlowMatch) -> Self {
        Self { protocol: row.protocol.clone(), first_receiver: 1 - place.sender, responder: None }
    }

    /// Takes account of a row.
    #[inline]
    pub(crate) fn see(&mut self, row: &RowRef<'_>, place: &FlowMatch) {
        if self.responder.is_none() && row.protocol.is_response(row.message, row.source_port, row.destination_port) {
            self.responder = Some(place.sender);
        }
    }
}

/// Who serves, flow by flow, in the order in which they begin.
#[derive(Debug, Default)]
pub(crate) struct Roles {
    /// Those that are named as servers.
    named: HashSet<App>,
    /// Those that serve an earlier pair, and what.
    serving: HashSet<(App, AppProtocol)>,
}

impl Roles {
    pub(crate) fn new(named: Vec<App>) -> Self {
        Self { named: named.into_iter().collect(), serving: HashSet::new() }
    }

    /// Which of the two apps of the next flow serves.
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

/// The index of that which is true alone.
const fn only(which: [bool; 2]) -> Option<usize> {
    match which {
        [true, false] => Some(0),
        [false, true] => Some(1),
        _ => None,
    }
}
