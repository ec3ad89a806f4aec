//! Actions, sorted into requests to the kernel: neighbours of one kind share one.

use mclag_netlink::nft::{FilterChange, FilterSet};
use mclag_netlink::{
    Activity, FdbAction, FdbOp, LinkInfo, LinkKind, LinkOp, LinkSetting, MIN_LINKS_HOLD,
    McastRouter as KernelRouter, NeighbourAction, NeighbourOp, NetlinkError, Op,
};
use mclag_proto::sync::model::{FdbKey, NeighbourKey, OpError, OpErrorCode};
use mclag_proto::{IfName, Vid};

use super::{LinuxBackend, view};
use crate::dataplane::{Action, McastRouter};

/// One request, and the actions it carries out: one result each.
pub(super) struct Step<'a> {
    pub(super) request: Request,
    pub(super) actions: &'a [Action],
}

/// What is asked of the kernel at once.
pub(super) enum Request {
    /// A batch of netlink requests.
    Kernel(Vec<Op>),
    /// One transaction of the filter.
    Filter(Vec<FilterChange>),
    /// Hold a bond by the filter that was held without carrier, and only then give that back.
    HoldWithCarrier {
        /// The hold.
        filter: FilterChange,
        /// The bond's own `min_links`.
        bond: Op,
    },
    /// Delete an entry on a port that lacks its VLAN. A kernel that does not do that has it moved before.
    DeleteAnyway {
        /// The entry.
        entry: FdbOp,
        /// A port that has the VLAN.
        other: u32,
    },
    /// The filter's table.
    EnsureFilter {
        /// The peer link it is to name.
        peer_link: Option<IfName>,
    },
    /// The filter's table.
    RemoveFilter,
    /// Nothing: it cannot be done.
    Impossible(OpError),
}

/// Cut the actions into steps; their order stays.
pub(super) fn steps<'a>(backend: &LinuxBackend, actions: &'a [Action]) -> Vec<Step<'a>> {
    let mut steps: Vec<(Request, usize)> = Vec::new();
    for action in actions {
        let next = request(backend, action).unwrap_or_else(Request::Impossible);
        match (steps.last_mut(), next) {
            (Some((Request::Kernel(ops), count)), Request::Kernel(more)) => {
                ops.extend(more);
                *count += 1;
            }
            (Some((Request::Filter(changes), count)), Request::Filter(more)) => {
                changes.extend(more);
                *count += 1;
            }
            (_, next) => steps.push((next, 1)),
        }
    }
    let mut rest = actions;
    steps
        .into_iter()
        .map(|(request, count)| {
            let (actions, later) = rest.split_at(count);
            rest = later;
            Step { request, actions }
        })
        .collect()
}

fn request(backend: &LinuxBackend, action: &Action) -> Result<Request, OpError> {
    let link = |port: &IfName| {
        backend
            .links
            .named(port)
            .ok_or_else(|| OpError::waiting_for(port))
    };
    let set = |link: &LinkInfo, set| {
        Request::Kernel(vec![Op::Link(LinkOp {
            link: link.index,
            set,
        })])
    };
    let filter = |set, port: &IfName, present| {
        let port = *port;
        Request::Filter(vec![FilterChange { set, port, present }])
    };
    Ok(match action {
        Action::EnsureFilter { peer_link } => Request::EnsureFilter {
            peer_link: *peer_link,
        },
        Action::RemoveFilter => Request::RemoveFilter,
        Action::Isolate { port } => filter(FilterSet::Isolated, port, true),
        Action::Release { port } => filter(FilterSet::Isolated, port, false),
        Action::Hold { port, .. } | Action::Unhold { port } => {
            let hold = matches!(action, Action::Hold { .. });
            let keeps_carrier = matches!(
                action,
                Action::Hold {
                    keeps_carrier: true,
                    ..
                }
            );
            let by_filter = backend.is_held_by_filter(port) || keeps_carrier;
            match backend.links.named(port) {
                Some(bond) if view::speaks_lacp(bond) && !by_filter => {
                    let own = view::own_min_links(bond);
                    let count = if hold {
                        own.saturating_add(MIN_LINKS_HOLD)
                    } else {
                        own
                    };
                    set(bond, LinkSetting::BondMinLinks(count))
                }
                Some(bond) if hold && view::is_held(bond) => {
                    let port = *port;
                    let (set, present) = (FilterSet::Held, true);
                    Request::HoldWithCarrier {
                        filter: FilterChange { set, port, present },
                        bond: Op::Link(LinkOp {
                            link: bond.index,
                            set: LinkSetting::BondMinLinks(view::own_min_links(bond)),
                        }),
                    }
                }
                // One that is gone took its hold with it.
                None if hold => return Err(OpError::waiting_for(port)),
                _ => filter(FilterSet::Held, port, hold),
            }
        }
        Action::SetLearning { port, learning } => {
            set(link(port)?, LinkSetting::Learning(*learning))
        }
        Action::SetBackup { port, backup } => {
            let backup = link(backup)?.index;
            set(link(port)?, LinkSetting::BackupPort(Some(backup)))
        }
        Action::ClearBackup { port } => set(link(port)?, LinkSetting::BackupPort(None)),
        Action::SetMcastRouter { port, router } => {
            let router = match router {
                McastRouter::Disabled => KernelRouter::Disabled,
                McastRouter::Learned => KernelRouter::Learned,
                McastRouter::Permanent => KernelRouter::Permanent,
                McastRouter::Temporary => KernelRouter::Temporary,
            };
            set(link(port)?, LinkSetting::McastRouter(router))
        }
        Action::SetSystemMac { port, mac } => {
            let link = link(port)?;
            match (&link.kind, mac) {
                (LinkKind::Bond(_), mac) => set(link, LinkSetting::BondActorSystem(*mac)),
                (LinkKind::Team, Some(mac)) => set(link, LinkSetting::Mac(*mac)),
                _ => {
                    let text = format!("{port}: only a bond or a team has an LACP system id");
                    return Err(OpError::unsupported(text));
                }
            }
        }
        Action::FdbInstall {
            key,
            port,
            active,
            sticky,
        } => {
            let activity = if *active {
                Activity::Active
            } else {
                Activity::Inactive
            };
            let action = match sticky {
                true => FdbAction::SetSticky(activity),
                false => FdbAction::SetTracked(activity),
            };
            fdb(backend, key, link(port)?, action)
        }
        Action::FdbMakeDynamic { key, port } => {
            fdb(backend, key, link(port)?, FdbAction::SetDynamic)
        }
        Action::FdbDelete { key, port } => delete(backend, key, link(port)?)?,
        Action::LocalInstall { key, .. } | Action::LocalDelete { key, .. } => {
            let install = matches!(action, Action::LocalInstall { .. });
            let bridge = backend
                .bridge_link()
                .ok_or_else(|| OpError::refused("the bridge is gone"))?;
            let action = match install {
                true => FdbAction::SetLocal,
                false => FdbAction::DeleteLocal,
            };
            fdb(backend, key, bridge, action)
        }
        Action::SetInterfaceMac { interface, mac } => set(link(interface)?, LinkSetting::Mac(*mac)),
        Action::NeighbourInstall {
            key,
            mac,
            permanent,
        } => {
            let mac = *mac;
            let action = match permanent {
                true => NeighbourAction::SetPermanent { mac },
                false => NeighbourAction::SetReachable { mac },
            };
            neighbour(key, link(&key.interface)?, action)
        }
        Action::NeighbourDelete { key } => {
            neighbour(key, link(&key.interface)?, NeighbourAction::Delete)
        }
    })
}

