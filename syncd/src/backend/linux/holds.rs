//! Bonds that are held by their `min_links`, which the kernel and an operator set, too.

use std::collections::BTreeSet;

use mclag_netlink::{LinkInfo, LinkKind};
use mclag_proto::IfName;

use super::{LinuxBackend, view};
use crate::dataplane::Action;

impl LinuxBackend {
    /// True for a bond whose `min_links` is not the one we set.
    pub(super) fn is_in_doubt(&self, link: &LinkInfo) -> bool {
        let by_filter = self.is_held_by_filter(&link.name);
        let by_min_links = self.held.contains(&link.name) && !by_filter;
        view::speaks_lacp(link) && view::is_held(link) != by_min_links
    }

    pub(super) fn is_held_by_filter(&self, port: &IfName) -> bool {
        let filter = self.filter_state.as_ref();
        filter.is_some_and(|filter| filter.held.contains(&self.links.names.to_kernel(*port)))
    }

    /// An event spoke of another `min_links` than the one we set. As a rule it is older than our
    /// request; only the kernel knows.
    pub(super) async fn resolve(&mut self, index: u32) {
        let now = self.kernel.link_at(index).await;
        match now.map(|now| now.map(|now| self.links.called(now))) {
            Ok(Some(now)) if self.is_in_doubt(&now) => {
                self.resync("somebody else changed min_links of a bond");
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "cannot look at a bond again"),
        }
        self.doubts.remove(&index);
    }

    /// Look at the bonds that are to be held or released: their operator's `min_links` is part of
    /// what will be written, and an event that tells a new one may still wait to be read. Often
    /// his change is the very reason for the hold.
    pub(super) async fn look_at_holds(&mut self, actions: &[Action]) {
        let bonds: BTreeSet<u32> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Hold { port, .. } | Action::Unhold { port } => self.links.named(port),
                _ => None,
            })
            .filter(|link| view::speaks_lacp(link))
            .map(|link| link.index)
            .collect();
        let now = match bonds.first() {
            None => return,
            Some(only) if bonds.len() == 1 => {
                let link = self.kernel.link_at(*only).await;
                link.map(|link| link.into_iter().collect::<Vec<_>>())
            }
            // One question however many are held at once.
            Some(_) => self
                .kernel
                .links()
                .await
                .map(|links| links.into_values().collect()),
        };
        let now = now.unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot look at bonds before their hold");
            Vec::new()
        });
        for link in now.iter().filter(|link| bonds.contains(&link.index)) {
            let known = self.links.by_index.get_mut(&link.index);
            // The request that follows will say so if one is gone.
            if let (LinkKind::Bond(now), Some(LinkKind::Bond(known))) =
                (&link.kind, known.map(|link| &mut link.kind))
            {
                known.min_links = now.min_links;
            }
        }
    }
}
