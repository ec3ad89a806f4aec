//! The bridge filter.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use mclag_netlink::PortState;
use mclag_netlink::nft::{Filter, FilterChange, FilterSet, FilterState, TableName, Watch};
use mclag_proto::{IfName, Mac};

use crate::lab::{Lab, PATIENCE, Skip, Wire, in_namespace, mac, name};

/// The filter, in a kernel that has one.
pub(crate) async fn filter(table: &TableName) -> Result<Filter, Skip> {
    let lacks = |what: &dyn std::fmt::Display| Skip(format!("kernel lacks nftables: {what}"));
    let mut filter = Filter::open().map_err(|error| lacks(&error))?;
    // The bridge family is a module of its own: only creating a table there tells.
    match filter.ensure(table, &name("probe")).await {
        Ok(_) => {
            filter.delete(table).await.expect("delete");
            Ok(filter)
        }
        Err(error) if error.is_denied() => panic!("{error}"),
        Err(error) => Err(lacks(&error)),
    }
}

fn table() -> TableName {
    TableName::for_bridge(&name("br0"))
}

fn names(list: &[&str]) -> BTreeSet<IfName> {
    list.iter().map(|text| name(text)).collect()
}

fn change(set: FilterSet, port: &str, present: bool) -> FilterChange {
    FilterChange {
        set,
        port: name(port),
        present,
    }
}

/// The rules in the words of `nft`, without counters; `None` where it is not installed.
fn listing() -> Option<String> {
    let output = Command::new("nft")
        .args(["list", "ruleset"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text.lines().map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let line = words.join(" ");
        line.replace("counter packets 0 bytes 0 ", "counter ")
    });
    Some(
        lines
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join("\n"),
    )
}

fn nft(command: &str) -> bool {
    let status = Command::new("nft").args(command.split(' ')).status();
    match status {
        Ok(status) => {
            assert!(status.success(), "nft {command}");
            true
        }
        Err(_) => false,
    }
}

#[test]
fn the_table_lives_its_life_and_nft_reads_what_we_meant() {
    in_namespace("filter life", async |_| {
        let table = table();
        let mut filter = filter(&table).await?;
        assert_eq!(filter.read(&table).await, Ok(None));
        assert_eq!(filter.delete(&table).await, Ok(false));

        assert_eq!(filter.ensure(&table, &name("peer0")).await, Ok(true));
        let changes = [
            change(FilterSet::Isolated, "bond1", true),
            change(FilterSet::Isolated, "bond2", true),
            change(FilterSet::Held, "fifteen.letters", true),
        ];
        filter.change(&table, &changes).await.unwrap();
        let state = FilterState {
            peer_link: Some(name("peer0")),
            isolated: names(&["bond1", "bond2"]),
            held: names(&["fifteen.letters"]),
        };
        assert_eq!(filter.read(&table).await, Ok(Some(state.clone())));
        if let Some(listing) = listing() {
            assert_eq!(
                listing,
                "table bridge mclag_br0 {\n\
                 set isolated {\n\
                 type ifname\n\
                 elements = { \"bond1\",\n\
                 \"bond2\" }\n\
                 }\n\
                 set held {\n\
                 type ifname\n\
                 elements = { \"fifteen.letters\" }\n\
                 }\n\
                 chain forward {\n\
                 type filter hook forward priority 0; policy accept;\n\
                 iifname \"peer0\" oifname @isolated counter drop\n\
                 oifname @held counter drop\n\
                 iifname @held counter drop\n\
                 }\n\
                 }"
            );
        }

        // Nothing to do the second time, and saying it twice changes nothing.
        assert_eq!(filter.ensure(&table, &name("peer0")).await, Ok(false));
        filter.change(&table, &changes).await.unwrap();
        assert_eq!(filter.read(&table).await, Ok(Some(state.clone())));

        // Another peer link: the members stay.
        assert_eq!(filter.ensure(&table, &name("peer1")).await, Ok(true));
        let state = FilterState {
            peer_link: Some(name("peer1")),
            ..state
        };
        assert_eq!(filter.read(&table).await, Ok(Some(state)));

        // Leaving is possible for who is not there; the last word counts.
        let changes = [
            change(FilterSet::Isolated, "bond1", false),
            change(FilterSet::Isolated, "nobody", false),
            change(FilterSet::Isolated, "bond3", false),
            change(FilterSet::Isolated, "bond3", true),
            change(FilterSet::Held, "fifteen.letters", false),
        ];
        filter.change(&table, &changes).await.unwrap();
        let state = FilterState {
            peer_link: Some(name("peer1")),
            isolated: names(&["bond2", "bond3"]),
            held: names(&[]),
        };
        assert_eq!(filter.read(&table).await, Ok(Some(state)));

        let wanted = FilterState {
            peer_link: None,
            isolated: names(&["bond4"]),
            held: names(&["bond5"]),
        };
        assert_eq!(filter.replace(&table, &wanted).await, Ok(true));
        assert_eq!(filter.read(&table).await, Ok(Some(wanted.clone())));
        assert_eq!(filter.replace(&table, &wanted).await, Ok(false));

        assert_eq!(filter.delete(&table).await, Ok(true));
        assert_eq!(filter.read(&table).await, Ok(None));
        if let Some(listing) = listing() {
            assert_eq!(listing, "");
        }
        Ok(())
    });
}

