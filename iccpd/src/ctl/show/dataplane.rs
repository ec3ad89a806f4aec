//! `mclagctl dataplane`.

use super::{Rows, columns, lines, or_dash};
use mclag_proto::ctl::dataplane::{Client, Dataplane, Pair};

/// What `syncd` does, and for whom.
#[must_use]
pub fn dataplane(shown: &Dataplane) -> String {
    let mut rows = Rows::default();
    rows.add("Backend", &shown.backend);
    rows.add("Bridge", or_dash(shown.bridge));
    rows.add(
        "Peer link",
        match (shown.peer_link, shown.peer_link_learning) {
            (Some(name), Some(true)) => format!("{name}, learning"),
            (Some(name), Some(false)) => format!("{name}, not learning"),
            (Some(name), None) => format!("{name}, not a port of the bridge"),
            (None, _) => "none".to_owned(),
        },
    );
    rows.add("Filter", if shown.filter { "installed" } else { "none" });
    if shown.clients.is_empty() {
        rows.add("Client", "none");
    }
    for client in &shown.clients {
        rows.add("Client", describe(client));
    }
    if let Some(pair) = &shown.pair {
        add_pair(&mut rows, pair);
    }
    if let Some(remembered) = &shown.remembered {
        let age = super::unconfirmed(remembered.unconfirmed_for_s);
        rows.add("Pair", format!("domain {}, {age}", remembered.domain));
    }
    if let Some(config_db) = &shown.config_db {
        rows.add("CONFIG_DB", super::decides(config_db));
    }
    let entries = shown.entries;
    rows.add(
        "MAC addresses",
        format!(
            "{} learned, {} wanted: {} active here, {} not; {} configured",
            entries.learned, entries.wanted, entries.active, entries.inactive, entries.configured
        ),
    );
    rows.add("Neighbours", format!("{} wanted", shown.neighbours));
    if shown.runs_as_root {
        rows.add("Runs as", "root, with no capability that it does not need");
    }
    if shown.unfinished {
        rows.add(
            "Warning",
            "something could not be done yet and is tried again",
        );
    }
    for counter in shown.counters.iter().filter(|counter| counter.value > 0) {
        rows.add("Counter", format!("{} {}", counter.value, counter.name));
    }
    let mut text = rows.text();
    if !shown.ports.is_empty() {
        let mut table = columns(&[
            "Port",
            "State",
            "Isolated",
            "Traffic",
            "Redirect",
            "System MAC",
        ]);
        for port in &shown.ports {
            let state = match (port.present, port.running) {
                (false, _) => "missing",
                (true, true) => "up",
                (true, false) => "down",
            };
            let isolated = match (port.isolated, port.isolation_wanted) {
                (true, Some(false)) => "yes, not wanted",
                (false, Some(true)) => "no, but wanted",
                (true, _) => "yes",
                (false, _) => "no",
            };
            table.add_row(vec![
                port.name.to_string(),
                state.to_owned(),
                isolated.to_owned(),
                if port.held { "held" } else { "passes" }.to_owned(),
                if port.redirect { "yes" } else { "no" }.to_owned(),
                or_dash(port.system_mac),
            ]);
        }
        text.push_str(&format!("\n{}", lines(&table)));
    }
    if !shown.remote_ports.is_empty() {
        let mut table = columns(&["Port of the peer", "State"]);
        for port in &shown.remote_ports {
            table.add_row(vec![port.name.to_string(), super::up(port.up).to_owned()]);
        }
        text.push_str(&format!("\n{}", lines(&table)));
    }
    if !shown.interfaces.is_empty() {
        let mut table = columns(&["Interface", "VLAN", "Address", "Wanted"]);
        for interface in &shown.interfaces {
            table.add_row(vec![
                interface.name.to_string(),
                or_dash(interface.vid),
                or_dash(interface.actual),
                interface.wanted.to_string(),
            ]);
        }
        text.push_str(&format!("\n{}", lines(&table)));
    }
    text
}

