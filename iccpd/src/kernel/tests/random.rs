//! Interfaces that come, go, and become others, in any order: whoever followed them all knows what one knows who
//! begins afterwards.

use super::*;
use iccp_core::Link;
use ipnetwork::IpNetwork;
use mclag_netlink::{BridgeVlans, LinkInfo, LinkKind, VlanSet};
use mclag_proto::Vid;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What the core knows of the interfaces.
#[derive(Debug, Default, Eq, PartialEq)]
struct Known {
    links: BTreeMap<u32, Link>,
    vids: BTreeMap<u32, BTreeSet<Vid>>,
    addresses: BTreeMap<u32, BTreeSet<IpNetwork>>,
    filtering: BTreeSet<u32>,
    unnamed: BTreeSet<u32>,
}

impl Known {
    fn take(&mut self, input: Input) {
        match input {
            Input::LinksBegin => self.unnamed = self.links.keys().copied().collect(),
            Input::LinksEnd => {
                for index in std::mem::take(&mut self.unnamed) {
                    self.remove(index);
                }
            }
            Input::Link(link) => {
                self.unnamed.remove(&link.index);
                self.links.insert(link.index, link);
            }
            Input::LinkGone { index } => self.remove(index),
            Input::Vlans { index, vids } => {
                self.vids.insert(index, vids);
                self.vids.retain(|_, vids| !vids.is_empty());
            }
            Input::VlanFiltering { index, on } => {
                self.filtering.remove(&index);
                self.filtering.extend(on.then_some(index));
            }
            Input::Addresses { index, addresses } => {
                self.addresses
                    .insert(index, addresses.into_iter().collect());
                self.addresses.retain(|_, list| !list.is_empty());
            }
            _ => {}
        }
    }

    fn remove(&mut self, index: u32) {
        self.links.remove(&index);
        self.vids.remove(&index);
        self.filtering.remove(&index);
        self.addresses.remove(&index);
    }
}

/// Everything that the watch has to say by now.
async fn drain(watch: &mut Watch, known: &mut Known) {
    for _ in 0..64 {
        tokio::task::yield_now().await;
        tokio::select! {
            biased;
            input = watch.next() => known.take(input),
            () = std::future::ready(()) => {}
        }
        while let Some(input) = watch.ready() {
            known.take(input);
        }
    }
}

/// Numbers that look random, the same ones each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

const PORTS: [&str; 4] = ["p1", "p2", "p3", "p4"];
const BRIDGES: [&str; 2] = ["b1", "b2"];

/// A change that an operator makes; it may be impossible.
fn change(numbers: &mut Numbers) -> (&'static str, String) {
    let port = numbers.of(&PORTS);
    let other = numbers.of(&PORTS);
    let bridge = numbers.of(&BRIDGES);
    let vid = numbers.below(4) + 2;
    let index = numbers.below(6) + 70;
    let either = numbers.of(&[port, bridge]);
    let switch = numbers.of(&["up", "down"]);
    let filtering = numbers.below(2);
    let host = numbers.below(3) + 1;
    match numbers.below(14) {
        0 => ("ip", format!("link add {port} type veth peer name {other}")),
        // The number of one that is gone, perhaps of another kind.
        1 => ("ip", format!("link add {port} index {index} type veth")),
        2 => (
            "ip",
            format!("link add {bridge} index {index} type bridge vlan_filtering {filtering}"),
        ),
        3 => ("ip", format!("link del {either}")),
        4 => ("ip", format!("link set {port} name {other}")),
        5 => ("ip", format!("link set {port} name {bridge}")),
        6 => ("ip", format!("link set {either} {switch}")),
        7 => ("ip", format!("link set {port} master {bridge}")),
        8 => ("ip", format!("link set {port} nomaster")),
        9 => ("ip", format!("address add 192.0.2.{host}/24 dev {either}")),
        10 => ("ip", format!("address del 192.0.2.{host}/24 dev {either}")),
        11 => (
            "ip",
            format!("link set {bridge} type bridge vlan_filtering {filtering}"),
        ),
        12 => ("bridge", format!("vlan add vid {vid} dev {port}")),
        _ => ("bridge", format!("vlan del vid {vid} dev {port}")),
    }
}

