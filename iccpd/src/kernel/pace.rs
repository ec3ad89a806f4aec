//! How often bonds are read, for the kernel does not announce every change of LACP's state.

use std::time::Duration;
use tokio::time::Instant;

/// How often bonds are read while LACP is busy.
const FAST_POLL: Duration = Duration::from_millis(150);
/// How long LACP may be busy before that is taken for its normal state.
const FAST_POLL_FOR: Duration = Duration::from_secs(30);
/// How often bonds are read otherwise.
const CALM: Duration = Duration::from_secs(2);

/// When bonds are read next.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    due: Instant,
    /// Since when LACP is busy.
    busy_since: Option<Instant>,
}

impl Pace {
    /// All of them were read at this time.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            due: now + CALM,
            busy_since: None,
        }
    }

    /// When they are read next.
    #[must_use]
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// They are read now, while LACP is busy or not.
    pub fn read(&mut self, is_busy: bool, now: Instant) {
        self.due = now + self.pause(is_busy, now);
    }

    /// Interfaces changed: LACP may have begun something.
    pub fn changed(&mut self, is_busy: bool, now: Instant) {
        self.busy_since = None;
        self.due = self.due.min(now + self.pause(is_busy, now));
    }

    fn pause(&mut self, is_busy: bool, now: Instant) -> Duration {
        if !is_busy {
            self.busy_since = None;
            return CALM;
        }
        let since = *self.busy_since.get_or_insert(now);
        if now - since < FAST_POLL_FOR {
            FAST_POLL
        } else {
            CALM
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bonds_are_read_often_while_lacp_is_busy_and_for_half_a_minute_at_most() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut pace = Pace::new(start);
        assert_eq!(pace.due(), at(2_000));
        // When, whether interfaces changed, whether LACP is busy, when they are read next.
        for (now, has_changed, is_busy, due) in [
            (500, true, false, 2_000),
            (2_000, false, false, 4_000),
            (3_000, true, true, 3_150),
            (3_150, false, true, 3_300),
            (32_999, false, true, 33_149),
            (33_149, false, true, 35_149),
            (35_000, true, true, 35_149),
            (35_149, false, true, 35_299),
            (35_299, false, false, 37_299),
        ] {
            match has_changed {
                true => pace.changed(is_busy, at(now)),
                false => pace.read(is_busy, at(now)),
            }
            assert_eq!(pace.due(), at(due), "at {now} ms");
        }
    }
}
