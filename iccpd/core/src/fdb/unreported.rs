//! A dataplane without activity reports on what was installed (a foreign mclagsyncd server): it owns what it
//! learned itself. What was installed is withdrawn then (P-6), and put back when it ages here and the
//! peer still sees the host. Nor does it know what to do with the entries of a port that is down: both
//! are decided here, as `spec/behaviour.md` 9 has it.

use super::ports::{Change, Outage};
use super::{Entry, FdbKey, FdbKind, FdbWant, Local, Place, Policy, Ports, Rules, Standing};
use mclag_proto::IfName;

/// What a dataplane learned is its own; what was installed never ages.
#[derive(Clone, Copy, Debug)]
pub(super) struct WithoutReports;

impl Rules for WithoutReports {
    /// Only what the dataplane cannot know is named.
    fn program(
        &self,
        key: FdbKey,
        local: Local,
        remote: Option<Place>,
        ports: &Ports,
    ) -> Option<FdbWant> {
        let port = local.place.port;
        match local.standing {
            Standing::ViaPeerLink => ports.over_peer_link(key, local.place),
            Standing::AgeingHere => {
                let kind = FdbKind::Ageing;
                let carried = ports.carries(&port, key.vid);
                carried.then_some(FdbWant { port, kind })
            }
            // One that is configured stays configured while its port is down.
            Standing::Own => {
                let remote = remote.filter(|_| ports.outage(&port).is_some())?;
                ports.toward(key, remote)
            }
        }
    }

    fn observed(&self, entry: &mut Entry<Policy>, place: Place, ports: &Ports) {
        let port = place.port;
        if let Some(outage) = ports.outage(&port) {
            entry.observed_on_down_port(place, outage, ports);
        } else if entry.learned(place, ports) {
            // Of an address that the peer knows from before it is advertised that it moved, wherever to.
            entry.suppress(ports.is_orphan_down(&port) && entry.advertised.is_none());
        }
    }

    /// The peer link replaced what is gone now (`spec/behaviour.md` 9.4).
    fn is_gone(&self, local: Local) -> bool {
        local.standing != Standing::ViaPeerLink
    }

    fn follow_local(
        &self,
        key: FdbKey,
        entry: &mut Entry<Policy>,
        local: Local,
        change: &Change<'_>,
    ) {
        let port = &local.place.port;
        entry.follow_domain(local, change);
        if change.left_domain(port) {
            // It is an orphan port's now.
        } else if change.went_down(port) {
            entry.port_went_down(key, local, change.now);
        } else if change.came_up(port) {
            entry.port_came_up(local, change.now);
        } else if local.standing == Standing::ViaPeerLink
            && (change.grew_long(port) || change.lost_at_peer(port))
        {
            let place = local.place;
            entry.local = place.configured.then_some(Local {
                suppressed: true,
                ..place.into()
            });
            if !place.configured {
                let superseded = entry.programmed.is_none().then_some(place.into());
                entry.superseded = superseded;
            }
        }
        let silent = |ports: &Ports| ports.is_unknown(port) || ports.is_orphan_down(port);
        if silent(change.before) && !silent(change.now) && change.now.outage(port).is_none() {
            entry.suppress(false);
        }
    }

    /// `spec/behaviour.md` 9.8: nobody is left to tell when the host falls silent.
    fn lost_at_peer(&self, key: FdbKey, entry: &mut Entry<Policy>, remote: Place, ports: &Ports) {
        let target = ports.program(key, entry);
        if !remote.configured && target.is_some_and(|want| want.port == remote.port) {
            entry.age_here(remote.port);
        }
    }

    fn peer_lost(&self, key: FdbKey, entry: &mut Entry<Policy>, ports: &Ports) {
        if let Some(local) = entry
            .local
            .filter(|local| local.standing == Standing::ViaPeerLink)
        {
            if local.place.configured {
                entry.stand(Standing::Own);
            } else {
                entry.local = None;
                entry.set_remote(None);
            }
        }
        let target = ports.program(key, entry);
        if let (None, Some(remote), Some(target)) = (entry.local, entry.remote, target)
            && target.port == remote.port
            && ports.is_mlag(&remote.port)
        {
            entry.age_here(remote.port);
        }
        entry.set_remote(None);
    }
}

impl Entry<Policy> {
    /// `spec/behaviour.md` 9.3: the report and the loss of the port crossed.
    fn observed_on_down_port(&mut self, place: Place, outage: Outage, ports: &Ports) {
        let is_long = outage == Outage::Long;
        let at_peer = ports.at_peer.get(&place.port).copied();
        let known_to_peer = self.remote.is_some_and(|remote| {
            remote.port == place.port || (remote.configured && !place.configured)
        });
        if at_peer == Some(true) && known_to_peer {
            self.unconfirmed = false;
            self.local = None;
            self.reprogram = true;
        } else if at_peer == Some(false) || (is_long && !place.configured) {
            // Neither chassis reaches it there.
            self.unconfirmed = false;
            self.local = None;
            self.superseded = Some(place.into());
        } else if self.learned(place, ports) {
            self.suppress(self.advertised.is_none());
            if at_peer == Some(true) && !is_long {
                self.stand(Standing::ViaPeerLink);
            }
        }
    }

    /// `spec/behaviour.md` 9.7.
    fn port_went_down(&mut self, key: FdbKey, local: Local, ports: &Ports) {
        let place = local.place;
        let taken_over = self.remote.is_none() && ports.at_peer.get(&place.port) == Some(&true);
        self.local = if taken_over {
            // The peer does not hear of it: the host goes on talking through it, as a rule.
            let standing = Standing::ViaPeerLink;
            Some(Local { standing, ..local })
        } else {
            let suppressed = true;
            let kept = Local {
                suppressed,
                ..place.into()
            };
            place.configured.then_some(kept)
        };
        let learned = !place.configured && local.standing != Standing::AgeingHere;
        if learned && self.programmed.is_none() && ports.program(key, self).is_none() {
            self.superseded = Some(place.into()); // it leads nowhere
        }
    }

    /// `spec/behaviour.md` 9.6.
    fn port_came_up(&mut self, local: Local, ports: &Ports) {
        self.suppress(false);
        if local.standing != Standing::ViaPeerLink {
            return;
        }
        if local.place.configured {
            self.stand(Standing::Own);
        } else if ports.peer_link.is_some() {
            // Nobody has heard of the host meanwhile: the dataplane is to find out.
            self.stand(Standing::AgeingHere);
        } else {
            self.local = None;
            self.superseded = Some(local.place.into());
        }
    }

    /// What the peer advertised becomes this chassis' own, and ages here.
    fn age_here(&mut self, port: IfName) {
        let configured = false;
        self.local = Some(Local {
            standing: Standing::AgeingHere,
            ..Place { port, configured }.into()
        });
        self.set_remote(None);
    }

    /// Another dataplane, which reports what it sees, took over.
    pub(super) fn belongs_to_dataplane(&mut self) {
        if let Some(local) = self.local {
            let is_own = local.standing != Standing::ViaPeerLink;
            self.local = is_own.then_some(local.place.into());
        }
    }

    pub(super) const fn suppress(&mut self, suppressed: bool) {
        if let Some(local) = &mut self.local {
            local.suppressed = suppressed;
        }
    }

    const fn stand(&mut self, standing: Standing) {
        if let Some(local) = &mut self.local {
            local.standing = standing;
        }
    }
}
