//! One MLAG port: its state here and at the peer, and when it may carry data.
//!
//! Port-up ordering (`spec/behaviour.md` 8): before a port that comes back carries data, the
//! other chassis must keep its own copy of the port from sending what came over the peer link,
//! or a host would get every flooded frame twice. So a port that goes down is *held*; when its
//! links are back it says so to the peer and waits for the acknowledgement.
//!
//! ```text
//!              links lost                     links back                acknowledged
//!   passing ---------------> held (down) ---------------> held (up) ----------------> passing
//!                                 ^   links lost              |   or ack timeout
//!                                 +---------------------------+
//! ```
//!
//! A linux-mclag peer never acknowledges: it isolates 3 s after the last change of a port
//! (`spec/behaviour.md` 3.1). Where it has the port up, its consent is presumed after
//! [`SETTLED`] ([`Consent::Presumed`]); nothing is said to it again meanwhile, since that would
//! start its 3 s anew.

use crate::Time;
use crate::links::Vids;
use mclag_proto::sync::model::{Isolation, PortWant, Traffic};
use mclag_proto::{AggregatorId, IfName, Mac};
use std::net::Ipv4Addr;
use std::time::Duration;

/// How often the peer is told again that a port is up while it does not acknowledge
/// (`spec/behaviour.md` 8.5).
const RESEND: Duration = Duration::from_secs(1);

/// By now a peer that does not acknowledge has isolated its port: 3 s of its own and a turn of its
/// loop, with as much again to spare (`spec/behaviour.md` 3.1).
pub const SETTLED: Duration = Duration::from_secs(4);

/// How long what a dataplane was told that answers nothing
/// ([`mclag_proto::sync::model::Abilities::silent`]) may take to be in force. The peer opens its
/// port at our word, often within a millisecond, and a shim with much to do is slower. Not longer,
/// for meanwhile neither chassis serves the port.
pub const TAKES_EFFECT: Duration = Duration::from_millis(50);

/// What the peer is told of a port that exists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PortFacts {
    /// MAC of the network device.
    pub mac: Mac,
    /// VLANs the port is a member of.
    pub vids: Vids,
    /// It is a layer-3 interface: it has an address or belongs to a VRF (`spec/behaviour.md` 10.5).
    pub l3: bool,
    /// Its first IPv4 address; unspecified when it has none.
    pub address: Ipv4Addr,
}

/// How this chassis comes to know that the peer has isolated its port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Consent {
    /// The peer says so, or is no longer waited for after this time.
    Acknowledged(Duration),
    /// The peer never says so; it has done it after this time.
    Presumed(Duration),
}

/// Waiting for the peer to isolate its port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct AwaitAck {
    over: Time,
    /// When to tell the peer again; none if that would do no good.
    resend: Option<Time>,
}

/// What a deadline of a port asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Due {
    /// Nothing.
    Nothing,
    /// Tell the peer again.
    Resend,
    /// The peer did not answer in time; the port no longer waits.
    GaveUp,
    /// A peer that never answers has had its time.
    Presumed,
}

/// One MLAG port of this chassis.
#[derive(Clone, Debug)]
pub struct MlagPort {
    /// Its name, the same on both chassis.
    pub name: IfName,
    /// Its number towards the peer.
    pub id: AggregatorId,
    /// Its links could carry data.
    pub up: bool,
    /// Its links have been looked at before: a change from now on is a change of the links.
    pub looked_at: bool,
    /// Isolation as decided.
    pub isolation: Isolation,
    /// Whether it may carry data, as decided.
    pub traffic: Traffic,
    /// Isolation as `syncd` confirmed it; `None` while unknown or changing.
    pub confirmed: Option<Isolation>,
    /// From when on what was confirmed is in force, where `syncd` only was told of it.
    pub effective: Option<Time>,
    /// What `syncd` was told last.
    pub told: Option<PortWant>,
    /// The peer waits for our acknowledgement.
    pub ack_owed: bool,
    /// As the kernel has it; `None` while the interface does not exist.
    pub facts: Option<PortFacts>,
    /// Counts up as ports appear: the peer is told of the latest one first (`spec/iccp.md` 7).
    pub attached: u64,
    /// The difference to the peer's settings that was last written down.
    pub noted: Option<String>,
    /// The peer was told in this session that the port exists.
    pub announced: bool,
    /// The peer has yet to hear of its configuration.
    pub config_pending: bool,
    /// The peer has yet to hear of its state.
    pub state_pending: bool,
    await_ack: Option<AwaitAck>,
}

impl MlagPort {
    /// A port nothing is known of.
    #[must_use]
    pub fn new(name: IfName) -> Self {
        Self {
            name,
            id: AggregatorId::of(&name),
            up: false,
            looked_at: false,
            isolation: Isolation::Keep,
            traffic: Traffic::Keep,
            confirmed: None,
            effective: None,
            told: None,
            ack_owed: false,
            facts: None,
            attached: 0,
            noted: None,
            announced: false,
            config_pending: false,
            state_pending: false,
            await_ack: None,
        }
    }

