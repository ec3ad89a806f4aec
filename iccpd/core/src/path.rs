//! Whether a path between the two chassis carries anything, by the keepalives on it
//! ([decision 25](../../../docs/adr/0025-keepalives-on-paths.md)).
//!
//! A keepalive proves something only if it echoes what this run of this side has sent on this path within the detection
//! time: nobody can have recorded that before. What it proves is dated back to when the peer had certainly sent it, by
//! this side's clock: the sending of what is echoed, and the time for which the peer held it. So delaying it gains
//! nothing.
//!
//! Who is let in, and with which signature, is decided before. Nothing is decided from a path yet.

use crate::Time;
use mclag_proto::DomainId;
use mclag_proto::keepalive::{Echo, INTERVALS, Instance, Keepalive};
use std::collections::VecDeque;
use std::time::Duration;

pub use mclag_proto::ctl::PathState as State;

/// Keepalives of the peer that its loss is computed from, at most.
pub const WINDOW: u32 = 100;

/// What a path is configured to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Number of the pair.
    pub domain: DomainId,
    /// This run on this path: random.
    pub instance: Instance,
    /// How often this side sends, within [`INTERVALS`].
    pub interval: Duration,
    /// So many intervals, the longer one of both sides, without a proof are the detection time; at least 1.
    pub multiplier: u32,
}

/// Why an authentic keepalive is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// It is of another pair.
    Domain,
    /// It is one of ours.
    Own,
    /// A newer one of the same run was there before it, or it was there itself.
    Order,
    /// It is of another run than the one that is alive, and proves nothing.
    Instance,
}

/// The path entered another state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Change {
    /// The one before.
    pub from: State,
    /// The one now.
    pub to: State,
}

/// One path.
#[derive(Clone, Debug)]
pub struct Path {
    settings: Settings,
    /// When the next keepalive is due.
    next: Time,
    /// Number of the last one that was sent.
    sequence: u64,
    /// When the last ones were sent, the newest last: as many as the longest detection time can ask for.
    sent: VecDeque<Time>,
    peer: Option<Peer>,
    /// When the peer certainly lived last, and had heard of us shortly before.
    proved: Option<Time>,
    round_trip: Option<Duration>,
    state: State,
    since: Time,
}

/// What was heard of the peer's newest run.
#[derive(Clone, Copy, Debug)]
struct Peer {
    last: Keepalive,
    at: Time,
    /// A bit for each of the last ones, the newest one lowest: whether it came.
    came: u128,
    /// How many there have been since the first that came, at most [`WINDOW`].
    window: u32,
}

/// What was heard of the peer last.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Heard {
    /// The keepalive.
    pub keepalive: Keepalive,
    /// When it came.
    pub at: Time,
    /// How many of the last ones did not come, or too late.
    pub lost: u32,
    /// How many those are, at most [`WINDOW`].
    pub window: u32,
}

impl Path {
    /// A path that nothing is known of. The first keepalive is due at once.
    #[must_use]
    pub const fn new(settings: Settings, now: Time) -> Self {
        Self {
            settings,
            next: now,
            sequence: 0,
            sent: VecDeque::new(),
            peer: None,
            proved: None,
            round_trip: None,
            state: State::Unknown,
            since: now,
        }
    }

    /// Take an authentic keepalive that came on this path.
    ///
    /// # Errors
    ///
    /// When it is not believed; nothing changes then.
    pub fn handle(&mut self, keepalive: &Keepalive, now: Time) -> Result<(), Refusal> {
        if keepalive.domain != self.settings.domain {
            return Err(Refusal::Domain);
        }
        if keepalive.instance == self.settings.instance {
            return Err(Refusal::Own);
        }
        let proof = self.proof(keepalive, now);
        let is_alive = self.state_at(now) == State::Alive;
        match &mut self.peer {
            Some(peer) if peer.last.instance == keepalive.instance => {
                let news = keepalive.sequence.checked_sub(peer.last.sequence);
                let Some(news @ 1..) = news else {
                    return Err(Refusal::Order);
                };
                let news = u32::try_from(news).unwrap_or(u32::MAX);
                peer.came = peer.came.checked_shl(news).unwrap_or(0) | 1;
                peer.window = peer.window.saturating_add(news).min(WINDOW);
                peer.last = *keepalive;
                peer.at = now;
            }
            Some(_) if is_alive && proof.is_none() => return Err(Refusal::Instance),
            peer => {
                *peer = Some(Peer {
                    last: *keepalive,
                    at: now,
                    came: 1,
                    window: 1,
                });
            }
        }
        if let Some((at, round_trip)) = proof {
            self.proved = self.proved.max(Some(at));
            self.round_trip = Some(round_trip);
        }
        Ok(())
    }

