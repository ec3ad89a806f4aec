//! When the filter is compared with what was put there.
//!
//! As soon as rules change, for until a lost filter is back frames pass that must not; and all the same now
//! and then, for a report may be lost.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How often the filter is looked at although nobody said that it changed.
const PERIOD: Duration = Duration::from_secs(5);

/// Time between two looks, however often rules change: other tables are not ours, and their changes are
/// reported, too.
const GAP: Duration = Duration::from_millis(5);

/// When to look.
#[derive(Debug)]
pub(super) struct Checks {
    due: Interval,
    looked: Instant,
}

impl Checks {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let mut due = interval_at(now + PERIOD, PERIOD);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { due, looked: now }
    }

    /// Until it is time to look. Dropping the future loses nothing.
    pub(super) async fn due(&mut self) {
        self.due.tick().await;
    }

    /// Rules changed, perhaps not ours.
    pub(super) fn rules_changed(&mut self) {
        self.due.reset_at((self.looked + GAP).max(Instant::now()));
    }

    /// The filter is looked at now.
    pub(super) fn looks(&mut self) {
        self.looked = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{sleep_until, timeout_at};

    /// Times of the looks, while rules change each millisecond of this time.
    async fn looks(checks: &mut Checks, time: Duration) -> Vec<Duration> {
        let begin = Instant::now();
        let mut looks = Vec::new();
        for milli in 0..time.as_millis() {
            let until = begin + Duration::from_millis(u64::try_from(milli).unwrap() + 1);
            checks.rules_changed();
            while timeout_at(until, checks.due()).await.is_ok() {
                looks.push(begin.elapsed());
                checks.looks();
            }
            sleep_until(until).await;
        }
        looks
    }

    #[tokio::test(start_paused = true)]
    async fn a_filter_of_which_nobody_speaks_is_looked_at_every_5_s() {
        let mut checks = Checks::new();
        let begin = Instant::now();
        for looks in 1..=3 {
            checks.due().await;
            checks.looks();
            assert_eq!(begin.elapsed(), looks * PERIOD);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_quiet_changed_rules_are_looked_at_at_once() {
        let mut checks = Checks::new();
        checks.due().await;
        checks.looks();
        sleep_until(Instant::now() + GAP).await;
        let begin = Instant::now();
        checks.rules_changed();
        checks.due().await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
        checks.looks();
        checks.rules_changed();
        checks.due().await;
        assert_eq!(begin.elapsed(), GAP);
    }

    #[tokio::test(start_paused = true)]
    async fn rules_that_change_all_the_time_are_looked_at_now_and_then() {
        let looks = looks(&mut Checks::new(), Duration::from_secs(1)).await;
        assert!((150..=200).contains(&looks.len()), "{looks:?}");
    }
}
