//! Entries that a kernel does not delete when it is asked to.

use mclag_netlink::{Activity, FdbAction, FdbOp, Op};
use mclag_proto::sync::model::OpError;

use super::{LinuxBackend, plan};

impl LinuxBackend {
    /// Delete an entry whose port lacks its VLAN: by way of a port that has it, where the kernel refuses (`EINVAL`, before 6.15).
    pub(super) async fn delete_anyway(&mut self, entry: &FdbOp, other: u32) -> Result<(), OpError> {
        let plain = Op::Fdb(*entry);
        for result in self.kernel.apply(&[plain]).await {
            match result {
                Err(error) if error.is_invalid() => {}
                result => return plan::result(&plain, result),
            }
        }
        if !self.is_still_there(entry).await? {
            return Ok(());
        }
        let moved = |action| {
            Op::Fdb(FdbOp {
                port: other,
                action,
                ..*entry
            })
        };
        let ops = [FdbAction::SetTracked(Activity::Inactive), FdbAction::Delete].map(moved);
        let results = self.kernel.apply(&ops).await;
        let mut results = ops.iter().zip(results);
        results.try_for_each(|(op, result)| plan::result(op, result))
    }

    /// It may have been moved, or belong to somebody else by now.
    async fn is_still_there(&mut self, entry: &FdbOp) -> Result<bool, OpError> {
        let bridge = self.bridge_link().map(|link| link.index);
        let bridge = bridge.ok_or_else(|| OpError::refused("the bridge is gone"))?;
        let found = self.kernel.fdb_entry(bridge, entry.mac, entry.vid).await;
        let found = found.map_err(plan::refused)?;
        Ok(found.is_some_and(|found| found.port == entry.port))
    }
}
