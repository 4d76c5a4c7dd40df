//! Values that stand in a runbook: their kinds, and the ones that need more than JSON offers.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use crate::name::{ApplicationName, RunbookName, StepId};

/// What a parameter, an input or an output may hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Any text up to 4,096 bytes.
    Text,
    /// A whole number from 0 to 4,294,967,295.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A length of time with its unit, such as `90s`, `5m` or `1h 30m`.
    Duration,
    /// An instant in RFC 3339, such as `2026-03-01T02:00:00Z`.
    Instant,
    /// A length of time, or the word `unknown`.
    Loss,
    /// One word out of a closed list.
    Word(&'static [&'static str]),
    /// Any number of different words out of a closed list.
    Words(&'static [&'static str]),
    /// A list of texts.
    Texts,
}

/// The longest text that a parameter may hold, in bytes.
pub const TEXT_BYTES_MAX: usize = 4_096;

impl Kind {
    /// Says what is wrong with `value`, if anything.
    pub fn check(self, value: &Value) -> Result<(), String> {
        let found = || format!("expected {self}, found {}", describe(value));
        match self {
            Kind::Text => match value.as_str() {
                Some(text) if text.len() <= TEXT_BYTES_MAX => Ok(()),
                Some(text) => {
                    Err(format!("a text of {} bytes; {TEXT_BYTES_MAX} at most", text.len()))
                }
                None => Err(found()),
            },
            Kind::Integer => match value.as_u64() {
                Some(number) if u32::try_from(number).is_ok() => Ok(()),
                _ => Err(found()),
            },
            Kind::Boolean => value.as_bool().map(|_| ()).ok_or_else(found),
            Kind::Duration => {
                let text = value.as_str().ok_or_else(found)?;
                text.parse::<Span>().map(|_| ()).map_err(|why| why.to_string())
            }
            Kind::Instant => {
                let text = value.as_str().ok_or_else(found)?;
                text.parse::<Timestamp>().map(|_| ()).map_err(|_| found())
            }
            Kind::Loss => {
                let text = value.as_str().ok_or_else(found)?;
                text.parse::<Loss>().map(|_| ()).map_err(|why| why.to_string())
            }
            Kind::Word(words) => match value.as_str() {
                Some(word) if words.contains(&word) => Ok(()),
                _ => Err(found()),
            },
            Kind::Words(words) => {
                let list = value.as_array().ok_or_else(found)?;
                for item in list {
                    Kind::Word(words).check(item)?;
                }
                Ok(())
            }
            Kind::Texts => {
                let list = value.as_array().ok_or_else(found)?;
                for item in list {
                    Kind::Text.check(item)?;
                }
                Ok(())
            }
        }
    }

    /// Whether an output or input of this kind may be referred to where `wanted` stands.
    pub fn fits(self, wanted: Kind) -> bool {
        self == wanted
            || matches!((self, wanted), (Kind::Duration, Kind::Loss))
            || matches!(
                (self, wanted),
                (Kind::Duration | Kind::Instant | Kind::Loss | Kind::Word(_), Kind::Text)
            )
            // One of fewer words, such as a side where a vault may stand too.
            || matches!((self, wanted), (Kind::Word(given), Kind::Word(wanted))
                if given.iter().all(|word| wanted.contains(word)))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Text => f.write_str("a text"),
            Kind::Integer => f.write_str("a whole number"),
            Kind::Boolean => f.write_str("true or false"),
            Kind::Duration => f.write_str("a duration such as `90s` or `5m`"),
            Kind::Instant => f.write_str("an instant such as `2026-03-01T02:00:00Z`"),
            Kind::Loss => f.write_str("a duration such as `5m`, or `unknown`"),
            Kind::Word(words) => write!(f, "one of {}", words.join(", ")),
            Kind::Words(words) => write!(f, "a list out of {}", words.join(", ")),
            Kind::Texts => f.write_str("a list of texts"),
        }
    }
}

fn describe(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 40 {
        format!("{}…", text.chars().take(39).collect::<String>())
    } else {
        text
    }
}

/// A length of time, never negative, written with its unit: `90s`, `5m`, `1h 30m`.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Span(SignedDuration);

/// Why a text is no length of time.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{text}` is not a duration: write a number with its unit, such as `90s`, `5m` or `1h 30m`"
)]
pub struct BadSpan {
    text: String,
}

impl Span {
    /// A span of so many seconds.
    pub const fn from_secs(secs: u32) -> Span {
        Span(SignedDuration::from_secs(secs as i64))
    }

    /// A span of so many minutes.
    pub const fn from_mins(mins: u32) -> Span {
        Span(SignedDuration::from_secs(mins as i64 * 60))
    }

    /// A span of so many hours.
    pub const fn from_hours(hours: u32) -> Span {
        Span(SignedDuration::from_secs(hours as i64 * 3_600))
    }

    /// The time from `from` to `to`, zero when `to` is earlier.
    pub fn between(from: Timestamp, to: Timestamp) -> Span {
        Span(to.duration_since(from).max(SignedDuration::ZERO))
    }

