//! An MLAG port of this chassis: its machines, and what is known of it.

use super::{
    Advertised, Alone, Awaited, Bypass, BypassEvent, Event, ForwardingState, Hold, News, Pairing,
    PortFacts, Programmed, RESEND, Report, Standing, Wait, Word,
};
use crate::Time;
use crate::policy::peer::PeerPolicy;
use crate::port_id::PortId;
use crate::timer::{Timer, Timers};
use mclag_proto::iccp::ext::{Extension, PortPartner, PortVlan};
use mclag_proto::iccp::{
    AggregatorConfig, AggregatorState, ConfigFlag, PortChannelInfo, PortState, Tlv,
};
use mclag_proto::sync::model::{Isolation, Traffic};
use mclag_proto::{AggregatorId, IfName, LacpPartner, Mac};
use std::collections::BTreeSet;
use std::time::Duration;

/// One MLAG port of this chassis.
#[derive(Clone, Debug)]
pub struct MlagPort {
    name: IfName,
    id: PortId,
    /// As the kernel has it; `None` while the interface does not exist.
    facts: Option<PortFacts>,
    /// Counts up as ports appear: the latest one is advertised first (`spec/iccp.md` 7).
    attached: u64,
    /// Its links have been looked at before: a change from now on is a change of the links.
    looked_at: bool,
    state: ForwardingState,
    pairing: Pairing,
    isolation: Isolation,
    advertised: Advertised,
    /// Who is at the other end, while it could carry data.
    partner: Option<LacpPartner>,
    /// As it was advertised to one of our own in this session.
    advertised_partner: Option<LacpPartner>,
    /// Whether it carries data without LACP.
    bypass: Bypass,
    /// What is advertised of that to one of our own.
    alone: Option<Alone>,
    /// As it was advertised in this session.
    advertised_alone: Option<Alone>,
    /// The peer waits for our acknowledgement.
    ack_owed: bool,
    programmed: Programmed,
    standing: Standing,
    hold: Hold,
    lacp_in_force: Option<Mac>,
    /// Time between the last two times that it was advertised that it is up.
    resend_after: Duration,
}

impl MlagPort {
    /// A port nothing is known of.
    #[must_use]
    pub const fn new(name: IfName, id: PortId) -> Self {
        Self {
            name,
            id,
            facts: None,
            attached: 0,
            looked_at: false,
            state: ForwardingState::Down,
            pairing: Pairing::Presumed,
            isolation: Isolation::Keep,
            advertised: Advertised::Nothing,
            partner: None,
            advertised_partner: None,
            bypass: Bypass::Off,
            alone: None,
            advertised_alone: None,
            ack_owed: false,
            programmed: Programmed::Nothing,
            standing: Standing::Unknown,
            hold: Hold::Off,
            lacp_in_force: None,
            resend_after: RESEND,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> IfName {
        self.name
    }

    /// Its number towards the peer.
    #[must_use]
    pub const fn id(&self) -> AggregatorId {
        self.id.number
    }

    /// An operator gave it its id.
    #[must_use]
    pub const fn is_given_id(&self) -> bool {
        self.id.given
    }

    /// Its id from now on.
    pub fn set_id(&mut self, id: PortId) {
        if self.id != id {
            self.id = id;
            self.advertise(News::Config);
        }
    }

    /// As the kernel has it; `None` while the interface does not exist.
    #[must_use]
    pub const fn facts(&self) -> Option<&PortFacts> {
        self.facts.as_ref()
    }

    /// The interface exists.
    #[must_use]
    pub const fn exists(&self) -> bool {
        self.facts.is_some()
    }

    /// Its place in the order of appearance.
    #[must_use]
    pub const fn attached(&self) -> u64 {
        self.attached
    }

    /// What the kernel has now; `next` is its place in the order, should it appear. Returns true if
    /// that is news for the peer.
    pub fn set_facts(&mut self, facts: Option<PortFacts>, next: u64) -> bool {
        if self.facts == facts {
            return false;
        }
        if self.facts.is_none() {
            self.attached = next;
        }
        self.facts = facts;
        // Also before both are synchronised: the peer may have been answered already.
        self.advertise(News::Config);
        true
    }

    /// Its links are looked at. Returns true if they were before.
    pub const fn look_at(&mut self) -> bool {
        std::mem::replace(&mut self.looked_at, true)
    }

    /// Its links were looked at before.
    #[must_use]
    pub const fn was_looked_at(&self) -> bool {
        self.looked_at
    }

    /// Whether it carries data without LACP.
    #[must_use]
    pub const fn bypass(&self) -> Bypass {
        self.bypass
    }

    /// Something changed that. `heard`: somebody answers, and LACP has not agreed.
    pub const fn step_bypass(&mut self, event: BypassEvent, heard: bool) {
        self.bypass = self.bypass.after(event);
        self.alone = self.bypass.advertised(heard);
    }

    /// Whether it is up and may carry data.
    #[must_use]
    pub const fn state(&self) -> ForwardingState {
        self.state
    }

    /// Its links could carry data.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.state.is_up()
    }

    /// It is not to carry data.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.state.traffic() == Traffic::Held
    }

