//! A pass over all sessions, in batches. Other tasks have their turns in between.

use switchboard_core::SessionId;

use crate::hub::Hub;

/// Number of sessions in a batch: tens of microseconds of work.
const BATCH_SESSIONS: usize = 64;

/// Number of sessions that a pass lists at a time. A list of all sessions would cost each session eight bytes. But each
/// list takes the lock of the hub, and looks at all sessions before its own.
const LISTED_SESSIONS: usize = 1024;

/// Calls `visit` for each session that is open during the whole pass.
pub(crate) async fn visit_sessions(hub: &Hub, mut visit: impl FnMut(SessionId)) {
    let mut last = None;
    loop {
        let ids = hub.sessions_after(last, LISTED_SESSIONS);
        let Some(&last_listed) = ids.last() else { return };
        last = Some(last_listed);
        for batch in ids.chunks(BATCH_SESSIONS) {
            batch.iter().copied().for_each(&mut visit);
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use switchboard_protocol::Dialect;
    use tokio::time::Instant;

    use super::*;
    use crate::settings::Settings;

    #[tokio::test]
    async fn each_session_is_visited_once() {
        for sessions in [0, 1, BATCH_SESSIONS, LISTED_SESSIONS, LISTED_SESSIONS + 1, 3000] {
            let hub = Hub::new(Settings { max_sessions: 3000, ..Settings::default() });
            let admit = || hub.admit(Dialect::Commands, tokio::io::empty(), Instant::now()).0;
            let admitted: Vec<_> = (0..sessions).map(|_| admit()).collect();
            let mut visited = Vec::new();
            visit_sessions(&hub, |id| visited.push(id)).await;
            assert_eq!(visited, admitted);
        }
    }
}