    /// As the type that jiff calculates with.
    pub const fn duration(self) -> SignedDuration {
        self.0
    }

    /// Whole seconds, rounded down.
    pub fn secs(self) -> u64 {
        self.0.as_secs().unsigned_abs()
    }
}

impl FromStr for Span {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Span, BadSpan> {
        let bad = || BadSpan { text: text.chars().take(40).collect() };
        let span: SignedDuration = text.parse().map_err(|_| bad())?;
        // A year is longer than anything here waits for; a longer one is a typing error.
        if text.starts_with(['P', 'p', '-', '+'])
            || span.is_negative()
            || span > SignedDuration::from_hours(24 * 400)
        {
            return Err(bad());
        }
        Ok(Span(span))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:#}", self.0))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Span, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// How much data would be or was lost. `unknown` is a value of its own, and never zero.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Loss {
    /// At most so much.
    AtMost(Span),
    /// Nothing that could tell was seen.
    Unknown,
}

impl Loss {
    /// Whether it is known and within `limit`.
    pub fn within(self, limit: Span) -> bool {
        match self {
            Loss::AtMost(span) => span <= limit,
            Loss::Unknown => false,
        }
    }

    /// The most that can be lost so much later, when nothing more is known: all that came in since, too.
    /// In whole seconds, rounded up.
    #[must_use]
    pub fn grown_by(self, time: SignedDuration) -> Loss {
        match self {
            Loss::AtMost(span) => {
                let grown = span.0.saturating_add(time.max(SignedDuration::ZERO));
                let begun = i64::from(grown.subsec_nanos() > 0);
                Loss::AtMost(Span(SignedDuration::from_secs(grown.as_secs().saturating_add(begun))))
            }
            Loss::Unknown => Loss::Unknown,
        }
    }
}

impl FromStr for Loss {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Loss, BadSpan> {
        if text == "unknown" { Ok(Loss::Unknown) } else { text.parse().map(Loss::AtMost) }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::AtMost(span) => span.fmt(f),
            Loss::Unknown => f.pad("unknown"),
        }
    }
}

impl Serialize for Loss {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Loss {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Loss, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// A Rust type that can stand as a parameter of an action.
pub trait Parameter {
    /// Its kind in a runbook.
    const KIND: Kind;
    /// Whether a step must give it.
    const REQUIRED: bool = true;
}

impl Parameter for String {
    const KIND: Kind = Kind::Text;
}
impl Parameter for RunbookName {
    const KIND: Kind = Kind::Text;
}
impl Parameter for StepId {
    const KIND: Kind = Kind::Text;
}
impl Parameter for ApplicationName {
    const KIND: Kind = Kind::Text;
}
impl Parameter for u32 {
    const KIND: Kind = Kind::Integer;
}
impl Parameter for bool {
    const KIND: Kind = Kind::Boolean;
}
impl Parameter for Span {
    const KIND: Kind = Kind::Duration;
}
impl Parameter for Loss {
    const KIND: Kind = Kind::Loss;
}
impl Parameter for Timestamp {
    const KIND: Kind = Kind::Instant;
}
impl Parameter for Vec<String> {
    const KIND: Kind = Kind::Texts;
}
impl<T: Parameter> Parameter for Option<T> {
    const KIND: Kind = T::KIND;
    const REQUIRED: bool = false;
}

/// An enum made by [`words!`].
pub trait Word {
    /// Every word.
    const LIST: &'static [&'static str];
}

impl<T: Word> Parameter for Vec<T> {
    const KIND: Kind = Kind::Words(T::LIST);
}

/// Makes an enum of words: its spelling in YAML and JSON, its list for the checker.
#[macro_export]
macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $vdoc:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, serde::Deserialize, serde::Serialize)]
        pub enum $name {
            $($(#[doc = $vdoc])+ #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every word, in the order of declaration.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word as it is written.
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok($name::$variant),)+
                    _ => Err(format!("`{text}` is not one of {}", Self::WORDS.join(", "))),
                }
            }
        }

        impl $crate::value::Parameter for $name {
            const KIND: $crate::value::Kind = $crate::value::Kind::Word($name::WORDS);
        }

        impl $crate::value::Word for $name {
            const LIST: &'static [&'static str] = $name::WORDS;
        }
    };
}
pub use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_its_unit() {
        assert_eq!("90s".parse::<Span>().unwrap(), Span::from_secs(90));
        assert_eq!("1h 30m".parse::<Span>().unwrap(), Span::from_mins(90));
        for text in ["90", "5 parsecs", "-5m", "", "PT5M", "999999999h"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_unknown_loss_is_within_nothing() {
        assert!(!Loss::Unknown.within(Span::from_hours(1)));
        assert!(Loss::AtMost(Span::from_secs(0)).within(Span::from_secs(0)));
    }

    #[test]
    fn a_span_reads_back_as_it_was_written() {
        for span in [Span::from_secs(0), Span::from_secs(61), Span::from_hours(49)] {
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
    }
}
