//! Places for clients, of whom there may be so many at a time: a task each.
//!
//! When all places are taken, the newest gets that of a client that is waited for: of the user who has most of them, the
//! one that has been for longest. So neither clients that say nothing nor the many of one user lock others out.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::Instant;

/// The places, and who has them. All are closed when this is dropped.
#[derive(Debug)]
pub struct Seats {
    limit: usize,
    /// A client has become one that is waited for.
    waits: Arc<Notify>,
    tasks: JoinSet<()>,
    seats: HashMap<Id, Seat>,
}

/// A client as the one who gives away its place sees it.
#[derive(Debug)]
struct Seat {
    /// None if the system does not say.
    uid: Option<u32>,
    task: AbortHandle,
    pace: Pace,
}

/// Since when a client has been waited for, to ask or to take its answer; not at all while it waits for us.
#[derive(Clone, Debug)]
pub struct Pace {
    since: Arc<Mutex<Option<Instant>>>,
    waits: Arc<Notify>,
}

impl Pace {
    /// The client is waited for from now on.
    pub fn wait(&self) {
        self.set(Some(Instant::now()));
        self.waits.notify_one();
    }

    /// The client waits for us, and keeps its place.
    pub fn work(&self) {
        self.set(None);
    }

    fn set(&self, since: Option<Instant>) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    fn waited_for(&self) -> Option<Instant> {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    /// So many places, at least one.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            waits: Arc::default(),
            tasks: JoinSet::new(),
            seats: HashMap::new(),
        }
    }

    /// Whether there is a place for one more, or would be with [`Seats::make_room`].
    #[must_use]
    pub fn has_room(&self) -> bool {
        let mut seats = self.seats.values();
        self.seats.len() < self.limit || seats.any(|seat| seat.pace.waited_for().is_some())
    }

    /// See to it that there is a place for one more: close a client that is waited for, if need be. False if there is
    /// none.
    pub fn make_room(&mut self) -> bool {
        if self.seats.len() < self.limit {
            return true;
        }
        let of = |uid| self.seats.values().filter(|seat| seat.uid == uid).count();
        let waited_for = self.seats.iter().filter_map(|(id, seat)| {
            let since = seat.pace.waited_for()?;
            Some((Reverse(of(seat.uid)), since, *id))
        });
        let Some((.., id)) = waited_for.min_by_key(|(count, since, _)| (*count, *since)) else {
            return false;
        };
        if let Some(seat) = self.seats.remove(&id) {
            seat.task.abort();
        }
        true
    }

    /// Serve a client, which is waited for at first, by what `serve` makes of its connection.
    pub fn admit<F>(&mut self, stream: UnixStream, serve: impl FnOnce(UnixStream, Pace) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let uid = stream.peer_cred().ok().map(|credentials| credentials.uid());
        let pace = Pace {
            since: Arc::new(Mutex::new(Some(Instant::now()))),
            waits: Arc::clone(&self.waits),
        };
        let task = self.tasks.spawn(serve(stream, pace.clone()));
        self.seats.insert(task.id(), Seat { uid, task, pace });
    }

    /// Wait until a client is gone, or can be closed for another: then it is time to ask [`Seats::has_room`] again.
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) {
        tokio::select! {
            Some(ended) = self.tasks.join_next_with_id() => {
                let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                self.seats.remove(&id);
            }
            () = self.waits.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    /// Input: all places are taken by a client that waits for us, and then is waited for. Output: whoever waits for a
    /// place is told.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_becomes_one_that_is_waited_for_wakes_the_one_who_looks_for_a_place() {
        let (answer, answered) = oneshot::channel::<()>();
        let (stream, _client) = UnixStream::pair().unwrap();
        let mut seats = Seats::new(1);
        seats.admit(stream, |stream, pace| async move {
            pace.work();
            let _ = answered.await;
            pace.wait();
            pending::<()>().await;
            drop(stream);
        });
        assert!(seats.has_room(), "it was not served yet");
        tokio::task::yield_now().await;
        assert!(!seats.has_room() && !seats.make_room());
        answer.send(()).unwrap();
        let changed = timeout(Duration::from_secs(1), seats.changed()).await;
        changed.expect("somebody is told");
        assert!(seats.has_room() && seats.make_room());
    }
}
