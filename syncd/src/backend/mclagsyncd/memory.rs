//! The pair that a server named, across a restart of this process.
//!
//! A server tells a pair to its first client, and to later ones only what changes
//! (`spec/mclagsyncd-protocol.md` 12, item 1), so whoever forgets it never hears of it again. After a boot
//! the server is new, too: what is remembered of another boot counts for nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mclag_daemon::process::chain;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::configuration::Received;
use crate::store::{Store, StoreError, Stored};

/// Which boot of the kernel this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Seconds since then.
const UPTIME: &str = "/proc/uptime";

/// A file with the pair in it.
#[derive(Debug)]
pub struct Memory {
    store: Store<Kept>,
    boot: Boot,
    kept: Kept,
    complained: bool,
}

/// When something is, on a clock that goes on while this process does not run.
#[derive(Debug)]
struct Boot {
    id: String,
    began: Began,
}

/// When the kernel was started.
#[derive(Debug)]
struct Began {
    /// Some time, ...
    at: Instant,
    /// ... and how long after the start that was.
    after: Duration,
}

/// The content of the file.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(transparent)]
struct Kept(Option<Record>);

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Record {
    boot: String,
    /// Seconds from the boot to when the pair was known to be so.
    confirmed_at_s: u64,
    pair: Received,
}

impl Stored for Kept {
    /// The most that is kept is 1.5 MB.
    const MAX_LEN: u64 = 4 << 20;
    const WHAT: &'static str = "the pair that the mclagsyncd server named";
}

