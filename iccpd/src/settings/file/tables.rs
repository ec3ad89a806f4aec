//! The tables of a settings file, as they stand there.

use super::{DurationText, IccpDialect, OnStop};
use mclag_proto::LagKind;
use serde::Deserialize;
use std::path::PathBuf;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    #[serde(default)]
    pub(super) on_stop: OnStop,
    pub(super) domain: Option<Spanned<DomainTable>>,
    #[serde(default)]
    pub(super) syncd: SyncdTable,
    #[serde(default)]
    pub(super) control: ControlTable,
    #[serde(default)]
    pub(super) log: LogTable,
    pub(super) record: Option<RecordTable>,
}

/// What describes the pair is all there or not at all; the rest has defaults.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DomainTable {
    pub(super) id: Option<Spanned<i64>>,
    pub(super) local: Option<Spanned<String>>,
    pub(super) peer: Option<Spanned<String>>,
    pub(super) dialect: Option<IccpDialect>,
    pub(super) tcp_port: Option<Spanned<i64>>,
    pub(super) bind_device: Option<Spanned<String>>,
    pub(super) ttl_security: Option<bool>,
    pub(super) key_file: Option<Spanned<PathBuf>>,
    pub(super) tcp_ao: Option<Spanned<Vec<AoKeyTable>>>,
    pub(super) bridge: Option<Spanned<String>>,
    pub(super) peer_link: Option<Spanned<String>>,
    pub(super) ports: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) port: Vec<Spanned<PortTable>>,
    #[serde(default)]
    pub(super) path: Vec<Spanned<PathTable>>,
    pub(super) unique_ip: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) system_mac: Option<Spanned<String>>,
    pub(super) node_mac: Option<Spanned<String>>,
    pub(super) priority: Option<Spanned<i64>>,
    pub(super) keepalive: Option<Spanned<DurationText>>,
    pub(super) session_timeout: Option<Spanned<DurationText>>,
    pub(super) ack_timeout: Option<Spanned<DurationText>>,
    pub(super) restart_hold: Option<Spanned<DurationText>>,
    pub(super) neighbours: Option<bool>,
    pub(super) strict_sonic: Option<bool>,
    pub(super) lacp_bypass: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) lacp_bypass_after: Option<Spanned<DurationText>>,
}

/// One key of TCP-AO.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AoKeyTable {
    pub(super) id: Spanned<i64>,
    pub(super) key_file: Spanned<PathBuf>,
}

/// A port, the id that it is given, and whether it speaks LACP.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PortTable {
    pub(super) name: Spanned<String>,
    pub(super) id: Option<Spanned<i64>>,
    pub(super) kind: Option<LagKind>,
}

/// A path to the other chassis.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PathTable {
    pub(super) address: Spanned<String>,
    pub(super) local_address: Option<Spanned<String>>,
    pub(super) bind_device: Option<Spanned<String>>,
    pub(super) port: Option<Spanned<i64>>,
    pub(super) interval: Option<Spanned<DurationText>>,
    pub(super) multiplier: Option<Spanned<i64>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SyncdTable {
    pub(super) socket: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) names_pair: bool,
    pub(super) user: Option<Spanned<String>>,
    // Of earlier versions: see `settings::server`.
    pub(super) protocol: Option<Spanned<String>>,
    pub(super) address: Option<Spanned<String>>,
    pub(super) assistant: Option<Spanned<PathBuf>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ControlTable {
    pub(super) socket: Option<Spanned<PathBuf>>,
    pub(super) mode: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) mclagdctl: Vec<Spanned<MclagdctlTable>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct MclagdctlTable {
    pub(super) socket: Option<Spanned<PathBuf>>,
    pub(super) dialect: Option<Spanned<String>>,
    pub(super) mode: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LogTable {
    pub(super) filter: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RecordTable {
    pub(super) file: Spanned<PathBuf>,
    pub(super) max_size: Option<Spanned<i64>>,
}
