//! A planned end: the operator names the time, people hear of it, and then the server stops as after a signal.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The planned end of a server, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    end: watch::Sender<Option<Instant>>,
}

impl Drain {
    /// Plans the end, or takes the plan back. Returns the earlier plan.
    pub(crate) fn plan(&self, end: Option<Instant>) -> Option<Instant> {
        self.end.send_replace(end)
    }

    /// The time until the planned end. `None` if no end is planned.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let end = *self.end.borrow();
        end.map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// Waits until the planned end.
    pub(crate) async fn due(&self) {
        let mut plans = self.end.subscribe();
        loop {
            let end = *plans.borrow_and_update();
            let until_end = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = until_end => return,
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
        let drain = Drain::default();
        let after = |seconds| Some(Instant::now() + Duration::from_secs(seconds));
        let (first, second) = (after(10), after(20));
        let hour = Duration::from_hours(1);
        let change_plans = async {
            assert_eq!(drain.plan(first), None);
            assert_eq!(drain.remaining(), Some(Duration::from_secs(10)));
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(drain.plan(None), first);
            assert_eq!(drain.remaining(), None);
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(drain.plan(second), None);
        };
        let start = Instant::now();
        let ((), due) = tokio::join!(change_plans, timeout(hour, drain.due()));
        due.expect("the end comes");
        assert_eq!(start.elapsed(), Duration::from_secs(20));
        drain.plan(None);
        timeout(hour, drain.due()).await.expect_err("no end is planned");
    }
}
