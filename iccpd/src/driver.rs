//! Feeds the core and carries out what it asks for.
//!
//! One loop owns the domain. It waits in one place (`next_input`), hands what happened to the
//! core, and drains the core until it has nothing more to ask. Nothing here waits for a
//! neighbour: all writing goes to bounded buffers, and what does not fit waits in the core, where
//! newer states replace older ones.

mod notices;

use crate::ctl::{self, Question};
use crate::kernel::Watch;
use crate::peer::{self, Peer};
use crate::settings::OnStop;
use crate::syncd::Syncd;
use iccp_core::{Domain, Input, Output, Time};
use mclag_proto::ctl::{Reply, Request};
use notices::Notices;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// How long a stop may take to tell the peer and `syncd`.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);

/// The daemon, wired up.
pub struct Driver {
    /// Every decision.
    pub domain: Domain,
    /// The other chassis.
    pub peer: Peer,
    /// The dataplane.
    pub syncd: Syncd,
    /// The kernel's interfaces.
    pub kernel: Watch,
    /// Operators.
    pub ctl: ctl::Server,
    /// The origin of the core's time.
    pub origin: Instant,
    /// What a stop means.
    pub on_stop: OnStop,
    /// Log lines.
    pub notices: Notices,
}

/// What the loop woke up for.
enum Wake {
    Input(Input),
    Question(Question),
    /// There may be room for messages to the peer.
    Wrote,
    Stop,
}

impl Driver {
    /// Run until `stop` resolves, then say goodbye.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            self.drain().await;
            match self.next_input(stop.as_mut()).await {
                Wake::Input(input) => self.take_in(input),
                Wake::Question(question) => self.answer(question),
                Wake::Wrote => {}
                Wake::Stop => break,
            }
        }
        self.stop().await;
    }

    /// Hand this to the core, and what has arrived together with it, before anything is sent: a
    /// thousand addresses that came in one message go on in a few, not in a thousand.
    fn take_in(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next {
            self.domain.handle(input, self.now());
            self.carry_out();
            next = self.ready();
        }
    }

    /// What has been read and not handed over yet. Each neighbour reads a bounded amount at a
    /// time, and none reads here.
    fn ready(&mut self) -> Option<Input> {
        let kernel = self.kernel.ready();
        kernel
            .or_else(|| self.peer.ready())
            .or_else(|| self.syncd.ready())
    }

    fn now(&self) -> Time {
        Time::new(self.origin.elapsed())
    }

    async fn next_input(&mut self, stop: impl Future<Output = ()>) -> Wake {
        let deadline = self.domain.deadline();
        let deadline = deadline.map(|at| self.origin + at.since_origin());
        tokio::select! {
            () = stop => Wake::Stop,
            () = wait_until(deadline) => Wake::Input(Input::Timeout),
            input = self.kernel.next() => Wake::Input(input),
            event = self.peer.next() => match event {
                peer::Event::Input(input) => Wake::Input(input),
                peer::Event::Wrote => Wake::Wrote,
            },
            input = self.syncd.next() => Wake::Input(input),
            question = self.ctl.next() => Wake::Question(question),
        }
    }

    /// Do what the core asks for.
    fn carry_out(&mut self) {
        while let Some(output) = self.domain.poll_output() {
            match output {
                Output::Connect => self.peer.connect(),
                Output::Close { reason, farewell } => {
                    tracing::debug!(reason, "closing the connection to the peer");
                    for message in &farewell {
                        self.peer.send(message);
                    }
                    self.peer.close();
                }
                Output::Notice(notice) => self.notices.write(notice),
            }
        }
    }

    /// Say everything the core has to say, as far as there is room.
    async fn drain(&mut self) {
        self.carry_out();
        while let Some(batch) = self.domain.poll_batch() {
            self.syncd.send(batch);
        }
        while self.peer.has_room()
            && let Some(message) = self.domain.poll_peer_message(self.now())
        {
            self.peer.send(&message);
        }
        // Now rather than after the next wake-up: an outage lasts as long as these messages take.
        self.syncd.flush_now().await;
        self.peer.flush_now().await;
    }

    fn answer(&mut self, question: Question) {
        let now = self.now();
        let reply = match question.request {
            Request::Status => Reply::Status(Box::new(self.domain.status(now))),
            Request::Interfaces => Reply::Interfaces {
                interfaces: self.domain.interfaces(),
            },
            Request::Macs { after } => {
                let (macs, next) = self.domain.macs(after, ctl::PAGE);
                Reply::Macs { macs, next }
            }
            Request::Peer => {
                let mut peer = self.domain.peer(now);
                peer.refused = self.peer.refused();
                Reply::Peer(Box::new(peer))
            }
        };
        // A client that has gone away meanwhile needs no answer.
        let _ = question.answer.send(reply);
    }

    async fn stop(mut self) {
        let leave = self.on_stop == OnStop::Leave;
        tracing::info!(leave, "stopping");
        self.domain.handle(Input::Stop { leave }, self.now());
        if timeout(STOP_TIMEOUT, self.say_goodbye()).await.is_err() {
            tracing::warn!("stopped before everybody was told");
        }
    }

    /// Let everything leave that the core still has to say, and let `syncd` answer.
    async fn say_goodbye(&mut self) {
        self.drain().await;
        while !(self.domain.syncd_is_idle() && self.syncd.is_idle() && self.peer.is_flushed()) {
            let input = tokio::select! {
                event = self.peer.next() => match event {
                    peer::Event::Input(input) => Some(input),
                    peer::Event::Wrote => None,
                },
                input = self.syncd.next() => Some(input),
            };
            if let Some(input) = input {
                self.take_in(input);
            }
            self.drain().await;
        }
        self.syncd.bye().await;
        self.peer.close();
        while !self.peer.is_flushed() {
            self.peer.next().await;
        }
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
