//! `WIRE`: the figures of a session's connection. The core knows no sockets, so the shell adds what the system knows.

use switchboard_protocol::version2::{Reply, Words};

use super::REQUEST_WORK_MAX;
use crate::board::Switchboard;
use crate::effects::StoreEffects;
use crate::session::SessionId;

impl Switchboard {
    /// Takes the figures of a session's connection, and answers its `WIRE` with them. `figures`: words of the form
    /// `key=value`, separated by spaces.
    pub fn connection_described(&mut self, session: SessionId, figures: &str, effects: &mut impl StoreEffects) {
        let Some(state) = self.version2.sessions.get(&session) else { return };
        let values = format!("open={} waiting={} {figures}", state.open.len(), state.queued_outputs);
        self.send_now(session, &Reply::WireOk { values: Words::from_space_separated(values.trim_end()) }, effects);
        self.settle(REQUEST_WORK_MAX, effects);
    }
}