    /// Advance it. Its timers follow.
    pub fn step(&mut self, event: Event, timers: &mut Timers) {
        self.state = self.state.after(event);
        let (consent, resend) = (Timer::Consent(self.name), Timer::Resend(self.name));
        match (self.state.awaited(), event) {
            (
                Some(_),
                Event::LinksBack(Wait {
                    over,
                    resend: again,
                    ..
                })
                | Event::LinksBackAlone(Wait {
                    over,
                    resend: again,
                    ..
                })
                | Event::Ask(Wait {
                    over,
                    resend: again,
                    ..
                }),
            ) => {
                timers.set(consent, over);
                self.resend_after = RESEND;
                match again {
                    Some(at) => timers.set(resend, at),
                    None => timers.stop(resend),
                }
            }
            (Some(_), _) => {}
            (None, _) => {
                timers.stop(consent);
                timers.stop(resend);
            }
        }
    }

    /// It is to be advertised again that it is up, and once more when twice as much time has passed. Returns
    /// false if it is no longer waited for.
    pub fn resend(&mut self, now: Time, timers: &mut Timers) -> bool {
        let waiting = self.state.awaited() == Some(Awaited::Acknowledgement);
        if waiting {
            self.resend_after = self.resend_after.saturating_mul(2);
            timers.set(Timer::Resend(self.name), now + self.resend_after);
            self.advertise(News::State);
        }
        waiting
    }

    /// What is known of its other half.
    #[must_use]
    pub const fn pairing(&self) -> Pairing {
        self.pairing
    }

    /// Nothing is known of its other half, and the peer may be about to name it.
    #[must_use]
    pub const fn unknown(mut self) -> Self {
        self.pairing = Pairing::Unknown;
        self
    }

    /// Something became known of its other half.
    pub const fn pair(&mut self, word: Word) {
        self.pairing = self.pairing.after(word);
    }

    /// Who is at the other end, while it could carry data.
    #[must_use]
    pub const fn partner(&self) -> Option<LacpPartner> {
        self.partner
    }

    /// Who is at the other end by now. Returns true if that is news.
    pub fn set_partner(&mut self, partner: Option<LacpPartner>) -> bool {
        std::mem::replace(&mut self.partner, partner) != partner
    }

    /// Who is at the other end has to be advertised to one of our own.
    #[must_use]
    pub fn is_partner_due(&self) -> bool {
        self.partner != self.advertised_partner || self.alone != self.advertised_alone
    }

    /// There is something to say of who is at the other end.
    #[must_use]
    pub const fn has_partner_to_tell(&self) -> bool {
        self.partner.is_some() || self.alone.is_some()
    }

    /// LACP Partner. It counts as advertised then.
    pub const fn advertise_partner(&mut self) -> Tlv {
        self.advertised_partner = self.partner;
        self.advertised_alone = self.alone;
        let (id, partner, alone) = (self.id.number, self.partner, self.alone);
        Tlv::Extension(Extension::LacpPartner(PortPartner { id, partner, alone }))
    }

    /// Isolation as decided.
    #[must_use]
    pub const fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Isolation is decided.
    pub const fn set_isolation(&mut self, isolation: Isolation) {
        self.isolation = isolation;
    }

    /// What was advertised of it.
    #[must_use]
    pub const fn advertised(&self) -> Advertised {
        self.advertised
    }

    /// Something of it is news for the peer, or was advertised.
    pub const fn advertise(&mut self, news: News) {
        if matches!(news, News::SessionLost) {
            self.advertised_partner = None;
            self.advertised_alone = None;
        }
        self.advertised = self.advertised.after(news);
    }

    /// The peer waits for our acknowledgement, or no longer does.
    pub const fn owe_ack(&mut self, owed: bool) {
        self.ack_owed = owed;
    }

    /// The peer waits for our acknowledgement.
    #[must_use]
    pub const fn owes_ack(&self) -> bool {
        self.ack_owed
    }

    /// Take the acknowledgement that the peer waits for, if what it is about is in force: confirmed by the
    /// dataplane that `is_connected`, or by an earlier one that left it so.
    pub fn take_ack(&mut self, is_connected: bool) -> bool {
        let stands = self.isolation == Isolation::On && self.standing == Standing::Certain(true);
        let ready = self.ack_owed && (self.is_isolated() || (stands && !is_connected));
        self.ack_owed &= !ready;
        ready
    }

    /// Isolation from the peer link as it was confirmed; none while that is unknown or changing.
    #[must_use]
    pub fn isolated(&self) -> Option<bool> {
        let confirmed = self.programmed.confirmed();
        confirmed.map(|confirmed| confirmed == Isolation::On)
    }

    /// True once frames from the peer link may leave here and are to, as far as `syncd` can tell.
    #[must_use]
    pub fn is_not_isolated(&self) -> bool {
        self.is_in_force(Isolation::Off)
    }

