//! Reads the kernel's tables, on a thread of its own.
//!
//! The kernel carries a request out inside the call that sends it, and there it waits for whoever
//! holds the lock of its network settings: a driver that loads its firmware, a namespace that is
//! taken down. That can take seconds, nobody can interrupt it, and keepalives must not wait for it.

use mclag_netlink::{BridgeVlans, InterfaceAddress, Kernel, LinkInfo, Neighbour, NetlinkError};
use std::collections::BTreeMap;
use std::{io, thread};
use tokio::runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What the kernel is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Question {
    /// Every table.
    All,
    /// These interfaces, by index.
    Some(Vec<u32>),
    /// The neighbours.
    Neighbours,
}

/// What it says.
pub(super) enum Answer {
    All {
        infos: BTreeMap<u32, LinkInfo>,
        vlans: BTreeMap<u32, BridgeVlans>,
        addresses: Vec<InterfaceAddress>,
        neighbours: Vec<Neighbour>,
    },
    Some(Vec<LinkInfo>),
    Neighbours(Vec<Neighbour>),
}

/// Why it says nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// There is no socket to ask by.
    #[error("cannot open a netlink socket: {0}")]
    Open(#[from] io::Error),
    /// The kernel refused, or did not answer.
    #[error(transparent)]
    Kernel(#[from] NetlinkError),
    /// The thread has ended.
    #[error("nobody reads the kernel any more")]
    Gone,
}

/// The thread, one question at a time. It ends when this is dropped, after what it is about.
pub(super) struct Reader {
    questions: UnboundedSender<Question>,
    answers: UnboundedReceiver<Result<Answer, ReadError>>,
    is_busy: bool,
}

impl Reader {
    /// Start the thread, in the network namespace of the one that calls.
    pub(super) fn start() -> io::Result<Self> {
        let mut kernel = None;
        Self::start_with(async move |question| read(&mut kernel, question).await)
    }

    pub(super) fn start_with<F>(mut read: F) -> io::Result<Self>
    where
        F: AsyncFnMut(Question) -> Result<Answer, ReadError> + Send + 'static,
    {
        let (questions, mut asked) = unbounded_channel();
        let (answer, answers) = unbounded_channel();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new()
            .name("kernel-reader".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    while let Some(question) = asked.recv().await {
                        if answer.send(read(question).await).is_err() {
                            return;
                        }
                    }
                });
            })?;
        Ok(Self {
            questions,
            answers,
            is_busy: false,
        })
    }

    /// Ask. The answer to an earlier question must have come.
    pub(super) fn ask(&mut self, question: Question) {
        // If the thread has ended, the answer says so.
        let _ = self.questions.send(question);
        self.is_busy = true;
    }

    /// Whether there is a question without an answer.
    pub(super) const fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// The answer. Dropping the future loses nothing.
    pub(super) async fn answer(&mut self) -> Result<Answer, ReadError> {
        let answer = self.answers.recv().await;
        self.is_busy = false;
        answer.unwrap_or(Err(ReadError::Gone))
    }
}

async fn read(kernel: &mut Option<Kernel>, question: Question) -> Result<Answer, ReadError> {
    let kernel = match kernel {
        Some(kernel) => kernel,
        None => kernel.insert(Kernel::open()?),
    };
    Ok(match question {
        Question::All => {
            let infos = kernel.links().await?;
            let vlans = kernel.bridge_vlans().await?;
            let addresses = kernel.addresses().await?;
            let neighbours = kernel.neighbours().await?;
            Answer::All {
                infos,
                vlans: vlans
                    .into_iter()
                    .filter(|(_, vlans)| !vlans.vids.is_empty())
                    .collect(),
                addresses,
                neighbours,
            }
        }
        Question::Some(indices) => {
            let mut infos = Vec::with_capacity(indices.len());
            for index in indices {
                infos.extend(kernel.link_at(index).await?);
            }
            Answer::Some(infos)
        }
        Question::Neighbours => Answer::Neighbours(kernel.neighbours().await?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::sleep;

    /// `spec/behaviour.md` 2.4, W-1: nothing sleeps in the main loop, not even inside the kernel.
    #[tokio::test]
    async fn an_answer_that_does_not_come_can_be_waited_for_beside_others() {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let mut reader = Reader::start_with(async move |_| {
            held.recv_timeout(Duration::from_secs(60)).unwrap();
            Ok(Answer::Some(Vec::new()))
        })
        .unwrap();
        reader.ask(Question::All);
        tokio::select! {
            _ = reader.answer() => panic!("answered while the kernel waits"),
            () = sleep(Duration::from_millis(20)) => {}
        }
        assert!(reader.is_busy());
        release.send(()).unwrap();
        let answer = reader.answer().await;
        assert!(matches!(answer, Ok(Answer::Some(infos)) if infos.is_empty()));
        assert!(!reader.is_busy());
    }

    #[tokio::test]
    async fn a_reader_that_is_gone_is_an_error_and_no_endless_wait() {
        let mut reader = Reader::start_with(async |_| panic!("gone")).unwrap();
        reader.ask(Question::All);
        assert!(matches!(reader.answer().await, Err(ReadError::Gone)));
        reader.ask(Question::Neighbours);
        assert!(matches!(reader.answer().await, Err(ReadError::Gone)));
    }
}