#[test]
fn a_table_of_another_shape_is_made_ours_and_keeps_its_members() {
    in_namespace("foreign table", async |_| {
        let table = table();
        let mut filter = filter(&table).await?;
        filter.ensure(&table, &name("peer0")).await.unwrap();
        let isolated = change(FilterSet::Isolated, "bond1", true);
        filter.change(&table, &[isolated]).await.unwrap();
        for damage in [
            "flush chain bridge mclag_br0 forward",
            "add rule bridge mclag_br0 forward accept",
            "insert rule bridge mclag_br0 forward accept",
            "add chain bridge mclag_br0 forward { policy drop ; }",
        ] {
            if !nft(damage) {
                return Err(Skip("nft is not installed".to_owned()));
            }
            let found = filter.read(&table).await.unwrap().expect("a table");
            assert_eq!(found.peer_link, None, "{damage}");
            assert_eq!(
                filter.ensure(&table, &name("peer0")).await,
                Ok(true),
                "{damage}"
            );
            let found = filter.read(&table).await.unwrap().expect("a table");
            assert_eq!(found.peer_link, Some(name("peer0")), "{damage}");
            assert_eq!(found.isolated, names(&["bond1"]), "{damage}");
        }
        // A table with a set of another type, and nothing else.
        nft("delete table bridge mclag_br0");
        nft("add table bridge mclag_br0");
        nft("add set bridge mclag_br0 isolated { type ether_addr ; }");
        assert_eq!(filter.ensure(&table, &name("peer0")).await, Ok(true));
        assert_eq!(filter.ensure(&table, &name("peer0")).await, Ok(false));
        Ok(())
    });
}

#[test]
fn a_refused_transaction_changes_nothing_and_says_which_part_failed() {
    in_namespace("refused", async |_| {
        let table = table();
        let mut filter = filter(&table).await?;
        let add = change(FilterSet::Isolated, "bond1", true);
        let error = filter.change(&table, &[add]).await.unwrap_err();
        assert_eq!(error.op, "add to filter");
        assert_eq!(error.object, "mclag_br0 isolated: bond1");
        assert!(error.is_gone(), "{error}");

        filter.ensure(&table, &name("peer0")).await.unwrap();
        let long = change(FilterSet::Held, "sixteen_letters!", true);
        let error = filter.change(&table, &[add, long]).await.unwrap_err();
        assert_eq!(error.errno, libc::ENAMETOOLONG);
        let found = filter.read(&table).await.unwrap().expect("a table");
        assert_eq!(found.isolated, names(&[]));
        Ok(())
    });
}

#[test]
fn thousands_of_members_are_one_transaction() {
    in_namespace("many members", async |_| {
        let table = table();
        let mut filter = filter(&table).await?;
        let wanted = FilterState {
            peer_link: Some(name("peer0")),
            isolated: (0..3000).map(|n| name(&format!("bond{n}"))).collect(),
            held: (0..3000).map(|n| name(&format!("held{n}"))).collect(),
        };
        assert_eq!(filter.replace(&table, &wanted).await, Ok(true));
        assert_eq!(filter.read(&table).await, Ok(Some(wanted.clone())));
        assert_eq!(filter.ensure(&table, &name("peer1")).await, Ok(true));
        let found = filter.read(&table).await.unwrap().expect("a table");
        assert_eq!(found.isolated, wanted.isolated);
        Ok(())
    });
}

/// A bridge with three ports, and both ends of their cables.
struct Ports(Vec<Port>);

struct Port {
    name: &'static str,
    near: Wire,
    far: Wire,
}

impl Ports {
    async fn build(lab: &mut Lab) -> Result<Self, Skip> {
        let bridge = lab.bridge("br0", false, Duration::from_secs(300)).await?;
        let mut ports = Vec::new();
        for name in ["peer", "mlag", "orphan"] {
            let (near, far) = lab.veth(name, &format!("{name}.far")).await?;
            lab.enslave(near, bridge).await;
            lab.until(near, "forwarding", |link| {
                link.is_running()
                    && link.bridge_port.map(|p| p.state) == Some(PortState::Forwarding)
            })
            .await;
            ports.push(Port {
                name,
                near: Wire::open(near),
                far: Wire::open(far),
            });
        }
        Ok(Self(ports))
    }

