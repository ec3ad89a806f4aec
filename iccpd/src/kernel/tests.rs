//! The watch against the running kernel, in a network namespace of its own. Where there is none
//! to be had, or no `ip`, a test says so and passes.

mod random;

use super::*;
use iccp_core::{LinkKind, NeighbourFrom, NeighbourObservation};
use mclag_netlink::{Kernel, NeighbourAction, NeighbourOp};
use mclag_proto::Mac;
use nix::sched::{CloneFlags, unshare};
use std::net::IpAddr;
use std::process::{Command, Stdio};
use tokio::time::timeout;

/// Longest wait for something that ought to happen.
const PATIENCE: Duration = Duration::from_secs(30);

fn in_namespace<F: Future<Output = ()>>(name: &str, test: impl FnOnce() -> F + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let made = unshare(CloneFlags::CLONE_NEWNET).is_ok();
            if !made || !ip("link set lo up") || !ip("link add near type veth peer name far") {
                eprintln!("{name}: skipped: no network namespace, no veth or no ip");
                return;
            }
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(test());
        });
        thread.join().unwrap();
    });
}

/// True if the `ip` command did it.
fn ip(command: &str) -> bool {
    let mut ip = Command::new("ip");
    ip.args(command.split(' ')).stderr(Stdio::null());
    ip.status().is_ok_and(|status| status.success())
}

