//! Waiting for a condition. Nothing in the lab sleeps for a fixed time and hopes.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Long enough for anything that should happen soon, under software emulation on a busy machine.
pub const SOON: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(50);

/// Try `probe` until it succeeds, at most for `limit`; then its latest error is the reason of the failure.
pub fn eventually<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        match probe() {
            Ok(value) => return Ok(value),
            Err(error) if start.elapsed() >= limit => {
                return Err(error).with_context(|| format!("waited {limit:?} in vain: {what}"));
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Require that `probe` succeeds now and keeps succeeding for `span`.
pub fn holds_for(what: &str, span: Duration, mut probe: impl FnMut() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    loop {
        probe().with_context(|| {
            format!(
                "did not hold for {span:?}, only {:?}: {what}",
                start.elapsed()
            )
        })?;
        if start.elapsed() >= span {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn the_latest_error_explains_the_failure() {
        let error = eventually("bread", Duration::ZERO, || -> Result<()> {
            bail!("oven is cold")
        })
        .unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "waited 0ns in vain: bread: oven is cold"
        );
    }

    #[test]
    fn success_ends_the_wait() {
        let mut tries = 0;
        let value = eventually("third try", SOON, || {
            tries += 1;
            if tries < 3 {
                bail!("not yet")
            } else {
                Ok(tries)
            }
        });
        assert_eq!(value.unwrap(), 3);
    }

    #[test]
    fn a_condition_that_breaks_does_not_hold() {
        let mut tries = 0;
        let result = holds_for("peace", SOON, || {
            tries += 1;
            if tries == 2 { bail!("war") } else { Ok(()) }
        });
        assert!(result.is_err());
    }
}