fn run((program, arguments): &(&str, String)) -> bool {
    let mut command = Command::new(program);
    command.args(arguments.split(' ')).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

async fn fresh() -> Known {
    let mut known = Known::default();
    let mut watch = Watch::open(BTreeSet::new()).unwrap();
    for input in until(&mut watch, "dump", is_end).await {
        known.take(input);
    }
    known
}

/// Input: interfaces are made, deleted, renamed, joined to bridges and taken out, given VLANs and addresses, and
/// their numbers are used again, while the watch looks now and then. Output: it knows what a new one finds.
#[test]
fn whoever_followed_every_change_knows_what_a_fresh_start_finds() {
    for seed in 0..12 {
        in_namespace("random changes", async || {
            let mut numbers = Numbers(seed);
            let (mut known, mut done) = (Known::default(), String::new());
            let mut watch = Watch::open(BTreeSet::new()).unwrap();
            for _ in 0..60 {
                let change = change(&mut numbers);
                if run(&change) {
                    writeln!(done, "{} {}", change.0, change.1).unwrap();
                }
                if numbers.below(3) == 0 {
                    drain(&mut watch, &mut known).await;
                }
            }
            let deadline = Instant::now() + PATIENCE;
            loop {
                drain(&mut watch, &mut known).await;
                let wanted = fresh().await;
                if known == wanted {
                    break;
                }
                let late = Instant::now() >= deadline;
                assert!(
                    !late,
                    "seed {seed}, after\n{done}{known:#?}\nis not\n{wanted:#?}"
                );
            }
        });
    }
}

/// A kernel whose bridges filter VLANs, and what it reports.
#[derive(Default)]
struct Model {
    links: BTreeMap<u32, LinkInfo>,
    vids: BTreeMap<u32, VlanSet>,
    events: Vec<Event>,
}

impl Model {
    fn report(&mut self, index: u32) {
        let link = Box::new(self.links[&index].clone());
        self.events.push(Event::Link(link));
        if let Some(vids) = self.vids.get(&index).cloned() {
            let vlans = BridgeVlans {
                vids,
                ..BridgeVlans::default()
            };
            self.events.push(Event::BridgeVlans { index, vlans });
        }
    }

    fn leave(&mut self, index: u32) {
        if self.vids.remove(&index).is_some() {
            self.events.push(Event::LeftBridge { index });
        }
        if let Some(link) = self.links.get_mut(&index) {
            link.master = None;
        }
    }

    fn change(&mut self, numbers: &mut Numbers) {
        let index = u32::try_from(numbers.below(5)).unwrap() + 1;
        let name = IfName::new(numbers.of(&PORTS)).unwrap();
        let is_free = self.links.values().all(|link| link.name != name);
        match (numbers.below(6), self.links.get_mut(&index)) {
            (0, None) if is_free => {
                let kind = [LinkKind::Veth, LinkKind::Vrf, LinkKind::Vxlan];
                let link = view::tests::info(index, name.as_str(), kind[numbers.below(3)].clone());
                self.links.insert(index, link);
            }
            (1, Some(link)) if is_free => link.name = name,
            (2, Some(link)) => link.lower_up = !link.lower_up,
            (3, Some(link)) if link.master.is_none() => {
                link.master = Some(100);
                self.vids.insert(index, VlanSet::new());
            }
            (3, Some(_)) => self.leave(index),
            (4, Some(link)) => {
                let name = link.name;
                self.leave(index);
                self.links.remove(&index);
                self.events.push(Event::LinkGone { index, name });
                return;
            }
            (5, Some(link)) if link.master.is_some() => {
                let mut vids = VlanSet::new();
                for _ in 0..numbers.below(3) {
                    vids.insert(Vid::new(u16::try_from(numbers.below(4)).unwrap() + 1).unwrap());
                }
                self.vids.insert(index, vids);
            }
            _ => return,
        }
        self.report(index);
    }
}

/// The same with VLANs, which not every kernel has, and with more changes between two looks.
#[tokio::test]
async fn whoever_followed_every_event_knows_what_a_dump_has() {
    for seed in 0..500 {
        let mut numbers = Numbers(seed);
        let (mut model, mut known) = (Model::default(), Known::default());
        let mut watch = Watch::open(BTreeSet::new()).unwrap();
        for _ in 0..numbers.below(60) {
            model.change(&mut numbers);
            if numbers.below(4) == 0 {
                watch.links_happened(std::mem::take(&mut model.events));
                std::iter::from_fn(|| watch.ready()).for_each(|input| known.take(input));
            }
        }
        watch.links_happened(std::mem::take(&mut model.events));
        std::iter::from_fn(|| watch.ready()).for_each(|input| known.take(input));
        let (mut fresh, mut wanted) = (View::default(), Known::default());
        let vids = model.vids.into_iter().filter(|(_, vids)| !vids.is_empty());
        let vlans = vids.map(|(index, vids)| {
            let others = BridgeVlans::default();
            (index, BridgeVlans { vids, ..others })
        });
        fresh.replace(model.links, vlans.collect());
        std::iter::from_fn(|| fresh.next_input()).for_each(|input| wanted.take(input));
        assert_eq!(known, wanted, "seed {seed}");
    }
}
