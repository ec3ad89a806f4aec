//! Interfaces that a default route leads to.

use super::LinuxBackend;

impl LinuxBackend {
    /// A default route came or went, or an interface changed that one leads to: the kernel says nothing of a route that
    /// goes with its interface.
    pub(super) async fn look_at_routes(&mut self) {
        match self.kernel.default_routes().await {
            Ok(now) => {
                let before = std::mem::replace(&mut self.default_routes, now);
                let changed: Vec<u32> = before
                    .symmetric_difference(&self.default_routes)
                    .copied()
                    .collect();
                for name in changed
                    .iter()
                    .filter_map(|index| self.links.name(*index))
                    .collect::<Vec<_>>()
                {
                    self.report_interface(name);
                }
            }
            Err(error) => tracing::warn!(%error, "cannot look at default routes"),
        }
        self.routes_due = false;
    }
}