fn add_pair(rows: &mut Rows, pair: &Pair) {
    rows.add("Domain", pair.domain);
    rows.add(
        "Session",
        match pair.up {
            Some(true) => "up",
            Some(false) => "down",
            None => "unknown, the client is gone",
        },
    );
    rows.add(
        "Role",
        match pair.active {
            Some(true) => "primary",
            Some(false) => "secondary",
            None => "undecided",
        },
    );
    rows.add("System MAC", or_dash(pair.system_mac));
    if let Some(mac) = pair.peer_system_mac {
        rows.add("Peer's system MAC", mac);
    }
}

fn describe(client: &Client) -> String {
    let counted = client.counters.iter();
    let counted = counted.filter(|counter| counter.value > 0 && counter.name != "batches");
    let counted: Vec<String> = counted
        .map(|counter| format!("{} {}", counter.value, counter.name))
        .collect();
    let Client { speaks, from, .. } = client;
    let client = match from.strip_prefix("process ") {
        Some(pid) => format!("iccpd (pid {pid}), protocol {speaks}"),
        None if speaks == "v2" => format!("iccpd ({from}), protocol {speaks}"),
        None => format!("iccpd ({from}), protocol v1 ({speaks})"),
    };
    match counted.is_empty() {
        true => client,
        false => format!("{client}: {}", counted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mclag_proto::ctl::Counter;
    use mclag_proto::ctl::dataplane::{ConfigDb, Entries, Port, Remembered, RemotePort};
    use mclag_proto::{DomainId, IfName, Mac};

    fn shown() -> Dataplane {
        let name = |text| IfName::new(text).unwrap();
        Dataplane {
            backend: "linux".to_owned(),
            bridge: Some(name("br0")),
            peer_link: Some(name("PortChannel10")),
            peer_link_learning: Some(false),
            filter: true,
            clients: vec![Client {
                speaks: "sonic".to_owned(),
                from: "127.0.0.1:40000".to_owned(),
                counters: vec![Counter {
                    name: "messages".to_owned(),
                    value: 17,
                }],
            }],
            pair: Some(Pair {
                domain: DomainId::new(1).unwrap(),
                active: Some(false),
                up: Some(true),
                system_mac: Some(Mac([2, 0, 0, 0, 0, 1])),
                peer_system_mac: None,
            }),
            remembered: Some(Remembered {
                domain: DomainId::new(1).unwrap(),
                unconfirmed_for_s: 90,
            }),
            config_db: Some(ConfigDb::Read(75)),
            ports: vec![Port {
                name: name("PortChannel1"),
                present: true,
                running: true,
                isolated: true,
                isolation_wanted: Some(true),
                held: false,
                system_mac: None,
                redirect: true,
            }],
            remote_ports: vec![RemotePort {
                name: name("PortChannel1"),
                up: true,
            }],
            interfaces: Vec::new(),
            entries: Entries::default(),
            neighbours: 0,
            unfinished: false,
            counters: Vec::new(),
            runs_as_root: false,
        }
    }

    #[test]
    fn everything_that_is_known_is_shown() {
        let text = dataplane(&shown());
        for line in [
            "Peer link      PortChannel10, not learning",
            "Client         iccpd (127.0.0.1:40000), protocol v1 (sonic): 17 messages",
            "Session        up",
            "Pair           domain 1, remembered, not confirmed by the mclagsyncd server for 1 min 30 s",
            "CONFIG_DB      decides on the pair, read 1 min 15 s ago",
            "Role           secondary",
            "PortChannel1  up     yes       passes   yes       -",
        ] {
            assert!(text.contains(line), "{line:?} in\n{text}");
        }
    }

    #[test]
    fn why_config_db_does_not_decide_is_shown() {
        let mut without = shown();
        without.config_db = Some(ConfigDb::Unusable("cannot read redis.sock".to_owned()));
        let line = "CONFIG_DB      not used: cannot read redis.sock\n";
        let text = dataplane(&without);
        assert!(text.contains(line), "{text}");
        without.config_db = None;
        assert!(!dataplane(&without).contains("CONFIG_DB"));
    }

    #[test]
    fn what_a_client_said_that_is_gone_is_unknown() {
        let mut gone = shown();
        gone.clients.clear();
        gone.pair = gone.pair.map(|pair| Pair { up: None, ..pair });
        let text = dataplane(&gone);
        assert!(text.contains("Client         none\n"), "{text}");
        assert!(
            text.contains("Session        unknown, the client is gone\n"),
            "{text}"
        );
    }
}
