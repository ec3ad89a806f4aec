//! The timer table of a domain.

use crate::Time;

/// Everything a domain waits for, apart from the acknowledgements of single ports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(usize)]
pub enum Timer {
    /// The peer may be dialled again.
    Retry,
    /// The next keepalive is due.
    Keepalive,
    /// The peer has been silent for too long.
    Session,
    /// The two have been connected for long enough to be in step.
    InStep,
    /// What the peer said in a session that is gone is no longer worth keeping.
    RestartHold,
    /// A legacy peer, which marks no end, has had time to send its addresses.
    LegacySync,
    /// Operations that `syncd` refused are tried again.
    Repair,
    /// The peer announced a warm reboot and did not begin it: that no longer counts.
    PeerWarm,
}

const TIMERS: [Timer; 8] = [
    Timer::Retry,
    Timer::Keepalive,
    Timer::Session,
    Timer::InStep,
    Timer::RestartHold,
    Timer::LegacySync,
    Timer::Repair,
    Timer::PeerWarm,
];

/// When each timer fires.
#[derive(Clone, Debug, Default)]
pub struct Timers([Option<Time>; TIMERS.len()]);

impl Timers {
    /// Fire at `at`, and not when it was to fire before.
    pub fn set(&mut self, timer: Timer, at: Time) {
        self.0[timer as usize] = Some(at);
    }

    /// Do not fire.
    pub fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    /// True while the timer is set.
    #[must_use]
    pub fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize].is_some()
    }

    /// Stop the timer and return true if it was due.
    pub fn take_expired(&mut self, timer: Timer, now: Time) -> bool {
        let slot = &mut self.0[timer as usize];
        let due = slot.is_some_and(|at| at <= now);
        if due {
            *slot = None;
        }
        due
    }

    /// When the next one fires.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        self.0.iter().flatten().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_expired_timer_fires_once() {
        let mut timers = Timers::default();
        let at = Time::ZERO + Duration::from_secs(1);
        timers.set(Timer::Retry, at);
        assert_eq!(timers.next(), Some(at));
        assert!(!timers.take_expired(Timer::Retry, Time::ZERO));
        assert!(timers.take_expired(Timer::Retry, at));
        assert!(!timers.take_expired(Timer::Retry, at));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn every_timer_has_its_own_slot() {
        for (slot, timer) in TIMERS.into_iter().enumerate() {
            assert_eq!(timer as usize, slot);
        }
    }
}
