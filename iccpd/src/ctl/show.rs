//! The daemon's answers as text that people like to read.
//!
//! No colours and no lines, so that a column can be cut out and a word be searched for. An empty
//! cell is a `-`.

use super::words;
use comfy_table::{Table, presets};
use mclag_proto::ctl::dataplane::ConfigDb;
use mclag_proto::ctl::{
    Counter, Interface, MacCounts, MacLine, Member, NeighbourLine, PathStatus, PeerStatus,
    PortStatus, Remembered, Role, SessionState, Status, TcpAo,
};
use mclag_proto::{IfName, LacpPartner, Vid};
use std::fmt::Display;

mod dataplane;

pub use dataplane::dataplane;

/// Members or VLAN ranges in one line of a cell.
const PER_LINE: usize = 6;

/// `mclagctl status`, with what mclagsyncd says of SONiC's configuration.
#[must_use]
pub fn status(status: &Status, config_db: Option<&ConfigDb>) -> String {
    let mut rows = Rows::default();
    rows.add("Domain", status.domain);
    rows.add("Local address", status.local);
    rows.add("Peer address", status.peer);
    let since = seconds(status.session_for_s);
    rows.add("Session", format!("{} for {since}", status.session));
    if let Some(error) = &status.session_error {
        let since = seconds(error.for_s);
        rows.add("  why", format!("{}, for {since}", error.text));
    }
    let is_alone = status.session != SessionState::Up;
    let alone = if is_alone { ", without a peer" } else { "" };
    rows.add(
        "Role",
        match status.role {
            Role::Undecided => "undecided".to_owned(),
            role => format!("{}, by {}{alone}", role, status.role_by),
        },
    );
    rows.add("System MAC", or_dash(status.system_mac));
    rows.add("Bridge", status.bridge);
    rows.add(
        "Peer link",
        match status.peer_link {
            Some(name) => format!("{name}, {}", up(status.peer_link_up)),
            None => "none".to_owned(),
        },
    );
    let syncd = &status.syncd;
    rows.add(
        "mclagsyncd",
        match (&syncd.backend, syncd.connected) {
            (Some(backend), true) => format!("connected, backend {backend}"),
            (None, true) => "connected".to_owned(),
            (_, false) => "not connected".to_owned(),
        },
    );
    if syncd.failed_operations > 0 {
        rows.add("  failed operations", syncd.failed_operations);
        rows.add("  last failure", or_dash(syncd.last_failure.as_ref()));
    }
    rows.add("MLAG ports", ports(status));
    rows.add("MAC addresses", addresses(status));
    if let Some(for_s) = status.pair_unconfirmed_for_s {
        rows.add("Pair", unconfirmed(for_s));
    }
    if let Some(config_db) = config_db {
        rows.add("CONFIG_DB", decides(config_db));
    }
    if status.lost_log_lines > 0 {
        rows.add("Log lines lost", status.lost_log_lines);
    }
    if status.runs_as_root {
        rows.add("Runs as", "root, without capabilities");
    }
    if !status.waiting_for.is_empty() {
        rows.add("Waiting for", names(&status.waiting_for));
    }
    for warning in &status.warnings {
        rows.add("Warning", words::warning(warning));
    }
    rows.text()
}

/// What is said of a pair that is remembered of a foreign server.
fn unconfirmed(for_s: u64) -> String {
    let age = seconds(for_s);
    format!("remembered, not confirmed by the mclagsyncd server for {age}")
}

/// Whether SONiC's configuration decides which pair there is.
fn decides(config_db: &ConfigDb) -> String {
    match config_db {
        ConfigDb::Read(age_s) => format!("decides on the pair, read {} ago", seconds(*age_s)),
        ConfigDb::Unusable(why) => format!("not used: {why}"),
    }
}

