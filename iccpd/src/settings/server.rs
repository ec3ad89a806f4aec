//! Settings of earlier versions, in which `iccpd` itself was the client of a foreign `mclagsyncd`:
//! what has to be written instead, and where.

use super::DEFAULT_SYNCD_SOCKET;
use std::path::Path;

/// Settings of our own `mclagsyncd`, which is that client now.
pub(super) const FILE: &str = "/etc/mclag/mclagsyncd.toml";

/// Values of `protocol` in earlier versions.
pub(super) const PROTOCOLS: [&str; 3] = ["sonic", "linux-mclag", "auto"];

/// Why a setting of `iccpd` cannot say it.
pub(super) const WHY: &str =
    "iccpd talks to our own mclagsyncd alone, and that to the server of SONiC or linux-mclag";

/// What has to stand in [`FILE`], line by line.
pub(super) fn table(protocol: &str, address: Option<&str>) -> Vec<String> {
    let address = address.map(|address| format!("address = {address:?}"));
    let lines = [
        "[mclagsyncd]".to_owned(),
        format!("protocol = {protocol:?}"),
    ];
    lines.into_iter().chain(address).collect()
}

/// What a settings file of an earlier version says.
pub(super) struct Old<'a> {
    /// `protocol`, if it is not that of our own `mclagsyncd`.
    pub(super) protocol: Option<&'a str>,
    pub(super) address: Option<&'a str>,
    pub(super) assistant: Option<&'a Path>,
    /// It has a pair.
    pub(super) describes_pair: bool,
    /// It has `strict-sonic`.
    pub(super) has_strict_sonic: bool,
}

impl Old<'_> {
    /// Whether the server was one that describes the pair.
    pub(super) fn brings_pair(&self) -> bool {
        matches!(self.protocol, Some("sonic" | "auto"))
    }

    /// What to write instead of `key`.
    pub(super) fn message(&self, key: &str) -> String {
        let mut message = format!("`{key}`: {WHY}");
        if self.protocol.is_some() || self.address.is_some() {
            let protocol = self.protocol.unwrap_or("auto");
            message += &format!(". Write to {FILE}:");
            add(&mut message, &table(protocol, self.address));
        }
        let here = self.here();
        if !here.is_empty() {
            message += "\n and here, in the place of that:";
            add(&mut message, &here);
        }
        message
    }

    /// What to write to the same file.
    fn here(&self) -> Vec<String> {
        let names_pair = self.brings_pair() && !self.describes_pair;
        let is_strict = self.protocol.is_some() && !self.has_strict_sonic && !names_pair;
        let other = |socket: &&Path| *socket != Path::new(DEFAULT_SYNCD_SOCKET);
        let socket = self.assistant.filter(other);
        let socket = socket.map(|socket| format!("socket = {socket:?}"));
        let names_pair = names_pair.then(|| "names-pair = true".to_owned());
        let syncd: Vec<String> = socket.into_iter().chain(names_pair).collect();
        let mut lines = Vec::new();
        if is_strict {
            lines.extend(["[domain]", "strict-sonic = true"].map(str::to_owned));
        }
        if !syncd.is_empty() {
            lines.push("[syncd]".to_owned());
            lines.extend(syncd);
        }
        lines
    }
}

fn add(message: &mut String, lines: &[String]) {
    for line in lines {
        *message += "\n    ";
        *message += line;
    }
}
