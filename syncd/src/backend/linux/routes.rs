//! Interfaces that a default route leads to, listed while other things happen.

use std::collections::BTreeSet;
use std::future::pending;

use mclag_netlink::{DefaultRouteListing, NetlinkError};
use tokio::time::{Instant, sleep_until};

use super::{LIST_AGAIN, LinuxBackend, Look};

/// What is known of default routes. A host with all routes of the Internet takes seconds to list them, so that is done
/// piece by piece, and a pause follows.
#[derive(Debug)]
pub(super) struct Routes {
    /// Interfaces that a default route leads to, by index.
    interfaces: BTreeSet<u32>,
    /// Those that one came for since the listing began.
    came: BTreeSet<u32>,
    /// All routes were looked at once.
    was_listed: bool,
    listing: Option<DefaultRouteListing>,
    /// Something happened since the listing began, or none has begun.
    is_due: bool,
    /// When the next listing may begin.
    not_before: Instant,
}

impl Routes {
    pub(super) fn new() -> Self {
        Self {
            interfaces: BTreeSet::new(),
            came: BTreeSet::new(),
            was_listed: false,
            listing: None,
            is_due: true,
            not_before: Instant::now(),
        }
    }

    pub(super) fn lead_to(&self, index: u32) -> bool {
        self.interfaces.contains(&index)
    }

    pub(super) const fn look_again(&mut self) {
        self.is_due = true;
    }

    pub(super) fn forget(&mut self, index: u32) {
        self.interfaces.remove(&index);
        self.came.remove(&index);
    }

    /// Everything is looked at afresh: wait for what nothing is known of, and have the rest listed in the background.
    /// Of an interface that a default route led to, that is true until it is known to be otherwise.
    pub(super) async fn renew(&mut self) -> Result<(), NetlinkError> {
        self.is_due = true;
        let mut listing = DefaultRouteListing::default();
        while !self.was_listed {
            if let Some(now) = listing.next().await? {
                self.interfaces = now;
                (self.was_listed, self.is_due) = (true, false);
            }
        }
        Ok(())
    }

    /// The next piece of a listing, once one is due. The kernel has it at once, so whoever asks for one after the other
    /// yields in between. May be dropped while waiting.
    pub(super) async fn next_piece(&mut self) -> Result<Option<BTreeSet<u32>>, NetlinkError> {
        if self.listing.is_none() {
            if !self.is_due {
                return pending().await;
            }
            sleep_until(self.not_before).await;
            self.begin();
        }
        self.listing.get_or_insert_default().next().await
    }

    fn begin(&mut self) {
        self.is_due = false;
        self.came.clear();
    }

    /// What is known when a default route came by these.
    fn with_new(&mut self, interfaces: &BTreeSet<u32>) -> BTreeSet<u32> {
        self.is_due = true;
        self.came.extend(interfaces);
        self.interfaces.union(interfaces).copied().collect()
    }

    /// What is known when these were listed. One that came meanwhile need not be among them: what goes, the next listing
    /// says.
    fn with_listed(&self, mut listed: BTreeSet<u32>) -> BTreeSet<u32> {
        listed.extend(&self.came);
        listed
    }
}

impl LinuxBackend {
    /// A default route came: it counts at once, whatever else has to be listed.
    pub(super) fn default_route_came(&mut self, interfaces: BTreeSet<u32>) {
        let now = self.routes.with_new(&interfaces);
        self.default_routes_are(now);
    }

    pub(super) fn take_routes(&mut self, piece: Result<Option<BTreeSet<u32>>, NetlinkError>) {
        match piece {
            Ok(None) => return,
            Ok(Some(listed)) => {
                if self.failing.done(&Look::Routes).is_some() {
                    tracing::info!("default routes can be listed again");
                }
                self.default_routes_are(self.routes.with_listed(listed));
            }
            Err(error) => {
                if self.failing.failed(Look::Routes, &error.to_string()) {
                    tracing::warn!(%error, "cannot list default routes");
                }
                self.routes.is_due = true;
            }
        }
        self.routes.listing = None;
        self.routes.not_before = Instant::now() + LIST_AGAIN;
    }

    fn default_routes_are(&mut self, now: BTreeSet<u32>) {
        let before = std::mem::replace(&mut self.routes.interfaces, now);
        let changed = before.symmetric_difference(&self.routes.interfaces);
        // One of a VLAN interface is one of what is below it.
        let affected = changed.flat_map(|index| self.links.with_below(*index));
        let affected: BTreeSet<_> = affected.collect();
        for name in affected {
            self.report_interface(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Input: while it is listed, 1 is known to have a default route and has none, one comes by 2, and 3 is in the listing.
    #[test]
    fn of_what_is_not_listed_only_what_came_meanwhile_is_kept() {
        let mut routes = Routes::new();
        routes.interfaces = routes.with_new(&BTreeSet::from([1]));
        routes.begin();
        routes.interfaces = routes.with_new(&BTreeSet::from([2]));
        assert_eq!(routes.interfaces, BTreeSet::from([1, 2]));
        assert_eq!(
            routes.with_listed(BTreeSet::from([3])),
            BTreeSet::from([2, 3])
        );
        assert!(routes.is_due);
        routes.forget(2);
        assert_eq!(routes.with_listed(BTreeSet::new()), BTreeSet::new());
    }
}
