//! What the service manager is told (`sd_notify(3)`); without one, nothing.

use sd_notify::NotifyState;
use std::convert::Infallible;
use std::future::pending;
use tokio::time::{MissedTickBehavior, interval};

/// The daemon serves from now on.
pub fn ready() {
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
        tracing::warn!(%error, "the service manager is not reached, and may take the start for failed");
    }
}

/// Tell it now and then that the daemon lives, if it wants to know. Belongs on the thread that does the work, beside
/// it: while that hangs, nothing is told.
pub async fn watchdog() -> Infallible {
    let Some(patience) = sd_notify::watchdog_enabled() else {
        return pending().await;
    };
    // Twice in that time, as sd_watchdog_enabled(3) has it.
    let mut due = interval((patience / 2).max(SHORTEST));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        if let Err(error) = sd_notify::notify(&[NotifyState::Watchdog]) {
            tracing::debug!(%error, "the service manager is not reached");
        }
    }
}

/// Whoever asks for less than this asks for it by mistake.
const SHORTEST: std::time::Duration = std::time::Duration::from_millis(10);
