//! Tries again, with pauses that grow: to connect, or whatever else may go better later.

use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Pauses that double from the shortest to the longest.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    shortest: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// The first pause is the shortest.
    #[must_use]
    pub const fn new(shortest: Duration, longest: Duration) -> Self {
        Self {
            shortest,
            longest,
            next: shortest,
        }
    }

    /// The pause before the next attempt.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.longest);
        pause
    }

    /// It went well: the next pause is the shortest.
    pub const fn reset(&mut self) {
        self.next = self.shortest;
    }
}

/// One attempt to connect after the other.
pub struct Dialler<T> {
    /// With the pause before it. One that ended is never again.
    attempt: Pin<Box<dyn Future<Output = T> + Send>>,
    pauses: Backoff,
}

impl<T: 'static> Dialler<T> {
    /// Make this attempt at once.
    #[must_use]
    pub fn new(pauses: Backoff, attempt: impl Future<Output = T> + Send + 'static) -> Self {
        Self {
            attempt: Box::pin(attempt),
            pauses,
        }
    }

    /// Make this attempt at once.
    pub fn at_once(&mut self, attempt: impl Future<Output = T> + Send + 'static) {
        self.attempt = Box::pin(attempt);
    }

    /// Make this attempt after the next pause.
    pub fn again(&mut self, attempt: impl Future<Output = T> + Send + 'static) {
        let at = Instant::now() + self.pauses.pause();
        self.attempt = Box::pin(async move {
            sleep_until(at).await;
            attempt.await
        });
    }

    /// What the attempt came to. Nothing more comes before there is another. Dropping the future
    /// loses nothing.
    pub async fn next(&mut self) -> T {
        let outcome = self.attempt.as_mut().await;
        self.attempt = Box::pin(pending());
        outcome
    }

    /// The connection is one that lasts: the next pause is the shortest.
    pub const fn reset(&mut self) {
        self.pauses.reset();
    }
}

impl<T> fmt::Debug for Dialler<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attempt: _, pauses } = self;
        f.debug_struct("Dialler").field("pauses", pauses).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));

    /// Milliseconds before each attempt; at "ok" the one before went well.
    #[test]
    fn pauses_double_up_to_the_longest_and_begin_anew_after_success() {
        let mut pauses = PAUSES;
        for (attempt, before) in [100, 200, 400, 800, 1000, 1000].into_iter().enumerate() {
            assert_eq!(pauses.pause().as_millis(), before, "attempt {attempt}");
        }
        pauses.reset();
        for before in [100, 200] {
            assert_eq!(pauses.pause().as_millis(), before, "ok");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_made_after_their_pauses_and_each_of_them_once() {
        let start = Instant::now();
        let attempt = move |number| async move { (number, start.elapsed().as_millis()) };
        let mut dialler = Dialler::new(PAUSES, attempt(0));
        let mut made = vec![dialler.next().await];
        for number in 1..4 {
            dialler.again(attempt(number));
            made.push(dialler.next().await);
        }
        assert_eq!(made, [(0, 0), (1, 100), (2, 300), (3, 700)]);
        let hour = Duration::from_secs(3600);
        assert!(tokio::time::timeout(hour, dialler.next()).await.is_err());
    }
}
