//! A planned stop: the operator names the time, people hear of it, and then the server stops as after a signal.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The time at which a server stops, if the operator has planned one.
#[derive(Debug, Default)]
pub(crate) struct PlannedStop {
    at: watch::Sender<Option<Instant>>,
}

impl PlannedStop {
    /// Plans the stop, or takes the plan back. Returns the earlier plan.
    pub(crate) fn plan(&self, at: Option<Instant>) -> Option<Instant> {
        self.at.send_replace(at)
    }

    /// The time until the planned stop. `None` if none is planned.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let at = *self.at.borrow();
        at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Waits until the planned stop.
    pub(crate) async fn due(&self) {
        let mut plans = self.at.subscribe();
        loop {
            let at = *plans.borrow_and_update();
            let until_then = async {
                match at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = until_then => return,
                // The sender lives as long as `self`.
                _ = plans.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_plan_counts() {
        let planned_stop = PlannedStop::default();
        let after = |seconds| Some(Instant::now() + Duration::from_secs(seconds));
        let (first, second) = (after(10), after(20));
        let hour = Duration::from_hours(1);
        let change_plans = async {
            assert_eq!(planned_stop.plan(first), None);
            assert_eq!(planned_stop.remaining(), Some(Duration::from_secs(10)));
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(planned_stop.plan(None), first);
            assert_eq!(planned_stop.remaining(), None);
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(planned_stop.plan(second), None);
        };
        let start = Instant::now();
        let ((), due) = tokio::join!(change_plans, timeout(hour, planned_stop.due()));
        due.expect("the end comes");
        assert_eq!(start.elapsed(), Duration::from_secs(20));
        planned_stop.plan(None);
        timeout(hour, planned_stop.due()).await.expect_err("no end is planned");
    }
}