    /// When the peer certainly lived and had heard of us, and the round trip; none if this one does not prove it.
    fn proof(&self, keepalive: &Keepalive, now: Time) -> Option<(Time, Duration)> {
        let Echo {
            instance,
            sequence,
            held_us,
        } = keepalive.echo?;
        if instance != self.settings.instance {
            return None;
        }
        let newer = usize::try_from(self.sequence.checked_sub(sequence)?).ok()?;
        let sent = *self.sent.get(self.sent.len().checked_sub(newer + 1)?)?;
        if now - sent >= self.detection_with(keepalive.interval) {
            return None;
        }
        let at = (sent + Duration::from_micros(held_us.into())).min(now);
        Some((at, now - at))
    }

    /// The next keepalive if it is due, with these ages in milliseconds; it counts as sent now.
    pub fn poll_transmit(
        &mut self,
        now: Time,
        core_age_ms: u32,
        syncd_age_ms: Option<u32>,
    ) -> Option<Keepalive> {
        if now < self.next {
            return None;
        }
        let Settings {
            domain,
            instance,
            interval,
            ..
        } = self.settings;
        // Whoever stood still does not send all that it has missed.
        self.next = match now - self.next < interval {
            true => self.next + interval,
            false => now + interval,
        };
        self.sequence += 1;
        self.sent.push_back(now);
        if self.sent.len() > self.memory() {
            self.sent.pop_front();
        }
        let echo = self.peer.map(|peer| Echo {
            instance: peer.last.instance,
            sequence: peer.last.sequence,
            held_us: u32::try_from((now - peer.at).as_micros()).unwrap_or(u32::MAX),
        });
        Some(Keepalive {
            domain,
            interval,
            instance,
            sequence: self.sequence,
            echo,
            core_age_ms,
            syncd_age_ms,
        })
    }

    /// How many keepalives are sent within the longest detection time that a peer can ask for.
    fn memory(&self) -> usize {
        let Settings {
            interval,
            multiplier,
            ..
        } = self.settings;
        let longest = INTERVALS.end().saturating_mul(multiplier);
        let all = longest.as_millis() / interval.as_millis().max(1);
        usize::try_from(all).unwrap_or(usize::MAX).max(1)
    }

    /// The state that was entered, if it is another one than before. Ask after all that has come was taken.
    pub fn poll_change(&mut self, now: Time) -> Option<Change> {
        let to = self.state_at(now);
        let from = std::mem::replace(&mut self.state, to);
        if from == to {
            return None;
        }
        self.since = now;
        Some(Change { from, to })
    }

    fn state_at(&self, now: Time) -> State {
        let is_recent = |at: Time| now - at < self.detection();
        match (self.proved, self.peer) {
            (Some(proved), _) if is_recent(proved) => State::Alive,
            (_, Some(peer)) if is_recent(peer.at) => State::OneWay,
            (Some(_), _) => State::Dead,
            (None, _) => State::Unknown,
        }
    }

    /// When to ask again: the next keepalive is due, or the state may change by time alone.
    #[must_use]
    pub fn deadline(&self) -> Time {
        let expires = match self.state {
            State::Alive => self.proved,
            State::OneWay => self.peer.map(|peer| peer.at),
            State::Dead | State::Unknown => None,
        };
        let expires = expires.map(|at| at + self.detection());
        expires.map_or(self.next, |at| at.min(self.next))
    }

    /// The state as of the last [`Path::poll_change`].
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// When that state was entered.
    #[must_use]
    pub const fn since(&self) -> Time {
        self.since
    }

    /// How long without a proof it takes until a path is alive no longer.
    #[must_use]
    pub fn detection(&self) -> Duration {
        let interval = self.peer.map_or(Duration::ZERO, |peer| peer.last.interval);
        self.detection_with(interval)
    }

    fn detection_with(&self, theirs: Duration) -> Duration {
        let interval = self.settings.interval.max(theirs);
        interval.saturating_mul(self.settings.multiplier)
    }

    /// The round trip that the last proof showed.
    #[must_use]
    pub const fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// What was heard of the peer last.
    #[must_use]
    pub fn heard(&self) -> Option<Heard> {
        let Peer {
            last,
            at,
            came,
            window,
        } = self.peer?;
        let looked_at = u128::MAX
            .checked_shl(window)
            .map_or(u128::MAX, |rest| !rest);
        Some(Heard {
            keepalive: last,
            at,
            lost: window - (came & looked_at).count_ones(),
            window,
        })
    }
}

#[cfg(test)]
mod tests;
