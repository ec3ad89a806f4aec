//! A dataplane that reports activity on what was installed (decision 5): an address goes when neither
//! chassis hears the host. What the peer sees is installed, whoever sees it here as well, and the state
//! of the ports is the dataplane's matter.

use super::ports::Change;
use super::{Entry, FdbKey, FdbWant, Local, Place, Policy, Ports, Rules};

/// Ageing by agreement.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByActivity;

impl Rules for ByActivity {
    fn program(
        &self,
        key: FdbKey,
        local: Local,
        remote: Option<Place>,
        ports: &Ports,
    ) -> Option<FdbWant> {
        let remote = remote.filter(|_| !local.place.configured)?;
        ports.toward(key, remote)
    }

    fn observed(&self, entry: &mut Entry<Policy>, place: Place, ports: &Ports) {
        entry.learned(place, ports);
    }

    fn is_gone(&self, _: Local) -> bool {
        true
    }

    fn follow_local(
        &self,
        _: FdbKey,
        entry: &mut Entry<Policy>,
        local: Local,
        change: &Change<'_>,
    ) {
        entry.follow_domain(local, change);
    }

    fn lost_at_peer(&self, _: FdbKey, _: &mut Entry<Policy>, _: Place, _: &Ports) {}

    fn peer_lost(&self, _: FdbKey, entry: &mut Entry<Policy>, _: &Ports) {
        entry.set_remote(None);
    }
}
