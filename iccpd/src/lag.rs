//! What LAGs say about themselves and their members.

pub mod bond;
pub mod team;

use iccp_core::LinkKind;
use mclag_netlink::{LinkInfo, LinkKind as Kind, Oper};
use team::TeamState;

/// An interface's kind as the core sees it; with `team`, what teamd says of one that is a team.
#[must_use]
pub fn kind(kind: &Kind, team: Option<&TeamState>) -> LinkKind {
    match kind {
        Kind::Bond(b) => bond::kind(b),
        Kind::Team => LinkKind::Lag {
            lacp: team.map(|s| s.lacp),
            partner: team.and_then(|s| s.partner),
            min_links: 0,
        },
        Kind::Bridge { .. } => LinkKind::Bridge,
        Kind::Vlan {
            id: Some(vid),
            link: Some(parent),
        } => LinkKind::Vlan {
            vid: *vid,
            parent: *parent,
        },
        Kind::Macvlan { link: Some(parent) } => LinkKind::Macvlan { parent: *parent },
        Kind::Vrf => LinkKind::Vrf,
        Kind::Vxlan => LinkKind::Vxlan,
        Kind::Vlan { .. } | Kind::Macvlan { .. } | Kind::Veth | Kind::Other(_) => LinkKind::Other,
    }
}

/// Whether an interface can carry frames, by one rule for all of them
/// (`spec/behaviour.md` 10.1): wanted up, and operational as far as the kernel knows.
#[must_use]
pub fn is_running(info: &LinkInfo) -> bool {
    let operational = match info.oper {
        Oper::Up => true,
        // Drivers that never say are believed when there is carrier.
        Oper::Unknown => info.lower_up,
        _ => false,
    };
    info.admin_up && operational
}
