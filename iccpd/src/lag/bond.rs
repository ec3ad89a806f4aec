//! LACP inspection of the kernel's bonds.

use super::is_running;
use iccp_core::{LagMember, LinkKind};
use mclag_netlink::{BondInfo, BondMode, LacpState, LinkInfo};
use mclag_proto::LacpPartner;

/// The bond as the core sees it.
#[must_use]
pub fn kind(bond: &BondInfo) -> LinkKind {
    let partner = bond.lacp.map(|lacp| LacpPartner {
        system: lacp.partner_mac,
        key: lacp.partner_key,
    });
    LinkKind::Lag {
        lacp: Some(bond.mode == BondMode::Lacp),
        partner: partner.filter(|partner| !partner.system.is_zero()),
        // Without what holding adds: that is no wish of the operator's.
        min_links: bond.own_min_links(),
    }
}

/// A member of the bond as the core sees it. `doubtful`: see [`is_doubtful`].
///
/// Its carrier counts besides what the bond says: the bond looks at carriers only every `miimon`
/// milliseconds, the carrier's event comes at once. After the carrier has come back it is the
/// other way round: until the bond has looked, what it says is of before the loss.
#[must_use]
pub fn member(bond: &BondInfo, member: &LinkInfo, doubtful: bool) -> LagMember {
    LagMember {
        distributing: is_running(member) && is_used(bond, member) && !doubtful,
        alone: is_running(member) && is_alone(bond, member),
    }
}

/// Whether nobody answers LACP on a member. The kernel then takes it for an aggregator of its own, one of which
/// carries data.
fn is_alone(bond: &BondInfo, member: &LinkInfo) -> bool {
    let has_partner = bond.lacp.is_some_and(|lacp| !lacp.partner_mac.is_zero());
    let state = member.member.as_ref();
    let gave_up = state.is_some_and(|s| s.mii_up && s.actor_state.contains(LacpState::DEFAULTED));
    bond.mode == BondMode::Lacp && !has_partner && gave_up
}

/// True while LACP is in the middle of something, or about to be: the member has carrier and
/// carries no data, or the other way round. The kernel does not announce every such change.
#[must_use]
pub fn needs_fast_poll(bond: &BondInfo, member: &LinkInfo) -> bool {
    bond.mode == BondMode::Lacp && is_running(member) != is_used(bond, member)
}

/// Whether LACP's state begins to be doubtful with this change of a member.
///
/// The kernel keeps LACP's state over a loss of carrier and starts anew some hundred
/// milliseconds after the bond has noticed its return. Until then it shows what was agreed
/// before, with a partner that may not know of it any more.
#[must_use]
pub fn is_doubtful(before: &LinkInfo, now: &LinkInfo) -> bool {
    match (&before.member, &now.member) {
        (Some(before), Some(now)) => {
            let lost = !before.mii_up || before.link_failures != now.link_failures;
            lost && now.mii_up && now.is_distributing()
        }
        _ => false,
    }
}

/// Whether the bond sends and receives through the member, as far as it knows.
fn is_used(bond: &BondInfo, member: &LinkInfo) -> bool {
    member.member.as_ref().is_some_and(|state| {
        let agreed = match bond.mode {
            BondMode::Lacp => state.is_distributing(),
            _ => true,
        };
        state.mii_up && agreed
    })
}
