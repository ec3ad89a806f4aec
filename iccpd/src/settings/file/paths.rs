//! `[[domain.path]]`: where keepalives go.

use super::Check;
use super::tables::{DomainTable, PathTable};
use crate::settings::PathSettings;
use mclag_daemon::settings::interface;
use mclag_proto::keepalive::{INTERVALS, PORT};
use std::ops::RangeInclusive;

/// Two, for one datagram may be lost; more than ten are a longer interval.
const MULTIPLIERS: RangeInclusive<u16> = 2..=10;

impl Check<'_> {
    /// The paths to the other chassis, each with a socket of its own.
    pub(super) fn paths(&mut self, table: &DomainTable) -> Vec<PathSettings> {
        let mut paths: Vec<PathSettings> = Vec::new();
        for whole in &table.path {
            let Some(path) = self.path(whole.get_ref()) else {
                continue;
            };
            if paths.iter().any(|other| share_a_socket(other, &path)) {
                let message = "it needs another `port`, `bind-device` or `local-address` than a path \
                               before it: each has a socket of its own";
                self.wrong(whole.span(), message.to_owned());
            }
            paths.push(path);
        }
        if let Some(first) = table.path.get(PathSettings::MAX) {
            self.wrong(
                first.span(),
                format!("more than {} paths", PathSettings::MAX),
            );
        }
        if let Some(first) = table.path.first()
            && table.key_file.is_none()
            && table.tcp_ao.is_none()
        {
            let message = "keepalives are signed: a path needs `key-file` or `tcp-ao`".to_owned();
            self.wrong(first.span(), message);
        }
        paths
    }

    fn path(&mut self, table: &PathTable) -> Option<PathSettings> {
        let on_device = table.bind_device.is_some();
        let address = self.address(&table.address, on_device);
        let local = table.local_address.as_ref();
        let local = local.map(|value| (value, self.address(value, on_device)));
        if let (Some(address), Some((value, Some(local)))) = (address, local) {
            self.two_ends(
                (local, value, "local-address"),
                (address, &table.address, "address"),
            );
        }
        let device = table.bind_device.as_ref();
        let device = device.map(|name| self.value(name, interface));
        let path = PathSettings {
            address: address?,
            local: local.and_then(|(_, local)| local),
            device: device.flatten(),
            port: self.number(table.port.as_ref(), 1..=u16::MAX, PORT),
            interval: self.duration(table.interval.as_ref(), INTERVALS, PathSettings::INTERVAL),
            multiplier: self.number(
                table.multiplier.as_ref(),
                MULTIPLIERS,
                PathSettings::MULTIPLIER,
            ),
        };
        Some(path)
    }
}

/// Whether the kernel would refuse the second one its socket.
fn share_a_socket(one: &PathSettings, other: &PathSettings) -> bool {
    let is_any = |path: &PathSettings| path.local.is_none();
    let family = |path: &PathSettings| path.address.is_ipv4();
    let devices = [one.device, other.device];
    one.port == other.port
        && family(one) == family(other)
        && (devices[0] == devices[1] || devices.contains(&None))
        && (one.local == other.local || is_any(one) || is_any(other))
}