    /// True once frames from the peer link do not leave here, as far as `syncd` can tell.
    #[must_use]
    fn is_isolated(&self) -> bool {
        self.is_in_force(Isolation::On)
    }

    /// True if this is wanted and confirmed.
    fn is_in_force(&self, isolation: Isolation) -> bool {
        self.isolation == isolation && self.programmed.confirmed() == Some(isolation)
    }

    /// What is programmed of it.
    #[must_use]
    pub const fn programmed(&self) -> Programmed {
        self.programmed
    }

    /// Its isolation, also while no dataplane is connected.
    #[must_use]
    pub const fn standing(&self) -> Standing {
        self.standing
    }

    /// The dataplane refuses to isolate it.
    #[must_use]
    pub fn is_isolation_refused(&self) -> bool {
        self.standing == Standing::Refused
    }

    /// It carries data, as far as the dataplane decides: that confirmed that it does not hold it, or is to leave it as it
    /// is.
    #[must_use]
    pub fn is_let_go(&self) -> bool {
        self.hold == Hold::Lifted || self.state().traffic() == Traffic::Keep
    }

    /// The dataplane was sent that it is to carry no data, and has not answered.
    #[must_use]
    pub fn is_being_held(&self) -> bool {
        self.hold == Hold::Sent
    }

    /// It carries no data, as the dataplane confirmed, which may be gone by now.
    #[must_use]
    pub fn is_held_in_force(&self) -> bool {
        matches!(self.hold, Hold::InForce | Hold::Ending)
    }

    /// The dataplane was sent, or reports, something of it.
    pub fn program(&mut self, report: Report) {
        self.programmed = self.programmed.after(report);
        self.standing = self.standing.after(report, self.programmed);
        self.hold = self.hold.after(report, self.programmed);
        if let Report::Sent(want) = report
            && want
                .system_mac
                .is_some_and(|mac| self.lacp_in_force != Some(mac))
        {
            self.lacp_in_force = None;
        }
    }

    /// The dataplane carried out what it was sent, of which only its traffic may be otherwise since: then a hold that was sent
    /// later is not in force yet.
    pub fn carried_out(&mut self, is_of_traffic: bool) {
        let hold = self.hold;
        self.program(Report::Done);
        if !is_of_traffic {
            self.hold = hold;
        }
    }

    /// The LACP system id that the dataplane has confirmed last, if it was sent no other since. A
    /// connection that is lost takes nothing back.
    #[must_use]
    pub const fn lacp_in_force(&self) -> Option<Mac> {
        self.lacp_in_force
    }

    /// This LACP system id is in force; none if it is unknown which.
    pub const fn set_lacp_in_force(&mut self, mac: Option<Mac>) {
        self.lacp_in_force = mac;
    }
}

/// What is advertised of it.
impl MlagPort {
    /// Aggregator Config: that it exists.
    #[must_use]
    pub fn aggregator_config(&self) -> Tlv {
        let mac = self.facts.as_ref().map(|facts| facts.mac);
        Tlv::AggregatorConfig(AggregatorConfig {
            id: self.id.number,
            name: self.name,
            mac: mac.unwrap_or_default(),
            flag: ConfigFlag::Present,
        })
    }

    /// Port Id, in front of Aggregator Config, to a peer that hears it; none unless an operator gave the port
    /// its id.
    #[must_use]
    pub fn port_id(&self, policy: PeerPolicy) -> Option<Tlv> {
        let said = policy.hears_port_ids && self.id.given;
        said.then_some(Tlv::Extension(Extension::PortId(self.id.number)))
    }

    /// Aggregator State.
    #[must_use]
    pub const fn aggregator_state(&self) -> Tlv {
        let state = if self.is_up() {
            PortState::Up
        } else {
            PortState::Down
        };
        Tlv::AggregatorState(AggregatorState {
            id: self.id.number,
            state,
        })
    }

    /// Port VLAN, behind Port Channel Info, to a peer that hears it; none of a port of a bridge that filters no VLANs.
    #[must_use]
    pub fn port_vlan(&self, policy: PeerPolicy) -> Option<Tlv> {
        let pvid = self.facts.as_ref()?.pvid?;
        let id = self.id.number;
        let vlan = Extension::PortVlan(PortVlan { id, pvid });
        policy.hears_port_vlans.then_some(Tlv::Extension(vlan))
    }

    /// Port Channel Info; none while the interface does not exist.
    #[must_use]
    pub fn port_channel_info(&self) -> Option<Tlv> {
        let facts = self.facts.as_ref()?;
        Some(Tlv::PortChannelInfo(PortChannelInfo {
            id: self.id.number,
            name: self.name,
            l3: facts.l3,
            address: facts.address,
            vids: BTreeSet::clone(&facts.vids),
        }))
    }
}

/// Aggregator Config of a port that is gone, which had that number.
#[must_use]
pub const fn aggregator_purge(name: IfName, id: AggregatorId) -> Tlv {
    Tlv::AggregatorConfig(AggregatorConfig {
        id,
        name,
        mac: Mac::ZERO,
        flag: ConfigFlag::Purge,
    })
}
