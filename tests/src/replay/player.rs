//! One session: plays a side of it, and lets the model listen.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::receiver::Receiver;
use super::stream::{Message, Side};

/// Longest pause that is kept of those in a recording.
const LONGEST_PAUSE: Duration = Duration::from_millis(40);

/// How long something that has to come may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long an acknowledgement in the recording waits for a port of ours to come up, which it may not have.
const MAYBE: Duration = Duration::from_millis(200);

/// Time that one read waits.
const TURN: Duration = Duration::from_millis(5);

/// A side of a session.
#[derive(Debug)]
pub struct Player {
    stream: TcpStream,
    receiver: Receiver,
    is_closed: bool,
}

impl Player {
    /// Play to whoever is at the other end.
    ///
    /// # Errors
    ///
    /// When the socket cannot be set up.
    pub fn new(stream: TcpStream, receiver: Receiver) -> Result<Self> {
        stream.set_read_timeout(Some(TURN))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            receiver,
            is_closed: false,
        })
    }

    /// What the model knows.
    #[must_use]
    pub const fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// Whether the other end closed the connection.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Say what `side` says in `messages`. `other` is told of what the other side said in between.
    ///
    /// # Errors
    ///
    /// When something that the side would wait for does not come, or the connection is closed.
    pub fn play(
        &mut self,
        messages: &[Message],
        side: Side,
        mut other: impl FnMut(&Message),
    ) -> Result<()> {
        let mut pause = Duration::ZERO;
        for (number, message) in messages.iter().enumerate() {
            pause += message.after;
            if message.from != side {
                other(message);
                continue;
            }
            self.listen(std::mem::take(&mut pause).min(LONGEST_PAUSE))?;
            let patience = match message.name.as_str() {
                "IF_UP_ACK" => MAYBE,
                _ => PATIENCE,
            };
            let wanted = |receiver: &Receiver| receiver.may_say(&message.bytes);
            if !self.listen_until(patience, wanted)? && patience == PATIENCE {
                bail!(
                    "{} ({number}) waits in vain; {}",
                    message.name,
                    self.state()
                );
            }
            // Bytes may arrive in any pieces.
            let at = if number % 3 == 0 {
                3
            } else {
                message.bytes.len()
            };
            self.say(message, at)
                .with_context(|| format!("{} ({number}); {}", message.name, self.state()))?;
        }
        Ok(())
    }

    fn say(&mut self, message: &Message, at: usize) -> Result<()> {
        let (head, tail) = message.bytes.split_at(at.min(message.bytes.len()));
        self.stream.write_all(head)?;
        if !tail.is_empty() {
            self.listen(TURN)?;
            self.stream.write_all(tail)?;
        }
        self.receiver.says(&message.bytes);
        Ok(())
    }

    /// Write bytes of one's own making; the model takes no note.
    ///
    /// # Errors
    ///
    /// When the connection is closed.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Listen until nothing is owed any more.
    ///
    /// # Errors
    ///
    /// When something stays owed, or the connection is closed.
    pub fn settle(&mut self) -> Result<()> {
        let settled = |receiver: &Receiver| receiver.waits_for().is_empty();
        let done = self.listen_until(PATIENCE, settled)?;
        ensure!(done, "waited in vain; {}", self.state());
        Ok(())
    }

    /// Listen for a while.
    ///
    /// # Errors
    ///
    /// When the connection is closed.
    pub fn listen(&mut self, span: Duration) -> Result<()> {
        self.listen_until(span, |_| false).map(drop)
    }

    /// Listen until something is so, at most for so long. Returns whether it is.
    ///
    /// # Errors
    ///
    /// When the connection is closed before.
    pub fn listen_until(
        &mut self,
        span: Duration,
        wanted: impl Fn(&Receiver) -> bool,
    ) -> Result<bool> {
        let start = Instant::now();
        loop {
            if wanted(&self.receiver) {
                return Ok(true);
            }
            if start.elapsed() >= span {
                return Ok(false);
            }
            ensure!(self.turn()?, "the connection was closed; {}", self.state());
        }
    }

    /// Wait until the other end closes the connection.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn until_closed(&mut self, span: Duration) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < span {
            if !self.turn()? {
                return Ok(());
            }
        }
        bail!("the connection is still open after {span:?}")
    }

    /// Read once. Returns false at the end.
    fn turn(&mut self) -> Result<bool> {
        let mut buffer = [0; 65_536];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.is_closed = true,
            Ok(count) => self.receiver.hears(&buffer[..count], Instant::now()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.is_closed = true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        self.receiver.tick(Instant::now());
        Ok(!self.is_closed)
    }

    fn state(&self) -> String {
        format!(
            "in {:?}, waits for {:?}, complains of {:?}",
            self.receiver.stage(),
            self.receiver.waits_for(),
            self.receiver.complaints()
        )
    }
}
