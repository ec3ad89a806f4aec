//! What LAGs say about themselves and their members.

pub mod bond;
pub mod team;

use mclag_netlink::{LinkInfo, Oper};

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
