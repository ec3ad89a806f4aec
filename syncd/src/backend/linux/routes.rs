//! Interfaces that a default route leads to, listed while other things happen.

use std::collections::BTreeSet;
use std::future::pending;

use mclag_netlink::{DefaultRouteListing, DefaultRoutes, NetlinkError};
use tokio::time::{Instant, sleep_until};

use super::{LIST_AGAIN, LinuxBackend, Look};

/// What is known of default routes. A host with all routes of the Internet takes seconds to list them, so that is done
/// piece by piece, and a pause follows.
#[derive(Debug)]
pub(super) struct Routes {
    known: DefaultRoutes,
    /// What came since the listing began.
    came: DefaultRoutes,
    /// Next hops by which default routes go, of which the kernel has to be asked where they lead to.
    unresolved: BTreeSet<u32>,
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
            known: DefaultRoutes::default(),
            came: DefaultRoutes::default(),
            unresolved: BTreeSet::new(),
            was_listed: false,
            listing: None,
            is_due: true,
            not_before: Instant::now(),
        }
    }

    pub(super) fn lead_to(&self, index: u32) -> bool {
        self.known.interfaces.contains(&index)
    }

    pub(super) const fn look_again(&mut self) {
        self.is_due = true;
    }

    pub(super) fn forget(&mut self, index: u32) {
        self.known.interfaces.remove(&index);
        self.came.interfaces.remove(&index);
    }

    /// A next hop leads elsewhere, or is gone with the routes that went by it, of which the kernel says nothing more.
    pub(super) fn next_hop_changed(&mut self, id: u32) {
        if self.known.next_hops.contains(&id) {
            self.unresolved.insert(id);
            self.is_due = true;
        }
    }

    pub(super) fn has_unresolved(&self) -> bool {
        !self.unresolved.is_empty()
    }

    /// Everything is looked at afresh: wait for what nothing is known of, and have the rest listed in the background.
    /// Of an interface that a default route led to, that is true until it is known to be otherwise.
    pub(super) async fn renew(&mut self) -> Result<(), NetlinkError> {
        self.is_due = true;
        let mut listing = DefaultRouteListing::default();
        while !self.was_listed {
            if let Some(now) = listing.next().await? {
                self.known = now;
                (self.was_listed, self.is_due) = (true, false);
            }
        }
        Ok(())
    }

    /// The next piece of a listing, once one is due. The kernel has it at once, so whoever asks for one after the other
    /// yields in between. May be dropped while waiting.
    pub(super) async fn next_piece(&mut self) -> Result<Option<DefaultRoutes>, NetlinkError> {
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
        self.came = DefaultRoutes::default();
    }

    /// What is known when these came.
    fn with_new(&mut self, new: DefaultRoutes) -> DefaultRoutes {
        self.is_due = true;
        let mut known = self.known.clone();
        known.add(new.clone());
        self.came.add(new);
        known
    }

    /// What is known when these were listed. One that came meanwhile need not be among them: what goes, the next listing
    /// says.
    fn with_listed(&self, mut listed: DefaultRoutes) -> DefaultRoutes {
        listed.add(self.came.clone());
        listed
    }
}

impl LinuxBackend {
    /// A default route came: it counts at once, whatever else has to be listed.
    pub(super) fn default_route_came(&mut self, new: DefaultRoutes) {
        self.routes.unresolved.extend(&new.next_hops);
        let now = self.routes.with_new(new);
        self.default_routes_are(now);
    }

    /// Ask where next hops lead to. What cannot be asked now, the listing that is due asks for.
    pub(super) async fn resolve_next_hops(&mut self) {
        let asked = DefaultRoutes {
            next_hops: self.routes.unresolved.clone(),
            ..DefaultRoutes::default()
        };
        match self.kernel.resolve_next_hops(asked).await {
            Ok(found) => {
                let now = self.routes.with_new(found);
                self.default_routes_are(now);
            }
            Err(error) => tracing::debug!(%error, "cannot look at next hops"),
        }
        self.routes.unresolved.clear();
    }

    pub(super) fn take_routes(&mut self, piece: Result<Option<DefaultRoutes>, NetlinkError>) {
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

    fn default_routes_are(&mut self, now: DefaultRoutes) {
        let before = std::mem::replace(&mut self.routes.known, now);
        let now = &self.routes.known.interfaces;
        let changed = before.interfaces.symmetric_difference(now);
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

    fn by<const N: usize>(interfaces: [u32; N]) -> DefaultRoutes {
        DefaultRoutes {
            interfaces: BTreeSet::from(interfaces),
            ..DefaultRoutes::default()
        }
    }

    /// Input: while it is listed, 1 is known to have a default route and has none, one comes by 2, and 3 is in the listing.
    #[test]
    fn of_what_is_not_listed_only_what_came_meanwhile_is_kept() {
        let mut routes = Routes::new();
        routes.known = routes.with_new(by([1]));
        routes.begin();
        routes.known = routes.with_new(by([2]));
        assert_eq!(routes.known, by([1, 2]));
        assert_eq!(routes.with_listed(by([3])), by([2, 3]));
        assert!(routes.is_due);
        routes.forget(2);
        assert_eq!(routes.with_listed(by([])), by([]));
    }

    /// Input: default routes go by the next hop 1; 1 changes, or 2. Output: only the first has to be looked at.
    #[test]
    fn next_hops_by_which_no_default_route_goes_are_nothing_to_look_at() {
        for (changed, is_looked_at) in [(1, true), (2, false)] {
            let mut routes = Routes::new();
            routes.known.next_hops = BTreeSet::from([1]);
            routes.begin();
            routes.next_hop_changed(changed);
            let is = (routes.has_unresolved(), routes.is_due);
            assert_eq!(is, (is_looked_at, is_looked_at), "{changed}");
        }
    }
}
