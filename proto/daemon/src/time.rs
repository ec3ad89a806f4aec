//! Waits for a time that may not come.

use std::future::pending;

use tokio::time::{Instant, sleep_until};

/// Wait until then; for ever without a time. Dropping the future loses nothing.
pub async fn wait_until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn it_is_over_at_that_time_and_never_without_one() {
        let hour = Duration::from_secs(3600);
        let start = Instant::now();
        wait_until(Some(start + hour)).await;
        assert_eq!(start.elapsed(), hour);
        wait_until(Some(start)).await;
        assert_eq!(start.elapsed(), hour);
        assert!(timeout(hour, wait_until(None)).await.is_err());
    }
}
