//! Durations as an operator writes them.

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use std::fmt;
use std::time::Duration;

const EXPECTED: &str = "a duration such as \"500ms\", \"15s\", \"2m\", or a number of seconds";

/// A duration in a settings file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Text(pub Duration);

impl Text {
    /// A whole number followed by `ms`, `s`, `m` or `h`, or alone: then it is seconds.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let seconds = text.parse().ok().map(Duration::from_secs);
        seconds.or_else(|| parse(text)).map(Self)
    }
}

/// In the largest unit that needs no fraction; reads back as the same.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        if !ms.is_multiple_of(1000) || ms == 0 {
            write!(f, "{ms}ms")
        } else if !ms.is_multiple_of(60_000) {
            write!(f, "{}s", ms / 1000)
        } else {
            write!(f, "{}m", ms / 60_000)
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationVisitor)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Text, E> {
        let wrong = |_| E::invalid_value(Unexpected::Signed(seconds), &self);
        u64::try_from(seconds)
            .map(|s| Text(Duration::from_secs(s)))
            .map_err(wrong)
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Text, E> {
        Duration::try_from_secs_f64(seconds)
            .map(Text)
            .map_err(|_| E::invalid_value(Unexpected::Float(seconds), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        parse(text)
            .map(Text)
            .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// A whole number followed by `ms`, `s`, `m` or `h`.
fn parse(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}