    /// Which of the other ports a broadcast from this one reaches.
    async fn reach(&mut self, from: &str) -> BTreeSet<&'static str> {
        let broadcast = Mac([0xff; 6]);
        for port in &mut self.0 {
            if port.name == from {
                port.far.send(broadcast, mac(1), None, "through the bridge");
            }
        }
        let mut reached = BTreeSet::new();
        for port in self.0.iter_mut().filter(|port| port.name != from) {
            // Past the bridge, behind whatever the bridge had to say.
            port.near.send(broadcast, mac(2), None, "end");
            let frames = port.far.wait_for("end").await;
            if frames.iter().any(|frame| frame == "through the bridge") {
                reached.insert(port.name);
            }
        }
        reached
    }
}

#[test]
fn isolated_ports_get_nothing_from_the_peer_link_and_held_ports_nothing_at_all() {
    in_namespace("filtering", async |mut lab| {
        let table = table();
        let mut filter = filter(&table).await?;
        let mut ports = Ports::build(&mut lab).await?;
        filter.ensure(&table, &name("peer")).await.unwrap();
        let to = |list: &[&'static str]| list.iter().copied().collect::<BTreeSet<_>>();

        assert_eq!(ports.reach("peer").await, to(&["mlag", "orphan"]));

        let isolated = change(FilterSet::Isolated, "mlag", true);
        filter.change(&table, &[isolated]).await.unwrap();
        assert_eq!(ports.reach("peer").await, to(&["orphan"]));
        assert_eq!(ports.reach("orphan").await, to(&["mlag", "peer"]));
        assert_eq!(ports.reach("mlag").await, to(&["orphan", "peer"]));

        let held = [
            change(FilterSet::Isolated, "mlag", false),
            change(FilterSet::Held, "mlag", true),
        ];
        filter.change(&table, &held).await.unwrap();
        assert_eq!(ports.reach("peer").await, to(&["orphan"]));
        assert_eq!(ports.reach("orphan").await, to(&["peer"]));
        assert_eq!(ports.reach("mlag").await, to(&[]));

        let released = change(FilterSet::Held, "mlag", false);
        let start = Instant::now();
        filter.change(&table, &[released]).await.unwrap();
        eprintln!("releasing a port took {:?}", start.elapsed());
        assert_eq!(ports.reach("peer").await, to(&["mlag", "orphan"]));
        Ok(())
    });
}

/// Input: changes of our own, then of somebody else, each in turn. Output: the others' are told,
/// a row of them once.
#[test]
fn what_others_change_of_the_rules_is_told_and_what_we_do_is_not() {
    in_namespace("filter watch", async |_| {
        let table = table();
        let mut ours = filter(&table).await?;
        let mut theirs = Filter::open().unwrap();
        let mut watch = Watch::open(&ours).unwrap();
        let told = async |watch: &mut Watch, patience| {
            let changed = tokio::time::timeout(patience, watch.changed()).await;
            changed.map(|result| result.expect("events")).is_ok()
        };
        let soon = Duration::from_millis(20);

        assert!(ours.ensure(&table, &name("peer")).await.unwrap());
        let port = change(FilterSet::Isolated, "port", true);
        ours.change(&table, &[port]).await.unwrap();
        assert!(!told(&mut watch, soon).await);

        let other = change(FilterSet::Held, "other", true);
        theirs.change(&table, &[other]).await.unwrap();
        let gone = change(FilterSet::Held, "other", false);
        theirs.change(&table, &[gone]).await.unwrap();
        assert!(told(&mut watch, PATIENCE).await);
        assert!(!told(&mut watch, soon).await);

        assert!(theirs.delete(&table).await.unwrap());
        assert!(told(&mut watch, PATIENCE).await);
        assert_eq!(ours.read(&table).await, Ok(None));
        assert!(!told(&mut watch, soon).await);
        if nft("add table bridge stranger") {
            assert!(told(&mut watch, PATIENCE).await);
        }
        Ok(())
    });
}

/// Input: more changes than the listener's receive buffer holds. Output: it is told once, and
/// what comes next as well.
#[test]
fn a_flood_of_changes_is_one_change() {
    in_namespace("filter flood", async |_| {
        let table = table();
        let mut ours = filter(&table).await?;
        let mut theirs = Filter::open().unwrap();
        let mut watch = Watch::open(&ours).unwrap();
        assert!(ours.ensure(&table, &name("peer")).await.unwrap());
        for number in 0..600 {
            let port = change(FilterSet::Held, &format!("port{number}"), true);
            theirs.change(&table, &[port]).await.unwrap();
        }
        let changed = tokio::time::timeout(PATIENCE, watch.changed()).await;
        changed.expect("told").expect("events");
        // Whatever is left of the flood is told by now.
        let soon = Duration::from_millis(20);
        while let Ok(changed) = tokio::time::timeout(soon, watch.changed()).await {
            changed.expect("events");
        }
        theirs.delete(&table).await.unwrap();
        let changed = tokio::time::timeout(PATIENCE, watch.changed()).await;
        changed.expect("told").expect("events");
        Ok(())
    });
}
