//! When the filter is compared with what was put there.
//!
//! As soon as rules change, for until a lost filter is back frames pass that must not; and all the same now
//! and then, for a report may be lost. Who changes other rules all the time does not have us look all the
//! time.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How often the filter is looked at although nobody said that it changed.
const PERIOD: Duration = Duration::from_secs(5);

/// Least time between two looks.
const GAP: Duration = Duration::from_millis(5);

/// The same while looks find nothing changed: other tables are not ours, and their changes are reported, too.
const GAP_IN_VAIN: Duration = Duration::from_millis(50);

/// Looks in a row that find nothing changed, behind which the next one waits longer. A script that loads a
/// set of rules makes some transactions.
const IN_VAIN: u32 = 8;

/// After this time without a report the next one is followed at once again.
const QUIET: Duration = Duration::from_millis(500);

/// When to look.
#[derive(Debug)]
pub(super) struct Checks {
    due: Interval,
    looked: Instant,
    reported: Instant,
    /// Looks in a row that found nothing changed, since rules were quiet.
    in_vain: u32,
}

impl Checks {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let mut due = interval_at(now + PERIOD, PERIOD);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            due,
            looked: now,
            reported: now,
            in_vain: 0,
        }
    }

    /// Until it is time to look. Dropping the future loses nothing.
    pub(super) async fn due(&mut self) {
        self.due.tick().await;
    }

    /// Rules changed, perhaps not ours.
    pub(super) fn rules_changed(&mut self) {
        let now = Instant::now();
        if now - self.reported >= QUIET {
            self.in_vain = 0;
        }
        self.reported = now;
        let gap = match self.in_vain < IN_VAIN {
            true => GAP,
            false => GAP_IN_VAIN,
        };
        self.due.reset_at((self.looked + gap).max(now));
    }

    /// The filter was looked at, and was found changed or not.
    pub(super) fn looked(&mut self, is_changed: bool) {
        self.looked = Instant::now();
        self.in_vain = match is_changed {
            true => 0,
            false => self.in_vain.saturating_add(1),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{sleep_until, timeout_at};

    /// Times of the looks, while rules change each millisecond of this time.
    async fn looks(checks: &mut Checks, time: Duration, is_changed: bool) -> Vec<Duration> {
        let begin = Instant::now();
        let mut looks = Vec::new();
        for milli in 0..time.as_millis() {
            let until = begin + Duration::from_millis(u64::try_from(milli).unwrap() + 1);
            checks.rules_changed();
            while timeout_at(until, checks.due()).await.is_ok() {
                looks.push(begin.elapsed());
                checks.looked(is_changed);
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
            checks.looked(false);
            assert_eq!(begin.elapsed(), looks * PERIOD);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_quiet_changed_rules_are_looked_at_at_once() {
        let mut checks = Checks::new();
        checks.due().await;
        checks.looked(false);
        sleep_until(Instant::now() + GAP).await;
        let begin = Instant::now();
        checks.rules_changed();
        checks.due().await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
        checks.looked(false);
        checks.rules_changed();
        checks.due().await;
        assert_eq!(begin.elapsed(), GAP);
    }

    /// Input: somebody changes other rules each millisecond for a second, is quiet, and begins again.
    /// Output: the first changes are followed within 5 ms each time, the others within 50 ms.
    #[tokio::test(start_paused = true)]
    async fn rules_that_change_all_the_time_are_looked_at_now_and_then() {
        let mut checks = Checks::new();
        for _ in 0..2 {
            sleep_until(Instant::now() + QUIET).await;
            let looks = looks(&mut checks, Duration::from_secs(1), false).await;
            let gaps: Vec<Duration> = looks.windows(2).map(|two| two[1] - two[0]).collect();
            assert_eq!(looks[0], Duration::ZERO);
            let (at_once, later) = gaps.split_at(7);
            assert_eq!(at_once, [GAP; 7]);
            assert!(later.iter().all(|gap| *gap == GAP_IN_VAIN), "{gaps:?}");
            assert!((20..=28).contains(&looks.len()), "{looks:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_filter_that_somebody_takes_away_again_and_again_is_looked_at_at_once() {
        let mut checks = Checks::new();
        let looks = looks(&mut checks, Duration::from_secs(1), true).await;
        assert!(looks.len() >= 190, "{looks:?}");
    }
}