fn ports(status: &Status) -> String {
    let Status {
        ports_dual: dual,
        ports_local_only: here,
        ports_peer_only: peer,
        ports_down: down,
        ..
    } = status;
    match (status.session, status.remembered) {
        (SessionState::Up, _) => {
            format!("{dual} up on both, {here} here only, {peer} at the peer only, {down} down")
        }
        (_, None) => format!("{here} up here, {down} down; at the peer unknown"),
        (
            _,
            Some(Remembered {
                up,
                down: off,
                age_s,
            }),
        ) => {
            let ago = seconds(age_s);
            format!("{here} up here, {down} down; at the peer {up} up and {off} down {ago} ago")
        }
    }
}

fn addresses(status: &Status) -> String {
    let MacCounts {
        local,
        peer,
        both,
        stale,
    } = status.macs;
    if status.session != SessionState::Up {
        let here = local.saturating_add(both);
        return format!("{here} seen here; {stale} of the peer kept from the last session");
    }
    let kept = match stale {
        0 => String::new(),
        stale => format!("; {stale} kept from the last session"),
    };
    format!("{both} seen by both, {local} here only, {peer} by the peer only{kept}")
}

/// `mclagctl interfaces`.
#[must_use]
pub fn interfaces(interfaces: &[Interface]) -> String {
    let mut table = columns(&[
        "Port",
        "Id",
        "Here",
        "Peer",
        "State",
        "Isolated",
        "LACP partner",
        "Members",
        "VLANs",
    ]);
    for port in interfaces {
        table.add_row(vec![
            port.name.to_string(),
            or_dash(port.id),
            port.local.to_string(),
            or_dash(remote_status(port)),
            port_state(port),
            match port.isolated {
                Some(true) => "yes".to_owned(),
                Some(false) => "no".to_owned(),
                None => "-".to_owned(),
            },
            partners(port),
            members(&port.members),
            vids(&port.vids),
        ]);
    }
    let mut text = lines(&table);
    for port in interfaces {
        for conflict in &port.conflicts {
            let conflict = words::conflict(conflict);
            text.push_str(&format!("\nWarning: {}: {conflict}", port.name));
        }
    }
    if interfaces.iter().any(|p| !p.conflicts.is_empty()) {
        text.push('\n');
    }
    text
}

/// `mclagctl macs`.
#[must_use]
pub fn macs(macs: &[MacLine]) -> String {
    let mut table = columns(&[
        "VLAN",
        "Address",
        "Port",
        "Seen here on",
        "Seen by peer on",
        "",
    ]);
    for line in macs {
        let remarks = [(line.configured, "configured"), (line.stale, "stale")];
        table.add_row(vec![
            line.vid.to_string(),
            line.mac.to_string(),
            or_dash(line.port),
            or_dash(line.local),
            or_dash(line.remote),
            true_of(&remarks),
        ]);
    }
    match macs.len() {
        0 => "0 addresses\n".to_owned(),
        1 => format!("{}\n1 address\n", lines(&table)),
        count => format!("{}\n{count} addresses\n", lines(&table)),
    }
}