fn neighbour(key: &NeighbourKey, link: &LinkInfo, action: NeighbourAction) -> Request {
    Request::Kernel(vec![Op::Neighbour(NeighbourOp {
        index: link.index,
        address: key.address,
        action,
    })])
}

fn fdb(backend: &LinuxBackend, key: &FdbKey, port: &LinkInfo, action: FdbAction) -> Request {
    Request::Kernel(vec![Op::Fdb(fdb_op(backend, key, port.index, action))])
}

fn fdb_op(backend: &LinuxBackend, key: &FdbKey, port: u32, action: FdbAction) -> FdbOp {
    let filtering = backend.bridge_settings().vlan_filtering;
    FdbOp {
        mac: key.mac,
        vid: filtering.then_some(key.vid),
        port,
        action,
    }
}

/// A port that was taken out of a VLAN keeps the entries that were installed there, and kernels before 6.15 refuse to delete
/// one (`EINVAL`). They do move it to another port.
fn delete(backend: &LinuxBackend, key: &FdbKey, port: &LinkInfo) -> Result<Request, OpError> {
    if !lacks(backend, port, key.vid) {
        return Ok(fdb(backend, key, port, FdbAction::Delete));
    }
    let ports = backend.vlans.iter();
    let mut others = ports.filter(|(_, vlans)| vlans.vids.contains(key.vid));
    let bridge = backend.bridge_link().map(|bridge| bridge.index);
    let other = others.find(|(index, _)| {
        let link = backend.links.by_index.get(index);
        link.is_some_and(|link| link.master.is_some() && link.master == bridge)
    });
    let Some((other, _)) = other else {
        // Tried again, until one has.
        let text = format!("no port has VLAN {}", key.vid);
        return Err(OpError::refused(text));
    };
    Ok(Request::DeleteAnyway {
        entry: fdb_op(backend, key, port.index, FdbAction::Delete),
        other: *other,
    })
}

/// Whether a port of the bridge is known not to have a VLAN.
fn lacks(backend: &LinuxBackend, port: &LinkInfo, vid: Vid) -> bool {
    let filtering = backend.bridge_settings().vlan_filtering;
    let vlans = backend.vlans.get(&port.index);
    filtering && vlans.is_some_and(|vlans| !vlans.vids.contains(vid))
}

/// Removing what is not there is no failure.
pub(super) fn result(op: &Op, result: Result<(), NetlinkError>) -> Result<(), OpError> {
    let removal = matches!(
        op,
        Op::Fdb(FdbOp {
            action: FdbAction::Delete | FdbAction::DeleteLocal,
            ..
        }) | Op::Neighbour(NeighbourOp {
            action: NeighbourAction::Delete,
            ..
        })
    );
    match result {
        Err(error) if removal && error.is_gone() => Ok(()),
        // An interface that is no port of a bridge has no table to remove anything from (`EOPNOTSUPP`).
        Err(error) if is_removal_from_port(op) && error.is_unsupported() => Ok(()),
        result => result.map_err(refused),
    }
}

const fn is_removal_from_port(op: &Op) -> bool {
    matches!(
        op,
        Op::Fdb(FdbOp {
            action: FdbAction::Delete,
            ..
        })
    )
}

/// The kernel's words, with the kind of failure they mean.
pub(super) fn refused(error: NetlinkError) -> OpError {
    let code = match () {
        () if error.is_unsupported() => OpErrorCode::Unsupported,
        () if error.is_gone() => OpErrorCode::Waiting,
        () => OpErrorCode::Refused,
    };
    OpError {
        code,
        text: error.to_string(),
    }
}
