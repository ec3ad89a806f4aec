//! Several streams at once, while something happens.

use anyhow::Result;

use crate::traffic::{Port, Receiver, Sender, Sent, Stream, Tally};

/// Frames a second of each.
pub(super) const RATE: u32 = 100;

/// Streams under way, each with its name and the one who counts it.
pub(super) struct Flows<'a>(Vec<(&'static str, &'a Receiver, Stream, Sender)>);

impl<'a> Flows<'a> {
    pub(super) fn start(flows: &[(&'static str, Stream, &Port, &'a Receiver)]) -> Result<Self> {
        let mut started = Vec::new();
        for (name, stream, from, ear) in flows {
            started.push((*name, *ear, *stream, Sender::start(from, *stream, RATE)?));
        }
        let flows = Self(started);
        flows.wait_for_more(40)?;
        Ok(flows)
    }

    /// Wait until so many further frames of each have arrived.
    pub(super) fn wait_for_more(&self, frames: u64) -> Result<()> {
        let mut due = Vec::new();
        for (_, ear, stream, _) in &self.0 {
            let seen = ear.tally(stream.id)?.received;
            due.push((ear, stream, seen + frames));
        }
        for (ear, stream, frames) in due {
            ear.wait_for(stream.id, frames)?;
        }
        Ok(())
    }

    /// End all, and return how each fared.
    pub(super) fn stop(self) -> Result<Vec<(&'static str, Sent, Tally)>> {
        self.wait_for_more(40)?;
        let mut stopped = Vec::new();
        for (name, ear, _, sender) in self.0 {
            stopped.push((name, ear, sender.stop()?));
        }
        stopped
            .into_iter()
            .map(|(name, ear, sent)| Ok((name, sent, ear.hear(&sent)?)))
            .collect()
    }
}
