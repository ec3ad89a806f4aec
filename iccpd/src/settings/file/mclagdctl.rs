//! `[[control.mclagdctl]]`: sockets for the legacy tool.

use super::tables::MclagdctlTable;
use super::{Check, Shown};
use crate::settings::LegacySocket;
use mclag_daemon::socket::Purpose;
use mclag_proto::mclagdctl::{DEFAULT_SOCKET, Dialect};
use std::path::Path;
use toml::Spanned;

/// There are two dialects; each may be wanted in two places.
const MAX_SOCKETS: usize = 4;

impl Check<'_> {
    /// The sockets for the legacy tool, none of them at a place that is taken.
    pub(super) fn mclagdctl(
        &mut self,
        tables: &[Spanned<MclagdctlTable>],
        control: &Path,
    ) -> Vec<LegacySocket> {
        let mut sockets: Vec<LegacySocket> = Vec::new();
        for whole in tables {
            let table = whole.get_ref();
            let path = self.socket(table.socket.as_ref(), DEFAULT_SOCKET, Purpose::Listen);
            if path == control || sockets.iter().any(|other| other.path == path) {
                let span = table.socket.as_ref().map_or(whole.span(), Spanned::span);
                let path = path.display();
                self.wrong(span, format!("{path} is the path of another socket"));
            }
            let dialect = self.mclagdctl_dialect(table.dialect.as_ref());
            let mode = self.mode(table.mode.as_ref());
            sockets.push(LegacySocket {
                path,
                dialect,
                mode,
            });
        }
        if let Some(first) = tables.get(MAX_SOCKETS) {
            let message = format!("more than {MAX_SOCKETS} sockets for mclagdctl");
            self.wrong(first.span(), message);
        }
        sockets
    }

    fn mclagdctl_dialect(&mut self, value: Option<&Spanned<String>>) -> Dialect {
        let Some(value) = value else {
            return Dialect::default();
        };
        value.get_ref().parse().unwrap_or_else(|error| {
            let text = Shown(value.get_ref());
            self.wrong(value.span(), format!("{text} is {error}"));
            Dialect::default()
        })
    }
}
