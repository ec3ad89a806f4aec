//! Whether a path between the two chassis carries anything, by the keepalives on it
//! ([decision 25](../../../docs/adr/0025-keepalives-on-paths.md)).
//!
//! A keepalive proves something only if it echoes what this run of this side has sent on this path within the detection
//! time: nobody can have recorded that before. What it proves is dated to when the peer cannot yet have sent it, by this
//! side's clock: the sending of what is echoed, and the time for which the peer held it. So delaying it gains nothing.
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
    /// It is one of ours, on this path or another one.
    Own,
    /// A newer one of the same run was there before it, or it was there itself.
    Order,
    /// It is of another run than the one that is alive or was heard within the detection time, and proves nothing.
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
    proof: Option<Proof>,
    state: State,
    since: Time,
}

/// That the peer lived, and had heard of us shortly before.
#[derive(Clone, Copy, Debug)]
struct Proof {
    /// It lived then, or later.
    at: Time,
    /// How often it sent, as it said with the proof: what proves nothing is not to make this last longer.
    interval: Duration,
    round_trip: Duration,
}

/// What was heard of the peer's newest run.
#[derive(Clone, Copy, Debug)]
struct Peer {
    last: Keepalive,
    at: Time,
    /// The last one proved something.
    is_proof: bool,
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
            proof: None,
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
        // Two paths of one chassis, whose keepalives somebody hands from one to the other, prove nothing to each other.
        let instance = keepalive.instance;
        if instance.is_of_same_process(self.settings.instance) {
            return Err(Refusal::Own);
        }
        let proof = self.proof_by(keepalive, now);
        let is_proof = proof.is_some();
        let state = self.state_at(now);
        let is_heard = matches!(state, State::Alive | State::OneWay);
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
                peer.is_proof = is_proof;
            }
            Some(_) if is_heard && !is_proof => return Err(Refusal::Instance),
            peer => {
                *peer = Some(Peer {
                    last: *keepalive,
                    at: now,
                    is_proof,
                    came: 1,
                    window: 1,
                });
            }
        }
        let is_newer = |proof: &Proof| self.proof.is_none_or(|before| before.at <= proof.at);
        if let Some(proof) = proof.filter(is_newer) {
            self.proof = Some(proof);
        }
        Ok(())
    }

    /// What a keepalive proves.
    fn proof_by(&self, keepalive: &Keepalive, now: Time) -> Option<Proof> {
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
        Some(Proof {
            at,
            interval: keepalive.interval,
            round_trip: now - at,
        })
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
        match (self.proof, self.peer) {
            (Some(proof), _) if now < self.expiry_of(proof) => State::Alive,
            (_, Some(peer)) if !peer.is_proof && now < self.expires_unproved(peer) => State::OneWay,
            (Some(_), _) => State::Dead,
            (None, _) => State::Unknown,
        }
    }

    fn expiry_of(&self, proof: Proof) -> Time {
        proof.at + self.detection_with(proof.interval)
    }

    /// Until when the peer counts as heard that proves nothing.
    fn expires_unproved(&self, peer: Peer) -> Time {
        peer.at + self.detection_with(peer.last.interval)
    }

    /// When to ask again: the next keepalive is due, or the state may change by time alone.
    #[must_use]
    pub fn deadline(&self) -> Time {
        let expires = match self.state {
            State::Alive => self.proof.map(|proof| self.expiry_of(proof)),
            State::OneWay => self.peer.map(|peer| self.expires_unproved(peer)),
            State::Dead | State::Unknown => None,
        };
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
        let heard = self.peer.map(|peer| peer.last.interval);
        let proved = self.proof.map(|proof| proof.interval);
        let interval = match self.state {
            State::Alive => proved,
            State::OneWay | State::Dead | State::Unknown => heard,
        };
        self.detection_with(interval.unwrap_or_default())
    }

    fn detection_with(&self, theirs: Duration) -> Duration {
        let interval = self.settings.interval.max(theirs);
        interval.saturating_mul(self.settings.multiplier)
    }

    /// The round trip that the last proof showed.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.proof.map(|proof| proof.round_trip)
    }

    /// What was heard of the peer last.
    #[must_use]
    pub fn heard(&self) -> Option<Heard> {
        let Peer {
            last,
            at,
            came,
            window,
            ..
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
