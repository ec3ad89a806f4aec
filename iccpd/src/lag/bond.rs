//! LACP inspection of the kernel's bonds.

use super::is_running;
use iccp_core::{LagMember, LinkKind};
use mclag_netlink::{BondInfo, BondMode, LinkInfo};

/// The bond as the core sees it.
#[must_use]
pub fn kind(bond: &BondInfo) -> LinkKind {
    let partner = bond.lacp.map(|lacp| lacp.partner_mac);
    LinkKind::Lag {
        lacp: bond.mode == BondMode::Lacp,
        partner: partner.filter(|mac| !mac.is_zero()),
    }
}

/// A member of the bond as the core sees it.
///
/// The member's own carrier counts besides the LACP state: the bond looks at carriers only every
/// `miimon` milliseconds, the carrier's event comes at once.
#[must_use]
pub fn member(bond: &BondInfo, member: &LinkInfo) -> LagMember {
    let agreed = match bond.mode {
        BondMode::Lacp => member.member.as_ref().is_some_and(|m| m.is_distributing()),
        _ => true,
    };
    LagMember {
        distributing: is_running(member) && agreed,
    }
}

/// True while LACP is in the middle of something, or about to be: the member has carrier and
/// carries no data, or the other way round. The kernel does not announce every such change.
#[must_use]
pub fn is_restless(bond: &BondInfo, member: &LinkInfo) -> bool {
    let agreed = member.member.as_ref().is_some_and(|m| m.is_distributing());
    bond.mode == BondMode::Lacp && is_running(member) != agreed
}