/// The remarks that are true of a line.
fn true_of(remarks: &[(bool, &'static str)]) -> String {
    let remarks = remarks.iter().filter(|(is_true, _)| *is_true);
    let remarks: Vec<&str> = remarks.map(|(_, remark)| *remark).collect();
    remarks.join(", ")
}

/// `mclagctl neighbours`.
#[must_use]
pub fn neighbours(neighbours: &[NeighbourLine]) -> String {
    let mut table = columns(&["Interface", "Address", "MAC", "Known to", ""]);
    for line in neighbours {
        let remarks = [
            (line.permanent, "the peer's own"),
            (line.installed, "installed"),
            (line.stale, "stale"),
        ];
        let known_to = match (line.local, line.remote) {
            (true, true) => "both",
            (true, false) => "this chassis",
            (false, _) => "the peer",
        };
        table.add_row(vec![
            line.interface.to_string(),
            line.address.to_string(),
            line.mac.to_string(),
            known_to.to_owned(),
            true_of(&remarks),
        ]);
    }
    match neighbours.len() {
        0 => "0 neighbours\n".to_owned(),
        1 => format!("{}\n1 neighbour\n", lines(&table)),
        count => format!("{}\n{count} neighbours\n", lines(&table)),
    }
}

/// `mclagctl peer`.
#[must_use]
pub fn peer(peer: &PeerStatus) -> String {
    let mut rows = Rows::default();
    rows.add("Address", peer.address);
    rows.add("Session", peer.session);
    rows.add(
        "Connection",
        if peer.dialling {
            "this side connects"
        } else {
            "the peer connects"
        },
    );
    rows.add("Software", or_dash(peer.software.as_ref()));
    rows.add("System MAC", or_dash(peer.system_mac));
    rows.add("Node id", or_dash(peer.node.map(|node| node.0)));
    rows.add("Priority", or_dash(peer.priority));
    rows.add(
        "Last heard",
        match peer.last_heard_ms {
            Some(ms) => format!("{} ago", duration(ms)),
            None => "never".to_owned(),
        },
    );
    rows.add(
        "Keepalive",
        format!(
            "every {}, session lost after {}",
            duration(peer.keepalive_ms),
            duration(peer.timeout_ms),
        ),
    );
    rows.add("Protection", protection(peer));
    rows.add("Last error", or_dash(peer.last_error.as_ref()));
    let mut text = rows.text();

    if !peer.paths.is_empty() {
        text.push_str(&format!("\n{}", paths(&peer.paths)));
    }
    if !peer.counters.is_empty() {
        let mut table = columns(&["Counter", "Value"]);
        for counter in &peer.counters {
            table.add_row(vec![counter.name.to_string(), counter.value.to_string()]);
        }
        text.push_str(&format!("\n{}", lines(&table)));
    }
    if !peer.refused.is_empty() {
        let mut table = columns(&["Refused", "Times", "Last reason"]);
        for refusal in &peer.refused {
            table.add_row(vec![
                refusal.address.to_string(),
                refusal.count.to_string(),
                refusal.reason.clone(),
            ]);
        }
        text.push_str(&format!("\n{}", lines(&table)));
    }
    text
}

/// The paths, and below them what is wrong with each.
fn paths(paths: &[PathStatus]) -> String {
    let mut table = columns(&[
        "Path",
        "Device",
        "State",
        "Last seen",
        "Round trip",
        "Lost",
        "Its core",
        "Its mclagsyncd",
    ]);
    let mut notes = String::new();
    for path in paths {
        let ago = |ms: Option<u64>| or_dash(ms.map(|ms| format!("{} ago", duration(ms))));
        let micros = |us: u64| format!("{}.{:03} ms", us / 1000, us % 1000);
        table.add_row(vec![
            path.address.to_string(),
            or_dash(path.device),
            format!("{} for {}", path.state, duration(path.state_for_ms)),
            ago(path.last_seen_ms),
            or_dash(path.round_trip_us.map(micros)),
            match path.lost_of {
                0 => "-".to_owned(),
                all => format!("{} of {all}", path.lost),
            },
            ago(path.core_age_ms),
            ago(path.syncd_age_ms),
        ]);
        if let Some(error) = &path.error {
            notes.push_str(&format!("Path {}: {error}\n", path.address));
        }
        for Counter { name, value } in &path.refused {
            let address = path.address;
            notes.push_str(&format!("Path {address}: {value} refused, {name}\n"));
        }
    }
    format!("{}{notes}", lines(&table))
}

/// What keeps others from the session.
fn protection(peer: &PeerStatus) -> String {
    let signed = match (peer.signed, peer.tcp_ao) {
        (false, _) => None,
        (true, None) => Some("TCP-MD5".to_owned()),
        (true, Some(TcpAo { current, asked_for })) => Some(match current {
            Some(current) if current != asked_for => {
                format!("TCP-AO (key {current}, the peer is asked for {asked_for})")
            }
            _ => format!("TCP-AO (key {asked_for})"),
        }),
    };
    let limit = peer.ttl_security.then(|| "hop limit 255".to_owned());
    let all: Vec<String> = signed.into_iter().chain(limit).collect();
    match all.is_empty() {
        true => "none".to_owned(),
        false => all.join(", "),
    }
}

/// Names with values, one per line.
#[derive(Default)]
struct Rows(Vec<(&'static str, String)>);

impl Rows {
    fn add(&mut self, name: &'static str, value: impl Display) {
        self.0.push((name, value.to_string()));
    }

    fn text(&self) -> String {
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let lines = self.0.iter().map(|(name, value)| {
            let value = printable(value);
            format!("{name:width$}  {value}\n")
        });
        lines.collect()
    }
}

/// What a peer or a kernel says must not control the terminal.
fn printable(text: &str) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(clean).collect()
}

fn columns(titles: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(titles);
    table
}

/// The table, each line without the blanks that fill up its cells.
fn lines(table: &Table) -> String {
    let clean = |line: String| format!("{}\n", printable(line.trim_end()));
    // A table without lines has a blank before its first column.
    let lines = table.lines().map(|line| match line.strip_prefix(' ') {
        Some(rest) => rest.to_owned(),
        None => line,
    });
    lines.map(clean).collect()
}

fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn names(names: &[IfName]) -> String {
    let names: Vec<&str> = names.iter().map(IfName::as_str).collect();
    names.join(", ")
}

const fn up(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

/// Its half at the peer, with the name that it has there if it is another one.
fn remote_status(port: &Interface) -> Option<String> {
    let status = port.remote?.to_string();
    let age = port
        .remembered_s
        .map(|age_s| format!(" {} ago", seconds(age_s)));
    let name = port.name_at_peer.map(|name| format!(" ({name})"));
    Some(
        [
            status.as_str(),
            &age.unwrap_or_default(),
            &name.unwrap_or_default(),
        ]
        .concat(),
    )
}

/// The LACP partner; both where they differ.
fn partners(port: &Interface) -> String {
    let own = port.partner.zip(port.partner_key);
    let own = own.map(|(system, key)| LacpPartner { system, key });
    match (own, port.remote_partner) {
        (Some(own), Some(peers)) if own != peers => format!("{own}\npeer: {peers}"),
        _ => or_dash(port.partner),
    }
}

/// What the port is to the pair, in a word or two.
fn port_state(port: &Interface) -> String {
    let state = match (port.peer_link, port.local, port.remote) {
        (true, _, _) => "peer link",
        // One that is down is held, too: it is to come back in order.
        (_, PortStatus::Up, _) if port.held => "held (waiting for peer isolation)",
        _ if port.bypass => "bypass (no LACP)",
        _ if port.dual => "dual",
        (_, PortStatus::Up, _) if port.remembered_s.is_some() => "up here",
        (_, PortStatus::Up, _) => "here only",
        _ if port.remembered_s.is_some() => "down",
        (_, _, Some(PortStatus::Up)) => "peer only",
        _ => "down",
    };
    state.to_owned()
}

fn members(members: &[Member]) -> String {
    let words = members.iter().map(|member| {
        let state = match (member.carrier, member.distributing) {
            (_, true) => "",
            (true, false) => " (waiting)",
            (false, false) => " (no carrier)",
        };
        format!("{}{state}", member.name)
    });
    wrapped(words.collect(), ", ")
}

/// VLANs as ranges.
fn vids(vids: &[Vid]) -> String {
    wrapped(words::vlan_ranges(vids), ",")
}

/// Words in lines of a few.
fn wrapped(words: Vec<String>, separator: &str) -> String {
    if words.is_empty() {
        return "-".to_owned();
    }
    let lines: Vec<String> = words
        .chunks(PER_LINE)
        .map(|line| line.join(separator))
        .collect();
    lines.join(&format!("{}\n", separator.trim_end()))
}

fn seconds(seconds: u64) -> String {
    duration(seconds.saturating_mul(1000))
}

/// In the two largest units.
fn duration(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0 if ms > 0 => format!("{ms} ms"),
        0..60 if ms.is_multiple_of(1000) || s >= 10 => format!("{s} s"),
        0..60 => format!("{s}.{} s", ms % 1000 / 100),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s / 60 % 60),
        _ => format!("{} d {} h", s / 86_400, s / 3600 % 24),
    }
}

#[cfg(test)]
mod tests;