/// The pair cannot be remembered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// There is no place for it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The kernel does not say which boot this is.
    #[error("cannot read {}", .path.display())]
    Boot {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

impl Memory {
    /// Remember the pair in the file at `path`; it need not exist.
    ///
    /// # Errors
    ///
    /// When it could not be written, or it is not known which boot this is.
    pub fn open(path: PathBuf) -> Result<Self, MemoryError> {
        Self::of_boot(path, Boot::present()?)
    }

    fn of_boot(path: PathBuf, boot: Boot) -> Result<Self, MemoryError> {
        Ok(Self {
            store: Store::open(path)?,
            boot,
            kept: Kept::default(),
            complained: false,
        })
    }

    /// The pair, and since when it is not known whether it is still so. What cannot be believed is said and left.
    pub(super) fn recall(&mut self) -> Option<(Received, Instant)> {
        let kept = match self.store.load() {
            Ok(kept) => kept,
            Err(error) => {
                tracing::warn!(error = chain(&error), "the pair is not remembered");
                return None;
            }
        };
        let record = kept.0.as_ref()?;
        if record.boot != self.boot.id {
            return None;
        }
        if let Err(wrong) = record.pair.check() {
            tracing::warn!(%wrong, "the pair is not remembered");
            return None;
        }
        let found = (record.pair.clone(), self.boot.time(record.confirmed_at_s));
        self.kept = kept;
        Some(found)
    }

    /// Remember this pair, which was so at that time; or that there is none.
    pub(super) fn keep(&mut self, pair: Option<&Received>, confirmed: Instant) {
        let before = self.kept.0.as_ref().map(|record| &record.pair);
        if before != pair {
            self.write(pair.cloned(), confirmed);
        }
    }

    /// The pair was so until then.
    pub(super) fn confirm(&mut self, until: Instant) {
        if let Some(record) = self.kept.0.take() {
            self.write(Some(record.pair), until);
        }
    }

    fn write(&mut self, pair: Option<Received>, confirmed: Instant) {
        self.kept = Kept(pair.map(|pair| Record {
            boot: self.boot.id.clone(),
            confirmed_at_s: self.boot.seconds(confirmed),
            pair,
        }));
        let result = self.store.save(&self.kept);
        if let Err(error) = &result
            && !self.complained
        {
            let error = chain(error);
            tracing::warn!(error, "the pair cannot be remembered across a restart");
        }
        self.complained = result.is_err();
    }
}

impl Boot {
    fn present() -> Result<Self, MemoryError> {
        let id = read(Path::new(BOOT_ID), |text| Some(text.trim().to_owned()))?;
        let seconds = |text: &str| {
            let number = text.split_ascii_whitespace().next()?.parse().ok()?;
            Duration::try_from_secs_f64(number).ok()
        };
        let after = read(Path::new(UPTIME), seconds)?;
        let at = Instant::now();
        let began = Began { at, after };
        Ok(Self { id, began })
    }

    fn seconds(&self, time: Instant) -> u64 {
        let Began { at, after } = self.began;
        let since = match time.checked_duration_since(at) {
            Some(later) => after.saturating_add(later),
            None => after.saturating_sub(at.saturating_duration_since(time)),
        };
        since.as_secs()
    }

    /// Not later than now.
    fn time(&self, seconds: u64) -> Instant {
        let Began { at, after } = self.began;
        let now = Instant::now();
        let seconds = Duration::from_secs(seconds);
        let time = match seconds.checked_sub(after) {
            Some(later) => at.checked_add(later),
            None => at.checked_sub(after.saturating_sub(seconds)),
        };
        time.unwrap_or(now).min(now)
    }
}

fn read<T>(path: &Path, parse: impl Fn(&str) -> Option<T>) -> Result<T, MemoryError> {
    let text = fs::read_to_string(path);
    let value = text.and_then(|text| parse(&text).ok_or(io::ErrorKind::InvalidData.into()));
    value.map_err(|source| MemoryError::Boot {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use mclag_proto::{IfName, Vid};
    use mclag_test_support::TempDir;

    use super::*;

    /// A boot that began an hour before now.
    fn boot(id: &str) -> Boot {
        Boot {
            id: id.to_owned(),
            began: Began {
                at: Instant::now(),
                after: Duration::from_secs(3600),
            },
        }
    }

    fn pair() -> Received {
        Received::for_test()
    }

    fn recalled(path: &Path, id: &str) -> Option<(Received, Instant)> {
        Memory::of_boot(path.to_owned(), boot(id)).unwrap().recall()
    }

    #[tokio::test(start_paused = true)]
    async fn a_pair_is_remembered_with_its_age_in_the_same_boot_only() {
        let dir = TempDir::new("memory");
        let path = dir.join("pair.json");
        let now = Instant::now();
        let mut memory = Memory::of_boot(path.clone(), boot("this")).unwrap();
        assert_eq!(memory.recall(), None);
        memory.keep(Some(&pair()), now);
        assert_eq!(recalled(&path, "this"), Some((pair(), now)));
        let later = now + Duration::from_secs(60);
        memory.confirm(later);
        // Its time is not after the present.
        assert_eq!(recalled(&path, "this"), Some((pair(), now)));
        tokio::time::advance(Duration::from_secs(90)).await;
        let mut later = boot("this");
        later.began.after += Duration::from_secs(90);
        let mut next = Memory::of_boot(path.clone(), later).unwrap();
        let (_, since) = next.recall().unwrap();
        assert_eq!(since.elapsed(), Duration::from_secs(30));
        assert_eq!(recalled(&path, "another"), None);
        memory.keep(None, now);
        assert!(!path.exists());
    }

    /// What others wrote, or a crash left, is no pair and no reason not to start.
    #[tokio::test]
    async fn what_cannot_be_believed_is_left() {
        let dir = TempDir::new("memory-bad");
        let path = dir.join("pair.json");
        let mut memory = Memory::of_boot(path.clone(), boot("this")).unwrap();
        memory.keep(Some(&pair()), Instant::now());
        let good = fs::read_to_string(&path).unwrap();
        assert!(recalled(&path, "this").is_some());
        let changed = |from: &str, to: &str| {
            assert!(good.contains(from), "{from} in {good}");
            good.replace(from, to)
        };
        let mut many = pair();
        let ports = (0..5000).map(|n| IfName::new(&format!("po{n}")).unwrap());
        many.ports.extend(ports);
        let record = Record {
            boot: "this".to_owned(),
            confirmed_at_s: 0,
            pair: many,
        };
        for bad in [
            good[..good.len() / 2].to_owned(),
            changed("\"boot\"", "\"more\":1,\"boot\""),
            changed("[100]", "[4095]"),
            changed("\"10.0.0.2\"", "\"10.0.0.1\""),
            changed("\"keepalive-s\":2", "\"keepalive-s\":0"),
            changed("PortChannel1\"", "a name that is too long\""),
            serde_json::to_string(&record).unwrap(),
        ] {
            fs::write(&path, &bad).unwrap();
            assert_eq!(recalled(&path, "this"), None, "{bad}");
        }
        let target = dir.join("target");
        fs::write(&target, &good).unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert_eq!(recalled(&path, "this"), None, "a link");
    }

    #[test]
    fn the_longest_that_is_kept_can_be_read() {
        let mut pair = pair();
        let name = |n: u32| IfName::new(&format!("{n:015}")).unwrap();
        for port in 0..64 {
            let vids = (1..=4094).map(|vid| Vid::new(vid).unwrap());
            pair.vlan_members.extend(vids.map(|vid| (name(port), vid)));
        }
        let names = 0..u32::try_from(mclag_proto::sync::settings::MAX_NAMES).unwrap();
        pair.ports = names.clone().map(name).collect();
        pair.unique_ip = names.map(name).collect();
        assert_eq!(pair.check(), Ok(()));
        let length = serde_json::to_vec(&pair).unwrap().len();
        assert!(
            u64::try_from(length).unwrap() + 200 < Kept::MAX_LEN,
            "{length}"
        );
    }

    #[test]
    fn the_present_boot_is_known() {
        let boot = Boot::present().unwrap();
        assert_eq!(boot.id.len(), 36, "{boot:?}");
        assert!(boot.began.after > Duration::ZERO);
    }
}
