//! Watches the readers: closes those that acknowledge nothing for too long.
//!
//! One task asks the system about the sockets that were written or still hold bytes. So neither a write nor an idle
//! session pays for the watch, and a reader is watched also after the kernel has taken all its bytes.
//!
//! | peer, for a time without a newly acknowledged byte | end |
//! |---|---|
//! | its window is closed, and it answers the kernel's probes | slow consumer, after `zero_window_timeout` |
//! | its window is open, and the outbox still has bytes | slow consumer, after `outbox_timeout` |
//! | it answers nothing | reset, after `user_timeout` |
//!
//! Linux cuts a connection whose window stays closed for the user timeout, although the peer answers (tcp(7),
//! `TCP_USER_TIMEOUT`). So the watch turns this timeout off while a window is closed, and measures the peer's silence
//! itself.

use std::collections::HashMap;
use std::time::Duration;

use switchboard_core::{CloseReason, SessionId};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::hub::Hub;
use crate::session_pass::visit_sessions;
use crate::settings::Settings;
use crate::tcp_info::{self, SendState};

/// Minimum time between two passes over the sessions: short timeouts must not keep a processor busy.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

/// A reader whose bytes are not all acknowledged.
#[derive(Clone, Copy, Debug)]
struct Stall {
    acked_bytes: u64,
    /// The time at which the last progress was seen.
    since: Instant,
    /// The last pass that saw a closed window or progress. The limit for an open window counts from here, because a
    /// reader that has just opened its window needs time to acknowledge.
    closed_or_progress_at: Instant,
    /// The first of the latest passes that all found the peer silent.
    silent_since: Option<Instant>,
    /// Whether the socket's user timeout is on, as the settings say.
    has_user_timeout: bool,
}

/// Watches all sessions of `hub`. Never returns.
pub(crate) async fn watch_readers(hub: &Hub) {
    if !tcp_info::IS_AVAILABLE {
        return std::future::pending().await;
    }
    let mut ticks = interval(pass_interval(&hub.settings));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stalls = HashMap::new();
    loop {
        ticks.tick().await;
        let mut former = std::mem::take(&mut stalls);
        visit_sessions(hub, |id| {
            if let Some(stall) = watch(hub, id, former.remove(&id)) {
                stalls.insert(id, stall);
            }
        })
        .await;
    }
}

/// Time between two passes. Several passes must fit into each timeout.
fn pass_interval(settings: &Settings) -> Duration {
    let shortest = settings.outbox_timeout.min(settings.zero_window_timeout).min(settings.user_timeout);
    (shortest / 4).max(INTERVAL_MIN)
}

/// Asks about one session, and acts. Returns the stall, if the reader has not acknowledged all bytes.
fn watch(hub: &Hub, id: SessionId, former: Option<Stall>) -> Option<Stall> {
    let settings = &hub.settings;
    let outbox = hub.outbox(id)?;
    let state = outbox.send_state(former.is_some()).filter(|state| state.has_unacked_bytes);
    let Some(state) = state else {
        if former.is_some_and(|stall| !stall.has_user_timeout) {
            outbox.set_user_timeout(Some(settings.user_timeout));
        }
        return None;
    };
    let mut stall = Stall::next(former, &state, Instant::now(), pass_interval(settings));
    if let Some(reason) = stall.verdict(&state, Instant::now(), outbox.has_unsent_bytes(), settings) {
        hub.end(id, reason);
        return None;
    }
    if state.is_window_closed && stall.has_user_timeout {
        outbox.set_user_timeout(None);
        stall.has_user_timeout = false;
    }
    Some(stall)
}

