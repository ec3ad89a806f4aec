//! Settings as a file that means the same, with every default written out.

use super::{
    Chassis, Domain, DurationText, Keys, LegacySocket, OnStop, PathSettings, Settings, Syncd,
};
use crate::record::Place;
use iccp_core::OnLoss;
use mclag_proto::IfName;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain,
            chassis,
            on_stop,
            syncd,
            control_socket,
            control_mode,
            mclagdctl,
            log_filter,
            record,
        } = self;
        let on_stop = match on_stop {
            OnStop::Keep => "keep",
            OnStop::Leave => "leave",
        };
        writeln!(f, "on-stop = \"{on_stop}\"")?;
        writeln!(f, "\n[domain]")?;
        if let Some(domain) = domain {
            write!(f, "{domain}")?;
        }
        write!(f, "{chassis}")?;
        if let Some(domain) = domain {
            for name in domain.ports.iter().filter(|name| domain.has_table(name)) {
                write!(f, "\n[[domain.port]]\nname = {}\n", Quoted(name.as_str()))?;
                if let Some(id) = domain.port_ids.get(name) {
                    writeln!(f, "id = {id}")?;
                }
                if let Some(kind) = domain.port_kinds.get(name) {
                    writeln!(f, "kind = \"{}\"", kind.name())?;
                }
            }
        }
        for path in &chassis.paths {
            write!(f, "\n[[domain.path]]\n{path}")?;
        }
        writeln!(f)?;
        writeln!(f, "[syncd]\n{syncd}")?;
        writeln!(
            f,
            "[control]\nsocket = {}",
            Quoted(&control_socket.to_string_lossy())
        )?;
        writeln!(f, "mode = \"{control_mode:04o}\"")?;
        for socket in mclagdctl {
            let LegacySocket {
                path,
                dialect,
                mode,
            } = socket;
            let path = path.to_string_lossy();
            writeln!(f, "\n[[control.mclagdctl]]\nsocket = {}", Quoted(&path))?;
            writeln!(f, "dialect = \"{dialect}\"\nmode = \"{mode:04o}\"")?;
        }
        write!(f, "\n[log]\nfilter = {}", Quoted(log_filter))?;
        if let Some(Place { file, max_size }) = record {
            let file = file.to_string_lossy();
            write!(f, "\n\n[record]\nfile = {}", Quoted(&file))?;
            write!(f, "\nmax-size = {max_size}")?;
        }
        Ok(())
    }
}

impl Domain {
    fn has_table(&self, port: &IfName) -> bool {
        self.port_ids.contains_key(port) || self.port_kinds.contains_key(port)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            local,
            peer,
            peer_link,
            ports,
            // In tables of their own, which stand behind the rest.
            port_ids: _,
            port_kinds: _,
            unique_ip,
            system_mac,
            keepalive,
            session_timeout,
        } = self;
        writeln!(f, "id = {id}")?;
        writeln!(f, "local = \"{local}\"")?;
        writeln!(f, "peer = \"{peer}\"")?;
        if let Some(peer_link) = peer_link {
            writeln!(f, "peer-link = {}", Quoted(peer_link.as_str()))?;
        }
        let listed = ports.iter().filter(|name| !self.has_table(name));
        let listed: BTreeSet<IfName> = listed.copied().collect();
        writeln!(f, "ports = {}", Names(&listed))?;
        writeln!(f, "unique-ip = {}", Names(unique_ip))?;
        if let Some(mac) = system_mac {
            writeln!(f, "system-mac = \"{mac}\"")?;
        }
        writeln!(f, "keepalive = \"{}\"", DurationText(*keepalive))?;
        let timeout = DurationText(*session_timeout);
        writeln!(f, "session-timeout = \"{timeout}\"")
    }
}

impl fmt::Display for Chassis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            dialect,
            tcp_port,
            bind_device,
            ttl_security,
            keys,
            // In tables of their own, which stand behind the rest.
            paths: _,
            bridge,
            node_mac,
            priority,
            ack_timeout,
            restart_hold,
            neighbours,
            on_loss,
            bypass,
            bypass_after,
        } = self;
        writeln!(f, "dialect = \"{}\"", dialect.name())?;
        writeln!(f, "tcp-port = {tcp_port}")?;
        if let Some(device) = bind_device {
            writeln!(f, "bind-device = {}", Quoted(device.as_str()))?;
        }
        writeln!(f, "ttl-security = {ttl_security}")?;
        let quoted = |file: &Path| Quoted(&file.to_string_lossy()).to_string();
        match keys {
            Keys::None => {}
            Keys::Md5(file) => writeln!(f, "key-file = {}", quoted(file))?,
            Keys::Ao(keys) => {
                let keys = keys.iter();
                let keys =
                    keys.map(|(id, file)| format!("{{ id = {id}, key-file = {} }}", quoted(file)));
                writeln!(f, "tcp-ao = [{}]", keys.collect::<Vec<_>>().join(", "))?;
            }
        }
        if let Some(bridge) = bridge {
            writeln!(f, "bridge = {}", Quoted(bridge.as_str()))?;
        }
        if let Some(mac) = node_mac {
            writeln!(f, "node-mac = \"{mac}\"")?;
        }
        writeln!(f, "priority = {priority}")?;
        writeln!(f, "ack-timeout = \"{}\"", DurationText(*ack_timeout))?;
        writeln!(f, "restart-hold = \"{}\"", DurationText(*restart_hold))?;
        writeln!(f, "neighbours = {neighbours}")?;
        let strict_sonic = match on_loss {
            OnLoss::Hold => false,
            OnLoss::Release => true,
        };
        writeln!(f, "strict-sonic = {strict_sonic}")?;
        if bypass.is_empty() {
            return Ok(());
        }
        writeln!(f, "lacp-bypass = {}", Names(bypass))?;
        let after = DurationText(*bypass_after);
        writeln!(f, "lacp-bypass-after = \"{after}\"")
    }
}

impl fmt::Display for PathSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            address,
            local,
            device,
            port,
            interval,
            multiplier,
        } = self;
        writeln!(f, "address = \"{address}\"")?;
        if let Some(local) = local {
            writeln!(f, "local-address = \"{local}\"")?;
        }
        if let Some(device) = device {
            writeln!(f, "bind-device = {}", Quoted(device.as_str()))?;
        }
        writeln!(f, "port = {port}")?;
        writeln!(f, "interval = \"{}\"", DurationText(*interval))?;
        writeln!(f, "multiplier = {multiplier}")
    }
}

impl fmt::Display for Syncd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            socket,
            names_pair,
            user,
        } = self;
        writeln!(f, "socket = {}", Quoted(&socket.to_string_lossy()))?;
        writeln!(f, "names-pair = {names_pair}")?;
        match user {
            Some(user) => writeln!(f, "user = \"{user}\""),
            None => Ok(()),
        }
    }
}

/// Names of interfaces as a TOML array.
struct Names<'a>(&'a BTreeSet<IfName>);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, name) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{}", Quoted(name.as_str()))?;
        }
        f.write_str("]")
    }
}

/// A text as a TOML basic string.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\U{:08x}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}
