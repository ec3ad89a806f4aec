//! What a client may name: it decides what is forwarded where, and not on what else of this host.

use mclag_proto::IfName;
use mclag_proto::sync::model::OpError;

use super::results::refused;
use crate::dataplane::Actual;

/// What the settings of the dataplane allow its clients.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// The bridges that a client may name; with none, the first that it named and that exists.
    pub bridges: Vec<IfName>,
}

impl Limits {
    /// Whether the pair may have this bridge.
    ///
    /// # Errors
    ///
    /// When the settings name another, or they name none and another that still exists was named first.
    pub(super) fn bridge(&self, bridge: IfName, actual: &Actual) -> Result<(), OpError> {
        let is = actual.bridge.as_slice();
        let allowed = match self.bridges.as_slice() {
            [] if is.is_empty() => return Ok(()),
            [] => is,
            named => named,
        };
        if allowed.contains(&bridge) {
            return Ok(());
        }
        let names: Vec<&str> = allowed.iter().map(IfName::as_str).collect();
        Err(refused(format!(
            "bridge {bridge}: this dataplane is of {}; another one is named by `bridge` in the configuration of \
             mclagsyncd",
            names.join(", ")
        )))
    }
}