impl Stall {
    /// The stall after a pass at `now` has found `state`.
    fn next(former: Option<Self>, state: &SendState, now: Instant, interval: Duration) -> Self {
        let new = Self {
            acked_bytes: state.acked_bytes,
            since: now,
            closed_or_progress_at: now,
            silent_since: None,
            has_user_timeout: former.is_none_or(|stall| stall.has_user_timeout),
        };
        let mut stall = former.filter(|stall| stall.acked_bytes == state.acked_bytes).unwrap_or(new);
        if state.is_window_closed {
            stall.closed_or_progress_at = now;
        }
        // Linux answers at most two probes a second, so one missing answer means nothing.
        let is_silent = !state.is_answered && state.silence >= interval;
        stall.silent_since = is_silent.then(|| stall.silent_since.unwrap_or(now));
        stall
    }

    /// Why the session ends, if it does.
    fn verdict(
        &self,
        state: &SendState,
        now: Instant,
        has_unsent_bytes: bool,
        settings: &Settings,
    ) -> Option<CloseReason> {
        let is_too_slow = if state.is_window_closed {
            now - self.since >= settings.zero_window_timeout
        } else {
            has_unsent_bytes && now - self.closed_or_progress_at >= settings.outbox_timeout
        };
        if is_too_slow {
            return Some(CloseReason::SlowConsumer);
        }
        let is_dead = self.silent_since.is_some_and(|since| now - since >= settings.user_timeout);
        is_dead.then_some(CloseReason::Reset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state in which nothing is acknowledged.
    fn state(is_window_closed: bool, is_answered: bool) -> SendState {
        let silence = if is_answered { Duration::ZERO } else { Duration::from_hours(1) };
        SendState { acked_bytes: 0, has_unacked_bytes: true, is_window_closed, is_answered, silence }
    }

    /// The seconds after which a session ends and the reason, if a pass each second finds the state that `state_at`
    /// returns for it. The passes end after 1,000 seconds.
    fn end(has_unsent_bytes: bool, state_at: impl Fn(u64) -> SendState) -> Option<(u64, CloseReason)> {
        let settings = Settings::default();
        let start = Instant::now();
        let mut former = None;
        (0..1000).find_map(|second| {
            let (state, now) = (state_at(second), start + Duration::from_secs(second));
            let stall = Stall::next(former, &state, now, Duration::from_secs(1));
            former = Some(stall);
            stall.verdict(&state, now, has_unsent_bytes, &settings).map(|reason| (second, reason))
        })
    }

    #[tokio::test(start_paused = true)]
    async fn end_depends_on_window_answers_and_progress() {
        let (closed, open) = (true, false);
        for has_unsent_bytes in [true, false] {
            let end = |state_at: &dyn Fn(u64) -> SendState| end(has_unsent_bytes, state_at);
            let slow_consumer = |second| Some((second, CloseReason::SlowConsumer));
            assert_eq!(end(&|_| state(closed, true)), slow_consumer(600), "stopped");
            assert_eq!(end(&|_| state(closed, false)), Some((60, CloseReason::Reset)), "dead");
            assert_eq!(
                end(&|second| state(closed, second < 300)),
                Some((360, CloseReason::Reset)),
                "stopped, then dead"
            );
            assert_eq!(end(&|second| state(closed, second % 50 > 0)), slow_consumer(600), "some answers are missing");
            let acked = |bytes, state| SendState { acked_bytes: bytes, ..state };
            assert_eq!(end(&|second| acked(second / 500, state(closed, true))), None, "slow");
            assert_eq!(end(&|second| acked(second / 20, state(open, true))), None, "slow, with an open window");
            // The window opens at second 500, and the acknowledgement arrives at second 510.
            let reopened = |second| acked(u64::from(second >= 510), state(second < 500, true));
            assert_eq!(
                end(&|second| if second < 530 { reopened(second) } else { acked(second, reopened(second)) }),
                None
            );
        }
        assert_eq!(
            end(true, |_| state(open, true)),
            Some((30, CloseReason::SlowConsumer)),
            "open window, unsent bytes"
        );
        assert_eq!(end(false, |_| state(open, true)), None, "open window, all bytes in the kernel");
    }
}
