//! What only one `iccpd` of a chassis may have: its half of a pair, and the address that its session binds.
//!
//! The pair is its number and the address of this chassis: two daemons that have both the same speak for the same half
//! of it, on whichever port. The address and port alone are taken as well: with another number a second daemon would
//! fight for the same session. A chassis with several pairs has a daemon for each, with another address or port.

use crate::driver::PeerTransport;
use iccp_core::Config;
use mclag_daemon::lock::{Lock, LockError};

/// Locks of a pair; none while there is no pair.
#[derive(Debug, Default)]
pub struct Claim(Vec<Lock>);

impl Claim {
    /// Have what this pair needs, and nothing else. What was claimed before stays when that fails.
    ///
    /// # Errors
    ///
    /// When another process has some of it.
    pub fn change(
        &mut self,
        config: &Config,
        peer_transport: PeerTransport,
    ) -> Result<(), LockError> {
        let mut wanted = Vec::new();
        for what in names(config, peer_transport) {
            if !self.0.iter().any(|lock| lock.what() == what) {
                wanted.push(Lock::take("iccpd", what)?);
            }
        }
        let names = names(config, peer_transport);
        self.0
            .retain(|lock| names.iter().any(|name| name == lock.what()));
        self.0.append(&mut wanted);
        Ok(())
    }
}

fn names(config: &Config, peer_transport: PeerTransport) -> [String; 2] {
    let (domain, local, port) = (config.domain, config.local, peer_transport.port);
    let device = peer_transport.device.map(|device| format!(" on {device}"));
    let device = device.unwrap_or_default();
    [
        format!("domain {domain} at {local}"),
        format!("the session at {local}, port {port}{device}"),
    ]
}