    /// Its links were lost.
    pub fn links_lost(&mut self) {
        self.up = false;
        self.await_ack = None;
    }

    /// Its links are back and the peer is there: wait for its consent.
    pub fn links_back(&mut self, consent: Consent, now: Time) {
        self.up = true;
        if self.traffic != Traffic::Pass {
            self.traffic = Traffic::Held;
            self.ask(consent, now);
        }
    }

    /// Wait for the peer's consent; what the port does meanwhile stays as it is.
    pub fn ask(&mut self, consent: Consent, now: Time) {
        self.await_ack = Some(match consent {
            Consent::Acknowledged(timeout) => AwaitAck {
                over: now + timeout,
                resend: Some(now + RESEND),
            },
            Consent::Presumed(after) => AwaitAck {
                over: now + after,
                resend: None,
            },
        });
    }

    /// Its links are back and nobody is there to ask. If it is held, maybe since an earlier run of
    /// this daemon, not for longer than an acknowledgement may take.
    pub fn links_returned(&mut self, ack_timeout: Duration, now: Time) {
        self.up = true;
        if self.traffic != Traffic::Pass {
            self.ask(Consent::Acknowledged(ack_timeout), now);
        }
    }

    /// The peer has isolated its copy. Returns true if the port was waiting for that.
    pub fn acknowledged(&mut self) -> bool {
        let waiting = self.await_ack.take().is_some() && self.up;
        if waiting {
            self.traffic = Traffic::Pass;
        }
        waiting
    }

    /// Carry data, whatever the peer thinks.
    pub fn pass(&mut self) {
        self.await_ack = None;
        self.traffic = Traffic::Pass;
    }

    /// When [`Self::due`] is to be asked.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        let wait = self.await_ack;
        let answer = wait.map(|wait| wait.resend.map_or(wait.over, |at| wait.over.min(at)));
        answer.into_iter().chain(self.effective).min()
    }

    /// What the time asks for.
    pub fn due(&mut self, now: Time) -> Due {
        self.effective.take_if(|at| *at <= now);
        match &mut self.await_ack {
            Some(wait) if wait.over <= now => {
                let presumed = wait.resend.is_none();
                self.await_ack = None;
                if presumed { Due::Presumed } else { Due::GaveUp }
            }
            Some(AwaitAck {
                resend: Some(at), ..
            }) if *at <= now => {
                *at = now + RESEND;
                Due::Resend
            }
            _ => Due::Nothing,
        }
    }

    /// True once frames from the peer link do not leave here, as far as `syncd` can tell.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        let told = self.told.map(|told| told.isolation);
        self.isolation == Isolation::On
            && told == Some(Isolation::On)
            && self.confirmed == Some(Isolation::On)
            && self.effective.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port() -> MlagPort {
        MlagPort::new(IfName::new("bond1").unwrap())
    }

    const ACK: Consent = Consent::Acknowledged(Duration::from_secs(5));

    fn after(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_port_that_comes_back_waits_for_the_acknowledgement() {
        let mut port = port();
        port.links_lost();
        port.traffic = Traffic::Held;
        port.links_back(ACK, Time::ZERO);
        assert_eq!(port.traffic, Traffic::Held);
        assert!(port.acknowledged());
        assert_eq!(port.traffic, Traffic::Pass);
        assert!(!port.acknowledged(), "a second one means nothing");
    }

    #[test]
    fn an_acknowledgement_for_a_port_that_is_down_again_is_ignored() {
        let mut port = port();
        port.links_back(ACK, Time::ZERO);
        port.links_lost();
        port.traffic = Traffic::Held;
        assert!(!port.acknowledged());
        assert_eq!(port.traffic, Traffic::Held);
    }

    /// W-12: a lost acknowledgement left the port out of service for ever.
    #[test]
    fn a_lost_acknowledgement_is_asked_for_every_second_until_it_is_given_up() {
        let mut port = port();
        port.links_back(ACK, Time::ZERO);
        assert_eq!(port.due(Time::ZERO), Due::Nothing);
        for second in 1..5 {
            assert_eq!(port.deadline(), Some(after(second)));
            assert_eq!(port.due(after(second)), Due::Resend);
        }
        assert_eq!(port.due(after(5)), Due::GaveUp);
        assert_eq!(port.deadline(), None);
    }

    /// `spec/behaviour.md` 2.3, 3.1: no acknowledgements, and isolation 3 s after the last change.
    #[test]
    fn a_peer_that_never_acknowledges_is_told_once_and_presumed_to_have_isolated() {
        let mut port = port();
        port.links_back(Consent::Presumed(SETTLED), Time::ZERO);
        assert_eq!(port.deadline(), Some(after(4)));
        assert_eq!(port.due(after(3)), Due::Nothing);
        assert_eq!(port.due(after(4)), Due::Presumed);
        assert_eq!(port.deadline(), None);
    }

    #[test]
    fn a_port_that_was_passing_is_not_held_for_being_reported_up() {
        let mut port = port();
        port.pass();
        port.links_back(ACK, Time::ZERO);
        assert_eq!(port.traffic, Traffic::Pass);
    }
}