/// All inputs up to one that `wanted` accepts.
async fn until(watch: &mut Watch, what: &str, wanted: impl Fn(&Input) -> bool) -> Vec<Input> {
    let mut seen = Vec::new();
    let waiting = async {
        loop {
            seen.push(watch.next().await);
            if seen.last().is_some_and(&wanted) {
                return;
            }
        }
    };
    let result = timeout(PATIENCE, waiting).await;
    assert!(result.is_ok(), "no {what}, only {seen:#?}");
    seen
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn neighbour(index: u32, text: &str, observation: Option<NeighbourObservation>) -> Input {
    Input::Neighbour {
        index,
        address: address(text),
        observation,
    }
}

const MAC: Mac = Mac([2, 0, 0, 0, 0, 7]);

fn seen(from: NeighbourFrom) -> Option<NeighbourObservation> {
    Some(NeighbourObservation { mac: MAC, from })
}

fn is_end(input: &Input) -> bool {
    *input == Input::NeighboursEnd
}

/// Input: an interface with addresses and neighbours, then changes of both. Output: the dump
/// names what was there before, and every change is told.
#[test]
fn addresses_and_neighbours_are_told_at_the_start_and_as_they_change() {
    in_namespace("addresses and neighbours", async || {
        assert!(ip("link set far up") && ip("link set near up"));
        assert!(ip("address add 192.0.2.1/24 dev near"));
        let host = "lladdr 02:00:00:00:00:07 dev near nud reachable";
        assert!(ip(&format!("neigh add 192.0.2.7 {host}")));
        assert!(ip(
            "neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev near nud permanent"
        ));
        let mut kernel = Kernel::open().unwrap();
        let near = IfName::new("near").unwrap();
        let index = kernel.link(&near).await.unwrap().unwrap().index;

        let mut watch = Watch::open(BTreeSet::new()).unwrap();
        let all = until(&mut watch, "dump", is_end).await;
        let at = |input: &Input| all.iter().position(|i| i == input);
        let link = |i: &Input| matches!(i, Input::Link(link) if link.index == index);
        let link = all.iter().position(link);
        let addresses = all.iter().position(|input| {
            let wanted = "192.0.2.1/24".parse().unwrap();
            matches!(input, Input::Addresses { index: i, addresses }
                if *i == index && addresses.contains(&wanted))
        });
        let host_seen = at(&neighbour(index, "192.0.2.7", seen(NeighbourFrom::Kernel)));
        let begin = at(&Input::NeighboursBegin);
        let order = [link, addresses, begin, host_seen];
        assert!(order.iter().all(Option::is_some), "{all:#?}");
        assert!(order.is_sorted(), "{all:#?}");
        // Permanent, and by nobody whom it concerns.
        let permanent = |i: &Input| matches!(i, Input::Neighbour { address: a, .. } if *a == address("192.0.2.9"));
        assert!(!all.iter().any(permanent), "{all:#?}");

        let set = NeighbourOp {
            index,
            address: address("192.0.2.8"),
            action: NeighbourAction::SetReachable { mac: MAC },
        };
        assert_eq!(kernel.apply(&[set.into()]).await, [Ok(())]);
        let wanted = neighbour(index, "192.0.2.8", seen(NeighbourFrom::Installed));
        until(&mut watch, "an installed neighbour", |i| *i == wanted).await;
        assert!(ip("neigh del 192.0.2.7 dev near"));
        let wanted = neighbour(index, "192.0.2.7", None);
        until(&mut watch, "the end of a neighbour", |i| *i == wanted).await;
        assert!(ip("address add 198.51.100.1/24 dev near"));
        until(
            &mut watch,
            "all addresses",
            |i| matches!(i, Input::Addresses { addresses, .. } if addresses.len() >= 2),
        )
        .await;
    });
}

/// Input: more changes of neighbours at once than a socket holds without privilege. Output:
/// after all of them the core knows the last state, and the links were not read again for it.
#[test]
fn a_flood_of_neighbours_costs_the_links_nothing() {
    in_namespace("flood of neighbours", async || {
        assert!(ip("link set far up") && ip("link set near up"));
        assert!(ip("address add 192.0.0.1/16 dev near"));
        let mut kernel = Kernel::open().unwrap();
        let near = IfName::new("near").unwrap();
        let index = kernel.link(&near).await.unwrap().unwrap().index;
        let mut watch = Watch::open(BTreeSet::new()).unwrap();
        let monitors = watch.monitors.as_mut().unwrap();
        let small = Groups {
            neighbours: true,
            ..Groups::default()
        };
        monitors.neighbours = Monitor::open(small, 16 * 1024).unwrap();
        until(&mut watch, "dump", is_end).await;

        let host = |number: u16| {
            let [high, low] = number.to_be_bytes();
            IpAddr::from([192, 0, high, low])
        };
        let ops: Vec<_> = (256..2256)
            .map(|number| NeighbourOp {
                index,
                address: host(number),
                action: NeighbourAction::SetReachable { mac: MAC },
            })
            .map(mclag_netlink::Op::from)
            .collect();
        assert!(kernel.apply(&ops).await.iter().all(Result::is_ok));
        let all = until(&mut watch, "another dump", is_end).await;
        let dump = all.iter().position(|i| *i == Input::NeighboursBegin);
        let dump = &all[dump.unwrap()..];
        let told: BTreeSet<IpAddr> = dump
            .iter()
            .filter_map(|input| match input {
                Input::Neighbour { address, .. } => Some(*address),
                _ => None,
            })
            .collect();
        let missing = (256..2256).find(|number| !told.contains(&host(*number)));
        assert_eq!(missing, None);
        assert!(!all.contains(&Input::LinksBegin));
    });
}

#[test]
fn kinds_of_interfaces_reach_the_core() {
    in_namespace("kinds", async || {
        if !ip("link add link near name near.10 type vlan id 10") {
            eprintln!("kinds: skipped: no VLAN devices");
            return;
        }
        let mut watch = Watch::open(BTreeSet::new()).unwrap();
        let all = until(&mut watch, "dump", is_end).await;
        let near = all.iter().find_map(|input| match input {
            Input::Link(link) if link.name.as_str() == "near" => Some(link.index),
            _ => None,
        });
        let found = all.iter().any(|input| {
            matches!(input, Input::Link(link) if matches!(
                link.kind,
                LinkKind::Vlan { vid, parent } if vid.get() == 10 && Some(parent) == near
            ))
        });
        assert!(found, "{all:#?}");
    });
}

/// `spec/behaviour.md` 2.4, W-1. Input: a question that the kernel does not answer, and a teamd that
/// does. Output: what teamd said is taken in meanwhile.
#[tokio::test]
async fn a_kernel_that_lets_a_question_wait_holds_nobody_else_up() {
    let mut watch = Watch::open(BTreeSet::new()).unwrap();
    let (_release, held) = std::sync::mpsc::channel::<()>();
    let mut reader = Reader::start_with(async move |_| {
        let _ = held.recv_timeout(PATIENCE);
        Err(ReadError::Gone)
    })
    .unwrap();
    reader.ask(Question::All);
    watch.reader = Some(reader);
    let team = IfName::new("team0").unwrap();
    let answer = vec![(1, team, Err(TeamError::Silent))];
    watch.teams = Some(Box::pin(std::future::ready(answer)));
    assert!(
        timeout(Duration::from_millis(50), watch.next())
            .await
            .is_err()
    );
    assert!(watch.teams.is_none() && watch.silent_teams.contains(&team));
}

#[tokio::test]
async fn everything_is_read_again_for_other_interfaces_and_on_demand() {
    let names = ["bond1", "bond2"].map(|name| IfName::new(name).unwrap());
    let mut watch = Watch::open(names.into()).unwrap();
    watch.dump_due = false;
    watch.watch(names.into());
    assert!(!watch.dump_due, "the same ones");
    watch.watch(names[..1].iter().copied().collect());
    assert!(std::mem::take(&mut watch.dump_due));
    watch.report_again();
    assert!(watch.dump_due);
}

#[tokio::test]
async fn teams_that_are_to_carry_data_without_lacp_are_known_by_name() {
    let [team, other, port] = ["team1", "team2", "eth1"].map(|name| IfName::new(name).unwrap());
    let mut watch = Watch::open([team, other, port].into()).unwrap();
    watch.bypass([team, port].into());
    let kinds = [
        (team, mclag_netlink::LinkKind::Team),
        (other, mclag_netlink::LinkKind::Team),
        (port, mclag_netlink::LinkKind::Veth),
    ];
    let links = (1..).zip(kinds);
    let links = links.map(|(index, (name, kind))| view::tests::info(index, name.as_str(), kind));
    watch.links_happened(links.map(|link| Event::Link(Box::new(link))).collect());
    assert_eq!(watch.teams_with_bypass().collect::<Vec<_>>(), [team]);
}
