//! The timer table of a domain: everything it waits for, in order of time.

use crate::Time;
use mclag_proto::IfName;
use std::collections::{BTreeMap, BTreeSet};

/// Everything a domain waits for. Of those that expire at once the first one here goes first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Timer {
    /// The peer may be dialled again.
    Retry,
    /// The next keepalive is due.
    Keepalive,
    /// The peer has been silent for too long.
    Session,
    /// The two have been connected for long enough to be synchronised.
    Synchronisation,
    /// The peer has had the time to name its ports since this chassis started.
    Start,
    /// What the peer advertised in a session that is gone is no longer worth keeping.
    RestartHold,
    /// A legacy peer, which marks no end, has had time to send its addresses.
    LegacySync,
    /// Operations that `syncd` refused are tried again.
    Repair,
    /// `syncd` has had the time to answer, or to come back.
    Dataplane,
    /// The peer announced a warm reboot and did not begin it: that no longer counts.
    PeerWarm,
    /// The peer's consent to a port that came back is no longer waited for.
    Consent(IfName),
    /// It is advertised again that a port is up while it does not acknowledge.
    Resend(IfName),
    /// A port has been down for long.
    LongOutage(IfName),
    /// Nobody has answered LACP on a port for long.
    Bypass(IfName),
}

/// When each timer fires.
#[derive(Clone, Debug, Default)]
pub struct Timers {
    at: BTreeMap<Timer, Time>,
    queue: BTreeSet<(Time, Timer)>,
}

impl Timers {
    /// Fire at `at`, and not when it was to fire before.
    pub fn set(&mut self, timer: Timer, at: Time) {
        if let Some(before) = self.at.insert(timer, at) {
            self.queue.remove(&(before, timer));
        }
        self.queue.insert((at, timer));
    }

    /// Do not fire.
    pub fn stop(&mut self, timer: Timer) {
        if let Some(at) = self.at.remove(&timer) {
            self.queue.remove(&(at, timer));
        }
    }

    /// True while the timer is set.
    #[must_use]
    pub fn is_set(&self, timer: Timer) -> bool {
        self.at.contains_key(&timer)
    }

    /// Stop the timer and return true if it was due.
    pub fn take_expired(&mut self, timer: Timer, now: Time) -> bool {
        let due = self.at.get(&timer).is_some_and(|at| *at <= now);
        if due {
            self.stop(timer);
        }
        due
    }

    /// The keepalive is due, and nothing else is.
    #[must_use]
    pub fn keepalive_alone(&self, now: Time) -> bool {
        let mut due = self.queue.iter().take_while(|(at, _)| *at <= now);
        let is_keepalive = |(_, timer): &(Time, Timer)| *timer == Timer::Keepalive;
        due.next().is_some_and(is_keepalive) && due.next().is_none()
    }

    /// Stop every timer of a port that is due, and return them in the order of [`Timer`].
    pub fn take_expired_of_ports(&mut self, now: Time) -> Vec<Timer> {
        let due = self.queue.iter().take_while(|(at, _)| *at <= now);
        let of_port = |timer: &Timer| timer.port().is_some();
        let mut due: Vec<Timer> = due.map(|(_, timer)| *timer).filter(of_port).collect();
        due.sort_unstable();
        for timer in &due {
            self.stop(*timer);
        }
        due
    }

    /// Stop everything that waits for a port.
    pub fn stop_port(&mut self, port: IfName) {
        for timer in [
            Timer::Consent,
            Timer::Resend,
            Timer::LongOutage,
            Timer::Bypass,
        ] {
            self.stop(timer(port));
        }
    }

    /// When the next one fires.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        self.queue.first().map(|(at, _)| *at)
    }
}

impl Timer {
    /// The port it is about, if any.
    #[must_use]
    pub const fn port(self) -> Option<IfName> {
        match self {
            Self::Consent(port)
            | Self::Resend(port)
            | Self::LongOutage(port)
            | Self::Bypass(port) => Some(port),
            Self::Retry
            | Self::Keepalive
            | Self::Session
            | Self::Synchronisation
            | Self::Start
            | Self::RestartHold
            | Self::LegacySync
            | Self::Repair
            | Self::Dataplane
            | Self::PeerWarm => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn after(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn an_expired_timer_fires_once() {
        let mut timers = Timers::default();
        let at = after(1);
        timers.set(Timer::Retry, at);
        assert_eq!(timers.next(), Some(at));
        assert!(!timers.take_expired(Timer::Retry, Time::ZERO));
        assert!(timers.take_expired(Timer::Retry, at));
        assert!(!timers.take_expired(Timer::Retry, at));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_keepalive_that_is_due_alone_is_known() {
        let mut timers = Timers::default();
        timers.set(Timer::Keepalive, after(1));
        timers.set(Timer::Session, after(2));
        for (seconds, alone) in [(0, false), (1, true), (2, false)] {
            assert_eq!(timers.keepalive_alone(after(seconds)), alone, "{seconds}");
        }
        timers.stop(Timer::Keepalive);
        assert!(!timers.keepalive_alone(after(2)));
    }

    #[test]
    fn a_timer_that_is_set_again_fires_at_the_later_word_only() {
        let mut timers = Timers::default();
        timers.set(Timer::Repair, after(1));
        timers.set(Timer::Repair, after(3));
        assert_eq!(timers.next(), Some(after(3)));
        assert!(!timers.take_expired(Timer::Repair, after(2)));
        timers.stop(Timer::Repair);
        assert_eq!(timers.next(), None);
        assert!(!timers.is_set(Timer::Repair));
    }

    /// The end of a wait goes before a reminder of the same port, however late it is looked at.
    #[test]
    fn timers_of_ports_fire_in_their_order_and_not_those_of_the_domain() {
        let [a, b] = ["bond1", "bond2"].map(|name| IfName::new(name).unwrap());
        let mut timers = Timers::default();
        timers.set(Timer::Session, after(1));
        timers.set(Timer::Resend(a), after(1));
        timers.set(Timer::Consent(b), after(3));
        timers.set(Timer::Consent(a), after(2));
        timers.set(Timer::LongOutage(a), after(9));
        let want = [Timer::Consent(a), Timer::Consent(b), Timer::Resend(a)];
        assert_eq!(timers.take_expired_of_ports(after(3)), want);
        assert_eq!(timers.take_expired_of_ports(after(3)), []);
        assert!(timers.is_set(Timer::Session));
        timers.stop_port(a);
        assert!(!timers.is_set(Timer::LongOutage(a)));
    }
}
