//! Many requests in one system call, each failure reported.
//!
//! Only the last request of a chunk asks for an acknowledgement: successes are silent, failures
//! answer individually, and the acknowledgement says that no more answers follow. A request that
//! fails does not stop those behind it.

use tokio::time::Instant;

use crate::attr::Msg;
use crate::error::Failure;
use crate::socket::{ANSWER_DEADLINE, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR, Socket};

/// Room that one negative answer takes in the receive buffer, generously: 36 bytes, its
/// explanation, and the kernel's own accounting.
const ANSWER_COST: usize = 1280;

/// Most requests in one chunk. Larger ones are no faster.
const CHUNK_MAX: usize = 512;

/// A receive buffer in which all requests of a full chunk may fail.
pub(crate) const RECEIVE_BUFFER: u32 = 1 << 20;

/// How many requests may go into one chunk, given the receive buffer the kernel granted: if all
/// of them fail, all answers fit.
pub(crate) fn chunk_len(receive_buffer: usize) -> usize {
    (receive_buffer / ANSWER_COST).clamp(1, CHUNK_MAX)
}

/// Send all requests, in order. One result comes back per request, in order.
pub(crate) async fn run(
    socket: &mut Socket,
    requests: &mut [Msg],
    chunk_len: usize,
) -> Vec<Result<(), Failure>> {
    let mut results = Vec::with_capacity(requests.len());
    for chunk in requests.chunks_mut(chunk_len) {
        run_chunk(socket, chunk, &mut results).await;
    }
    results
}

async fn run_chunk(socket: &mut Socket, chunk: &mut [Msg], results: &mut Vec<Result<(), Failure>>) {
    let start = results.len();
    let count = u32::try_from(chunk.len()).expect("a chunk is short");
    let first = socket.reserve(count);
    let last = first + (count - 1);

    let mut bytes = Vec::with_capacity(chunk.iter().map(Msg::len).sum());
    for (sequence, msg) in (first..=last).zip(chunk) {
        let ack = if sequence == last { NLM_F_ACK } else { 0 };
        msg.add_flags(NLM_F_REQUEST | ack);
        bytes.extend_from_slice(msg.seal(sequence));
    }
    if let Err(failure) = socket.send(&bytes).await {
        results.extend((first..=last).map(|_| Err(failure.clone())));
        return;
    }

    results.extend((first..=last).map(|_| Ok(())));
    let results = &mut results[start..];
    let mut answered = vec![false; results.len()];
    let deadline = Instant::now() + ANSWER_DEADLINE;
    loop {
        let answers = match socket.receive(deadline).await {
            Ok(answers) => answers,
            Err(failure) => {
                // Which of the silent ones succeeded is unknown now.
                for (result, answered) in results.iter_mut().zip(answered) {
                    if !answered {
                        *result = Err(failure.clone());
                    }
                }
                return;
            }
        };
        let mut complete = false;
        for answer in answers.filter(|a| a.kind == NLMSG_ERROR) {
            let Some(index) = answer.sequence.checked_sub(first) else {
                continue;
            };
            let Ok(index) = usize::try_from(index) else {
                continue;
            };
            if let (Some(result), Some(seen)) = (results.get_mut(index), answered.get_mut(index)) {
                *result = Failure::read(answer.flags, answer.body);
                *seen = true;
                complete |= answer.sequence == last;
            }
        }
        if complete {
            socket.done();
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_to_a_chunk_fit_the_buffer() {
        assert_eq!(chunk_len(425_984), 332);
        assert_eq!(chunk_len(2 << 20), 512);
        assert_eq!(chunk_len(0), 1);
    }
}
